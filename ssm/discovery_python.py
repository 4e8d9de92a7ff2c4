#!/usr/bin/env python3
"""Database Discovery probe: reports the database servers of this host as one line of JSON.

It reads files and /proc. It runs nothing, connects to nothing, writes nothing, and keeps to the
limits below. It is one file of standard-library Python, 3.6 and later.

How to audit it: a section begins with `# --- name ---`, and the sections come in the order in which
a host is scanned; `scan` calls them. Each has one promise that matters most, and a test of it:

  limits               whatever a host holds, the scan ends and prints a bounded report
    tests/ssm/test_probe_fuzz.py::test_always_a_valid_line_or_a_clean_failure
  files                no path and no link leads out of the folder that is scanned
    tests/ssm/test_probe_safety.py::test_no_path_leads_out_of_the_folder
  processes            a user's processes do not crowd out or hold up the real servers
    tests/ssm/test_probe_safety.py::test_fake_servers_do_not_crowd_out_the_real_one
  running servers      a user's process takes no data directory that is another's
    tests/ssm/test_probe_safety.py::test_a_forged_server_takes_nothing_of_the_real_one
  executables          nothing that is found is run; a name alone makes no server
    tests/ssm/test_probe_safety.py::test_an_untrusted_mysqld_is_neither_run_nor_listed
  versions             a version is read from packages, texts and names, never asked for
    tests/ssm/test_probe_untrusted.py::test_a_trusted_server_is_read_not_run
  configuration files  root reads no file for a process that could not read it itself
    tests/ssm/test_probe_untrusted.py::test_root_reads_no_file_for_a_process_that_could_not
  data directories     no network file system is touched
    tests/ssm/test_probe_untrusted.py::test_a_hung_network_mount_is_not_touched
  sockets              no port is connected to
    tests/ssm/test_probe_safety.py::test_a_port_alone_is_no_database
  containers           what a container or its runtime says costs its own record at most
    tests/ssm/test_probe_engines.py::test_hostile_runtime_files
  installed servers    what others than root can change is not counted as installed
    tests/ssm/test_probe_untrusted.py::test_one_flaw_is_enough_not_to_trust_it
  sizes                a directory that is swapped for another's is not measured
    tests/ssm/test_probe_untrusted.py::test_another_users_data_swapped_in
  report               no text of a host reaches a terminal, page or parser as it is
    tests/ssm/test_probe_hostile_files.py::test_names_from_everywhere_are_harmless
  command line         a scan writes, starts and signals nothing
    tests/ssm/test_probe_untrusted.py::test_a_scan_changes_nothing

usage: discovery_python.py [--root DIR] [--pretty] [--connections] [--max-seconds N]

  --root DIR        scan DIR as if it were the host's /
  --pretty          print a table for people in place of the JSON line
  --connections     count each server's established client connections by remote address
  --max-seconds N   stop after N seconds and report what was found (default 45)
  --help            print this

exit codes: 0 a report was printed, 64 wrong usage, 70 there is no readable /proc
"""

# ruff: noqa: B905, N818, RUF005, SIM905 - Python 3.6; contextlib costs start-up time

import errno
import os
import re
import signal
import stat
import sys
import time
from typing import TYPE_CHECKING, NamedTuple, Tuple

if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Iterator, List, NoReturn, Optional, Set

    Strings = List[str]
    Finding = Tuple[Any, str]  # a value, and its evidence
    Address = Tuple[str, int]  # IP address, TCP port
    Identity = Tuple[int, int]  # device, inode

SCHEMA = 1
VERSION = "1.3.0"

# --- limits -------------------------------------------------------------------------------------

MIB = 1 << 20
MAX_SECONDS = 45
MAX_SIZE_SECONDS = 20  # for one data directory
MAX_SIZE_ENTRIES = 5000000
MAX_SIZE_DEPTH = 64
MAX_HARD_LINKS = 200000  # remembered, to count each once
MAX_SERVERS = 500  # processes
MAX_DESCRIPTORS = 50000  # of one process
MAX_CMDLINE = 128 * 1024
MAX_ARGUMENTS = 1000
MAX_CONFIG_FILES = 200  # of one server
MAX_INCLUDES = 50
MAX_CONFIG_LINES = 20000
MAX_CONFIG_LINE = 4096
MAX_NET_TABLE = 4 * MIB
MAX_MOUNTS = 16 * MIB
MAX_PACKAGE_STATUS = 32 * MIB
MAX_EXECUTABLE = 256 * MIB  # read of one
MAX_ALL_EXECUTABLES = 512 * MIB
MAX_LISTED = 20000  # names of one folder
MAX_NAMES = 10 * MAX_LISTED  # kept in memory
MAX_UNITS = 1000
MAX_LINKS = 40  # followed on the way to one file
MAX_PATH_READ = 4096
MAX_TEXT = 256  # characters, in the report
MAX_PATH = 1024
MAX_WARNINGS = 20
MAX_OF_A_KIND = 5
MAX_LISTEN = 6
MAX_CLIENTS = 50
MAX_PLAIN = 2500  # characters that Systems Manager lists; a longer report is packed
MAX_LINE = 23000  # what Systems Manager returns of one invocation is 24,000 characters

LATE = "stopped by the time limit: there may be more than is listed"
CHANGEABLE = "others than root can change this executable"
NO_VERSION = "its version could not be found"
NO_DATA_DIR = "its data directory could not be found"

# File systems that can hang, or wake something up, when they are touched; fuse.* too.
REMOTE_FILE_SYSTEMS = (
    "9p acfs afs autofs beegfs ceph cifs coda cvmfs davfs fuse gfs gfs2 glusterfs gpfs lustre ncpfs"
    " nfs nfs4 ocfs2 orangefs panfs pvfs2 smb2 smb3 smbfs wekafs".split()
)

# --- columns of the engine table ----------------------------------------------------------------


class Fingerprint(NamedTuple):
    """What tells an engine and its edition from its relatives."""

    engine: str
    edition: str
    sign: str  # the pattern of a package's name, or a text that the executable contains


class Extract(NamedTuple):
    """A place, and the pattern whose groups are read there."""

    place: str  # the path of a file, or a text in the executable near which the pattern matches
    pattern: str


class Version(NamedTuple):
    """What is known of a server's software."""

    text: str  # empty when the version is not known
    evidence: str
    engine: str = ""  # where the evidence tells it: MariaDB's executable may be called mysqld
    edition: str = ""


Texts = Tuple[str, ...]
Fingerprints = Tuple[Fingerprint, ...]
Extracts = Tuple[Extract, ...]


class Engine(NamedTuple):
    """One kind of server: what tells that a process or file is one, and where its values stand.

    A pattern is a regular expression. A place is a path, with at most one `*` in each component. A
    setting is a name in a configuration file: `section.name`, where the file has sections.
    """

    # What it is
    name: str  # the report's engine; ENGINE_LABELS in discovery/model has its label
    fixed_role: str = ""  # the role of every such server, whatever its configuration says
    stateless: bool = False  # it keeps no data on disk

    # Which process is one
    programs: Texts = ()  # file names of its executable, and of nothing else's
    aliases: Texts = ()  # other file names that it may run by
    launchers: Texts = ()  # programs that start it for a service unit, with its arguments
    path_part: str = ""  # text in the executable's path, when others share the file name
    command_line: str = ""  # pattern its command line begins with, when it has other uses
    not_serving: Texts = ("--version", "-V", "-v", "--help", "-?", "-h")  # first arguments
    instance: str = ""  # pattern in command line or working directory; one record an instance
    instance_list: Extract = Extract("", "")  # file that lists instances: name, folder above bin

    # Which file and version it is
    library: str = ""  # pattern of the file that an interpreter loads as the server: the version
    library_places: Texts = ()  # folders of that file
    packages: Fingerprints = ()  # Debian's that own it; none: those called like it
    marks: Fingerprints = ()  # texts in the executable; the first that is there counts
    version_texts: Extracts = ()  # in the executable; one without a place counts beside a mark only
    series_texts: Extracts = ()  # the same for the series that the version belongs to
    build_id: str = ""  # pattern of what follows the version in a build id; no other number counts
    version_path: str = ""  # pattern of the version in the executable's path
    version_file: Extract = Extract("", "")  # file beside the executable
    data_version_file: str = ""  # file of the data directory: the series that can open it
    vendor_owned: bool = False  # a vendor's own user owns it: counts when it tells its version
    units: str = ""  # pattern of its packages' service units; none: its name

    # Which port it listens on
    port: int = 0  # the default
    other_ports: Tuple[int, ...] = ()  # not its port while it listens on another one
    port_options: Texts = ("--port",)
    port_settings: Texts = ("port",)
    port_pattern: str = ""  # of the port, when it depends on the instance
    port_file: Tuple[str, int] = ("", 0)  # file of the data directory, and the line, from 0

    # Where its data is
    data_options: Texts = ("--data-dir",)
    data_settings: Texts = ()
    data_places: Texts = ()
    data_variable: str = ""  # environment variable of a service unit
    data_marks: Texts = ()  # a data directory has one of these; an open one lies in one
    works_in_data_dir: bool = False  # even in an empty one

    # Where its configuration is
    config_options: Texts = ("--config-file", "--config")
    config_places: Texts = ()
    config_name: str = ""  # of the file, when an option names its folder
    config_beside: Texts = ()  # files in the same folder (or in the data directory), read later
    config_must_be_named: bool = False  # it reads no usual file unless it is told to
    data_option_is_config_dir: bool = False  # PostgreSQL's -D names the folder of postgresql.conf
    config_include: str = ""  # pattern of a line that includes: its kind, what it includes
    config_groups: str = ""  # pattern of the sections that count; none: all

    # What its configuration says
    tls_settings: Texts = ()  # each turns TLS on; the first counts most
    tls_off_by_default: bool = False
    roles: Tuple[Tuple[str, str], ...] = ()  # setting, or pattern of a data file; its role

    # What it was tried on, for engines.md
    tried_on: str = "synthetic host"

    @property
    def executables(self) -> "Texts":
        """The file names that its executable may have."""
        return self.programs + self.aliases

    @property
    def package_names(self) -> "Fingerprints":
        """The Debian packages that may own its executable."""
        usual = r"%s(-server|-tools)?(-\d[\d.]*)?" % self.name
        return self.packages or (Fingerprint(self.name, "", usual),)

    @property
    def unit_names(self) -> str:
        """The pattern of its packages' service units."""
        return self.units or self.name


# --- engine table -------------------------------------------------------------------------------

# Each row states what differs from the defaults above, or from the engine that it is like.

MYSQL = Engine(
    name="mysql",
    programs=("mysqld", "mariadbd", "mysqld-debug", "mysqld.bin", "mysqld-max"),
    launchers=("mysqld_safe", "mariadbd-safe"),
    not_serving=(
        "--version",
        "-V",
        "--help",
        "-?",
        "--verbose",
        "--initialize",
        "--initialize-insecure",
        "--bootstrap",
        "--validate-config",
        "--print-defaults",
    ),
    packages=(
        Fingerprint("percona", "", r"percona-server-server(-\d[\d.]*)?"),
        Fingerprint("percona", "XtraDB Cluster", r"percona-xtradb-cluster-server(-\d[\d.]*)?"),
        Fingerprint("mariadb", "", r"mariadb-server(-core)?(-\d[\d.]*)?"),
        Fingerprint("mysql", "Enterprise", "mysql-(commercial|enterprise)-server(-core)?"),
        Fingerprint("mysql", "Community", "mysql-(cluster-)?community-server(-core|-debug)?"),
        Fingerprint("mysql", "Community", r"mysql-server(-core)?(-\d[\d.]*)?"),
    ),
    marks=(
        Fingerprint("percona", "XtraDB Cluster", "Percona XtraDB Cluster ("),
        Fingerprint("percona", "", "Percona Server ("),
        Fingerprint("mariadb", "Enterprise", "-MariaDB-enterprise"),
        Fingerprint("mariadb", "", "-MariaDB"),
        Fingerprint("mysql", "Enterprise", "MySQL Enterprise Server"),
        Fingerprint("mysql", "Community", "Community Server"),
    ),
    version_texts=(
        Extract("-MariaDB", r"(?<![\d.])(\d{1,2}\.\d{1,2}\.\d{1,3})(?:-\d{1,2})?-MariaDB"),
    ),
    series_texts=(
        Extract("mysqld-", r"\x00mysqld-(\d{1,2}\.\d{1,2})\x00"),
        Extract("mariadbd-", r"\x00mariadbd-(\d{1,2}\.\d{1,2})\x00"),
    ),
    version_path=r"(?:mysql|mariadb|percona-server)[^/]*?-(\d+\.\d+\.\d+(?:-\d+)?)",
    units="mysql|maria|percona",
    port=3306,
    other_ports=(33060, 33062, 4444, 4567, 4568),
    port_options=("-P", "--port"),
    data_options=("-h", "--datadir"),
    data_settings=("datadir",),
    data_places=("/var/lib/mysql",),
    data_marks=("ibdata1", "aria_log_control", "mysql.ibd", "mysql", "undo_001"),
    config_options=("--defaults-file",),
    config_places=("/etc/my.cnf", "/etc/mysql/my.cnf"),
    config_include=r"!(include(?:dir)?)\s+(.*)",
    config_groups=r"(mysqld|server|mysqld-\d+\.\d+|mariadbd?(-\d+\.\d+)?)$",
    tls_settings=("ssl_cert",),
    roles=(
        ("master.info", "replica"),
        ("relay-log.info", "replica"),
        # MySQL 8: a replica's first relay log gets a second as soon as it connects.
        (r".*-relay-bin\.(?!0*1$)\d+", "replica"),
        ("wsrep_cluster_address", "cluster member"),
        ("group_replication_group_name", "cluster member"),
    ),
    tried_on="MariaDB 10.11, 11.8, MySQL 5.6, 5.7, 8.0, 8.4, 9.7",
)

POSTGRESQL = Engine(
    name="postgresql",
    programs=("postgres", "postmaster", "postgres.bin"),
    launchers=("pg_ctl",),
    not_serving=(
        "--version",
        "-V",
        "--help",
        "-?",
        "--boot",
        "--single",
        "--check",
        "--describe-config",
        "-C",
    ),
    packages=(Fingerprint("postgresql", "", r"(pgdg-)?postgresql(-?\d[\d.]*)?(-server)?"),),
    marks=(
        Fingerprint("edb", "", "postgres (EnterpriseDB)"),
        Fingerprint("postgresql", "", "postgres (PostgreSQL)"),
    ),
    version_texts=(
        Extract(
            "postgres",
            r"postgres \((?:PostgreSQL|EnterpriseDB)\) (\d+(?:\.\d+){0,2}(?:[a-z]+\d+|devel)?)",
        ),
    ),
    version_path=r"(?:postgresql|pgsql|postgres)[-/]?(\d+(?:\.\d+)*)(?=[-/])",
    data_version_file="PG_VERSION",
    units="postgres|pgsql",
    port=5432,
    port_options=("-p", "--port"),
    port_file=("postmaster.pid", 3),
    data_options=("-D", "--data-directory"),
    data_settings=("data_directory",),
    data_places=(
        "/var/lib/postgresql/*/*",
        "/var/lib/postgresql/data",
        "/var/lib/pgsql/data",
        "/var/lib/pgsql/*/data",
        "/var/lib/postgres/data",
        "/usr/local/pgsql/data",
    ),
    data_variable="PGDATA",
    data_marks=("PG_VERSION", "postmaster.pid"),
    config_places=("/etc/postgresql/*/*/postgresql.conf",),
    config_name="postgresql.conf",
    config_beside=("postgresql.auto.conf",),
    config_include=r"(include(?:_dir|_if_exists)?)\s*[= ]\s*(.*)",
    tls_settings=("ssl",),
    roles=(("standby.signal", "standby"), ("recovery.conf", "standby")),
    tls_off_by_default=True,
    data_option_is_config_dir=True,
    config_must_be_named=True,
    tried_on="PostgreSQL 10, 12, 15, 16, 17 (32 bits too), 18",
)

EDB = POSTGRESQL._replace(
    name="edb",
    programs=("edb-postgres", "edb-postmaster"),
    packages=(Fingerprint("edb", "Advanced Server", r"edb-as\d+-server(-core)?"),),
    units="edb-as",
    port=5444,
    data_places=("/var/lib/edb/*/data", "/var/lib/edb-as/*/*"),
    config_places=("/etc/edb-as/*/*/postgresql.conf",),
    tried_on="synthetic host",
)

MONGODB = Engine(
    name="mongodb",
    programs=("mongod",),
    not_serving=("--version", "-h", "--help", "--repair", "--shutdown", "--sysinfo"),
    packages=(
        Fingerprint("mongodb", "Enterprise", "mongodb-enterprise(-server)?"),
        Fingerprint("mongodb", "Percona", "percona-server-mongodb(-server)?"),
        Fingerprint("mongodb", "Community", "mongodb(-org)?(-server)?(-core)?"),
    ),
    marks=(Fingerprint("mongodb", "", "gitVersion"), Fingerprint("mongodb", "", "db version v")),
    version_texts=(
        Extract(
            "",
            r"\0(\d\.\d[\w.-]{2,24})\0{1,8}"
            r"(?:[0-9a-f]{40}\0|(?:\w{1,40}\0{1,8}){1,3}distmod|git |build )",
        ),
    ),
    version_path=r"mongodb[^/]*?-(\d+\.\d+\.\d+)",
    units="mongod",
    port=27017,
    port_settings=("net.port", "port"),
    data_options=("--dbpath",),
    data_settings=("storage.dbPath", "dbpath"),
    data_places=("/var/lib/mongodb", "/var/lib/mongo", "/data/db"),
    data_marks=("WiredTiger", "storage.bson", "mongod.lock", "WiredTiger.wt", "WiredTiger.lock"),
    config_options=("-f", "--config"),
    config_places=("/etc/mongod.conf", "/etc/mongodb.conf"),
    tls_settings=("net.tls.mode", "net.ssl.mode"),
    roles=(("replication.replSetName", "replica set member"), ("replSet", "replica set member")),
    tls_off_by_default=True,
    config_must_be_named=True,
    tried_on="MongoDB 2.6, 3.6",
)

MONGODB_ROUTER = MONGODB._replace(
    programs=("mongos",),
    packages=(Fingerprint("mongodb", "", "mongodb(-org|-enterprise)?-mongos"),),
    units="mongos",
    config_places=("/etc/mongos.conf",),
    fixed_role="router",
    stateless=True,
    tried_on="synthetic host",
)

REDIS = Engine(
    name="redis",
    programs=("redis-server",),
    aliases=("redis-check-rdb", "redis-check-aof"),
    command_line=r"(/[^\0]*/|\S*/)?\w+-server(?![^\0]*\[sentinel\])(?!.*--sentinel)",
    marks=(Fingerprint("redis", "", "redis_version:"),),
    version_texts=(Extract("", r"\0(\d{1,2}\.\d{1,2}\.\d{1,3})(?=\0)"),),
    build_id=r"[\w.,:+ -]{9,200}[0-9a-f]{8}\0",
    port=6379,
    data_options=("--dir",),
    data_settings=("dir",),
    data_places=("/var/lib/redis", "/var/lib/redis/*"),
    data_marks=("dump.rdb", "appendonlydir", "appendonly.aof"),
    config_places=("/etc/redis/*.conf", "/etc/redis.conf"),
    config_include=r"(include)\s+(.*)",
    tls_settings=("tls-port",),
    roles=(("replicaof", "replica"), ("slaveof", "replica")),
    works_in_data_dir=True,
    tls_off_by_default=True,
    config_must_be_named=True,
    tried_on="Redis 4.0, 5.0, 7.0, 8.0",
)

VALKEY = REDIS._replace(
    name="valkey",
    programs=("valkey-server",),
    aliases=("valkey-check-rdb", "valkey-check-aof"),
    marks=(Fingerprint("valkey", "", "valkey_version:"),),
    data_places=("/var/lib/valkey",),
    config_places=("/etc/valkey/*.conf",),
    tried_on="Valkey 8.1, 9.1",
)

KEYDB = REDIS._replace(
    name="keydb",
    programs=("keydb-server",),
    aliases=("keydb-check-rdb", "keydb-check-aof"),
    marks=(Fingerprint("keydb", "", "KeyDB"),),
    build_id="",
    data_places=("/var/lib/keydb",),
    config_places=("/etc/keydb/*.conf",),
    tried_on="synthetic host",
)

COUCHBASE = Engine(
    name="couchbase",
    programs=("memcached",),
    path_part="/couchbase/bin/",
    packages=(Fingerprint("couchbase", "", "couchbase-server(-community)?"),),
    version_file=Extract("../VERSION.txt", r"(\d+\.\d+\.\d+)"),
    port=11210,
    other_ports=(11207,),
    data_places=("/opt/couchbase/var/lib/couchbase/data",),
)

MEMCACHED = Engine(
    name="memcached",
    programs=("memcached",),
    version_texts=(Extract("memcached", r"memcached (\d+\.\d+\.\d+)"),),
    port=11211,
    port_options=("-p", "--port"),
    stateless=True,
    tried_on="memcached 1.5, 1.6",
)

CASSANDRA = Engine(
    name="cassandra",
    programs=("java",),
    command_line=r".*\0org\.apache\.cassandra\.service\.CassandraDaemon",
    library=r".*/apache-cassandra-(\d+\.\d+(?:\.\d+)?)\.jar$",
    library_places=("/usr/share/cassandra", "/usr/share/cassandra/lib", "/opt/*cassandra*/lib"),
    port=9042,
    other_ports=(7000, 7001, 7199),
    port_settings=("native_transport_port",),
    data_settings=("data_file_directories",),
    data_places=("/var/lib/cassandra/data",),
    data_marks=("system", "system_schema"),
    config_options=("-Dcassandra.config",),
    config_places=("/etc/cassandra/cassandra.yaml", "/etc/cassandra/conf/cassandra.yaml"),
    tls_settings=("client_encryption_options.enabled",),
    tls_off_by_default=True,
)

SCYLLADB = CASSANDRA._replace(
    name="scylladb",
    programs=("scylla",),
    command_line="",
    library="",
    library_places=(),
    packages=(Fingerprint("scylladb", "", "scylla(-enterprise)?-server"),),
    version_file=Extract("../SCYLLA-VERSION-FILE", r"(\d+\.\d+\.\d+)"),
    units="scylla",
    data_places=("/var/lib/scylla/data",),
    config_options=("--options-file",),
    config_places=("/etc/scylla/scylla.yaml",),
)

ELASTICSEARCH = Engine(
    name="elasticsearch",
    programs=("java",),
    command_line=r".*\0(org\.elasticsearch\.(bootstrap|server)[\w./]*|-m\0org\.elasticsearch\.server)",
    library=r".*/elasticsearch-(\d+\.\d+\.\d+)\.jar$",
    library_places=("/usr/share/elasticsearch/lib", "/opt/elasticsearch*/lib"),
    port=9200,
    other_ports=(9300,),
    port_options=("-Ehttp.port",),
    port_settings=("http.port",),
    data_options=("-Epath.data", "-Des.path.data"),
    data_settings=("path.data",),
    data_places=("/var/lib/elasticsearch",),
    data_marks=("nodes/0/node.lock", "node.lock", "_state", "indices"),
    config_options=("-Des.path.conf",),
    config_places=("/etc/elasticsearch/elasticsearch.yml",),
    config_name="elasticsearch.yml",
    tls_settings=("xpack.security.http.ssl.enabled", "xpack.security.http.ssl"),
    tried_on="Elasticsearch 1.7",
)

OPENSEARCH = ELASTICSEARCH._replace(
    name="opensearch",
    command_line=r".*\0org\.opensearch\.bootstrap\.OpenSearch",
    library=r".*/opensearch-(\d+\.\d+\.\d+)\.jar$",
    library_places=("/usr/share/opensearch/lib", "/opt/opensearch*/lib"),
    data_places=("/var/lib/opensearch",),
    config_options=("-Dopensearch.path.conf",),
    config_places=("/etc/opensearch/opensearch.yml",),
    config_name="opensearch.yml",
    tls_settings=("plugins.security.ssl.http.enabled",),
    tried_on="synthetic host",
)

NEO4J = Engine(
    name="neo4j",
    programs=("java",),
    command_line=r".*\0(com|org)\.neo4j\.server\.(\w{1,40}\.)?(\w{0,60}EntryPoint|startup\.\w)",
    library=r".*/neo4j-kernel-(\d+\.\d+\.\d+)\.jar$",
    library_places=("/usr/share/neo4j/lib", "/opt/neo4j*/lib"),
    port=7687,
    other_ports=(7474, 7473),
    port_settings=("server.bolt.listen_address", "dbms.connector.bolt.listen_address"),
    data_settings=("server.directories.data", "dbms.directories.data"),
    data_places=("/var/lib/neo4j/data",),
    data_marks=("databases", "transactions"),
    config_options=("--config-dir",),
    config_places=("/etc/neo4j/neo4j.conf",),
    config_name="neo4j.conf",
    tls_settings=("server.bolt.tls_level",),
)

COUCHDB = Engine(
    name="couchdb",
    programs=("beam.smp",),
    command_line=".*couchdb",
    library=r".*/(?:releases/|couch-)(\d+\.\d+\.\d+)/(?:couchdb|ebin/couch\.app)",
    library_places=(
        "/opt/couchdb/releases/*",
        "/usr/lib/x86_64-linux-gnu/couchdb/erlang/lib/couch-*/ebin",
    ),
    port=5984,
    other_ports=(4369, 5986),
    port_settings=("chttpd.port", "httpd.port"),
    data_settings=("couchdb.database_dir",),
    data_places=("/opt/couchdb/data", "/var/lib/couchdb"),
    data_marks=("_dbs.couch", "shards", "_users.couch"),
    config_options=("-couch_ini",),
    config_places=("/opt/couchdb/etc/default.ini", "/etc/couchdb/default.ini"),
    config_beside=("local.ini", "local.d/*.ini"),
    tls_settings=("ssl.enable",),
    tls_off_by_default=True,
    tried_on="CouchDB 1.6",
)

CLICKHOUSE = Engine(
    name="clickhouse",
    programs=("clickhouse-server",),
    aliases=("clickhouse",),
    command_line=r"(/[^\0]*/|\S*/)?clickhouse(-server\b|\0server\b)",
    packages=(Fingerprint("clickhouse", "", "clickhouse-(common-static|server(-base|-common)?)"),),
    version_texts=(
        Extract("-stable", r"v?(\d\d\.\d{1,2}\.\d+\.\d+)-stable"),
        Extract("-lts", r"v?(\d\d\.\d{1,2}\.\d+\.\d+)-lts"),
    ),
    port=9000,
    other_ports=(8123, 9004, 9005, 9009),
    port_settings=("tcp_port",),
    data_options=("--path",),
    data_settings=("path",),
    data_places=("/var/lib/clickhouse",),
    data_marks=("metadata", "store", "status"),
    config_options=("-C", "--config-file"),
    config_places=("/etc/clickhouse-server/config.xml",),
    config_beside=("config.d/*.xml",),
    tls_settings=("tcp_port_secure",),
    tls_off_by_default=True,
    tried_on="ClickHouse 18.16",
)

INFLUXDB = Engine(
    name="influxdb",
    programs=("influxd", "influxdb3"),
    packages=(Fingerprint("influxdb", "", r"influxdb\d?(-server|-core)?"),),
    version_texts=(Extract("main.version=", r"main\.version=v?(\d+\.\d+\.\d+)"),),
    version_path=r"/influxdb[^/]*?-(\d+\.\d+\.\d+)",
    units="influx",
    port=8086,
    other_ports=(8088,),
    port_options=("--http-bind-address",),
    port_settings=("http.bind-address", "http-bind-address"),
    data_options=("--engine-path", "--data-dir"),
    data_settings=("data.dir", "engine-path"),
    data_places=("/var/lib/influxdb/data", "/var/lib/influxdb/engine"),
    config_options=("-config", "--config"),
    config_places=("/etc/influxdb/influxdb.conf", "/etc/influxdb/config.toml"),
    tls_settings=("http.https-enabled", "tls-cert"),
    tried_on="InfluxDB 1.1, 1.6",
)

COCKROACHDB = Engine(
    name="cockroachdb",
    programs=("cockroach",),
    command_line=r".*\0start(-single-node)?\0",
    version_path=r"/cockroach-v(\d+\.\d+\.\d+)",
    units="cockroach",
    port=26257,
    other_ports=(8080,),
    port_options=("--listen-addr", "--port"),
    data_options=("-s", "--store"),
    data_places=("/var/lib/cockroach",),
    data_marks=("CURRENT", "cockroach-temp", "STORAGE_MIN_VERSION", "LOCK"),
    tls_settings=("certs-dir",),
)

TIDB = Engine(
    name="tidb",
    programs=("tidb-server",),
    version_texts=(Extract("ReleaseVersion=v", r"TiDBReleaseVersion=v(\d+\.\d+\.\d+)"),),
    version_path=r"/tidb[^/]*/?v(\d+\.\d+\.\d+)",
    port=4000,
    other_ports=(10080,),
    port_options=("-P", "--port"),
    config_places=("/etc/tidb/*.toml",),
    tls_settings=("security.ssl-cert",),
    stateless=True,
    config_must_be_named=True,
)

ETCD = Engine(
    name="etcd",
    programs=("etcd",),
    version_texts=(
        Extract("go.etcd.io/etcd/api/v3", r"go\.etcd\.io/etcd/api/v3\tv(\d+\.\d+\.\d+)"),
    ),
    version_path=r"/etcd-v(\d+\.\d+\.\d+)",
    port=2379,
    other_ports=(2380, 2381),
    port_options=("--listen-client-urls",),
    port_settings=("listen-client-urls",),
    data_settings=("data-dir",),
    data_places=("/var/lib/etcd", "/var/lib/etcd/*"),
    data_marks=("member", "member/snap/db"),
    tls_settings=("cert-file", "client-transport-security.cert-file"),
    tried_on="etcd 3.2, 3.4, 3.5",
)

FIREBIRD = Engine(
    name="firebird",
    programs=("firebird", "fb_smp_server", "fbserver"),
    packages=(Fingerprint("firebird", "", r"firebird\d\.\d-server(-core)?"),),
    version_texts=(Extract("Firebird", r"[A-Z]{2}-[VT]((\d+\.\d+)\.\d+\.\d+) Firebird \2"),),
    port=3050,
    port_options=("-p",),
    port_settings=("RemoteServicePort",),
    data_places=("/var/lib/firebird/*/data", "/var/lib/firebird/data"),
    config_places=("/etc/firebird/*/firebird.conf", "/opt/firebird/firebird.conf"),
    tried_on="Firebird 3.0, 4.0",
)

SQLSERVER = Engine(
    name="sqlserver",
    programs=("sqlservr",),
    packages=(Fingerprint("sqlserver", "", "mssql-server"),),
    units="mssql",
    port=1433,
    other_ports=(1431, 1434),
    port_settings=("network.tcpport",),
    data_settings=("filelocation.defaultdatadir",),
    data_places=("/var/opt/mssql/data",),
    data_marks=("master.mdf",),
    config_places=("/var/opt/mssql/mssql.conf",),
    tls_settings=("network.tlscert",),
    roles=(("hadr.hadrenabled", "availability group"),),
)

ORACLE = Engine(
    name="oracle",
    programs=("oracle",),
    command_line="ora_pmon_",
    instance=r"ora_pmon_(\w+)",
    instance_list=Extract("/etc/oratab", r"(?m)^(\w+):(/[^:\n]+):"),
    version_file=Extract(
        "../inventory/ContentsXML/comps.xml", r'NAME="oracle\.server" VER="(\d+[\d.]*)"'
    ),
    version_path=r"/product/(\d+(?:\.\d+)*)/",
    port=1521,
    vendor_owned=True,
)

DB2 = Engine(
    name="db2",
    programs=("db2sysc",),
    instance="db2sysc",
    version_path=r"/db2/V(\d+\.\d+)",
    port=50000,
    port_pattern=r"(50\d\d\d|25\d\d\d)",
    vendor_owned=True,
)

HANA = Engine(
    name="hana",
    programs=("hdbindexserver", "hdbnameserver"),
    instance=r"/usr/sap/(\w{3}/HDB\d\d)",
    version_file=Extract("manifest", r"fullversion:\s*(\d+\.\d+\.\d+)"),
    units="saphana",
    port=30015,
    port_pattern=r"3\d\d(13|15)",
    data_places=("/hana/data/*",),
    vendor_owned=True,
)

ASE = Engine(
    name="ase",
    programs=("dataserver",),
    marks=(Fingerprint("ase", "", "Adaptive Server Enterprise/"),),
    version_texts=(
        Extract("Adaptive Server Enterprise/", r"Adaptive Server Enterprise/(\d+\.\d+(?:\.\d+)?)"),
    ),
    version_path=r"/ASE-(\d+)_",
    units="sybase|dataserver",
    port=5000,
    data_options=("-d",),
    config_options=("-c",),
    vendor_owned=True,
)

# Where several have a program's name, the first counts whose path and command line fit.
ENGINES = (
    MYSQL,
    POSTGRESQL,
    EDB,
    MONGODB,
    MONGODB_ROUTER,
    REDIS,
    VALKEY,
    KEYDB,
    COUCHBASE,
    MEMCACHED,
    CASSANDRA,
    SCYLLADB,
    ELASTICSEARCH,
    OPENSEARCH,
    NEO4J,
    COUCHDB,
    CLICKHOUSE,
    INFLUXDB,
    COCKROACHDB,
    TIDB,
    ETCD,
    FIREBIRD,
    SQLSERVER,
    ORACLE,
    DB2,
    HANA,
    ASE,
)

# Where packages and tarballs put servers; only root fills these folders.
PLACES = """
/usr/sbin /usr/libexec /usr/bin /usr/local/bin /usr/local/sbin /usr/local/libexec /usr/local/*/bin
/opt/*/bin /opt/*/sbin /opt/*/*/bin /opt/rh/*/root/usr/bin /opt/rh/*/root/usr/sbin
/opt/rh/*/root/usr/libexec /usr/lib/postgresql/*/bin /usr/lib/postgresql*/bin /usr/pgsql-*/bin
/usr/libexec/postgresql* /usr/edb/*/bin /opt/scylladb/libexec /opt/mssql/bin /opt/firebird/bin
/usr/lib/firebird/*/bin /opt/ibm/db2/*/adm /opt/couchdb/erts-*/bin
/u01/app/oracle/product/*/*/bin /opt/oracle/product/*/*/bin /usr/sap/*/HDB*/exe
/hana/shared/*/exe/linuxx86_64/hdb /opt/sap/ASE-*/bin /opt/sybase/ASE-*/bin
""".split()

# --- files --------------------------------------------------------------------------------------

_PATH_ONLY = getattr(os, "O_PATH", 0)
_PEEK = _PATH_ONLY | os.O_NONBLOCK | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class OutOfTime(Exception):
    """The hard time limit passed."""


class RemoteFile(OSError):
    """The path is on a file system that is never touched."""


class Node:
    """A file or folder that was reached safely: an open descriptor, which closes with this object.

    `components` are the `stat` results of the folders above it and of itself.
    """

    components: "Tuple[os.stat_result, ...]" = ()

    def __init__(self, fd: int, path: str) -> None:
        self.fd, self.path = fd, path
        self.stat = os.fstat(fd)
        self.identity = (self.stat.st_dev, self.stat.st_ino)
        self.is_file = stat.S_ISREG(self.stat.st_mode)
        self.is_folder = stat.S_ISDIR(self.stat.st_mode)

    @property
    def is_roots(self) -> bool:
        """Whether only root can change it."""
        return only_root_writes(self.stat)

    @property
    def trusted(self) -> bool:
        """Whether only root can change it or put another in its place."""
        return all(map(only_root_writes, self.components))

    def __del__(self) -> None:
        os.close(self.fd)

    def reopened(self) -> "Node":
        """The same file or folder, opened for reading without following its path again."""
        if not self.is_file and not self.is_folder:
            raise OSError(errno.EINVAL, "neither a regular file nor a folder", self.path)
        own = "/proc/self/fd/%d" % self.fd
        return Node(open_quietly(own) if _PATH_ONLY else os.dup(self.fd), self.path)

    def entries(self) -> "Iterator[os.DirEntry[str]]":
        """The entries of a folder, as they come."""
        node = self.reopened()
        if sys.version_info >= (3, 7):
            yield from os.scandir(node.fd)
        else:
            yield from os.scandir("/proc/self/fd/%d" % node.fd)  # 3.6 takes no descriptor

    def read(self, limit: int = MIB) -> bytes:
        """The first `limit` bytes of a regular file; none when it cannot be read."""
        pieces: List[bytes] = []
        try:
            if self.is_file:
                node = self.reopened()
                size = node.stat.st_size  # of /proc's files 0
                rest = min(limit, size or limit)
                while rest > 0:
                    pieces.append(os.read(node.fd, min(rest, size or 65536)))
                    rest = rest - len(pieces[-1]) if pieces[-1] else 0
        except OSError:
            return b""
        return b"".join(pieces)


def only_root_writes(status: os.stat_result) -> bool:
    """Whether root owns a file or folder, and neither group nor others can write it."""
    return status.st_uid == 0 and not status.st_mode & 0o022


def open_quietly(path: str, flags: int = 0, folder: "Optional[int]" = None) -> int:
    """Open for reading, without changing the access time where that is allowed."""
    try:
        return os.open(path, _READ | flags | getattr(os, "O_NOATIME", 0), dir_fd=folder)
    except PermissionError:
        return os.open(path, _READ | flags, dir_fd=folder)


class Folder:
    """A folder seen as `/`.

    Paths are followed one component at a time through open descriptors, and links are followed
    inside the folder. So no path leads out, whatever links say and whoever changes them meanwhile.
    """

    def __init__(self, fd: int, mounts: str = "") -> None:
        self.top = Node(fd, "")
        self.remote = remote_mount_points(mounts) if mounts else []
        self.listings: Dict[str, Strings] = {}
        self.room = MAX_NAMES  # a folder has any number of paths: `a`, `./a`, `././a`

    def open(self, path: str) -> Node:
        """Follow `path` to its end. Raises OSError; RemoteFile before a remote file system."""
        if "\0" in path or len(path) > MAX_PATH_READ:
            raise OSError(errno.EINVAL, "not a path")
        remaining = path.split("/")[::-1]
        trail, links = [self.top], 0
        while remaining:
            name = remaining.pop()
            if name == "..":
                trail = trail[:-1] or trail
            if name in ("", ".", ".."):
                continue
            target = self.step(trail, name)
            if target:
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, "too many links", trail[-1].path + "/" + name)
                remaining += target.split("/")[::-1]
                trail = trail[:1] if target[:1] == "/" else trail
        node = trail[-1]
        node.components = tuple([above.stat for above in trail])
        return node

    def step(self, trail: "List[Node]", name: str) -> str:
        """Add what is called `name` in the last folder to `trail`, or return a link's target."""
        folder, path = trail[-1].fd, trail[-1].path + "/" + name
        if path in self.remote or "/" in self.remote:
            raise RemoteFile(errno.EREMOTE, "on a network file system", path)
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            return os.readlink(name, dir_fd=folder)
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise OSError(errno.EINVAL, "neither a regular file nor a folder", path)
        trail.append(Node(os.open(name, _PEEK | os.O_NOFOLLOW, dir_fd=folder), path))
        return ""

    def find(self, path: str) -> "Optional[Node]":
        """What is there, if it can be reached."""
        try:
            return self.open(path)
        except OSError:
            return None

    def text(self, path: str, limit: int = MIB) -> str:
        """The first `limit` bytes of a regular file; none when it cannot be read."""
        node = self.find(path)
        return node.read(limit).decode("utf-8", "surrogateescape") if node else ""

    def names(self, path: str) -> "Strings":
        """The names in a folder, sorted, at most MAX_LISTED; none when it cannot be listed."""
        if path in self.listings:
            return self.listings[path]
        found = []
        try:
            for entry, _ in zip(self.open(path).entries(), range(MAX_LISTED)):
                found.append(entry.name)
        except OSError:
            pass  # what was listed before the error stays
        found.sort()
        self.room -= len(found) + 1
        if self.room > 0:
            self.listings[path] = found
        return found

    def children(self, path: str) -> "Strings":
        """The paths of what is in a folder."""
        return [path.rstrip("/") + "/" + name for name in self.names(path)]

    def glob(self, patterns: "Iterable[str]") -> "Strings":
        """The paths that these patterns stand for; `*` is any text within one component."""
        found = []
        for pattern in patterns:
            paths = [""]
            for part in pattern.strip("/").split("/"):
                if "*" in part:
                    children = (child for path in paths for child in self.children(path))
                    fitting = (child for child in children if fits(file_name(child), part))
                    # Cut off lazily: the product of two full folders is never built.
                    paths = [path for path, _ in zip(fitting, range(MAX_LISTED))]
                else:
                    paths = [path + "/" + part for path in paths]
            found += paths
        return found

    def link(self, name: str) -> str:
        """A link's target. Links on the way to it are followed out of the folder."""
        try:
            return os.readlink(name, dir_fd=self.top.fd)
        except OSError:
            return ""


def file_name(path: str) -> str:
    """What follows the last slash of a path."""
    return path[path.rfind("/") + 1 :]


def fits(name: str, pattern: str) -> bool:
    """Whether a name matches a pattern with at most one `*`."""
    head, star, tail = pattern.partition("*")
    ends = name[:1] != "." and name.startswith(head) and name.endswith(tail)
    return ends if star else name == pattern


def remote_mount_points(mounts: str) -> "Strings":
    """Mount points of file systems that are never touched, from the text of /proc/<pid>/mounts."""
    if len(mounts) >= MAX_MOUNTS:
        return ["/"]  # the rest of the table is not known, so nothing is touched
    kinds = {}
    lines = [line.split(" ") for line in mounts.split("\n") if line.count(" ") > 2]
    for _, point, kind, *_ in lines:
        if "\\" in point:  # a space is \040
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), point)
        kinds[point.rstrip("/") or "/"] = kind  # the last mount covers those before it
    fuse = [point for point, kind in kinds.items() if kind[:5] == "fuse." and kind[5:] != "lxcfs"]
    return fuse + [point for point, kind in kinds.items() if kind in REMOTE_FILE_SYSTEMS]


def same_file(folder: Folder, path: str, other: str) -> bool:
    """Whether two paths lead to the same file or folder."""
    first, second = folder.find(path), folder.find(other)
    return first.identity == second.identity if first and second else path == other


# --- host ---------------------------------------------------------------------------------------


class Host:
    """The host that is scanned: its files and processes, and what was found so far."""

    def __init__(self, root: str, seconds: float, connections: bool = False) -> None:
        self.begun = time.monotonic()
        self.deadline = self.begun + seconds
        self.connections = connections
        root = os.path.realpath(root)
        self.live = root == "/"  # in a folder, owners of files and links of /proc mean nothing
        self.folder = Folder(os.open(root, _FOLDER))
        mounts = "/proc/self/mounts" if self.live else "/proc/mounts"
        self.folder.remote = remote_mount_points(self.folder.text(mounts, MAX_MOUNTS))
        self.proc = self.folder.open("/proc").reopened()
        self.by_program: Dict[str, List[Engine]] = {}
        for engine in ENGINES:
            for name in engine.executables:
                self.by_program.setdefault(name, []).append(engine)
        self.databases: List[Database] = []
        self.complete = True
        self.warnings: Strings = []
        self.warnings_of_a_kind: Dict[str, int] = {}
        # Files that a running server uses: these are not an installed server's, nor its data.
        self.in_use: Set[Identity] = set()
        # What was read once
        self.packages: Dict[str, str] = {}
        self.units: Optional[List[Unit]] = None
        self.versions: Dict[Tuple[Identity, str], Optional[Version]] = {}
        self.executables_budget = MAX_ALL_EXECUTABLES
        self.proxies: Strings = []  # command lines of docker-proxy
        self.podman = ""

    def warn(self, text: str) -> None:
        """Report what could not be done: each thing once, and few of a kind, so that whoever can
        cause many of one kind hides no other."""
        if text in self.warnings:
            return
        kind = text[text.rfind(": ") + 2 :]
        self.warnings_of_a_kind[kind] = self.warnings_of_a_kind.get(kind, 0) + 1
        if self.warnings_of_a_kind[kind] <= MAX_OF_A_KIND and len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(text)

    def late(self) -> bool:
        """Whether time is up. What was not scanned by then is not known to be absent."""
        if time.monotonic() < self.deadline:
            return False
        self.complete = False
        self.warn(LATE)
        return True

    def trusts(self, node: Node) -> bool:
        """Whether only root could have put this file there; in a folder, its place decides."""
        return node.is_file and (node.trusted if self.live else is_usual(node.path))


def is_usual(path: str) -> bool:
    """Whether a file lies where servers are installed."""
    parts = path.split("/")[:-1]
    places = [place.split("/") for place in PLACES if place.count("/") == len(parts) - 1]
    return any(all(map(fits, parts, place)) for place in places)


class Database:
    """One record of the report: values, and the evidence of each."""

    # What tells it from another server in the same container image; outlives pid and container.
    place = ""
    # Folder that its data directory lies in, and the identity of that directory.
    data: "Optional[Tuple[Folder, Identity]]" = None

    def __init__(
        self, engine: Engine, version: Version, status: str, evidence: str, binary: str
    ) -> None:
        self.engine = engine
        self.values: Dict[str, Any] = {"engine": version.engine or engine.name}
        self.evidence: Dict[str, str] = {}
        self.put("status", status, evidence)
        self.put("edition", version.edition)
        self.put("version", version.text, version.evidence)
        self.put("binary", binary)

    def put(self, name: str, value: "Any", evidence: str = "") -> None:
        """Set a value, if it is known."""
        if value is not None and value != "":
            self.values[name] = value
            if evidence:
                self.evidence[name] = evidence

    def put_size(self, size: int, is_complete: bool, evidence: str) -> None:
        """Set the bytes of its data."""
        self.put("data_size_bytes", size)
        self.put("data_size_complete", is_complete)
        self.evidence["data_size"] = evidence


# --- scan ---------------------------------------------------------------------------------------


def scan(host: Host) -> None:
    """Fill `host` with what is there: running servers first, then what is installed."""
    if not scan_running(host):
        return
    servers = list(installed_servers(host))
    for engine in ENGINES:
        own = [server for server in servers if server.engine is engine]
        if own and not host.late():
            add_stopped(host, engine, own)


def scan_running(host: Host) -> bool:
    """Add the servers that run; whether there was time for all."""
    processes = server_processes(host)[::-1]
    while processes:
        process = processes.pop()  # its descriptors close as soon as it is done
        if host.late():
            return False
        try:
            database = Running(host, process).database()
        except OSError as error:
            host.warn("process %d could not be read: %s" % (process.pid, error.strerror))
            host.complete = host.complete and error.errno in (errno.ESRCH, errno.ENOENT)
            continue
        if database:
            host.databases.append(database)
            node = host.folder.find(database.values["binary"])
            if node:  # not when it runs from a container or was deleted
                host.in_use.add(node.identity)
    return True


# --- processes ----------------------------------------------------------------------------------

_DELETED = " (deleted)"


class Command:
    """How a server is started: its arguments, and their source: "command line", "unit x.service".

    `binary` and `config` are the executable and the configuration file of a stopped server, where
    the source names them.
    """

    def __init__(self, args: "Strings", source: str, binary: str = "", config: str = "") -> None:
        self.args, self.source = args, source
        self.binary, self.config = binary, config

    def option(self, names: "Iterable[str]") -> str:
        """The last value of an option: `--name=x`, `-name x`, `-Xx`, `-X x`, `-c name=x`."""
        found = ""
        for arg, after in zip(self.args, self.args[1:] + [""]):
            given = "--" + after if arg == "-c" and "=" in after else arg
            key, equals, value = given.partition("=")
            plain = key.strip().lstrip("-").replace("-", "_")
            for name in names:
                if len(name) > 2 and key[:1] == "-" and plain == name.lstrip("-").replace("-", "_"):
                    found = value if equals else after
                elif len(name) == 2 and arg[:2] == name:
                    found = arg[2:].lstrip("=") or after
        return found.strip().strip("'\"")


class Process:
    """One process that runs a server's executable.

    Its /proc folder is held open: all that is read is of this process, even when its pid is used
    again.
    """

    engine: Engine  # that it serves
    instance = ""  # that it is a process of
    hides_executable = False  # from this user
    is_worker = False  # of another process

    def __init__(self, pid: int, fd: int, exe: str) -> None:
        self.pid = pid
        self.files = Folder(fd)
        self.deleted = exe.endswith(_DELETED)
        self.exe = exe[: -len(_DELETED)] if self.deleted else exe
        self.line = self.files.text("cmdline", MAX_CMDLINE)
        args = self.line.split("\0", MAX_ARGUMENTS)
        if len(args) < 3 and " " in args[0] and args[0] != self.exe:  # a title in their place
            args = args[0].split(" ", MAX_ARGUMENTS)
        self.command = Command(args[1:], "command line")
        self.cwd = self.files.link("cwd") or "/"
        self.read_status()
        self.workers: List[Process] = []
        self.links: Optional[Strings] = None

    def read_status(self) -> None:
        """Set parent, user, groups and resident memory, KiB, from /proc/<pid>/status."""
        wanted = r"(?m)^(PPid|Uid|Gid|Groups|VmRSS):(.*)$"
        lines = re.findall(wanted, self.files.text("status"))
        status = {name: text.split() for name, text in lines}
        self.parent = number("".join(status.get("PPid", [])[:1])) or 0
        self.user = number("".join(status.get("Uid", [])[1:2]))  # the effective one
        self.groups = set(map(number, status.get("Gid", [])[1:2] + status.get("Groups", [])))
        self.memory = number("".join(status.get("VmRSS", [])[:1]))

    def serves(self, engines: "List[Engine]", exe: str) -> bool:
        """Whether it serves one of these engines, which its command line tells. Sets which."""
        for engine in engines:
            if engine.path_part in exe and re.match(engine.command_line, self.line, re.S):
                break
        else:
            return False
        if self.command.args[:1] and self.command.args[0] in engine.not_serving:
            return False
        where = self.line[:256] + "\n" + self.cwd
        match = re.search(engine.instance, where) if engine.instance else None
        self.engine = engine
        self.instance = match.group(match.lastindex or 0) if match else str(self.pid)
        if not engine.library:
            self.line = ""  # hundreds of long ones would fill the memory
        return True

    def may_read(self, node: Node) -> bool:
        """Whether its user and groups can read a file, by the modes of all that leads to it."""
        for part in node.components:
            bits = 6 if part.st_uid == self.user else 3 if part.st_gid in self.groups else 0
            needed = 4 if part is node.components[-1] else 1
            if self.user != 0 and not part.st_mode >> bits & needed:
                return False
        return True

    def container(self) -> str:
        """The id of its container, where its control group tells."""
        found = re.findall(r"[-/:]([0-9a-f]{64})(?![0-9a-f])", self.files.text("cgroup"))
        return found[-1] if found else ""

    def started(self, boot: str) -> "Optional[str]":
        """When it started, UTC; `boot` is the text of /proc/stat."""
        fields = self.files.text("stat").rpartition(") ")[2].split(" ")
        match = re.search(r"(?m)^btime (\d{1,12})$", boot)
        try:
            after = int(fields[19]) // os.sysconf("SC_CLK_TCK")
            seconds = int(match.group(1) if match else "") + after
            return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
        except (IndexError, OverflowError, ValueError, OSError):
            return None

    def descriptors(self) -> "Optional[Strings]":
        """What its open descriptors lead to, read once; None when they cannot be read."""
        if self.links is None:
            try:
                listing = self.files.open("fd").reopened()
                own = Folder(os.dup(listing.fd))
                self.links = list(map(own.link, os.listdir(listing.fd)[:MAX_DESCRIPTORS]))
            except OSError:
                pass
        return self.links


def number(text: str) -> "Optional[int]":
    """The number that a text begins with, of at most 15 digits."""
    match = re.match(r"\s*(\d{1,15})(?!\d)", text)
    return int(match.group(1)) if match else None


def server_processes(host: Host) -> "List[Process]":
    """The processes whose executable is a server's, without the workers of another one.

    The executable is what /proc/<pid>/exe leads to. A command line can say anything: it counts only
    where the link is hidden from this user, and then must name a file that only root can write.
    """
    found: Dict[int, Process] = {}
    hidden = 0
    for pid in process_ids(host):
        if host.late():
            break
        is_hidden = False
        try:
            exe = os.readlink("%d/exe" % pid, dir_fd=host.proc.fd)
        except PermissionError:
            is_hidden, exe = True, claimed_executable(host, pid)
            hidden += 1
        except OSError:
            continue  # a kernel thread, or a process that has ended
        name = file_name(exe)
        name = name[: -len(_DELETED)] if name.endswith(_DELETED) else name
        if name == "docker-proxy":
            host.proxies.append(host.folder.text("/proc/%d/cmdline" % pid, MAX_PATH))
        if name in host.by_program:
            process = server_process(host, pid, exe, host.by_program[name])
            if process:
                process.hides_executable = is_hidden
                found[pid] = process
            if len(found) > MAX_SERVERS and not leave_room(host, found):
                break
    drop_workers(found)
    if hidden:
        hint = ": run as root" if os.geteuid() else ""
        host.warn("%d process(es) hide what they run from this user%s" % (hidden, hint))
    return sorted(found.values(), key=scan_order)


def scan_order(process: Process) -> "Tuple[bool, bool, int]":
    """Services come first: what people start may be made to hold up the scan."""
    return not is_usual(process.exe), (process.user or 0) > 999, process.pid


def process_ids(host: Host) -> "List[int]":
    """The ids of all processes that are listed in /proc."""
    names = (entry.name for entry in host.proc.entries() if not entry.is_symlink())
    pids = sorted(int(name) for name in names if name.isdigit())
    if host.live and 1 not in pids:
        host.warn("other users' processes are not listed in /proc: run as root")
        host.complete = False
    return pids


def claimed_executable(host: Host, pid: int) -> str:
    """The executable that a process names itself, if only root could have put it there."""
    program = host.folder.text("/proc/%d/cmdline" % pid, MAX_PATH).partition("\0")[0]
    node = host.folder.find(program) if program[:1] == "/" else None
    if node and host.trusts(node):
        return node.path
    if pid != 1:  # which is init
        host.complete = False
    return ""


def server_process(host: Host, pid: int, exe: str, engines: "List[Engine]") -> "Optional[Process]":
    """The process, if it serves one of these engines and has not ended."""
    try:
        folder = os.open(str(pid), _FOLDER | os.O_NOFOLLOW, dir_fd=host.proc.fd)
        process = Process(pid, folder, exe)
    except OSError:
        return None
    return process if process.serves(engines, exe) else None


def leave_room(host: Host, found: "Dict[int, Process]") -> bool:
    """Forget the workers. Returns whether the processes are then few enough to go on."""
    drop_workers(found)
    if len(found) <= MAX_SERVERS:
        return True
    host.warn("more than %d server processes: not all were looked at" % MAX_SERVERS)
    host.complete = False
    return False


def drop_workers(found: "Dict[int, Process]") -> None:
    """Forget the processes that a server of the same engine started in the same place, and all but
    one of an instance. A worker may be the one that listens, so two are kept with their server."""
    instances: Dict[Tuple[str, str], Process] = {}
    for process in sorted(found.values(), key=lambda process: (not process.parent, process.pid)):
        server = found.get(process.parent)
        if server and (server.engine is not process.engine or server.cwd != process.cwd):
            server = None
        if process.engine.instance:
            server = instances.setdefault((process.engine.name, process.instance), process)
        if server and server is not process:
            server.workers += [process] if len(server.workers) < 2 else []
            process.is_worker = True
    for pid in [pid for pid, process in found.items() if process.is_worker]:
        del found[pid]


# --- running servers ----------------------------------------------------------------------------


class Running:
    """A server that runs, and the folder that it sees as `/`: the host's, or a container's own."""

    def __init__(self, host: Host, process: Process) -> None:
        self.host, self.process, self.engine = host, process, process.engine
        self.name = "process %d" % process.pid
        self.links = process.descriptors()
        self.folder = own_root(host, process) or host.folder
        self.only_root_changes_it = False  # the executable, wherever it is by now

    def database(self) -> "Optional[Database]":
        """Its record; None, with a warning, when it is no server. Raises OSError when it ended."""
        host, engine = self.host, self.engine
        version, binary = loaded_library(self) if engine.library else running_executable(self)
        if version is None:
            what = "called like a server, without a server's text; not listed"
            host.warn("%s, %s: %s" % (self.name, binary, what))
            return None
        database = Database(engine, version, "running", self.name, binary)
        put_process_facts(database, self)
        reader = self.process if host.live else None
        config = Config(self.folder, engine, self.process.command, self.process.cwd, reader)
        self.put_data_dir(database, config)
        put_settings(database, config)
        put_port(database, self, config.port)
        database.place = self.process.instance if engine.instance else ""
        put_container(database, self)
        root = self.folder.top.identity
        if "container" not in database.values and root != host.folder.top.identity:
            host.warn("%s: its paths are in a root of its own, of no known container" % self.name)
        return database

    def put_data_dir(self, database: Database, config: "Config") -> None:
        """Set its data directory, if it keeps data and may use what was found."""
        host = self.host
        if self.engine.stateless:
            database.evidence["data_size"] = "keeps no data on disk"
            return
        path, evidence = find_data_dir(self, config)
        if not path:
            host.warn("%s, %s: %s" % (self.name, self.engine.name, NO_DATA_DIR))
            return
        node, problem = reach(self.folder, path)
        if self.may_use(node):
            attach_data_dir(host, database, self.folder, (path, evidence), node, problem)
            return
        # Any user can start what is called like a server and names a real server's data.
        refusal = "is another user's, not its data" if node else "is not known to be its data"
        host.warn("%s: %s %s" % (self.name, path, refusal))

    def may_use(self, folder: "Optional[Node]") -> bool:
        """Whether a data directory can be its own.

        Its user owns the directory; or only root can change the server, and the directory is not
        closed to all but another user. If the directory cannot be opened, only a server that root
        alone can change is believed.
        """
        if folder is None or not self.host.live:
            return self.only_root_changes_it or not self.host.live
        user, mode = self.process.user, folder.stat.st_mode
        if folder.stat.st_uid == user:
            return True
        return self.only_root_changes_it and (user == 0 or mode & 0o077 > 0)


def own_root(host: Host, process: Process) -> "Optional[Folder]":
    """The folder that a process sees as `/`; None when that is the host's."""
    in_hosts_root = host.live and process.files.link("root") == "/"
    mounts = process.files.link("ns/mnt") if in_hosts_root else ""
    if mounts and mounts == host.folder.link("proc/self/ns/mnt"):
        return None
    # On a live host the kernel makes this link. In a folder anyone did: it is not followed.
    flags = _FOLDER | (0 if host.live else os.O_NOFOLLOW)
    try:
        fd = os.open("root", flags, dir_fd=process.files.top.fd)
        return Folder(fd, process.files.text("mounts", MAX_MOUNTS))
    except OSError:
        return None


def put_process_facts(database: Database, server: Running) -> None:
    """Set start time, resident memory and owner."""
    process = server.process
    database.put("started_at", process.started(server.host.folder.text("/proc/stat")))
    database.put("memory_mb", process.memory and process.memory // 1024)
    if process.user is not None:
        database.put("owner", user_name(server.folder, str(process.user)))


def user_name(folder: Folder, user: str) -> str:
    """The name of a user id, or the id where no name is known."""
    for line in folder.text("/etc/passwd").split("\n"):
        name, *fields = line.split(":")
        if name and len(fields) > 2 and fields[1] == user:
            return name
    return user


# --- executables --------------------------------------------------------------------------------


def running_executable(server: Running) -> "Tuple[Optional[Version], str]":
    """The version, None when it is no server, and the path of the executable that runs."""
    host, process, engine = server.host, server.process, server.engine
    try:
        node = open_executable(server)
    except RemoteFile:
        server.only_root_changes_it = True
        host.warn("%s, %s: on a network file system, not read" % (server.name, process.exe))
        return name_version(None, engine, process.exe) or Version("", ""), process.exe
    installed = installed_file(server, node)
    path = installed.path if installed else process.exe
    trusted = bool(installed) or (not node and not host.live and is_usual(process.exe))
    version = executable_version(server, installed, node)
    version = version or believed_version(server, path, trusted)
    if host.live:
        server.only_root_changes_it = node is not None and node.is_roots
    else:  # a folder's owners mean nothing
        server.only_root_changes_it = trusted or server.folder is not host.folder
    warn_of_executable(server, version, trusted)
    if version and not version.engine and path.endswith("/mariadbd"):
        version = version._replace(engine="mariadb")
    return version, path


def executable_version(
    server: Running, installed: "Optional[Node]", running: "Optional[Node]"
) -> "Optional[Version]":
    """The version that the host's own file tells, or else the text of the file that runs."""
    if installed:
        return file_version(server.host, server.engine, installed)
    return text_version(server.host, server.engine, running) if running else None


def warn_of_executable(server: Running, version: "Optional[Version]", trusted: bool) -> None:
    """Warn of an executable that is not what runs after a restart, or that a user may have made."""
    host, name = server.host, "%s, %s" % (server.name, server.process.exe)
    if server.process.deleted:
        host.warn("%s: replaced while it runs, a restart is pending" % name)
    elif server.folder is host.folder and not trusted:
        host.warn("%s: %s" % (name, CHANGEABLE))
    if version and not version.text:
        host.warn("%s: %s" % (name, NO_VERSION))


def open_executable(server: Running) -> "Optional[Node]":
    """The file that runs: by the kernel's link on a live host, by its name in a folder.

    None when it cannot be read. Raises RemoteFile, and OSError when the process has ended.
    """
    host, process = server.host, server.process
    try:
        if not host.live or process.hides_executable:
            return server.folder.open(process.exe + (_DELETED if process.deleted else ""))
        if any(process.exe.startswith(point.rstrip("/") + "/") for point in server.folder.remote):
            raise RemoteFile(errno.EREMOTE, "on a network file system", process.exe)
        return Node(os.open("exe", _PEEK, dir_fd=process.files.top.fd), process.exe)
    except RemoteFile:
        raise
    except OSError:
        if host.live and not process.hides_executable:
            raise
        return None


def installed_file(server: Running, running: "Optional[Node]") -> "Optional[Node]":
    """The host's own file, if it is the one that runs and nobody but root can change it. Only then
    does its package count."""
    node = server.host.folder.find(server.process.exe)
    if not node or not running or node.identity != running.identity or server.process.deleted:
        return None
    return node if server.host.trusts(node) else None


def believed_version(server: Running, path: str, trusted: bool) -> "Optional[Version]":
    """The version that the place of an executable tells, an empty one when it tells none; None when
    the place is not believed. Only root fills the usual places; a container's are its image's."""
    in_hosts_root = server.folder is server.host.folder
    believed = trusted or (is_usual(path) and (in_hosts_root or bool(server.process.container())))
    version = None
    if believed or server.engine.vendor_owned:
        version = name_version(server.folder, server.engine, path)
    return version or (Version("", "") if believed else None)


def loaded_library(server: Running) -> "Tuple[Optional[Version], str]":
    """The version in the name of the file that an interpreter loads as the server, and that file.

    The process holds the file open, or its command line names the file or its folder.
    """
    host, folder = server.host, server.folder
    for path in library_paths(server):
        match = re.match(server.engine.library, path)
        node = match and (folder.find(path) or folder.find(os.path.dirname(path)))
        if match and node:
            server.only_root_changes_it = node.is_roots or not host.live
            if folder is host.folder and host.live and not node.trusted:
                host.warn("%s, %s: %s" % (server.name, path, CHANGEABLE))
            return Version(match.group(1), "file name"), path
    return None, server.process.exe


def library_paths(server: Running) -> "Strings":
    """The paths that a process's open files, command line and usual places name."""
    folder = server.folder
    args = re.split("[\0:=]", server.process.line)[:5000]
    homes = [arg[:-2] if arg.endswith("/*") else arg for arg in args if arg[:1] == "/"][:50]
    homes += [home + "/lib" for home in homes] + folder.glob(server.engine.library_places)
    return (server.links or []) + args + [path for home in homes for path in folder.children(home)]


# --- versions -----------------------------------------------------------------------------------


def file_version(host: Host, engine: Engine, node: Node) -> "Optional[Version]":
    """The version of a trusted executable of the host itself, best evidence first."""
    found = package_version(host, engine, node.path) or text_version(host, engine, node)
    return found or name_version(host.folder, engine, node.path)


def package_version(host: Host, engine: Engine, path: str) -> "Optional[Version]":
    """The version of the Debian package that owns this file, by the host's package database."""
    host.packages = host.packages or read_packages(host.folder)
    names = "\n".join(host.packages)
    for package in engine.package_names:
        # To look for how a name begins is quick, and most names are of no package here.
        if re.split(r"[^\w-]", package.sign)[0] not in names:
            continue
        for match in re.finditer("(?m)^(%s)$" % package.sign, names):
            version = owning_version(host, package, match.group(), path)
            if version:
                return version
    return None


def read_packages(folder: Folder) -> "Dict[str, str]":
    """Package name -> its fields, as Debian's package database has them."""
    status = folder.text("/var/lib/dpkg/status", MAX_PACKAGE_STATUS)
    parts = [part.partition("\n") for part in ("\n\n" + status).split("\n\nPackage: ")]
    return {name: fields for name, _, fields in parts}


def owning_version(host: Host, package: Fingerprint, name: str, path: str) -> "Optional[Version]":
    """The version of this package, if it is installed and owns this file."""
    fields = dict(line.partition(": ")[::2] for line in host.packages[name].split("\n"))
    full = fields.get("Version", "")
    # Without epoch and Debian revision; Percona's own revision is part of its version.
    shape = r"(?:\d+:)?(?:.*\+really)?(\d+(?:\.\d+)*)~?((?:alpha\d|beta\d|rc\d)?)(-\d{1,3}(?=-))?"
    match = re.match(shape, full)
    if not match or fields.get("Status", "")[-10:] != " installed":
        return None
    files = ""
    for ending in ("", ":" + fields.get("Architecture", "")):
        files += "\n" + host.folder.text("/var/lib/dpkg/info/%s%s.list" % (name, ending))
    # /bin, /lib and /sbin may be links into /usr.
    paths = (path, path[4:] if path.startswith("/usr/") else "/usr" + path)
    if not any("\n%s\n" % path in files for path in paths):
        return None
    revision = (match.group(3) or "") if package.engine == "percona" else ""
    text = match.group(1) + match.group(2) + revision
    return Version(text, "dpkg %s %s" % (name, full), package.engine, package.edition)


def text_version(host: Host, engine: Engine, node: Node) -> "Optional[Version]":
    """The version in an executable's text; read once, however many processes run it."""
    key = (node.identity, engine.name)
    limit = min(node.stat.st_size, MAX_EXECUTABLE, host.executables_budget)
    if key not in host.versions and node.is_file and limit > 0 and engine.version_texts:
        host.executables_budget -= limit
        host.versions[key] = None
        host.versions[key] = search_text(node.reopened(), engine, limit)
    return host.versions.get(key)


def search_text(node: Node, engine: Engine, limit: int) -> "Optional[Version]":
    """The version in the first `limit` bytes of this executable."""
    marks, numbers, series = read_texts(node, engine, limit)
    if series:
        numbers = numbers_of_series(node, limit, numbers, max(series, key=version_order).decode())
    if engine.build_id:
        numbers = numbers_of_build(node, limit, numbers, engine.build_id)
    if not numbers or (not engine.version_texts[0].place and not marks):
        return None
    first = min(marks, key=engine.marks.index) if marks else Fingerprint("", "", "")
    text = max(numbers, key=version_order).decode("ascii")
    text = text if first.engine == "percona" else re.sub(r"(?<=\d)-\d{1,3}$", "", text)
    return Version(text, "text in the executable", first.engine, first.edition)


def read_texts(
    node: Node, engine: Engine, limit: int
) -> "Tuple[List[Fingerprint], List[bytes], List[bytes]]":
    """The engine's marks, version numbers and series that this executable contains. The numbers are
    those of the first of its texts that is there."""
    marks: List[Fingerprint] = []
    versions: List[List[bytes]] = [[] for _ in engine.version_texts]
    series: List[bytes] = []
    for piece in pieces(node, limit):
        marks += [mark for mark in engine.marks if mark.sign.encode() in piece]
        for numbers, extract in zip(versions, engine.version_texts):
            numbers += matches(piece, extract)
        for extract in engine.series_texts:
            series += matches(piece, extract)
        if versions[0] and not engine.series_texts and (marks or not engine.marks):
            break
    return marks, next(filter(None, versions), []), series


def numbers_of_series(node: Node, limit: int, numbers: "List[bytes]", series: str) -> "List[bytes]":
    """The version numbers of one series, the one that this executable reads options for. It also
    names versions of other series."""
    start = series + "."
    own = [number for number in numbers if number.startswith(start.encode())]
    pattern = r"(?<![\d.])(%s\d{1,3}(?:-\d{1,3}(?=\0))?)(?:[-+~][\w.+~-]{0,80})?\0"
    extract = Extract(start, pattern % re.escape(start))
    for piece in pieces(node, 0 if own else limit):
        own += matches(piece, extract)
    return own


def numbers_of_build(
    node: Node, limit: int, numbers: "List[bytes]", build_id: str
) -> "List[bytes]":
    """The newest of these numbers that begins the build id of this executable. Commands, libraries
    and a compiler have version numbers too; these begin none."""
    for number in sorted(set(numbers), key=version_order, reverse=True)[:20]:
        pattern = re.escape(number) + build_id.encode()
        if any(re.search(pattern, piece) for piece in pieces(node, limit)):
            return [number]
    return []


def matches(piece: bytes, extract: Extract) -> "List[bytes]":
    """The first group of a pattern wherever it matches around its text, which is quick to find."""
    pattern, place = extract.pattern.encode(), extract.place.encode()
    if not place:  # the pattern begins with a literal itself
        return re.findall(pattern, piece)[:100]
    found: List[bytes] = []
    at = piece.find(place)
    while at >= 0 and len(found) < 100:
        match = re.search(pattern, piece[max(0, at - 40) : at + 200])
        found += [match.group(1)] if match else []
        at = piece.find(place, at + len(place))
    return found


def version_order(version: bytes) -> "List[int]":
    """A version as numbers to sort by."""
    return list(map(int, re.findall(rb"\d+", version)))


def pieces(node: Node, limit: int) -> "Iterator[bytes]":
    """The start of a file in pieces that overlap, so that no text is cut in two unseen."""
    tail = b"\0"
    for offset in range(0, limit, MIB):
        piece = os.pread(node.fd, min(MIB, limit - offset), offset)
        yield tail + piece
        tail = piece[-256:]


def name_version(folder: "Optional[Folder]", engine: Engine, path: str) -> "Optional[Version]":
    """The version in a file beside the executable, or in the names of the folders it lies in."""
    name, pattern = engine.version_file
    text = folder.text("%s/%s" % (os.path.dirname(path), name)) if folder and name else ""
    match = re.search(pattern, text) if text else None
    if match:
        return Version(match.group(1), "file " + name)
    match = re.search(engine.version_path, path, re.I) if engine.version_path else None
    return Version(match.group(1), "path " + path) if match else None


# --- configuration files ------------------------------------------------------------------------


class Config:
    """What the command line and the configuration files of one server say.

    `file` is the one that a person would open. `data` lists the directories that are named for its
    data, the one that counts most first. For a running server, `process`, no file is read that it
    could not read itself: whoever starts a process can name any file.
    """

    def __init__(
        self,
        folder: Folder,
        engine: Engine,
        command: Command,
        cwd: str = "/",
        process: "Optional[Process]" = None,
    ) -> None:
        self.folder, self.engine, self.command, self.cwd = folder, engine, command, cwd
        self.process = process
        self.usual = folder.glob(engine.config_places)
        self.forget()
        self.includes = 0
        by_data_dir = engine.data_option_is_config_dir
        given = self.path(command.option(engine.data_options))
        data_dir = given or (cwd if by_data_dir and cwd != "/" else "")
        self.read(self.files(data_dir))
        if by_data_dir:
            data_dir = self.path(self.get(engine.data_settings)[0]) or data_dir
            self.read([data_dir + "/" + name for name in engine.config_beside])
        told = port_number(command.option(engine.port_options), command.source)
        self.port = told or port_number(*self.get(engine.port_settings))
        setting, source = self.get(engine.data_settings)
        named = [(given, command.source), (self.path(setting), source)]
        self.data = [data for data in (named[::-1] if by_data_dir else named) if data[0]]

    def forget(self) -> None:
        """Forget all files."""
        self.settings = Settings(self.engine.config_groups)
        self.seen: Strings = []
        self.file = ""

    def path(self, text: str) -> str:
        """A path as the server takes it."""
        full = os.path.normpath(os.path.join(self.cwd, text)) if text else ""
        return full[1:] if full.startswith("//") else full

    def get(self, names: "Iterable[str]") -> "Finding":
        """The first of these settings that the files have."""
        values = self.settings.values
        return next((values[name] for name in names if name in values), ("", ""))

    def setting(self, name: str) -> "Finding":
        """What the command line or the files say of a setting."""
        given = self.command.option(["--" + name.replace("_", "-")])
        return (given, self.command.source) if given else self.get([name])

    def files(self, data_dir: str) -> "Strings":
        """The files, in the order in which the server reads them."""
        engine, args = self.engine, self.command.args
        if "--no-defaults" in args:
            return []
        named = self.named_file()
        if named:
            paths = [named]
        elif engine.data_option_is_config_dir:
            paths = [data_dir + "/" + engine.config_name] if data_dir else []
        elif engine.config_must_be_named:
            self.read_by_title(port_number(" ".join(args[:1]), ""))
            return []
        else:
            paths = self.usual
        if engine.data_option_is_config_dir:
            return paths
        folders = [os.path.dirname(path) for path in paths]
        beside = [folder + "/" + name for folder in folders for name in engine.config_beside]
        return paths + self.folder.glob(beside)

    def named_file(self) -> str:
        """The file that the command line names."""
        args, engine = self.command.args, self.engine
        first = args[0] if args and args[0].endswith(".conf") else ""
        named = self.command.option(engine.config_options) or self.command.config or first
        if not named:
            return ""
        named = os.path.join(self.cwd, named[5:] if named.startswith("file:/") else named)
        is_folder = engine.config_name and not named.endswith((".conf", ".yml"))
        return named + "/" + engine.config_name if is_folder else named

    def read_by_title(self, title: "Optional[Finding]") -> None:
        """Read the usual file with the port of the process's title, which replaced the command line
        that named the file."""
        for path in self.usual[:50] if title else ():
            self.read([path])
            port = self.get(self.engine.port_settings)[0] or str(self.engine.port)
            if title == port_number(port, ""):
                return
            self.forget()

    def read(self, paths: "Strings") -> None:
        """Read these files, and what they include."""
        for path in paths:
            for line, file in self.lines(path):
                if line:
                    self.settings.read(line, file)
                else:
                    self.settings.begin()
                    self.file = self.file or file

    def lines(self, path: str, by_root: bool = False) -> "Iterator[Tuple[str, str]]":
        """(line, file) of a file and, in place, of those it includes; an empty line begins each.

        Each file is read once, so a loop of includes ends. `by_root`: only root can have named it.
        """
        node = self.folder.find(path)
        if len(self.seen) >= MAX_CONFIG_FILES or path in self.seen or not node:
            return
        by_root = by_root or node.path in self.usual
        if self.process and not by_root and not self.process.may_read(node):
            return
        self.seen.append(path)
        yield "", path
        for line in config_lines(node):
            include = self.engine.config_include if "include" in line else ""
            match = re.match(include, line.strip()) if include else None
            if not match:
                yield line, path
            elif self.includes < MAX_INCLUDES:
                self.includes += 1
                for included in self.included(path, *match.groups()):
                    yield from self.lines(included, by_root and node.trusted)

    def included(self, path: str, kind: str, target: str) -> "Strings":
        """The files that a line of the file at `path` includes."""
        target = os.path.join(os.path.dirname(path), target.strip("'\" \t"))
        if not kind.endswith("dir"):
            return self.folder.glob([target])
        files = self.folder.children(target)
        return [file for file in files if file.endswith((".cnf", ".conf"))]


def config_lines(node: Node) -> "Iterator[str]":
    """The lines of a configuration file, cut to a bounded length, without comments."""
    # Reading a file of /proc can change something; their size is 0.
    text = (node.read() if node.stat.st_size else b"").decode("utf-8", "surrogateescape")
    is_xml = text.lstrip()[:1] == "<"
    lines = xml_settings(text) if is_xml else text.split("\n", MAX_CONFIG_LINES)
    for line in lines[:MAX_CONFIG_LINES]:
        if line.lstrip()[:1] not in ("", "#", ";"):
            yield line[:MAX_CONFIG_LINE]


# --- settings -----------------------------------------------------------------------------------


class Settings:
    """The settings of configuration files, line by line: `name = value`, `name value`, sections in
    brackets, and the plain YAML that servers document. The last value of a setting counts."""

    def __init__(self, groups: str) -> None:
        self.groups = groups  # pattern of the sections that count
        self.values: Dict[str, Finding] = {}
        self.begin()

    def begin(self) -> None:
        """Begin a file, outside of all sections."""
        self.group = ""
        self.parents: List[Tuple[int, str]] = []  # YAML: indent, name

    def read(self, line: str, file: str) -> None:
        """Keep the setting in a line, if it is one."""
        if line.lstrip()[:1] == "[":
            self.group = line.partition("[")[2].partition("]")[0].strip()
        item = re.match(r"\s*-\s+[\"']?(/[^\"'#]*)", line) if self.parents else None
        if item:  # the first path of a YAML list
            self.values.setdefault(self.parents[-1][1], (item.group(1).strip(), "config " + file))
        match = re.match(r"(\s*)[\"']?(\w[\w.-]*)[\"']?\s*([:=]|\s|$)\s*(.*)$", line)
        if not match or (self.groups and not re.match(self.groups, self.group)):
            return
        indent, name, sign, rest = match.groups()
        if self.groups:
            name = re.sub("^loose_", "", name.lower().replace("-", "_"))
        elif self.group:
            name = self.group + "." + name
        while self.parents and self.parents[-1][0] >= len(indent):
            self.parents.pop()
        if sign == ":":
            self.read_yaml(len(indent), name, rest, file)
        else:
            self.put(name, rest, file)

    def read_yaml(self, indent: int, name: str, rest: str, file: str) -> None:
        """Keep what `name: rest` says below its parents."""
        if self.parents:
            name = self.parents[-1][1] + "." + name
        if rest.startswith("{"):
            for part in rest.strip("{} \r").split(","):
                inner, _, value = part.partition(":")
                self.put(name + "." + inner.strip(), value.strip(), file)
        elif not rest.partition("#")[0].strip() and len(name) < MAX_TEXT:
            self.parents.append((indent, name))
        else:
            self.put(name, rest, file)

    def put(self, name: str, text: str, file: str) -> None:
        """Keep a setting without its quotes and the comment behind it."""
        quoted = re.match(r"(['\"])(.*?)\1", text)
        value = quoted.group(2) if quoted else re.sub(r"(?:^|(?<=\s))[#;].*", "", text).strip()
        self.values[name] = (value, "config " + file)


def xml_settings(text: str) -> "Strings":
    """`outer.inner = value` for each element below the root that holds text alone."""
    parents: Strings = []
    found: Strings = []
    start, *parts = text.split("<!--")
    text = start + "".join(part.partition("-->")[2] for part in parts)
    for tag, value in re.findall(r"<([^<>]*)>([^<]*)", text):
        name = re.match(r"\w{1,100}", tag)
        if tag[:1] == "/":
            del parents[-1:]
        elif name and tag[-1:] != "/":
            parents.append(name.group(0))
            if value.strip() and len(parents) < 20:
                found.append("%s = %s" % (".".join(parents[1:]), " ".join(value.split())))
    return found


def port_number(text: str, source: str) -> "Optional[Finding]":
    """A port and its evidence, when the text is a port, or an address that ends in one."""
    match = re.search(r"(?:^|:)(\d{1,5})(?:$|[,/\s])", text.strip())
    return (int(match.group(1)), source) if match and 0 < int(match.group(1)) < 65536 else None


def put_settings(database: Database, config: Config) -> None:
    """Set what the configuration says of encryption and replication."""
    engine = database.engine
    database.put("config_file", config.file)
    database.put("role", engine.fixed_role)
    if config.file and engine.tls_off_by_default:
        database.put("tls", False, "config " + config.file)
    for name in engine.tls_settings[::-1]:
        text, source = config.setting(name)
        database.put("tls", is_on(text) if source else None, source)
    data_dir = database.values.get("data_dir") if engine.roles else None
    files = config.folder.names(data_dir) if data_dir else []
    for sign, role in engine.roles:
        text, source = config.setting(sign)
        pattern = re.compile(sign + "$")
        present = [file for file in files if pattern.match(file)]
        if is_on(text):
            database.put("role", role, source)
        elif present:
            database.put("role", role, "file " + present[-1])


def is_on(value: str) -> bool:
    """Whether the value of a setting turns it on."""
    off = ("", "off", "no", "0", "false", "disabled", "disable", "none")
    return value.lower() not in off


# --- data directories ---------------------------------------------------------------------------


def find_data_dir(server: Running, config: Config) -> "Finding":
    """Its data directory and the evidence, best evidence first; empty when none is found."""
    folder, engine, cwd = server.folder, server.engine, server.process.cwd
    works_in = bool(engine.data_marks and cwd != "/" and holds_data(folder, engine, cwd))
    found = configured_data_dir(server, config, works_in)
    if not found and works_in:
        found = (cwd, "working directory")
    usual = folder.glob(engine.data_places)
    found = found or opened_data_dir(server) or usual_data_dir(server, usual)
    if not found and config.data:
        found = config.data[0]
    if not found and (cwd in usual or (engine.works_in_data_dir and cwd != "/")):
        found = (cwd, "working directory")
    return found or ("", "")


def configured_data_dir(server: Running, config: Config, works_in: bool) -> "Optional[Finding]":
    """The first directory that command line or configuration name and that is not known to hold no
    data. `works_in`: its working directory holds data."""
    folder, cwd = server.folder, server.process.cwd
    for path, source in config.data:
        # Where it works elsewhere, the configuration was changed since the server started.
        is_stale = works_in and source[:6] == "config" and not same_file(folder, path, cwd)
        if not is_stale and holds_data(folder, server.engine, path) is not False:
            return path, source
    return None


def opened_data_dir(server: Running) -> "Optional[Finding]":
    """The directory of a data file that it holds open."""
    for target in server.links or ():
        for mark in server.engine.data_marks:
            path = target[: -len(mark) - 1]
            if not path or target != path + "/" + mark:
                continue
            if holds_data(server.folder, server.engine, path) is not False:
                return path, "open file " + mark
    return None


def usual_data_dir(server: Running, usual: "Strings") -> "Optional[Finding]":
    """The first usual place that holds data, for a server that only root can change."""
    for path in usual if server.only_root_changes_it else ():
        if holds_data(server.folder, server.engine, path):
            return path, "usual place"
    return None


def holds_data(folder: Folder, engine: Engine, path: str) -> "Optional[bool]":
    """Whether a folder is a data directory of this engine; None when it cannot be looked into."""
    try:
        node = folder.open(path)
        for mark in engine.data_marks if node.is_folder else ():
            try:
                os.stat(mark.partition("/")[0], dir_fd=node.fd, follow_symlinks=False)
                return True
            except FileNotFoundError:
                continue
        return node.is_folder and not engine.data_marks
    except (RemoteFile, PermissionError):
        return None
    except OSError:
        return False


def reach(folder: Folder, path: str) -> "Tuple[Optional[Node], str]":
    """What is at a path, or None and why it cannot be reached."""
    try:
        return folder.open(path), ""
    except RemoteFile:
        return None, "on a network file system: not touched"
    except OSError as error:
        return None, "unreadable: %s" % error.strerror


def attach_data_dir(
    host: Host,
    database: Database,
    folder: Folder,
    found: "Finding",
    node: "Optional[Node]",
    problem: str,
) -> None:
    """Set the data directory and have it measured.

    `found` is its path and evidence. `node` is what `folder` has at this path; where that cannot be
    reached, `problem` says why.
    """
    path, evidence = found
    database.put("data_dir", path, evidence)
    if node is None:
        host.warn("%s: %s" % (path, problem))
        return
    host.in_use.add(node.identity)
    database.data = (folder, node.identity)  # to keep all of them open would be too many
    if folder is not host.folder:
        # Of a container neither names nor mounts are kept: any user can make large ones.
        share = (host.deadline - time.monotonic()) / 2
        measure_data(host, database, min(MAX_SIZE_SECONDS, share))
        database.data = None


# --- sockets ------------------------------------------------------------------------------------


def put_port(database: Database, server: Running, told: "Optional[Finding]") -> None:
    """Set the port: of its listening sockets, or what it was told, or its pid file's, or the
    default. `told` is what command line or configuration say."""
    engine, listening = server.engine, listeners(server.process)
    if not listening:
        told = told or noted_port(server, database.values.get("data_dir"))
        port, source = told or (engine.port, "engine default")
        state = "sockets hidden" if server.links is None else "not listening"
        database.put("port", port, "%s, %s" % (source, state))
        return
    port = own_port(engine, told, [port for _, port in listening])
    listening.sort(key=lambda address: (address[1] != port, address[1], address[0]))
    database.put("port", port, "listening socket")
    database.put("listen", ["%s:%d" % address for address in listening[:MAX_LISTEN]])
    if server.host.connections:
        own = [address for address in listening if address[1] == port]
        counts = count_clients(server.process, own)
        most = sorted(counts.items(), key=lambda count: (-count[1], count[0]))[:MAX_CLIENTS]
        database.put("clients", dict(most), "established connections")
        database.put("clients_total", sum(counts.values()))


def own_port(engine: Engine, told: "Optional[Finding]", ports: "List[int]") -> int:
    """Which of the ports that a server listens on is the one for its clients."""
    likely: List[int] = [told[0]] if told else []
    if engine.port_pattern:
        likely += [port for port in ports if re.match(engine.port_pattern, str(port))]
    likely.append(engine.port)
    likely += [port for port in ports if port != engine.port and port not in engine.other_ports]
    return next(port for port in likely + ports if port in ports)


def noted_port(server: Running, data_dir: "Optional[str]") -> "Optional[Finding]":
    """The port that the server wrote into a file of its data directory."""
    name, line = server.engine.port_file
    if not name or not data_dir:
        return None
    text = server.folder.text("%s/%s" % (data_dir, name), 4096)
    return port_number("".join(text.split("\n")[line:][:1]), "file " + name)


def listeners(process: Process) -> "List[Address]":
    """The TCP addresses that this process listens on, or one of its workers."""
    for holder in [process] + process.workers:
        links = holder.descriptors() or ()
        own = {link[8:-1] for link in links if link.startswith("socket:[")}
        open_sockets = sockets(holder, "0A") if own else ()
        addresses = {local for local, _, inode in open_sockets if inode in own}
        if addresses:
            return sorted(addresses)
    return []


def count_clients(process: Process, listening: "List[Address]") -> "Dict[str, int]":
    """Remote address -> established connections to these addresses.

    Whoever holds such a socket by now is a worker of the server: the kernel gives no other process
    the address that it listens on.
    """
    counts: Dict[str, int] = {}
    for (address, port), (remote, _), _ in sockets(process, "01"):
        if not {(address, port), ("0.0.0.0", port), ("[::]", port)}.isdisjoint(listening):  # noqa: S104
            client = remote.strip("[]")
            counts[client] = counts.get(client, 0) + 1
    return counts


def sockets(process: Process, state: str) -> "Iterator[Tuple[Address, Address, str]]":
    """(local, remote, inode) of the TCP sockets in a state, in the process's own namespace."""
    for table in ("net/tcp", "net/tcp6"):
        for fields in map(str.split, process.files.text(table, MAX_NET_TABLE).split("\n")):
            try:
                if len(fields) > 9 and fields[3] == state:
                    yield address_of(fields[1]), address_of(fields[2]), fields[9]
            except (ValueError, OverflowError):
                continue


def address_of(text: str) -> "Address":
    """An address of /proc/net/tcp: 32-bit words in the host's byte order, and the port."""
    words, _, port = text.partition(":")
    parts = [int(words[at : at + 8], 16) for at in range(0, len(words), 8)]
    raw = b"".join(part.to_bytes(4, sys.byteorder) for part in parts)
    raw = raw[12:] if raw[:12] == b"\0" * 10 + b"\xff\xff" else raw
    if len(raw) == 4:
        return ".".join(map(str, raw)), int(port, 16)
    if not any(raw):
        return "[::]", int(port, 16)
    import socket  # late: few servers listen on one IPv6 address

    return "[%s]" % socket.inet_ntop(socket.AF_INET6, raw), int(port, 16)


# --- containers ---------------------------------------------------------------------------------

# `%s` is the container's id.
DOCKER_FILE = "/containers/%s/config.v2.json"
RUNTIME_FILES = (
    "/run/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json",
    "/run/containers/storage/overlay-containers/%s/userdata/config.json",
    "/var/lib/containers/storage/overlay-containers/containers.json",
)
PODMAN_SQLITE = "/var/lib/containers/storage/db.sql"
PODMAN_BOLT = "/var/lib/containers/storage/libpod/bolt_state.db"
# Where these files have the image's name, and the container's: keys of keys.
IMAGE_KEYS = (
    "Config Image",
    "image-name",
    "annotations io.kubernetes.cri.image-name",
    "annotations io.kubernetes.cri-o.ImageName",
)
NAME_KEYS = (
    "Config Labels com.docker.compose.service",
    "Name",
    "name",
    "annotations io.kubernetes.cri.container-name",
    "annotations io.kubernetes.container.name",
)


def put_container(database: Database, server: Running) -> None:
    """Set what the container runtime's own files say. The runtime is not asked."""
    ident = server.process.container()
    if not ident:
        return
    database.put("container", ident[:12])
    tree, file = runtime_settings(server.host, ident)
    if file:
        database.put("image", pick(tree, *IMAGE_KEYS), "file " + file.replace("%s", ident[:12]))
        database.place += "|%s" % pick(tree, *NAME_KEYS)
    database.put("published_port", *published_port(server, tree, database.values["port"]))
    database.place += data_source(server.process, "%s/" % database.values.get("data_dir"))


def runtime_settings(host: Host, ident: str) -> "Tuple[Any, str]":
    """What a container runtime keeps of a container, and the file that names its image; without
    such a file, what the last one says."""
    docker = pick(parsed(host.folder.text("/etc/docker/daemon.json")), "data-root")
    tree = None
    for file in (str(docker or "/var/lib/docker") + DOCKER_FILE,) + RUNTIME_FILES:
        tree = parsed(host.folder.text(file.replace("%s", ident)))
        if isinstance(tree, list):  # Podman: one file for all
            own = next((kept for kept in tree if pick(kept, "id") == ident), None)
            tree = parsed(pick(own, "metadata"))
        if isinstance(pick(tree, *IMAGE_KEYS), str):
            return tree, file
    return tree, ""


def data_source(process: Process, data_dir: str) -> str:
    """`|` and the volume, or folder of the host, that a container's data directory comes from. It
    outlives the container."""
    mounts = [line.split(" ") for line in process.files.text("mountinfo").split("\n")]
    points = [(mount[4], mount[3]) for mount in mounts if len(mount) > 4 and mount[4] != "/"]
    around = [point for point in points if data_dir.startswith(point[0] + "/")]
    return "|%s" % max(around)[1] if around else ""


def published_port(server: Running, tree: "Any", port: int) -> "Finding":
    """The host's port that leads to this one of the container; `tree` is what Docker keeps."""
    published = docker_port(tree, port)
    if published:
        return port_number(published, "container's configuration") or ("", "")
    published = proxy_port(server, port)
    if published:
        return port_number(published, "docker-proxy") or ("", "")
    return podman_port(server.host, server.process.container(), port)


def docker_port(tree: "Any", port: int) -> str:
    """The host's port for this one, as Docker keeps it."""
    ports = pick(tree, "NetworkSettings Ports %d/tcp" % port)
    published = pick(ports[0], "HostPort") if isinstance(ports, list) and ports else None
    return str(published or "")


def proxy_port(server: Running, port: int) -> str:
    """The host's port that a docker-proxy leads to this one, at an address of the container."""
    said = "-host-port\0(\\d+)\0-container-ip\0([\\d.]+)\0-container-port\0%d\0" % port
    for line in server.host.proxies:
        match = re.search(said, line + "\0")
        if match and match.group(2) in server.process.files.text("net/fib_trie"):
            return match.group(1)
    return ""


def podman_port(host: Host, ident: str, port: int) -> "Finding":
    """The host's port for this one, as Podman keeps it."""
    mappings, file = podman_mappings(host, ident)
    for mapping in mappings:
        names = ("container_port", "host_port", "range")
        inner, outer, count = [number(str(pick(mapping, name))) or 0 for name in names]
        if outer and 0 <= port - inner < count and "tcp" in str(pick(mapping, "protocol")):
            return port_number(str(port - inner + outer), "file " + file) or ("", "")
    return "", ""


def podman_mappings(host: Host, ident: str) -> "Finding":
    """The port mappings that Podman keeps of a container, and its file: SQLite's, or before Podman
    5 BoltDB's. There each configuration is one JSON object, whole; old ones may lie beside it."""
    import json

    host.podman = host.podman or host.folder.text(PODMAN_BOLT, 16 * MIB)
    at = [match.start() for match in re.finditer('"id":"%s"' % ident, host.podman)]
    starts = [host.podman.rfind('{"spec":', 0, end) for end in at]
    kept = [(host.podman, start, PODMAN_BOLT) for start in starts if start >= 0]
    for text, start, file in [(podman_row(host, ident), 0, PODMAN_SQLITE)] + kept:
        try:
            tree = json.JSONDecoder().raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            continue
        mappings = pick(tree, "newPortMappings")
        if pick(tree, "id") == ident and isinstance(mappings, list):
            return mappings, file
    return [], ""


def podman_row(host: Host, ident: str) -> str:
    """A container's configuration in Podman's SQLite file, which is read as it stands: nothing is
    locked, and no journal beside it read."""
    node = host.folder.find(PODMAN_SQLITE)
    if not node or not (node.trusted or not host.live):  # SQLite follows the path anew
        return ""
    row = "SELECT substr(CAST(JSON AS TEXT), 1, 1000000) FROM ContainerConfig WHERE ID = ?"
    try:
        import sqlite3  # late, and not in every Python

        file = sqlite3.connect("file:/proc/self/fd/%d?mode=ro&immutable=1" % node.fd, uri=True)
        file.set_progress_handler(host.late, 10000)  # while it works no signal is heard
        return "".join(text or "" for (text,) in file.execute(row, [ident]))
    except ImportError:
        return ""
    except sqlite3.Error:
        return ""


def parsed(text: "Any") -> "Any":
    """What a text of JSON says; None when it is none."""
    import json  # late: not every host has containers

    try:
        return json.loads(text or "null")
    except (ValueError, TypeError, RecursionError):
        return None


def pick(tree: "Any", *paths: str) -> "Any":
    """What lies below the first of these keys of keys of nested JSON objects that is there."""
    for path in paths:
        found = tree
        for key in path.split(" "):
            found = found.get(key) if isinstance(found, dict) else None
        if found:
            return found
    return None


# --- installed servers --------------------------------------------------------------------------


class Installed:
    """A server's executable, or the library that an interpreter runs as one, on disk."""

    def __init__(self, engine: Engine, node: Node, version: Version) -> None:
        self.engine, self.version = engine, version
        self.path, self.identity = node.path, node.identity


def installed_servers(host: Host) -> "Iterator[Installed]":
    """The installed servers that count; several names of one file count once."""
    seen: Set[Identity] = set()
    for engine, path, version in libraries_in_place(host) + programs_in_place(host):
        if host.late():
            return
        node = host.folder.find(path)
        if node is None or node.identity in seen or not node.is_file:
            continue
        if not version and file_name(node.path) not in engine.executables:
            continue
        seen.add(node.identity)
        if node.read(2) != b"#!":  # a script that starts a server is none
            server = counted(host, engine, node, version)
            if server:
                yield server


def libraries_in_place(host: Host) -> "List[Tuple[Engine, str, Optional[Version]]]":
    """Engine, path and version of what is called like a library in its usual places."""
    found: List[Tuple[Engine, str, Optional[Version]]] = []
    for engine in ENGINES:
        for place in host.folder.glob(engine.library_places):
            for path in host.folder.children(place):
                match = re.match(engine.library, path)
                if match:
                    found.append((engine, path, Version(match.group(1), "file name")))
    return found


def programs_in_place(host: Host) -> "List[Tuple[Engine, str, Optional[Version]]]":
    """Engine and path of what is called like a server in the usual places and in listed homes."""
    found: List[Tuple[Engine, str, Optional[Version]]] = []
    homes = [home + "/bin" for engine in ENGINES for _, home in listed_instances(host, engine)]
    for place in host.folder.glob(PLACES) + homes:
        for name in sorted(host.by_program.keys() & set(host.folder.names(place))):
            path = place + "/" + name
            for engine in host.by_program[name]:
                if name in engine.programs and not engine.library and engine.path_part in path:
                    found.append((engine, path, None))
                    break
    return found


def counted(
    host: Host, engine: Engine, node: Node, version: "Optional[Version]"
) -> "Optional[Installed]":
    """The installed server, if only root can change it, or if a vendor's user owns it and it tells
    its version. `version` is a library's."""
    trusted = host.trusts(node) or bool(version and (node.trusted or not host.live))
    if trusted or engine.vendor_owned:
        version = version or file_version(host, engine, node)
    if not trusted and (version is None or not engine.vendor_owned):
        host.warn("%s: others than root can change it; not counted" % node.path)
        return None
    if not trusted:
        host.warn("%s: %s" % (node.path, CHANGEABLE))
    if version is None:
        host.warn("%s: %s" % (node.path, NO_VERSION))
    return Installed(engine, node, version or Version("", ""))


def listed_instances(host: Host, engine: Engine) -> "List[Tuple[str, str]]":
    """(instance, folder above its `bin`) of those that a file of the engine lists."""
    path, pattern = engine.instance_list
    text = host.folder.text(path) if path else ""
    return re.findall(pattern, text)[:50] if text else []


def add_stopped(host: Host, engine: Engine, servers: "List[Installed]") -> None:
    """Add the stopped servers: one for each data directory that an installed server would use, and
    one for each installed server that has none and does not run."""
    add_listed(host, engine, servers)
    idle = [server for server in servers if server.identity not in host.in_use]
    unused: List[Config] = []
    for command in start_commands(host, engine) if not engine.stateless else ():
        if host.late():
            return
        config = Config(host.folder, engine, command)
        data = usable_data(host, config)
        if not data:
            unused.append(config)
        elif not is_reported(host, data[0]):
            server = server_for(host.folder, command, data[0], servers)
            if server:
                idle = [other for other in idle if other is not server]
                add_record(host, server, config, data)
            else:
                host.warn("%s: data of a server that is not installed" % data[0])
    for server in idle:
        fitting = [config for config in unused if config.command.binary in ("", server.path)]
        config = fitting[0] if fitting else Config(host.folder, engine, Command([], ""))
        add_record(host, server, config)


def usable_data(host: Host, config: Config) -> "Optional[Finding]":
    """The first directory that a configuration names and that is not known to hold no data."""
    for path, source in config.data:
        if holds_data(host.folder, config.engine, path) is not False:
            return path, source
    return None


def is_reported(host: Host, data_dir: str) -> bool:
    """Whether a data directory has a record. What cannot be reached is told apart by its name."""
    node = host.folder.find(data_dir)
    if node:
        return node.identity in host.in_use
    return any(database.values.get("data_dir") == data_dir for database in host.databases)


def add_listed(host: Host, engine: Engine, servers: "List[Installed]") -> None:
    """Add the stopped ones among the instances that a file of the engine lists."""
    evidence = "listed in %s, no process" % engine.instance_list.place
    for instance, home in listed_instances(host, engine):
        runs = any(db.engine is engine and db.place == instance for db in host.databases)
        for server in servers:
            if same_file(host.folder, os.path.dirname(server.path), home + "/bin"):
                host.in_use.add(server.identity)
                if not runs:
                    config = Config(host.folder, engine, Command([], ""))
                    add_record(host, server, config, None, instance, evidence)


def add_record(
    host: Host,
    server: Installed,
    config: Config,
    data: "Optional[Finding]" = None,
    instance: str = "",
    evidence: str = "executable, no process",
) -> None:
    """Add the record of a stopped server. Without a data directory there are 0 bytes of data."""
    engine = server.engine
    database = Database(engine, server.version, "installed", evidence, server.path)
    database.place = instance
    database.put("port", *(config.port or (engine.port, "engine default")))
    if data:
        attach_data_dir(host, database, config.folder, data, *reach(config.folder, data[0]))
    elif engine.data_places or engine.stateless:
        database.put_size(0, True, "no data directory exists")
    else:
        host.warn("%s: %s" % (server.path, NO_DATA_DIR))
    put_settings(database, config)
    host.databases.append(database)


def server_for(
    folder: Folder, command: Command, data_dir: str, servers: "List[Installed]"
) -> "Optional[Installed]":
    """The installed server that would open this data directory."""
    for server in servers:
        if command.binary and same_file(folder, command.binary, server.path):
            return server
    file = servers[0].engine.data_version_file
    told = folder.text("%s/%s" % (data_dir, file), 64).strip()
    match = re.search(r"/(\d+(?:\.\d+)?)/", (command.config or data_dir) + "/")
    series = (told or (match.group(1) if match else "")) if file else ""
    for server in servers:
        if not series or (server.version.text + ".").startswith(series + "."):
            return server
    return None


# --- start commands -----------------------------------------------------------------------------


class Unit:
    """A systemd service unit that starts something."""

    def __init__(self, name: str, command: "Strings", variables: "Dict[str, str]") -> None:
        self.name, self.command, self.variables = name, command, variables
        self.program = file_name(command[0])


def start_commands(host: Host, engine: Engine) -> "List[Command]":
    """What says how a server would be started: service units, configuration files, and the usual
    data directories, in this order."""
    folder = host.folder
    if host.units is None:
        host.units = list(read_units(folder))
    programs = engine.programs + engine.launchers
    found = [command_of(unit, engine) for unit in host.units if unit.program in programs]
    for path in filter(folder.find, folder.glob(engine.config_places)):
        found.append(Command([], "config " + path, config=path))
    for path in folder.glob(engine.data_places):
        if holds_data(folder, engine, path) is not False:
            found.append(Command([engine.data_options[0], path], "usual place"))
    return found


def command_of(unit: Unit, engine: Engine) -> Command:
    """The command of a unit that starts this engine, with its variables put in."""

    def variable(match: "re.Match[str]") -> str:
        return unit.variables.get(match.group(1), "")

    args = [re.sub(r"\$\{?(\w+)\}?", variable, word) for word in unit.command[1:]]
    if engine.data_variable in unit.variables:
        args = [engine.data_options[0], unit.variables[engine.data_variable]] + args
    binary = unit.command[0] if unit.program in engine.programs else ""
    return Command(args, "unit " + unit.name, binary)


def read_units(folder: Folder) -> "Iterator[Unit]":
    """The service units that start something, from systemd's files. systemd is not asked."""
    for name, text in sorted(unit_texts(folder).items()):
        if not name.endswith(".service"):
            continue
        variables: Dict[str, str] = {}
        command: Strings = []
        for line in text.replace("\\\n", " ").split("\n"):
            key, _, value = line.strip().partition("=")
            if key == "Environment":
                variables.update(word.partition("=")[::2] for word in split_words(value))
            elif key == "ExecStart" and value.strip():
                words = split_words(value.strip().lstrip("-@:+!"))
                command = [word for word in words if "%" not in word]
        if command:
            yield Unit(name, command, variables)


def unit_texts(folder: Folder) -> "Dict[str, str]":
    """Unit name -> its text, with that of its drop-in folder: all units that the administrator
    wrote, and the packages' with the name of an engine's."""
    texts: Dict[str, str] = {}
    names = "|".join(engine.unit_names for engine in ENGINES)
    for place in ("/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"):
        for name in folder.names(place)[:MAX_UNITS]:
            if place != "/etc/systemd/system" and not re.search(names, name):
                continue
            path = place + "/" + name
            if name.endswith(".d"):
                unit, files = name[:-2], folder.children(path)[:20]
                texts.setdefault(unit, "")  # drop-ins add to it
            else:
                unit, files = name, [path]
                texts[unit] = ""  # a unit of a later place replaces it
            texts[unit] += "\n" + "\n".join(folder.text(file, 65536) for file in files)
    return texts


def split_words(text: str) -> "Strings":
    """The words of a unit's setting; quotes keep a word together."""
    found = re.findall(r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'])+", text[:65536])
    return [re.sub("[\"']", "", word) for word in found if word.strip("\"'")]


# --- sizes --------------------------------------------------------------------------------------


def measure_sizes(host: Host) -> None:
    """Measure what was found. It may take all the time that is left, so it comes last, and each
    directory gets its share: what one does not need, the others have."""
    waiting = [database for database in host.databases if database.data]
    for place, database in enumerate(waiting):
        share = (host.deadline - time.monotonic()) / (len(waiting) - place)
        measure_data(host, database, min(MAX_SIZE_SECONDS, share))


def measure_data(host: Host, database: Database, seconds: float) -> None:
    """Set the size of its data, which is unknown unless it was measured, and the space left."""
    if not database.data:
        return
    (folder, identity), path = database.data, database.values["data_dir"]
    try:
        top = folder.open(path).reopened()
        if top.identity != identity:
            raise OSError(errno.ESTALE, "another took its place", path)
        if host.live and top.is_folder:
            disk = os.fstatvfs(top.fd)
            database.put("disk_free_mb", disk.f_bavail * disk.f_frsize // MIB)
        size, omissions = directory_size(top, folder.remote, time.monotonic() + seconds)
        if size or not omissions:
            database.put_size(size, not omissions, "sum of file sizes")
    except OSError as error:
        omissions = ["unreadable: %s" % error.strerror]
    for omission in omissions:
        host.warn("%s: %s" % (path, omission))


def directory_size(top: Node, remote: "Strings", end: float) -> "Tuple[int, Strings]":
    """The bytes of the regular files below a folder, until a time, and what is not counted."""
    walk = SizeWalk(remote)
    stack = [(top, top.entries())]
    while stack:
        folder, entries = stack[-1]
        try:
            entry = next(entries, None)
            if entry is None:
                stack.pop()
                continue
            if walk.count >= MAX_SIZE_ENTRIES or time.monotonic() > end:
                walk.omit("measuring was cut short after %d files" % walk.count)
                break
            inner = walk.add(folder, entry, len(stack))
            if inner:
                stack.append((inner, inner.entries()))
        except FileNotFoundError:
            continue  # servers remove files all the time
        except OSError as error:
            walk.omit("a part is unreadable: %s" % error.strerror)
    return walk.total, list(walk.omissions)[:4]


class SizeWalk:
    """The sizes of what is below a folder, a hard link counted once.

    Folders are opened without following a link, one below the other: nothing that is swapped in
    meanwhile leads out.
    """

    def __init__(self, remote: "Strings") -> None:
        self.remote = remote
        self.total = self.count = 0
        self.linked: Set[Identity] = set()
        self.omissions: Dict[str, None] = {}  # in order

    def omit(self, text: str) -> None:
        """Keep what is not counted, and why."""
        self.omissions[text] = None

    def add(self, folder: Node, entry: "os.DirEntry[str]", depth: int) -> "Optional[Node]":
        """Add an entry of a folder; of a folder, open it. Raises OSError."""
        self.count += 1
        path = folder.path + "/" + entry.name
        if path in self.remote:  # before anything touches it
            self.omit("%s is on a network file system: not counted" % path)
            return None
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            self.add_file(status)
        elif stat.S_ISDIR(status.st_mode):
            if depth < MAX_SIZE_DEPTH:
                flags = os.O_DIRECTORY | os.O_NOFOLLOW
                return Node(open_quietly(entry.name, flags, folder.fd), path)
            self.omit("folders below %d levels: not counted" % MAX_SIZE_DEPTH)
        elif entry.is_symlink() and re.search("/(pg_tblspc/[^/]*|pg_wal|pg_xlog)$", path):
            self.omit("%s leads elsewhere: not counted" % path)
        return None

    def add_file(self, status: os.stat_result) -> None:
        """Add a regular file."""
        identity = (status.st_dev, status.st_ino)
        if status.st_nlink == 1 or identity not in self.linked:
            self.total += status.st_size
        if status.st_nlink > 1 and len(self.linked) < MAX_HARD_LINKS:
            self.linked.add(identity)


# --- report -------------------------------------------------------------------------------------

FIELDS = (
    "db_id engine edition version status port listen data_dir data_size_bytes data_size_complete"
    " disk_free_mb binary config_file owner started_at memory_mb tls role container image"
    " published_port clients clients_total".split()
)


def report(host: Host) -> "Dict[str, Any]":
    """The report, in the order in which it is printed."""
    give_ids(host.databases)
    over = [(count - MAX_OF_A_KIND, kind) for kind, count in host.warnings_of_a_kind.items()]
    more = ["%d more: %s" % kind for kind in over if kind[0] > 0]
    databases = sorted(host.databases, key=lambda db: str(db.values["db_id"]))
    records = [record_of(database) for database in databases]
    return {
        "schema": SCHEMA,
        "probe": VERSION,
        "host": host_facts(host),
        "databases": records,
        "warnings": clean(host.warnings + more),
        "complete": host.complete,
        "elapsed_ms": int((time.monotonic() - host.begun) * 1000),
        "count": len(records),
        "end": True,
    }


def record_of(database: Database) -> "Dict[str, Any]":
    """A database's values in their order, and its evidence."""
    record: Dict[str, Any] = {}
    for name in FIELDS:
        if name in database.values:
            is_path = name in ("data_dir", "binary", "config_file")
            record[name] = clean(database.values[name], MAX_PATH if is_path else MAX_TEXT)
    record["evidence"] = {name: clean(text) for name, text in database.evidence.items()}
    return record


def give_ids(databases: "List[Database]") -> None:
    """Name each `<engine>-<port>`; where that is taken, add a hash of what tells the databases
    apart. Who keeps the plain name depends on nothing that a restart or another scan changes."""

    def traits(db: Database) -> "Strings":
        names = ("data_dir", "published_port", "image", "config_file", "binary")
        return [str(db.values.get(name, "~")) for name in names] + [db.place]

    def order(db: Database) -> "List[Any]":
        return ["container" in db.values] + traits(db) + [str(db.values.get("container"))]

    taken: Set[str] = set()
    for db in sorted(databases, key=order):
        plain = name = "%s-%s" % (db.values["engine"], db.values["port"])
        hashed = traits(db)
        if "data_dir" in db.values and "container" not in db.values:
            hashed = hashed[:1]
        while name in taken:
            import hashlib  # late: on most hosts no name is taken

            text = "|".join(hashed).encode("utf-8", "surrogateescape")
            name = "%s-%s" % (plain, hashlib.sha256(text).hexdigest()[:8])
            hashed = hashed + [""]
        taken.add(name)
        db.values["db_id"] = name


def host_facts(host: Host) -> "Dict[str, Any]":
    """Name, operating system, kernel, architecture, memory, MiB, and processors."""
    folder = host.folder
    cores = os.cpu_count() if host.live else folder.text("/proc/cpuinfo").count("processor\t")
    facts = {
        "hostname": first_line(folder, "/proc/sys/kernel/hostname"),
        "os": system_name(folder),
        "kernel": first_line(folder, "/proc/sys/kernel/osrelease"),
        "arch": os.uname().machine if host.live else machine(folder),
        "memory_mb": (number(value_of(folder, "/proc/meminfo", "MemTotal:")) or 0) // 1024,
        "cores": cores,
    }
    return {name: clean(value) for name, value in facts.items() if value}


def system_name(folder: Folder) -> str:
    """The operating system's name and version."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        name = value_of(folder, path, "PRETTY_NAME=")
        name = name[1:] if name[:1] in ("'", '"') else name
        name = name[:-1] if name[-1:] in ("'", '"') else name
        if name:
            return name
    return first_line(folder, "/etc/system-release") or first_line(folder, "/etc/redhat-release")


def value_of(folder: Folder, path: str, name: str) -> str:
    """The rest of the first line of a file that begins with `name`."""
    for line in folder.text(path, 4 * MIB).split("\n"):
        if line.startswith(name):
            return line[len(name) :]
    return ""


def first_line(folder: Folder, path: str) -> str:
    """The first line of a file that is neither empty nor indented."""
    for line in folder.text(path, 4 * MIB).split("\n"):
        if line[:1].strip():
            return line.rstrip()
    return ""


def machine(folder: Folder) -> str:
    """The architecture that a folder's shell is built for."""
    known = {3: "i686", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64"}
    shell = folder.find("/bin/sh")
    head = shell.read(20) if shell else b""
    kind = int.from_bytes(head[18:], "little" if head[5:6] == b"\1" else "big")
    return folder.text("/proc/sys/kernel/arch").strip() or known.get(kind, "")


def clean(value: "Any", limit: int = MAX_TEXT) -> "Any":
    """A value without anything a terminal, page or parser could trip over; texts are bounded."""
    if isinstance(value, list):
        return [clean(item) for item in value]
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    text = "".join(letter if letter.isprintable() else "?" for letter in text[: MAX_PATH + 1])
    return text if len(text) <= limit else text[: limit - 3] + "..."


def compact(found: "Dict[str, Any]") -> str:
    """One line of ASCII. A report that is too long even when packed loses its evidence, and says
    so; it never loses a database."""
    line = packed(found)
    if len(line) > MAX_LINE:
        for record in found["databases"]:
            record.update(evidence={}, listen=[])
            record.pop("clients", None)
        found["warnings"] = found["warnings"][:5] + ["evidence left out: the report is too long"]
        line = packed(found)
    return line


def packed(found: "Dict[str, Any]") -> str:
    """The report as JSON, or, when that is long, as JSON around its compressed form."""
    import json

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
    lines = [", ".join("%s %s" % fact for fact in found["host"].items())]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines + ["warning: %s" % text for text in found["warnings"]])


# --- command line -------------------------------------------------------------------------------


def options(args: "Strings") -> "Dict[str, str]":
    """Option -> value. Raises ValueError with what is wrong. Importing argparse would take longer
    than a small scan."""
    found = {"--root": "/", "--max-seconds": str(MAX_SECONDS)}
    rest = args[::-1]
    while rest:
        name, equals, value = rest.pop().partition("=")
        if name in ("--root", "--max-seconds"):
            found[name] = value if equals else rest.pop() if rest else ""
        elif name in ("--pretty", "--connections") and not equals:
            found[name] = ""
        else:
            raise ValueError("unknown option %s" % clean(name))
    seconds = found["--max-seconds"]
    if not seconds.replace(".", "", 1).isdecimal() or not 0 < float(seconds) < 1000000:
        raise ValueError("--max-seconds %s: not a number of seconds" % clean(seconds))
    if not os.path.isdir(found["--root"]):
        raise ValueError("--root %s: no such folder" % clean(found["--root"]))
    return found


def main(args: "Strings") -> int:
    """Scan and print. Returns the exit code."""
    if "--help" in args:
        print("".join((__doc__ or "").partition("usage: ")[1:]).strip())
        return 0
    try:
        chosen = options(args)
    except ValueError as error:
        sys.stderr.write("%s; see --help\n" % error)
        return 64
    root, seconds = chosen["--root"], float(chosen["--max-seconds"])
    try:
        host = Host(root, seconds, "--connections" in chosen)
        os.listdir(host.proc.fd)
    except OSError as error:
        sys.stderr.write("cannot read /proc of %s: %s\n" % (clean(root), error.strerror))
        return 70
    # Give way to everything else on the host, and stop for certain: what never comes back is
    # interrupted a second after the limit that the code itself keeps.
    os.nice(19)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.setitimer(signal.ITIMER_REAL, seconds + 1, 1)  # again, should the first be lost
    try:
        scan(host)
        measure_sizes(host)
    except OutOfTime:
        host.complete = False
        host.warn(LATE)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    found = report(host)
    print(pretty(found) if "--pretty" in chosen else compact(found))
    return 0


def out_of_time(_signal: int, _frame: object) -> "NoReturn":
    """The hard time limit."""
    raise OutOfTime


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # to free all that is held, piece by piece, costs as much as it took to find it
