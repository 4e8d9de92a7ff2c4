"""Executables that are not to be trusted, on a live host: in namespaces of their own, as root.

Each stage is a shell script that lays a host out in private mount, process and network namespaces
and then runs the probe: what is started there ends with it, and nobody else sees it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.attack import build
from tests.support.hostfolder import PROBE, Ran, checked
from tests.support.needs import missing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root could be tricked"),
]

TEXT = r"\0mysqld-8.0\0008.0.35\0MySQL Community Server - GPL"
SETUP = """
set -e
umask 022
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir -p /opt/db/bin
install -m 755 {plain} /opt/db/bin/mysqld
"""
START = "/opt/db/bin/mysqld serve >/dev/null & sleep 0.2\n"


class Stage:
    """A folder that everyone can write, with two attackers' programs: without any text of a server
    and with a server's texts. Each leaves a marker when somebody runs it as a scanner would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marker = folder / "marker"
        self.plain, self.forged = folder / "plain", folder / "forged"
        if not shutil.which("unshare"):
            missing("no unshare")
        for binary, text in ((self.plain, "no text"), (self.forged, TEXT)):
            build(binary, self.marker, text)
        folder.chmod(0o777)

    def probe(self, script: str, *before: str, start: str = START) -> Ran:
        """Lay out, start, and look; `before` is put in front of the probe's command."""
        names = {"plain": self.plain, "forged": self.forged, "here": self.folder}
        command = [*before, sys.executable, "-I", "-S", str(PROBE), "--max-seconds", "20"]
        shell = SETUP + script + start + '"$@"\nexit $?\n'
        for name, path in names.items():
            shell = shell.replace("{%s}" % name, str(path))  # noqa: UP031 - shell has braces too
        finished = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--net", "--kill-child",
             "--propagation", "private", "sh", "-c", shell, "sh", *command],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        ran = Ran(finished.returncode, finished.stdout, finished.stderr)
        assert ran.code == 0, ran.stderr
        return checked(ran)

    @property
    def was_run(self) -> bool:
        """Whether an attacker's program was run otherwise than by the stage itself."""
        return self.marker.exists()


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage in a folder that every user can reach."""
    with tempfile.TemporaryDirectory(prefix="stage-", dir="/tmp") as name:
        yield Stage(Path(name))


CHANGEABLE = "/opt/db/bin/mysqld: others than root can change this executable"


def test_a_trusted_server_is_read_not_run(stage: Stage) -> None:
    """The control for all below: of a server that only root could have put there nothing is said
    but that its version is unknown; it is not run to learn it."""
    ran = stage.probe("")
    assert not stage.was_run
    assert CHANGEABLE not in ran.warnings
    assert "/opt/db/bin/mysqld: its version could not be found" in ran.warnings
    # The marker is no accident: a scanner that runs what it finds would have left it.
    subprocess.run([str(stage.plain), "--version"], check=True, stdout=subprocess.DEVNULL)
    assert stage.was_run


@pytest.mark.parametrize(
    "flaw",
    [
        "chown nobody /opt/db/bin/mysqld",
        "chmod g+w /opt/db/bin/mysqld",
        "chmod o+w /opt/db/bin/mysqld",
        "chown nobody /opt/db/bin",
        "chmod o+w /opt/db/bin",
        "chmod g+w /opt/db",
        "chmod 1777 /opt/db",
        "chown nobody /opt",
        "mount -t tmpfs -o mode=755,uid=65534 x /opt/db/bin; install {plain} /opt/db/bin/mysqld",
    ],
)
def test_one_flaw_is_enough_not_to_trust_it(stage: Stage, flaw: str) -> None:
    """Owner, mode, a parent folder, a mount: each alone is named, and takes the trust away."""
    ran = stage.probe(flaw + "\n")
    assert CHANGEABLE in ran.warnings
    assert not stage.was_run


@pytest.mark.parametrize(
    "elsewhere",
    [
        "mv /opt/db/bin/mysqld {here}/mysqld; ln -s {here}/mysqld /opt/db/bin/mysqld",
        "mv /opt/db {here}/db; ln -s {here}/db /opt/db",
    ],
)
def test_a_link_to_elsewhere_is_not_trusted(stage: Stage, elsewhere: str) -> None:
    """What a link in a trusted place leads to is judged by where it lies in truth."""
    ran = stage.probe(elsewhere + "\n")
    assert "called like a server, without a server's text; not listed" in ran.warnings
    assert not stage.was_run
    assert str(stage.folder) not in str(ran.report["databases"])


def test_a_users_claim_hides_no_stopped_server(stage: Stage) -> None:
    """A user's process with a server's texts that names a stopped server's data directory gets
    nothing of it, and the stopped server keeps its record with its data."""
    script = """
mount -t tmpfs -o mode=755 tmpfs /var/lib
mkdir -m 700 /var/lib/mysql; head -c 7301 /dev/zero > /var/lib/mysql/ibdata1
cp {forged} /opt/db/bin/mysqld; cp {forged} {here}/mysqld
"""
    start = "setpriv --reuid 65534 {here}/mysqld serve --datadir=/var/lib/mysql >/dev/null &\n"
    ran = stage.probe(script, start=start + "sleep 0.2\n")
    forged = str(stage.folder / "mysqld")
    found = {d["binary"]: d for d in ran.report["databases"]}
    assert "/var/lib/mysql is another user's, not its data" in ran.warnings
    assert (found[forged]["status"], found[forged].get("data_dir")) == ("running", None)
    (real,) = [d for d in ran.report["databases"] if d.get("data_dir") == "/var/lib/mysql"]
    assert (real["status"], real["data_size_bytes"]) == ("installed", 7301)
    assert not stage.was_run


def test_a_vendors_user_owns_his_executables(stage: Stage) -> None:
    """Oracle's belong to its own user: installed counts when a folder or a file beside tells the
    version, with a warning. A program that is only called like one does not count."""
    homes = "/opt/oracle/product/19.0.0/db", "/opt/tool"
    script = "".join(
        f"install -D {{plain}} {home}/bin/oracle; chown -R nobody {home}\n" for home in homes
    )
    ran = stage.probe(script)
    found = [d for d in ran.report["databases"] if d["engine"] == "oracle"]
    assert [(d["status"], d["version"]) for d in found] == [("installed", "19.0.0")]
    assert f"{homes[0]}/bin/oracle: others than root can change this executable" in ran.warnings
    assert f"{homes[1]}/bin/oracle: others than root can change it; not counted" in ran.warnings
    assert not stage.was_run


@pytest.mark.parametrize("space", ["unshare -m", "setpriv --reuid 65534 unshare -Urm"])
def test_a_mount_namespace_of_its_own(stage: Stage, space: str) -> None:
    """A program mounted over a server's path, for its own process only, is not that server: it is
    not run, and takes neither the host's version nor its place."""
    script = """
rm /opt/db/bin/mysqld
install -m 755 {here}/real /opt/db/bin/mysqld
%s sh -c 'mount -t tmpfs x /opt/db && mkdir /opt/db/bin && cp {plain} /opt/db/bin/mysqld &&
exec /opt/db/bin/mysqld serve' >/dev/null &
sleep 0.5
"""
    real = stage.folder / "real"
    real.write_bytes(stage.forged.read_bytes().replace(b"8.0.35", b"8.0.36"))
    ran = stage.probe(script % space, start="")
    assert not stage.was_run
    found = [d for d in ran.report["databases"] if d["binary"] == "/opt/db/bin/mysqld"]
    assert [(d["status"], d["version"]) for d in found] == [("installed", "8.0.36")]


def test_a_root_of_its_own(stage: Stage) -> None:
    """A program in a chroot, where its path looks like a server's, is not run or installed."""
    script = """
rm /opt/db/bin/mysqld
j={here}/jail; mkdir -p $j/usr/sbin $j/lib $j/lib64; cp {plain} $j/usr/sbin/mysqld
mount --rbind /lib $j/lib; mount --rbind /lib64 $j/lib64
"""
    start = """
setpriv --reuid 65534 unshare -Ur chroot {here}/jail /usr/sbin/mysqld serve >/dev/null &
sleep 0.5
"""
    ran = stage.probe(script, start=start)
    assert not stage.was_run
    assert f"{stage.folder}/jail/usr/sbin/mysqld" in ran.warnings
    assert not [d for d in ran.report["databases"] if "jail" in d["binary"]]


def test_paths_that_are_not_the_hosts_are_said_to_be(stage: Stage) -> None:
    """A server in a root of its own that no control group names (a rootless container, a chroot) is
    listed, and a warning says that its paths are not the host's; one with private mounts in the
    host's root, as services have, gets none."""
    script = """
j={here}/jail; mkdir -p $j/usr/sbin $j/lib $j/lib64; cp {forged} $j/usr/sbin/mysqld
mount --rbind /lib $j/lib; mount --rbind /lib64 $j/lib64; cp {forged} /opt/db/bin/mysqld
"""
    start = """
chroot {here}/jail /usr/sbin/mysqld serve >/dev/null &
unshare --mount /opt/db/bin/mysqld serve >/dev/null &
sleep 0.5
"""
    ran = stage.probe(script, start=start)
    assert [d["status"] for d in ran.report["databases"] if d["engine"] == "mysql"] == [
        "running"
    ] * 2
    assert ran.warnings.count("its paths are in a root of its own, of no known container") == 1


@pytest.mark.parametrize("upgrade", ["mv -f {new} {old}", "rm {old}; cp {new} {old}", "rm {old}"])
def test_a_real_server_that_was_upgraded_and_not_restarted(stage: Stage, upgrade: str) -> None:
    """The version that runs, read from the very file that runs, though its name leads to another by
    now or to none; a warning says that a restart is pending."""
    real = shutil.which("redis-server")
    if real is None:
        missing("no redis-server")
    said = subprocess.run([str(real), "--version"], capture_output=True, text=True, check=True)
    version = said.stdout.partition("v=")[2].split()[0]
    newer = version[:-1] + ("8" if version[-1] == "9" else "9")
    old, new = "/opt/db/bin/redis-server", "/opt/db/new"
    start = f"""
cp {real} {old}; {old} --port 7001 --save '' >/dev/null &
sleep 0.3; sed s/{version}/{newer}/g {real} > {new}; chmod 755 {new}
{upgrade.replace("{new}", new).replace("{old}", old)}
"""
    ran = stage.probe("", start=start)
    (found,) = [d for d in ran.report["databases"] if d.get("port") == 7001]
    assert (found["status"], found["version"]) == ("running", version)
    assert f"{old}: replaced while it runs, a restart is pending" in ran.warnings
    # What will run after the restart is no database of its own.
    assert [d for d in ran.report["databases"] if d["binary"] == old] == [found]


MEMFD = """
import os, sys
fd = os.memfd_create(sys.argv[2])
os.write(fd, open(sys.argv[1], "rb").read())
os.execve(fd, ["/opt/db/bin/mysqld", "serve"], {})
"""


@pytest.mark.parametrize("name", ["mysqld", "/opt/db/bin/mysqld"])
def test_a_program_in_memory(stage: Stage, name: str) -> None:
    """A program without a file, whatever it is called, is not run and not listed."""
    (stage.folder / "start.py").write_text(MEMFD)
    start = f"{sys.executable} -IS {{here}}/start.py {{plain}} {name} >/dev/null & sleep 0.5\n"
    ran = stage.probe("rm /opt/db/bin/mysqld\n", start=start)
    assert not stage.was_run
    assert not [d for d in ran.report["databases"] if "mysqld" in d["binary"] and "opt" in str(d)]


@pytest.mark.parametrize(
    "after", ["rm {here}/mysqld", "mv {here}/mysqld '{here}/mysqld (deleted)'"]
)
def test_a_program_whose_file_has_gone(stage: Stage, after: str) -> None:
    """A user's program that was deleted, or is called as if it were, is not run and not listed."""
    start = f"cp {{plain}} {{here}}/mysqld; {{here}}/mysqld serve >/dev/null & sleep 0.2; {after}\n"
    ran = stage.probe("rm /opt/db/bin/mysqld\n", start=start)
    assert not stage.was_run
    assert not [d for d in ran.report["databases"] if str(stage.folder) in d["binary"]]


def test_a_container_whose_root_leads_out(stage: Stage) -> None:
    """Links in a live container's root end in that root, absolute and relative ones."""
    script = """
rm /opt/db/bin/mysqld
mkdir -p /opt/secret; printf '[mysqld]\\nport=7301\\n' > /opt/secret/my.cnf
head -c 7301 /dev/zero > /opt/secret/ibdata1
c={here}/container; mkdir -p $c/usr/sbin $c/etc $c/var/lib $c/proc $c/lib $c/lib64
cp {forged} $c/usr/sbin/mysqld
ln -s /opt/secret/my.cnf $c/etc/my.cnf; ln -s ../../../../../opt/secret $c/etc/mysql
ln -s /proc/1/root/opt/secret $c/var/lib/mysql
mount --rbind /lib $c/lib; mount --rbind /lib64 $c/lib64
"""
    start = """
unshare -m sh -c 'mount -t proc proc {here}/container/proc;
exec chroot {here}/container /usr/sbin/mysqld serve' > /dev/null &
sleep 0.5
"""
    ran = stage.probe(script, start=start)
    (found,) = [d for d in ran.report["databases"] if d["status"] == "running"]
    assert found["version"] == "8.0.35"
    assert "7301" not in str(found)
    assert not stage.was_run


# --- what a user's process says of itself ---------------------------------------------------------

RACE = """
import ctypes, os, sys
swap = ctypes.CDLL(None).renameat2
while True:
    swap(-100, b"%s/data", -100, b"%s/link", 2)
"""


def test_another_users_data_swapped_in(stage: Stage) -> None:
    """A data directory that is the user's when it is checked and a link to another's when it is
    measured: its size and its record stay the other's."""
    (stage.folder / "race.py").write_text(RACE.replace("%s", str(stage.folder)))
    script = """
rm /opt/db/bin/mysqld; mkdir -m 700 /opt/secret; head -c 7301 /dev/zero > /opt/secret/ibdata1
mkdir {here}/data; touch {here}/data/ibdata1; chown -R nobody {here}/data
ln -s /opt/secret {here}/link; cp {forged} {here}/mysqld
"""
    start = f"{sys.executable} -IS {{here}}/race.py &\n" + 60 * (
        "setpriv --reuid 65534 {here}/mysqld serve --datadir={here}/data >/dev/null &\n"
    )
    for _ in range(5):
        ran = stage.probe(script, start=start + "sleep 1\n")
        assert "7301" not in [str(d.get("data_size_bytes")) for d in ran.report["databases"]]
        for name in ("data", "link"):
            path = stage.folder / name
            path.unlink() if path.is_symlink() else shutil.rmtree(path)


# --- by system calls ------------------------------------------------------------------------------


def calls(stage: Stage, script: str, start: str = START) -> list[str]:
    """The system calls of a scan, each with the paths of its descriptors."""
    if shutil.which("strace") is None:
        missing("no strace")
    log = stage.folder / "calls"
    stage.probe(script, "strace", "-f", "-y", "-s", "0", "-o", str(log), start=start)
    return log.read_text(errors="replace").splitlines()


FORBIDDEN = (
    "O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", " connect(", " socket(", " sendto(",
    " bind(", " unlink", " rename", " mkdir", " rmdir", " chmod", " fchmod", " chown", " fchown",
    " link", " symlink", " mknod", " utime", " truncate", " ftruncate", " setxattr", " kill(",
    " tgkill(", " tkill(", " ptrace(", " mount(", " umount", " fork(", " vfork(", " clone",
    " setsid(", " pidfd", " process_vm", " bpf(", " perf_event", " inotify", " fanotify",
)  # fmt: skip


def test_a_scan_changes_nothing(stage: Stage) -> None:
    """With a running server, a stopped one and a user's: no call that writes, connects, signals or
    starts anything; what is written goes to the output."""
    script = "cp {forged} /opt/db/bin/mysqld; install -D {forged} /opt/two/bin/mysqld\n"
    start = START + "cp {plain} {here}/mysqld; {here}/mysqld serve >/dev/null & sleep 0.2\n"
    made = calls(stage, script, start=start)
    assert len(made) > 200
    for call in made:
        assert not any(word in call for word in FORBIDDEN), call
    assert sum(" execve(" in call for call in made) == 1
    written = [call for call in made if " write(" in call or " writev(" in call]
    assert all(" write(1<" in call for call in written), written
    assert not stage.was_run


CLOSED_FILE = """
mkdir /opt/secret; printf '[mysqld]\\nssl_cert = /opt/pki/cert\\n' > /opt/secret/my.cnf
cp {forged} /opt/db/bin/mysqld; cp {forged} {here}/mysqld
%s
"""


@pytest.mark.parametrize("program", ["/opt/db/bin/mysqld", "{here}/mysqld"])
@pytest.mark.parametrize(
    ("lock", "is_read"),
    [
        ("chmod 600 /opt/secret/my.cnf", False),
        ("chmod 700 /opt/secret", False),
        ("chmod 640 /opt/secret/my.cnf; chgrp 65533 /opt/secret/my.cnf", False),
        ("chmod 604 /opt/secret/my.cnf", True),
        ("chmod 400 /opt/secret/my.cnf; chown nobody /opt/secret/my.cnf", True),
        ("chmod 640 /opt/secret/my.cnf; chgrp 65532 /opt/secret/my.cnf", True),
    ],
)
def test_root_reads_no_file_for_a_process_that_could_not(
    stage: Stage, program: str, lock: str, is_read: bool
) -> None:
    """Whoever starts a process can name any file as its configuration, of a real server's program
    too: what its user and groups cannot read by the modes on the way, root does not read for it."""
    run = f"setpriv --reuid 65534 --regid 65534 --groups 65532 {program} serve"
    start = f"{run} --defaults-file=/opt/secret/my.cnf >/dev/null & sleep 0.2\n"
    ran = stage.probe(CLOSED_FILE % lock, start=start)
    (found,) = [d for d in ran.report["databases"] if d["status"] == "running"]
    assert ("config_file" in found, "tls" in found) == (is_read, is_read)
    made = calls(stage, CLOSED_FILE % lock, start=start)
    assert is_read == any(" read(" in call and "/opt/secret/my.cnf>" in call for call in made)


@pytest.mark.parametrize(("owner", "is_read"), [("root", True), ("nobody", False)])
def test_what_a_usual_configuration_includes(stage: Stage, owner: str, is_read: bool) -> None:
    """A server may read its usual configuration as root and then become another user: what a file
    that only root can write includes is read as well; what another's includes is not."""
    if not Path("/etc/mysql").exists():
        missing("no /etc/mysql to put another in the place of")
    script = f"""
mount -t tmpfs -o mode=755 tmpfs /etc/mysql
echo '!include /etc/mysql/tls.cnf' > /etc/mysql/my.cnf; chown {owner} /etc/mysql/my.cnf
printf '[mysqld]\\nssl_cert = /opt/pki/cert\\n' > /etc/mysql/tls.cnf; chmod 600 /etc/mysql/tls.cnf
"""
    start = "setpriv --reuid 65534 /opt/db/bin/mysqld serve >/dev/null & sleep 0.2\n"
    ran = stage.probe(script, start=start)
    (found,) = [d for d in ran.report["databases"] if d["status"] == "running"]
    assert found["config_file"] == "/etc/mysql/my.cnf"
    assert ("tls" in found) == is_read


def test_a_kernel_file_named_as_configuration(stage: Stage) -> None:
    """Reading some files of /proc changes something (/proc/kmsg gives each message once): a user's
    process that names one, here a harmless one, does not have root read it."""
    start = (
        "cp {forged} {here}/mysqld\n{here}/mysqld serve --defaults-file=/proc/iomem >/dev/null &\n"
    )
    made = calls(stage, "", start=start + "sleep 0.2\n")
    assert not [call for call in made if " read(" in call and "</proc/iomem>" in call]


def test_a_hung_network_mount_is_not_touched(stage: Stage) -> None:
    """A mount whose server never answers, as data directory, configuration, working directory and
    as the place of an executable: whoever touches it hangs for ever. The probe does not."""
    if not Path("/dev/fuse").exists():
        missing("no /dev/fuse")
    script = """
cp {forged} /opt/db/bin/mysqld; install -D {forged} /opt/hung/bin/mysqld
/opt/hung/bin/mysqld serve >/dev/null & sleep 0.2
exec 9<>/dev/fuse
mount -i -t fuse.sshfs -o fd=9,rootmode=40755,user_id=0,group_id=0 filer: /opt/hung
ln -s /opt/hung/data /opt/data
"""
    start = """
/opt/db/bin/mysqld serve --datadir=/opt/hung/data --defaults-file=/opt/hung/my.cnf >/dev/null &
/opt/db/bin/mysqld serve --datadir=/opt/data >/dev/null &
sleep 0.2
"""
    ran = stage.probe(script, start=start)
    assert "on a network file system: not touched" in ran.warnings
    assert "/opt/hung/bin/mysqld: on a network file system, not read" in ran.warnings
    found = [d for d in ran.report["databases"] if d["binary"] == "/opt/db/bin/mysqld"]
    assert len(found) == 2
    assert all("data_size_bytes" not in record for record in found)
