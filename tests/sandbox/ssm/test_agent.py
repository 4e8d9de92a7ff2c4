"""The agent executes the shipped document for real: its checks, its failures, the probe itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from discovery import artefacts
from sandbox import Sandbox
from tests.support.run_command import Hosts, Send, WaitFor


@contextmanager
def probe_in_s3(sandbox: Sandbox, content: bytes) -> Iterator[None]:
    """While inside, the script bucket has other content at the probe's key."""
    s3 = sandbox.client("s3")
    names = {"Bucket": sandbox.settings.script_bucket, "Key": artefacts.probe_key()}
    s3.put_object(**names, Body=content)
    try:
        yield
    finally:
        s3.put_object(**names, Body=artefacts.probe_source())


def run_step(end: dict[str, Any]) -> dict[str, Any]:
    """The probe step of an invocation."""
    (step,) = (step for step in end["CommandPlugins"] if step["Name"] == "runProbe")
    return dict(step)


def test_shipped_probe_reports_the_hosts_databases(
    ssm: Any, hosts: Hosts, send: Send, finished: WaitFor
) -> None:
    """AssumeRole, SendCommand, list: what comes back is what the estate says is there."""
    hosts[0].output = None
    (end,) = finished(ssm, send(hosts[0], Parameters={"executionTimeout": ["60"]})).values()
    step = run_step(end)
    assert end["Status"] == "Success", step["Output"]
    report = json.loads(step["Output"].splitlines()[0])
    assert report["end"] is True
    found = {(db["db_id"], db["version"]) for db in report["databases"]}
    assert found == {(db.db_id, db.version) for db in hosts[0].spec.databases}


def test_host_without_python_fails_with_127(
    ssm: Any, hosts: Hosts, send: Send, finished: WaitFor, tmp_path: Path
) -> None:
    """A legacy host has no python3: the document's own check says so."""
    spec = hosts[0].spec
    hosts[0].spec = replace(spec, root=str(tmp_path))
    hosts[0].output = None
    try:
        (end,) = finished(ssm, send(hosts[0])).values()
    finally:
        hosts[0].spec = spec
    step = run_step(end)
    assert (end["Status"], step["ResponseCode"]) == ("Failed", 127)
    assert "python3 not found" in step["Output"]


def test_changed_probe_is_not_run(
    sandbox: Sandbox, ssm: Any, hosts: Hosts, send: Send, finished: WaitFor, tmp_path: Path
) -> None:
    """A script that someone swapped in S3 fails with 65, and not a line of it is executed."""
    mark = tmp_path / "executed"
    hosts[0].output = None
    with probe_in_s3(sandbox, f"open({str(mark)!r}, 'w')\n".encode()):
        (end,) = finished(ssm, send(hosts[0])).values()
    step = run_step(end)
    assert (end["Status"], step["ResponseCode"]) == ("Failed", 65)
    assert "probe hash mismatch" in step["Output"]
    assert not mark.exists()


def test_missing_probe_fails_in_the_download_step(
    sandbox: Sandbox, ssm: Any, hosts: Hosts, send: Send, finished: WaitFor
) -> None:
    """When the object is gone the download fails, and the probe step is not reached."""
    s3 = sandbox.client("s3")
    with probe_in_s3(sandbox, b""):
        s3.delete_object(Bucket=sandbox.settings.script_bucket, Key=artefacts.probe_key())
        (end,) = finished(ssm, send(hosts[0])).values()
    (download,) = end["CommandPlugins"]
    assert (download["Name"], download["Status"]) == ("downloadProbe", "Failed")
    assert "NoSuchKey" in download["Output"]


def test_windows_skips_the_steps(sandbox: Sandbox, finished: WaitFor) -> None:
    """The document's precondition keeps it from running anywhere but on Linux."""
    host = next(
        host
        for host in sandbox.hosts.values()
        if host.spec.platform == "Windows" and host.is_reachable
    )
    ssm = sandbox.client("ssm", host.account_id, host.region)
    sent = ssm.send_command(
        DocumentName=sandbox.settings.document_name, InstanceIds=[host.instance_id]
    )
    (end,) = finished(ssm, sent["Command"]["CommandId"]).values()
    assert end["Status"] == "Success"
    assert "skipped due to unsatisfied preconditions" in run_step(end)["Output"]


def test_garbage_is_a_success_with_output_that_is_no_report(
    ssm: Any, hosts: Hosts, send: Send, finished: WaitFor
) -> None:
    """A host may print anything: Systems Manager does not mind."""
    hosts[0].output, hosts[0].behaviour = None, "garbage"
    (end,) = finished(ssm, send(hosts[0])).values()
    assert end["Status"] == "Success"
    assert "\x1b" in run_step(end)["Output"]


def test_nothing_is_left_in_the_agents_folder(
    sandbox: Sandbox, ssm: Any, hosts: Hosts, send: Send, finished: WaitFor
) -> None:
    """After a command the agent's working folder is gone, and so is the probe."""
    hosts[0].output = None
    finished(ssm, send(hosts[0]))
    assert not list(sandbox.work_folder.glob(f"{hosts[0].instance_id}*"))


def test_document_removes_the_probe_it_read(tmp_path: Path) -> None:
    """The commands leave no copy of the probe on the host, even before the agent tidies up."""
    probe = b"print('ran')\n"
    values = {
        "HOME_REGION": "eu-west-1",
        "DNS_SUFFIX": "amazonaws.com",
        "SCRIPT_BUCKET": "b",
        "PROBE_KEY": "k",
        "PROBE_SHA256": hashlib.sha256(probe).hexdigest(),
    }
    _, step = artefacts.render(artefacts.DOCUMENT, values)["mainSteps"]
    script = "\n".join(step["inputs"]["runCommand"]).replace("{{ executionTimeout }}", "60")
    (tmp_path / "discovery_python.py").write_bytes(probe)
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "ran\n"
    assert not list(tmp_path.iterdir())
