#!/usr/bin/env python3
"""Database Discovery probe: which database servers are on this host, as one line of JSON.

It reads files and /proc. It connects to nothing, writes nothing, and keeps to the limits below.
What it reads, how each value is found and what it never does: README.md beside this file.

One file, standard library only, Python 3.6 and later. From top to bottom: limits, engines (the rule
table), safe access to files, configuration files, processes, sockets, versions, data directories,
databases, containers, what is installed, host
facts, report, command line.

usage: discovery_python.py [--root DIR] [--pretty] [--max-seconds N]

  --root DIR        look at DIR as if it were the host's / (nothing is ever run)
  --pretty          print a table for people in place of the JSON line
  --max-seconds N   stop looking after N seconds and report what was found (default 45)
  --help            print this

exit codes: 0 a report was printed, 64 wrong usage, 70 there is no readable /proc
"""

# ruff: noqa: B905, N818, RUF005, SIM105 - zip(strict=) is not in 3.6; contextlib costs start-up time

import errno
import json
import os
import re
import signal
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

    Listener = Tuple[str, int]
    """An address as people write it, and its TCP port."""
    Found = Tuple[str, str]
    """A value, and how it was found."""
    Text = Optional[str]
    Identity = Tuple[int, int]
    """Device and inode."""
    Server = Tuple[str, Identity, "Version"]
    """An installed server: path, identity, version."""

SCHEMA = 1
VERSION = "1.1.0"

# --- limits -------------------------------------------------------------------------------------

MIB = 1 << 20
MAX_SECONDS = 45.0
MAX_SIZE_SECONDS = 20.0
MAX_SIZE_ENTRIES = 5000000
MAX_SIZE_DEPTH = 64
MAX_HELD = 500
MAX_FILES_OPEN = 50000
MAX_CMDLINE = 128 * 1024
MAX_CONFIG_FILES = 200
MAX_CONFIG_LINES = 20000
MAX_NET_TABLE = 4 * MIB
MAX_PACKAGE_STATUS = 32 * MIB
MAX_EXECUTABLE = 128 * MIB
MAX_ALL_EXECUTABLES = 512 * MIB
MAX_LISTED = 20000
MAX_UNITS = 1000
MAX_HARD_LINKS = 200000
MAX_LINKS = 40
MAX_TEXT = 256
MAX_PATH = 1024
MAX_WARNINGS = 20
MAX_LISTEN = 6
MAX_PLAIN = 2500  # characters that Systems Manager lists; a longer report is packed
MAX_LINE = 23000  # what Systems Manager returns of one invocation is 24,000 characters
MAX_RUN_SECONDS = 5.0
MAX_RUN_OUTPUT = 4096
NOBODY = 65534
LATE = "stopped by the time limit: there may be more than is listed"

REMOTE_TYPES = re.compile(
    r"(9p|acfs|afs|autofs|beegfs|ceph|cifs|coda|cvmfs|davfs|fuse(\.(?!lxcfs).*)?|gfs2?|glusterfs|gpfs"
    r"|lustre|ncpfs|nfs4?|ocfs2|orangefs|panfs|pvfs2|smb[23]|smbfs|wekafs)$"
)
"""File systems that can hang, or wake something up, when they are touched."""

# --- engines: one row each ----------------------------------------------------------------------

PLACES = (
    "/usr/sbin", "/usr/libexec", "/usr/bin", "/usr/local/bin", "/usr/local/sbin",
    "/usr/local/libexec", "/usr/local/*/bin", "/opt/*/bin", "/opt/*/sbin", "/opt/*/*/bin",
    "/opt/rh/*/root/usr/bin", "/opt/rh/*/root/usr/sbin", "/opt/rh/*/root/usr/libexec",
    "/usr/lib/postgresql/*/bin", "/usr/lib/postgresql*/bin", "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*", "/usr/edb/*/bin", "/opt/scylladb/libexec", "/opt/mssql/bin",
    "/opt/firebird/bin", "/usr/lib/firebird/*/bin", "/opt/ibm/db2/*/adm", "/opt/couchdb/erts-*/bin",
    "/u01/app/oracle/product/*/*/bin", "/opt/oracle/product/*/*/bin", "/usr/sap/*/HDB*/exe",
    "/hana/shared/*/exe/linuxx86_64/hdb", "/opt/sap/ASE-*/bin", "/opt/sybase/ASE-*/bin",
)  # fmt: skip
"""Where packages and tarballs put servers, root's alone to fill; `*` within one component."""


class Rule:
    """How to know one engine's servers, and each value of one. A row says what differs."""

    engine = ""  # unless its package or its text says another
    default_port = 0
    programs = ()  # type: Tuple[str, ...]  # file names of the executable, and nothing else's
    aliases = ()  # type: Tuple[str, ...]  # other names it may run by
    launchers = ()  # type: Tuple[str, ...]  # what starts it for a service, with its arguments
    where = ""  # the executable's path, when its name is shared
    says = ""  # the command line, when the executable does other things too
    library = ""  # the file an interpreter loads that is the server, with its version
    library_places = ()  # type: Tuple[str, ...]
    instance = ""  # in command line or working directory: processes of one instance share it
    not_serving = ("--version", "-V", "-v", "--help", "-?", "-h")  # type: Tuple[str, ...]
    packages = ()  # type: Tuple[Tuple[str, str, Optional[str]], ...]  # name, engine, edition
    marks = ()  # type: Tuple[Tuple[bytes, str, Optional[str]], ...]  # text in it; first wins
    text_versions = ()  # type: Tuple[Tuple[bytes, bytes], ...]  # a literal, the pattern around it
    text_series = ()  # type: Tuple[Tuple[bytes, bytes], ...]  # the series, which picks a version
    path_version = ""  # the version in the executable's path
    version_parts = 3  # how many numbers make a whole version
    version_beside = ("", "")  # a file beside the executable, and the pattern in it
    ask = ("--version",)  # type: Tuple[str, ...]  # the last resort; nothing: never
    data_version = ""  # in the data directory: the first part of the version
    unit_name = ""  # names of service units that packages bring; the engine's own
    port_options = ("--port",)  # type: Tuple[str, ...]
    port_keys = ("port",)  # type: Tuple[str, ...]
    port_like = ""  # the port, where it depends on the instance
    port_file = ("", 0)  # file of the data directory, line
    other_ports = ()  # type: Tuple[int, ...]  # not its port while it listens on another
    data_options = ("--data-dir",)  # type: Tuple[str, ...]
    data_variable = ""  # in the environment of a service unit
    data_keys = ()  # type: Tuple[str, ...]
    data_by_config = False  # the option may name the configuration's folder, which names the data
    data_marks = ()  # type: Tuple[str, ...]  # a data directory has one of these
    data_files = ()  # type: Tuple[str, ...]  # open files, as they lie in the data directory
    data_places = ()  # type: Tuple[str, ...]
    keeps_data = True
    works_in_data = False  # its working directory is where its data goes, even while there is none
    config_options = ("--config-file", "--config")  # type: Tuple[str, ...]
    config_extra = ""  # option for a file read besides the usual ones
    config_places = ()  # type: Tuple[str, ...]
    config_usual = True  # a server reads the usual places without being told
    config_name = ""  # the file, when the option or the data directory names its folder
    config_also = ()  # type: Tuple[str, ...]  # beside it (or in the data directory), read later
    include = r"(?!)"  # a line that includes: kind, target
    groups = ""  # the sections of its configuration that count
    tls = ()  # type: Tuple[str, ...]  # settings that turn TLS on
    tls_default = None  # type: Optional[bool]  # when a configuration was read and says nothing
    roles = ()  # type: Tuple[Tuple[str, str], ...]  # setting or file of the data directory, role
    role = ""
    tested = "synthetic host"  # what this row was tried on

    def __init__(
        self, engine: str, default_port: int, like: "Optional[Rule]" = None, **row: "Any"
    ) -> None:
        self.__dict__.update(like.__dict__ if like else {}, engine=engine, **row)
        self.default_port = default_port
        self.unit_name = str(row.get("unit_name", engine))
        self.packages = self.packages or ((engine + r"(-server)?(-\d[\d.]*)?", engine, None),)


_NUMBER = rb"\0(\d{1,2}\.\d{1,2}\.\d{1,3})\0"
_PG_NUMBER = rb"(\d+(?:\.\d+){0,2}(?:(?:alpha|beta|rc)\d+|devel)?)"
_INCLUDES = r"\s*(include(?:_dir|_if_exists)?)\s*[= ]\s*['\"]?([^'\"]+?)['\"]?\s*$"


def rules() -> "Tuple[Rule, ...]":
    """The rule table."""
    mysql = Rule(
        "mysql", 3306,
        programs=("mysqld", "mariadbd", "mysqld-debug", "mysqld.bin", "mysqld-max"),
        launchers=("mysqld_safe", "mariadbd-safe"), unit_name="mysql|maria|percona",
        not_serving=Rule.not_serving[:2] + (
            "--help", "-?", "--verbose", "--initialize", "--initialize-insecure", "--bootstrap",
            "--validate-config", "--print-defaults",
        ),
        packages=(
            (r"percona-server-server(-\d[\d.]*)?", "percona", None),
            (r"percona-xtradb-cluster-server(-\d[\d.]*)?", "percona", "XtraDB Cluster"),
            (r"mariadb-server(-core)?(-\d[\d.]*)?", "mariadb", None),
            (r"mysql-(commercial|enterprise)-server(-core)?", "mysql", "Enterprise"),
            (r"mysql-(cluster-)?community-server(-core|-debug)?", "mysql", "Community"),
            (r"mysql-server(-core)?(-\d[\d.]*)?", "mysql", "Community"),
        ),
        marks=(
            (b"Percona XtraDB Cluster (", "percona", "XtraDB Cluster"),
            (b"Percona Server (", "percona", None),
            (b"-MariaDB-enterprise", "mariadb", "Enterprise"),
            (b"-MariaDB", "mariadb", None),
            (b"MySQL Enterprise Server", "mysql", "Enterprise"),
            (b"MySQL Community Server", "mysql", "Community"),
            (b"MySQL Cluster Community Server", "mysql", "Community"),
        ),
        text_versions=(
            (b"-MariaDB", rb"(?<![\d.])(\d{1,2}\.\d{1,2}\.\d{1,3})(?:-\d{1,2})?-MariaDB"),
        ),
        text_series=(
            (b"mysqld-", rb"\x00mysqld-(\d{1,2}\.\d{1,2})\x00"),
            (b"mariadbd-", rb"\x00mariadbd-(\d{1,2}\.\d{1,2})\x00"),
        ),
        path_version=r"(?:mysql|mariadb|percona-server)[^/]*?-(\d+\.\d+\.\d+(?:-\d+)?)",
        port_options=("-P", "--port"), other_ports=(33060, 33062, 4444, 4567, 4568),
        data_options=("-h", "--datadir"), data_keys=("datadir",),
        data_marks=("ibdata1", "aria_log_control", "mysql.ibd", "mysql"),
        data_files=("ibdata1", "aria_log_control", "mysql.ibd", "undo_001"),
        data_places=("/var/lib/mysql",),
        config_options=("--defaults-file",), config_extra="--defaults-extra-file",
        config_places=("/etc/my.cnf", "/etc/mysql/my.cnf"),
        include=r"\s*!(include(?:dir)?)\s+(\S.*?)\s*$",
        groups=r"(mysqld|server|mysqld-\d+\.\d+|mariadbd?(-\d+\.\d+)?)$",
        tls=("ssl_cert",),
        roles=(("master.info", "replica"), ("relay-log.info", "replica"),
               ("wsrep_cluster_address", "cluster member")),
        tested="MariaDB 10.11, MySQL 5.6",
    )  # fmt: skip
    postgresql = Rule(
        "postgresql", 5432,
        programs=("postgres", "postmaster", "postgres.bin"), launchers=("pg_ctl",),
        not_serving=("--version", "-V", "--help", "-?", "--boot", "--single", "--check",
                     "--describe-config", "-C"),
        packages=((r"(pgdg-)?postgresql(-?\d[\d.]*)?(-server)?", "postgresql", None),),
        marks=((b"postgres (EnterpriseDB) ", "edb", None),
               (b"postgres (PostgreSQL) ", "postgresql", None)),
        text_versions=(
            (b"postgres (", rb"postgres \((?:PostgreSQL|EnterpriseDB)\) " + _PG_NUMBER),
            (b"PostgreSQL ", rb"PostgreSQL " + _PG_NUMBER + rb" [^\0]*?on "),
        ),
        path_version=r"(?:postgresql|pgsql|postgres)[-/]?(\d+(?:\.\d+)*)(?=[-/])",
        version_parts=2, data_version="PG_VERSION", unit_name="postgres|pgsql",
        port_options=("-p", "--port"), port_file=("postmaster.pid", 3),
        data_options=("-D", "--data-directory"), data_variable="PGDATA",
        data_keys=("data_directory",), data_by_config=True,
        data_marks=("PG_VERSION",), data_files=("postmaster.pid", "PG_VERSION"),
        data_places=(
            "/var/lib/postgresql/*/*", "/var/lib/postgresql/data", "/var/lib/pgsql/data",
            "/var/lib/pgsql/*/data", "/var/lib/postgres/data", "/usr/local/pgsql/data",
        ),
        config_places=("/etc/postgresql/*/*/postgresql.conf",), config_usual=False,
        config_name="postgresql.conf", config_also=("postgresql.auto.conf",),
        include=_INCLUDES, tls=("ssl",), tls_default=False,
        roles=(("standby.signal", "standby"), ("recovery.conf", "standby")),
        tested="PostgreSQL 15, 16, 18",
    )  # fmt: skip
    mongodb = Rule(
        "mongodb", 27017,
        programs=("mongod",), unit_name="mongo",
        not_serving=("--version", "-h", "--help", "--repair", "--shutdown", "--sysinfo"),
        packages=(
            (r"mongodb-enterprise(-server)?", "mongodb", "Enterprise"),
            (r"percona-server-mongodb(-server)?", "mongodb", "Percona"),
            (r"mongodb(-org)?(-server)?(-core)?", "mongodb", "Community"),
        ),
        marks=((b"gitVersion", "mongodb", None), (b"db version v", "mongodb", None)),
        text_versions=(
            (b"db version v", rb"db version v(\d{1,2}\.\d{1,2}\.\d{1,3}(?:-[\w.]{1,20})?)"),
            (b".", rb"\x00(\d\.\d{1,2}\.\d{1,3}(?:-[\w.]{1,20})?)\x00{1,8}[0-9a-f]{40}\x00"),
        ),
        path_version=r"mongodb[^/]*?-(\d+\.\d+\.\d+)",
        port_keys=("net.port", "port"), data_options=("--dbpath",),
        data_keys=("storage.dbPath", "dbpath"),
        data_marks=("WiredTiger", "storage.bson", "mongod.lock", "WiredTiger.wt"),
        data_files=("mongod.lock", "WiredTiger.lock", "WiredTiger.wt"),
        data_places=("/var/lib/mongodb", "/var/lib/mongo", "/data/db"),
        config_options=("-f", "--config"), config_usual=False,
        config_places=("/etc/mongod.conf", "/etc/mongodb.conf"),
        tls=("net.tls.mode", "net.ssl.mode"), tls_default=False,
        roles=(("replication.replSetName", "replica set member"),),
    )  # fmt: skip
    redis = Rule(
        "redis", 6379,
        programs=("redis-server",), aliases=("redis-check-rdb", "redis-check-aof"),
        says=r"(\S*/)?redis-server(?![^\0]*\[sentinel\])(?!.*--sentinel)",
        packages=((r"redis(-server|-tools)?", "redis", None),),
        marks=((b"redis_version:", "redis", None),), text_versions=((b".", _NUMBER),),
        works_in_data=True,
        data_options=("--dir",), data_keys=("dir",),
        data_marks=("dump.rdb", "appendonlydir", "appendonly.aof"),
        data_files=("appendonly.aof",),
        data_places=("/var/lib/redis", "/var/lib/redis/*"),
        config_places=("/etc/redis/*.conf", "/etc/redis.conf"), config_usual=False,
        include=_INCLUDES, tls=("tls-port",), tls_default=False,
        roles=(("replicaof", "replica"), ("slaveof", "replica")), tested="Redis 7.0",
    )  # fmt: skip
    elasticsearch = Rule(
        "elasticsearch", 9200,
        programs=("java",),
        says=r".*\0(org\.elasticsearch\.(bootstrap|server)[\w./]*|-m\0org\.elasticsearch\.server)",
        library=r".*/elasticsearch-(\d+\.\d+\.\d+)\.jar$",
        library_places=("/usr/share/elasticsearch/lib", "/opt/elasticsearch*/lib"),
        port_keys=("http.port",), other_ports=(9300,), port_options=("-Ehttp.port",),
        data_options=("-Epath.data", "-Des.path.data"), data_keys=("path.data",),
        data_marks=("nodes", "node.lock", "_state", "indices"),
        data_files=("node.lock",), data_places=("/var/lib/elasticsearch",),
        config_options=("-Des.path.conf",), config_name="elasticsearch.yml",
        config_places=("/etc/elasticsearch/elasticsearch.yml",),
        tls=("xpack.security.http.ssl.enabled", "xpack.security.http.ssl"), ask=(),
    )  # fmt: skip
    cassandra = Rule(
        "cassandra", 9042,
        programs=("java",), says=r".*\0org\.apache\.cassandra\.service\.CassandraDaemon",
        library=r".*/apache-cassandra-(\d+\.\d+(?:\.\d+)?)\.jar$",
        library_places=("/usr/share/cassandra", "/usr/share/cassandra/lib", "/opt/*cassandra*/lib"),
        port_keys=("native_transport_port",), other_ports=(7000, 7001, 7199),
        data_keys=("data_file_directories",), data_marks=("system", "system_schema"),
        data_places=("/var/lib/cassandra/data",), config_options=("-Dcassandra.config",),
        config_places=("/etc/cassandra/cassandra.yaml", "/etc/cassandra/conf/cassandra.yaml"),
        tls=("client_encryption_options.enabled",), tls_default=False, ask=(),
    )  # fmt: skip
    return (
        mysql,
        postgresql,
        Rule(
            "edb", 5444, postgresql, programs=("edb-postgres", "edb-postmaster"),
            packages=((r"edb-as\d+-server(-core)?", "edb", "Advanced Server"),),
            unit_name="edb-as", data_places=("/var/lib/edb/*/data", "/var/lib/edb-as/*/*"),
            config_places=("/etc/edb-as/*/*/postgresql.conf",), tested=Rule.tested,
        ),
        mongodb,
        Rule(
            "mongodb", 27017, mongodb, programs=("mongos",), role="router", keeps_data=False,
            packages=((r"mongodb(-org|-enterprise)?-mongos", "mongodb", None),),
            text_versions=((b"mongos version v", rb"mongos version v(\d+\.\d+\.\d+)"),)
            + mongodb.text_versions[1:],
            config_places=("/etc/mongos.conf",), data_places=(), roles=(), unit_name="mongos",
        ),
        redis,
        Rule(
            "valkey", 6379, redis, programs=("valkey-server",),
            aliases=("valkey-check-rdb", "valkey-check-aof"),
            says=redis.says.replace("redis-server", "valkey-server"),
            packages=((r"valkey(-server|-tools)?", "valkey", None),),
            marks=((b"valkey_version:", "valkey", None),), tested=Rule.tested,
            data_places=("/var/lib/valkey",), config_places=("/etc/valkey/*.conf",),
        ),
        Rule(
            "keydb", 6379, redis, programs=("keydb-server",),
            aliases=("keydb-check-rdb", "keydb-check-aof"),
            says=redis.says.replace("redis-server", "keydb-server"),
            packages=((r"keydb(-server|-tools)?", "keydb", None),),
            marks=((b"KeyDB", "keydb", None),), tested=Rule.tested,
            data_places=("/var/lib/keydb",), config_places=("/etc/keydb/*.conf",),
        ),
        Rule(
            "couchbase", 11210, programs=("memcached",), where="/couchbase/bin/",
            version_beside=("../VERSION.txt", r"(\d+\.\d+\.\d+)"), ask=(),
            packages=((r"couchbase-server(-community)?", "couchbase", None),),
            other_ports=(11207,), data_places=("/opt/couchbase/var/lib/couchbase/data",),
        ),
        Rule(
            "memcached", 11211, tested="memcached 1.6",
            programs=("memcached",), keeps_data=False, ask=("-V",),
            text_versions=((b"memcached ", rb"memcached (\d+\.\d+\.\d+)"),),
            port_options=("-p", "--port"), config_options=(),
        ),
        cassandra,
        Rule(
            "scylladb", 9042, cassandra, programs=("scylla",), says="", library="",
            version_beside=("../SCYLLA-VERSION-FILE", r"(\d+\.\d+\.\d+)"), ask=("--version",),
            packages=((r"scylla(-enterprise)?-server", "scylladb", None),), unit_name="scylla",
            data_places=("/var/lib/scylla/data",), config_options=("--options-file",),
            config_places=("/etc/scylla/scylla.yaml",), library_places=(),
        ),
        elasticsearch,
        Rule(
            "opensearch", 9200, elasticsearch, says=r".*\0org\.opensearch\.bootstrap\.OpenSearch",
            library=r".*/opensearch-(\d+\.\d+\.\d+)\.jar$",
            library_places=("/usr/share/opensearch/lib", "/opt/opensearch*/lib"),
            data_places=("/var/lib/opensearch",), config_options=("-Dopensearch.path.conf",),
            config_name="opensearch.yml", config_places=("/etc/opensearch/opensearch.yml",),
            tls=("plugins.security.ssl.http.enabled",),
        ),
        Rule(
            "neo4j", 7687, programs=("java",), ask=(), other_ports=(7474, 7473),
            says=r".*\0(com|org)\.neo4j\.server\.\w*(\.?\w*EntryPoint|startup\.\w+)",
            library=r".*/neo4j-kernel-(\d+\.\d+\.\d+)\.jar$",
            library_places=("/usr/share/neo4j/lib", "/opt/neo4j*/lib"),
            port_keys=("server.bolt.listen_address", "dbms.connector.bolt.listen_address"),
            data_keys=("server.directories.data", "dbms.directories.data"),
            data_marks=("databases", "transactions"), data_places=("/var/lib/neo4j/data",),
            config_options=("--config-dir",), config_name="neo4j.conf",
            config_places=("/etc/neo4j/neo4j.conf",), tls=("server.bolt.tls_level",),
        ),
        Rule(
            "couchdb", 5984, programs=("beam.smp",), ask=(), other_ports=(4369, 5986),
            says=r".*couchdb", library=r".*/releases/(\d+\.\d+\.\d+)/couchdb",
            library_places=("/opt/couchdb/releases/*",),
            port_keys=("chttpd.port", "httpd.port"), data_keys=("couchdb.database_dir",),
            data_marks=("_dbs.couch", "shards"), data_files=("_dbs.couch",),
            data_places=("/opt/couchdb/data", "/var/lib/couchdb"),
            config_places=("/opt/couchdb/etc/default.ini",),
            config_also=("local.ini", "local.d/*.ini"), tls=("ssl.enable",), tls_default=False,
        ),
        Rule(
            "clickhouse", 9000, tested="ClickHouse 18.16",
            programs=("clickhouse-server",), aliases=("clickhouse",),
            says=r"(\S*/)?clickhouse(-server\b|\0server\b)", ask=("server", "--version"),
            packages=((r"clickhouse-(common-static|server(-base|-common)?)", "clickhouse", None),),
            text_versions=(
                (b"-stable", rb"v?(\d\d\.\d{1,2}\.\d+\.\d+)-stable"),
                (b"-lts", rb"v?(\d\d\.\d{1,2}\.\d+\.\d+)-lts"),
            ),
            port_keys=("tcp_port",), other_ports=(8123, 9004, 9005, 9009), data_keys=("path",),
            data_options=("--path",), data_marks=("metadata", "store", "status"),
            data_files=("status",), data_places=("/var/lib/clickhouse",),
            config_options=("-C", "--config-file"), config_also=("config.d/*.xml",),
            config_places=("/etc/clickhouse-server/config.xml",), tls=("tcp_port_secure",),
            tls_default=False,
        ),
        Rule(
            "influxdb", 8086, tested="InfluxDB 1.6",
            programs=("influxd", "influxdb3"), ask=("version",),
            packages=((r"influxdb\d?(-server|-core)?", "influxdb", None),), other_ports=(8088,),
            unit_name="influx", port_keys=("http.bind-address", "http-bind-address"),
            port_options=("--http-bind-address",),
            data_options=("--engine-path", "--data-dir"), data_keys=("data.dir", "engine-path"),
            data_places=("/var/lib/influxdb/data", "/var/lib/influxdb/engine"),
            config_options=("-config", "--config"), tls=("http.https-enabled", "tls-cert"),
            config_places=("/etc/influxdb/influxdb.conf", "/etc/influxdb/config.toml"),
        ),
        Rule(
            "cockroachdb", 26257, programs=("cockroach",), says=r".*\0start(-single-node)?\0",
            ask=("version",), unit_name="cockroach", port_options=("--listen-addr", "--port"),
            other_ports=(8080,), data_options=("-s", "--store"),
            data_marks=("CURRENT", "cockroach-temp", "STORAGE_MIN_VERSION"),
            data_files=("LOCK",), data_places=("/var/lib/cockroach",), tls=("certs-dir",),
        ),
        Rule(
            "tidb", 4000, programs=("tidb-server",), ask=("-V",), keeps_data=False,
            port_options=("-P", "--port"), other_ports=(10080,), tls=("security.ssl-cert",),
            config_places=("/etc/tidb/*.toml",), config_usual=False,
        ),
        Rule(
            "etcd", 2379, tested="etcd 3.4",
            programs=("etcd",), other_ports=(2380, 2381),
            port_options=("--listen-client-urls",), port_keys=("listen-client-urls",),
            data_keys=("data-dir",), data_marks=("member",), data_files=("member/snap/db",),
            data_places=("/var/lib/etcd", "/var/lib/etcd/*"),
            tls=("cert-file", "client-transport-security.cert-file"), tls_default=None,
        ),
        Rule(
            "firebird", 3050, tested="Firebird 3.0",
            programs=("firebird", "fb_smp_server", "fbserver"),
            packages=((r"firebird\d\.\d-server(-core)?", "firebird", None),), ask=(),
            text_versions=((b"Firebird", rb"[A-Z]{2}-[VT](\d+(?:\.\d+){3})"),),
            port_options=("-p",), port_keys=("RemoteServicePort",),
            data_places=("/var/lib/firebird/*/data", "/var/lib/firebird/data"),
            config_places=("/etc/firebird/*/firebird.conf", "/opt/firebird/firebird.conf"),
        ),
        Rule(
            "sqlserver", 1433, programs=("sqlservr",), ask=(), unit_name="mssql",
            packages=((r"mssql-server", "sqlserver", None),), other_ports=(1431, 1434),
            port_keys=("network.tcpport",), data_keys=("filelocation.defaultdatadir",),
            data_marks=("master.mdf",), data_files=("master.mdf",),
            data_places=("/var/opt/mssql/data",), config_places=("/var/opt/mssql/mssql.conf",),
            tls=("network.tlscert",), roles=(("hadr.hadrenabled", "availability group"),),
        ),
        Rule(
            "oracle", 1521, programs=("oracle",), says=r"ora_pmon_", instance=r"ora_pmon_(\w+)",
            path_version=r"/product/(\d+(?:\.\d+)*)/", version_parts=4, ask=(),
            version_beside=("../inventory/ContentsXML/comps.xml",
                            r"NAME=\"oracle\.server\" VER=\"(\d+[\d.]*)\""),
        ),
        Rule(
            "db2", 50000, programs=("db2sysc",), ask=(), path_version=r"/db2/V(\d+\.\d+)",
            instance=r"db2sysc", port_like=r"(50\d\d\d|25\d\d\d)", unit_name="db2",
        ),
        Rule(
            "hana", 30015, programs=("hdbindexserver", "hdbnameserver"), ask=(),
            instance=r"/usr/sap/(\w{3}/HDB\d\d)", port_like=r"3\d\d(13|15)", unit_name="saphana",
            version_beside=("manifest", r"fullversion:\s*(\d+\.\d+\.\d+)"),
            data_places=("/hana/data/*",),
        ),
        Rule(
            "ase", 5000, programs=("dataserver",), data_options=("-d",), ask=(),
            marks=((b"Adaptive Server Enterprise/", "ase", None),),
            text_versions=((b"Adaptive Server Enterprise/",
                            rb"Adaptive Server Enterprise/(\d+\.\d+(?:\.\d+)?)"),),
            path_version=r"/ASE-(\d+)_", config_options=("-c",), unit_name="sybase|dataserver",
        ),
    )  # fmt: skip


# --- safe access to files -----------------------------------------------------------------------

_PATH_ONLY = getattr(os, "O_PATH", 0)
_PEEK = _PATH_ONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class OutOfTime(Exception):
    """The hard time limit passed in the middle of something."""


class RemoteFile(OSError):
    """The path is on a file system that is never touched."""


class Node:
    """A file or folder that was reached safely: an open descriptor, and where it is."""

    def __init__(self, fd: int, path: str, trusted: bool) -> None:
        self.fd = fd
        self.path = path
        self.trusted = trusted  # only root can change it, or put another in its place
        self.stat = os.fstat(fd)
        self.identity = (self.stat.st_dev, self.stat.st_ino)
        self.is_file = stat.S_ISREG(self.stat.st_mode)
        self.is_folder = stat.S_ISDIR(self.stat.st_mode)

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self.fd)

    def reopen(self) -> int:
        """A descriptor to read from, of this very file: its path is not followed again."""
        if not self.is_file and not self.is_folder:
            raise OSError(errno.EINVAL, "neither a regular file nor a folder", self.path)
        return open_quietly("/proc/self/fd/%d" % self.fd) if _PATH_ONLY else os.dup(self.fd)


def open_quietly(path: str, flags: int = 0, folder: "Optional[int]" = None) -> int:
    """Open for reading without touching the access time, where that is allowed."""
    try:
        return os.open(path, _READ | flags | getattr(os, "O_NOATIME", 0), dir_fd=folder)
    except PermissionError:
        return os.open(path, _READ | flags, dir_fd=folder)


def entries_of(fd: int) -> "Iterator[os.DirEntry[str]]":
    """The entries of an open folder, as they come."""
    if sys.version_info >= (3, 7):
        return os.scandir(fd)
    return os.scandir("/proc/self/fd/%d" % fd)  # 3.6 takes no descriptor


class Folder:
    """A folder seen as `/`.

    A path is followed one component at a time through open descriptors, and its links are followed
    inside the folder: whatever they say, and whoever changes them meanwhile, no path leads out.
    """

    def __init__(self, fd: int, remote: "Iterable[str]" = ()) -> None:
        self.fd = fd
        self.remote = frozenset(remote)

    def open(self, path: str) -> Node:
        """Follow `path` to its end. Raises OSError; RemoteFile before a remote file system."""
        if "\0" in path or len(path) > 4096:
            raise OSError(errno.EINVAL, "not a path")
        todo = path.split("/")[::-1]
        opened, names, links = [self.fd], [], 0  # type: Tuple[List[int], List[str], int]
        try:
            while todo:
                name = todo.pop()
                if name == ".." and names:
                    names.pop()
                    os.close(opened.pop())
                if name in ("", ".", ".."):
                    continue
                here = "/" + "/".join(names + [name])
                if here in self.remote or "/" in self.remote:
                    raise RemoteFile(errno.EREMOTE, "on a network file system", here)
                mode = os.stat(name, dir_fd=opened[-1], follow_symlinks=False).st_mode
                if stat.S_ISLNK(mode):
                    links += 1
                    if links > MAX_LINKS:
                        raise OSError(errno.ELOOP, "too many links", here)
                    target = os.readlink(name, dir_fd=opened[-1])
                    while target.startswith("/") and names:
                        names.pop()
                        os.close(opened.pop())
                    todo.extend(target.split("/")[::-1])
                    continue
                if not (_PATH_ONLY or stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise OSError(errno.EINVAL, "neither a regular file nor a folder", here)
                opened.append(os.open(name, _PEEK, dir_fd=opened[-1]))
                names.append(name)
            trusted = all(
                status.st_uid == 0 and not status.st_mode & 0o022
                for status in map(os.fstat, opened)
            )
            found = opened.pop() if names else os.dup(self.fd)
            return Node(found, "/" + "/".join(names), trusted)
        finally:
            for fd in opened[1 if opened[:1] == [self.fd] else 0 :]:
                os.close(fd)

    def read(self, path: str, limit: int) -> bytes:
        """At most `limit` bytes of a regular file."""
        with self.open(path) as node:
            if not node.is_file:
                raise OSError(errno.EINVAL, "not a regular file", path)
            fd = node.reopen()
        try:
            parts = []
            while limit > 0:
                parts.append(os.read(fd, min(limit, MIB)))
                if not parts[-1]:
                    break
                limit -= len(parts[-1])
            return b"".join(parts)
        finally:
            os.close(fd)

    def text(self, path: str, limit: int = MIB) -> "Text":
        """The text of a regular file; None when there is none that can be read."""
        try:
            return self.read(path, limit).decode("utf-8", "surrogateescape")
        except OSError:
            return None

    def names(self, path: str) -> "List[str]":
        """The names in a folder, sorted, at most MAX_LISTED; none when it cannot be listed."""
        found = []  # type: List[str]
        try:
            with self.open(path) as node:
                fd = node.reopen()
            try:
                for entry in entries_of(fd):
                    found.append(entry.name)
                    if len(found) >= MAX_LISTED:
                        break
            finally:
                os.close(fd)
        except OSError:
            pass  # what was listed before the error is still there
        return sorted(found)

    def glob(self, pattern: str) -> "List[str]":
        """The paths a pattern stands for; `*` is any text within one component."""
        paths = [""]
        for part in pattern.strip("/").split("/"):
            head, star, tail = part.partition("*")
            if not star:
                paths = ["%s/%s" % (path, part) for path in paths]
                continue
            paths = [
                "%s/%s" % (path, name)
                for path in paths
                for name in self.names(path)
                if name.startswith(head) and name.endswith(tail) and not name.startswith(".")
            ][:MAX_LISTED]
        return paths

    def link(self, name: str) -> "Text":
        """Where a link directly in the folder says it leads."""
        try:
            return os.readlink(name, dir_fd=self.fd)
        except OSError:
            return None


def remote_mounts(mounts: str) -> "List[str]":
    """Mount points of file systems that are never touched, from the text of /proc/…/mounts."""
    kinds = {}
    for fields in [line.split(" ") for line in mounts.split("\n")]:
        if len(fields) > 3:
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), fields[1])
            kinds[point.rstrip("/") or "/"] = fields[2]
    return [point for point, kind in kinds.items() if REMOTE_TYPES.match(kind)]


# --- configuration files ------------------------------------------------------------------------


class Command:
    """How a server is started: its arguments, and who gives them: "command line", "unit x.service".

    `binary` and `config` are the executable and configuration file of a stopped server, if named.
    """

    def __init__(
        self, args: "List[str]", source: str, binary: "Text" = None, config: "Text" = None
    ) -> None:
        self.args = args
        self.source = source
        self.binary = binary
        self.config = config

    def option(self, *names: str) -> "Text":
        """The last value of an option: `--name=x`, `-name x`, `-Xx`, `-X x`, `-c name=x`."""
        found = None
        for arg, after in zip(self.args, self.args[1:] + [""]):
            key, equals, value = arg.partition("=")
            if arg == "-c" and "=" in after:
                key, equals, value = after.partition("=")
                key = "--" + key.strip()
            for name in names:
                if len(name) > 2:
                    if key[:1] == "-" and key.lstrip("-").replace("_", "-") == name.lstrip("-"):
                        found = value if equals else after
                elif arg.startswith(name) and not arg.startswith("--"):
                    found = arg[2:].lstrip("=") or after
        return found.strip().strip("'\"") if found else None


class Config:
    """Settings in effect: name -> (value, file). `file` is the one a person would open.

    `port` and `data`, the directories named for the data, are set by `configuration`.
    """

    def __init__(self) -> None:
        self.file = None  # type: Text
        self.values = {}  # type: Dict[str, Found]
        self.port = None  # type: Optional[Tuple[int, str]]
        self.data = []  # type: List[Found]

    def put(self, name: str, text: str, file: str) -> None:
        """Keep a setting without its quotes and the comment behind it."""
        quoted = re.match(r"(['\"])(.*?)\1", text)
        value = quoted.group(2) if quoted else re.sub(r"(^|\s+)[#;].*", "", text).strip()
        self.values[name] = (value, file)

    def get(self, names: "Iterable[str]") -> "Optional[Found]":
        """The first of these settings that is set, and how it was found."""
        for name in names:
            if name in self.values:
                return self.values[name][0], "config %s" % self.values[name][1]
        return None


def configuration(folder: Folder, rule: Rule, command: Command, cwd: str) -> Config:
    """Port and data directories as the command line and the configuration give them."""

    def path(text: "Text") -> "Text":
        full = os.path.normpath(os.path.join(cwd, text)) if text else None
        return full[1:] if full and full.startswith("//") else full

    given = path(command.option(*rule.data_options))
    about = given or (cwd if rule.data_by_config else None)
    config = read_config(folder, rule, config_files(folder, rule, command, about, cwd))
    data_dir = config.values.get(rule.data_keys[0], (about,))[0] if rule.data_by_config else None
    if data_dir:
        files = [path("%s/%s" % (data_dir, name)) or "" for name in rule.config_also]
        read_config(folder, rule, files, config)
    config.port = port_number(command.option(*rule.port_options), command.source)
    config.port = config.port or port_number(*(config.get(rule.port_keys) or (None, "")))
    if given:
        config.data.append((given, command.source))
    named, source = config.get(rule.data_keys) or (None, "")
    configured = path(named)
    if configured:
        config.data.insert(0 if rule.data_by_config else 1, (configured, source))
    return config


def config_files(
    folder: Folder, rule: Rule, command: Command, about: "Text", cwd: str
) -> "List[str]":
    """The configuration files of one server in the order in which it reads them."""
    named = command.option(*rule.config_options) or command.config
    if not named and command.args[:1] and command.args[0].endswith(".conf"):
        named = command.args[0]
    if "--no-defaults" in command.args:
        return []
    if named:
        named = os.path.join(cwd, named)
        if rule.config_name and not named.endswith((".conf", ".yml")):
            named += "/" + rule.config_name
        paths = [named[5:] if named.startswith("file:/") else named]
    elif rule.data_by_config:
        paths = ["%s/%s" % (about, rule.config_name)] if about else []
    else:
        paths = [one for place in rule.config_places for one in folder.glob(place)]
        if not rule.config_usual:
            # The file is not on the command line any more: it is the one with the port of its title
            title = port_number(" ".join(command.args[:1]), "")
            paths = [
                path
                for path in paths[:50]
                for port in [read_config(folder, rule, [path]).get(rule.port_keys)]
                if title and int((port or ("",))[0] or rule.default_port) == title[0]
            ][:1]
        extra = command.option(rule.config_extra) if rule.config_extra else None
        paths += [extra] if extra else []
    if rule.config_also and not rule.data_by_config:
        beside = [os.path.dirname(path) for path in paths]
        paths += [one for at in beside for name in rule.config_also
                  for one in folder.glob("%s/%s" % (at, name))]  # fmt: skip
    return paths


def expanded(folder: Folder, path: str, include: str, seen: "List[str]") -> "Iterator[Found]":
    """(line, file) of a configuration file and, in place, of those it includes.

    Each file is read once, so a loop ends where it would close.
    """
    if len(seen) >= MAX_CONFIG_FILES or path in seen:
        return
    seen.append(path)
    text = folder.text(path)
    if text is None:
        return
    lines = text.split("\n", MAX_CONFIG_LINES)[:MAX_CONFIG_LINES]
    if text.lstrip()[:1] == "<":
        lines = xml_settings(text)
    yield "", path
    including = re.compile(include).match
    for line in lines:
        if line.lstrip()[:1] in ("", "#", ";"):
            continue
        match = including(line)
        if not match:
            yield line, path
            continue
        target = os.path.join(os.path.dirname(path), match.group(2))
        inner = folder.glob(target) if "*" in target else [target]
        if match.group(1).endswith("dir"):
            inner = [
                os.path.join(target, name)
                for name in folder.names(target)[:MAX_CONFIG_FILES]
                if name.endswith((".cnf", ".conf"))
            ]
        for one in inner:
            for found in expanded(folder, one, include, seen):
                yield found


def xml_settings(text: str) -> "List[str]":
    """`outer.inner = value` for each element below the root that holds text alone."""
    above, found = [], []  # type: Tuple[List[str], List[str]]
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    for close, name, alone, value in re.findall(r"<(/?)(\w+)[^<>]*?(/?)>([^<]*)", text):
        if close:
            del above[-1:]
        elif not alone:
            above.append(name)
            if value.strip() and len(above) < 20:
                found.append("%s = %s" % (".".join(above[1:]), " ".join(value.split())))
    return found[:MAX_CONFIG_LINES]


_SETTING = re.compile(r"(\s*)[\"']?(\w[\w.-]*)[\"']?\s*([:=]|\s|$)\s*(.*)$")


def read_config(
    folder: Folder, rule: Rule, paths: "Iterable[str]", onto: "Optional[Config]" = None
) -> Config:
    """The settings of these files: `name = value`, `name value`, sections in brackets, and the
    plain YAML that servers document. The last value wins."""
    config, seen = onto or Config(), []  # type: Tuple[Config, List[str]]
    for path in paths:
        above = []  # type: List[Tuple[int, str]]
        section = {}  # type: Dict[str, str]
        for line, file in expanded(folder, path, rule.include, seen):
            config.file = config.file or file
            if line.lstrip()[:1] == "[":
                section[file] = line.partition("[")[2].partition("]")[0].strip()
            item = above and re.match(r"\s*-\s+[\"']?(/[^\"'#]*)", line)
            if item:
                config.values.setdefault(above[-1][1], (item.group(1).strip(), file))
            match = _SETTING.match(line)
            group = section.get(file, "")
            if not match or (rule.groups and not re.match(rule.groups, group)):
                continue
            indent, name, sign, rest = len(match.group(1)), *match.group(2, 3, 4)
            if rule.groups:
                name = re.sub("^loose_", "", name.lower().replace("-", "_"))
            elif group:
                name = "%s.%s" % (group, name)
            while above and above[-1][0] >= indent:
                above.pop()
            key = ".".join([parent for _, parent in above[-1:]] + [name])
            if sign == ":" and rest.startswith("{"):
                for pair in rest.strip("{} \r").split(","):
                    inner, _, value = pair.partition(":")
                    config.put("%s.%s" % (key, inner.strip()), value.strip(), file)
            elif sign == ":" and not rest.partition("#")[0].strip() and len(key) < MAX_TEXT:
                above.append((indent, key))
            else:
                config.put(key if sign == ":" else name, rest, file)
    return config


def port_number(text: "Text", source: str) -> "Optional[Tuple[int, str]]":
    """A port and how it was found, when the text is one, or is an address that ends in one."""
    match = re.search(r"(?:^|:)(\d{1,5})(?:$|[,/\s])", (text or "").strip())
    if match and 0 < int(match.group(1)) < 65536:
        return int(match.group(1)), source
    return None


# --- processes ----------------------------------------------------------------------------------

_DELETED = " (deleted)"
_CONTAINER = re.compile(
    r"(?:docker|containerd|crio|libpod|kubepods|lxc|ecs|garden|podman)\S*?[-/:]([0-9a-f]{64})\b"
)


class Process:
    """One process that may be a server. Its /proc folder is held open, so that all that is read of
    it is of the same process even when its pid is used again."""

    def __init__(self, pid: int, fd: int, rules: "List[Rule]", exe: "Text") -> None:
        self.pid = pid
        self.files = Folder(fd)
        self.deleted = exe is not None and exe.endswith(_DELETED)
        self.exe = exe[: -len(_DELETED)] if exe and self.deleted else exe
        self.line = self.read("cmdline", MAX_CMDLINE)
        args = self.line.split("\0")
        if len(args) < 3 and " " in args[0]:  # a title in the place of the arguments
            args = args[0].split(" ")
        self.command = Command(args[1:], "command line")
        self.cwd = self.files.link("cwd")
        self.rule = None  # type: Optional[Rule]
        for rule in rules:
            if rule.where in (exe or "") and re.match(rule.says, self.line, re.S):
                if args[1:2] and args[1] in rule.not_serving:
                    break
                self.rule = rule
                break
        self.instance = None  # type: Text
        if self.rule and self.rule.instance:
            match = re.search(self.rule.instance, "%s\n%s" % (self.line[:256], self.cwd))
            self.instance = match.group(match.lastindex or 0) if match else str(pid)
        status = self.read("status") if self.rule else ""
        self.parent = int(self.number(status, r"^PPid:\s*(\d{1,9})") or 0)
        self.user = self.number(status, r"^Uid:\s*\d+\s+(\d{1,10})")
        self.memory = self.number(status, r"^VmRSS:\s*(\d{1,15}) kB")
        self.workers = []  # type: List[Process]

    @staticmethod
    def number(text: str, pattern: str) -> "Optional[int]":
        """The number that a pattern finds."""
        match = re.search(pattern, text, re.M)
        return int(match.group(1)) if match else None

    def read(self, name: str, limit: int = 65536) -> str:
        """The text of one of its /proc entries; nothing when it cannot be read."""
        return self.files.text(name, limit) or ""

    @property
    def container(self) -> "Text":
        """The id of its container, where its control group tells."""
        match = _CONTAINER.search(self.read("cgroup"))
        return match.group(1) if match else None

    def started(self, host: "Host") -> "Text":
        """When it started, UTC."""
        ticks = self.number(self.read("stat").rpartition(")")[2], r"^(?: \S+){19} (\d{1,18})")
        boot = self.number(host.folder.text("/proc/stat", MIB) or "", r"^btime (\d{1,12})")
        if ticks is None or boot is None:
            return None
        try:
            seconds = boot + ticks // os.sysconf("SC_CLK_TCK")
            return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
        except (OverflowError, ValueError, OSError):
            return None

    def descriptors(self) -> "Optional[List[str]]":
        """What its open descriptors lead to; None when that cannot be read."""
        try:
            with self.files.open("fd") as node:
                listing = node.reopen()
                try:
                    names = os.listdir(listing)[:MAX_FILES_OPEN]
                finally:
                    os.close(listing)
                own = Folder(node.fd)
                return [link for link in map(own.link, names) if link is not None]
        except OSError:
            return None


def candidates(host: "Host") -> "List[Process]":
    """The processes whose executable is a server's, without the workers of another one.

    The executable is what /proc/<pid>/exe leads to. A command line can say anything: it counts only
    where the link is hidden from this user, and then must name a file that only root can write.
    """
    by_name = {}  # type: Dict[str, List[Rule]]
    for rule in host.rules:
        for name in rule.programs + rule.aliases:
            by_name.setdefault(name, []).append(rule)
    found = {}  # type: Dict[int, Process]
    hidden = 0
    for pid in sorted(int(name) for name in os.listdir(host.proc) if re.match(r"\d{1,9}$", name)):
        if host.late():
            break
        path = "%s/%d" % (host.proc, pid)
        exe = None  # type: Text
        try:
            exe = os.readlink(path + "/exe")
            name = exe[: -len(_DELETED)] if exe.endswith(_DELETED) else exe
        except PermissionError:
            hidden += 1
            name = hidden_program(host, pid) or ""
        except OSError:
            continue  # a kernel thread, or a process that has ended
        name = name[name.rfind("/") + 1 :]
        if name == "docker-proxy":
            host.proxies.append(host.folder.text("/proc/%d/cmdline" % pid, MAX_PATH) or "")
        if name not in by_name:
            continue
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        process = Process(pid, fd, by_name[name], exe)
        if process.rule is None:
            os.close(fd)
            continue
        found[pid] = process
        if len(found) > MAX_HELD:
            drop_workers(found)
        if len(found) > MAX_HELD:
            host.warn("more than %d server processes: not all were looked at" % MAX_HELD)
            host.complete = False
            break
    drop_workers(found)
    if hidden:
        hint = ": run as root" if os.geteuid() else ""
        host.warn("%d process(es) hide what they run from this user%s" % (hidden, hint))
    return sorted(found.values(), key=lambda one: (not host.is_usual(one.exe or ""), one.pid))


def hidden_program(host: "Host", pid: int) -> "Text":
    """The program a process says it is, when that is a file only root could have put there."""
    program = (host.folder.text("/proc/%d/cmdline" % pid, MAX_PATH) or "").partition("\0")[0]
    try:
        with host.folder.open(program if program.startswith("/") else "/") as node:
            return node.path if host.trusts(node) else None
    except OSError:
        return None


def drop_workers(found: "Dict[int, Process]") -> None:
    """Forget the processes that a server of the same kind started in the same place, and those of
    an instance that has another; a worker may be the one that listens, so a few are kept in hand.
    """
    instances = {}  # type: Dict[Tuple[str, str], Process]
    for pid, process in sorted(found.items(), key=lambda pair: (not pair[1].parent, pair[0])):
        over = found.get(process.parent)
        if over and not (over.rule is process.rule and over.cwd == process.cwd):
            over = None
        if process.instance and process.rule:
            over = instances.setdefault((process.rule.engine, process.instance), process)
        if over and over is not process:
            if len(over.workers) < 2:
                over.workers.append(process)
            else:
                os.close(process.files.fd)
            found[pid].parent = -1
    for pid in [pid for pid, process in found.items() if process.parent == -1]:
        del found[pid]


# --- sockets ------------------------------------------------------------------------------------


def listeners(process: Process, links: "List[str]") -> "List[Listener]":
    """The TCP addresses this very process listens on."""
    own = {link[8:-1] for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("net/tcp", "net/tcp6") if own else ():
        for line in process.read(table, MAX_NET_TABLE).split("\n"):
            fields = line.split()
            if len(fields) > 9 and fields[3] == "0A" and fields[9] in own:
                address, _, port = fields[1].partition(":")
                try:
                    found.add((address_text(address), int(port, 16)))
                except ValueError:
                    continue
    return [(address, port) for address, port in sorted(found) if 0 < port < 65536]


def address_text(words: str) -> str:
    """An address of /proc/net/tcp: 32-bit words in the host's byte order."""
    raw = b"".join(
        int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8)
    )
    if raw.startswith(b"\0" * 10 + b"\xff\xff"):
        raw = raw[12:]
    if len(raw) == 4:
        return ".".join(map(str, raw))
    if not any(raw):
        return "[::]"
    import socket  # late: few servers listen on one IPv6 address

    return "[%s]" % socket.inet_ntop(socket.AF_INET6, raw)


# --- versions -----------------------------------------------------------------------------------


class Version:
    """What is known of a server's software. `whole`: all of its version, not only the series."""

    def __init__(
        self,
        version: "Text",
        evidence: str,
        engine: "Text" = None,
        edition: "Text" = None,
        whole: bool = True,
    ) -> None:
        self.version = version
        self.evidence = evidence
        self.engine = engine
        self.edition = edition
        self.whole = whole


def file_version(host: "Host", rule: Rule, node: Node, may_ask: bool) -> "Optional[Version]":
    """The version of a trusted executable of the host itself, best evidence first."""
    found = package_version(host, rule, node.path) or read_text_version(host, rule, node)
    if found is None:
        found = beside_version(host.folder, rule, node.path) or path_version(rule, node.path)
        if may_ask and host.live and not host.late() and not (found and found.whole):
            found = asked_version(node, rule) or found
    return found


def package_version(host: "Host", rule: Rule, path: str) -> "Optional[Version]":
    """The Debian package that owns this file, by the host's own package database."""
    info = "/var/lib/dpkg/info/"
    if host.packages is None:
        host.packages = [name for name in host.folder.names(info) if name.endswith(".list")]
    paths = {path, path[4:] if path.startswith("/usr/") else "/usr" + path}
    for name in host.packages:
        package = name[:-5].partition(":")[0]
        for pattern, engine, edition in rule.packages:
            if not re.match(pattern + "$", package):
                continue
            if not paths.isdisjoint((host.folder.text(info + name, 8 * MIB) or "").split("\n")):
                full = installed_version(host, package)
                # Without epoch and Debian revision; Percona's own revision is part of its version.
                match = re.match(
                    r"(\d+(?:\.\d+)*)~?((?:(?:alpha|beta|rc)\d+)?)(-\d{1,3}(?=-))?",
                    re.sub(r"^\d+:(.*\+really)?", "", full),
                )
                if match:
                    extra = match.group(3) if engine == "percona" else None
                    text = match.group(1) + match.group(2) + (extra or "")
                    return Version(text, "dpkg %s %s" % (package, full), engine, edition)
            break
    return None


def installed_version(host: "Host", package: str) -> str:
    """The version of a package that is installed, from dpkg's status file."""
    if host.package_status is None:
        status = host.folder.text("/var/lib/dpkg/status", MAX_PACKAGE_STATUS)
        host.package_status = "\n\n%s\n" % (status or "")
    at = host.package_status.find("\nPackage: %s\n" % package)
    while at >= 0:
        end = host.package_status.find("\n\n", at + 1)
        fields = host.package_status[at : end if end > 0 else None]
        version = re.search(r"^Version: (\S+)$", fields, re.M)
        if version and re.search(r"^Status: .* installed$", fields, re.M):
            return version.group(1)
        at = host.package_status.find("\nPackage: %s\n" % package, at + 1)
    return ""


def read_text_version(host: "Host", rule: Rule, node: Node) -> "Optional[Version]":
    """text_version of a regular file, read once however many processes run it."""
    key = (node.identity, id(rule))
    if not rule.text_versions and not rule.text_series:
        return None
    if key not in host.texts:
        host.texts[key] = None
        size = node.stat.st_size
        limit = min(size, MAX_EXECUTABLE, host.text_budget)
        if node.is_file and limit > 0:
            host.text_budget -= limit
            fd = node.reopen()
            try:
                host.texts[key] = text_version(fd, size, rule, limit)
            finally:
                os.close(fd)
    return host.texts[key]


def text_version(fd: int, size: int, rule: Rule, limit: int) -> "Optional[Version]":
    """The version a server's executable carries as text. Read only: nothing is run."""
    parts = loaded_parts(fd, size)
    marks = [False] * len(rule.marks)
    versions = [[] for _ in rule.text_versions]  # type: List[List[bytes]]
    series = []  # type: List[bytes]
    for piece in chunks(fd, parts, limit):
        for index, (mark, _, _) in enumerate(rule.marks):
            marks[index] = marks[index] or mark in piece
        for index, (literal, pattern) in enumerate(rule.text_versions):
            versions[index] += around(piece, literal, pattern)
        for literal, pattern in rule.text_series:
            series += around(piece, literal, pattern)
        if versions[0] and not rule.text_series and (any(marks) or not marks):
            break
    found = next((group for group in versions if group), [])
    if series:
        # The executable names other versions too; its own is of the series it reads options for.
        literal = max(series, key=numbers) + b"."
        found = [version for version in found if version.startswith(literal)]
        alone = re.escape(literal) + rb"\d{1,3}(?:-\d{1,3}(?=\0))?"
        pattern = rb"(?<![\d.])(" + alone + rb")(?:[-+~][\w.+~-]{0,80})?\0"
        for piece in chunks(fd, parts, 0 if found else limit):
            found += around(piece, literal, pattern)
    if not found or (rule.text_versions[0][0] == b"." and not any(marks)):
        return None
    version = max(found, key=numbers).decode("ascii")
    rows = [row for row, is_there in zip(rule.marks, marks) if is_there]
    _, engine, edition = rows[0] if rows else (b"", rule.engine, None)
    if engine != "percona":
        version = re.sub(r"(?<=\d)-\d{1,3}$", "", version)
    return Version(version, "text in the executable", engine, edition)


def around(piece: bytes, literal: bytes, pattern: bytes) -> "List[bytes]":
    """The first group of `pattern` wherever it matches around `literal`, which is quick to find."""
    found = []  # type: List[bytes]
    at = piece.find(literal)
    while at >= 0 and len(found) < 100:
        match = re.search(pattern, piece[max(0, at - 40) : at + 200])
        if match:
            found.append(match.group(1))
        at = piece.find(literal, at + len(literal))
    return found


def numbers(version: bytes) -> "List[int]":
    """A version as something to sort by."""
    return list(map(int, re.findall(rb"\d+", version)))


def loaded_parts(fd: int, size: int) -> "List[Tuple[int, int]]":
    """(offset, length) of an ELF file's loaded segments, data before code: where its texts are.

    Debug sections, which can be ten times as large, are not loaded. Any other file is one part.
    """
    import struct

    whole = [(0, size)]
    head = os.pread(fd, 64, 0)
    if len(head) < 64 or head[:4] != b"\x7fELF" or not {head[4], head[5]} <= {1, 2}:
        return whole
    order, wide = "<" if head[5] == 1 else ">", head[4] == 2
    start = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
    each, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    entry = struct.Struct(order + ("IIQQQQ" if wide else "IIIIIII"))
    if start > size or each < entry.size or not 0 < count <= 64:
        return whole
    table = os.pread(fd, each * count, start)
    parts = []
    for at in range(0, len(table) - each + 1, each):
        kind, *rest = entry.unpack_from(table, at)
        flags, offset, length = (rest[0], rest[1], rest[4]) if wide else (rest[5], rest[0], rest[3])
        if kind == 1 and offset < size:
            parts.append((flags & 1, offset, min(length, size - offset)))
    return [(offset, length) for _, offset, length in sorted(parts)] or whole


def chunks(fd: int, parts: "List[Tuple[int, int]]", limit: int) -> "Iterator[bytes]":
    """The bytes of these parts in pieces that overlap, so that no text is cut in two unseen."""
    for offset, length in parts:
        tail = b"\0"
        while length > 0 and limit > 0:
            piece = os.pread(fd, min(length, limit, MIB), offset)
            if not piece:
                break
            yield tail + piece
            tail = piece[-256:]
            offset, length, limit = offset + len(piece), length - len(piece), limit - len(piece)


def beside_version(folder: Folder, rule: Rule, path: str) -> "Optional[Version]":
    """The version in a file that the vendor puts beside the executable."""
    name, pattern = rule.version_beside
    beside = os.path.join(os.path.dirname(path), name)
    match = re.search(pattern, (folder.text(beside) or "")) if name else None
    return Version(match.group(1), "file %s" % name) if match else None


def path_version(rule: Rule, path: str) -> "Optional[Version]":
    """The version in the names of the folders the executable lies in."""
    match = re.search(rule.path_version, path, re.I) if rule.path_version else None
    if not match:
        return None
    whole = match.group(1).count(".") + 1 >= rule.version_parts
    return Version(match.group(1), "path %s" % path, whole=whole)


def asked_version(node: Node, rule: Rule) -> "Optional[Version]":
    """What the server prints for --version: the last resort, for a trusted file of the host itself.

    What runs is the open file that was found trusted, whatever its name leads to by now. It runs as
    nobody, with nothing of ours: no environment, no input, no open file, little time.
    """
    mode = node.stat.st_mode
    if not rule.ask or not node.trusted or mode & (stat.S_ISUID | stat.S_ISGID) or not mode & 0o001:
        return None
    import subprocess

    executable = node.reopen()
    try:
        asked = subprocess.Popen(  # noqa: S603 - a trusted file, see above
            (node.path,) + rule.ask,
            executable="/proc/self/fd/%d" % executable,
            pass_fds=(executable,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            start_new_session=True,
            preexec_fn=become_nobody,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    finally:
        os.close(executable)
    try:
        output = output_of(asked.stdout.fileno() if asked.stdout else -1)
    finally:
        try:
            os.killpg(asked.pid, signal.SIGKILL)
        except OSError:
            pass  # already gone
        asked.communicate()
    match = re.search(rb"(?<![\w.])v?(\d+\.\d+(?:\.\d+)?)(-\d{1,3}(?=\s))?", output)
    if not match:
        return None
    engine, edition = rule.engine, None
    for mark, named, what in rule.marks[::-1]:
        if mark.strip(b"(- ") in output:
            engine, edition = named, what
    version = match.group(1) + ((match.group(2) or b"") if engine == "percona" else b"")
    how = " ".join((node.path,) + rule.ask)
    return Version(version.decode("ascii"), how, engine, edition)


def become_nobody() -> None:
    """In the process that will ask for the version: give up what root has."""
    import resource

    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def output_of(inlet: int) -> bytes:
    """What arrives on a pipe until it ends, is too much, or takes too long."""
    import select

    output = b""
    end = time.monotonic() + MAX_RUN_SECONDS
    while len(output) < MAX_RUN_OUTPUT:
        if not select.select([inlet], [], [], max(0.0, end - time.monotonic()))[0]:
            break
        part = os.read(inlet, MAX_RUN_OUTPUT)
        if not part:
            break
        output += part
    return output


# --- data directories ---------------------------------------------------------------------------


def holds_data(folder: Folder, rule: Rule, path: str) -> "Optional[bool]":
    """Whether a folder is a data directory of this family; None when it cannot be looked into."""
    try:
        with folder.open(path) as node:
            for mark in rule.data_marks if node.is_folder else ():
                try:
                    os.stat(mark, dir_fd=node.fd, follow_symlinks=False)
                    return True
                except FileNotFoundError:
                    continue
            return node.is_folder and not rule.data_marks
    except (RemoteFile, PermissionError):
        return None
    except OSError:
        return False


class Size:
    """The bytes below a data directory: regular files only, a hard link counted once.

    Folders are opened without following a link, one below the other, so nothing swapped in
    meanwhile leads out. `bytes` is None when nothing could be measured; `notes` say what lacks.
    """

    def __init__(self, host: "Host", folder: Folder, path: str) -> None:
        self.bytes = None  # type: Optional[int]
        self.notes = []  # type: List[str]
        self._linked = set()  # type: set[Tuple[int, int]]
        self._remote = folder.remote
        self._end = min(time.monotonic() + MAX_SIZE_SECONDS, host.deadline)
        try:
            with folder.open(path) as node:
                top = node.reopen()
                self.bytes = 0
                self._walk([(top, entries_of(top), node.path)])
        except RemoteFile:
            self._note("on a network file system: not touched")
        except OSError as error:
            self._note("unreadable: %s" % error.strerror)

    def _note(self, text: str) -> None:
        if text not in self.notes and len(self.notes) < 4:
            self.notes.append(text)

    def _walk(self, stack: "List[Tuple[int, Iterator[os.DirEntry[str]], str]]") -> None:
        count = 0
        try:
            while stack:
                fd, entries, where = stack[-1]
                try:
                    entry = next(entries, None)
                    if entry is None:
                        os.close(stack.pop()[0])
                        continue
                    count += 1
                    if count > MAX_SIZE_ENTRIES or time.monotonic() > self._end:
                        self._note("measuring was cut short after %d files" % count)
                        return
                    path = where.rstrip("/") + "/" + entry.name
                    if path in self._remote:
                        self._note("%s is on a network file system: not counted" % path)
                    elif entry.is_dir(follow_symlinks=False):
                        if len(stack) < MAX_SIZE_DEPTH:
                            inner = open_quietly(entry.name, os.O_DIRECTORY | os.O_NOFOLLOW, fd)
                            stack.append((inner, entries_of(inner), path))
                        else:
                            self._note("folders below %d levels: not counted" % MAX_SIZE_DEPTH)
                    elif not entry.is_symlink():
                        self._add(entry.stat(follow_symlinks=False))
                    elif where.endswith("/pg_tblspc") or entry.name in ("pg_wal", "pg_xlog"):
                        # A tablespace, or the write-ahead log on another disk.
                        self._note("%s leads elsewhere: not counted" % path)
                except FileNotFoundError:
                    continue  # servers remove files all the time
                except OSError as error:
                    self._note("a part is unreadable: %s" % error.strerror)
                    if entry is None:
                        os.close(stack.pop()[0])
        finally:
            for fd, _, _ in stack:
                os.close(fd)

    def _add(self, status: os.stat_result) -> None:
        identity = (status.st_dev, status.st_ino)
        if stat.S_ISREG(status.st_mode) and identity not in self._linked and self.bytes is not None:
            self.bytes += status.st_size
            if status.st_nlink > 1 and len(self._linked) < MAX_HARD_LINKS:
                self._linked.add(identity)


# --- databases ----------------------------------------------------------------------------------


class Host:
    """The host that is looked at: its files and processes, and what was found so far."""

    def __init__(self, root: str, seconds: float) -> None:
        self.begun = time.monotonic()
        self.deadline = self.begun + seconds
        root = os.path.realpath(root)
        self.live = root == "/"
        self.proc = os.path.join(root, "proc")
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        mounts = Folder(fd).text("/proc/self/mounts" if self.live else "/proc/mounts")
        self.folder = Folder(fd, remote_mounts(mounts or ""))
        self.rules = rules()
        places = "|".join(re.escape(place).replace(r"\*", "[^/]*") for place in PLACES)
        self.places = re.compile("(?:%s)/[^/]+$" % places)
        self.warnings = []  # type: List[str]
        self.complete = True
        self.databases = []  # type: List[Database]
        self.proxies = []  # type: List[str]
        self.packages = None  # type: Optional[List[str]]
        self.package_status = None  # type: Text
        self.text_budget = MAX_ALL_EXECUTABLES
        self.texts = {}  # type: Dict[Tuple[Identity, int], Optional[Version]]
        self.data = set()  # type: set[Identity]
        self.running = set()  # type: set[Identity]

    def warn(self, text: str) -> None:
        """Say what could not be done; each thing once."""
        if text not in self.warnings and len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(text)

    def late(self) -> bool:
        """Whether time is up. What was not looked at by then is not known to be absent."""
        if time.monotonic() < self.deadline:
            return False
        self.complete = False
        self.warn(LATE)
        return True

    def is_usual(self, path: str) -> bool:
        """Whether servers are installed in the place of this path."""
        return bool(self.places.match(path))

    def trusts(self, node: Node) -> bool:
        """Whether only root could have put this file there. In a folder that stands for a host,
        owners mean nothing and nothing is run: there its place decides."""
        return node.is_file and (node.trusted if self.live else self.is_usual(node.path))


class Database:
    """One record of the report, and how each of its values was found. `place` tells it from
    another in the same container image: it outlives pid and container."""

    def __init__(self, rule: Rule, version: Version, status: str, why: str, binary: str) -> None:
        self.values = {"engine": version.engine or rule.engine}  # type: Dict[str, Any]
        self.evidence = {}  # type: Dict[str, str]
        self.place = ""
        self.put("status", status, why)
        self.put("edition", version.edition)
        self.put("version", version.version, version.evidence)
        self.put("binary", binary)

    def put(self, name: str, value: "Any", evidence: "Text" = None) -> None:
        """Set a value that is known."""
        if value is not None and value != "":
            self.values[name] = value
            if evidence:
                self.evidence[name] = evidence

    def put_data(self, host: Host, folder: Folder, found: "Optional[Found]") -> None:
        """Set the data directory and its size, which is unknown unless it was measured."""
        if found is None:
            return
        path = found[0]
        self.put("data_dir", *found)
        try:
            with folder.open(path) as node:
                host.data.add(node.identity)
                if host.live and node.is_folder:
                    fd = node.reopen()
                    disk = os.fstatvfs(fd)
                    os.close(fd)
                    self.put("disk_free_mb", disk.f_bavail * disk.f_frsize // MIB)
        except OSError:
            pass  # Size says why
        size = Size(host, folder, path)
        if size.bytes is not None:
            self.put("data_size_bytes", size.bytes)
            self.put("data_size_complete", not size.notes)
            self.evidence["data_size"] = "sum of file sizes"
        for note in size.notes:
            host.warn("%s: %s" % (path, note))

    def put_settings(self, rule: Rule, command: Command, config: Config, folder: Folder) -> None:
        """Set what the configuration says of encryption and replication."""
        self.put("config_file", config.file)
        self.put("role", rule.role)
        off = ("", "off", "no", "0", "false", "disabled", "disable", "none")
        for key in rule.tls:
            text = command.option("--" + key.replace("_", "-"))
            text, source = (text, command.source) if text else config.get([key]) or (None, "")
            if text is not None:
                self.put("tls", text.lower() not in off, source)
                break
        else:
            self.put("tls", rule.tls_default if config.file else None, "config %s" % config.file)
        for key, role in rule.roles:
            text, source = config.get([key]) or ("", "")
            path = "%s/%s" % (self.values.get("data_dir", ""), key)
            if text.lower() not in off:
                self.put("role", role, source)
            elif "data_dir" in self.values and folder.text(path, 1) is not None:
                self.put("role", role, "file " + key)


def look_at_process(host: Host, process: Process, rule: Rule) -> "Optional[Database]":
    """The database that a server process is; None with a warning when it is none."""
    folder = process_folder(host, process)
    try:
        links = process.descriptors()
        version, path, is_roots = running_version(host, process, rule, folder, links or [])
        if version is None:
            return None
        why = "process %d" % process.pid
        database = Database(rule, version, "running", why, path)
        database.put("started_at", process.started(host))
        database.put("memory_mb", process.memory and process.memory // 1024)
        users = folder.text("/etc/passwd") or ""
        name = re.search(r"^([^:\n]+):[^:\n]*:%s:" % process.user, users, re.M)
        database.put("owner", name.group(1) if name else process.user and str(process.user))
        config = configuration(folder, rule, process.command, process.cwd or "/")
        found = running_data_dir(folder, process, rule, config, links, is_roots)
        if found and (is_roots or not host.live or owns(process, folder, found[0])):
            database.put_data(host, folder, found)
        elif found:
            host.warn("process %d: %s is another user's, not its data" % (process.pid, found[0]))
        elif rule.keeps_data:
            host.warn("%s, %s: its data directory could not be found" % (why, rule.engine))
        else:
            database.evidence["data_size"] = "keeps no data on disk"
        database.put_settings(rule, process.command, config, folder)
        put_running_port(database, process, rule, config, links, folder)
        database.place = process.instance or ""
        put_container(host, process, database)
        return database
    finally:
        if folder is not host.folder:
            os.close(folder.fd)


def owns(process: Process, folder: Folder, path: str) -> bool:
    """Whether a folder belongs to the user a process runs as. Any user can start something that is
    called like a server and names a real server's data."""
    try:
        with folder.open(path) as node:
            return node.stat.st_uid == process.user
    except OSError:
        return False


def process_folder(host: Host, process: Process) -> Folder:
    """What the process sees as `/`: the host's folder, or a container's own."""
    links = process.files
    if host.live and links.link("root") == "/" and is_in_own("mnt", process):
        return host.folder
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        # On a live host the kernel makes this link. In a folder anyone did: it is not followed.
        fd = os.open("root", flags | (0 if host.live else os.O_NOFOLLOW), dir_fd=links.fd)
    except OSError:
        return host.folder
    return Folder(fd, remote_mounts(process.read("mounts")))


def is_in_own(kind: str, process: Process) -> bool:
    """Whether a process is in the probe's own namespace of this kind: so in no container."""
    try:
        return process.files.link("ns/" + kind) == os.readlink("/proc/self/ns/" + kind)
    except OSError:
        return False


def running_version(
    host: Host, process: Process, rule: Rule, folder: Folder, links: "List[str]"
) -> "Tuple[Optional[Version], str, bool]":
    """The version of a running server, None when it is no server; the path of its executable; and
    whether that file, wherever it is by now, was root's alone to change.

    Its package counts, and --version may be asked, only when what runs is the host's own file that
    nobody but root can change: not a container's, not one that was deleted or put there by a user.
    """
    exe = process.exe or hidden_program(host, process.pid) or "?"
    name = "process %d, %s" % (process.pid, exe)
    version = None  # type: Optional[Version]
    trusted = is_roots = False
    if rule.library:
        version, path = library_version(rule, process, folder, links)
        exe = path or exe
        name = "process %d, %s" % (process.pid, exe)
    try:
        opened = folder.open(exe) if rule.library else open_running(host, process, folder, exe)
        with opened as node:
            is_roots = node.stat.st_uid == 0 and not node.stat.st_mode & 0o022
            try:
                with host.folder.open(exe) as there:
                    same = there.identity == node.identity
                    same = same and (not process.deleted or bool(rule.library))
                    if rule.library:
                        trusted = same and (there.trusted or not host.live)
                    else:
                        trusted = same and host.trusts(there)
                    if trusted and version is None and not rule.library:
                        exe = there.path
                        may_ask = folder is host.folder and is_in_own("pid", process)
                        version = file_version(host, rule, there, may_ask)
            except OSError:
                pass  # the host has no such file: it is a container's, or deleted
            if version is None and not rule.library:
                version = read_text_version(host, rule, node)
    except RemoteFile:
        host.warn("%s: on a network file system, not read" % name)
        return path_version(rule, exe) or Version(None, ""), exe, True
    except OSError:
        trusted = not host.live and host.is_usual(exe)
    # Only root fills the usual places, with a vendor's own user's files too; a container's are its
    # image's.
    known = trusted or (host.is_usual(exe) and (folder is host.folder or bool(process.container)))
    if known and not rule.library and (version is None or not version.version):
        version = beside_version(folder, rule, exe) or path_version(rule, exe) or version
    if process.deleted and not rule.library:
        host.warn("%s: replaced while it runs, a restart is pending" % name)
    elif not trusted and folder is host.folder:
        host.warn("%s: others than root can change this executable; it was not run" % name)
    if version is None and known and not rule.library:
        host.warn("%s: its version could not be found" % name)
        version = Version(None, "")
    elif version is None:
        host.warn("%s: called like a server, without a server's text; not listed, not run" % name)
    if version and not version.engine and exe.endswith("/mariadbd"):
        version.engine = "mariadb"
    return version, exe, is_roots if host.live else trusted or folder is not host.folder


def library_version(
    rule: Rule, process: Process, folder: Folder, links: "List[str]"
) -> "Tuple[Optional[Version], Text]":
    """The version in the name of the file that an interpreter runs, and that file: it holds it
    open, or its command line names it and it is there."""
    for path in links + re.split("[\0:=]", process.line)[:5000]:
        match = re.match(rule.library, path)
        if match:
            for there in (path, os.path.dirname(path)):
                try:
                    folder.open(there).__exit__()
                    return Version(match.group(1), "file name"), there
                except OSError:
                    continue
    args = process.line.split("\0")
    homes = [arg.rpartition("=")[2] for arg in args if re.match(r"-D[\w.]*(home|storagedir)=", arg)]
    homes += [one[:-2] for arg in args for one in arg.split(":") if one.endswith("/*")]
    for home in homes[:50] + list(rule.library_places):
        for place in folder.glob(home) if home in rule.library_places else (home, home + "/lib"):
            for name in folder.names(place):
                match = re.match(rule.library, "%s/%s" % (place, name))
                if match:
                    return Version(match.group(1), "file name"), "%s/%s" % (place, name)
    return None, None


def open_running(host: Host, process: Process, folder: Folder, exe: str) -> Node:
    """The very file that runs: by the kernel's own link on a live host, by its name in a folder."""
    if not host.live or process.exe is None:
        return folder.open(exe + _DELETED if process.deleted else exe)
    if any(exe.startswith(point.rstrip("/") + "/") for point in folder.remote):
        raise RemoteFile(errno.EREMOTE, "on a network file system", exe)
    return Node(os.open("exe", _PEEK & ~os.O_NOFOLLOW, dir_fd=process.files.fd), exe, False)


def running_data_dir(
    folder: Folder,
    process: Process,
    rule: Rule,
    config: Config,
    links: "Optional[List[str]]",
    is_roots: bool,
) -> "Optional[Found]":
    """Command line, configuration, working directory, open files, then the usual places."""
    if not rule.keeps_data:
        return None
    cwd = process.cwd or "/"
    works_in = cwd if rule.data_marks and cwd != "/" and holds_data(folder, rule, cwd) else None
    for path, source in config.data:
        if holds_data(folder, rule, path) is False:
            continue
        if works_in and source.startswith("config") and not same_file(folder, path, works_in):
            continue  # the configuration was changed since the server started
        return path, source
    if works_in:
        return works_in, "working directory"
    for link in links or ():
        for name in rule.data_files:
            if link.startswith("/") and link.endswith("/" + name):
                return link[: -len(name) - 1], "open file %s" % name
    usual = [path for one in rule.data_places for path in folder.glob(one)]
    for path in usual if is_roots else ():
        if holds_data(folder, rule, path):
            return path, "usual place"
    if config.data:
        return config.data[0]
    at_work = cwd in usual or (rule.works_in_data and cwd != "/")
    return (cwd, "working directory") if at_work else None


def same_file(folder: Folder, one: str, other: str) -> bool:
    """Whether two paths lead to the same place."""
    try:
        with folder.open(one) as first, folder.open(other) as second:
            return first.identity == second.identity
    except OSError:
        return one == other


def put_running_port(
    database: Database,
    process: Process,
    rule: Rule,
    config: Config,
    links: "Optional[List[str]]",
    folder: Folder,
) -> None:
    """Its own listening sockets, then what it was told, its pid file, the default."""
    listening = listeners(process, links or [])
    for worker in process.workers if not listening else ():
        listening = listening or listeners(worker, worker.descriptors() or [])
    if listening:
        ports = [port for _, port in listening]
        likely = [config.port[0]] if config.port else []
        likely += [port for port in ports if rule.port_like and re.match(rule.port_like, str(port))]
        likely += [rule.default_port] + [port for port in ports if port not in rule.other_ports]
        port = next((port for port in likely if port in ports), ports[0])
        listening.sort(key=lambda pair: (pair[1] != port, pair[1], pair[0]))
        database.put("port", port, "listening socket")
        database.put("listen", ["%s:%d" % pair for pair in listening[:MAX_LISTEN]])
        return
    found = config.port
    if not found and rule.port_file[0]:
        name, line = rule.port_file
        text = folder.text("%s/%s" % (database.values.get("data_dir", ""), name), 4096) or ""
        found = port_number(dict(enumerate(text.split("\n"))).get(line), "file " + name)
    port, source = found or (rule.default_port, "engine default")
    seen = "sockets hidden" if links is None else "not listening"
    database.put("port", port, "%s, %s" % (source, seen))


# --- containers ---------------------------------------------------------------------------------

RUNTIME_FILES = (
    "/var/lib/docker/containers/%s/config.v2.json",
    "/run/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json",
    "/run/containers/storage/overlay-containers/%s/userdata/config.json",
    "/var/lib/containers/storage/overlay-containers/containers.json",
)


def put_container(host: Host, process: Process, database: Database) -> None:
    """Set what the container runtime's own files say. The runtime is not asked."""
    ident = process.container
    if ident is None:
        return
    database.put("container", ident[:12])
    for path in RUNTIME_FILES:
        try:
            tree = json.loads(host.folder.text(path.replace("%s", ident), MIB) or "null")
            if isinstance(tree, list):  # Podman: one file for all
                tree = next((one for one in tree if pick(one, "id") == ident), None)
                tree = json.loads(pick(tree, "metadata") or "null")
        except (ValueError, TypeError, RecursionError):
            continue
        notes = pick(tree, "annotations")
        image = pick(tree, "Config", "Image") or pick(tree, "image-name")
        image = image or pick(notes, "io.kubernetes.cri.image-name")
        image = image or pick(notes, "io.kubernetes.cri-o.ImageName")
        if not isinstance(image, str):
            continue
        database.put("image", image, "file " + path.replace("%s", ident[:12]))
        labels = pick(tree, "Config", "Labels")
        names = (
            pick(labels, "com.docker.compose.service"), pick(tree, "Name"), pick(tree, "name"),
            pick(notes, "io.kubernetes.cri.container-name"),
            pick(notes, "io.kubernetes.container.name"),
        )  # fmt: skip
        database.place += "|%s" % next((name for name in names if name), "")
        ports = pick(tree, "NetworkSettings", "Ports", "%s/tcp" % database.values["port"])
        host_port = pick(ports[0] if isinstance(ports, list) and ports else None, "HostPort")
        found = port_number(str(host_port), "container's configuration")
        if found:
            database.put("published_port", *found)
        break
    said = r"-host-port\x00(\d+)\x00-container-ip\x00([\d.]+)\x00-container-port\x00%s\x00"
    for line in host.proxies if "published_port" not in database.values else ():
        match = re.search(said % database.values["port"], line + "\0")
        if match and match.group(2) in process.read("net/fib_trie", MIB):
            found = port_number(match.group(1), "docker-proxy")
            database.put("published_port", *(found or (None,)))
    # Where the data comes from outlives the container: a volume, or a folder of the host.
    best = ("", "")
    for fields in [line.split(" ") for line in process.read("mountinfo", MIB).split("\n")]:
        data_dir = "%s/" % database.values.get("data_dir", "")
        if len(fields) > 4 and data_dir.startswith(fields[4].rstrip("/") + "/"):
            best = max(best, (fields[4], fields[3]))
    database.place += "|%s" % best[1] if best[0] not in ("", "/") else ""


def pick(tree: "Any", *keys: str) -> "Any":
    """What lies below these keys of nested JSON objects, if it does."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


# --- installed and not running ------------------------------------------------------------------


def installed_servers(host: Host) -> "Iterator[Tuple[Rule, Server]]":
    """The servers in the usual places that only root can change.

    Several names of one file count once; a script counts for nothing.
    """
    seen = set()
    found = []
    names = {name for rule in host.rules if not rule.library for name in rule.programs}
    for place in [path for pattern in PLACES for path in host.folder.glob(pattern)]:
        for name in sorted(names.intersection(host.folder.names(place))):
            path = "%s/%s" % (place, name)
            owners = [rule for rule in host.rules if name in rule.programs and rule.where in path]
            found.append((owners[0], path))
    for rule in host.rules:
        for place in [path for one in rule.library_places for path in host.folder.glob(one)]:
            paths = ["%s/%s" % (place, name) for name in host.folder.names(place)]
            found += [(rule, path) for path in paths if re.match(rule.library, path)]
    for rule, path in found:
        if host.late():
            return
        try:
            with host.folder.open(path) as node:
                known = rule.library or os.path.basename(node.path) in rule.programs + rule.aliases
                if node.identity in seen or not node.is_file or not known:
                    continue
                seen.add(node.identity)
                match = re.match(rule.library, path) if rule.library else None
                if not ((match and (node.trusted or not host.live)) or host.trusts(node)):
                    host.warn("%s: others than root can change it; not counted" % node.path)
                elif match or host.folder.read(node.path, 2) != b"#!":
                    version = Version(match.group(1), "file name") if match else None
                    version = version or file_version(host, rule, node, True)
                    if version is None:
                        host.warn("%s: its version could not be found" % node.path)
                    yield rule, (node.path, node.identity, version or Version(None, ""))
        except OSError:
            continue  # it has gone, or cannot be read


def stopped(host: Host, rule: Rule) -> "List[Command]":
    """What says how a server would be started: service units, configuration files, and the usual
    data directories, in this order."""
    found = unit_commands(host, rule)
    for path in [path for pattern in rule.config_places for path in host.folder.glob(pattern)]:
        if host.folder.text(path, 1) is not None:
            found.append(Command([], "config %s" % path, config=path))
    for path in [path for pattern in rule.data_places for path in host.folder.glob(pattern)]:
        if holds_data(host.folder, rule, path) is not False:
            found.append(Command([rule.data_options[0], path], "usual place"))
    return found


def unit_commands(host: Host, rule: Rule) -> "List[Command]":
    """From systemd's units: all that the administrator wrote, and the packages' with such a name.
    They are read; systemd is not asked."""
    units = {}  # type: Dict[str, str]
    for place in ("/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"):
        own = place.startswith("/etc")
        for name in host.folder.names(place)[:MAX_UNITS]:
            path = "%s/%s" % (place, name)
            if not own and not re.search(rule.unit_name, name):
                continue
            if name.endswith(".service"):
                units[name] = host.folder.text(path, 65536) or ""
            elif name.endswith(".service.d"):
                for part in host.folder.names(path)[:20]:
                    text = host.folder.text("%s/%s" % (path, part), 65536) or ""
                    units[name[:-2]] = "%s\n%s" % (units.get(name[:-2], ""), text)
    found = [unit_command(rule, name, text) for name, text in sorted(units.items())]
    return [command for command in found if command]


def unit_command(rule: Rule, name: str, text: str) -> "Optional[Command]":
    """How one unit starts this server, when it does."""
    variables = {}  # type: Dict[str, str]
    started = [""]
    for line in text.replace("\\\n", " ").split("\n"):
        key, _, value = line.strip().partition("=")
        if key == "Environment":
            variables.update(word.partition("=")[::2] for word in words(value))
        elif key == "ExecStart" and value.strip():
            started = words(value.strip().lstrip("-@:+!"))
    program = os.path.basename(started[0])
    if program not in rule.programs + rule.launchers:
        return None
    args = [
        re.sub(r"\$\{?(\w+)\}?", lambda match: variables.get(match.group(1), ""), word)
        for word in started[1:]
        if "%" not in word
    ]
    if rule.data_variable in variables:
        args[:0] = [rule.data_options[0], variables[rule.data_variable]]
    return Command(args, "unit %s" % name, started[0] if program in rule.programs else None)


def words(text: str) -> "List[str]":
    """The words of a unit's setting; quotes keep a word together."""
    found = re.findall(r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'])+", text[:65536])
    return [re.sub("[\"']", "", word) for word in found] or [""]


def look_at_installed(host: Host, rule: Rule, servers: "List[Server]") -> None:
    """Add the stopped servers: one for each data directory that an installed server would use, and
    one for each installed server that has none and does not run."""
    idle = [server for server in servers if server[1] not in host.running]
    spare = []  # type: List[Tuple[Command, Config]]
    for command in stopped(host, rule) if rule.keeps_data else ():
        if host.late():
            return
        config = configuration(host.folder, rule, command, "/")
        usable = [one for one in config.data if holds_data(host.folder, rule, one[0]) is not False]
        if not usable:
            spare.append((command, config))
            continue
        path = usable[0][0]
        try:
            with host.folder.open(path) as node:
                known = node.identity in host.data
        except OSError:  # not to be touched, or not to be seen: its name tells it apart
            known = any(db.values.get("data_dir") == path for db in host.databases)
        if known:
            continue
        server = server_for(host, rule, command, path, servers)
        if server is None:
            host.warn("%s: data of a server that is not installed" % path)
        else:
            idle = [other for other in idle if other is not server]
            add_installed(host, rule, server, command, config, usable[0])
    for server in idle:
        pairs = [pair for pair in spare if pair[0].binary in (None, server[0])]
        command, config = pairs[0] if pairs else (Command([], ""), Config())
        add_installed(host, rule, server, command, config, None)


def server_for(
    host: Host, rule: Rule, command: Command, data_dir: str, servers: "List[Server]"
) -> "Optional[Server]":
    """The installed server that would open this data directory."""
    for server in servers:
        if command.binary and same_file(host.folder, command.binary, server[0]):
            return server
    if not rule.data_version:
        return servers[0]
    series = (host.folder.text("%s/%s" % (data_dir, rule.data_version), 64) or "").strip()
    if not series:
        match = re.search(r"/(\d+(?:\.\d+)?)/", (command.config or data_dir) + "/")
        series = match.group(1) if match else ""
    for server in servers:
        if not series or ("%s." % server[2].version).startswith(series + "."):
            return server
    return None


def add_installed(
    host: Host,
    rule: Rule,
    server: "Server",
    command: Command,
    config: Config,
    data: "Optional[Found]",
) -> None:
    """Add the record of a stopped server. Without a data directory there are 0 bytes of data."""
    path, _, version = server
    database = Database(rule, version, "installed", "executable, no process", path)
    database.put("port", *(config.port or (rule.default_port, "engine default")))
    database.put_data(host, host.folder, data)
    database.put_settings(rule, command, config, host.folder)
    if data is None and (rule.data_places or not rule.keeps_data):
        database.put("data_size_bytes", 0)
        database.put("data_size_complete", True)
        database.evidence["data_size"] = "no data directory exists"
    host.databases.append(database)


# --- host facts ---------------------------------------------------------------------------------

_MACHINES = {3: "i686", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64"}


def host_facts(host: Host) -> "Dict[str, Any]":
    """Name, operating system, kernel, architecture, memory and processors."""

    def text(path: str) -> str:
        return (host.folder.text(path, 4 * MIB) or "").strip()

    def first(pattern: str, path: str) -> str:
        match = re.search(pattern, text(path), re.M)
        return match.group(1) if match else ""

    memory = first(r"^MemTotal:\s*(\d{1,15}) kB", "/proc/meminfo")
    name = r"^PRETTY_NAME=[\"']?(.*?)[\"']?$"
    cores, arch = os.cpu_count(), os.uname().machine  # type: Tuple[Optional[int], Optional[str]]
    if not host.live:
        cores = len(re.findall(r"^processor\s*:", text("/proc/cpuinfo"), re.M))
        arch = text("/proc/sys/kernel/arch") or elf_machine(host)
    facts = {
        "hostname": text("/proc/sys/kernel/hostname"),
        "os": first(name, "/etc/os-release")
        or first(name, "/usr/lib/os-release")
        or first(r"^(\S.*)$", "/etc/redhat-release")
        or first(r"^(\S.*)$", "/etc/system-release"),
        "kernel": text("/proc/sys/kernel/osrelease"),
        "arch": arch,
        "memory_mb": int(memory) // 1024 if memory else None,
        "cores": cores,
    }
    return {name: clean(value) for name, value in facts.items() if value}


def elf_machine(host: Host) -> "Text":
    """The architecture that the host's programs are built for."""
    binaries = [str(db.values["binary"]) for db in host.databases]
    for path in binaries + ["/bin/sh", "/usr/bin/bash", "/bin/bash", "/sbin/init"]:
        try:
            head = host.folder.read(path, 20)
        except OSError:
            continue
        if head[:4] == b"\x7fELF" and len(head) == 20:
            return _MACHINES.get(int.from_bytes(head[18:20], "little" if head[5] == 1 else "big"))
    return None


# --- report -------------------------------------------------------------------------------------

_FIELDS = (
    "db_id", "engine", "edition", "version", "status", "port", "listen", "data_dir",
    "data_size_bytes", "data_size_complete", "disk_free_mb", "binary", "config_file", "owner",
    "started_at", "memory_mb", "tls", "role", "container", "image", "published_port",
)  # fmt: skip
_PATHS = frozenset(("data_dir", "binary", "config_file"))


def look(host: Host) -> None:
    """Fill `host` with what is there: running servers first, then what is installed."""
    for process in candidates(host):
        if host.late():
            return
        if process.rule is None:
            continue
        try:
            database = look_at_process(host, process, process.rule)
        except OSError as error:
            host.warn("process %d could not be read: %s" % (process.pid, error.strerror))
            host.complete = host.complete and error.errno in (errno.ESRCH, errno.ENOENT)
            continue
        if database is None:
            continue
        host.databases.append(database)
        try:
            with host.folder.open(database.values["binary"]) as node:
                host.running.add(node.identity)
        except OSError:
            pass  # it runs from a container or was deleted: nothing on the host is in use
    servers = {}  # type: Dict[int, List[Server]]
    for rule, server in installed_servers(host):
        servers.setdefault(host.rules.index(rule), []).append(server)
    for index, found in sorted(servers.items()):
        if not host.late():
            look_at_installed(host, host.rules[index], found)


def give_ids(databases: "List[Database]") -> None:
    """Name each `<engine>-<port>`; where that is taken, add what tells the databases apart.

    Who keeps the plain name depends on nothing that a restart or another scan changes.
    """
    telling = ("data_dir", "published_port", "image", "config_file", "binary")

    def order(db: Database) -> "List[Any]":
        named = [str(db.values.get(key, "~")) for key in telling]
        return ["container" in db.values] + named + [db.place, str(db.values.get("container"))]

    taken = set()  # type: set[str]
    for db in sorted(databases, key=order):
        plain = name = "%s-%s" % (db.values["engine"], db.values.get("port", "unknown"))
        parts = [str(db.values.get(key, "")) for key in telling] + [db.place]
        whole = "|".join(parts)
        plain_place = whole if "container" in db.values else next(filter(None, parts), "")
        tries = [plain_place, whole] + [whole + "|" * at for at in range(1, 99)]
        while name in taken:
            import hashlib  # only now: on most hosts no name is taken

            told = tries.pop(0) if tries else str(len(taken))
            told = hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()
            name = "%s-%s" % (plain, told[:8])
        taken.add(name)
        db.values["db_id"] = name


def clean(value: "Any", limit: int = MAX_TEXT) -> "Any":
    """A value without anything a terminal, page or parser could trip over; texts are bounded."""
    if isinstance(value, list):
        return [clean(item) for item in value]
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def report(host: Host) -> "Dict[str, Any]":
    """The report, in the order in which it is printed."""
    give_ids(host.databases)
    records = []
    for db in sorted(host.databases, key=lambda db: str(db.values["db_id"])):
        record = {}  # type: Dict[str, Any]
        for name in _FIELDS:
            if name in db.values:
                record[name] = clean(db.values[name], MAX_PATH if name in _PATHS else MAX_TEXT)
        record["evidence"] = {name: clean(text) for name, text in db.evidence.items()}
        records.append(record)
    return {
        "schema": SCHEMA,
        "probe": VERSION,
        "host": host_facts(host),
        "databases": records,
        "warnings": [clean(text) for text in host.warnings],
        "complete": host.complete,
        "elapsed_ms": int((time.monotonic() - host.begun) * 1000),
        "count": len(records),
        "end": True,
    }


def compact(found: "Dict[str, Any]") -> str:
    """One line of ASCII; packed when it is longer than a list of results shows. What is too long
    even so loses its evidence, and says so; never a database."""
    line = packed(found)
    if len(line) > MAX_LINE:
        for record in found["databases"]:
            record.update(evidence={}, listen=[])
        found["warnings"] = found["warnings"][:5] + ["evidence left out: the report is too long"]
        line = packed(found)
    return line


def packed(found: "Dict[str, Any]") -> str:
    """The report as JSON, or, when that is long, as JSON around its compressed form."""
    line = json.dumps(found, separators=(",", ":"))
    if len(line) < MAX_PLAIN:
        return line
    import binascii
    import zlib

    data = binascii.b2a_base64(zlib.compress(line.encode("ascii"), 9)).decode("ascii").strip()
    outer = {"schema": SCHEMA, "packed": data, "count": found["count"], "end": True}
    return json.dumps(outer, separators=(",", ":"))


def pretty(found: "Dict[str, Any]") -> str:
    """The same report for people."""
    columns = ("db_id", "version", "status", "port", "data_size_bytes", "data_dir")
    rows = [["DATABASE", "VERSION", "STATUS", "PORT", "BYTES", "DATA DIRECTORY"]]
    rows += [[str(record.get(name, "-")) for name in columns] for record in found["databases"]]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [", ".join("%s %s" % pair for pair in found["host"].items())]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines + ["warning: %s" % text for text in found["warnings"]])


# --- command line -------------------------------------------------------------------------------


def options(args: "List[str]") -> "Tuple[str, bool, float]":
    """(root, pretty, seconds). By hand: importing a parser would take longer than a small scan.
    Raises ValueError with what is wrong."""
    root, is_pretty, seconds = "/", False, MAX_SECONDS
    rest = args[::-1]
    while rest:
        name, equals, value = rest.pop().partition("=")
        if name == "--pretty" and not equals:
            is_pretty = True
            continue
        if name not in ("--root", "--max-seconds"):
            raise ValueError("unknown option %s" % clean(name))
        if not equals:
            value = rest.pop() if rest else ""
        if name == "--root":
            root = value
        elif re.match(r"\d{1,6}(\.\d{1,6})?$", value) and float(value) > 0:
            seconds = float(value)
        else:
            raise ValueError("--max-seconds %s: not a number of seconds" % clean(value))
    if not os.path.isdir(root):
        raise ValueError("--root %s: no such folder" % clean(root))
    return root, is_pretty, seconds


def main(args: "List[str]") -> int:
    """Look and print. Returns the exit code."""
    if "--help" in args:
        print((__doc__ or "").strip())
        return 0
    try:
        root, is_pretty, seconds = options(args)
    except ValueError as error:
        sys.stderr.write("%s; see --help\n" % error)
        return 64
    try:
        host = Host(root, seconds)
        os.listdir(host.proc)
    except OSError as error:
        sys.stderr.write("cannot read /proc of %s: %s\n" % (clean(root), error.strerror))
        return 70
    try:
        be_modest(seconds)
        look(host)
    except OutOfTime:
        host.complete = False
        host.warn(LATE)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    found = report(host)
    sys.stdout.write((pretty(found) if is_pretty else compact(found)) + "\n")
    sys.stdout.flush()
    return 0


def be_modest(seconds: float) -> None:
    """Give way to everything else on the host, and stop for certain: what never comes back is
    interrupted a second after the limit that the code itself keeps."""
    os.nice(19)

    def stop(_signal: int, _frame: "Optional[FrameType]") -> None:
        raise OutOfTime

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds + 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
