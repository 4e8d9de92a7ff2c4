"""Every real server this machine has, and all that only looks like one: one scan gets all right."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostfolder import Ran, module, run_probe
from tests.zoo.decoys import COMMANDS, decoys
from tests.zoo.keeper import Running, Zoo, missing
from tests.zoo.servers import SERVERS

NOBODY = 65534
STOPPED = ("redis", "memcached", "influxdb")
"""Engines of which no server runs at the second scan."""
CONNECTED = ("pg15", "mariadb", "mysql56", "redis", "valkey", "memcached")
"""Servers that have clients at a scan of their own."""
CLIENTS = {"127.0.0.1": 3, "127.0.0.2": 2}


@dataclass
class Day:
    """One visit: what ran, and what the probe said with all running and with some stopped."""

    zoo: Zoo
    decoys: dict[int, str]
    first: Ran
    with_clients: Ran
    second: Ran
    ran: list[str]
    decoy_folder: Path
    wrong: dict[str, list[str]]  # server -> what the first scan says otherwise than it does


@pytest.fixture(scope="module")
def day() -> Iterator[Day]:
    """All servers and decoys, started once."""
    why = "" if os.geteuid() == 0 else "servers run as users of their own: this needs root on Linux"
    why = why or ", ".join(missing(SERVERS))
    if why and os.environ.get("CI"):
        pytest.fail(f"the zoo is not complete: {why}")
    if why:
        pytest.skip(f"the zoo is not complete: {why}")
    folder = Path(tempfile.mkdtemp(prefix="zoo-", dir="/tmp"))
    decoy_folder = Path(tempfile.mkdtemp(prefix="decoys-", dir="/tmp"))
    zoo = Zoo(folder, SERVERS)
    try:
        with decoys(decoy_folder, NOBODY) as started:
            zoo.start()
            time.sleep(0.5)
            marks = (decoy_folder / "ran").read_text().splitlines()
            first = run_probe()
            wrong = {
                name: differences(one, first) + misjudged(one, first)
                for name, one in zoo.running.items()
            }
            with clients(zoo):
                with_clients = run_probe("--connections")
            zoo.stop(*STOPPED)
            second = run_probe()
            ran = (decoy_folder / "ran").read_text().splitlines()[len(marks) :]
            yield Day(zoo, started, first, with_clients, second, ran, decoy_folder, wrong)
    finally:
        zoo.stop()
        shutil.rmtree(folder)
        shutil.rmtree(decoy_folder)


@contextmanager
def clients(zoo: Zoo) -> Iterator[None]:
    """Connections to some of the servers, from several addresses."""
    with ExitStack() as stack:
        for name in CONNECTED:
            said = zoo.running[name].said
            assert said
            for source, count in CLIENTS.items():
                for _ in range(count):
                    client = socket.create_connection(
                        ("127.0.0.1", said.port), timeout=10, source_address=(source, 0)
                    )
                    stack.enter_context(client)
        yield


def record_of(pid: int, ran: Ran) -> dict[str, Any] | None:
    """The record of this process, by its evidence."""
    said = f"process {pid}"
    found = [r for r in ran.report["databases"] if r["evidence"].get("status") == said]
    assert len(found) <= 1
    return found[0] if found else None


def differences(one: Running, ran: Ran) -> list[str]:
    """What the probe says otherwise than the server itself."""
    said, record = one.said, record_of(one.pid, ran)
    assert said
    if record is None:
        return ["not found"]
    pairs = {
        "engine": one.server.engine,
        "status": "running",
        "version": said.version,
        "port": said.port,
    }
    wrong = [
        f"{key}: {record.get(key)!r}, in truth {truth!r}"
        for key, truth in pairs.items()
        if record.get(key) != truth
    ]
    folder = record.get("data_dir")
    if said.data is None or folder is None:
        if said.data != folder:
            wrong.append(f"data_dir: {folder!r}, in truth {said.data!r}")
        return wrong
    try:
        same = os.path.samestat(one.sees(folder), one.sees(said.data))
    except OSError:
        same = False
    return wrong if same else [*wrong, f"data_dir: {folder!r}, in truth {said.data!r}"]


def misjudged(one: Running, ran: Ran) -> list[str]:
    """What planners need, as the probe says it, where the system says otherwise."""
    record = record_of(one.pid, ran)
    if record is None:
        return ["not found"]
    started = datetime.fromisoformat(record["started_at"]).timestamp()
    status = Path(f"/proc/{one.pid}/status").read_text()
    memory = int(status.partition("VmRSS:")[2].split()[0]) // 1024
    free = shutil.disk_usage(one.real).free // 2**20
    listens = one.said is not None and f"127.0.0.1:{one.said.port}" in record.get("listen", ())
    right = {
        "owner": record["owner"] == one.server.user,
        "started_at": one.between[0] - 2 <= started <= one.between[1],
        "memory_mb": abs(record["memory_mb"] - memory) <= max(10, memory // 5),
        "listen": listens or (one.server.name == "pg15-no-tcp" and "listen" not in record),
        "role": record.get("role", "") == one.server.role,
        "tls": one.server.tls is None or record.get("tls") == one.server.tls,
        "disk_free_mb": "data_dir" not in record or abs(record["disk_free_mb"] - free) < 2000,
    }
    return [f"{name}: {record.get(name)!r}" for name, is_right in right.items() if not is_right]


def test_the_zoo_is_large_enough() -> None:
    """At least 20 servers, several of them in namespaces of their own, and 25 decoys."""
    assert len(SERVERS) >= 20
    assert sum(server.isolated for server in SERVERS) >= 8
    assert len(COMMANDS) >= 25


@pytest.mark.parametrize("name", [server.name for server in SERVERS])
def test_what_the_probe_says_is_what_the_server_says(name: str, day: Day) -> None:
    """Engine, version, port, data directory and status; owner, start, memory, addresses, free disk,
    role and TLS."""
    assert day.wrong[name] == []


@pytest.mark.parametrize("name", CONNECTED)
def test_who_is_connected_to_a_real_server(name: str, day: Day) -> None:
    """By remote address, whichever of its processes holds the connection; only when asked for."""
    pid = day.zoo.running[name].pid
    record, before = record_of(pid, day.with_clients), record_of(pid, day.first)
    assert record
    assert before
    assert (record["clients"], record["clients_total"]) == (CLIENTS, sum(CLIENTS.values()))
    assert "clients" not in before


@pytest.mark.parametrize("name", ["pg15", "mariadb", "redis", "memcached", "firebird-alone"])
def test_a_packaged_executable_tells_its_version_by_itself(name: str, day: Day) -> None:
    """A container has no package database that is believed: the text in the same executable says
    what the server says."""
    one = day.zoo.running[name]
    assert one.said
    probe = module("discovery_python")
    host = probe.Host("/", 30)
    node = host.folder.open(one.server.program)
    programs = host.by_program[Path(node.path).name]
    engine = next(engine for engine in programs if engine.path_part in node.path)
    assert probe.text_version(host, engine, node).text == one.said.version


def test_nothing_that_only_looks_like_a_server_is_one(day: Day) -> None:
    """No decoy is a record: not its process, not its file, in neither scan."""
    for ran in (day.first, day.second):
        for record in ran.report["databases"]:
            status = record["evidence"].get("status", "")
            pid = int(status.removeprefix("process ")) if status.startswith("process ") else 0
            assert pid not in day.decoys, (day.decoys.get(pid), record)
            assert not str(record.get("binary", "")).startswith(str(day.decoy_folder))


def test_no_untrusted_program_is_run(day: Day) -> None:
    """The attacker's programs leave a mark whenever they are started: the scans left none."""
    assert day.ran == []


def test_workers_are_not_servers(day: Day) -> None:
    """Each server is one record, however many processes it has."""
    for one in day.zoo.running.values():
        below = Path(f"/proc/{one.pid}/task/{one.pid}/children")
        for pid in below.read_text().split() if below.exists() else ():
            assert record_of(int(pid), day.first) is None


@pytest.mark.parametrize("engine", STOPPED)
def test_a_stopped_server_is_installed(engine: str, day: Day) -> None:
    """With no process left but in others' containers, what its package installed is there, in the
    version that ran."""
    said = next(
        one.said for one in day.zoo.running.values() if one.said and one.server.engine == engine
    )
    of_engine = [r for r in day.second.report["databases"] if r["engine"] == engine]
    found = [record for record in of_engine if "container" not in record]
    assert [(r["status"], r["version"]) for r in found] == [("installed", said.version)]
