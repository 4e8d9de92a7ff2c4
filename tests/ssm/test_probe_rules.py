"""Each way in which the probe finds a server and its values, on folders that stand for hosts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.hostfolder import ANY_ADDRESS, LOOPBACK, HostFolder, pythons

ANY_ADDRESS_6 = "0" * 32


@pytest.fixture
def host(tmp_path: Path) -> HostFolder:
    """A host with nothing but its init process."""
    return HostFolder(tmp_path / "root")


def serve_mysql(host: HostFolder) -> None:
    """A packaged MySQL server in its usual places."""
    host.mysqld()
    host.sparse("/var/lib/mysql/ibdata1", 12_000_000)
    host.process(812, "/usr/sbin/mysqld", cwd="/var/lib/mysql", listens=((ANY_ADDRESS, 3306),))


def serve_postgresql(host: HostFolder, version: str = "15.4", data: str = "/srv/pg") -> str:
    """An installed PostgreSQL and a data directory; the executable's path is returned."""
    major = version.split(".")[0]
    binary = f"/usr/lib/postgresql/{major}/bin/postgres"
    host.binary(
        binary,
        "upgrading to PostgreSQL 9.1.",
        f"postgres (PostgreSQL) {version}\n",
        f"PostgreSQL {version} on x86_64-pc-linux-gnu, compiled by gcc",
    )
    host.text(f"{data}/PG_VERSION", f"{major}\n")
    return binary


@pytest.mark.parametrize("python", pythons())
def test_whole_record_with_every_python(host: HostFolder, python: str) -> None:
    """Every interpreter from 3.6 to 3.13 that is here gives the whole record, as it should be."""
    serve_mysql(host)
    host.package("mysql-server-core-8.0", "8.0.35-0ubuntu0.22.04.1", "/usr/sbin/mysqld")
    host.text("/etc/mysql/my.cnf", "[mysqld]\ndatadir = /var/lib/mysql\nport=3306\n")
    ran = host.probe(python=python)
    assert ran.stderr == ""
    assert ran.report["host"] == {
        "hostname": "ip-10-0-1-17",
        "os": "Ubuntu 22.04.4 LTS",
        "kernel": "5.15.0-1052-aws",
        "arch": "x86_64",
        "memory_mb": 4096,
        "cores": 2,
    }
    assert ran.report["databases"] == [
        {
            "db_id": "mysql-3306",
            "engine": "mysql",
            "edition": "Community",
            "version": "8.0.35",
            "status": "running",
            "port": 3306,
            "listen": ["0.0.0.0:3306"],
            "data_dir": "/var/lib/mysql",
            "data_size_bytes": 12_000_000,
            "data_size_complete": True,
            "binary": "/usr/sbin/mysqld",
            "config_file": "/etc/mysql/my.cnf",
            "evidence": {
                "status": "process 812",
                "version": "dpkg mysql-server-core-8.0 8.0.35-0ubuntu0.22.04.1",
                "port": "listening socket",
                "data_dir": "config /etc/mysql/my.cnf",
                "data_size": "sum of file sizes",
            },
        }
    ]
    assert ran.report["warnings"] == []
    assert ran.report["complete"] is True


def test_host_without_databases(host: HostFolder) -> None:
    """A host without a database is a complete report of none."""
    ran = host.probe()
    assert ran.code == 0
    assert ran.report["databases"] == []
    assert ran.report["complete"] is True


@pytest.mark.parametrize(
    ("package", "full", "engine", "version"),
    [
        ("mysql-server-core-8.0", "8.0.39-0ubuntu0.22.04.1", "mysql", "8.0.39"),
        ("mysql-community-server-core", "8.4.2-1debian12", "mysql", "8.4.2"),
        ("mariadb-server-core", "1:10.11.14-0+deb12u2", "mariadb", "10.11.14"),
        ("mariadb-server-10.6", "1:10.6.18+maria~ubu2204", "mariadb", "10.6.18"),
        ("percona-server-server", "8.0.35-27-1.jammy", "percona", "8.0.35-27"),
    ],
)
def test_package_gives_engine_and_version(
    host: HostFolder, package: str, full: str, engine: str, version: str
) -> None:
    """The owning package tells one engine of the family from another; epoch and suffix go."""
    host.binary("/usr/sbin/mysqld", "nothing that tells")
    host.package(package, full, "/usr/sbin/mysqld")
    host.process(5, "/usr/sbin/mysqld")
    (database,) = host.probe().report["databases"]
    assert (database["engine"], database["version"]) == (engine, version)
    assert database["evidence"]["version"] == f"dpkg {package} {full}"


@pytest.mark.parametrize(
    ("texts", "engine", "version"),
    [
        (("mysqld-8.0", "8.0.35", "MySQL Community Server - GPL"), "mysql", "8.0.35"),
        (("mysqld-5.7", "5.7.44-log", "1.2.13"), "mysql", "5.7.44"),
        (("mysqld-8.0", "8.0.35-0ubuntu0.22.04.1", "(Ubuntu)"), "mysql", "8.0.35"),
        (
            ("mysqld-8.0", "8.0.35-27", "Percona Server (GPL), Release 27, Revision 2f8eeab2"),
            "percona",
            "8.0.35-27",
        ),
        (
            ("mysqld-10.11", "example 10.1.1-MariaDB-log", "10.11.14-MariaDB-0+deb12u2"),
            "mariadb",
            "10.11.14",
        ),
    ],
)
def test_text_gives_engine_and_version(
    host: HostFolder, texts: tuple[str, ...], engine: str, version: str
) -> None:
    """Without a package the executable's own text tells; versions it only mentions do not."""
    host.binary("/usr/libexec/mysqld", *texts)
    host.process(5, "/usr/libexec/mysqld")
    (database,) = host.probe().report["databases"]
    assert (database["engine"], database["version"]) == (engine, version)
    assert database["evidence"]["version"] == "text in the executable"


def test_mongodb_text_beside_its_revision(host: HostFolder) -> None:
    """MongoDB's version is the one that stands beside the revision it was built from."""
    revision = "7809d71e84e314b497f282ea8aa06d7ded3eb205"
    host.binary("/usr/bin/mongod", "gitVersion", "1.2.13", "4.4.0", "7.0.5", revision)
    host.process(5, "/usr/bin/mongod", listens=((LOOPBACK, 27017),))
    (database,) = host.probe().report["databases"]
    assert database["version"] == "7.0.5"
    assert database["listen"] == ["127.0.0.1:27017"]


def test_deleted_executable_shows_what_runs(host: HostFolder) -> None:
    """Upgraded and not restarted: the running version, not the package's, and a warning."""
    host.mysqld("/usr/sbin/mysqld", "8.0.36")
    host.mysqld("/usr/sbin/mysqld (deleted)", "8.0.35")
    host.package("mysql-server-core-8.0", "8.0.36-0ubuntu0.22.04.1", "/usr/sbin/mysqld")
    host.process(5, "/usr/sbin/mysqld (deleted)", listens=((ANY_ADDRESS, 3306),))
    ran = host.probe()
    running = ran.databases["mysql-3306"]
    assert (running["status"], running["version"]) == ("running", "8.0.35")
    assert "restart is pending" in ran.warnings


def test_port_prefers_the_classic_protocol(host: HostFolder) -> None:
    """MySQL's X protocol port is listed and never taken for the port."""
    host.mysqld()
    listens = ((ANY_ADDRESS, 33060), (ANY_ADDRESS_6, 43306))
    host.process(5, "/usr/sbin/mysqld", listens=listens)
    database = host.probe().databases["mysql-43306"]
    assert database["listen"] == ["[::]:43306", "0.0.0.0:33060"]


def test_sockets_of_other_processes_do_not_count(host: HostFolder) -> None:
    """A port that another process listens on is not this server's, whatever its number."""
    host.mysqld()
    host.process(5, "/usr/sbin/mysqld", "mysqld", "--port", "3310")
    host.process(6, "/usr/bin/python3", listens=((ANY_ADDRESS, 3306),))
    database = host.probe().databases["mysql-3310"]
    assert database["evidence"]["port"] == "command line, not listening"
    assert "listen" not in database


def test_port_from_configuration_when_nothing_listens(host: HostFolder) -> None:
    """skip-networking: the configured port, with that as its evidence."""
    host.mysqld()
    host.text("/etc/my.cnf", "[client]\nport=1\n[mysqld]\nport = 3333 # ours\nskip-networking\n")
    host.process(5, "/usr/sbin/mysqld")
    database = host.probe().databases["mysql-3333"]
    assert database["evidence"]["port"] == "config /etc/my.cnf, not listening"


@pytest.mark.parametrize("arguments", [(), ("--port", "6400")])
def test_a_path_with_a_space_is_no_title(host: HostFolder, arguments: tuple[str, ...]) -> None:
    """Its path is no other program's, and is not taken for a title and arguments."""
    exe = "/opt/our apps/redis-server"
    host.redis(exe, "7.0.15")
    host.text("/data/apps/redis-server", "port 6500\n")
    host.process(5, exe, exe, *arguments, cwd="/data")
    (database,) = host.probe().report["databases"]
    assert (database["binary"], database["status"]) == (exe, "running")
    assert database["port"] == (6400 if arguments else 6379)


def test_data_directory_from_command_line(host: HostFolder) -> None:
    """--datadir names a directory anywhere, which is found exactly and measured."""
    host.mysqld()
    host.sparse("/srv/a b/ibdata1", 5000)
    host.process(5, "/usr/sbin/mysqld", "mysqld", "--datadir=/srv/a b/")
    (database,) = host.probe().report["databases"]
    assert database["data_dir"] == "/srv/a b"
    assert database["data_size_bytes"] == 5000
    assert database["evidence"]["data_dir"] == "command line"


def test_data_directory_from_included_configuration(host: HostFolder) -> None:
    """!includedir is followed; later files win; other groups do not count."""
    host.mysqld()
    host.text("/etc/mysql/my.cnf", "[mysqld]\ndatadir=/old\n!includedir /etc/mysql/conf.d/\n")
    host.text("/etc/mysql/conf.d/z.cnf", "[mysqld]\ndatadir='/srv/new'\n[mysqldump]\ndatadir=/x")
    host.sparse("/srv/new/ibdata1", 1)
    host.process(5, "/usr/sbin/mysqld")
    (database,) = host.probe().report["databases"]
    assert database["data_dir"] == "/srv/new"
    assert database["evidence"]["data_dir"] == "config /etc/mysql/conf.d/z.cnf"


def test_working_directory_beats_a_changed_configuration(host: HostFolder) -> None:
    """A server works in its data directory: a configuration changed since it started loses."""
    host.mysqld()
    host.text("/etc/my.cnf", "[mysqld]\ndatadir=/srv/next\n")
    host.sparse("/srv/next/ibdata1", 1)
    host.sparse("/srv/now/ibdata1", 2)
    host.process(5, "/usr/sbin/mysqld", cwd="/srv/now")
    running = next(d for d in host.probe().report["databases"] if d["status"] == "running")
    assert running["data_dir"] == "/srv/now"
    assert running["evidence"]["data_dir"] == "working directory"


def test_data_directory_from_open_files(host: HostFolder) -> None:
    """With nothing else to go by, a lock file that is held open tells."""
    host.binary("/usr/bin/mongod", "6.0.1", "mozjs", "distmod", "gitVersion")
    host.text("/srv/m/mongod.lock", "5")
    host.process(5, "/usr/bin/mongod", files=("/dev/null", "/srv/m/mongod.lock"))
    (database,) = host.probe().report["databases"]
    assert database["data_dir"] == "/srv/m"
    assert database["evidence"]["data_dir"] == "open file mongod.lock"


def test_mongodb_yaml(host: HostFolder) -> None:
    """Port and data directory come from mongod.conf's nested YAML."""
    host.binary("/usr/bin/mongod", "6.0.1", "mozjs", "distmod", "gitVersion")
    host.text(
        "/etc/m.yml",
        '# x\nstorage:\n  dbPath: "/srv/m"  # here\n  journal:\n    enabled: true\n'
        "net: {port: 27117, bindIp: 127.0.0.1}\n",
    )
    host.text("/srv/m/WiredTiger", "x")
    host.process(5, "/usr/bin/mongod", "mongod", "-f", "/etc/m.yml")
    database = host.probe().databases["mongodb-27117"]
    assert database["data_dir"] == "/srv/m"
    assert database["config_file"] == "/etc/m.yml"


def test_postgresql_with_separate_configuration(host: HostFolder) -> None:
    """Debian's clusters: -D names the data, config_file the configuration, auto.conf the port."""
    binary = serve_postgresql(host)
    host.text("/etc/postgresql/15/main/postgresql.conf", "port=5433\ndata_directory='/srv/pg'\n")
    host.text("/srv/pg/postgresql.auto.conf", "port = '5440'\n")
    config = "config_file=/etc/postgresql/15/main/postgresql.conf"
    host.process(5, binary, "postgres", "-D", "/srv/pg", "-c", config, cwd="/srv/pg")
    database = host.probe().databases["postgresql-5440"]
    assert database["version"] == "15.4"
    assert database["data_dir"] == "/srv/pg"
    assert database["evidence"]["port"] == "config /srv/pg/postgresql.auto.conf, not listening"


def test_postgresql_workers_are_not_servers(host: HostFolder) -> None:
    """A server's workers run the same executable in the same directory; two servers stay two."""
    binary = serve_postgresql(host)
    serve_postgresql(host, data="/srv/other")
    host.process(100, binary, "postgres", "-D", "/srv/pg", cwd="/srv/pg")
    for pid in range(101, 110):
        host.process(pid, binary, "postgres: checkpointer ", parent=100, cwd="/srv/pg")
    host.process(90, binary, "postgres", "-D", "/srv/other", "-p", "5433", cwd="/srv/other")
    ran = host.probe()
    running = [d for d in ran.report["databases"] if d["status"] == "running"]
    assert sorted(d["data_dir"] for d in running) == ["/srv/other", "/srv/pg"]


def test_clients_are_counted_when_asked(host: HostFolder) -> None:
    """--connections: established connections to the server's own port by remote address; another
    port's, another state's and the server's own outgoing ones do not count."""
    host.mysqld()
    host.process(5, "/usr/sbin/mysqld", listens=((ANY_ADDRESS, 3306),))
    client = "0100000A" if sys.byteorder == "little" else "0A000001"
    mapped = "0" * 16 + ("FFFF0000" if sys.byteorder == "little" else "0000FFFF") + client
    rows = [
        (LOOPBACK, 3306, client, "01"), (LOOPBACK, 3306, client, "01"),
        (LOOPBACK, 3306, LOOPBACK, "01"), (LOOPBACK, 3306, client, "06"),
        (LOOPBACK, 22, client, "01"), (LOOPBACK, 40000, client, "01"),
    ]  # fmt: skip
    table = host.real("/proc/5/net/tcp")
    rest = "00000000:00000000 00:00000000 00000000 112 0 99 1 0 100 0 0 10 0"
    text = "".join(
        f"   1: {local}:{port:04X} {remote}:9C40 {state} {rest}\n"
        for local, port, remote, state in rows
    )
    table.write_text(table.read_text() + text)
    six = host.real("/proc/5/net/tcp6")
    six.write_text(six.read_text() + f"   1: {mapped}:0CEA {mapped}:9C40 01 {rest}\n")
    assert "clients" not in host.probe().databases["mysql-3306"]
    database = host.probe("--connections").databases["mysql-3306"]
    assert database["clients"] == {"10.0.0.1": 3, "127.0.0.1": 1}
    assert database["clients_total"] == 4


DECOYS = {
    "wrapper": ("/usr/bin/bash", "/bin/sh", "/usr/bin/mysqld_safe", "--datadir=/var/lib/mysql"),
    "client": ("/usr/bin/mysql", "mysql", "-h", "db", "-P", "3306"),
    "exporter": ("/usr/local/bin/mysqld_exporter", "mysqld_exporter"),
    "editor": ("/usr/bin/vim.basic", "vim", "/usr/src/mysqld.c"),
    "script": ("/usr/bin/python3.11", "python3", "mysqld.py"),
    "grep": ("/usr/bin/grep", "grep", "postgres"),
    "proxy": ("/usr/bin/docker-proxy", "docker-proxy", "-container-port", "5432"),
    "pooler": ("/usr/sbin/pgbouncer", "pgbouncer"),
    "dump": ("/usr/bin/mongodump", "mongodump"),
    "named after": ("/usr/bin/python3.11", "/usr/sbin/mysqld", "--datadir=/var/lib/mysql"),
    "shell": ("/usr/bin/mongosh", "mongosh"),
    "nodetool": ("/usr/bin/java", "java", "-cp", "/x", "org.apache.cassandra.tools.NodeTool"),
    "redis child": ("/usr/bin/redis-check-rdb", "redis-check-rdb", "/var/lib/redis/dump.rdb"),
    "client of clickhouse": ("/usr/bin/clickhouse", "clickhouse-client"),
    "rabbitmq": ("/usr/lib/erlang/bin/beam.smp", "beam.smp", "-boot", "/x/rabbit"),
}


@pytest.mark.parametrize("name", DECOYS)
def test_decoys_are_not_databases(host: HostFolder, name: str) -> None:
    """What is only named like a server, or talks about one, is not a server."""
    exe, *arguments = DECOYS[name]
    host.binary(exe, "mysqld-8.0", "8.0.35")
    host.process(5, exe, *arguments, comm="mysqld", listens=((ANY_ADDRESS, 3306),))
    assert host.probe().report["databases"] == []


OTHER_USES = {
    "sentinel": ("/usr/bin/redis-server", "redis-server *:26379 [sentinel]"),
    "cockroach shell": ("/usr/local/bin/cockroach", "cockroach", "sql"),
    "oracle worker": ("/u01/app/oracle/product/19.0.0/db/bin/oracle", "ora_dbw0_ORCL"),
}


@pytest.mark.parametrize("name", OTHER_USES)
def test_other_uses_of_a_server_do_not_run_it(host: HostFolder, name: str) -> None:
    """An executable with several uses is a running server only when it serves."""
    exe, *arguments = OTHER_USES[name]
    host.binary(exe)
    host.process(5, exe, *arguments, listens=((ANY_ADDRESS, 3306),))
    assert [d["status"] for d in host.probe().report["databases"]] == ["installed"]


@pytest.mark.parametrize("argument", ["--version", "--verbose", "--initialize", "--bootstrap"])
def test_servers_that_do_not_serve(host: HostFolder, argument: str) -> None:
    """A server's executable that prints its version or makes a data directory is not running."""
    host.mysqld()
    host.process(5, "/usr/sbin/mysqld", "mysqld", argument, "--help")
    (database,) = host.probe().report["databases"]
    assert database["status"] == "installed"


def test_client_packages_are_not_servers(host: HostFolder) -> None:
    """Clients alone leave nothing to report."""
    host.binary("/usr/bin/mysql", "8.0.35")
    host.binary("/usr/bin/psql", "psql (PostgreSQL) 15.4")
    host.package("mysql-client-core-8.0", "8.0.35-0ubuntu0.22.04.1", "/usr/bin/mysql")
    assert host.probe().report["databases"] == []


def test_installed_without_data(host: HostFolder) -> None:
    """Installed, never started: its default port, and 0 bytes because there is no directory."""
    host.mysqld()
    (database,) = host.probe().report["databases"]
    assert database["status"] == "installed"
    assert (database["port"], database["data_size_bytes"]) == (3306, 0)
    assert "data_dir" not in database
    assert database["evidence"]["port"] == "engine default"
    assert database["evidence"]["data_size"] == "no data directory exists"


def test_stopped_with_data_named_by_a_unit(host: HostFolder) -> None:
    """A stopped cluster in a directory of its own is known from the unit that starts it."""
    serve_postgresql(host, data="/data/pg")
    host.text(
        "/etc/systemd/system/orders.service",
        "[Service]\nEnvironment=PGDATA=/data/pg\n"
        "ExecStart=/usr/lib/postgresql/15/bin/postgres -D ${PGDATA} \\\n  -p 5499\n",
    )
    database = host.probe().databases["postgresql-5499"]
    assert (database["status"], database["version"]) == ("installed", "15.4")
    assert database["data_dir"] == "/data/pg"
    assert database["evidence"]["data_dir"] == "unit orders.service"


def test_stopped_clusters_beside_a_running_one(host: HostFolder) -> None:
    """Each cluster is a record of its own, and each goes with the server of its version."""
    old = serve_postgresql(host, "13.9", "/var/lib/postgresql/13/main")
    new = serve_postgresql(host, "15.4", "/var/lib/postgresql/15/main")
    for major, port in (("13", 5432), ("15", 5433)):
        host.text(
            f"/etc/postgresql/{major}/main/postgresql.conf",
            f"data_directory = '/var/lib/postgresql/{major}/main'\nport = {port}\n",
        )
    data = "/var/lib/postgresql/15/main"
    listens = ((ANY_ADDRESS, 5433),)
    host.process(5, new, "postgres", "-D", data, cwd=data, listens=listens)
    found = host.probe().databases
    assert found["postgresql-5433"]["status"] == "running"
    assert found["postgresql-5432"]["status"] == "installed"
    assert found["postgresql-5432"]["binary"] == old
    assert len(found) == 2


def test_mysqld_as_a_link_to_mariadbd(host: HostFolder) -> None:
    """One server under two names is one MariaDB server."""
    host.binary("/usr/sbin/mariadbd", "mysqld-10.11", "10.11.14-MariaDB")
    host.link("/usr/sbin/mysqld", "mariadbd")
    host.link("/usr/local/bin/mysqld", "/usr/sbin/mysqld")
    (database,) = host.probe().report["databases"]
    assert (database["engine"], database["binary"]) == ("mariadb", "/usr/sbin/mariadbd")


def test_mariadbd_is_mariadb_without_a_text_that_says_so(host: HostFolder) -> None:
    """The name of a trusted executable tells the engine when nothing in it does."""
    host.binary("/usr/sbin/mariadbd", "nothing that tells")
    host.process(5, "/usr/sbin/mariadbd")
    (running,) = [d for d in host.probe().report["databases"] if d["status"] == "running"]
    assert running["engine"] == "mariadb"


def test_wrapper_scripts_are_not_installed_servers(host: HostFolder) -> None:
    """A script that is called like the server starts one; it is none."""
    host.text("/usr/sbin/mysqld", "#!/bin/sh\nexec mysqld.bin\n")
    assert host.probe().report["databases"] == []


def test_ids_do_not_depend_on_pids(tmp_path: Path) -> None:
    """Two servers that share a port keep their ids when their pids change places."""

    def ids(first: int, second: int, name: str) -> dict[str, str]:
        other = HostFolder(tmp_path / name)
        other.mysqld()
        for pid, data in ((first, "/srv/a"), (second, "/srv/b")):
            other.sparse(f"{data}/ibdata1", 1)
            other.process(pid, "/usr/sbin/mysqld", "mysqld", f"--datadir={data}", cwd=data)
        return {key: value["data_dir"] for key, value in other.probe().databases.items()}

    one, two = ids(10, 20, "one"), ids(20, 10, "two")
    assert one == two
    assert one["mysql-3306"] == "/srv/a"
    assert len(one) == 2


def test_container_is_read_in_its_own_folder(host: HostFolder) -> None:
    """A containerised server's files are read below its own root, and the record says which."""
    serve_mysql(host)
    inside = "/proc/900/root"
    container = "3f4e5d6c7b8a" + "0" * 52
    body = b"\x7fELF" + bytes(300) + b"\0mysqld-8.4\x008.4.2\0"
    host.text(f"{inside}/usr/sbin/mysqld", body)
    host.text(f"{inside}/etc/my.cnf", "[mysqld]\ndatadir=/data\n")
    host.sparse(f"{inside}/data/ibdata1", 777)
    host.link(f"{inside}/data/evil", "/etc/os-release")
    cgroup = f"0::/system.slice/docker-{container}.scope\n"
    host.process(
        900, "/usr/sbin/mysqld", cwd="/data", listens=((ANY_ADDRESS, 3306),), cgroup=cgroup
    )
    found = host.probe().databases
    plain = found.pop("mysql-3306")
    assert "container" not in plain
    (contained,) = found.values()
    assert contained["container"] == "3f4e5d6c7b8a"
    assert (contained["version"], contained["data_size_bytes"]) == ("8.4.2", 777)


def test_size_counts_a_hard_link_once_and_no_symbolic_link(host: HostFolder) -> None:
    """Size is the apparent size of regular files below the data directory, which may be a link."""
    host.mysqld()
    host.sparse("/data/mysql/ibdata1", 10_000)
    host.real("/data/mysql/again").hardlink_to(host.real("/data/mysql/ibdata1"))
    host.sparse("/data/mysql/db/t.ibd", 500)
    host.sparse("/elsewhere/big", 10**9)
    host.link("/data/mysql/out", "/elsewhere")
    host.link("/var/lib/mysql", "/data/mysql")
    host.process(5, "/usr/sbin/mysqld", cwd="/data/mysql")
    (database,) = host.probe().report["databases"]
    assert database["data_size_bytes"] == 10_500
    assert database["data_size_complete"] is True


def test_linked_write_ahead_log_makes_the_size_a_lower_bound(host: HostFolder) -> None:
    """A write-ahead log on another disk is not followed; the size says that it is not all."""
    binary = serve_postgresql(host)
    host.link("/srv/pg/pg_wal", "/wal")
    host.process(5, binary, "postgres", "-D", "/srv/pg", cwd="/srv/pg")
    ran = host.probe()
    assert ran.databases["postgresql-5432"]["data_size_complete"] is False
    assert "pg_wal leads elsewhere" in ran.warnings
