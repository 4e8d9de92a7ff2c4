"""Real servers on this very machine, through the whole pipeline into the table.

The sandbox runs as a process of its own, with this machine as one of its hosts; the real CLI scans
that host, and the table is compared with what the servers say of themselves.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from discovery.artefacts import ROOT
from discovery.aws.inventory import Inventory
from discovery.aws.session import Aws
from discovery.cli.local_aws import clean_environment
from discovery.model import DatabaseRecord, DatabaseStatus
from discovery.settings import load_settings
from sandbox.estate.load import load_estate, this_machine
from tests.support.needs import missing
from tests.support.real_servers import MariaDB, PostgreSQL, Server, apparent_size
from tests.support.sandbox_process import sandbox_process

pytestmark = pytest.mark.zoo


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """A running PostgreSQL and a running MariaDB, each in a directory and on a port of its own."""
    if os.geteuid() != 0 or not Path("/proc/self/exe").exists():
        missing("starting servers as their own users needs root on Linux")
    with ExitStack() as stack:
        started: list[Server] = []
        for kind in (PostgreSQL, MariaDB):
            folder = Path(tempfile.mkdtemp(prefix="pipeline-real-", dir="/tmp"))
            stack.callback(shutil.rmtree, folder)
            one = kind(folder)
            stack.callback(one.stop)
            one.start()
            started.append(one)
        yield started


def scan_this_machine(environment: dict[str, str]) -> list[DatabaseRecord]:
    """`python -m discovery scan` of this machine; the records of the table after it."""
    estate = load_estate()
    host = this_machine(estate.accounts[0].id, estate.regions[0])
    command = [
        sys.executable, "-m", "discovery", "scan", "--account", host.account_id,
        "--region", host.region, "--instance", host.instance_id,
    ]  # fmt: skip
    variables = clean_environment(os.environ) | environment
    subprocess.run(command, env=variables, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return list(Inventory(Aws(load_settings(environment))).all_records())


def test_real_servers_reach_the_table(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Running, each has its exact version, port, directory and size; stopped, none is running."""
    with sandbox_process("--include-this-host") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        by_directory = {record.data_dir: record for record in scan_this_machine(environment)}
        for server in servers:
            record = by_directory[str(server.data)]
            assert record.engine == type(server).__name__.lower()
            assert record.status is DatabaseStatus.RUNNING
            assert (record.version, record.port) == (server.version(), server.port)
            size = apparent_size(server.data) / 2**20
            assert record.data_size_mb == pytest.approx(size, rel=0.01)
            server.stop()
        running = DatabaseStatus.RUNNING
        after = scan_this_machine(environment)
        ports = {server.port for server in servers}
        assert not [one for one in after if one.port in ports and one.status is running]
        for engine in ("postgresql", "mariadb"):
            assert DatabaseStatus.INSTALLED in {one.status for one in after if one.engine == engine}
