"""Hostile host folders without end: always one valid line, or a clean failure code.

25 by default, ten times as many with FULL=1; PROBE_FUZZ_CASES sets how many, and PROBE_FUZZ_SEED
makes other ones.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from discovery.inventory.report import parse_report
from tests.support.effort import cases
from tests.support.forking import Forking
from tests.support.hostfolder import HostFolder

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("PROBE_FUZZ_CASES", "0")) or cases(250)
SEED = os.environ.get("PROBE_FUZZ_SEED")
CANARY = "CANARY7301"
CANARY_SIZE = 7 << 40  # more than all sparse files of a case together
CONTAINER = "c" * 64

PATHS = st.sampled_from(
    [
        # processes
        "/proc/5/cmdline", "/proc/5/status", "/proc/5/stat", "/proc/5/exe", "/proc/5/cwd",
        "/proc/5/fd/100", "/proc/5/fd", "/proc/5/net/tcp", "/proc/5/net/tcp6", "/proc/5/net",
        "/proc/5/cgroup", "/proc/5/root", "/proc/5/mounts", "/proc/5/maps", "/proc/5/ns/mnt",
        "/proc/6/exe", "/proc/6/cmdline", "/proc/6/status", "/proc/6/stat", "/proc/6/cwd",
        "/proc/7/exe", "/proc/7/cmdline", "/proc/7/fd/10", "/proc/7/root", "/proc/7/cgroup",
        "/proc/8/exe", "/proc/8/cmdline", "/proc/8/cwd", "/proc/8/fd/3", "/proc/8/status",
        "/proc/9/exe", "/proc/9/cmdline", "/proc/9/cgroup", "/proc/9/root/etc/my.cnf",
        "/proc/9/root/var/lib/mysql", "/proc/9/root/usr/sbin/mysqld", "/proc/9/root",
        "/proc/9/root/etc/passwd", "/proc/9/mounts", "/proc/9/mountinfo", "/proc/9/net/fib_trie",
        "/proc/9/net/tcp", "/proc/9/root/var/lib/dpkg/status", "/proc/10/cmdline", "/proc/10/exe",
        "/proc/999999999/exe", "/proc/08/exe", "/proc/5",
        # the host
        "/proc/mounts", "/proc/stat", "/proc/meminfo", "/proc/cpuinfo", "/proc/sys/kernel/arch",
        "/proc/sys/kernel/hostname", "/proc/sys/kernel/osrelease", "/etc/os-release", "/etc/passwd",
        "/usr/lib/os-release", "/etc/redhat-release",
        # configuration
        "/etc/my.cnf", "/etc/mysql/my.cnf", "/etc/mysql/conf.d/x.cnf", "/etc/mongod.conf",
        "/srv/pg/postgresql.conf", "/srv/pg/postgresql.auto.conf", "/srv/pg/conf.d/a.conf",
        "/etc/postgresql/15/main/postgresql.conf", "/etc/systemd/system/mysql.service",
        "/usr/lib/systemd/system/postgresql.service", "/etc/systemd/system/mysql.service.d/a.conf",
        "/etc/redis/redis.conf", "/etc/clickhouse-server/config.xml",
        "/etc/clickhouse-server/config.d/a.xml", "/etc/cassandra/cassandra.yaml",
        "/etc/elasticsearch/elasticsearch.yml", "/etc/oratab", "/var/opt/mssql/mssql.conf",
        # data
        "/srv/pg/PG_VERSION", "/srv/pg/postmaster.pid", "/srv/pg/standby.signal", "/srv/pg/pg_wal",
        "/srv/pg/base/1", "/var/lib/mysql", "/var/lib/mysql/ibdata1", "/var/lib/postgresql/15/main",
        "/var/lib/redis", "/srv",
        # executables and packages
        "/usr/sbin/mysqld", "/usr/bin/mongod", "/usr/lib/postgresql/15/bin/postgres",
        "/usr/bin/redis-server", "/opt/db/bin/mysqld", "/usr/bin/clickhouse", "/usr/sbin", "/opt",
        "/usr/share/elasticsearch/lib/elasticsearch-8.1.0.jar", "/u01/app/oracle/product/19.0.0/db",
        "/var/lib/dpkg/status", "/var/lib/dpkg/info/mysql-server-core-8.0.list",
        # container runtimes
        f"/var/lib/docker/containers/{CONTAINER}/config.v2.json",
        f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{CONTAINER}/config.json",
        "/var/lib/containers/storage/overlay-containers/containers.json",
        "/var/lib/containers/storage/db.sql", "/etc/docker/daemon.json",
    ]
)  # fmt: skip


def _podman() -> bytes:
    """Podman's SQLite file, with the one container."""
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("CREATE TABLE ContainerConfig (ID TEXT PRIMARY KEY, JSON TEXT)")
        kept = {"id": CONTAINER, "newPortMappings": [{"container_port": "x", "range": 2**70}]}
        base.execute("INSERT INTO ContainerConfig VALUES (?, ?)", (CONTAINER, json.dumps(kept)))
        base.commit()
        return base.serialize()


_TCP = b"   0: 00000000:0CEA 00000000:0000 0A 0 0 0 112 0 71 1\n"
SNIPPETS = st.sampled_from(
    [
        b"[mysqld]\n", b"datadir=/srv/pg\n", b"port=3306\n", b"!include /etc/my.cnf\n",
        b"!includedir /etc\n", b"include '/srv/pg/postgresql.conf'\n", b"include /*/*/*\n",
        b"data_directory = '/srv/pg'\n", b"include_dir '/srv/pg'\n", b"ssl = on\n", b"ssl-cert=x\n",
        b"storage:\n  dbPath: /srv/pg\n", b"net: {port: 1}\n", b"\0", b"\n", b"\xff\xfe",
        b"data_file_directories:\n  - /srv/pg\n", b"<a><path>/srv/pg</path><tcp_port>", b"</a>",
        b"PPid:\t5\n", b"PPid:\t6\n", b"Uid:\t0\t112\t0\t0\n", b"VmRSS:\t 99 kB\n", b"btime 99\n",
        b"5 (a) b) S 1 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 999999999999999999 1 1\n",
        b"postgres\0-D\0/srv/pg\0", b"--datadir=", b"../../../..", b"--port=0\0", b"-p\0", b"-c\0",
        b"--defaults-file=/etc/my.cnf\0", b"--config=/proc/5/fd/100\0", b"java\0-cp\0",
        b"org.elasticsearch.bootstrap.Elasticsearch\0", b"redis-server *:6379\0", b"ora_pmon_X\0",
        b"org.apache.cassandra.service.CassandraDaemon\0", b"server\0", b"-Epath.data=/srv/pg\0",
        b"docker-proxy\0-host-port\x001\0-container-ip\x001.1.1.1\0-container-port\x003306\0",
        b"\x7fELF\x02\x01\x01" + bytes(60), b"\x7fELF\x01\x02", b"\0mysqld-8.0\0008.0.35\0",
        b"postgres (PostgreSQL) 15.4\n", b"-MariaDB", b"10.11.2-MariaDB", b"redis_version:",
        b"\0007.0.1\0", b"Package: mysql-server-core-8.0\n", b"MySQL Community Server - GPL",
        b"Status: install ok installed\n", b"Version: 8.0.1\n", b"/usr/bin/mongod\n",
        b"nfs /srv nfs4 rw 0 0\n", b"x / nfs rw 0 0\n", b"x /a\\040\\777 fuse.x rw\n", _TCP,
        _TCP.replace(b"00000000:0CEA", b"00000000000000000000000001000000:1538"),
        b"1 2 0:3 /vol /var/lib/mysql rw - ext4 /dev/x rw\n", b"1.1.1.1\n",
        b"0::/docker/" + CONTAINER.encode() + b"\n", b"/kubepods/pod1/cri-containerd-",
        b'{"Config":{"Image":"a\\u202e\\n","Labels":7},"NetworkSettings":{"Ports":',
        b'{"3306/tcp":[{"HostPort":"70000"}]}}}',
        b'[{"id":"' + CONTAINER.encode() + b'","metadata":',
        b'"{}"}]', b"[" * 3000, b'{"a":' * 3000, b"null", b"1e999", b"NaN",
        _podman(), _podman()[:9000], b'{"data-root":"/srv"}', b'{"data-root":[1]}',
        b"ExecStart=/usr/sbin/mysqld --datadir=/srv/pg --port=99999\n",
        b"Environment=PGDATA=/srv\n",
        b"x:x:112:0:\x1b]0;\x07:/:/\n", b'PRETTY_NAME="\xe2\x80\xae\x1b[31m"\n',
        b"MemTotal: 9 kB\n",
        b"'\"\\", b"99999999999999999", b"\xe2\x80\xaeabc\xe2\x80\xa8", b" " * 300, b"a" * 5000,
        b"\xff\xfe[\0m\0y\0s\0q\0l\0d\0]\0\n\0", b"port: 3306 # x\r\n",
    ]
)  # fmt: skip
CONTENTS = st.lists(st.one_of(SNIPPETS, st.binary(max_size=40)), max_size=8).map(b"".join)
TARGETS = st.sampled_from(
    [
        b"/usr/sbin/mysqld", b"/usr/sbin/mysqld (deleted)", b"/usr/bin/mongod", b"/", b".", b"..",
        b"self", b"/usr/lib/postgresql/15/bin/postgres", b"socket:[71]", b"/srv/pg", b"/dev/zero",
        b"/proc/5/cwd", b"../../../../../../etc", b"/memfd:mysqld (deleted)", b"/srv/\n/mysqld",
        b"/usr/bin/java", b"/usr/bin/redis-server", b"/opt/db/bin/mysqld", b"/home/x/mysqld",
        b"/usr/bin/clickhouse", b"/u01/app/oracle/product/19.0.0/db/bin/oracle",
        b"/usr/bin/docker-proxy",
        b"/srv/\xff\xfe\x1b[2J/mysqld", b"/srv/\xe2\x80\xae/postgres",
        b"/\xe2\x80\xa8/redis-server",
        b"/usr/share/elasticsearch/lib/elasticsearch-8.1.0.jar", b"mnt:[4026531840]",
        b"/" + b"a/" * 900,
        b"SECRET/my.cnf", b"../../../../../../../../../SECRET/my.cnf", b"SECRET", b"SECRET/proc",
        b"../../../../../../../../../../SECRET", b"SECRET/ibdata1",
    ]
)  # fmt: skip
KINDS = st.sampled_from(
    [
        "text",
        "text",
        "text",
        "link",
        "link",
        "folder",
        "fifo",
        "gone",
        "sparse",
        "deep",
        "many",
        "out",
    ]
)
CHANGES = st.lists(st.tuples(PATHS, KINDS, CONTENTS, TARGETS), max_size=16)


@pytest.fixture(scope="module")
def probe() -> Iterator[Forking]:
    """The probe, loaded once."""
    with Forking() as probe:
        yield probe


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder in memory, where there is one, with a secret that no host folder may lead to."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made below it
    name = tempfile.mkdtemp(prefix="probe-fuzz-", dir=memory if memory.is_dir() else None)
    secret = Path(name) / "secret"
    (secret / "proc" / "5").mkdir(parents=True)
    (secret / "my.cnf").write_text(f"[mysqld]\nport=7301\ndatadir=/{CANARY}\nport: 7301\n")
    (secret / "PG_VERSION").write_text("7.301\n")
    with (secret / "ibdata1").open("wb") as file:
        file.truncate(CANARY_SIZE)
    yield Path(name)
    shutil.rmtree(name)


@settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=SEED is None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
)
@given(changes=CHANGES)
def test_always_a_valid_line_or_a_clean_failure(
    probe: Forking, scratch: Path, changes: list[tuple[str, str, bytes, bytes]]
) -> None:
    """Whatever a host's files are and say: exit code 0 with a report that the runner accepts whole,
    or 70 with a reason; in bounded time and memory; and nothing from outside the folder."""
    host = usual_host(scratch / "host")
    try:
        for path, kind, content, target in changes:
            change(host, path, kind, content, target, scratch / "secret")
        ran = probe.probe(scratch, "--root", host.path, "--max-seconds", "10", timeout=30)
    finally:
        shutil.rmtree(host.path)
    assert ran.code in (0, 70), ran.stderr
    assert (ran.stderr == "") == (ran.code == 0), ran.stderr
    if ran.code:
        return
    assert len(ran.stdout) <= 24_000
    read = parse_report(ran.stdout)
    assert len(read.databases) == ran.report["count"]
    for record in ran.report["databases"]:
        assert record["status"] in ("running", "installed")
        assert 0 < record["port"] < 65536
        assert record.get("data_size_bytes", 0) < CANARY_SIZE
        assert record["port"] != 7301
    for text in texts(ran.report):
        assert text.isprintable()
        assert CANARY not in text
        assert len(text) <= 1024


if SEED is not None:
    test_always_a_valid_line_or_a_clean_failure = seed(int(SEED))(
        test_always_a_valid_line_or_a_clean_failure
    )


def usual_host(path: Path) -> HostFolder:
    """A host with servers of several kinds, one of them in a container."""
    path.mkdir()
    host = HostFolder(path)
    host.mysqld()
    host.binary("/usr/bin/mongod", "6.0.1", "mozjs", "distmod", "gitVersion")
    host.binary("/usr/lib/postgresql/15/bin/postgres", "postgres (PostgreSQL) 15.4")
    host.redis("/usr/bin/redis-server", "7.0.1")
    host.text("/srv/pg/PG_VERSION", "15\n")
    host.process(5, "/usr/sbin/mysqld", listens=(("00000000", 3306),))
    host.process(6, "/usr/lib/postgresql/15/bin/postgres", "postgres", "-D", "/srv/pg")
    host.process(7, "/usr/bin/java", "java", "-Xmx1g", cgroup=f"0::/docker/{CONTAINER}\n")
    host.process(8, "/usr/bin/redis-server", "redis-server *:6379", cwd="/var/lib/redis")
    host.mysqld("/proc/9/root/usr/sbin/mysqld", "8.4.1")
    listens = (("00000000", 3306),)
    host.process(9, "/usr/sbin/mysqld", listens=listens, cgroup=f"0::/docker/{CONTAINER}\n")
    return host


def texts(tree: Any) -> Iterator[str]:
    """All texts of a report, names included."""
    if isinstance(tree, str):
        yield tree
    for inner in [*tree, *tree.values()] if isinstance(tree, dict) else ():
        yield from texts(inner)
    for inner in tree if isinstance(tree, list) else ():
        yield from texts(inner)


def change(
    host: HostFolder, path: str, kind: str, content: bytes, target: bytes, secret: Path
) -> None:
    """Put something else in the place of one of the host's files."""
    target = target.replace(b"SECRET", bytes(secret))
    try:
        if any(parent.is_symlink() for parent in (host.path / path.lstrip("/")).parents):
            return  # an earlier change leads elsewhere from here
        real = host.real(path)
        if real.is_symlink() or real.exists():
            if real.is_dir() and not real.is_symlink():
                if kind != "link":
                    return
                shutil.rmtree(real)
            else:
                real.unlink()
        if kind == "text":
            real.write_bytes(content)
        elif kind == "link":
            real.symlink_to(os.fsdecode(target))
        elif kind == "out":
            named = secret / real.name
            other = secret / "my.cnf" if real.suffix else secret
            real.symlink_to(named if named.exists() else other)
        elif kind == "folder":
            real.mkdir()
        elif kind == "fifo":
            os.mkfifo(real)
        elif kind == "sparse":
            with real.open("wb") as file:
                file.write(content)
                file.truncate(1 << 32)
        elif kind == "deep":
            real.joinpath(*["d"] * 90).mkdir(parents=True)
        elif kind == "many":
            real.mkdir()
            for number in range(100):
                (real / f"{number}.conf").symlink_to(os.fsdecode(target))
    except OSError:
        return  # an earlier change made it impossible
