"""The SSM agent: executes a document's steps against the folder that stands for a host.

`aws:downloadContent` fetches from the sandbox's S3 with the instance role. `aws:runShellScript`
runs the document's own commands with `sh`. Only `python3` on the PATH is not the host's: it is
this interpreter with `--root FOLDER` added, so that the probe looks at the host's folder.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.ssm.instances import SandboxHost
from sandbox.ssm.job import Job, stop_group
from sandbox.ssm.step_result import STOPPED_CODE, StepResult

_TOOLS = ("sh", "nice", "ionice", "true", "cat", "rm", "sleep")
_PARAMETER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_GARBAGE = '\x1b]0;not a report\x07{"schema": 1, "databases": [{"db_id": \x00'

Step = Mapping[str, Any]
"""A step of a document, or its inputs."""

_Outcome = tuple[str, str, int, str, str]
"""Status, details, exit code, stdout, stderr."""


class Agent:
    """Runs documents in folders of `scratch`.

    `s3_client` returns a client with the credentials of an account's instance role.
    """

    def __init__(self, scratch: Path, s3_client: Callable[[str], Any]) -> None:
        self._scratch = scratch
        self._s3_client = s3_client
        self._tools = scratch / "tools"
        self._tools.mkdir()
        for name in _TOOLS:
            if found := shutil.which(name):
                (self._tools / name).symlink_to(found)

    def run(
        self, host: SandboxHost, document: Step, parameters: Mapping[str, str], job: Job
    ) -> list[StepResult]:
        """Execute the steps in order; returns the results of those that were reached."""
        results: list[StepResult] = []
        work = Path(tempfile.mkdtemp(prefix=f"{host.instance_id}-", dir=self._scratch))
        try:
            for raw in document["mainSteps"]:
                if job.is_cancelled:
                    break
                step = _substitute(raw, parameters)
                result = self._run_step(host, step, work, job)
                results.append(result)
                if result.status != "Success" and step["inputs"].get("onFailure") == "exit":
                    break
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return results

    def _run_step(self, host: SandboxHost, step: Step, work: Path, job: Job) -> StepResult:
        started = datetime.now(UTC)
        status, details, code, stdout, stderr = self._outcome(host, step, work, job)
        return StepResult(
            name=step["name"],
            action=step["action"],
            status=status,
            details=details,
            code=code,
            stdout=stdout,
            stderr=stderr,
            started=started,
            finished=datetime.now(UTC),
        )

    def _outcome(self, host: SandboxHost, step: Step, work: Path, job: Job) -> _Outcome:
        unmet = _unmet_precondition(step, host.spec.platform)
        if unmet:
            text = f"Step execution skipped due to unsatisfied preconditions: '{unmet}'. "
            return "Success", "Success", 0, f"{text}Step name: {step['name']}", ""
        if step["action"] == "aws:downloadContent":
            return self._download(host, step["inputs"], work)
        if host.output is not None:
            status = "Success" if host.exit_code == 0 else "Failed"
            return status, status, host.exit_code, host.output, host.error_output
        if host.behaviour == "garbage":
            return "Success", "Success", 0, _GARBAGE, ""
        return self._run_script(host, step["inputs"], work, job)

    def _download(self, host: SandboxHost, inputs: Step, work: Path) -> _Outcome:
        source = urlsplit(json.loads(inputs["sourceInfo"])["path"])
        bucket, _, key = unquote(source.path).lstrip("/").partition("/")
        target = work / inputs["destinationPath"]
        client = self._s3_client(host.account_id)
        try:
            client.list_objects_v2(Bucket=bucket, Prefix=f"{key}/")
            body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            return "Failed", "Failed", 1, "", f"failed to download content: {error}"
        target.write_bytes(body)
        return "Success", "Success", 0, f"Content downloaded to {target}", ""

    def _run_script(self, host: SandboxHost, inputs: Step, work: Path, job: Job) -> _Outcome:
        script = work / "_script.sh"
        script.write_text("\n".join(inputs["runCommand"]) + "\n", encoding="utf-8")
        process = subprocess.Popen(  # noqa: S603 - the document's commands are what it is for
            [str(self._tools / "sh"), str(script)],
            cwd=work,
            env={"PATH": self._path(host, work), "HOME": str(work), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        timed_out = False
        with job.running(process):
            try:
                out, err = process.communicate(timeout=float(inputs["timeoutSeconds"]))
            except subprocess.TimeoutExpired:
                timed_out = True
                stop_group(process)
                out, err = process.communicate()
        stdout, stderr = out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
        if job.is_cancelled:
            return "Cancelled", "Cancelled", STOPPED_CODE, stdout, stderr
        if timed_out:
            return "TimedOut", "ExecutionTimedOut", STOPPED_CODE, stdout, stderr
        status = "Success" if process.returncode == 0 else "Failed"
        return status, status, process.returncode, stdout, stderr

    def _path(self, host: SandboxHost, work: Path) -> str:
        """A PATH with the few tools a document needs, and python3 where the host has one."""
        if not host.has_python:
            return str(self._tools)
        shims = work / "bin"
        shims.mkdir()
        root = "" if host.is_this_machine else f" --root {shlex.quote(str(host.folder))}"
        shim = shims / "python3"
        shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"{root}\n', "utf-8")
        shim.chmod(0o700)
        return f"{shims}{os.pathsep}{self._tools}"


def _unmet_precondition(step: Step, platform: str) -> str | None:
    wanted = step.get("precondition", {}).get("StringEquals")
    if wanted and platform not in wanted:
        return f'"StringEquals": [{", ".join(wanted)}]'
    return None


def _substitute(value: Any, parameters: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _PARAMETER.sub(lambda match: parameters.get(match.group(1), match.group(0)), value)
    if isinstance(value, list):
        return [_substitute(item, parameters) for item in value]
    if isinstance(value, dict):
        return {key: _substitute(item, parameters) for key, item in value.items()}
    return value
