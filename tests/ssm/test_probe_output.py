"""What the probe prints, how it ends, and what it leaves behind."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.support.hostfolder import ANY_ADDRESS, PROBE, HostFolder, run_probe


@pytest.fixture
def host(tmp_path: Path) -> HostFolder:
    """A host with nothing but its init process."""
    return HostFolder(tmp_path / "root")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--nonsense",), "unknown option"),
        (("--root",), "no such folder"),
        (("--root", "/nowhere/at/all"), "no such folder"),
        (("--max-seconds", "soon"), "not a number"),
        (("--max-seconds=0",), "not a number"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str) -> None:
    """Wrong usage is exit code 64 and one line that says what is wrong."""
    ran = run_probe(*arguments)
    assert (ran.code, ran.stdout) == (64, "")
    assert message in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_no_proc(tmp_path: Path) -> None:
    """Without a /proc to read there is no report: exit code 70 and one line."""
    ran = run_probe("--root", tmp_path)
    assert (ran.code, ran.stdout) == (70, "")
    assert ran.stderr.startswith("cannot read /proc of ")


def test_help() -> None:
    """--help explains every option and exit code."""
    ran = run_probe("--help")
    assert ran.code == 0
    assert all(word in ran.stdout for word in ("--root", "--pretty", "--max-seconds", "64", "70"))


def test_pretty(host: HostFolder) -> None:
    """--pretty prints a table."""
    host.mysqld()
    ran = host.probe("--pretty")
    assert "mysql-3306  8.0.35   installed" in ran.stdout


def test_four_databases_fit_what_systems_manager_lists(host: HostFolder) -> None:
    """The report of a usual host with four databases fits 2,500 characters."""
    host.mysqld()
    host.package("mysql-community-server-core", "8.0.35-1ubuntu22.04", "/usr/sbin/mysqld")
    host.text("/etc/mysql/my.cnf", "[mysqld]\n")
    for pid, port, data in ((8121, 3306, "/var/lib/mysql"), (8122, 3307, "/data/mysql-reporting")):
        host.sparse(f"{data}/ibdata1", 884 * 2**30)
        listens = ((ANY_ADDRESS, port), ("0" * 32, port))
        args = ("mysqld", f"--datadir={data}", f"--port={port}")
        host.process(pid, "/usr/sbin/mysqld", *args, cwd=data, listens=listens)
    host.binary("/usr/lib/postgresql/15/bin/postgres", "postgres (PostgreSQL) 15.4")
    files = "/usr/lib/postgresql/15/bin/postgres"
    host.package("postgresql-15", "15.4-1.pgdg22.04+1", files)
    for pid, port, name in ((8123, 5432, "main"), (8124, 5433, "analytics")):
        data = f"/var/lib/postgresql/15/{name}"
        host.sparse(f"{data}/base/1", 12 * 2**40)
        host.text(f"{data}/PG_VERSION", "15\n")
        config = f"/etc/postgresql/15/{name}/postgresql.conf"
        host.text(config, f"data_directory = '{data}'\n")
        command = ("postgres", "-D", data, "-c", f"config_file={config}")
        listens = ((ANY_ADDRESS, port), ("0" * 32, port))
        host.process(pid, files, *command, cwd=data, listens=listens)
        host.text(f"{data}/standby.signal", "")
    host.text("/etc/passwd", "mysql:x:112:1::/:/bin/sh\n")
    host.text("/proc/stat", "btime 1770199200\n")
    for pid in range(8121, 8125):
        status = host.real(f"/proc/{pid}/status")
        status.write_text(status.read_text() + "Uid:\t112\t112\nVmRSS:\t 204800 kB\n")
        host.text(f"/proc/{pid}/stat", f"{pid} (x) S " + "0 " * 18 + "6000 0 0\n")
    ran = host.probe()
    assert len(ran.databases) == 4
    fields = set.intersection(*map(set, ran.databases.values()))
    assert {"owner", "started_at", "memory_mb", "evidence", "listen"} <= fields
    # What this folder cannot show, at its longest.
    for record in ran.report["databases"]:
        record.update(disk_free_mb=10**7, image="registry.example.com/databases/mysql:8.0.35")
        record.update(published_port=13306, role="availability group", container="3f4e5d6c7b8a")
    line = base64.b64encode(zlib.compress(json.dumps(ran.report).encode()))
    assert len(line) <= 2400
    assert len(ran.stdout) <= 2500


def test_long_report_loses_evidence_and_no_database(host: HostFolder) -> None:
    """A report that is too long to fetch gives up evidence, and says so."""
    host.mysqld()
    for number in range(90):
        data = f"/srv/{os.urandom(100).hex()}/{os.urandom(100).hex()}{number}"
        host.sparse(f"{data}/ibdata1", 1)
        args = ("mysqld", f"--datadir={data}", f"--port={4000 + number}")
        host.process(100 + number, "/usr/sbin/mysqld", *args, cwd=data)
    ran = host.probe()
    assert len(ran.databases) == 90
    assert "evidence left out" in ran.warnings
    assert ran.report["complete"] is True


def test_time_limit_is_told(host: HostFolder) -> None:
    """Out of time: a valid report that does not claim to be complete."""
    host.mysqld()
    for pid in range(100, 160):
        host.process(pid, "/usr/sbin/mysqld", "mysqld", f"--port={pid}")
    ran = host.probe("--max-seconds", "0.000001")
    assert ran.code == 0
    assert ran.report["complete"] is False
    assert "time limit" in ran.warnings


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every path below a folder, with its time of change and size."""
    return {
        path: (status.st_mtime_ns, status.st_size)
        for path in folder.rglob("*")
        for status in [path.lstat()]
    }


def test_writes_nothing_and_starts_nothing(host: HostFolder) -> None:
    """With 300 processes: no file written or opened for writing, and no second process."""
    host.mysqld()
    for pid in range(100, 400):
        host.process(pid, "/usr/sbin/nginx")
    host.process(400, "/usr/sbin/mysqld", listens=((ANY_ADDRESS, 3306),))
    before = snapshot(host.path), snapshot(PROBE.parent)
    strace = shutil.which("strace")
    command = [sys.executable, "-I", "-S", str(PROBE), "--root", str(host.path)]
    if strace:
        trace = host.path.parent / "trace"
        calls = "trace=openat,open,creat,mkdir,unlink,rename,execve,clone,clone3,fork,vfork,connect"
        command = [strace, "-f", "-qq", "-o", str(trace), "-e", calls, *command]
    finished = subprocess.run(command, capture_output=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert (snapshot(host.path), snapshot(PROBE.parent)) == before
    if strace:
        lines = trace.read_text().splitlines()
        assert sum("execve(" in line for line in lines) == 1
        for call in ("creat(", "mkdir(", "unlink(", "rename(", "clone", "fork(", "connect("):
            assert not [line for line in lines if f" {call}" in line]
        assert not [line for line in lines if "O_WRONLY" in line or "O_RDWR" in line]
        # The processes that are no server cost one look at their executable, and no open file.
        assert not [line for line in lines if "/proc/2" in line and "nginx" in line]


def test_a_live_hosts_facts_are_the_kernels() -> None:
    """Name, kernel and architecture of this host, whose /proc/sys refuses reads of 4 MiB."""
    kernel = os.uname()
    facts = run_probe("--max-seconds", "20").report["host"]
    found = {name: facts.get(name) for name in ("hostname", "kernel", "arch")}
    assert found == {
        "hostname": kernel.nodename, "kernel": kernel.release, "arch": kernel.machine
    }  # fmt: skip
