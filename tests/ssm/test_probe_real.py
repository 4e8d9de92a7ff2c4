"""Real servers, started here in places of their own: the probe on `/` against what they say."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostfolder import run_probe
from tests.support.needs import missing
from tests.support.real_servers import MariaDB, PostgreSQL, Server, apparent_size

pytestmark = pytest.mark.zoo


@pytest.fixture(params=[PostgreSQL, MariaDB])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A running server of each kind."""
    if os.geteuid() != 0 or not Path("/proc/self/exe").exists():
        missing("starting servers as their own users needs root on Linux")
    folder = Path(tempfile.mkdtemp(prefix="probe-real-", dir="/tmp"))
    server: Server | None = None
    try:
        server = request.param(folder)
        assert server is not None
        server.start()
        yield server
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder)


def record_of(server: Server, report: dict[str, Any]) -> dict[str, Any] | None:
    """The record of this server in a report of the whole machine."""
    found = [r for r in report["databases"] if r.get("data_dir") == str(server.data)]
    assert len(found) <= 1
    return found[0] if found else None


def test_server_is_found_exactly_and_installed_once_stopped(server: Server) -> None:
    """Version, port, addresses, directory and size of a running server are what the server itself
    and `du` say; stopped, it is installed in that version, and nothing of it is running."""
    engine = type(server).__name__.lower()
    record = record_of(server, run_probe().report)
    assert record is not None
    version = server.version()
    assert server.process is not None
    assert record["evidence"]["status"] == f"process {server.process.pid}"
    assert (record["engine"], record["status"]) == (engine, "running")
    assert (record["version"], record["port"]) == (version, server.port)
    assert record["listen"] == [f"127.0.0.1:{server.port}"]
    assert record["db_id"] == f"{engine}-{server.port}"
    assert record["evidence"]["port"] == "listening socket"
    assert record["data_size_bytes"] == pytest.approx(apparent_size(server.data), rel=0.01)

    server.stop()
    report = run_probe().report
    assert record_of(server, report) is None
    found = [r for r in report["databases"] if r["engine"] == engine]
    # Another test may run a server of its own meanwhile; this one's executable stays installed.
    installed = [r for r in found if r["status"] == "installed"]
    assert installed or any(r["status"] == "running" for r in found)
    assert all(r["version"] == version for r in installed)
