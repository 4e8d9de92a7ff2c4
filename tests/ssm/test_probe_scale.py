"""Very many processes, and what a scan leaves behind on a disk: nothing.

PROBE_SCALE_PROCESSES sets how many processes (20,000).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hostfolder import ANY_ADDRESS, PROBE, HostFolder, measured, module

pytestmark = pytest.mark.slow

PROCESSES = int(os.environ.get("PROBE_SCALE_PROCESSES", "20000"))


@pytest.fixture
def host() -> Iterator[HostFolder]:
    """A host with a server that runs, in memory where there is a folder for that."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made below it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        host = HostFolder(Path(name))
        host.mysqld()
        host.sparse("/var/lib/mysql/ibdata1", 1)
        host.process(99, "/usr/sbin/mysqld", listens=((ANY_ADDRESS, 3306),))
        yield host


def processes(host: HostFolder, first: int, last: int) -> None:
    """Processes of another program: as little of each as a scan looks at."""
    proc = os.open(host.path / "proc", os.O_RDONLY | os.O_DIRECTORY)
    for pid in range(first, last):
        os.mkdir(str(pid), dir_fd=proc)
        os.symlink("/usr/sbin/nginx", f"{pid}/exe", dir_fd=proc)
    os.close(proc)


def cost(host: HostFolder) -> tuple[float, int]:
    """CPU seconds, the least of three, and peak memory in MiB of a scan that is right."""
    best, peak = 600.0, 0
    for _ in range(3):
        ran, seconds, mebibytes = measured(host, 45)
        assert ran.databases["mysql-3306"]["status"] == "running"
        assert ran.report["complete"]
        best, peak = min(best, seconds), max(peak, mebibytes)
    return best, peak


def test_cost_grows_no_worse_than_linearly(host: HostFolder) -> None:
    """Ten times the processes: at most ten times the CPU, and the memory of their numbers."""
    processes(host, 100, 100 + PROCESSES // 10)
    few, small = cost(host)
    processes(host, 100 + PROCESSES // 10, 100 + PROCESSES)
    many, peak = cost(host)
    print(f"{PROCESSES} processes: {many:.2f} s CPU, {peak} MiB")  # noqa: T201 - for `-rP`
    assert many < few * 10
    assert peak < small + 10 + PROCESSES // 2_000


def test_a_data_directory_of_very_many_files(host: HostFolder) -> None:
    """Each is counted; the names of a folder are never held together, however many there are."""
    small = measured(host)[2]
    folder = host.real("/var/lib/mysql/many/x").parent
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for number in range(100_000):
        os.close(os.open(f"{number:0200}", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    ran, _, peak = measured(host, 45)
    record = ran.databases["mysql-3306"]
    assert (record["data_size_bytes"], record["data_size_complete"]) == (1, True)
    assert peak < small + 5  # their names alone are 20 MiB


@pytest.mark.parametrize(("most", "seconds"), [(700, 30), (10**6, -1)])
def test_measuring_a_data_directory_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, seconds: int
) -> None:
    """After a number of files, or when its time is up, and then the size is said to lack a part."""
    probe = module("discovery_python")
    monkeypatch.setattr(probe, "MAX_SIZE_ENTRIES", most)
    for number in range(1000):
        (tmp_path / f"{number}").write_bytes(b"x")
    top = probe.Host("/", 30).folder.open(str(tmp_path)).reopened()
    size, lacks = probe.directory_size(top, [], time.monotonic() + seconds)
    counted = most if seconds > 0 else 0
    assert (size, lacks) == (counted, [f"measuring was cut short after {counted} files"])


def traces(root: Path) -> dict[str, tuple[int, ...]]:
    """All that a disk remembers of each file and folder, and of links but when they were read."""
    found: dict[str, tuple[int, ...]] = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files, "."]:
            path = os.path.join(folder, name)  # noqa: PTH118
            s = os.lstat(path)
            is_link = os.path.islink(path)  # noqa: PTH114
            read = 0 if is_link or "/proc" in path else s.st_atime_ns
            found[path] = (s.st_ino, s.st_mode, s.st_uid, s.st_nlink, s.st_size, s.st_mtime_ns,
                           s.st_ctime_ns, read)  # fmt: skip
    return found


def test_a_scan_leaves_no_trace(host: HostFolder, tmp_path: Path) -> None:
    """Every file's and folder's times, inode, mode and size are what they were; nothing is added,
    neither below the host's `/` nor in the folder the probe was started in."""
    host.package("mysql-server-core-8.0", "8.0.35-1", "/usr/sbin/mysqld")
    host.text("/etc/my.cnf", "[mysqld]\ndatadir=/var/lib/mysql\n")
    host.binary("/usr/lib/postgresql/15/bin/postgres", "postgres (PostgreSQL) 15.4")
    host.text("/var/lib/postgresql/15/main/PG_VERSION", "15\n")
    for folder, folders, files in os.walk(host.path):
        for name in [*folders, *files]:
            path = Path(folder, name)
            if not path.is_symlink():
                os.utime(path, (1, 2))  # read before it was written: the next reading is noted
    before = traces(host.path)
    subprocess.run(
        [sys.executable, "-I", "-S", str(PROBE), "--root", str(host.path)],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    assert traces(host.path) == before
    assert list(tmp_path.iterdir()) == []


def test_python_leaves_no_compiled_modules(host: HostFolder, tmp_path: Path) -> None:
    """As the document starts it, Python writes no __pycache__ where a host's is missing."""
    document = json.loads(PROBE.with_name("ssm-document.json").read_text())
    flags = re.search(
        r'\\?"\$python\\?"((?: -\w)+) -c',
        "\n".join(document["mainSteps"][1]["inputs"]["runCommand"]),
    )
    assert flags is not None
    command = [sys.executable, *flags.group(1).split(), "-X", f"pycache_prefix={tmp_path}"]
    subprocess.run(
        [*command, str(PROBE), "--root", str(host.path)], check=True, capture_output=True
    )
    assert list(tmp_path.rglob("*.pyc")) == []


def test_sizes_come_last_and_share_the_time(
    host: HostFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data directories too large for the time cost their own size only: every database was found
    before, running or not, and no directory takes the share of another."""
    postgres = "/usr/lib/postgresql/15/bin/postgres"
    host.binary(postgres, "postgres (PostgreSQL) 15.4")
    for name in ("one", "two"):
        host.sparse(f"/srv/{name}/PG_VERSION", 1)
    host.process(5, postgres, "postgres", "-D", "/srv/one", cwd="/srv/one")
    unit = f"[Service]\nExecStart={postgres} -D /srv/two -p 5433\n"
    host.text("/etc/systemd/system/two.service", unit)
    probe = module("discovery_python")
    scan = probe.Host(str(host.path), 40)
    shares = []

    def without_end(_top: object, _remote: object, end: float) -> tuple[int, list[str]]:
        shares.append(round((end - time.monotonic()) / scan_seconds, 1))
        monkeypatch.setattr(probe.time, "monotonic", lambda: end)  # all of it is used up
        return (1, ["measuring was cut short"]) if len(shares) < 3 else (0, ["not at all"])

    scan_seconds = scan.deadline - time.monotonic()
    monkeypatch.setattr(probe, "directory_size", without_end)
    probe.scan(scan)
    found = {d.values["data_dir"]: d.values["status"] for d in scan.databases}
    assert found == {
        "/var/lib/mysql": "running", "/srv/one": "running", "/srv/two": "installed"
    }  # fmt: skip
    probe.measure_sizes(scan)
    assert shares == [0.3, 0.3, 0.3]
    assert scan.complete
    sizes = [d.values.get("data_size_bytes") for d in scan.databases]
    assert sizes == [1, 1, None]


def test_a_data_directory_is_measured_or_another_not(host: HostFolder) -> None:
    """What takes the place of a data directory before it is measured is not its data. Hundreds of
    directories are not all kept open until then."""
    host.redis("/usr/bin/redis-server", "7.0.1")
    for number in range(700):
        host.sparse(f"/var/lib/redis/{number}/dump.rdb", 5)
    probe = module("discovery_python")
    scan = probe.Host(str(host.path), 40)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    probe.scan(scan)
    assert len(scan.databases) == 701
    assert len(os.listdir("/proc/self/fd")) < before + 20  # noqa: PTH208
    host.real("/var/lib/redis/7").rename(host.real("/var/lib/redis/old"))
    host.sparse("/var/lib/redis/7/dump.rdb", 99)
    probe.measure_sizes(scan)
    sizes = {d.values["data_dir"]: d.values.get("data_size_bytes") for d in scan.databases}
    assert (sizes["/var/lib/redis/6"], sizes["/var/lib/redis/7"]) == (5, None)
    assert "/var/lib/redis/7: unreadable: another took its place" in scan.warnings


def test_services_are_looked_at_before_what_people_start(host: HostFolder) -> None:
    """A real server with a configuration that holds up the scan, started by a user, comes after
    those of the system, whatever the pids."""
    for pid, user in ((5, 1000), (7, 112), (8, 65534), (9, 0)):
        host.process(pid, "/usr/sbin/mysqld", "mysqld", cwd=f"/srv/{pid}")
        host.text(f"/proc/{pid}/status", f"Name:\tmysqld\nPPid:\t1\nUid:\t0\t{user}\t0\t0\n")
    probe = module("discovery_python")
    found = probe.server_processes(probe.Host(str(host.path), 40))
    assert [process.pid for process in found] == [7, 9, 99, 5, 8]


def test_nothing_of_a_container_is_kept(host: HostFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its data is measured when it is found, in half of the time at most: the names and mounts of a
    root that any user can make are not held in memory until the end."""
    root = "/proc/9/root"
    host.mysqld(f"{root}/usr/sbin/mysqld", "8.4.1")
    host.sparse(f"{root}/var/lib/mysql/ibdata1", 3)
    host.process(9, "/usr/sbin/mysqld", "mysqld", "--port=3307")
    probe = module("discovery_python")
    scan = probe.Host(str(host.path), 20)
    shares = []

    def measured(_top: object, _remote: object, end: float) -> tuple[int, list[str]]:
        shares.append(round((end - time.monotonic()) / 20, 1))
        return 3, []

    monkeypatch.setattr(probe, "directory_size", measured)
    probe.scan(scan)
    assert shares == [0.5]
    kept = {d.values["version"]: d.data and d.data[0] for d in scan.databases}
    assert kept == {"8.0.35": scan.folder, "8.4.1": None}
