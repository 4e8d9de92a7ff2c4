"""Where the commands' output goes: a reader who leaves, and an encoding that cannot hold it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from discovery.artefacts import ROOT
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.model import RunStatus
from discovery.settings import Settings
from sandbox import Sandbox
from sandbox.ssm import SandboxHost
from tests.support.empty_tables import empty_tables
from tests.support.hosts import hosts_of

NAME = "orders \u2192 \U0001f680"
"""What latin-1 cannot hold."""


def command(*arguments: str, **environment: str) -> tuple[list[str], Mapping[str, str]]:
    """A command of the product and its environment."""
    return [sys.executable, "-m", "discovery", *arguments], {**os.environ, **environment}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command as it ended, with what it wrote."""
    line, variables = command(*arguments, **environment)
    return subprocess.run(line, cwd=ROOT, env=variables, capture_output=True, check=False)


def scan_of(host: SandboxHost) -> tuple[str, ...]:
    """The command that scans one host."""
    where = ("--account", host.account_id, "--region", host.region)
    return ("scan", *where, "--instance", host.instance_id)


@contextmanager
def named(sandbox: Sandbox, host: SandboxHost, name: str) -> Iterator[None]:
    """While inside, the host's Name tag is `name`."""
    client = sandbox.client("ec2", host.account_id, host.region)
    before = [{"Key": "Name", "Value": host.spec.name}]
    client.create_tags(Resources=[host.instance_id], Tags=[{"Key": "Name", "Value": name}])
    try:
        yield
    finally:
        client.create_tags(Resources=[host.instance_id], Tags=before)


@pytest.mark.parametrize("options", [(), ("--log", "json")], ids=["text", "json"])
def test_a_run_goes_on_when_nobody_reads(
    sandbox: Sandbox, settings: Settings, options: tuple[str, ...]
) -> None:
    """Both outputs are pipes whose reader has left, as in `scan 2>&1 | head -1`: the run succeeds,
    and so does the command."""
    empty_tables(sandbox)
    (host,) = hosts_of(sandbox, 1)
    reader, writer = os.pipe()
    os.close(reader)
    line, variables = command(*options, *scan_of(host))
    try:
        ended = subprocess.run(
            line, cwd=ROOT, env=variables, stdout=writer, stderr=writer, check=False
        )
    finally:
        os.close(writer)
    (record,) = RunStore(Aws(settings)).recent_runs()
    assert (record.status, record.hosts_scanned) == (RunStatus.SUCCEEDED, 1)
    assert ended.returncode == 0


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_what_the_encoding_cannot_hold_is_written_all_the_same(
    sandbox: Sandbox, encoding: str
) -> None:
    """A failed host whose name has an arrow and an emoji: the summary is whole, and no defect. To
    a terminal that says ASCII, click writes UTF-8."""
    (host,) = hosts_of(sandbox, 1)
    host.output, host.exit_code = "", 1
    try:
        with named(sandbox, host, NAME):
            ended = run(*scan_of(host), PYTHONIOENCODING=encoding)
    finally:
        host.output, host.exit_code = None, 0
    assert ended.returncode == 0
    escaped = b"orders \\u2192 \\U0001f680"
    assert escaped in ended.stdout or (encoding == "ascii" and NAME.encode() in ended.stdout)
    assert b"defect" not in ended.stdout + ended.stderr


@pytest.mark.usefixtures("environment")
def test_an_export_is_utf_8_whatever_the_terminal(sandbox: Sandbox, tmp_path: Path) -> None:
    """CSV and JSON are the same to a file as to a pipe, under any encoding."""
    empty_tables(sandbox)
    (host,) = hosts_of(sandbox, 1)
    with named(sandbox, host, NAME):
        assert run(*scan_of(host)).returncode == 0
    for form in ("csv", "json"):
        path = tmp_path / f"databases.{form}"
        written = run("export", "--format", form, "--output", str(path), PYTHONIOENCODING="ascii")
        piped = run("export", "--format", form, PYTHONIOENCODING="ascii")
        assert (written.returncode, piped.returncode) == (0, 0)
        assert piped.stdout.splitlines() == path.read_bytes().splitlines()
        assert NAME in path.read_text(encoding="utf-8") or form == "json"
        assert piped.stdout.decode("utf-8").count("orders") >= 1
