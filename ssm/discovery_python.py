#!/usr/bin/env python3
"""Database Discovery probe: which database servers are on this host, as one line of JSON.

It reads files and /proc. It connects to nothing, writes nothing, and keeps to the limits below.
What it reads, how each value is found and what it never does: README.md beside this file.
One file, standard library only, Python 3.6 and later, to be read from top to bottom.

usage: discovery_python.py [--root DIR] [--pretty] [--connections] [--max-seconds N]

  --root DIR        look at DIR as if it were the host's / (nothing is ever run)
  --pretty          print a table for people in place of the JSON line
  --connections     count each server's established client connections by remote address
  --max-seconds N   stop looking after N seconds and report what was found (default 45)
  --help            print this

exit codes: 0 a report was printed, 64 wrong usage, 70 there is no readable /proc
"""

# ruff: noqa: B905, N818, RUF005, SIM105, SIM905 - Python 3.6; contextlib costs start-up time

import errno
import os
import re
import signal
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        Any,
        Callable,
        Dict,
        Iterable,
        Iterator,
        List,
        Match,
        NoReturn,
        Optional,
        Tuple,
    )

    Text = Optional[str]
    Found = Tuple[Any, str]  # a value, and how it was found
    Listener = Tuple[str, int]  # address, port
    Server = Tuple[str, Tuple[int, int], "Version"]  # path, identity, version

SCHEMA = 1
VERSION = "1.2.0"

# --- limits -------------------------------------------------------------------------------------

MIB = 1 << 20
MAX_SECONDS = 45.0
MAX_SIZE_SECONDS = 20.0
MAX_SIZE_ENTRIES = 5000000
MAX_SIZE_DEPTH = 64
MAX_HELD = 500
MAX_FILES_OPEN = 50000
MAX_CMDLINE = 128 * 1024
MAX_ARGUMENTS = 1000
MAX_CONFIG_FILES = 200
MAX_CONFIG_LINES = 20000
MAX_CONFIG_LINE = 4096
MAX_NET_TABLE = 4 * MIB
MAX_MOUNTS = 16 * MIB
MAX_PACKAGE_STATUS = 32 * MIB
MAX_EXECUTABLE = 256 * MIB
MAX_ALL_EXECUTABLES = 512 * MIB
MAX_LISTED = 20000
MAX_UNITS = 1000
MAX_HARD_LINKS = 200000
MAX_LINKS = 40
MAX_TEXT = 256
MAX_PATH = 1024
MAX_WARNINGS = 20
MAX_OF_A_KIND = 5
MAX_LISTEN = 6
MAX_CLIENTS = 50
MAX_PLAIN = 2500  # characters that Systems Manager lists; a longer report is packed
MAX_LINE = 23000  # what Systems Manager returns of one invocation is 24,000 characters
MAX_RUN_SECONDS = 5.0
MAX_RUN_OUTPUT = 4096
NOBODY = 65534
LATE = "stopped by the time limit: there may be more than is listed"

# File systems that can hang, or wake something up, when they are touched; fuse.* too.
REMOTE = (
    "9p acfs afs autofs beegfs ceph cifs coda cvmfs davfs fuse gfs gfs2 glusterfs gpfs lustre ncpfs"
    " nfs nfs4 ocfs2 orangefs panfs pvfs2 smb2 smb3 smbfs wekafs".split()
)

# --- engines: the rule table --------------------------------------------------------------------

PLACES = """
/usr/sbin /usr/libexec /usr/bin /usr/local/bin /usr/local/sbin /usr/local/libexec /usr/local/*/bin
/opt/*/bin /opt/*/sbin /opt/*/*/bin /opt/rh/*/root/usr/bin /opt/rh/*/root/usr/sbin
/opt/rh/*/root/usr/libexec /usr/lib/postgresql/*/bin /usr/lib/postgresql*/bin /usr/pgsql-*/bin
/usr/libexec/postgresql* /usr/edb/*/bin /opt/scylladb/libexec /opt/mssql/bin /opt/firebird/bin
/usr/lib/firebird/*/bin /opt/ibm/db2/*/adm /opt/couchdb/erts-*/bin
/u01/app/oracle/product/*/*/bin /opt/oracle/product/*/*/bin /usr/sap/*/HDB*/exe
/hana/shared/*/exe/linuxx86_64/hdb /opt/sap/ASE-*/bin /opt/sybase/ASE-*/bin
""".split()
"""Where packages and tarballs put servers, root's alone to fill; `*` within one component."""

# A paragraph an engine: name, default port, perhaps the engine it is like; then what differs. `=`
# words, `:` one text, `+` one entry of several. The first explains the columns and has defaults.
# Entries of `package` and `mark` begin with engine/edition (`_` is a space there and in literals).
ENGINES = r"""
any 0
 programs =  # file names of the executable, and nothing else's
 aliases =  # other names it may run by
 launchers =  # what starts it for a service, with its arguments
 where :  # the executable's path, when its name is shared
 says :  # the command line, when the executable does other things too
 library :  # the file an interpreter loads that is the server, with its version
 library_places =
 instance :  # in command line or working directory: processes of one instance share it
 not_serving = --version -V -v --help -? -h
 package +  # Debian's
 mark +  # text in the executable; the first that is there tells the engine
 text +  # its version: a literal and the pattern around it; `.` only counts beside a mark
 series +  # the same for its series, which picks a version
 path_version :  # in the executable's path
 version_parts : 3
 beside :  # a file beside the executable, and the version in it
 ask = --version
 data_version :  # a file of the data directory: the first part of the version
 units :  # names of the service units of packages
 port_options = --port
 port_keys = port
 port_like :  # the port, where it depends on the instance
 port_file :  # file of the data directory, line
 other_ports =  # not its port while it listens on another
 data_options = --data-dir
 data_variable :  # in the environment of a service unit
 data_keys =
 data_marks =  # a data directory has one of these; an open file of this name is in one
 data_places =
 config_options = --config-file --config
 config_places =
 config_name :  # the file, when the option or the data directory names its folder
 config_also =  # beside it (or in the data directory), read later
 include :  # a line that includes: kind, target
 groups :  # the sections of its configuration that count
 tls =  # settings that turn TLS on
 role +  # setting or file of the data directory, role
 kind :  # its role, whatever the configuration says
 traits =  # stateless, works_in_data (even an empty one), tls_off (unless the file says otherwise),
 traits =  # data_by_config (-D may name the configuration), config_told (no usual file unless told)
 tried : synthetic host

mysql 3306
 programs = mysqld mariadbd mysqld-debug mysqld.bin mysqld-max
 launchers = mysqld_safe mariadbd-safe
 not_serving = --version -V --help -? --verbose --initialize --initialize-insecure --bootstrap
 not_serving = --validate-config --print-defaults
 package + percona percona-server-server(-\d[\d.]*)?
 package + percona/XtraDB_Cluster percona-xtradb-cluster-server(-\d[\d.]*)?
 package + mariadb mariadb-server(-core)?(-\d[\d.]*)?
 package + mysql/Enterprise mysql-(commercial|enterprise)-server(-core)?
 package + mysql/Community mysql-(cluster-)?community-server(-core|-debug)?
 package + mysql/Community mysql-server(-core)?(-\d[\d.]*)?
 mark + percona/XtraDB_Cluster Percona XtraDB Cluster (
 mark + percona Percona Server (
 mark + mariadb/Enterprise -MariaDB-enterprise
 mark + mariadb -MariaDB
 mark + mysql/Enterprise MySQL Enterprise Server
 mark + mysql/Community Community Server
 text + -MariaDB (?<![\d.])(\d{1,2}\.\d{1,2}\.\d{1,3})(?:-\d{1,2})?-MariaDB
 series + mysqld- \x00mysqld-(\d{1,2}\.\d{1,2})\x00
 series + mariadbd- \x00mariadbd-(\d{1,2}\.\d{1,2})\x00
 path_version : (?:mysql|mariadb|percona-server)[^/]*?-(\d+\.\d+\.\d+(?:-\d+)?)
 units : mysql|maria|percona
 port_options = -P --port
 other_ports = 33060 33062 4444 4567 4568
 data_options = -h --datadir
 data_keys = datadir
 data_marks = ibdata1 aria_log_control mysql.ibd mysql undo_001
 data_places = /var/lib/mysql
 config_options = --defaults-file
 config_places = /etc/my.cnf /etc/mysql/my.cnf
 include : !(include(?:dir)?)\s+(.*)
 groups : (mysqld|server|mysqld-\d+\.\d+|mariadbd?(-\d+\.\d+)?)$
 tls = ssl_cert
 role + master.info replica
 role + relay-log.info replica
 role + wsrep_cluster_address cluster member
 tried : MariaDB 10.11, MySQL 5.6

postgresql 5432
 programs = postgres postmaster postgres.bin
 launchers = pg_ctl
 not_serving = --version -V --help -? --boot --single --check --describe-config -C
 package + postgresql (pgdg-)?postgresql(-?\d[\d.]*)?(-server)?
 mark + edb postgres (EnterpriseDB)
 mark + postgresql postgres (PostgreSQL)
 text + postgres postgres \((?:PostgreSQL|EnterpriseDB)\) (\d+(?:\.\d+){0,2}(?:[a-z]+\d+|devel)?)
 path_version : (?:postgresql|pgsql|postgres)[-/]?(\d+(?:\.\d+)*)(?=[-/])
 version_parts : 2
 data_version : PG_VERSION
 units : postgres|pgsql
 port_options = -p --port
 port_file : postmaster.pid 3
 data_options = -D --data-directory
 data_variable : PGDATA
 data_keys = data_directory
 data_marks = PG_VERSION postmaster.pid
 data_places = /var/lib/postgresql/*/* /var/lib/postgresql/data /var/lib/pgsql/data
 data_places = /var/lib/pgsql/*/data /var/lib/postgres/data /usr/local/pgsql/data
 config_places = /etc/postgresql/*/*/postgresql.conf
 config_name : postgresql.conf
 config_also = postgresql.auto.conf
 include : (include(?:_dir|_if_exists)?)\s*[= ]\s*(.*)
 tls = ssl
 role + standby.signal standby
 role + recovery.conf standby
 traits = data_by_config config_told tls_off
 tried : PostgreSQL 15, 16, 18

edb 5444 postgresql
 programs = edb-postgres edb-postmaster
 package + edb/Advanced_Server edb-as\d+-server(-core)?
 units : edb-as
 data_places = /var/lib/edb/*/data /var/lib/edb-as/*/*
 config_places = /etc/edb-as/*/*/postgresql.conf

mongodb 27017
 programs = mongod
 not_serving = --version -h --help --repair --shutdown --sysinfo
 package + mongodb/Enterprise mongodb-enterprise(-server)?
 package + mongodb/Percona percona-server-mongodb(-server)?
 package + mongodb/Community mongodb(-org)?(-server)?(-core)?
 mark + mongodb gitVersion
 mark + mongodb db version v
 text + db_version_v db version v(\d{1,2}\.\d{1,2}\.\d{1,3}(?:-[\w.]{1,20})?)
 text + . \x00(\d\.\d{1,2}\.\d{1,3}(?:-[\w.]{1,20})?)\x00{1,8}[0-9a-f]{40}\x00
 path_version : mongodb[^/]*?-(\d+\.\d+\.\d+)
 units : mongod
 port_keys = net.port port
 data_options = --dbpath
 data_keys = storage.dbPath dbpath
 data_marks = WiredTiger storage.bson mongod.lock WiredTiger.wt WiredTiger.lock
 data_places = /var/lib/mongodb /var/lib/mongo /data/db
 config_options = -f --config
 config_places = /etc/mongod.conf /etc/mongodb.conf
 tls = net.tls.mode net.ssl.mode
 role + replication.replSetName replica set member
 traits = config_told tls_off

mongodb 27017 mongodb
 programs = mongos
 package + mongodb mongodb(-org|-enterprise)?-mongos
 text + mongos_version_v mongos version v(\d+\.\d+\.\d+)
 text + . \x00(\d\.\d{1,2}\.\d{1,3}(?:-[\w.]{1,20})?)\x00{1,8}[0-9a-f]{40}\x00
 units : mongos
 data_places =
 config_places = /etc/mongos.conf
 kind : router
 traits = stateless config_told tls_off

redis 6379
 programs = redis-server
 aliases = redis-check-rdb redis-check-aof
 says : (\S*/)?\w+-server(?![^\0]*\[sentinel\])(?!.*--sentinel)
 mark + redis redis_version:
 text + . \0(\d{1,2}\.\d{1,2}\.\d{1,3})\0
 data_options = --dir
 data_keys = dir
 data_marks = dump.rdb appendonlydir appendonly.aof
 data_places = /var/lib/redis /var/lib/redis/*
 config_places = /etc/redis/*.conf /etc/redis.conf
 include : (include)\s+(.*)
 tls = tls-port
 role + replicaof replica
 role + slaveof replica
 traits = works_in_data config_told tls_off
 tried : Redis 7.0

valkey 6379 redis
 programs = valkey-server
 aliases = valkey-check-rdb valkey-check-aof
 mark + valkey valkey_version:
 data_places = /var/lib/valkey
 config_places = /etc/valkey/*.conf

keydb 6379 redis
 programs = keydb-server
 aliases = keydb-check-rdb keydb-check-aof
 mark + keydb KeyDB
 data_places = /var/lib/keydb
 config_places = /etc/keydb/*.conf

couchbase 11210
 programs = memcached
 where : /couchbase/bin/
 package + couchbase couchbase-server(-community)?
 beside : ../VERSION.txt (\d+\.\d+\.\d+)
 ask =
 other_ports = 11207
 data_places = /opt/couchbase/var/lib/couchbase/data

memcached 11211
 programs = memcached
 text + memcached memcached (\d+\.\d+\.\d+)
 ask = -V
 port_options = -p --port
 config_options =
 traits = stateless
 tried : memcached 1.6

cassandra 9042
 programs = java
 says : .*\0org\.apache\.cassandra\.service\.CassandraDaemon
 library : .*/apache-cassandra-(\d+\.\d+(?:\.\d+)?)\.jar$
 library_places = /usr/share/cassandra /usr/share/cassandra/lib /opt/*cassandra*/lib
 ask =
 port_keys = native_transport_port
 other_ports = 7000 7001 7199
 data_keys = data_file_directories
 data_marks = system system_schema
 data_places = /var/lib/cassandra/data
 config_options = -Dcassandra.config
 config_places = /etc/cassandra/cassandra.yaml /etc/cassandra/conf/cassandra.yaml
 tls = client_encryption_options.enabled
 traits = tls_off

scylladb 9042 cassandra
 programs = scylla
 says :
 library :
 library_places =
 package + scylladb scylla(-enterprise)?-server
 beside : ../SCYLLA-VERSION-FILE (\d+\.\d+\.\d+)
 ask = --version
 units : scylla
 data_places = /var/lib/scylla/data
 config_options = --options-file
 config_places = /etc/scylla/scylla.yaml

elasticsearch 9200
 programs = java
 says : .*\0(org\.elasticsearch\.(bootstrap|server)[\w./]*|-m\0org\.elasticsearch\.server)
 library : .*/elasticsearch-(\d+\.\d+\.\d+)\.jar$
 library_places = /usr/share/elasticsearch/lib /opt/elasticsearch*/lib
 ask =
 port_options = -Ehttp.port
 port_keys = http.port
 other_ports = 9300
 data_options = -Epath.data -Des.path.data
 data_keys = path.data
 data_marks = nodes node.lock _state indices
 data_places = /var/lib/elasticsearch
 config_options = -Des.path.conf
 config_places = /etc/elasticsearch/elasticsearch.yml
 config_name : elasticsearch.yml
 tls = xpack.security.http.ssl.enabled xpack.security.http.ssl

opensearch 9200 elasticsearch
 says : .*\0org\.opensearch\.bootstrap\.OpenSearch
 library : .*/opensearch-(\d+\.\d+\.\d+)\.jar$
 library_places = /usr/share/opensearch/lib /opt/opensearch*/lib
 data_places = /var/lib/opensearch
 config_options = -Dopensearch.path.conf
 config_places = /etc/opensearch/opensearch.yml
 config_name : opensearch.yml
 tls = plugins.security.ssl.http.enabled

neo4j 7687
 programs = java
 says : .*\0(com|org)\.neo4j\.server\.(\w{1,40}\.)?(\w{0,60}EntryPoint|startup\.\w)
 library : .*/neo4j-kernel-(\d+\.\d+\.\d+)\.jar$
 library_places = /usr/share/neo4j/lib /opt/neo4j*/lib
 ask =
 port_keys = server.bolt.listen_address dbms.connector.bolt.listen_address
 other_ports = 7474 7473
 data_keys = server.directories.data dbms.directories.data
 data_marks = databases transactions
 data_places = /var/lib/neo4j/data
 config_options = --config-dir
 config_places = /etc/neo4j/neo4j.conf
 config_name : neo4j.conf
 tls = server.bolt.tls_level

couchdb 5984
 programs = beam.smp
 says : .*couchdb
 library : .*/releases/(\d+\.\d+\.\d+)/couchdb
 library_places = /opt/couchdb/releases/*
 ask =
 port_keys = chttpd.port httpd.port
 other_ports = 4369 5986
 data_keys = couchdb.database_dir
 data_marks = _dbs.couch shards
 data_places = /opt/couchdb/data /var/lib/couchdb
 config_places = /opt/couchdb/etc/default.ini
 config_also = local.ini local.d/*.ini
 tls = ssl.enable
 traits = tls_off

clickhouse 9000
 programs = clickhouse-server
 aliases = clickhouse
 says : (\S*/)?clickhouse(-server\b|\0server\b)
 package + clickhouse clickhouse-(common-static|server(-base|-common)?)
 text + -stable v?(\d\d\.\d{1,2}\.\d+\.\d+)-stable
 text + -lts v?(\d\d\.\d{1,2}\.\d+\.\d+)-lts
 ask = server --version
 port_keys = tcp_port
 other_ports = 8123 9004 9005 9009
 data_options = --path
 data_keys = path
 data_marks = metadata store status
 data_places = /var/lib/clickhouse
 config_options = -C --config-file
 config_places = /etc/clickhouse-server/config.xml
 config_also = config.d/*.xml
 tls = tcp_port_secure
 traits = tls_off
 tried : ClickHouse 18.16

influxdb 8086
 programs = influxd influxdb3
 package + influxdb influxdb\d?(-server|-core)?
 ask = version
 units : influx
 port_options = --http-bind-address
 port_keys = http.bind-address http-bind-address
 other_ports = 8088
 data_options = --engine-path --data-dir
 data_keys = data.dir engine-path
 data_places = /var/lib/influxdb/data /var/lib/influxdb/engine
 config_options = -config --config
 config_places = /etc/influxdb/influxdb.conf /etc/influxdb/config.toml
 tls = http.https-enabled tls-cert
 tried : InfluxDB 1.6

cockroachdb 26257
 programs = cockroach
 says : .*\0start(-single-node)?\0
 ask = version
 units : cockroach
 port_options = --listen-addr --port
 other_ports = 8080
 data_options = -s --store
 data_marks = CURRENT cockroach-temp STORAGE_MIN_VERSION LOCK
 data_places = /var/lib/cockroach
 tls = certs-dir

tidb 4000
 programs = tidb-server
 ask = -V
 port_options = -P --port
 other_ports = 10080
 config_places = /etc/tidb/*.toml
 tls = security.ssl-cert
 traits = stateless config_told

etcd 2379
 programs = etcd
 port_options = --listen-client-urls
 port_keys = listen-client-urls
 other_ports = 2380 2381
 data_keys = data-dir
 data_marks = member member/snap/db
 data_places = /var/lib/etcd /var/lib/etcd/*
 tls = cert-file client-transport-security.cert-file
 tried : etcd 3.4

firebird 3050
 programs = firebird fb_smp_server fbserver
 package + firebird firebird\d\.\d-server(-core)?
 text + Firebird [A-Z]{2}-[VT](\d+(?:\.\d+){3})
 ask =
 port_options = -p
 port_keys = RemoteServicePort
 data_places = /var/lib/firebird/*/data /var/lib/firebird/data
 config_places = /etc/firebird/*/firebird.conf /opt/firebird/firebird.conf
 tried : Firebird 3.0

sqlserver 1433
 programs = sqlservr
 package + sqlserver mssql-server
 ask =
 units : mssql
 port_keys = network.tcpport
 other_ports = 1431 1434
 data_keys = filelocation.defaultdatadir
 data_marks = master.mdf
 data_places = /var/opt/mssql/data
 config_places = /var/opt/mssql/mssql.conf
 tls = network.tlscert
 role + hadr.hadrenabled availability group

oracle 1521
 programs = oracle
 says : ora_pmon_
 instance : ora_pmon_(\w+)
 path_version : /product/(\d+(?:\.\d+)*)/
 version_parts : 4
 beside : ../inventory/ContentsXML/comps.xml NAME=\"oracle\.server\" VER=\"(\d+[\d.]*)\"
 ask =

db2 50000
 programs = db2sysc
 instance : db2sysc
 path_version : /db2/V(\d+\.\d+)
 ask =
 port_like : (50\d\d\d|25\d\d\d)

hana 30015
 programs = hdbindexserver hdbnameserver
 instance : /usr/sap/(\w{3}/HDB\d\d)
 beside : manifest fullversion:\s*(\d+\.\d+\.\d+)
 ask =
 units : saphana
 port_like : 3\d\d(13|15)
 data_places = /hana/data/*

ase 5000
 programs = dataserver
 mark + ase Adaptive Server Enterprise/
 text + Adaptive_Server_Enterprise/ Adaptive Server Enterprise/(\d+\.\d+(?:\.\d+)?)
 path_version : /ASE-(\d+)_
 ask =
 units : sybase|dataserver
 data_options = -d
 config_options = -c
"""


class Rule:
    """A row of the table. A column is an attribute: List[str] for `=` and `+`, str for `:`."""

    def __init__(self, paragraph: str, above: "Dict[str, Rule]") -> None:
        head, *lines = paragraph.split("\n")
        self.engine, port, *like = head.split()
        cells = {"engine": self.engine, "default_port": int(port)}  # type: Dict[str, Any]
        if above:
            usual = above["any"]
            package = "%s %s(-server|-tools)?(-\\d[\\d.]*)?" % (self.engine, self.engine)
            self.__dict__.update(above[like[0]].__dict__ if like else usual.__dict__)
            self.__dict__.update(package=[package], units=self.engine, tried=usual.tried)
        for line in lines:
            column, sign, value = (line[1:].partition("  # ")[0] + " ").split(" ", 2)
            value = value.strip()
            words = value.split() if sign == "=" else [value] if value else []
            cells[column] = value if sign == ":" else cells.get(column, []) + words
        self.__dict__.update(cells)

    if TYPE_CHECKING:

        def __getattr__(self, column: str) -> "Any": ...


def rules() -> "List[Rule]":
    """The rule table."""
    above = {}  # type: Dict[str, Rule]
    found = []
    for paragraph in ENGINES.strip("\n").split("\n\n"):
        found.append(Rule(paragraph, above))
        above.setdefault(found[-1].engine, found[-1])
    return found[1:]


# --- safe access to files -----------------------------------------------------------------------

_PATH_ONLY = getattr(os, "O_PATH", 0)
_PEEK = _PATH_ONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class OutOfTime(Exception):
    """The hard time limit passed in the middle of something."""


class RemoteFile(OSError):
    """The path is on a file system that is never touched."""


class Node:
    """A file or folder that was reached safely: a descriptor, which closes with this object."""

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path
        self.stat = os.fstat(fd)
        self.identity = (self.stat.st_dev, self.stat.st_ino)
        self.is_file = stat.S_ISREG(self.stat.st_mode)
        self.is_folder = stat.S_ISDIR(self.stat.st_mode)
        self.is_roots = self.stat.st_uid == 0 and not self.stat.st_mode & 0o022
        self.trusted = False  # only root can change it, or put another in its place

    def __del__(self) -> None:
        os.close(self.fd)

    def reopened(self) -> "Node":
        """The same to read from: its path is not followed again."""
        if not self.is_file and not self.is_folder:
            raise OSError(errno.EINVAL, "neither a regular file nor a folder", self.path)
        link = "/proc/self/fd/%d" % self.fd
        return Node(open_quietly(link) if _PATH_ONLY else os.dup(self.fd), self.path)

    def entries(self) -> "Iterator[os.DirEntry[str]]":
        """The entries of a folder, as they come."""
        node = self.reopened()
        if sys.version_info >= (3, 7):
            yield from os.scandir(node.fd)
        else:
            yield from os.scandir("/proc/self/fd/%d" % node.fd)  # 3.6 takes no descriptor


def open_quietly(path: str, flags: int = 0, folder: "Optional[int]" = None) -> int:
    """Open for reading without touching the access time, where that is allowed."""
    try:
        return os.open(path, _READ | flags | getattr(os, "O_NOATIME", 0), dir_fd=folder)
    except PermissionError:
        return os.open(path, _READ | flags, dir_fd=folder)


class Folder:
    """A folder seen as `/`.

    A path is followed one component at a time through open descriptors, and its links are followed
    inside the folder: whatever they say, and whoever changes them meanwhile, no path leads out.
    """

    def __init__(self, fd: int, mounts: str = "") -> None:
        self.top = Node(fd, "")
        self.remote = remote_mounts(mounts)
        self.listings = {}  # type: Dict[str, List[str]]

    def open(self, path: str) -> Node:
        """Follow `path` to its end. Raises OSError; RemoteFile before a remote file system."""
        if "\0" in path or len(path) > 4096:
            raise OSError(errno.EINVAL, "not a path")
        todo = path.split("/")[::-1]
        trail, links = [self.top], 0
        while todo:
            name = todo.pop()
            if name == "..":
                trail = trail[:-1] or trail
            if name in ("", ".", ".."):
                continue
            at, here = trail[-1].fd, trail[-1].path + "/" + name
            if here in self.remote or "/" in self.remote:
                raise RemoteFile(errno.EREMOTE, "on a network file system", here)
            mode = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, "too many links", here)
                target = os.readlink(name, dir_fd=at)
                todo += target.split("/")[::-1]
                trail = trail[:1] if target[:1] == "/" else trail
            elif _PATH_ONLY or stat.S_ISREG(mode) or stat.S_ISDIR(mode):
                trail.append(Node(os.open(name, _PEEK, dir_fd=at), here))
            else:
                raise OSError(errno.EINVAL, "neither a regular file nor a folder", here)
        trail[-1].trusted = all(node.is_roots for node in trail)
        return trail[-1]

    def find(self, path: str) -> "Optional[Node]":
        """What is there, if it can be reached."""
        try:
            return self.open(path)
        except OSError:
            return None

    def read(self, path: str, limit: int = MIB) -> bytes:
        """At most `limit` bytes of a regular file; none when it cannot be read."""
        try:
            node = self.open(path)
            if node.is_file:
                node = node.reopened()
                with open(node.fd, "rb", closefd=False) as file:
                    # Of /proc's files the size is 0. To ask for no more than there is costs less.
                    return file.read(min(limit, node.stat.st_size or limit))
        except OSError:
            pass
        return b""

    def text(self, path: str, limit: int = MIB) -> str:
        """The same as text."""
        return self.read(path, limit).decode("utf-8", "surrogateescape")

    def names(self, path: str) -> "List[str]":
        """The names in a folder, sorted, at most MAX_LISTED; none when it cannot be listed."""
        if path not in self.listings:
            found = self.listings[path] = []
            try:
                for entry in self.open(path).entries():
                    found.append(entry.name)
                    if len(found) >= MAX_LISTED:
                        break
            except OSError:
                pass  # what was listed before the error is still there
            found.sort()
        return self.listings[path]

    def inside(self, place: str) -> "List[str]":
        """The paths in a folder."""
        return [place.rstrip("/") + "/" + name for name in self.names(place)]

    def glob(self, patterns: "Iterable[str]") -> "List[str]":
        """The paths these patterns stand for; `*` is any text within one component."""
        found = []
        for pattern in patterns:
            paths = [""]
            for part in pattern.strip("/").split("/"):
                if "*" in part:
                    inner = (one for path in paths for one in self.inside(path))
                    fitting = (one for one in inner if fits(one[one.rfind("/") + 1 :], part))
                    paths = [one for one, _ in zip(fitting, range(MAX_LISTED))]
                else:
                    paths = [path + "/" + part for path in paths]
            found += paths
        return found

    def link(self, name: str) -> str:
        """Where a link directly in the folder says it leads."""
        try:
            return os.readlink(name, dir_fd=self.top.fd)
        except OSError:
            return ""


def fits(name: str, pattern: str) -> bool:
    """Whether a name is what a pattern with at most one `*` stands for."""
    head, star, tail = pattern.partition("*")
    if not star:
        return name == pattern
    return name.startswith(head) and name.endswith(tail) and not name.startswith(".")


def remote_mounts(mounts: str) -> "List[str]":
    """Mount points of file systems that are never touched, from the text of /proc/…/mounts."""
    if len(mounts) >= MAX_MOUNTS:
        return ["/"]  # what comes behind is not known: nothing is touched
    kinds = {}
    for _, point, kind, *_ in [
        line.split(" ") for line in mounts.split("\n") if line.count(" ") > 2
    ]:
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), point)
        kinds[point.rstrip("/") or "/"] = "fuse" if kind.startswith("fuse.") else kind
        if kind == "fuse.lxcfs":
            kinds.popitem()
    return [point for point, kind in kinds.items() if kind in REMOTE]


# --- configuration files ------------------------------------------------------------------------


class Command:
    """How a server is started: its arguments, and who gives them: "command line", "unit x.service".

    `binary` and `config` are the executable and configuration file of a stopped server, if named.
    """

    def __init__(self, args: "List[str]", source: str, binary: str = "", config: str = "") -> None:
        self.args = args
        self.source = source
        self.binary = binary
        self.config = config

    def option(self, names: "Iterable[str]") -> str:
        """The last value of an option: `--name=x`, `-name x`, `-Xx`, `-X x`, `-c name=x`."""
        found = ""
        for arg, after in zip(self.args, self.args[1:] + [""]):
            key, equals, value = ("--" + after if arg == "-c" and "=" in after else arg).partition(
                "="
            )
            plain = key.strip().lstrip("-").replace("_", "-")
            for name in names:
                if len(name) > 2 and key[:1] == "-" and plain == name.lstrip("-"):
                    found = value if equals else after
                elif len(name) == 2 and arg[:2] == name:
                    found = arg[2:].lstrip("=") or after
        return found.strip().strip("'\"")


class Config:
    """Settings in effect: name -> (value, source). `file` is the one a person would open.

    `port` and `data`, the directories named for the data, are set by `configuration`.
    """

    def __init__(self) -> None:
        self.file = ""
        self.values = {}  # type: Dict[str, Found]
        self.port = None  # type: Optional[Found]
        self.data = []  # type: List[Found]

    def put(self, name: str, text: str, file: str) -> None:
        """Keep a setting without its quotes and the comment behind it."""
        quoted = re.match(r"(['\"])(.*?)\1", text)
        value = quoted.group(2) if quoted else re.sub(r"(?:^|(?<=\s))[#;].*", "", text).strip()
        self.values[name] = (value, "config " + file)

    def get(self, names: "Iterable[str]") -> "Found":
        """The first of these settings that is set."""
        return next((self.values[name] for name in names if name in self.values), ("", ""))


def configuration(folder: Folder, rule: Rule, command: Command, cwd: str) -> Config:
    """Port and data directories as the command line and the configuration give them."""

    def path(text: str) -> str:
        full = os.path.normpath(os.path.join(cwd, text)) if text else ""
        return full[1:] if full.startswith("//") else full

    by_config = "data_by_config" in rule.traits
    given = path(command.option(rule.data_options))
    about = given or (cwd if by_config and cwd != "/" else "")
    config = Config()
    read_config(folder, rule, config_files(folder, rule, command, about, cwd), config)
    if by_config:
        place = path(config.get(rule.data_keys)[0]) or about
        read_config(folder, rule, ["%s/%s" % (place, name) for name in rule.config_also], config)
    named, source = config.get(rule.data_keys)
    told = port_number(command.option(rule.port_options), command.source)
    config.port = told or port_number(*config.get(rule.port_keys))
    found = [(given, command.source), (path(named), source)]
    config.data = [one for one in (found[::-1] if by_config else found) if one[0]]
    return config


def config_files(folder: Folder, rule: Rule, command: Command, about: str, cwd: str) -> "List[str]":
    """The configuration files of one server in the order in which it reads them."""
    if "--no-defaults" in command.args:
        return []
    by_config = "data_by_config" in rule.traits
    first = command.args[0] if command.args and command.args[0].endswith(".conf") else ""
    named = command.option(rule.config_options) or command.config or first
    if named:
        named = os.path.join(cwd, named[5:] if named.startswith("file:/") else named)
        inner = rule.config_name and not named.endswith((".conf", ".yml"))
        paths = [named + "/" + rule.config_name if inner else named]
    elif by_config:
        paths = [about + "/" + rule.config_name] if about else []
    else:
        paths = folder.glob(rule.config_places)
        if "config_told" in rule.traits:
            # The file is not on the command line any more: it is the one with the port of its title
            title = port_number(" ".join(command.args[:1]), "")
            for path in paths[:50] if title else ():
                config = Config()
                read_config(folder, rule, [path], config)
                port = port_number(config.get(rule.port_keys)[0] or str(rule.default_port), "")
                if title and port and title[0] == port[0]:
                    return [path]
            return []
    if by_config:
        return paths
    beside = [os.path.dirname(path) + "/" + name for path in paths for name in rule.config_also]
    return paths + folder.glob(beside)


def expanded(folder: Folder, path: str, include: str, seen: "List[str]") -> "Iterator[Found]":
    """(line, file) of a configuration file and, in place, of those it includes.

    Each file is read once, so a loop ends where it would close.
    """
    node = folder.find(path)
    if len(seen) >= MAX_CONFIG_FILES or path in seen or not node:
        return
    seen.append(path)
    yield "", path
    # Reading a file of /proc can change something; their size is 0.
    text = folder.text(path) if node.stat.st_size else ""
    lines = xml_settings(text) if text.lstrip()[:1] == "<" else text.split("\n", MAX_CONFIG_LINES)
    for line in lines[:MAX_CONFIG_LINES]:
        line = line[:MAX_CONFIG_LINE]
        match = re.match(include, line.strip()) if include and "include" in line else None
        if not match and line.lstrip()[:1] not in ("", "#", ";"):
            yield line, path
        if match:
            inner = os.path.join(os.path.dirname(path), match.group(2).strip("'\" \t"))
            paths = folder.glob([inner])
            if match.group(1).endswith("dir"):
                paths = [one for one in folder.inside(inner) if one.endswith((".cnf", ".conf"))]
            for one in paths:
                yield from expanded(folder, one, include, seen)


def xml_settings(text: str) -> "List[str]":
    """`outer.inner = value` for each element below the root that holds text alone."""
    above, found = [], []  # type: Tuple[List[str], List[str]]
    start, *parts = text.split("<!--")
    text = start + "".join(part.partition("-->")[2] for part in parts)
    for tag, value in re.findall(r"<([^<>]*)>([^<]*)", text):
        name = re.match(r"\w{1,100}", tag)
        if tag[:1] == "/":
            del above[-1:]
        elif name and tag[-1:] != "/":
            above.append(name.group(0))
            if value.strip() and len(above) < 20:
                found.append("%s = %s" % (".".join(above[1:]), " ".join(value.split())))
    return found


def read_config(folder: Folder, rule: Rule, paths: "List[str]", config: Config) -> None:
    """Put the settings of these files: `name = value`, `name value`, sections in brackets, and the
    plain YAML that servers document. The last value wins."""
    seen = []  # type: List[str]
    for line, file in [one for path in paths for one in expanded(folder, path, rule.include, seen)]:
        config.file = config.file or file
        if not line:  # a file begins
            group, above = "", []  # type: Tuple[str, List[Tuple[int, str]]]
        if line.lstrip()[:1] == "[":
            group = line.partition("[")[2].partition("]")[0].strip()
        item = re.match(r"\s*-\s+[\"']?(/[^\"'#]*)", line) if above else None
        if item:
            config.values.setdefault(above[-1][1], (item.group(1).strip(), "config " + file))
        match = re.match(r"(\s*)[\"']?(\w[\w.-]*)[\"']?\s*([:=]|\s|$)\s*(.*)$", line)
        if not match or (rule.groups and not re.match(rule.groups, group)):
            continue
        name, sign, rest = match.group(2, 3, 4)
        if rule.groups:
            name = re.sub("^loose_", "", name.lower().replace("-", "_"))
        elif group:
            name = "%s.%s" % (group, name)
        while above and above[-1][0] >= len(match.group(1)):
            above.pop()
        if sign == ":":
            name = "%s.%s" % (above[-1][1], name) if above else name
        if sign == ":" and rest.startswith("{"):
            for inner, _, value in [one.partition(":") for one in rest.strip("{} \r").split(",")]:
                config.put("%s.%s" % (name, inner.strip()), value.strip(), file)
        elif sign == ":" and not rest.partition("#")[0].strip() and len(name) < MAX_TEXT:
            above.append((len(match.group(1)), name))
        else:
            config.put(name, rest, file)


def port_number(text: str, source: str) -> "Optional[Found]":
    """A port and how it was found, when the text is one, or is an address that ends in one."""
    match = re.search(r"(?:^|:)(\d{1,5})(?:$|[,/\s])", text.strip())
    return (int(match.group(1)), source) if match and 0 < int(match.group(1)) < 65536 else None


# --- processes ----------------------------------------------------------------------------------

_DELETED = " (deleted)"


class Process:
    """One process that may be a server. Its /proc folder is held open, so that all that is read of
    it is of the same process even when its pid is used again."""

    def __init__(self, pid: int, fd: int, rules: "List[Rule]", exe: str) -> None:
        self.pid = pid
        self.files = Folder(fd)
        self.deleted = exe.endswith(_DELETED)
        self.exe = exe[: -len(_DELETED)] if self.deleted else exe
        self.line = self.files.text("cmdline", MAX_CMDLINE)
        args = self.line.split("\0", MAX_ARGUMENTS)
        if len(args) < 3 and " " in args[0]:  # a title in the place of the arguments
            args = args[0].split(" ", MAX_ARGUMENTS)
        self.command = Command(args[1:], "command line")
        self.cwd = self.files.link("cwd") or "/"
        said = [one for one in rules if one.where in exe and re.match(one.says, self.line, re.S)]
        idle = said and args[1:2] and args[1] in said[0].not_serving
        self.rule = said[0] if said and not idle else None
        match = (
            re.search(self.rule.instance, self.line[:256] + "\n" + self.cwd) if self.rule else None
        )
        self.instance = match.group(match.lastindex or 0) if match else str(pid)
        if not (self.rule and self.rule.library):
            self.line = ""  # hundreds of long ones would be held
        status = dict(one.partition(":")[::2] for one in self.files.text("status").split("\n"))
        self.parent = number(status.get("PPid", "")) or 0
        self.user = number(" ".join(status.get("Uid", "").split()[1:2]))  # the effective one
        self.memory = number(status.get("VmRSS", ""))
        self.workers = []  # type: List[Process]
        self.links = None  # type: Optional[List[str]]

    def container(self) -> str:
        """The id of its container, where its control group tells."""
        known = "(?:docker|containerd|crio|libpod|kubepods|lxc|ecs|garden|podman)"
        match = re.search(known + r"\S*?[-/:]([0-9a-f]{64})\b", self.files.text("cgroup"))
        return match.group(1) if match else ""

    def started(self, host: "Host") -> "Text":
        """When it started, UTC."""
        fields = self.files.text("stat").rpartition(") ")[2].split(" ")
        boot = re.search(r"(?m)^btime (\d{1,12})$", host.folder.text("/proc/stat"))
        try:
            seconds = int(boot.group(1) if boot else "") + int(fields[19]) // os.sysconf(
                "SC_CLK_TCK"
            )
            return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
        except (IndexError, OverflowError, ValueError, OSError):
            return None

    def descriptors(self) -> "Optional[List[str]]":
        """What its open descriptors lead to, read once; None when that cannot be read."""
        if self.links is not None:
            return self.links
        try:
            listing = self.files.open("fd").reopened()
            own = Folder(os.dup(listing.fd))
            self.links = list(map(own.link, os.listdir(listing.fd)[:MAX_FILES_OPEN]))
            return self.links
        except OSError:
            return None


def number(text: str) -> "Optional[int]":
    """The number a text begins with, of at most 15 digits."""
    match = re.match(r"\s*(\d{1,15})(?!\d)", text)
    return int(match.group(1)) if match else None


def candidates(host: "Host") -> "List[Process]":
    """The processes whose executable is a server's, without the workers of another one.

    The executable is what /proc/<pid>/exe leads to. A command line can say anything: it counts only
    where the link is hidden from this user, and then must name a file that only root can write.
    """
    found = {}  # type: Dict[int, Process]
    hidden = 0
    proc = host.proc.fd
    for pid in sorted(int(name) for name in os.listdir(proc) if name.isdigit()):
        exe = ""
        if host.late():
            break
        try:
            exe = os.readlink("%d/exe" % pid, dir_fd=proc)
            name = exe[: -len(_DELETED)] if exe.endswith(_DELETED) else exe
        except PermissionError:
            hidden += 1
            name = hidden_program(host, pid)
        except OSError:
            continue  # a kernel thread, or a process that has ended
        name = name[name.rfind("/") + 1 :]
        if name == "docker-proxy":
            host.proxies.append(host.folder.text("/proc/%d/cmdline" % pid, MAX_PATH))
        if name not in host.by_name:
            continue
        try:
            folder = os.open(str(pid), _FOLDER | os.O_NOFOLLOW, dir_fd=proc)
            process = Process(pid, folder, host.by_name[name], exe)
        except OSError:
            continue
        if process.rule:
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
    return sorted(found.values(), key=lambda one: (not is_usual(one.exe), one.pid))


def hidden_program(host: "Host", pid: int) -> str:
    """The program a process says it is, when that is a file only root could have put there."""
    program = host.folder.text("/proc/%d/cmdline" % pid, MAX_PATH).partition("\0")[0]
    node = host.folder.find(program) if program.startswith("/") else None
    return node.path if node and host.trusts(node) else ""


def drop_workers(found: "Dict[int, Process]") -> None:
    """Forget the processes that a server of the same kind started in the same place, and those of
    an instance that has another; a worker may be the one that listens, so a few are kept in hand.
    """
    instances = {}  # type: Dict[Any, Process]
    workers = []
    for process in sorted(found.values(), key=lambda one: (not one.parent, one.pid)):
        over = found.get(process.parent)
        if over and (over.rule is not process.rule or over.cwd != process.cwd):
            over = None
        if process.rule and process.rule.instance:
            over = instances.setdefault((process.rule.engine, process.instance), process)
        if over and over is not process:
            over.workers += [process] if len(over.workers) < 2 else []
            workers.append(process.pid)
    for pid in workers:
        del found[pid]


# --- sockets ------------------------------------------------------------------------------------


def sockets(process: Process, state: str) -> "Iterator[Tuple[Listener, Listener, str]]":
    """(local, remote, inode) of the TCP sockets in a state, in the process's own namespace."""
    for table in ("net/tcp", "net/tcp6"):
        for fields in map(str.split, process.files.text(table, MAX_NET_TABLE).split("\n")):
            try:
                if len(fields) > 9 and fields[3] == state:
                    yield address_of(fields[1]), address_of(fields[2]), fields[9]
            except (ValueError, OverflowError):
                continue


def listeners(process: Process) -> "List[Listener]":
    """The TCP addresses this very process listens on, or one of its workers."""
    for one in [process] + process.workers:
        own = {link[8:-1] for link in one.descriptors() or () if link.startswith("socket:[")}
        found = {local for local, _, inode in sockets(one, "0A") if inode in own} if own else set()
        if found:
            return sorted(found)
    return []


def clients(process: Process, listening: "List[Listener]") -> "Dict[str, int]":
    """Remote address -> established connections to these addresses. Whoever holds such a socket by
    now, a worker of the server does: the kernel gives no other the address that it listens on."""
    found = {}  # type: Dict[str, int]
    for (address, port), (remote, _), _ in sockets(process, "01"):
        if not {(address, port), ("0.0.0.0", port), ("[::]", port)}.isdisjoint(listening):  # noqa: S104
            found[remote.strip("[]")] = found.get(remote.strip("[]"), 0) + 1
    return found


def address_of(text: str) -> "Listener":
    """An address of /proc/net/tcp, 32-bit words in the host's byte order, and its port."""
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


# --- versions -----------------------------------------------------------------------------------


class Version:
    """What is known of a server's software."""

    def __init__(self, text: str, evidence: str, engine: str = "", edition: str = "") -> None:
        self.text = text
        self.version = text or None
        self.evidence = evidence
        self.engine = engine
        self.edition = edition


def entry_of(entry: str) -> "Tuple[str, str, str]":
    """(engine, edition, text) of an entry `engine/edition text` of the table."""
    head, _, text = entry.partition(" ")
    engine, _, edition = head.replace("_", " ").partition("/")
    return engine, edition, text


def file_version(host: "Host", rule: Rule, node: Node, may_ask: bool) -> "Optional[Version]":
    """The version of a trusted executable of the host itself, best evidence first."""
    found = package_version(host, rule, node.path) or text_version(host, rule, node)
    if found:
        return found
    found = name_version(host.folder, rule, node.path)
    whole = found and found.text.count(".") + 1 >= int(rule.version_parts)
    if may_ask and host.live and not whole and not host.late():
        return asked_version(node, rule) or found
    return found


def package_version(host: "Host", rule: Rule, path: str) -> "Optional[Version]":
    """The Debian package that owns this file, by the host's own package database."""
    info = "/var/lib/dpkg/info"
    host.packages = host.packages or "\n".join(host.folder.names(info))
    paths = (path, path[4:] if path.startswith("/usr/") else "/usr" + path)
    for engine, edition, pattern in map(entry_of, rule.package):
        for match in re.finditer(r"(?m)^(%s)(:\w+)?\.list$" % pattern, host.packages):
            owned = "\n" + host.folder.text("%s/%s" % (info, match.group()), 8 * MIB)
            owns = any("\n%s\n" % one in owned for one in paths)
            full = installed_version(host, match.group(1)) if owns else ""
            # Without epoch and Debian revision; Percona's own revision is part of its version.
            parts = re.match(
                r"(?:\d+:)?(?:.*\+really)?(\d+(?:\.\d+)*)~?((?:alpha\d|beta\d|rc\d)?)(-\d{1,3}(?=-))?",
                full,
            )
            if parts:
                text = parts.group(1) + parts.group(2)
                text += (parts.group(3) or "") if engine == "percona" else ""
                return Version(text, "dpkg %s %s" % (match.group(1), full), engine, edition)
    return None


def installed_version(host: "Host", package: str) -> str:
    """The version of a package that is installed, from dpkg's status file."""
    path = "/var/lib/dpkg/status"
    host.package_status = host.package_status or "\n" + host.folder.text(path, MAX_PACKAGE_STATUS)
    for rest in host.package_status.split("\nPackage: %s\n" % package)[1:]:
        fields = rest.partition("\n\n")[0]
        version = re.search(r"(?m)^Version: (\S+)$", fields)
        if version and re.search(r"(?m)^Status: .* installed$", fields):
            return version.group(1)
    return ""


def text_version(host: "Host", rule: Rule, node: Node) -> "Optional[Version]":
    """The version a server's executable carries as text; read once however many processes run it.
    Nothing is run."""
    key = (node.identity, id(rule))
    limit = min(node.stat.st_size, MAX_EXECUTABLE, host.text_budget)
    if key not in host.texts and node.is_file and limit > 0 and rule.text:
        host.text_budget -= limit
        host.texts[key] = None
        host.texts[key] = search_text(node.reopened(), rule, limit)
    return host.texts.get(key)


def search_text(node: Node, rule: Rule, limit: int) -> "Optional[Version]":
    """The version in this executable's text."""
    marks = []  # type: List[Tuple[str, str, str]]
    versions = [[] for _ in rule.text]  # type: List[List[bytes]]
    series = []  # type: List[bytes]
    known = [entry_of(entry) for entry in rule.mark]
    for piece in chunks(node, limit):
        marks += [mark for mark in known if mark[2].encode() in piece]
        for found, entry in zip(versions, rule.text):
            found += around(piece, entry)
        for entry in rule.series:
            series += around(piece, entry)
        if versions[0] and not rule.series and (marks or not known):
            break
    numbers = next(filter(None, versions), [])
    if series:
        # The executable names other versions too; its own is of the series it reads options for.
        start = max(series, key=in_order).decode() + "."
        numbers = [one for one in numbers if one.startswith(start.encode())]
        entry = r"%s (?<![\d.])(%s\d{1,3}(?:-\d{1,3}(?=\0))?)(?:[-+~][\w.+~-]{0,80})?\0"
        for piece in chunks(node, 0 if numbers else limit):
            numbers += around(piece, entry % (start, re.escape(start)))
    if not numbers or (rule.text[0][0] == "." and not marks):
        return None
    engine, edition, _ = min(marks, key=known.index) if marks else ("", "", "")
    text = max(numbers, key=in_order).decode("ascii")
    text = text if engine == "percona" else re.sub(r"(?<=\d)-\d{1,3}$", "", text)
    return Version(text, "text in the executable", engine, edition)


def around(piece: bytes, entry: str) -> "List[bytes]":
    """The first group of the pattern of an entry `literal pattern`, wherever it matches around the
    literal, which is quick to find."""
    start, _, pattern = entry.encode().partition(b" ")
    start = start.replace(b"_", b" ")
    if start == b".":  # nothing to look for first: the pattern begins with a literal itself
        return re.findall(pattern, piece)[:100]
    found = []  # type: List[bytes]
    at = piece.find(start)
    while at >= 0 and len(found) < 100:
        match = re.search(pattern, piece[max(0, at - 40) : at + 200])
        found += [match.group(1)] if match else []
        at = piece.find(start, at + len(start))
    return found


def in_order(version: bytes) -> "List[int]":
    """A version as something to sort by."""
    return list(map(int, re.findall(rb"\d+", version)))


def chunks(node: Node, limit: int) -> "Iterator[bytes]":
    """The start of a file in pieces that overlap, so that no text is cut in two unseen."""
    tail = b"\0"
    for offset in range(0, limit, MIB):
        piece = os.pread(node.fd, min(MIB, limit - offset), offset)
        yield tail + piece
        tail = piece[-256:]


def name_version(folder: "Optional[Folder]", rule: Rule, path: str) -> "Optional[Version]":
    """The version in a file beside the executable, or in the names of the folders it lies in."""
    name, _, pattern = rule.beside.partition(" ")
    text = folder.text("%s/%s" % (os.path.dirname(path), name)) if folder and name else ""
    match = re.search(pattern, text)
    if match and text:
        return Version(match.group(1), "file %s" % name)
    match = re.search(rule.path_version, path, re.I) if rule.path_version else None
    return Version(match.group(1), "path %s" % path) if match else None


def asked_version(node: Node, rule: Rule) -> "Optional[Version]":
    """What the server prints for --version: the last resort, for a trusted file of the host itself.

    What runs is the open file that was found trusted, whatever its name leads to by now. It runs as
    nobody, with nothing of ours: no environment, no input, no open file, little time.
    """
    mode = node.stat.st_mode
    if not rule.ask or not node.trusted or mode & (stat.S_ISUID | stat.S_ISGID) or not mode & 0o001:
        return None
    import subprocess

    command = [node.path] + rule.ask
    executable = node.reopened()
    if os.fstatvfs(executable.fd).f_flag & (os.ST_NOSUID | os.ST_NOEXEC):
        return None  # a mount for files that are not root's: of any image, of any owner
    try:
        asked = subprocess.Popen(  # noqa: S603 - a trusted file, see above
            command,
            executable="/proc/self/fd/%d" % executable.fd,
            pass_fds=(executable.fd,),
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
    marks = [one for one in map(entry_of, rule.mark) if one[2].strip("(- ").encode() in output]
    engine, edition, _ = (marks + [(rule.engine, "", "")])[0]
    version = match.group(1) + ((match.group(2) or b"") if engine == "percona" else b"")
    return Version(version.decode("ascii"), " ".join(command), engine, edition)


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

    output, part = b"", b"."
    end = time.monotonic() + MAX_RUN_SECONDS
    while part and len(output) < MAX_RUN_OUTPUT:
        if not select.select([inlet], [], [], max(0.0, end - time.monotonic()))[0]:
            break
        part = os.read(inlet, MAX_RUN_OUTPUT)
        output += part
    return output


# --- databases ----------------------------------------------------------------------------------


class Host:
    """The host that is looked at: its files and processes, and what was found so far."""

    def __init__(self, root: str, seconds: float, connections: bool = False) -> None:
        self.begun = time.monotonic()
        self.deadline = self.begun + seconds
        self.connections = connections
        root = os.path.realpath(root)
        self.live = root == "/"
        mounts = "/proc/self/mounts" if self.live else "/proc/mounts"
        self.folder = Folder(os.open(root, _FOLDER))
        self.folder.remote = remote_mounts(self.folder.text(mounts, MAX_MOUNTS))
        self.proc = self.folder.open("/proc").reopened()
        self.rules = rules()
        self.by_name = {}  # type: Dict[str, List[Rule]]
        for rule in self.rules:
            for name in rule.programs + rule.aliases:
                self.by_name.setdefault(name, []).append(rule)
        self.warnings = []  # type: List[str]
        self.kinds = {}  # type: Dict[str, int]
        self.complete = True
        self.databases = []  # type: List[Database]
        self.proxies = []  # type: List[str]
        self.packages = self.package_status = ""
        self.text_budget = MAX_ALL_EXECUTABLES
        self.texts = {}  # type: Dict[Any, Optional[Version]]
        self.units = []  # type: List[Tuple[str, List[str], Dict[str, str]]]
        self.in_use = set()  # type: set[Tuple[int, int]]

    def warn(self, text: str) -> None:
        """Say what could not be done; each thing once, and few of a kind: whoever can cause many of
        one must not hide the others."""
        if text in self.warnings:
            return
        kind = text[text.rfind(": ") + 2 :]
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self.kinds[kind] <= MAX_OF_A_KIND and len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(text)

    def late(self) -> bool:
        """Whether time is up. What was not looked at by then is not known to be absent."""
        if time.monotonic() < self.deadline:
            return False
        self.complete = False
        self.warn(LATE)
        return True

    def trusts(self, node: Node) -> bool:
        """Whether only root could have put this file there. In a folder that stands for a host,
        owners mean nothing and nothing is run: there its place decides."""
        return node.is_file and (node.trusted if self.live else is_usual(node.path))


def is_usual(path: str) -> bool:
    """Whether servers are installed in the place of this path."""
    parts = path.split("/")[:-1]
    places = [place.split("/") for place in PLACES if place.count("/") == len(parts) - 1]
    return any(all(map(fits, parts, place)) for place in places)


def holds_data(folder: Folder, rule: Rule, path: str) -> "Optional[bool]":
    """Whether a folder is a data directory of this engine; None when it cannot be looked into."""
    try:
        node = folder.open(path)
        for mark in rule.data_marks if node.is_folder else ():
            try:
                os.stat(mark.partition("/")[0], dir_fd=node.fd, follow_symlinks=False)
                return True
            except FileNotFoundError:
                continue
        return node.is_folder and not rule.data_marks
    except (RemoteFile, PermissionError):
        return None
    except OSError:
        return False


def same_file(folder: Folder, one: str, other: str) -> bool:
    """Whether two paths lead to the same place."""
    first, second = folder.find(one), folder.find(other)
    return first.identity == second.identity if first and second else one == other


class Size:
    """The bytes below a data directory: regular files only, a hard link counted once.

    Folders are opened without following a link, one below the other, so nothing swapped in
    meanwhile leads out. `bytes` is None when nothing could be measured; `notes` say what lacks.
    """

    def __init__(self, folder: Node, remote: "List[str]", host: "Host") -> None:
        self.bytes = None  # type: Optional[int]
        self.free_mb = None  # type: Optional[int]
        self.notes = []  # type: List[str]
        self._linked = set()  # type: set[Tuple[int, int]]
        self._remote = remote
        self._count = 0
        self._end = min(time.monotonic() + MAX_SIZE_SECONDS, host.deadline)
        try:
            readable = folder.reopened()
            if host.live and folder.is_folder:
                disk = os.fstatvfs(readable.fd)
                self.free_mb = disk.f_bavail * disk.f_frsize // MIB
            self._add(readable, 1)
        except OSError as error:
            self._note("unreadable: %s" % error.strerror)

    def _note(self, text: str) -> None:
        if text not in self.notes and len(self.notes) < 4:
            self.notes.append(text)

    def _add(self, folder: Node, depth: int) -> None:
        entries = folder.entries()
        while True:
            try:
                entry = next(entries, None)
                self.bytes = self.bytes or 0
                if entry is None:
                    return
                if self._count >= MAX_SIZE_ENTRIES or time.monotonic() > self._end:
                    self._note("measuring was cut short after %d files" % self._count)
                    return
                self._count += 1
                path = folder.path + "/" + entry.name
                if path in self._remote:  # before anything touches it
                    self._note("%s is on a network file system: not counted" % path)
                    continue
                status = entry.stat(follow_symlinks=False)
                identity = (status.st_dev, status.st_ino)
                if stat.S_ISDIR(status.st_mode) and depth >= MAX_SIZE_DEPTH:
                    self._note("folders below %d levels: not counted" % MAX_SIZE_DEPTH)
                elif stat.S_ISDIR(status.st_mode):
                    fd = open_quietly(entry.name, os.O_DIRECTORY | os.O_NOFOLLOW, folder.fd)
                    self._add(Node(fd, path), depth + 1)
                elif stat.S_ISREG(status.st_mode) and identity not in self._linked:
                    self.bytes += status.st_size
                    if status.st_nlink > 1 and len(self._linked) < MAX_HARD_LINKS:
                        self._linked.add(identity)
                elif entry.is_symlink() and re.search("/(pg_tblspc/[^/]*|pg_wal|pg_xlog)$", path):
                    self._note("%s leads elsewhere: not counted" % path)
            except FileNotFoundError:
                continue  # servers remove files all the time
            except OSError as error:
                self._note("a part is unreadable: %s" % error.strerror)


class Database:
    """One record of the report, and how each of its values was found. `place` tells it from
    another in the same container image: it outlives pid and container."""

    def __init__(self, rule: Rule, version: Version, status: str, why: str, binary: str) -> None:
        self.values = {"engine": version.engine or rule.engine}  # type: Dict[str, Any]
        self.evidence = {}  # type: Dict[str, str]
        self.place = ""
        self.put("status", status, why)
        self.put("edition", version.edition)
        self.put("version", version.text, version.evidence)
        self.put("binary", binary)

    def put(self, name: str, value: "Any", evidence: str = "") -> None:
        """Set a value that is known."""
        if value is not None and value != "":
            self.values[name] = value
            if evidence:
                self.evidence[name] = evidence

    def put_data(
        self,
        host: Host,
        folder: Folder,
        path: str,
        evidence: str,
        may_use: "Callable[[Optional[Node]], bool]",
    ) -> None:
        """Set the data directory and its size, which is unknown unless it was measured. It is
        opened once: what is measured is the one that the server may use."""
        node, why = None, ""
        try:
            node = folder.open(path)
        except RemoteFile:
            why = "on a network file system: not touched"
        except OSError as error:
            why = "unreadable: %s" % error.strerror
        if not may_use(node):
            # Any user can start what is called like a server and names a real server's data.
            what = "is another user's, not its data" if node else "is not known to be its data"
            host.warn("%s: %s %s" % (self.evidence["status"], path, what))
            return
        self.put("data_dir", path, evidence)
        if node is None:
            host.warn("%s: %s" % (path, why))
            return
        host.in_use.add(node.identity)
        size = Size(node, folder.remote, host)
        self.put("disk_free_mb", size.free_mb)
        if size.bytes is not None:
            self.put("data_size_bytes", size.bytes)
            self.put("data_size_complete", not size.notes)
            self.evidence["data_size"] = "sum of file sizes"
        for note in size.notes:
            host.warn("%s: %s" % (path, note))

    def put_settings(self, rule: Rule, command: Command, config: Config, folder: Folder) -> None:
        """Set what the configuration says of encryption and replication."""
        off = ("", "off", "no", "0", "false", "disabled", "disable", "none")
        self.put("config_file", config.file)
        self.put("role", rule.kind)
        if config.file and "tls_off" in rule.traits:
            self.put("tls", False, "config " + config.file)
        for key in rule.tls[::-1]:
            option = command.option(["--" + key.replace("_", "-")])
            text, source = (option, command.source) if option else config.get([key])
            self.put("tls", text.lower() not in off if source else None, source)
        for name, _, role in [entry.partition(" ") for entry in rule.role]:
            text, source = config.get([name])
            if text.lower() not in off:
                self.put("role", role, source)
            elif "data_dir" in self.values and folder.find(self.values["data_dir"] + "/" + name):
                self.put("role", role, "file " + name)


class Running:
    """A server that runs, and what it sees as `/`: the host's folder, or a container's own."""

    def __init__(self, host: Host, process: Process, rule: Rule) -> None:
        self.host, self.process, self.rule = host, process, rule
        self.name = "process %d" % process.pid
        self.links = process.descriptors()
        self.config = Config()
        self.folder = host.folder
        self.is_roots = False  # the file that runs, wherever it is by now, is root's to change
        if not (host.live and process.files.link("root") == "/" and self.shares("mnt")):
            # On a live host the kernel makes this link. In a folder anyone did: it is not followed.
            flags = _FOLDER | (0 if host.live else os.O_NOFOLLOW)
            try:
                fd = os.open("root", flags, dir_fd=process.files.top.fd)
                self.folder = Folder(fd, process.files.text("mounts", MAX_MOUNTS))
            except OSError:
                pass  # it sees what the host sees

    def shares(self, kind: str) -> bool:
        """Whether it is in the probe's own namespace of this kind: so in no container."""
        try:
            return self.process.files.link("ns/" + kind) == os.readlink("/proc/self/ns/" + kind)
        except OSError:
            return False

    def database(self) -> "Optional[Database]":
        """The database that the process is; None with a warning when it is none."""
        host, process, rule, folder = self.host, self.process, self.rule, self.folder
        version, binary = self.library() if rule.library else self.executable()
        if version is None:
            what = "called like a server, without a server's text; not listed, not run"
            host.warn("%s, %s: %s" % (self.name, binary, what))
            return None
        database = Database(rule, version, "running", self.name, binary)
        database.put("started_at", process.started(host))
        database.put("memory_mb", process.memory and process.memory // 1024)
        users = folder.text("/etc/passwd")
        name = re.search(r"(?m)^([^:\n]+):[^:\n]*:%s:" % process.user, users)
        database.put("owner", name.group(1) if name else process.user and str(process.user))
        self.config = configuration(folder, rule, process.command, process.cwd)
        path, evidence = self.data_dir()
        if "stateless" in rule.traits:
            database.evidence["data_size"] = "keeps no data on disk"
        elif not path:
            host.warn("%s, %s: its data directory could not be found" % (self.name, rule.engine))
        else:
            database.put_data(host, folder, path, evidence, self.may_use)
        database.put_settings(rule, process.command, self.config, folder)
        self.put_port(database)
        database.place = process.instance if rule.instance else ""
        self.put_container(database)
        return database

    def executable(self) -> "Tuple[Optional[Version], str]":
        """The version, None when it is no server, and the path of what runs.

        Its package counts, and --version may be asked, only when what runs is the host's own file
        that nobody but root can change: not a container's, not one deleted or put there by a user.
        """
        host, process, rule = self.host, self.process, self.rule
        exe = process.exe or hidden_program(host, process.pid)
        name = "%s, %s" % (self.name, exe)
        own = self.folder is host.folder
        node = None
        try:
            node = self.opened(exe)
        except RemoteFile:
            self.is_roots = True
            host.warn("%s: on a network file system, not read" % name)
            return name_version(None, rule, exe) or Version("", ""), exe
        except OSError:
            pass
        there = host.folder.find(exe)  # not when it is a container's, or deleted
        same = there and node and there.identity == node.identity and not process.deleted
        trusted = is_usual(exe) if node is None and not host.live else False
        version = None
        if same and there and host.trusts(there):
            exe, trusted = there.path, True
            version = file_version(host, rule, there, own and self.shares("pid"))
        elif node:
            version = text_version(host, rule, node)
        # Only root fills the usual places, with a vendor's own user's files too; a container's are
        # its image's.
        if trusted or (is_usual(exe) and (own or process.container())):
            version = version or name_version(self.folder, rule, exe) or Version("", "")
        self.is_roots = bool(node and node.is_roots) if host.live else trusted or not own
        if process.deleted:
            host.warn("%s: replaced while it runs, a restart is pending" % name)
        elif not trusted and own:
            host.warn("%s: others than root can change this executable; it was not run" % name)
        if version and not version.text:
            host.warn("%s: its version could not be found" % name)
        if version and not version.engine and exe.endswith("/mariadbd"):
            version.engine = "mariadb"
        return version, exe

    def opened(self, exe: str) -> Node:
        """The very file that runs: by the kernel's link on a live host, by its name in a folder."""
        process = self.process
        if not self.host.live or not process.exe:
            return self.folder.open(exe + _DELETED if process.deleted else exe)
        if any(exe.startswith(point.rstrip("/") + "/") for point in self.folder.remote):
            raise RemoteFile(errno.EREMOTE, "on a network file system", exe)
        return Node(os.open("exe", _PEEK & ~os.O_NOFOLLOW, dir_fd=process.files.top.fd), exe)

    def library(self) -> "Tuple[Optional[Version], str]":
        """The version in the name of the file that an interpreter runs, and that file: it holds it
        open, or its command line names it or its folder, and it is there."""
        folder, args = self.folder, re.split("[\0:=]", self.process.line)[:5000]
        paths = (self.links or []) + args
        homes = [arg[:-2] if arg.endswith("/*") else arg for arg in args if arg[:1] == "/"][:50]
        homes += [home + "/lib" for home in homes] + folder.glob(self.rule.library_places)
        for path in paths + [path for home in homes for path in folder.inside(home)]:
            match = re.match(self.rule.library, path)
            there = match and (folder.find(path) or folder.find(os.path.dirname(path)))
            if match and there:
                own = folder is self.host.folder
                self.is_roots = there.is_roots if self.host.live else True
                if own and self.host.live and not there.trusted:
                    what = "others than root can change this executable; it was not run"
                    self.host.warn("%s, %s: %s" % (self.name, path, what))
                return Version(match.group(1), "file name"), path
        return None, self.process.exe

    def may_use(self, folder: "Optional[Node]") -> bool:
        """Whether a data directory can be this process's: its user's own, or, for a server that
        only root can change, at least not closed to all but another user. Of one that cannot be
        opened only such a server is believed."""
        if folder is None:
            return self.is_roots or not self.host.live
        mode = folder.stat.st_mode
        own = folder.stat.st_uid == self.process.user or not self.host.live
        return own or (self.is_roots and (self.process.user == 0 or bool(mode & 0o077)))

    def data_dir(self) -> "Found":
        """Command line, configuration, working directory, open files, then the usual places."""
        folder, rule, cwd = self.folder, self.rule, self.process.cwd
        works_in = rule.data_marks and cwd != "/" and holds_data(folder, rule, cwd)
        for path, source in self.config.data:
            if holds_data(folder, rule, path) is False:
                continue
            if works_in and source.startswith("config") and not same_file(folder, path, cwd):
                continue  # the configuration was changed since the server started
            return path, source
        if works_in:
            return cwd, "working directory"
        for link in self.links or ():
            for mark in rule.data_marks:
                path = link[: -len(mark) - 1]
                if (
                    link == path + "/" + mark
                    and path
                    and holds_data(folder, rule, path) is not False
                ):
                    return path, "open file %s" % mark
        usual = folder.glob(rule.data_places)
        for path in usual if self.is_roots else ():
            if holds_data(folder, rule, path):
                return path, "usual place"
        if self.config.data:
            return self.config.data[0]
        at_work = cwd in usual or ("works_in_data" in rule.traits and cwd != "/")
        return (cwd, "working directory") if at_work else ("", "")

    def put_port(self, database: Database) -> None:
        """Its own listening sockets, then what it was told, its pid file, the default."""
        rule, told = self.rule, self.config.port
        listening = listeners(self.process)
        ports = [port for _, port in listening]
        if not ports:
            name, _, line = rule.port_file.partition(" ")
            text = self.folder.text("%s/%s" % (database.values.get("data_dir"), name), 4096)
            told = told or port_number(
                "".join(text.split("\n")[int(line or 0) :][:1]), "file " + name
            )
            port, source = told or (rule.default_port, "engine default")
            seen = "sockets hidden" if self.links is None else "not listening"
            database.put("port", port, "%s, %s" % (source, seen))
            return
        likely = [told[0]] if told else []
        likely += [port for port in ports if rule.port_like and re.match(rule.port_like, str(port))]
        likely += [rule.default_port] + [
            port for port in ports if str(port) not in rule.other_ports
        ]
        port = next((port for port in likely if port in ports), ports[0])
        listening.sort(key=lambda pair: (pair[1] != port, pair[1], pair[0]))
        database.put("port", port, "listening socket")
        database.put("listen", ["%s:%d" % pair for pair in listening[:MAX_LISTEN]])
        if self.host.connections:
            counts = clients(self.process, [pair for pair in listening if pair[1] == port])
            most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_CLIENTS]
            database.put("clients", dict(most), "established connections")
            database.put("clients_total", sum(counts.values()))

    def put_container(self, database: Database) -> None:
        """Set what the container runtime's own files say. The runtime is not asked."""
        host, files, values = self.host, self.process.files, database.values
        ident = self.process.container()
        if not ident:
            return
        database.put("container", ident[:12])
        import json  # late: not every host has containers

        for path in RUNTIME_FILES:
            try:
                tree = json.loads(host.folder.read(path.replace("%s", ident)) or "null")
                if isinstance(tree, list):  # Podman: one file for all
                    tree = next((one for one in tree if pick(one, "id") == ident), None)
                    tree = json.loads(pick(tree, "metadata") or "null")
            except (ValueError, TypeError, RecursionError):
                continue
            image = pick(tree, *IMAGE)
            if isinstance(image, str):
                database.put("image", image, "file " + path.replace("%s", ident[:12]))
                database.place += "|%s" % pick(tree, *NAME)
                ports = pick(tree, "NetworkSettings Ports %s/tcp" % values["port"])
                outer = str(pick(ports[0], "HostPort")) if isinstance(ports, list) and ports else ""
                found = port_number(outer, "container's configuration")
                database.put("published_port", *found or ("",))
                break
        said = (
            r"-host-port\x00(\d+)\x00-container-ip\x00([\d.]+)\x00-container-port\x00%s\x00"
            % values["port"]
        )
        for line in host.proxies if "published_port" not in values else ():
            match = re.search(said, line + "\0")
            if match and match.group(2) in files.text("net/fib_trie"):
                database.put(
                    "published_port", *port_number(match.group(1), "docker-proxy") or ("",)
                )
        # Where the data comes from outlives the container: a volume, or a folder of the host.
        data_dir = "%s/" % values.get("data_dir")
        mounts = [line.split(" ") for line in files.text("mountinfo").split("\n")]
        points = [(one[4], one[3]) for one in mounts if len(one) > 4 and one[4] != "/"]
        found_at = [pair for pair in points if data_dir.startswith(pair[0] + "/")]
        database.place += "|%s" % max(found_at)[1] if found_at else ""


RUNTIME_FILES = (
    "/var/lib/docker/containers/%s/config.v2.json",
    "/run/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json",
    "/run/containers/storage/overlay-containers/%s/userdata/config.json",
    "/var/lib/containers/storage/overlay-containers/containers.json",
)
IMAGE = (
    "Config Image",
    "image-name",
    "annotations io.kubernetes.cri.image-name",
    "annotations io.kubernetes.cri-o.ImageName",
)
NAME = (
    "Config Labels com.docker.compose.service",
    "Name",
    "name",
    "annotations io.kubernetes.cri.container-name",
    "annotations io.kubernetes.container.name",
)


def pick(tree: "Any", *paths: str) -> "Any":
    """What lies below the first of these keys of keys of nested JSON objects that is there."""
    for path in paths:
        found = tree
        for key in path.split(" "):
            found = found.get(key) if isinstance(found, dict) else None
        if found:
            return found
    return None


# --- installed and not running ------------------------------------------------------------------


def installed_servers(host: Host) -> "Iterator[Tuple[Rule, Server]]":
    """The servers in the usual places that only root can change.

    Several names of one file count once; a script counts for nothing.
    """
    folder, seen = host.folder, set()
    found = []  # type: List[Tuple[Rule, str, Optional[Version]]]
    for rule in host.rules:
        for path in [
            path for place in folder.glob(rule.library_places) for path in folder.inside(place)
        ]:
            match = re.match(rule.library, path)
            found += [(rule, path, Version(match.group(1), "file name"))] if match else []
    for place in folder.glob(PLACES):
        for name in sorted(host.by_name.keys() & set(folder.names(place))):
            path = place + "/" + name
            rules = [one for one in host.by_name[name] if name in one.programs and not one.library]
            found += [(rule, path, None) for rule in rules if rule.where in path][:1]
    for rule, path, version in found:
        node = folder.find(path)
        if host.late():
            return
        if node is None or node.identity in seen or not node.is_file:
            continue
        if not version and os.path.basename(node.path) not in rule.programs + rule.aliases:
            continue
        seen.add(node.identity)
        if not (host.trusts(node) or (version and (node.trusted or not host.live))):
            host.warn("%s: others than root can change it; not counted" % node.path)
        elif folder.read(node.path, 2) != b"#!":
            version = version or file_version(host, rule, node, True)
            if version is None:
                host.warn("%s: its version could not be found" % node.path)
            yield rule, (node.path, node.identity, version or Version("", ""))


def stopped(host: Host, rule: Rule) -> "List[Command]":
    """What says how a server would be started: service units, configuration files, and the usual
    data directories, in this order."""
    folder, found = host.folder, []
    host.units = host.units or list(units(host))
    for name, started, variables in host.units:
        program = os.path.basename(started[0])
        if program not in rule.programs + rule.launchers:
            continue
        args = [re.sub(r"\$\{?(\w+)\}?", value_in(variables), word) for word in started]
        if rule.data_variable in variables:
            args[1:1] = [rule.data_options[0], variables[rule.data_variable]]
        binary = started[0] if program in rule.programs else ""
        found.append(Command(args[1:], "unit " + name, binary))
    for path in filter(folder.find, folder.glob(rule.config_places)):
        found.append(Command([], "config " + path, config=path))
    for path in folder.glob(rule.data_places):
        if holds_data(folder, rule, path) is not False:
            found.append(Command([rule.data_options[0], path], "usual place"))
    return found


def value_in(variables: "Dict[str, str]") -> "Callable[[Match[str]], str]":
    """What stands for a variable in a unit's command."""
    return lambda match: variables.get(match.group(1), "")


def units(host: Host) -> "Iterator[Tuple[str, List[str], Dict[str, str]]]":
    """(name, command, environment) of systemd's units: all that the administrator wrote, and the
    packages' with such a name. They are read; systemd is not asked."""
    folder, texts = host.folder, {}  # type: Tuple[Folder, Dict[str, str]]
    usual = "|".join(rule.units for rule in host.rules)
    for place in ("/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"):
        for name in folder.names(place)[:MAX_UNITS]:
            if place[1] == "e" or re.search(usual, name):
                path, unit = place + "/" + name, name[:-2] if name.endswith(".d") else name
                parts = folder.inside(path)[:20] if unit != name else [path]
                text = "\n".join(folder.text(part, 65536) for part in parts)
                texts[unit] = texts.get(unit, "") * (unit != name) + "\n" + text
    for name, text in sorted(texts.items()):
        variables = {}  # type: Dict[str, str]
        started = []  # type: List[str]
        for line in text.replace("\\\n", " ").split("\n") if name.endswith(".service") else ():
            key, _, value = line.strip().partition("=")
            if key == "Environment":
                variables.update(word.partition("=")[::2] for word in words(value))
            elif key == "ExecStart" and value.strip():
                started = [word for word in words(value.strip().lstrip("-@:+!")) if "%" not in word]
        if started:
            yield name, started, variables


def words(text: str) -> "List[str]":
    """The words of a unit's setting; quotes keep a word together."""
    found = re.findall(r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'])+", text[:65536])
    return [re.sub("[\"']", "", word) for word in found if word.strip("\"'")]


def look_at_installed(host: Host, rule: Rule, servers: "List[Server]") -> None:
    """Add the stopped servers: one for each data directory that an installed server would use, and
    one for each installed server that has none and does not run."""
    idle = [server for server in servers if server[1] not in host.in_use]
    spare = []  # type: List[Tuple[Command, Config]]
    for command in stopped(host, rule) if "stateless" not in rule.traits else ():
        if host.late():
            return
        config = configuration(host.folder, rule, command, "/")
        usable = [one for one in config.data if holds_data(host.folder, rule, one[0]) is not False]
        if not usable:
            spare.append((command, config))
            continue
        path = usable[0][0]
        node = host.folder.find(path)
        same = [db for db in host.databases if db.values.get("data_dir") == path]
        # What must not be touched is told apart by its name.
        if node.identity in host.in_use if node else same:
            continue
        server = server_for(host.folder, rule, command, path, servers)
        if server is None:
            host.warn("%s: data of a server that is not installed" % path)
            continue
        idle = [other for other in idle if other is not server]
        add_installed(host, rule, server, command, config, usable)
    for server in idle:
        pairs = [pair for pair in spare if pair[0].binary in ("", server[0])]
        command, config = (pairs + [(Command([], ""), Config())])[0]
        add_installed(host, rule, server, command, config, [])


def server_for(
    folder: Folder, rule: Rule, command: Command, data_dir: str, servers: "List[Server]"
) -> "Optional[Server]":
    """The installed server that would open this data directory."""
    for server in servers:
        if command.binary and same_file(folder, command.binary, server[0]):
            return server
    told = folder.text("%s/%s" % (data_dir, rule.data_version), 64).strip()
    match = re.search(r"/(\d+(?:\.\d+)?)/", (command.config or data_dir) + "/")
    series = (told or (match.group(1) if match else "")) if rule.data_version else ""
    fitting = [one for one in servers if not series or (one[2].text + ".").startswith(series + ".")]
    return fitting[0] if fitting else None


def add_installed(
    host: Host, rule: Rule, server: "Server", command: Command, config: Config, data: "List[Found]"
) -> None:
    """Add the record of a stopped server. Without a data directory there are 0 bytes of data."""
    database = Database(rule, server[2], "installed", "executable, no process", server[0])
    database.put("port", *(config.port or (rule.default_port, "engine default")))
    if data:
        database.put_data(host, host.folder, data[0][0], data[0][1], lambda _: True)
    elif rule.data_places or "stateless" in rule.traits:
        database.put("data_size_bytes", 0)
        database.put("data_size_complete", True)
        database.evidence["data_size"] = "no data directory exists"
    database.put_settings(rule, command, config, host.folder)
    host.databases.append(database)


# --- report -------------------------------------------------------------------------------------

_FIELDS = (
    "db_id engine edition version status port listen data_dir data_size_bytes data_size_complete"
    " disk_free_mb binary config_file owner started_at memory_mb tls role container image"
    " published_port clients clients_total".split()
)


def look(host: Host) -> None:
    """Fill `host` with what is there: running servers first, then what is installed."""
    for process in candidates(host):
        if host.late() or process.rule is None:
            return
        try:
            database = Running(host, process, process.rule).database()
        except OSError as error:
            host.warn("process %d could not be read: %s" % (process.pid, error.strerror))
            host.complete = host.complete and error.errno in (errno.ESRCH, errno.ENOENT)
            continue
        if database:
            host.databases.append(database)
            node = host.folder.find(database.values["binary"])
            if node:  # not when it runs from a container or was deleted
                host.in_use.add(node.identity)
    servers = {}  # type: Dict[int, List[Server]]
    for rule, server in installed_servers(host):
        servers.setdefault(host.rules.index(rule), []).append(server)
    for index, found in sorted(servers.items()):
        if not host.late():
            look_at_installed(host, host.rules[index], found)


def host_facts(host: Host) -> "Dict[str, Any]":
    """Name, operating system, kernel, architecture, memory and processors."""

    def first(path: str, pattern: str = r"^(\S.*?)\s*$") -> str:
        match = re.search(pattern, host.folder.text(path, 4 * MIB), re.M)
        return match.group(1) if match else ""

    name = r"^PRETTY_NAME=[\"']?(.*?)[\"']?$"
    names = [first("/etc/os-release", name), first("/usr/lib/os-release", name)]
    names.append(first("/etc/system-release"))
    facts = {
        "hostname": first("/proc/sys/kernel/hostname"),
        "os": next(filter(None, names), first("/etc/redhat-release")),
        "kernel": first("/proc/sys/kernel/osrelease"),
        "arch": os.uname().machine
        if host.live
        else first("/proc/sys/kernel/arch") or machine(host),
        "memory_mb": (number(first("/proc/meminfo", r"^MemTotal:(.*)")) or 0) // 1024,
        "cores": os.cpu_count()
        if host.live
        else host.folder.text("/proc/cpuinfo").count("processor\t"),
    }
    return {name: clean(value) for name, value in facts.items() if value}


def machine(host: Host) -> "Text":
    """The architecture that the host's programs are built for."""
    known = {3: "i686", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64"}
    binaries = [str(db.values["binary"]) for db in host.databases]
    for path in binaries + ["/bin/sh", "/usr/bin/bash", "/bin/bash", "/sbin/init"]:
        head = host.folder.read(path, 20)
        if head[:4] == b"\x7fELF" and len(head) == 20:
            return known.get(int.from_bytes(head[18:20], "little" if head[5] == 1 else "big"))
    return None


def give_ids(databases: "List[Database]") -> None:
    """Name each `<engine>-<port>`; where that is taken, add what tells the databases apart.

    Who keeps the plain name depends on nothing that a restart or another scan changes.
    """

    def telling(db: Database) -> "List[str]":
        names = ("data_dir", "published_port", "image", "config_file", "binary")
        return [str(db.values.get(name, "~")) for name in names] + [db.place]

    def order(db: Database) -> "List[Any]":
        return ["container" in db.values] + telling(db) + [str(db.values.get("container"))]

    taken = set()  # type: set[str]
    for db in sorted(databases, key=order):
        plain = name = "%s-%s" % (db.values["engine"], db.values["port"])
        told = telling(db)
        if "data_dir" in db.values and "container" not in db.values:
            told = told[:1]
        while name in taken:
            import hashlib  # only now: on most hosts no name is taken

            digest = hashlib.sha256("|".join(told).encode("utf-8", "surrogateescape")).hexdigest()
            name = "%s-%s" % (plain, digest[:8])
            told = told + [""]
        taken.add(name)
        db.values["db_id"] = name


def clean(value: "Any", limit: int = MAX_TEXT) -> "Any":
    """A value without anything a terminal, page or parser could trip over; texts are bounded."""
    if isinstance(value, list):
        return [clean(item) for item in value]
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    text = "".join(letter if letter.isprintable() else "?" for letter in text[: MAX_PATH + 1])
    return text if len(text) <= limit else text[: limit - 3] + "..."


def report(host: Host) -> "Dict[str, Any]":
    """The report, in the order in which it is printed."""
    give_ids(host.databases)
    over = [(count - MAX_OF_A_KIND, kind) for kind, count in host.kinds.items()]
    many = ["%d more: %s" % one for one in over if one[0] > 0]
    records = []
    for db in sorted(host.databases, key=lambda db: str(db.values["db_id"])):
        record = {name: db.values[name] for name in _FIELDS if name in db.values}
        for name, value in record.items():
            is_path = name in ("data_dir", "binary", "config_file")
            record[name] = clean(value, MAX_PATH if is_path else MAX_TEXT)
        record["evidence"] = {name: clean(text) for name, text in db.evidence.items()}
        records.append(record)
    return {
        "schema": SCHEMA,
        "probe": VERSION,
        "host": host_facts(host),
        "databases": records,
        "warnings": clean(host.warnings + many),
        "complete": host.complete,
        "elapsed_ms": int((time.monotonic() - host.begun) * 1000),
        "count": len(records),
        "end": True,
    }


def compact(found: "Dict[str, Any]") -> str:
    """One line of ASCII. What is too long even when packed loses its evidence, and says so; never a
    database."""
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
    lines = [", ".join("%s %s" % pair for pair in found["host"].items())]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines + ["warning: %s" % text for text in found["warnings"]])


# --- command line -------------------------------------------------------------------------------


def options(args: "List[str]") -> "Dict[str, str]":
    """Option -> value. By hand: importing a parser would take longer than a small scan. Raises
    ValueError with what is wrong."""
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
    if not re.match(r"\d{1,6}(\.\d{1,6})?$", seconds) or not float(seconds):
        raise ValueError("--max-seconds %s: not a number of seconds" % clean(seconds))
    if not os.path.isdir(found["--root"]):
        raise ValueError("--root %s: no such folder" % clean(found["--root"]))
    return found


def main(args: "List[str]") -> int:
    """Look and print. Returns the exit code."""
    if "--help" in args:
        print((__doc__ or "").strip())
        return 0
    try:
        chosen = options(args)
    except ValueError as error:
        sys.stderr.write("%s; see --help\n" % error)
        return 64
    seconds = float(chosen["--max-seconds"])
    try:
        host = Host(chosen["--root"], seconds, "--connections" in chosen)
        os.listdir(host.proc.fd)
    except OSError as error:
        sys.stderr.write(
            "cannot read /proc of %s: %s\n" % (clean(chosen["--root"]), error.strerror)
        )
        return 70
    # Give way to everything else on the host, and stop for certain: what never comes back is
    # interrupted a second after the limit that the code itself keeps.
    os.nice(19)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.setitimer(signal.ITIMER_REAL, seconds + 1, 1)  # again, should the first be lost
    try:
        look(host)
    except OutOfTime:
        host.complete = False
        host.warn(LATE)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    found = report(host)
    sys.stdout.write((pretty(found) if "--pretty" in chosen else compact(found)) + "\n")
    sys.stdout.flush()
    return 0


def out_of_time(_signal: int, _frame: object) -> "NoReturn":
    """The hard time limit."""
    raise OutOfTime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
