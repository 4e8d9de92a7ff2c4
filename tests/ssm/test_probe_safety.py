"""What an attacker on the host, or a broken host, can do to the probe: nothing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.attack import NOBODY, Attack
from tests.support.hostfolder import ANY_ADDRESS, PROBE, HostFolder, module, run_probe, unpacked
from tests.support.needs import missing


@pytest.fixture
def host(tmp_path: Path) -> HostFolder:
    """A host with nothing but its init process."""
    return HostFolder(tmp_path / "root")


# --- an unprivileged user's mysqld (CVE-2025-41244) ----------------------------------------------


@pytest.fixture
def attack(request: pytest.FixtureRequest) -> Iterator[Attack]:
    """The attack, in a folder under /tmp that the unprivileged user owns."""
    if not Path("/proc/self/exe").exists():
        missing("no /proc: the attack needs Linux")
    with tempfile.TemporaryDirectory(prefix="httpd-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        attack = Attack(Path(name), *getattr(request, "param", ("no text",)))
        try:
            yield attack
        finally:
            attack.stop()


def test_an_untrusted_mysqld_is_neither_run_nor_listed(attack: Attack) -> None:
    """It runs, it is called mysqld, it listens: it is named in a warning and nothing else."""
    ran = run_probe()
    assert not attack.marker.exists()
    assert str(attack.binary) not in str(ran.report["databases"])
    assert f"process {attack.process.pid}, {attack.binary}" in ran.warnings
    assert "called like a server, without a server's text; not listed" in ran.warnings
    # The marker is no accident: a scanner that runs what it finds would have left it.
    subprocess.run([str(attack.binary), "--version"], check=True, stdout=subprocess.DEVNULL)
    assert attack.marker.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="as root only is there another user")
@pytest.mark.parametrize(
    "attack", [("mysqld-8.0 8.0.35-MariaDB", "--datadir=/nowhere/at/all")], indirect=True
)
def test_a_data_directory_that_cannot_be_opened_is_not_a_users_to_claim(attack: Attack) -> None:
    """A user's process may name any path: one that is not there to be looked at (a hung mount, say)
    is not its data, and hides no stopped server's."""
    ran = run_probe()
    (forged,) = [d for d in ran.report["databases"] if d["binary"] == str(attack.binary)]
    assert "data_dir" not in forged
    assert "/nowhere/at/all is not known to be its data" in ran.warnings


@pytest.mark.skipif(os.geteuid() != 0, reason="as root only is there another user")
@pytest.mark.parametrize(
    "attack",
    [(r"\0mysqld-8.0\0008.0.35\0MySQL Community Server - GPL", "--datadir={data}")],
    indirect=True,
)
def test_a_forged_server_takes_nothing_of_the_real_one(attack: Attack) -> None:
    """With a server's texts forged it is listed as what it is, a running process from a file of a
    user's; it is not run, not installed, and its claim on the real server's data is refused."""
    ran = run_probe()
    (forged,) = [d for d in ran.report["databases"] if d["binary"] == str(attack.binary)]
    assert forged["status"] == "running"
    assert "data_dir" not in forged
    assert "others than root can change this executable" in ran.warnings
    assert f"{attack.data} is another user's, not its data" in ran.warnings
    assert not attack.marker.exists()


def test_an_untrusted_mysqld_without_the_real_package(attack: Attack, host: HostFolder) -> None:
    """The same on a host that has no MySQL at all: no record of any kind."""
    host.real(str(attack.binary)).write_bytes(attack.binary.read_bytes())
    host.real(str(attack.binary)).chmod(0o755)
    exe = str(attack.binary)
    host.process(666, exe, "mysqld", "serve", listens=((ANY_ADDRESS, 3306),))
    ran = host.probe()
    assert ran.report["databases"] == []
    assert "called like a server, without a server's text; not listed" in ran.warnings
    assert not attack.marker.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a namespace of its own")
def test_an_untrusted_mysqld_on_a_real_host_without_packages(attack: Attack) -> None:
    """With the real servers' places covered by empty ones, nothing is installed and nothing run."""
    unshare = shutil.which("unshare")
    if unshare is None:
        missing("no unshare")
    places = ["/usr/sbin/mysqld", "/usr/sbin/mariadbd", "/usr/lib/postgresql"]
    binds = "".join(
        f"mount --bind {'/var/empty-probe' if Path(p).is_dir() else '/dev/null'} {p} 2>/dev/null;"
        for p in places
        if Path(p).exists()
    ).replace("/var/empty-probe", str(attack.binary.parent / "empty"))
    (attack.binary.parent / "empty").mkdir()
    shell = f"{binds} exec {sys.executable} -I -S {PROBE}"
    finished = subprocess.run(
        [unshare or "", "--mount", "sh", "-c", shell], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    for record in unpacked(finished.stdout)["databases"]:
        assert record["status"] == "running" or record["engine"] not in ("mysql", "mariadb")
    assert f'"{attack.binary}"' not in finished.stdout
    assert not attack.marker.exists()


# --- files that are not what they seem ------------------------------------------------------------


def test_fifo_as_configuration(host: HostFolder) -> None:
    """A FIFO where a configuration file belongs is not opened: the probe does not wait for it."""
    host.mysqld()
    os.mkfifo(host.real("/etc/my.cnf"))
    os.mkfifo(host.real("/proc/5/cgroup"))
    started = time.monotonic()
    ran = host.probe(timeout=20)
    assert time.monotonic() - started < 15
    assert "mysql-3306" in ran.databases


def test_include_loops_end(host: HostFolder) -> None:
    """Files that include themselves, each other, or their own folder are each read once."""
    host.mysqld()
    host.text("/etc/my.cnf", "!include /etc/my.cnf\n!include /etc/b.cnf\n!includedir /etc\n")
    host.text("/etc/b.cnf", "!include /etc/my.cnf\n!include b.cnf\n[mysqld]\nport=3399\n")
    assert "mysql-3399" in host.probe(timeout=20).databases


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_device_as_version_file(host: HostFolder) -> None:
    """A device called PG_VERSION is not read."""
    host.binary("/usr/lib/postgresql/15/bin/postgres", "postgres (PostgreSQL) 15.4")
    try:
        os.mknod(host.real("/srv/pg/PG_VERSION"), 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        missing("devices cannot be made here")
    binary = "/usr/lib/postgresql/15/bin/postgres"
    host.process(5, binary, "postgres", "-D", "/srv/pg", cwd="/srv/pg")
    (database,) = host.probe(timeout=20).report["databases"]
    assert database["version"] == "15.4"
    assert database["data_size_bytes"] == 0


def test_no_path_leads_out_of_the_folder(host: HostFolder, tmp_path: Path) -> None:
    """Absolute links, links that climb, and paths that climb stay below the folder."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "ibdata1").write_bytes(bytes(4242))
    (secret / "my.cnf").write_text("[mysqld]\nport=6666\n")
    host.mysqld()
    host.link("/etc/my.cnf", str(secret / "my.cnf"))
    host.link("/etc/mysql/my.cnf", "../../../../../../../../../.." + str(secret / "my.cnf"))
    host.link("/var/lib/mysql", str(secret))
    climbing = f"--datadir=/../../../../../../../../..{secret}"
    host.process(5, "/usr/sbin/mysqld", "mysqld", climbing)
    (database,) = host.probe().report["databases"]
    assert database["port"] == 3306
    assert "4242" not in str(database)


def test_link_loops_end(host: HostFolder) -> None:
    """Links that lead to themselves are unreadable, not endless."""
    host.mysqld()
    host.link("/etc/my.cnf", "my.cnf")
    host.link("/var/lib/mysql", "/var/lib/mysql/x")
    assert "mysql-3306" in host.probe(timeout=20).databases


def test_network_file_systems_are_not_touched(host: HostFolder) -> None:
    """A data directory on NFS has no size, and a warning says why; inside one, it is left out."""
    host.mysqld()
    host.text(
        "/proc/mounts",
        "/dev/root / ext4 rw 0 0\nfiler:/v /mnt/my\\040data nfs4 rw 0 0\n"
        "gluster /srv/b/backup fuse.glusterfs rw 0 0\n",
    )
    host.sparse("/mnt/my data/ibdata1", 5000)
    host.sparse("/srv/b/ibdata1", 10)
    host.sparse("/srv/b/backup/huge", 10**9)
    host.process(5, "/usr/sbin/mysqld", "mysqld", "--datadir=/mnt/my data", "--port=1111")
    host.process(6, "/usr/sbin/mysqld", "mysqld", "--datadir=/srv/b", "--port=2222")
    ran = host.probe()
    remote, local = ran.databases["mysql-1111"], ran.databases["mysql-2222"]
    assert remote["data_dir"] == "/mnt/my data"
    assert "data_size_bytes" not in remote
    assert (local["data_size_bytes"], local["data_size_complete"]) == (10, False)
    assert "/mnt/my data: on a network file system: not touched" in ran.warnings
    assert "/srv/b/backup is on a network file system" in ran.warnings


def test_huge_command_line(host: HostFolder) -> None:
    """2 MB of command line are not kept."""
    host.mysqld()
    host.process(5, "/usr/sbin/mysqld", "mysqld", "--port=3310", "x" * 2_000_000)
    ran = host.probe()
    assert "mysql-3310" in ran.databases
    assert len(ran.stdout) < 2000


def test_names_cannot_forge_output(host: HostFolder) -> None:
    """Newlines, escapes, direction marks and broken text in names come out as question marks."""
    host.mysqld()
    evil = "/srv/a\n\x1b[31m\u202e\x07"
    host.sparse(evil + "/ibdata1", 1)
    host.process(5, "/usr/sbin/mysqld", "mysqld", f"--datadir={evil}")
    host.text("/proc/sys/kernel/hostname", b"\xff\xfe\x1b]0;x\x07")
    ran = host.probe()
    (database,) = ran.report["databases"]
    assert database["data_dir"] == "/srv/a??[31m??"
    assert ran.report["host"]["hostname"].isprintable()
    assert "\x1b" not in host.probe("--pretty").stdout


def test_fake_servers_do_not_crowd_out_the_real_one(host: HostFolder) -> None:
    """Hundreds of processes called mysqld: the packaged one is still found."""
    host.mysqld()
    host.binary("/home/x/mysqld", "nothing")
    for pid in range(100, 400):
        host.process(pid, "/home/x/mysqld")
    host.process(900, "/usr/sbin/mysqld", listens=((ANY_ADDRESS, 3306),))
    ran = host.probe()
    assert ran.databases["mysql-3306"]["status"] == "running"
    assert len(ran.report["warnings"]) <= 20


def test_garbage_in_proc(host: HostFolder) -> None:
    """Unreadable, empty and nonsensical entries of /proc cost their own values only."""
    host.mysqld()
    host.process(5, "/usr/sbin/mysqld", listens=((ANY_ADDRESS, 3306),))
    good = host.real("/proc/5/net/tcp").read_text()
    host.text("/proc/5/net/tcp", "\0\n1 2 3 0A\n" + good + "zz: zz:zz 0 0A 0 0 0 0 0 0\n")
    host.text("/proc/5/status", b"\xff\xff\nPPid:\t99999999999999999999\n")
    host.text("/proc/5/net/tcp6", os.urandom(5000))
    host.text("/proc/7", "a file")
    host.real("/proc/8/fd").mkdir(parents=True)
    host.link("/proc/9/exe", "/usr/sbin/mysqld")
    host.text("/proc/cpuinfo", os.urandom(2000))
    host.text("/var/lib/dpkg/status", os.urandom(2000))
    found = host.probe().databases
    assert found["mysql-3306"]["status"] == "running"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become someone else")
def test_without_privileges_it_says_what_it_cannot_see() -> None:
    """As an ordinary user: a report, and a warning that others' processes are hidden."""
    system = Path("/usr/bin/python3")
    ran = run_probe(user=NOBODY, python=str(system) if system.exists() else sys.executable)
    if ran.code and "denied" in ran.stderr:
        pytest.skip("this checkout cannot be read by others")
    assert ran.code == 0
    assert "run as root" in ran.warnings
    assert not ran.report["complete"]  # a database that was seen before is not gone


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a /proc of its own")
def test_processes_that_are_not_even_listed() -> None:
    """With hidepid=2 an ordinary user's /proc has no entry for others' processes: the report says
    that it is not complete, and why."""
    programs = "unshare", "setpriv"
    if not all(map(shutil.which, programs)):
        missing(f"needs {' and '.join(programs)}")
    python = Path("/usr/bin/python3")
    command = [
        "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private",
        "sh", "-ec", 'mount -o remount,hidepid=2 /proc; $0 "$@"; exit $?',
        "setpriv --reuid 65534 --regid 65534 --clear-groups",
        str(python) if python.exists() else sys.executable, "-I", "-S", "-",
    ]  # fmt: skip
    finished = subprocess.run(
        command, input=PROBE.read_text(), capture_output=True, text=True, check=True
    )
    report = unpacked(finished.stdout)
    assert not report["complete"]
    assert "other users' processes are not listed in /proc: run as root" in report["warnings"]


def test_a_command_line_counts_for_a_trusted_file_only(
    host: HostFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The executable that a process with a hidden one names itself counts when only root could have
    put that file there; otherwise the report is not complete."""
    paths = {5: "/home/x/mysqld", 6: "/usr/sbin/mysqld"}
    for pid, path in paths.items():
        host.mysqld(path)
        host.process(pid, path, path)
    hidden = {f"{pid}/exe" for pid in paths}

    def readlink(path: str, *, dir_fd: int | None = None) -> str:
        if path in hidden:
            raise PermissionError
        return real(path, dir_fd=dir_fd)

    real = os.readlink
    monkeypatch.setattr(os, "readlink", readlink)
    probe = module("discovery_python")
    scan = probe.Host(str(host.path), 30)
    assert [process.pid for process in probe.server_processes(scan)] == [6]
    assert not scan.complete
    assert "2 process(es) hide what they run from this user" in str(scan.warnings)


def test_a_port_alone_is_no_database(host: HostFolder) -> None:
    """Something that listens on 3306 is not MySQL because of that; nothing connects to find out."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        run_probe()
        with pytest.raises(BlockingIOError):
            server.accept()
    host.process(5, "/usr/bin/nc", listens=((ANY_ADDRESS, 3306),))
    assert host.probe().report["databases"] == []


def test_a_memory_file_called_like_a_server_is_nothing(host: HostFolder) -> None:
    """A memfd called mysqld, in no folder at all, is named in a warning and not listed."""
    host.process(5, "/memfd:mysqld (deleted)", "mysqld", listens=((ANY_ADDRESS, 3306),))
    ran = host.probe()
    assert ran.report["databases"] == []


def test_a_forged_java_server_is_not_taken_for_an_installed_one(host: HostFolder) -> None:
    """A main class on a command line without the server's jar is no server."""
    host.binary("/usr/bin/java")
    main = "org.apache.cassandra.service.CassandraDaemon"
    host.process(5, "/usr/bin/java", "java", "-cp", "/home/x/apache-cassandra-9.9.9.jar", main)
    ran = host.probe()
    assert ran.report["databases"] == []
    assert "without a server's text" in ran.warnings


def test_a_container_with_a_forged_package_database(host: HostFolder) -> None:
    """A container's own dpkg status proves nothing: its server's version is its file's text."""
    host.mysqld("/proc/9/root/usr/sbin/mysqld", "8.0.35")
    fake = "Package: mysql-server-core-8.0\nStatus: install ok installed\nVersion: 9.9.9-1\n\n"
    host.text("/proc/9/root/var/lib/dpkg/status", fake)
    host.text("/proc/9/root/var/lib/dpkg/info/mysql-server-core-8.0.list", "/usr/sbin/mysqld\n")
    host.process(9, "/usr/sbin/mysqld", cgroup=f"0::/docker/{'a' * 64}\n")
    (database,) = host.probe().report["databases"]
    assert database["version"] == "8.0.35"


def test_a_process_that_ends_meanwhile_costs_its_own_record(host: HostFolder) -> None:
    """A process of which nothing but its name is left does not disturb the others."""
    host.mysqld()
    host.link("/proc/5/exe", "/usr/sbin/mysqld")
    host.process(6, "/usr/sbin/mysqld", listens=((ANY_ADDRESS, 3307),))
    assert host.probe().databases["mysql-3307"]["status"] == "running"


def test_a_process_that_ends_before_it_is_looked_at(tmp_path: Path) -> None:
    """It is no running server: what is left of it in /proc is not enough to say anything of it."""
    if not Path("/proc/self/exe").exists():
        missing("no /proc")
    binary = tmp_path / "redis-server"
    shutil.copy("/bin/sleep", binary)
    probe = module("discovery_python")
    host = probe.Host("/", 30)
    with subprocess.Popen([binary, "60"]) as process:
        (found,) = [p for p in probe.server_processes(host) if p.pid == process.pid]
        process.kill()
    with pytest.raises(OSError, match=r"No such (process|file)"):
        probe.Running(host, found).database()
    assert "redis-server" not in str(host.warnings)


def test_many_warnings_of_a_kind_hide_no_other(host: HostFolder) -> None:
    """Whoever starts forty false servers fills a few lines, not the list: what else there is to say
    is said, and how many were left out."""
    for pid in range(100, 140):
        host.binary(f"/home/x/{pid}/mysqld", "nothing")
        host.process(pid, f"/home/x/{pid}/mysqld", "mysqld")
    host.mysqld()  # looked at after all that runs
    host.sparse("/var/lib/mysql/ibdata1", 1)
    host.text("/proc/mounts", "nas:/x /var/lib/mysql nfs4 rw 0 0\n")
    ran = host.probe()
    assert "/var/lib/mysql: on a network file system: not touched" in ran.report["warnings"]
    rest = "35 more: called like a server, without a server's text; not listed"
    assert rest in ran.report["warnings"]
