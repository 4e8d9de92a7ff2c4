"""Files and processes made to stop, fill or mislead the probe: each costs its own record at most.

Every host here has a good server that runs and one that is stopped; whatever else is there, both
are reported, soon, in little memory, and the scan is complete.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hostfolder import ANY_ADDRESS, HostFolder, Ran, measured, module

pytestmark = pytest.mark.slow

CONTAINER = f"0::/docker/{'a' * 64}\n"
LONG = 400_000
"""Characters of a text that takes minutes when the work grows with its square."""


@pytest.fixture
def host(tmp_path: Path) -> HostFolder:
    """A host with a MySQL that runs and a PostgreSQL that is stopped."""
    host = HostFolder(tmp_path / "root")
    host.mysqld()
    host.sparse("/var/lib/mysql/ibdata1", 1)
    host.process(99, "/usr/sbin/mysqld", listens=((ANY_ADDRESS, 3306),))
    host.binary("/usr/lib/postgresql/15/bin/postgres", "postgres (PostgreSQL) 15.4")
    return host


def assert_undisturbed(ran: Ran) -> None:
    """The good servers are there, and nothing was left out."""
    found = {name: record["status"] for name, record in ran.databases.items()}
    assert found.get("mysql-3306") == "running"
    assert found.get("postgresql-5432") == "installed"
    assert ran.report["complete"]


def forged(host: HostFolder, config: str | bytes) -> None:
    """A user's process with a server's text and this configuration file."""
    host.mysqld("/home/x/mysqld")
    host.text("/home/x/my.cnf", config)
    host.process(7, "/home/x/mysqld", "mysqld", "--defaults-file=/home/x/my.cnf")


# --- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        "[mysqld]\nport = x" + " " * LONG + "y\n",
        "!include x" + " " * LONG + "y\n",
        "<" + "a" * LONG + "\n",
        "<a>" + "<!--" * (LONG // 4) + "\n",
    ],
    ids=["spaces in a value", "spaces in an include", "an endless tag", "unclosed comments"],
)
def test_a_configuration_made_to_be_slow(host: HostFolder, config: str) -> None:
    """A user's configuration cannot use up the time in which the other servers are looked at."""
    forged(host, config)
    assert_undisturbed(measured(host)[0])


def test_a_command_line_made_to_be_slow(host: HostFolder) -> None:
    """Nor can a command line: any user can call a program java, with any arguments."""
    host.process(7, "/home/x/java", "java", "x", "com.neo4j.server." + "a" * 120_000)
    assert_undisturbed(measured(host)[0])


def test_an_executable_made_to_be_slow(host: HostFolder) -> None:
    """Nor can an executable that is full of what versions are found by."""
    host.text("/home/x/mongod", b"\x7fELF" + b"." * (20 << 20))
    host.process(7, "/home/x/mongod")
    assert_undisturbed(measured(host)[0])


# --- memory ---------------------------------------------------------------------------------------


def test_many_long_command_lines_take_little_memory(host: HostFolder) -> None:
    """Hundreds of processes called mysqld, each with as many arguments as a user can give."""
    host.text("/cmdline", b"mysqld\0" + b"ab\0" * 43_000)
    for pid in range(1000, 1490):
        host.link(f"/proc/{pid}/exe", "/home/x/mysqld")
        host.real(f"/proc/{pid}/cmdline").hardlink_to(host.path / "cmdline")
    ran, _, mebibytes = measured(host, 45)
    assert ran.databases["mysql-3306"]["status"] == "running"
    assert mebibytes < 150


def test_a_pattern_over_links_takes_little_memory(host: HostFolder) -> None:
    """A pattern of two stars over many links to one full folder: their product is never built."""
    for number in range(1500):
        host.text(f"/home/x/e/{number}.txt", "")
        host.link(f"/home/x/d/{number}", "/home/x/e")
    host.redis("/home/x/redis-server", "7.0.1")
    host.text("/home/x/r.conf", "include /home/x/d/*/*\n")
    host.process(7, "/home/x/redis-server", "redis-server", "/home/x/r.conf")
    ran, _, mebibytes = measured(host, 45)
    assert_undisturbed(ran)
    assert mebibytes < 100


def test_one_folder_by_many_names_takes_little_memory(host: HostFolder) -> None:
    """A full folder, included again and again, each time spelled otherwise."""
    for number in range(5000):
        host.text(f"/home/x/e/{number:0200}", "")
    spelled = ("./" * times + "home/x/e" for times in range(1, 1500))
    forged(host, "".join(f"!includedir /{name}\n" for name in spelled))
    ran, _, mebibytes = measured(host, 45)
    assert_undisturbed(ran)
    assert mebibytes < 100


def test_includes_have_a_limit(host: HostFolder) -> None:
    """Fifty of them are followed, wherever they stand; the settings behind them count."""
    for number in range(60):
        host.text(f"/home/x/c/{number}.cnf", f"[mysqld]\nport={4000 + number}\n")
    includes = "".join(f"!include /home/x/c/{number}.cnf\n" for number in range(60))
    forged(host, includes + "[mysqld]\ndatadir=/home/x/data\n")
    probe = module("discovery_python")
    scan = probe.Host(str(host.path), 40)
    command = probe.Command(["--defaults-file=/home/x/my.cnf"], "command line")
    config = probe.Config(scan.folder, scan.by_program["mysqld"][0], command)
    assert config.port == (4049, "config /home/x/c/49.cnf")
    assert config.data == [("/home/x/data", "config /home/x/my.cnf")]


def test_what_is_listed_is_kept_for_some_folders_only(host: HostFolder) -> None:
    """However many folders are listed, the names that are held in memory have a limit."""
    probe = module("discovery_python")
    for number in range(30):
        host.text(f"/srv/d/{number}", "")
    folder = probe.Folder(os.open(host.path, os.O_RDONLY | os.O_DIRECTORY))
    folder.room = 100
    paths = ["/srv/" + "./" * times + "d" for times in range(9)]
    assert [len(folder.names(path)) for path in paths] == [30] * 9
    assert sum(map(len, folder.listings.values())) == 90


def test_files_of_a_gigabyte_are_read_in_part(host: HostFolder) -> None:
    """Configuration, version file, package database and runtime file of 1 GB and more."""
    forged(host, "")
    big = ["/home/x/my.cnf", "/srv/pg/PG_VERSION", "/var/lib/dpkg/status", "/etc/os-release",
           f"/var/lib/docker/containers/{'a' * 64}/config.v2.json", "/proc/99/status",
           "/proc/99/cmdline", "/proc/99/net/tcp6", "/proc/99/cgroup", "/etc/my.cnf"]  # fmt: skip
    for path in big:
        host.sparse(path, 1 << 30)
    postgres = "/usr/lib/postgresql/15/bin/postgres"
    host.process(6, postgres, "postgres", "-D", "/srv/pg", cwd="/srv/pg")
    ran, _, mebibytes = measured(host, 20)
    assert {"mysql-3306", "postgresql-5432"} <= set(ran.databases)
    assert mebibytes < 150


# --- files that are not what they seem ------------------------------------------------------------


class Opened:
    """Whether anything opens a file or folder, from now on: by inotify."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._fd = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        watch = library.inotify_add_watch(self._fd, os.fsencode(path), 0x21)  # accessed, opened
        assert watch > 0, os.strerror(ctypes.get_errno())

    def count(self) -> int:
        """How many times since the last call."""
        try:
            events = os.read(self._fd, 65536)
        except BlockingIOError:
            return 0
        sizes, at = 0, 0
        while at < len(events):
            at += 16 + struct.unpack_from("I", events, at + 12)[0]
            sizes += 1
        return sizes

    def close(self) -> None:
        """End the watch."""
        os.close(self._fd)


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[tuple[Path, Opened]]:
    """A data directory outside of the host folder, and a watch on it and on what it holds."""
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "my.cnf").write_text("[mysqld]\nport=7301\n")
    (folder / "PG_VERSION").write_text("7.301\n")
    (folder / "ibdata1").write_bytes(bytes(7301))
    opened = Opened(folder)
    yield folder, opened
    opened.close()


@pytest.mark.parametrize("kind", ["fifo", "zero", "endless folder", "socket"])
@pytest.mark.parametrize(
    "path",
    ["/etc/my.cnf", "/srv/pg/PG_VERSION", "/srv/pg/postgresql.conf", "/srv/pg/postmaster.pid",
     "/proc/6/cgroup", "/proc/mounts", "/var/lib/dpkg/status", "/usr/sbin/mysqld"],
)  # fmt: skip
def test_what_is_no_regular_file_is_not_opened(host: HostFolder, path: str, kind: str) -> None:
    """A FIFO, a device that never ends, a folder and a socket in the place of each kind of file."""
    postgres = "/usr/lib/postgresql/15/bin/postgres"
    host.process(6, postgres, "postgres", "-D", "/srv/pg", cwd="/srv/pg")
    host.text("/srv/pg/PG_VERSION", "15\n")
    real = host.real(path)
    real.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(real)
    elif kind == "socket":
        os.mknod(real, 0o140600)
    elif kind == "endless folder":
        real.mkdir()
        (real / "again").symlink_to(".")
    elif os.geteuid():
        pytest.skip("only root can make a device")
    else:
        os.mknod(real, 0o020644, os.makedev(1, 5))
    opened = Opened(real)
    ran, _, mebibytes = measured(host)
    # To open some devices is to use them.
    assert opened.count() == 0 or kind == "endless folder"
    opened.close()
    assert ran.report["complete"]
    assert "postgresql-5432" in ran.databases
    assert mebibytes < 100


def test_includes_without_end(host: HostFolder) -> None:
    """A chain of a thousand files, and folders of files that include their folder, end."""
    for number in range(1000):
        host.text(f"/home/x/c/{number}.cnf", f"!include /home/x/c/{number + 1}.cnf\n")
    for number in range(300):
        host.text(f"/home/x/d/{number}.cnf", "!includedir /home/x/d\n")
    forged(host, "!include /home/x/c/0.cnf\n!includedir /home/x/d\n[mysqld]\nport=3399\n")
    assert_undisturbed(measured(host)[0])


LEADS_OUT = ["{secret}", "../../../../../../../../../../../..{secret}", "/proc/self/cwd{secret}"]


@pytest.mark.parametrize("target", LEADS_OUT, ids=["absolute", "relative", "through /proc"])
def test_a_container_whose_files_lead_out(
    host: HostFolder, secret: tuple[Path, Opened], target: str
) -> None:
    """Links in a container's root, to files and folders, end in that root."""
    folder, opened = secret
    leads = target.format(secret=folder)
    root = "/proc/9/root"
    host.mysqld(f"{root}/usr/sbin/mysqld", "8.4.1")
    host.link(f"{root}/etc/my.cnf", f"{leads}/my.cnf")
    host.link(f"{root}/etc/mysql", leads)
    host.link(f"{root}/var/lib/mysql", leads)
    host.link(f"{root}/etc/passwd", f"{leads}/my.cnf")
    host.process(9, "/usr/sbin/mysqld", cgroup=CONTAINER, listens=((ANY_ADDRESS, 3308),))
    ran, _, _ = measured(host)
    assert_undisturbed(ran)
    assert ran.databases["mysql-3308"]["version"] == "8.4.1"
    assert "7301" not in str(ran.report["databases"])
    assert opened.count() == 0


@pytest.mark.parametrize("name", ["/proc/9/root", "/proc/9/fd", "/proc/9/net", "/proc/9"])
def test_a_process_folder_that_leads_out(
    host: HostFolder, secret: tuple[Path, Opened], name: str
) -> None:
    """In a folder that stands for a host the links of /proc are anyone's: none leads out."""
    folder, opened = secret
    host.process(9, "/usr/sbin/mysqld", "mysqld", "--port=3308", cgroup=CONTAINER)
    real = host.real(name)
    if real.is_dir():
        shutil.rmtree(real)
    real.symlink_to(folder)
    ran, _, _ = measured(host)
    assert_undisturbed(ran)
    assert "7301" not in str(ran.report["databases"])
    assert opened.count() == 0


def test_no_link_is_read_behind_another(
    host: HostFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process's folder, or its `ns`, that is a link is not entered even to see where a link in it
    leads: what lies there may hang whoever touches it."""
    host.process(9, "/usr/sbin/mysqld", "mysqld", "--port=3308")
    host.link("/proc/9/ns", str(tmp_path))
    host.link("/proc/10", str(tmp_path))
    read = []

    def readlink(path: str, *, dir_fd: int | None = None) -> str:
        read.append(path)
        return real(path, dir_fd=dir_fd)

    real = os.readlink
    monkeypatch.setattr(os, "readlink", readlink)
    probe = module("discovery_python")
    scan = probe.Host(str(host.path), 30)
    probe.scan(scan)
    probe.measure_sizes(scan)
    assert "9/exe" in read
    assert not {"10/exe", "ns/mnt"} & set(read)


def test_a_proc_that_leads_out(tmp_path: Path) -> None:
    """A folder whose proc is a link to a real one says nothing of the processes there."""
    other = HostFolder(tmp_path / "other")
    other.process(9, "/usr/sbin/mysqld", "mysqld", "--port=3308")
    host = HostFolder(tmp_path / "root")
    host.mysqld()
    shutil.rmtree(host.path / "proc")
    (host.path / "proc").symlink_to(tmp_path / "other" / "proc")
    ran = host.probe()
    assert "mysql-3308" not in ran.databases if ran.code == 0 else ran.code == 70


@pytest.mark.parametrize("line", ["", "filer:/v {data} nfs4 rw 0 0\n"], ids=["local", "remote"])
def test_a_container_on_a_network_file_system(host: HostFolder, line: str) -> None:
    """A container's own mount table tells what is not touched in it."""
    _container_with_mounts(host, line.format(data="/var/lib/mysql"))
    ran, _, _ = measured(host)
    assert ("data_size_bytes" in ran.databases["mysql-3308"]) == (not line)


def test_a_mount_table_of_any_length_is_heeded(host: HostFolder) -> None:
    """A network mount is not touched when a thousand others come before it in the table."""
    others = "".join(f"tmpfs /run/{number:060} tmpfs rw 0 0\n" for number in range(1000))
    _container_with_mounts(host, others + "filer:/v /var/lib/mysql nfs4 rw 0 0\n")
    ran, _, _ = measured(host)
    assert "data_size_bytes" not in ran.databases["mysql-3308"]


def _container_with_mounts(host: HostFolder, mounts: str) -> None:
    host.mysqld("/proc/9/root/usr/sbin/mysqld")
    host.sparse("/proc/9/root/var/lib/mysql/ibdata1", 5000)
    host.text("/proc/9/mounts", mounts)
    host.process(9, "/usr/sbin/mysqld", cgroup=CONTAINER, listens=((ANY_ADDRESS, 3308),))


def test_names_from_everywhere_are_harmless(host: HostFolder) -> None:
    """Escapes, line ends and direction marks in every text that is reported, in both formats."""
    evil = "\x1b[2J\n\r\u202e\u2066\u2028\x9b\x07"
    forged(host, f"[mysqld]\ndatadir=/srv/{evil}\nssl-cert={evil}\n")
    host.text("/proc/7/status", "PPid:\t1\nUid:\t0\t112\t0\t0\n")
    host.text("/etc/passwd", f"{evil.replace(chr(10), '')}:x:112:0::/:/\n")
    host.text("/etc/os-release", f'PRETTY_NAME="{evil}"\n')
    config = {"Config": {"Image": evil}, "Name": evil}
    host.text(f"/var/lib/docker/containers/{'a' * 64}/config.v2.json", json.dumps(config))
    host.process(9, f"/srv/{evil}/mysqld", cgroup=CONTAINER)
    host.mysqld(f"/srv/{evil}/mysqld")
    host.package("mysql-server-core-8.0", f"8.0.35{evil}", "/usr/sbin/mysqld")
    host.text("/proc/sys/kernel/hostname", evil)
    ran, _, _ = measured(host)
    assert {"/home/x/mysqld"} < {record["binary"] for record in ran.report["databases"]}
    assert json.dumps(ran.report, ensure_ascii=False).isprintable()
    for line in host.probe("--pretty").stdout.split("\n"):
        assert line.isprintable()


@pytest.mark.parametrize("swapped", ["/srv/d/inner", "/srv/d", "/home/x/my.cnf", "/proc/9/root"])
def test_swaps_between_check_and_use(
    host: HostFolder, secret: tuple[Path, Opened], swapped: str
) -> None:
    """A file or folder that becomes a link and back, all the time: no scan follows it out."""
    folder, opened = secret
    forged(host, "[mysqld]\nport=3310\ndatadir=/srv/d\n")
    host.sparse("/srv/d/ibdata1", 1)
    host.sparse("/srv/d/inner/one", 1)
    host.mysqld("/proc/9/root/usr/sbin/mysqld")
    host.process(9, "/usr/sbin/mysqld", cgroup=CONTAINER, listens=((ANY_ADDRESS, 3308),))
    real = host.real(swapped)
    other = real.with_name("other")
    other.symlink_to(folder / "my.cnf" if real.is_file() else folder)
    swaps = subprocess.Popen([sys.executable, "-IS", "-c", SWAP, str(real), str(other)])
    try:
        for _ in range(10):
            ran, _, _ = measured(host)
            assert ran.databases["mysql-3306"]["status"] == "running"
            assert "7301" not in str(ran.report["databases"])
            assert opened.count() == 0
    finally:
        swaps.kill()
        swaps.wait()


SWAP = """
import ctypes, os, sys, time
os.nice(19)
swap = ctypes.CDLL(None).renameat2
one, other = map(os.fsencode, sys.argv[1:])
while True:
    swap(-100, one, -100, other, 2)
    time.sleep(0.00005)
"""
"""Exchanges two names in one step, thousands of times a second, without end."""
