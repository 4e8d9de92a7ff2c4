"""The probe that ships, run on each folder, reports what the estate declares, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from discovery.artefacts import ROOT
from sandbox.estate.load import Estate, EstateHost, load_estate

pytestmark = pytest.mark.slow

PROBE = ROOT / "ssm" / "discovery_python.py"
HOSTS = [host for host in load_estate().hosts() if host.platform == "Linux"]


@cache
def probed(folder: Path) -> Any:
    """The probe's report of the folder, by an interpreter that has only the standard library."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(PROBE), "--root", str(folder)],
        capture_output=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def declared(host: EstateHost) -> dict[str, dict[str, object]]:
    """What a correct report says of the host's databases, by id."""
    return {
        db.db_id: {
            "engine": db.engine,
            "edition": db.edition,
            "version": db.version,
            "status": db.status,
            "port": db.port,
            "data_dir": db.data_dir,
            "data_size_bytes": db.size_bytes,
            "binary": db.binary,
            "config_file": db.config_file,
            "container": db.container[:12] if db.container else None,
        }
        for db in host.databases
    }


@pytest.mark.parametrize("host", HOSTS, ids=[host.name for host in HOSTS])
def test_the_report_is_the_truth(host: EstateHost, folders: Mapping[str, Path]) -> None:
    """Every declared database is found with its exact values, and no decoy is taken for one."""
    report = probed(folders[host.name])
    wanted = declared(host)
    found = {
        each["db_id"]: {name: each.get(name) for name in wanted.get(each["db_id"], each)}
        for each in report["databases"]
    }
    assert found == wanted
    assert report["complete"] and report["count"] == len(wanted)


@pytest.mark.parametrize("host", HOSTS, ids=[host.name for host in HOSTS])
def test_host_facts_are_the_declared_ones(host: EstateHost, folders: Mapping[str, Path]) -> None:
    """Name, operating system, kernel, architecture, memory and processors come through."""
    assert probed(folders[host.name])["host"] == {
        "hostname": host.hostname,
        "os": host.os.pretty_name,
        "kernel": host.kernel,
        "arch": host.architecture,
        "memory_mb": host.memory_mb,
        "cores": host.cpu_cores,
    }


def test_listening_addresses_are_the_sockets(estate: Estate, folders: Mapping[str, Path]) -> None:
    """A running database's report has each address its server was bound to."""
    for host in estate.scannable_hosts():
        by_id = {each["db_id"]: each for each in probed(folders[host.name])["databases"]}
        for db in host.databases:
            listen = by_id[db.db_id].get("listen") or []
            if db.status == "installed":
                assert listen == []
            else:
                address = "[::]" if db.bind == "*" else db.bind
                assert f"{address}:{db.port}" in listen
