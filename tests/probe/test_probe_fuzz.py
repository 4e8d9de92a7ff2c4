"""Hostile host folders without end: always one valid line, or a clean failure code."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.probe.hostfolder import HostFolder

CASES = int(os.environ.get("PROBE_FUZZ_CASES", "25"))

PATHS = st.sampled_from(
    [
        "/proc/5/cmdline", "/proc/5/status", "/proc/5/exe", "/proc/5/cwd", "/proc/5/fd/100",
        "/proc/5/net/tcp", "/proc/5/net/tcp6", "/proc/5/cgroup", "/proc/5/root", "/proc/5/fd",
        "/proc/6/exe", "/proc/6/cmdline", "/proc/6/status", "/proc/mounts", "/proc/meminfo",
        "/proc/cpuinfo", "/proc/sys/kernel/arch", "/proc/sys/kernel/hostname", "/etc/os-release",
        "/etc/my.cnf", "/etc/mysql/my.cnf", "/etc/mongod.conf", "/srv/pg/postgresql.conf",
        "/srv/pg/postgresql.auto.conf", "/srv/pg/PG_VERSION", "/srv/pg/postmaster.pid",
        "/etc/postgresql/15/main/postgresql.conf", "/etc/systemd/system/mysql.service",
        "/usr/sbin/mysqld", "/usr/bin/mongod", "/usr/lib/postgresql/15/bin/postgres",
        "/var/lib/dpkg/status", "/var/lib/dpkg/info/mysql-server-core-8.0.list", "/var/lib/mysql",
    ]
)  # fmt: skip
SNIPPETS = st.sampled_from(
    [
        b"[mysqld]\n", b"datadir=/srv/pg\n", b"port=3306\n", b"!include /etc/my.cnf\n",
        b"!includedir /etc\n", b"include '/srv/pg/postgresql.conf'\n",
        b"data_directory = '/srv/pg'\n", b"include_dir '/srv/pg'\n",
        b"storage:\n  dbPath: /srv/pg\n", b"net: {port: 1}\n", b"\0", b"\n", b"\xff\xfe",
        b"PPid:\t5\n", b"PPid:\t6\n", b"postgres\0-D\0/srv/pg\0", b"--datadir=", b"../../../..",
        b"\x7fELF\x02\x01\x01" + bytes(60), b"\x7fELF\x01\x02", b"\0mysqld-8.0\0008.0.35\0",
        b"postgres (PostgreSQL) 15.4\n", b"-MariaDB", b"Package: mysql-server-core-8.0\n",
        b"Status: install ok installed\n", b"Version: 8.0.1\n", b"/usr/bin/mongod\n",
        b"nfs /srv nfs4 rw 0 0\n", b"   0: 00000000:0CEA 00000000:0000 0A 0 0 0 0 0 71 1\n",
        b"ExecStart=/usr/sbin/mysqld --datadir=/srv/pg --port=99999\n",
        b"'\"\\", b"99999999999999999",
    ]
)  # fmt: skip
CONTENTS = st.one_of(
    st.lists(st.one_of(SNIPPETS, st.binary(max_size=40)), max_size=8).map(b"".join)
)
TARGETS = st.sampled_from(
    [
        "/usr/sbin/mysqld", "/usr/sbin/mysqld (deleted)", "/usr/bin/mongod", "/", ".", "..", "self",
        "/usr/lib/postgresql/15/bin/postgres", "socket:[71]", "/srv/pg", "/dev/zero",
        "/proc/5/cwd", "../../../../../../etc", "/memfd:mysqld (deleted)", "/srv/\n/mysqld",
    ]
)  # fmt: skip
KINDS = st.sampled_from(["text", "link", "folder", "fifo", "gone"])
CHANGES = st.lists(
    st.tuples(PATHS, KINDS, CONTENTS, TARGETS),
    max_size=12,
)


@settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
@given(changes=CHANGES)
def test_always_a_valid_line_or_a_clean_failure(
    changes: list[tuple[str, str, bytes, str]],
) -> None:
    """Whatever a host's files are and say: exit code 0 with a valid report, or 70 with a reason."""
    with tempfile.TemporaryDirectory() as name:
        host = HostFolder(Path(name))
        host.mysqld()
        host.binary("/usr/bin/mongod", "db version v6.0.1", "gitVersion")
        host.binary("/usr/lib/postgresql/15/bin/postgres", "postgres (PostgreSQL) 15.4")
        host.text("/srv/pg/PG_VERSION", "15\n")
        host.process(5, "/usr/sbin/mysqld", listens=(("00000000", 3306),))
        host.process(6, "/usr/lib/postgresql/15/bin/postgres", "postgres", "-D", "/srv/pg")
        for path, kind, content, target in changes:
            change(host, path, kind, content, target)
        ran = host.probe(timeout=30)
        assert ran.code in (0, 70)
        assert (ran.stderr == "") == (ran.code == 0), ran.stderr
        for record in ran.report.get("databases", ()):
            assert record["status"] in ("running", "installed")
            assert 0 < record["port"] < 65536
            assert str(record.get("data_dir", "")).isprintable()


def change(host: HostFolder, path: str, kind: str, content: bytes, target: str) -> None:
    """Put something else in the place of one of the host's files."""
    try:
        real = host.real(path)
        if real.is_symlink() or real.exists():
            if real.is_dir() and not real.is_symlink():
                return
            real.unlink()
        if kind == "text":
            real.write_bytes(content)
        elif kind == "link":
            real.symlink_to(target)
        elif kind == "folder":
            real.mkdir()
        elif kind == "fifo":
            os.mkfifo(real)
    except OSError:
        return  # an earlier change made it impossible
