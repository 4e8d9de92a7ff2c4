"""Every engine of the table, running and stopped, on folders that stand for hosts."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from discovery.model import ENGINE_LABELS
from tests.support.hostfolder import ANY_ADDRESS, LOOPBACK, PROBE, HostFolder, module


@pytest.fixture
def host(tmp_path: Path) -> HostFolder:
    """A host with nothing but its init process."""
    return HostFolder(tmp_path / "root")


NATIVE = {
    # engine: (executable, arguments, port, text in it or (file beside it, its content), version)
    "redis": ("/usr/bin/redis-server", ("redis-server *:6379",), 6379, "7.0.15", "7.0.15"),
    "valkey": ("/usr/bin/valkey-server", ("valkey-server *:6379",), 6379, "8.0.1", "8.0.1"),
    "keydb": ("/usr/bin/keydb-server", ("keydb-server *:6379",), 6379, "6.3.4", "6.3.4"),
    "memcached": ("/usr/bin/memcached", (), 11211, "memcached 1.6.18\n", "1.6.18"),
    "firebird": ("/usr/sbin/firebird", (), 3050, "LI-V3.0.11.33703 Firebird 3.0", "3.0.11.33703"),
    "clickhouse": (
        "/usr/bin/clickhouse-server",
        ("clickhouse-server", "--config-file=/x"),
        9000,
        "v24.3.1.2672-lts",
        "24.3.1.2672",
    ),
    "edb": ("/usr/edb/as15/bin/edb-postgres", (), 5444, "postgres (EnterpriseDB) 15.4.0", "15.4.0"),
    "mongodb": (
        "/usr/bin/mongos",
        (),
        27017,
        "gitVersion\0\x32.1.0\0x\0006.0.1\0" + "0123456789" * 4,
        "6.0.1",
    ),
    "etcd": ("/usr/bin/etcd", (), 2379, "dep\tgo.etcd.io/etcd/api/v3\tv3.5.1\t\n", "3.5.1"),
    "influxdb": ("/usr/bin/influxd", (), 8086, "-X main.version=v2.7.1 -X main.x=1", "2.7.1"),
    "cockroachdb": (
        "/opt/cockroach-v23.1.11/bin/cockroach",
        ("cockroach", "start", "--x"),
        26257,
        "",
        "23.1.11",
    ),
    "tidb": ("/usr/local/bin/tidb-server", (), 4000, "-X mysql.TiDBReleaseVersion=v7.5.0", "7.5.0"),
    "sqlserver": ("/opt/mssql/bin/sqlservr", (), 1433, "", None),
    "oracle": (
        "/u01/app/oracle/product/19.0.0/dbhome_1/bin/oracle",
        ("ora_pmon_ORCL",),
        1521,
        "",
        "19.0.0",
    ),
    "db2": ("/opt/ibm/db2/V11.5/adm/db2sysc", ("db2sysc 0",), 50000, "", "11.5"),
    "ase": (
        "/opt/sap/ASE-16_0/bin/dataserver",
        (),
        5000,
        "Adaptive Server Enterprise/16.0",
        "16.0",
    ),
    "hana": ("/usr/sap/HXE/HDB90/exe/hdbindexserver", (), 39015, "", None),
    "couchbase": ("/opt/couchbase/bin/memcached", (), 11210, "", None),
    "scylladb": ("/opt/scylladb/libexec/scylla", (), 9042, "", None),
}
MARKS = {"redis": "redis_version:", "valkey": "valkey_version:", "keydb": "KeyDB"}


@pytest.mark.parametrize("engine", NATIVE)
def test_native_servers(host: HostFolder, engine: str) -> None:
    """A running server is its engine on its listening port; what cannot be known is left out."""
    exe, arguments, port, text, version = NATIVE[engine]
    if engine in ("redis", "valkey"):
        host.redis(exe, text, MARKS[engine])
    else:
        host.binary(exe, MARKS.get(engine, ""), text)
    host.process(5, exe, *arguments, listens=((ANY_ADDRESS, port),))
    ran = host.probe()
    (database,) = ran.report["databases"]
    assert (database["engine"], database["status"]) == (engine, "running")
    assert (database["port"], database.get("version")) == (port, version)
    assert "data_size_bytes" not in database
    if version is None:
        assert "its version could not be found" in ran.warnings


BUILDS = {
    # what was built -> the executable, and how its version stands among its texts
    "MongoDB 2.6 of Ubuntu 16.04": (
        "/usr/bin/mongod",
        "db version v|src/mongo/util/version.cpp|*c == '\\0'|2.6.10|git version: |gitVersion|1.2.3",
        "2.6.10",
    ),
    "its router": ("/usr/bin/mongos", "*c == '\\0'|2.6.10|build info: |gitVersion", "2.6.10"),
    "MongoDB 3.6 of Ubuntu 20.04": (
        "/usr/bin/mongod",
        "BeginStartupOptionParsing|3.6.8|mozjs|distmod|x86_64|gitVersion|db version v|8.42|1.2.3",
        "3.6.8",
    ),
    "its router, too": (
        "/usr/bin/mongos",
        "transportSecurity|3.6.8|tcmalloc|mozjs||distmod|x86_64|mongos version v|gitVersion",
        "3.6.8",
    ),
    "Firebird 2.5 of Ubuntu 16.04": (
        "/usr/sbin/fbserver",
        "LI-V2.5.4.26856 Firebird 2.5|fbserver|INF_blob_info|LI-V6.3.4.26856 Firebird 2.5",
        "2.5.4.26856",
    ),
    "Redis 3.0 of Ubuntu 16.04": (
        "/usr/bin/redis-server",
        "redis_version:|3.0.6|jemalloc-3.6.0|4.2.0|"
        "3.0.6Debian: Sat, 19 Dec 2015 11:27:41 +0000000000000",
        "3.0.6",
    ),
}


@pytest.mark.parametrize("build", BUILDS)
def test_versions_as_real_builds_carry_them(host: HostFolder, build: str) -> None:
    """The texts around the version, copied from the packages: other numbers beside it are none."""
    exe, texts, version = BUILDS[build]
    host.binary(exe, *texts.split("|"))
    host.process(5, exe)
    (database,) = host.probe().report["databases"]
    assert database["version"] == version


def test_a_number_that_begins_no_build_id_is_no_version(host: HostFolder) -> None:
    """Servers of Redis's family carry many numbers, of commands, libraries and a compiler, some of
    them greater than their version: without the build id that begins with it none is believed."""
    host.binary(
        "/usr/bin/redis-server", "redis_version:", "7.0.15", "14.2.1", "GNU 14.2.1 20250110"
    )
    host.process(5, "/usr/bin/redis-server", "redis-server *:6379")
    ran = host.probe()
    (database,) = ran.report["databases"]
    assert "version" not in database
    assert "/usr/bin/redis-server: its version could not be found" in ran.warnings


@pytest.mark.parametrize(
    ("exe", "beside", "content", "version"),
    [
        ("/opt/couchbase/bin/memcached", "/opt/couchbase/VERSION.txt", "7.2.4-7070\n", "7.2.4"),
        (
            "/opt/scylladb/libexec/scylla",
            "/opt/scylladb/SCYLLA-VERSION-FILE",
            "5.4.1-0.2024\n",
            "5.4.1",
        ),
        (
            "/usr/sap/HXE/HDB90/exe/hdbnameserver",
            "/usr/sap/HXE/HDB90/exe/manifest",
            "fullversion: 2.00.059.00 Build 1\n",
            "2.00.059",
        ),
    ],
)
def test_version_in_a_file_beside(
    host: HostFolder, exe: str, beside: str, content: str, version: str
) -> None:
    """A vendor's own version file beside the executable tells the version."""
    host.binary(exe)
    host.text(beside, content)
    host.process(5, exe)
    assert [d["version"] for d in host.probe().report["databases"]] == [version]


JAVA = {
    "elasticsearch": (
        "org.elasticsearch.bootstrap.Elasticsearch",
        "/usr/share/elasticsearch/lib/elasticsearch-8.15.0.jar",
        "8.15.0",
        ("/etc/elasticsearch/elasticsearch.yml", "http.port: 9210\npath.data: /srv/es\n"),
        ("/srv/es/node.lock", 9210),
    ),
    "opensearch": (
        "org.opensearch.bootstrap.OpenSearch",
        "/usr/share/opensearch/lib/opensearch-2.11.1.jar",
        "2.11.1",
        ("/etc/opensearch/opensearch.yml", "path.data: /srv/os\n"),
        ("/srv/os/node.lock", 9200),
    ),
    "cassandra": (
        "org.apache.cassandra.service.CassandraDaemon",
        "/usr/share/cassandra/apache-cassandra-4.1.3.jar",
        "4.1.3",
        (
            "/etc/cassandra/cassandra.yaml",
            "native_transport_port: 9142\ndata_file_directories:\n    - /srv/cas\n",
        ),
        ("/srv/cas/system/x", 9142),
    ),
    "neo4j": (
        "org.neo4j.server.CommunityEntryPoint",
        "/usr/share/neo4j/lib/neo4j-kernel-5.12.0.jar",
        "5.12.0",
        ("/etc/neo4j/neo4j.conf", "server.directories.data=/srv/neo\n"),
        ("/srv/neo/databases/x", 7687),
    ),
}


@pytest.mark.parametrize("engine", JAVA)
@pytest.mark.parametrize("running", [True, False])
def test_java_servers(host: HostFolder, engine: str, running: bool) -> None:
    """A Java server is known by its main class and the jar that it holds open, whose name tells
    its version; stopped, by that jar in its usual place."""
    main, jar, version, (config, text), (data, port) = JAVA[engine]
    host.binary("/usr/lib/jvm/java-17/bin/java")
    host.text(jar, "PK")
    host.text(config, text)
    host.sparse(data, 1000)
    if running:
        host.process(5, "/usr/lib/jvm/java-17/bin/java", "java", "-Xmx1g", main, files=(jar,))
    (database,) = host.probe().report["databases"]
    assert (database["engine"], database["version"]) == (engine, version)
    assert database["status"] == ("running" if running else "installed")
    assert (database["port"], database["data_size_bytes"]) == (port, 1000)
    assert (database["binary"], database["config_file"]) == (jar, config)


@pytest.mark.parametrize("lock", ["node.lock", "nodes/0/node.lock"])
def test_elasticsearch_tells_its_data_by_its_lock(host: HostFolder, lock: str) -> None:
    """Version 8 holds a lock in the data directory, those before it two folders below."""
    main, jar, *_ = JAVA["elasticsearch"]
    host.binary("/usr/lib/jvm/java-17/bin/java")
    host.text(jar, "PK")
    host.sparse(f"/srv/es/{lock}", 5)
    host.sparse("/srv/es/_state/x", 7)
    files = (jar, f"/srv/es/{lock}")
    host.process(5, "/usr/lib/jvm/java-17/bin/java", "java", main, files=files)
    (database,) = host.probe().report["databases"]
    assert (database["data_dir"], database["data_size_bytes"]) == ("/srv/es", 12)


def test_couchdb(host: HostFolder) -> None:
    """CouchDB is the Erlang machine that boots its release, whose folder tells the version."""
    host.binary("/opt/couchdb/erts-12/bin/beam.smp")
    host.text("/opt/couchdb/releases/3.3.3/couchdb.boot", "x")
    host.text("/opt/couchdb/etc/default.ini", "[couchdb]\ndatabase_dir = /srv/cdb\n")
    host.text("/opt/couchdb/etc/local.ini", "[chttpd]\nport = 5999\n")
    host.sparse("/srv/cdb/_dbs.couch", 50)
    host.process(
        5, "/opt/couchdb/erts-12/bin/beam.smp", "beam.smp", "--", "-boot",
        "/opt/couchdb/releases/3.3.3/couchdb",
    )  # fmt: skip
    database = host.probe().databases["couchdb-5999"]
    assert (database["version"], database["data_dir"]) == ("3.3.3", "/srv/cdb")


def test_couchdb_of_a_distribution(host: HostFolder) -> None:
    """As CouchDB 1.6 of Ubuntu 16.04 runs: in the system's Erlang, its settings named, its own
    libraries not."""
    erlang = "/usr/lib/erlang/erts-7.3/bin/beam.smp"
    host.binary(erlang)
    library = "/usr/lib/x86_64-linux-gnu/couchdb/erlang/lib"
    for name in ("couch-1.6.0/ebin/couch.app", "couch_index-0.1/x", "snappy-1.0.5/x"):
        host.text(f"{library}/{name}", "x")
    host.text("/etc/couchdb/default.ini", "[couchdb]\ndatabase_dir = /srv/cdb\n")
    host.text("/etc/couchdb/local.ini", "[httpd]\nport = 5999\n")
    host.sparse("/srv/cdb/_users.couch", 4194)
    (stopped,) = host.probe().databases.values()
    assert (stopped["version"], stopped["status"]) == ("1.6.0", "installed")
    host.text("/srv/etc/default.ini", "[couchdb]\ndatabase_dir = /srv/other\n")
    host.text("/srv/etc/local.ini", "[httpd]\nport = 5999\n")
    host.sparse("/srv/other/_users.couch", 4194)
    host.process(
        5, erlang, erlang, "-Bd", "--", "-root", "/usr/lib/erlang", "-progname", "erl", "--",
        "-home", "/var/lib/couchdb", "--", "-noshell", "-couch_ini", "/srv/etc/default.ini",
        "/srv/etc/local.ini", "-s", "couch", listens=((LOOPBACK, 5999),),
    )  # fmt: skip
    host.process(6, erlang, erlang, "-Bd", "--", "-root", "/usr/lib/erlang", "-s", "rabbit")
    found = host.probe().databases.values()
    (running,) = [database for database in found if database["status"] == "running"]
    assert (running["version"], running["port"]) == ("1.6.0", 5999)
    assert (running["data_dir"], running["data_size_bytes"]) == ("/srv/other", 4194)


def test_redis_title_leads_to_its_configuration(host: HostFolder) -> None:
    """Redis shows only its address: of its configuration files, the one with that port counts."""
    host.redis("/usr/bin/redis-check-rdb", "7.0.15")
    host.link("/usr/bin/redis-server", "redis-check-rdb")
    for port in (6379, 6380):
        host.text(
            f"/etc/redis/redis-{port}.conf",
            f"port {port}\ndir /srv/r{port}\nreplicaof 10.0.0.1 6379\ntls-port 0\n",
        )
        host.sparse(f"/srv/r{port}/dump.rdb", port)
        host.process(
            port, "/usr/bin/redis-check-rdb", f"/usr/bin/redis-server 127.0.0.1:{port}",
            cwd=f"/srv/r{port}",
        )  # fmt: skip
    found = host.probe().databases
    assert {d["port"]: d["data_size_bytes"] for d in found.values()} == {6379: 6379, 6380: 6380}
    assert found["redis-6380"]["config_file"] == "/etc/redis/redis-6380.conf"
    assert found["redis-6380"]["role"] == "replica"
    assert found["redis-6380"]["tls"] is False


def test_clickhouse_xml(host: HostFolder) -> None:
    """Port and data directory come from nested XML, comments left out; the watchdog is none."""
    host.binary("/usr/bin/clickhouse", "v24.3.1.2672-lts")
    host.link("/usr/bin/clickhouse-server", "clickhouse")
    host.text(
        "/etc/clickhouse-server/config.xml",
        "<?xml version='1.0'?><clickhouse><!-- <path>/no</path> -->\n<tcp_port>9100</tcp_port>"
        "<path>/srv/ch/</path><user_directories><users_xml><path>users.xml</path></users_xml>"
        "</user_directories></clickhouse>",
    )
    host.sparse("/srv/ch/metadata/x", 77)
    host.process(4, "/usr/bin/clickhouse", "clickhouse-watchdog", "--x")
    host.process(5, "/usr/bin/clickhouse", "/usr/bin/clickhouse-server", "--x", parent=4)
    database = host.probe().databases["clickhouse-9100"]
    assert (database["data_dir"], database["data_size_bytes"]) == ("/srv/ch", 77)


def test_two_instances_of_oracle_are_two(host: HostFolder) -> None:
    """One record a SID, under ids that differ."""
    exe = "/u01/app/oracle/product/19.0.0/dbhome_1/bin/oracle"
    host.binary(exe)
    for pid, sid in ((5, "ORCL"), (6, "SALES")):
        host.process(pid, exe, f"ora_pmon_{sid}")
    assert len(host.probe().databases) == 2


def test_instances_that_oratab_lists(host: HostFolder) -> None:
    """Each stopped one is a record, wherever its home is, and has the id that it has when it runs;
    what is no database (+ASM), has no home any more, or is a comment, is none."""
    home = "/u02/ora19"
    host.binary(f"{home}/bin/oracle")
    products = f"{home}/inventory/ContentsXML/comps.xml"
    host.text(products, '<COMP NAME="oracle.server" VER="19.3.0.0.0" BUILD_NUMBER="0">')
    lines = (
        "# a comment",
        f"SALES:{home}:Y",
        f"HR:{home}:N # x",
        "+ASM:/u01/grid:N",
        "OLD:/u09/ora:N",
    )
    host.text("/etc/oratab", "\n".join(lines) + "\n")
    stopped = host.probe()
    assert [(d["status"], d["version"]) for d in stopped.databases.values()] == [
        ("installed", "19.3.0.0.0")
    ] * 2
    assert all("data_size_bytes" not in d for d in stopped.databases.values())
    assert f"{home}/bin/oracle: its data directory could not be found" in stopped.warnings
    host.process(5, f"{home}/bin/oracle", "ora_pmon_HR")
    mixed = host.probe()
    assert set(mixed.databases) == set(stopped.databases)
    assert sorted(d["status"] for d in mixed.databases.values()) == ["installed", "running"]


CONTAINER = "3f4e5d6c7b8a" + "0" * 52


def contained(host: HostFolder, pid: int, ident: str) -> None:
    """A Redis in a container."""
    inside = f"/proc/{pid}/root"
    host.text(
        f"{inside}/usr/local/bin/redis-server",
        b"\x7fELF\0redis_version:\0007.2.4\0007.2.4h-170000000000000\0",
    )
    host.sparse(f"{inside}/data/dump.rdb", 321)
    cgroup = f"0::/system.slice/docker-{ident}.scope\n"
    host.process(
        pid, "/usr/local/bin/redis-server", "redis-server *:6379", cwd="/data",
        listens=((ANY_ADDRESS, 6379),), cgroup=cgroup,
    )  # fmt: skip


CRI = {"io.kubernetes.cri.image-name": "redis:7", "io.kubernetes.cri.container-name": "cache"}
CRIO = {"io.kubernetes.cri-o.ImageName": "redis:7"}
RUNTIMES = {
    "docker": (
        f"/var/lib/docker/containers/{CONTAINER}/config.v2.json",
        {
            "Config": {"Image": "redis:7"},
            "Name": "/cache",
            "NetworkSettings": {"Ports": {"6379/tcp": [{"HostIp": "", "HostPort": "16379"}]}},
        },
    ),
    "containerd": (
        f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{CONTAINER}/config.json",
        {"annotations": CRI},
    ),
    "cri-o": (
        f"/run/containers/storage/overlay-containers/{CONTAINER}/userdata/config.json",
        {"annotations": CRIO},
    ),
    "podman": (
        "/var/lib/containers/storage/overlay-containers/containers.json",
        [{"id": CONTAINER, "metadata": json.dumps({"image-name": "redis:7", "name": "cache"})}],
    ),
}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_containers_tell_their_image(host: HostFolder, runtime: str) -> None:
    """Image and published port come from the runtime's own files; the runtime is not asked."""
    path, content = RUNTIMES[runtime]
    contained(host, 9, CONTAINER)
    host.text(path, json.dumps(content))
    (database,) = host.probe().report["databases"]
    assert (database["version"], database["data_size_bytes"]) == ("7.2.4", 321)
    assert (database["container"], database["image"]) == (CONTAINER[:12], "redis:7")
    assert database.get("published_port") == (16379 if runtime == "docker" else None)


def test_docker_with_its_data_elsewhere(host: HostFolder) -> None:
    """Docker's own settings name the folder that its containers' files are in."""
    contained(host, 9, CONTAINER)
    host.text("/etc/docker/daemon.json", '{"data-root": "/srv/docker"}')
    path, content = RUNTIMES["docker"]
    host.text(path.replace("/var/lib/docker", "/srv/docker"), json.dumps(content))
    (database,) = host.probe().report["databases"]
    assert (database["image"], database["published_port"]) == ("redis:7", 16379)
    assert database["evidence"]["image"].startswith("file /srv/docker/containers/")


@pytest.mark.parametrize(
    "settings", ["{", "[]", '{"data-root": 5}', '{"data-root": ["/srv"]}', "\0"]
)
def test_hostile_docker_settings(host: HostFolder, settings: str) -> None:
    """They cost the image at most."""
    contained(host, 9, CONTAINER)
    host.text("/etc/docker/daemon.json", settings)
    (database,) = host.probe().report["databases"]
    assert database["container"] == CONTAINER[:12]


@pytest.mark.parametrize("text", ["[" * 100_000, "null", '{"Config": 5}', "{", '[{"id": 1}]'])
def test_hostile_runtime_files(host: HostFolder, text: str) -> None:
    """A runtime's file that is something else costs the image only."""
    contained(host, 9, CONTAINER)
    for path, _ in RUNTIMES.values():
        host.text(path, text)
    (database,) = host.probe().report["databases"]
    assert "image" not in database


def test_published_port_by_docker_proxy(host: HostFolder) -> None:
    """Without the runtime's file, the proxy for this very container's address tells."""
    contained(host, 9, CONTAINER)
    host.text("/proc/9/net/fib_trie", "  |-- 172.17.0.2\n")
    for pid, port, address in ((20, 1000, "172.17.0.9"), (21, 16379, "172.17.0.2")):
        host.process(
            pid, "/usr/bin/docker-proxy", "docker-proxy", "-proto", "tcp", "-host-ip", "127.0.0.1",
            "-host-port", str(port), "-container-ip", address, "-container-port", "6379",
        )  # fmt: skip
    (database,) = host.probe().report["databases"]
    assert database["published_port"] == 16379


def test_podman_publishes_a_ports_own_containers_only(host: HostFolder) -> None:
    """Containers' configurations lie side by side in Podman's file, with what is left of old ones:
    a container that publishes nothing does not get the port of the one behind it."""
    idents = ["a" * 64, "b" * 64]
    for pid, ident in zip((5, 6), idents, strict=True):
        contained(host, pid, ident)
    ports = [{"container_port": 6370, "host_port": 7770, "range": 20, "protocol": "tcp"}]
    kept: list[dict[str, object]] = [
        {"spec": {"id": "x"}, "id": idents[0]},
        {"spec": {"id": idents[0]}, "id": idents[1], "newPortMappings": ports},
    ]
    whole = [json.dumps(one, separators=(",", ":")) for one in kept]
    stale = whole[1].replace(idents[1], idents[0])
    host.text(
        "/var/lib/containers/storage/libpod/bolt_state.db",
        b"\xff\0" + stale[:120].encode() + b"\0" + whole[0].encode() + b"\0\1" + whole[1].encode(),
    )
    found = {d["container"]: d.get("published_port") for d in host.probe().databases.values()}
    assert found == {idents[0][:12]: None, idents[1][:12]: 7779}


def test_podmans_sqlite_file(host: HostFolder) -> None:
    """What Podman 5 keeps: each container's configuration in a row of its own, across pages."""
    idents = ["a" * 64, "b" * 64, "c" * 64]
    file = host.real("/var/lib/containers/storage/db.sql")
    with closing(sqlite3.connect(file)) as base, base:
        base.execute("CREATE TABLE ContainerConfig (ID TEXT PRIMARY KEY, JSON TEXT NOT NULL)")
        for pid, ident in enumerate(idents, 5):
            contained(host, pid, ident)
            ports = [{"container_port": 6379, "host_port": 7000 + pid, "range": 1,
                      "protocol": "tcp"}]  # fmt: skip
            kept = {"spec": "x" * 9000, "id": ident} | (
                {"newPortMappings": ports} if pid > 5 else {}
            )
            base.execute(
                "INSERT INTO ContainerConfig VALUES (?, ?)", (ident, json.dumps(kept).encode())
            )
    before = file.read_bytes()
    databases = host.probe().databases.values()
    found = {d["container"]: d.get("published_port") for d in databases}
    assert found == {idents[0][:12]: None, idents[1][:12]: 7006, idents[2][:12]: 7007}
    assert {d["evidence"].get("published_port") for d in databases} == {
        None, "file /var/lib/containers/storage/db.sql"
    }  # fmt: skip
    assert [path.name for path in file.parent.iterdir()] == ["db.sql"]
    assert file.read_bytes() == before


def test_when_podmans_file_is_not_read(host: HostFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a live host where others than root could put another in its place, for SQLite follows the
    path anew; and by a Python that was built without SQLite."""
    file = host.real("/var/lib/containers/storage/db.sql")
    with closing(sqlite3.connect(file)) as base, base:
        base.execute("CREATE TABLE ContainerConfig (ID TEXT PRIMARY KEY, JSON TEXT)")
        base.execute("INSERT INTO ContainerConfig VALUES (?, '{}')", (CONTAINER,))
    probe = module("discovery_python")
    scan = probe.Host(str(host.path), 40)
    assert probe.podman_row(scan, CONTAINER) == "{}"
    scan.live = True
    file.parent.chmod(0o777)
    assert probe.podman_row(scan, CONTAINER) == ""
    file.parent.chmod(0o755)
    assert probe.podman_row(scan, CONTAINER) == ("{}" if os.geteuid() == 0 else "")
    scan.live = False
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    assert probe.podman_row(scan, CONTAINER) == ""


def test_a_podman_file_without_end(host: HostFolder) -> None:
    """A query that never ends is ended with the rest of the scan."""
    contained(host, 5, CONTAINER)
    file = host.real("/var/lib/containers/storage/db.sql")
    with closing(sqlite3.connect(file)) as base, base:
        base.execute(
            "CREATE VIEW ContainerConfig AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
            " FROM n) SELECT i AS ID, i AS JSON FROM n"
        )
    ran = host.probe("--max-seconds", "0.5")
    assert not ran.report["complete"]
    assert [d["container"] for d in ran.databases.values()] == [CONTAINER[:12]]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_podman_file_that_is_none(host: HostFolder, content: bytes) -> None:
    """It costs the published port only."""
    contained(host, 5, CONTAINER)
    host.text("/var/lib/containers/storage/db.sql", content)
    (database,) = host.probe().report["databases"]
    assert (database["container"], database.get("published_port")) == (CONTAINER[:12], None)


def test_containers_keep_their_ids(tmp_path: Path) -> None:
    """New container ids and pids leave every identity as it was."""

    def ids(name: str, pids: tuple[int, int], idents: tuple[str, str]) -> dict[str, str]:
        host = HostFolder(tmp_path / name)
        for pid, ident, service in zip(pids, idents, ("cache", "queue"), strict=True):
            contained(host, pid, ident)
            config = {"Config": {"Image": "redis:7"}, "Name": service}
            host.text(f"/var/lib/docker/containers/{ident}/config.v2.json", json.dumps(config))
        names = {ident[:12]: s for ident, s in zip(idents, ("cache", "queue"), strict=True)}
        return {key: names[d["container"]] for key, d in host.probe().databases.items()}

    one = ids("one", (5, 6), ("a" * 64, "b" * 64))
    assert one == ids("two", (16, 15), ("d" * 64, "c" * 64))
    assert len(one) == 2


def test_an_owner_without_a_name(host: HostFolder) -> None:
    """Root of a container without /etc/passwd is "0": a text, as every owner."""
    serve = "/usr/bin/memcached"
    host.binary(serve, "memcached 1.6.18\n")
    host.process(5, serve)
    host.text("/proc/5/status", "Name:\tmemcached\nPPid:\t1\nUid:\t0\t0\t0\t0\n")
    assert host.probe().databases["memcached-11211"]["owner"] == "0"


def test_what_planners_need(host: HostFolder) -> None:
    """Owner, start time and resident memory of the process; TLS and role as configured."""
    binary = "/usr/lib/postgresql/15/bin/postgres"
    host.binary(binary, "postgres (PostgreSQL) 15.4")
    host.text("/etc/passwd", "root:x:0:0::/:/bin/sh\npostgres:x:112:1::/:/bin/sh\n")
    host.text("/proc/stat", "cpu 1 2 3\nbtime 1770199200\n")
    host.text("/srv/pg/PG_VERSION", "15\n")
    host.text("/srv/pg/standby.signal", "")
    host.text("/srv/pg/postgresql.conf", "ssl = on\n")
    host.process(5, binary, "postgres", "-D", "/srv/pg", cwd="/srv/pg")
    status = host.real("/proc/5/status")
    status.write_text(status.read_text() + "Uid:\t112\t112\t112\t112\nVmRSS:\t  204800 kB\n")
    host.text("/proc/5/stat", "5 (post) gres) S " + "0 " * 18 + "6000 0 0\n")
    (database,) = host.probe().report["databases"]
    assert (database["owner"], database["memory_mb"]) == ("postgres", 200)
    assert database["started_at"] == "2026-02-04T10:01:00Z"
    assert (database["tls"], database["role"]) == (True, "standby")


def test_the_reference_page_is_that_of_the_table() -> None:
    """`ssm/engines.md` says what the engine table says."""
    page = (PROBE.parent / "engines.md").read_text(encoding="utf-8")
    assert page == module("make_reference").page(), "run python ssm/make_reference.py"


def test_every_row_of_the_table_is_listed_once() -> None:
    """A row that is declared and not listed would find nothing; an executable's name belongs to one
    engine, or a path or command line tells whose it is."""
    table = module("discovery_python")
    declared = [row for row in vars(table).values() if isinstance(row, table.Engine)]
    assert sorted(declared) == sorted(table.ENGINES)
    owners: dict[str, list[Any]] = {}
    for engine in table.ENGINES:
        assert engine.programs, engine.name
        for program in engine.executables:
            owners.setdefault(program, []).append(engine)
    for sharing in owners.values():
        assert all(engine.path_part or engine.command_line for engine in sharing[:-1])


def test_every_pattern_of_the_table_compiles() -> None:
    """And has the groups that are read of it: a misspelt one would end a scan on a host that has
    that engine."""
    for engine in module("discovery_python").ENGINES:
        patterns = {
            engine.command_line: 0, engine.instance: 0, engine.instance_list.pattern: 2,
            engine.library: 1, engine.build_id: 0, engine.version_path: 1,
            engine.version_file.pattern: 1, engine.unit_names: 0, engine.port_pattern: 0,
            engine.config_include: 2, engine.config_groups: 0,
        }  # fmt: skip
        patterns |= dict.fromkeys((package.sign for package in engine.package_names), 0)
        texts = (*engine.version_texts, *engine.series_texts)
        patterns |= dict.fromkeys((text.pattern for text in texts), 1)
        patterns |= dict.fromkeys((sign for sign, _ in engine.roles), 0)
        for pattern, groups in patterns.items():
            if pattern:
                assert re.compile(pattern).groups >= groups, (engine.name, pattern)


def test_every_row_of_the_table_has_a_name_and_a_colour() -> None:
    """An engine that the probe reports is one that people see by its name."""
    engines = module("discovery_python").ENGINES
    signs = [sign for engine in engines for sign in (*engine.marks, *engine.package_names)]
    reported = {engine.name for engine in engines} | {sign.engine for sign in signs}
    assert reported - set(ENGINE_LABELS) == set()


def test_a_port_that_is_no_number_is_not_a_port(host: HostFolder) -> None:
    """A configuration with a nonsensical port is passed over, not the end of the scan."""
    host.redis("/usr/bin/redis-server", "7.0.15")
    host.text("/etc/redis/a.conf", "port abc\n")
    host.text("/etc/redis/b.conf", "port 6379\ndir /srv/r\n")
    host.sparse("/srv/r/dump.rdb", 5)
    host.process(5, "/usr/bin/redis-server", "/usr/bin/redis-server *:6379", cwd="/srv/r")
    database = host.probe().databases["redis-6379"]
    assert database["config_file"] == "/etc/redis/b.conf"


def test_a_variable_inside_a_units_argument(host: HostFolder) -> None:
    """`--datadir=${DIR}` in a unit is the directory of its environment."""
    host.mysqld()
    host.sparse("/srv/orders/ibdata1", 7)
    unit = "[Service]\nEnvironment=DIR=/srv/orders\nExecStart=/usr/sbin/mysqld --datadir=${DIR}\n"
    host.text("/etc/systemd/system/orders.service", unit)
    (database,) = host.probe().report["databases"]
    assert (database["status"], database["data_dir"]) == ("installed", "/srv/orders")


def test_a_replica_of_mysql_8(host: HostFolder) -> None:
    """Its relay logs tell: a replica's first gets a second as soon as it connects. A server that
    was a replica once keeps a first one, and none behind it."""
    host.mysqld()
    for port, names in (
        (3306, ("binlog.000007", "vm-relay-bin.000001", "vm-relay-bin.index")),
        (3307, ("vm-relay-bin.index", "vm-relay-bin.000021", "vm-relay-bin.000022")),
        (3308, ("mysql-relay-bin.000010",)),
    ):
        folder = f"/srv/{port}"
        for name in ("ibdata1", *names):
            host.text(f"{folder}/{name}", "x")
        host.process(
            port, "/usr/sbin/mysqld", "mysqld", f"--datadir={folder}", f"--port={port}",
            cwd=folder,
        )  # fmt: skip
    found = host.probe().databases
    roles = {name: database.get("role") for name, database in found.items()}
    assert roles == {"mysql-3306": None, "mysql-3307": "replica", "mysql-3308": "replica"}
    assert found["mysql-3307"]["evidence"]["role"] == "file vm-relay-bin.000022"


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("loose-group_replication_group_name=5f1a", "cluster member"),
        ("wsrep_cluster_address=gcomm://10.0.0.1", "cluster member"),
        ("wsrep_cluster_address=", None),
        ("group_replication=FORCE_PLUS_PERMANENT", None),
    ],
)
def test_a_member_of_a_cluster(host: HostFolder, line: str, role: str | None) -> None:
    """Galera and MySQL's group replication are told by their settings."""
    host.mysqld()
    host.text("/etc/my.cnf", f"[mysqld]\n{line}\n")
    host.process(5, "/usr/sbin/mysqld")
    assert host.probe().databases["mysql-3306"].get("role") == role


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/srv/my apps/redis-server", "/srv/my apps/redis-server *:6379"),
        ("/srv/my apps/redis-server", "/srv/my apps/redis-server\0/etc/redis.conf"),
    ],
)
def test_a_server_in_a_folder_with_a_space(host: HostFolder, path: str, line: str) -> None:
    """Its command line is told from its arguments: it is found as any other."""
    host.redis(path, "7.0.15")
    host.process(5, path, *line.split("\0"), listens=((ANY_ADDRESS, 6379),))
    (database,) = host.probe().report["databases"]
    assert (database["engine"], database["version"], database["port"]) == ("redis", "7.0.15", 6379)
