#!/usr/bin/env python3
"""Database Discovery probe: which database servers are on this host, as one line of JSON.

It reads files and /proc. It runs nothing, connects to nothing, writes nothing, and keeps to the
limits below. How each value is found and what is never done: README.md beside this file.
One file, standard library only, Python 3.6 and later, to be read from top to bottom.

usage: discovery_python.py [--root DIR] [--pretty] [--connections] [--max-seconds N]

  --root DIR        look at DIR as if it were the host's /
  --pretty          print a table for people in place of the JSON line
  --connections     count each server's established client connections by remote address
  --max-seconds N   stop looking after N seconds and report what was found (default 45)
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Iterator, List, NoReturn, Optional, Tuple

    Strings = List[str]
    Found = Tuple[Any, str]  # a value, and how it was found
    Listener = Tuple[str, int]  # address, port
    Unit = Tuple[str, Strings, Dict[str, str]]  # name, command, environment

SCHEMA = 1
VERSION = "1.3.0"

# --- limits -------------------------------------------------------------------------------------

MIB = 1 << 20
MAX_SECONDS = 45
MAX_SIZE_SECONDS = 20
MAX_SIZE_ENTRIES = 5000000
MAX_SIZE_DEPTH = 64
MAX_HARD_LINKS = 200000
MAX_HELD = 500  # processes
MAX_FILES_OPEN = 50000
MAX_CMDLINE = 128 * 1024
MAX_ARGUMENTS = 1000
MAX_CONFIG_FILES = 200
MAX_INCLUDES = 50
MAX_CONFIG_LINES = 20000
MAX_CONFIG_LINE = 4096
MAX_NET_TABLE = 4 * MIB
MAX_MOUNTS = 16 * MIB
MAX_PACKAGE_STATUS = 32 * MIB
MAX_EXECUTABLE = 256 * MIB
MAX_ALL_EXECUTABLES = 512 * MIB
MAX_LISTED = 20000
MAX_NAMES = 10 * MAX_LISTED
MAX_UNITS = 1000
MAX_LINKS = 40
MAX_TEXT = 256
MAX_PATH = 1024
MAX_WARNINGS = 20
MAX_OF_A_KIND = 5
MAX_LISTEN = 6
MAX_CLIENTS = 50
MAX_PLAIN = 2500  # characters that Systems Manager lists; a longer report is packed
MAX_LINE = 23000  # what Systems Manager returns of one invocation is 24,000 characters
LATE = "stopped by the time limit: there may be more than is listed"
CHANGEABLE = "others than root can change this executable"

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

# A paragraph an engine: its name, perhaps the row it is like, and the columns that differ. The
# first paragraph explains them and has what is usual: `=` words, `:` one text, `+` one entry of
# several. In port, data and config `-` begins an option, `/` a usual place, a digit a port; other
# words are settings; what a row has none of, it has as the one it is like. Entries of `package` and
# `mark` begin with engine/edition. `_` is a space there and in literals.
ENGINES = r"""
any
 programs =  # file names of the executable, and nothing else's
 aliases =  # other names it may run by
 launchers =  # what starts it for a service, with its arguments
 where :  # in the executable's path, when its name is shared
 says :  # the command line, when the executable does other things too
 library :  # the file an interpreter loads that is the server, with its version
 library_places =
 instance :  # in command line or working directory: processes of one instance share it
 listed :  # a file that lists instances, and (instance, folder above bin) in it
 not_serving = --version -V -v --help -? -h
 package +  # Debian's
 mark +  # text in the executable; the first that is there tells the engine
 text +  # its version: a literal and the pattern around it; `.` only counts beside a mark
 series +  # the same for its series, which picks a version
 build :  # what else a build id has: the version is the number that one begins with
 path_version :  # in the executable's path
 beside :  # a file beside the executable, and the version in it
 data_version :  # a file of the data directory: the first part of the version
 units :  # names of the service units of packages
 port = 0 --port port  # the default first; no other number is its port while it has one that is not
 port_like :  # the port, where it depends on the instance
 port_file :  # file of the data directory, line
 data = --data-dir
 data_variable :  # in the environment of a service unit
 data_marks =  # a data directory has one of these; an open file of this name is in one
 config = --config-file --config
 config_name :  # the file, when the option or the data directory names its folder
 config_also =  # beside it (or in the data directory), read later
 include :  # a line that includes: kind, target
 groups :  # the sections of its configuration that count
 tls =  # settings that turn TLS on
 role +  # setting, or pattern of a file's name in the data directory, and the role
 kind :  # its role, whatever the configuration says
 traits =  # stateless, works_in_data (even an empty one), tls_off (unless the file says otherwise),
 traits =  # data_by_config (-D may name the configuration), config_told (no usual file untold),
 traits =  # vendors_user (owns the executables: they count when they tell their version)
 tried : synthetic host

mysql
 programs mysqld mariadbd mysqld-debug mysqld.bin mysqld-max
 launchers mysqld_safe mariadbd-safe
 not_serving --version -V --help -? --verbose --initialize --initialize-insecure --bootstrap
 not_serving --validate-config --print-defaults
 package percona percona-server-server(-\d[\d.]*)?
 package percona/XtraDB_Cluster percona-xtradb-cluster-server(-\d[\d.]*)?
 package mariadb mariadb-server(-core)?(-\d[\d.]*)?
 package mysql/Enterprise mysql-(commercial|enterprise)-server(-core)?
 package mysql/Community mysql-(cluster-)?community-server(-core|-debug)?
 package mysql/Community mysql-server(-core)?(-\d[\d.]*)?
 mark percona/XtraDB_Cluster Percona XtraDB Cluster (
 mark percona Percona Server (
 mark mariadb/Enterprise -MariaDB-enterprise
 mark mariadb -MariaDB
 mark mysql/Enterprise MySQL Enterprise Server
 mark mysql/Community Community Server
 text -MariaDB (?<![\d.])(\d{1,2}\.\d{1,2}\.\d{1,3})(?:-\d{1,2})?-MariaDB
 series mysqld- \x00mysqld-(\d{1,2}\.\d{1,2})\x00
 series mariadbd- \x00mariadbd-(\d{1,2}\.\d{1,2})\x00
 path_version (?:mysql|mariadb|percona-server)[^/]*?-(\d+\.\d+\.\d+(?:-\d+)?)
 units mysql|maria|percona
 port 3306 -P --port port 33060 33062 4444 4567 4568
 data -h --datadir datadir /var/lib/mysql
 data_marks ibdata1 aria_log_control mysql.ibd mysql undo_001
 config --defaults-file /etc/my.cnf /etc/mysql/my.cnf
 include !(include(?:dir)?)\s+(.*)
 groups (mysqld|server|mysqld-\d+\.\d+|mariadbd?(-\d+\.\d+)?)$
 tls ssl_cert
 role master.info replica
 role relay-log.info replica
 role .*-relay-bin\.(?!0*1$)\d+ replica
 role wsrep_cluster_address cluster member
 role group_replication_group_name cluster member
 tried MariaDB 10.11, 11.8, MySQL 5.6, 5.7, 8.0, 8.4, 9.7

postgresql
 programs postgres postmaster postgres.bin
 launchers pg_ctl
 not_serving --version -V --help -? --boot --single --check --describe-config -C
 package postgresql (pgdg-)?postgresql(-?\d[\d.]*)?(-server)?
 mark edb postgres (EnterpriseDB)
 mark postgresql postgres (PostgreSQL)
 text postgres postgres \((?:PostgreSQL|EnterpriseDB)\) (\d+(?:\.\d+){0,2}(?:[a-z]+\d+|devel)?)
 path_version (?:postgresql|pgsql|postgres)[-/]?(\d+(?:\.\d+)*)(?=[-/])
 data_version PG_VERSION
 units postgres|pgsql
 port 5432 -p --port port
 port_file postmaster.pid 3
 data -D --data-directory data_directory /var/lib/postgresql/*/* /var/lib/postgresql/data
 data /var/lib/pgsql/data /var/lib/pgsql/*/data /var/lib/postgres/data /usr/local/pgsql/data
 data_variable PGDATA
 data_marks PG_VERSION postmaster.pid
 config /etc/postgresql/*/*/postgresql.conf
 config_name postgresql.conf
 config_also postgresql.auto.conf
 include (include(?:_dir|_if_exists)?)\s*[= ]\s*(.*)
 tls ssl
 role standby.signal standby
 role recovery.conf standby
 traits data_by_config config_told tls_off
 tried PostgreSQL 10, 12, 15, 16, 17 (32 bits too), 18

edb postgresql
 port 5444
 programs edb-postgres edb-postmaster
 package edb/Advanced_Server edb-as\d+-server(-core)?
 units edb-as
 data /var/lib/edb/*/data /var/lib/edb-as/*/*
 config /etc/edb-as/*/*/postgresql.conf

mongodb
 programs mongod
 not_serving --version -h --help --repair --shutdown --sysinfo
 package mongodb/Enterprise mongodb-enterprise(-server)?
 package mongodb/Percona percona-server-mongodb(-server)?
 package mongodb/Community mongodb(-org)?(-server)?(-core)?
 mark mongodb gitVersion
 mark mongodb db version v
 text . \0(\d\.\d[\w.-]{2,24})\0{1,8}(?:[0-9a-f]{40}\0|(?:\w{1,40}\0{1,8}){1,3}distmod|git |build )
 path_version mongodb[^/]*?-(\d+\.\d+\.\d+)
 units mongod
 port 27017 net.port port
 data --dbpath storage.dbPath dbpath /var/lib/mongodb /var/lib/mongo /data/db
 data_marks WiredTiger storage.bson mongod.lock WiredTiger.wt WiredTiger.lock
 config -f --config /etc/mongod.conf /etc/mongodb.conf
 tls net.tls.mode net.ssl.mode
 role replication.replSetName replica set member
 role replSet replica set member
 traits config_told tls_off
 tried MongoDB 2.6, 3.6

mongodb mongodb
 programs mongos
 package mongodb mongodb(-org|-enterprise)?-mongos
 units mongos
 config /etc/mongos.conf
 kind router
 traits stateless config_told tls_off

redis
 port 6379
 programs redis-server
 aliases redis-check-rdb redis-check-aof
 says (\S*/)?\w+-server(?![^\0]*\[sentinel\])(?!.*--sentinel)
 mark redis redis_version:
 text . \0(\d{1,2}\.\d{1,2}\.\d{1,3})(?=\0)
 build [\w.,:+ -]{9,200}[0-9a-f]{8}\0
 data --dir dir /var/lib/redis /var/lib/redis/*
 data_marks dump.rdb appendonlydir appendonly.aof
 config /etc/redis/*.conf /etc/redis.conf
 include (include)\s+(.*)
 tls tls-port
 role replicaof replica
 role slaveof replica
 traits works_in_data config_told tls_off
 tried Redis 4.0, 5.0, 7.0, 8.0

valkey redis
 programs valkey-server
 aliases valkey-check-rdb valkey-check-aof
 mark valkey valkey_version:
 tried Valkey 8.1, 9.1
 data /var/lib/valkey
 config /etc/valkey/*.conf

keydb redis
 programs keydb-server
 aliases keydb-check-rdb keydb-check-aof
 mark keydb KeyDB
 build
 data /var/lib/keydb
 config /etc/keydb/*.conf

couchbase
 programs memcached
 where /couchbase/bin/
 package couchbase couchbase-server(-community)?
 beside ../VERSION.txt (\d+\.\d+\.\d+)
 port 11210 11207
 data /opt/couchbase/var/lib/couchbase/data

memcached
 programs memcached
 text memcached memcached (\d+\.\d+\.\d+)
 port 11211 -p --port port
 traits stateless
 tried memcached 1.5, 1.6

cassandra
 programs java
 says .*\0org\.apache\.cassandra\.service\.CassandraDaemon
 library .*/apache-cassandra-(\d+\.\d+(?:\.\d+)?)\.jar$
 library_places /usr/share/cassandra /usr/share/cassandra/lib /opt/*cassandra*/lib
 port 9042 native_transport_port 7000 7001 7199
 data data_file_directories /var/lib/cassandra/data
 data_marks system system_schema
 config -Dcassandra.config /etc/cassandra/cassandra.yaml /etc/cassandra/conf/cassandra.yaml
 tls client_encryption_options.enabled
 traits tls_off

scylladb cassandra
 programs scylla
 says
 library
 library_places
 package scylladb scylla(-enterprise)?-server
 beside ../SCYLLA-VERSION-FILE (\d+\.\d+\.\d+)
 units scylla
 data /var/lib/scylla/data
 config --options-file /etc/scylla/scylla.yaml

elasticsearch
 programs java
 says .*\0(org\.elasticsearch\.(bootstrap|server)[\w./]*|-m\0org\.elasticsearch\.server)
 library .*/elasticsearch-(\d+\.\d+\.\d+)\.jar$
 library_places /usr/share/elasticsearch/lib /opt/elasticsearch*/lib
 port 9200 -Ehttp.port http.port 9300
 data -Epath.data -Des.path.data path.data /var/lib/elasticsearch
 data_marks nodes/0/node.lock node.lock _state indices
 config -Des.path.conf /etc/elasticsearch/elasticsearch.yml
 config_name elasticsearch.yml
 tls xpack.security.http.ssl.enabled xpack.security.http.ssl
 tried Elasticsearch 1.7

opensearch elasticsearch
 says .*\0org\.opensearch\.bootstrap\.OpenSearch
 library .*/opensearch-(\d+\.\d+\.\d+)\.jar$
 library_places /usr/share/opensearch/lib /opt/opensearch*/lib
 data /var/lib/opensearch
 config -Dopensearch.path.conf /etc/opensearch/opensearch.yml
 config_name opensearch.yml
 tls plugins.security.ssl.http.enabled

neo4j
 programs java
 says .*\0(com|org)\.neo4j\.server\.(\w{1,40}\.)?(\w{0,60}EntryPoint|startup\.\w)
 library .*/neo4j-kernel-(\d+\.\d+\.\d+)\.jar$
 library_places /usr/share/neo4j/lib /opt/neo4j*/lib
 port 7687 server.bolt.listen_address dbms.connector.bolt.listen_address 7474 7473
 data server.directories.data dbms.directories.data /var/lib/neo4j/data
 data_marks databases transactions
 config --config-dir /etc/neo4j/neo4j.conf
 config_name neo4j.conf
 tls server.bolt.tls_level

couchdb
 programs beam.smp
 says .*couchdb
 library .*/(?:releases/|couch-)(\d+\.\d+\.\d+)/(?:couchdb|ebin/couch\.app)
 library_places /opt/couchdb/releases/* /usr/lib/x86_64-linux-gnu/couchdb/erlang/lib/couch-*/ebin
 port 5984 chttpd.port httpd.port 4369 5986
 data couchdb.database_dir /opt/couchdb/data /var/lib/couchdb
 data_marks _dbs.couch shards _users.couch
 config -couch_ini /opt/couchdb/etc/default.ini /etc/couchdb/default.ini
 config_also local.ini local.d/*.ini
 tls ssl.enable
 traits tls_off
 tried CouchDB 1.6

clickhouse
 programs clickhouse-server
 aliases clickhouse
 says (\S*/)?clickhouse(-server\b|\0server\b)
 package clickhouse clickhouse-(common-static|server(-base|-common)?)
 text -stable v?(\d\d\.\d{1,2}\.\d+\.\d+)-stable
 text -lts v?(\d\d\.\d{1,2}\.\d+\.\d+)-lts
 port 9000 tcp_port 8123 9004 9005 9009
 data --path path /var/lib/clickhouse
 data_marks metadata store status
 config -C --config-file /etc/clickhouse-server/config.xml
 config_also config.d/*.xml
 tls tcp_port_secure
 traits tls_off
 tried ClickHouse 18.16

influxdb
 programs influxd influxdb3
 package influxdb influxdb\d?(-server|-core)?
 text main.version= main\.version=v?(\d+\.\d+\.\d+)
 path_version /influxdb[^/]*?-(\d+\.\d+\.\d+)
 units influx
 port 8086 --http-bind-address http.bind-address http-bind-address 8088
 data --engine-path --data-dir data.dir engine-path /var/lib/influxdb/data /var/lib/influxdb/engine
 config -config --config /etc/influxdb/influxdb.conf /etc/influxdb/config.toml
 tls http.https-enabled tls-cert
 tried InfluxDB 1.1, 1.6

cockroachdb
 programs cockroach
 path_version /cockroach-v(\d+\.\d+\.\d+)
 says .*\0start(-single-node)?\0
 units cockroach
 port 26257 --listen-addr --port 8080
 data -s --store /var/lib/cockroach
 data_marks CURRENT cockroach-temp STORAGE_MIN_VERSION LOCK
 tls certs-dir

tidb
 programs tidb-server
 text ReleaseVersion=v TiDBReleaseVersion=v(\d+\.\d+\.\d+)
 path_version /tidb[^/]*/?v(\d+\.\d+\.\d+)
 port 4000 -P --port port 10080
 config /etc/tidb/*.toml
 tls security.ssl-cert
 traits stateless config_told

etcd
 programs etcd
 text go.etcd.io/etcd/api/v3 go\.etcd\.io/etcd/api/v3\tv(\d+\.\d+\.\d+)
 path_version /etcd-v(\d+\.\d+\.\d+)
 port 2379 --listen-client-urls listen-client-urls 2380 2381
 data data-dir /var/lib/etcd /var/lib/etcd/*
 data_marks member member/snap/db
 tls cert-file client-transport-security.cert-file
 tried etcd 3.2, 3.4, 3.5

firebird
 programs firebird fb_smp_server fbserver
 package firebird firebird\d\.\d-server(-core)?
 text Firebird [A-Z]{2}-[VT]((\d+\.\d+)\.\d+\.\d+) Firebird \2
 port 3050 -p RemoteServicePort
 data /var/lib/firebird/*/data /var/lib/firebird/data
 config /etc/firebird/*/firebird.conf /opt/firebird/firebird.conf
 tried Firebird 3.0, 4.0

sqlserver
 programs sqlservr
 package sqlserver mssql-server
 units mssql
 port 1433 network.tcpport 1431 1434
 data filelocation.defaultdatadir /var/opt/mssql/data
 data_marks master.mdf
 config /var/opt/mssql/mssql.conf
 tls network.tlscert
 role hadr.hadrenabled availability group

oracle
 port 1521
 programs oracle
 says ora_pmon_
 instance ora_pmon_(\w+)
 listed /etc/oratab (?m)^(\w+):(/[^:\n]+):
 path_version /product/(\d+(?:\.\d+)*)/
 beside ../inventory/ContentsXML/comps.xml NAME=\"oracle\.server\" VER=\"(\d+[\d.]*)\"
 traits vendors_user

db2
 port 50000
 programs db2sysc
 instance db2sysc
 path_version /db2/V(\d+\.\d+)
 traits vendors_user
 port_like (50\d\d\d|25\d\d\d)

hana
 port 30015
 programs hdbindexserver hdbnameserver
 instance /usr/sap/(\w{3}/HDB\d\d)
 beside manifest fullversion:\s*(\d+\.\d+\.\d+)
 units saphana
 port_like 3\d\d(13|15)
 traits vendors_user
 data /hana/data/*

ase
 port 5000
 programs dataserver
 mark ase Adaptive Server Enterprise/
 text Adaptive_Server_Enterprise/ Adaptive Server Enterprise/(\d+\.\d+(?:\.\d+)?)
 path_version /ASE-(\d+)_
 traits vendors_user
 units sybase|dataserver
 data -d
 config -c
"""


class Rule:
    """A row of the table: its columns are attributes, each a list or a text."""

    signs = {}  # type: Dict[str, str]  # noqa: RUF012 - a variable annotation is 3.7's
    data_keys = data_places = config_places = ()  # type: Any

    def __init__(self, paragraph: str, above: "Dict[str, Rule]") -> None:
        head, *lines = paragraph.split("\n")
        self.engine, *like = head.split()
        cells = {}  # type: Dict[str, Any]
        for line in lines:
            column, _, value = line[1:].partition("  # ")[0].partition(" ")
            if not above:
                self.signs[column], value = value[:1], value[2:]
            entries = value.split() if self.signs[column] == "=" else [value] if value else []
            is_text = self.signs[column] == ":"
            cells[column] = value if is_text else cells.get(column, []) + entries
        for column in ("port", "data", "config"):
            for word in cells.pop(column, ()):
                kind = {"-": "options", "/": "places"}.get(word[0], "keys")
                kind = "numbers" if word.isdigit() else kind
                cells.setdefault(column + "_" + kind, []).append(word)
        if above:
            package = "%s %s(-server|-tools)?(-\\d[\\d.]*)?" % (self.engine, self.engine)
            own = {"engine": self.engine, "units": self.engine, "package": [package]}
            self.__dict__.update(above[(like or ["any"])[0]].__dict__, **own)
            cells.setdefault("tried", above["any"].tried)
        self.__dict__.update(cells)
        self.default_port = int(self.port_numbers[0])

    if TYPE_CHECKING:

        def __getattr__(self, column: str) -> "Any": ...


def rules() -> "List[Rule]":
    """The rows of the table."""
    above = {}  # type: Dict[str, Rule]
    found = []
    for paragraph in ENGINES.strip("\n").split("\n\n"):
        found.append(Rule(paragraph, above))
        above.setdefault(found[-1].engine, found[-1])
    return found[1:]


def entry_of(entry: str) -> "Tuple[str, str, str]":
    """(engine, edition, text) of an entry `engine/edition text` of the table."""
    head, _, text = entry.partition(" ")
    engine, _, edition = head.replace("_", " ").partition("/")
    return engine, edition, text


# --- safe access to files -----------------------------------------------------------------------

_PATH_ONLY = getattr(os, "O_PATH", 0)
_PEEK = _PATH_ONLY | os.O_NONBLOCK | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class OutOfTime(Exception):
    """The hard time limit passed in the middle of something."""


class RemoteFile(OSError):
    """The path is on a file system that is never touched."""


class Node:
    """A file or folder that was reached safely: a descriptor, which closes with this object."""

    way = ()  # type: Tuple[os.stat_result, ...]  # of the folders above it, then its own

    def __init__(self, fd: int, path: str) -> None:
        self.fd, self.path = fd, path
        self.stat = os.fstat(fd)
        self.identity = (self.stat.st_dev, self.stat.st_ino)
        self.is_file = stat.S_ISREG(self.stat.st_mode)
        self.is_folder = stat.S_ISDIR(self.stat.st_mode)

    @property
    def is_roots(self) -> bool:
        """Only root can change it."""
        return self.stat.st_uid == 0 and not self.stat.st_mode & 0o022

    @property
    def trusted(self) -> bool:
        """Only root can change it, or put another in its place."""
        return all(one.st_uid == 0 and not one.st_mode & 0o022 for one in self.way)

    def __del__(self) -> None:
        os.close(self.fd)

    def reopened(self) -> "Node":
        """The same to read from: its path is not followed again."""
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
        """The start of a regular file; nothing when it is none or cannot be read."""
        try:
            if self.is_file:
                # Of /proc's files the size is 0. To ask for no more than there is costs less.
                node = self.reopened()
                with open(node.fd, "rb", closefd=False) as file:
                    return file.read(min(limit, node.stat.st_size or limit))
        except OSError:
            pass
        return b""


def open_quietly(path: str, flags: int = 0, folder: "Optional[int]" = None) -> int:
    """Open for reading without touching the access time, where that is allowed."""
    try:
        return os.open(path, _READ | flags | getattr(os, "O_NOATIME", 0), dir_fd=folder)
    except PermissionError:
        return os.open(path, _READ | flags, dir_fd=folder)


class Folder:
    """A folder seen as `/`. Paths are followed one component at a time through open descriptors,
    and links inside the folder: whatever they say, and whoever changes them, none leads out."""

    def __init__(self, fd: int, mounts: str = "") -> None:
        self.top = Node(fd, "")
        self.remote = remote_mounts(mounts) if mounts else []
        self.listings = {}  # type: Dict[str, Strings]
        self.room = MAX_NAMES  # a folder has as many paths as one cares to write

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
            elif stat.S_ISREG(mode) or stat.S_ISDIR(mode):
                trail.append(Node(os.open(name, _PEEK | os.O_NOFOLLOW, dir_fd=at), here))
            else:
                raise OSError(errno.EINVAL, "neither a regular file nor a folder", here)
        node = trail[-1]
        node.way = tuple([one.stat for one in trail])
        return node

    def find(self, path: str) -> "Optional[Node]":
        """What is there, if it can be reached."""
        try:
            return self.open(path)
        except OSError:
            return None

    def text(self, path: str, limit: int = MIB) -> str:
        """At most `limit` bytes of a regular file; none when it cannot be read."""
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
            pass  # what was listed before the error is still there
        found.sort()
        self.room -= len(found) + 1
        if self.room > 0:
            self.listings[path] = found
        return found

    def inside(self, place: str) -> "Strings":
        """The paths in a folder."""
        return [place.rstrip("/") + "/" + name for name in self.names(place)]

    def glob(self, patterns: "Iterable[str]") -> "Strings":
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
        """Where a link says it leads. Links on the way to it are followed out of the folder."""
        try:
            return os.readlink(name, dir_fd=self.top.fd)
        except OSError:
            return ""


def fits(name: str, pattern: str) -> bool:
    """Whether a name is what a pattern with at most one `*` stands for."""
    head, star, tail = pattern.partition("*")
    ends = name[:1] != "." and name.startswith(head) and name.endswith(tail)
    return ends if star else name == pattern


def is_usual(path: str) -> bool:
    """Whether servers are installed in the place of this path."""
    parts = path.split("/")[:-1]
    places = [place.split("/") for place in PLACES if place.count("/") == len(parts) - 1]
    return any(all(map(fits, parts, place)) for place in places)


def remote_mounts(mounts: str) -> "Strings":
    """Mount points of file systems that are never touched, from the text of /proc/…/mounts."""
    if len(mounts) >= MAX_MOUNTS:
        return ["/"]  # what comes behind is not known: nothing is touched
    kinds = {}
    for _, point, kind, *_ in [one.split(" ") for one in mounts.split("\n") if one.count(" ") > 2]:
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), point)
        kinds[point.rstrip("/") or "/"] = kind  # the last mount covers those before it
    fuse = [point for point, kind in kinds.items() if kind[:5] == "fuse." and kind[5:] != "lxcfs"]
    return fuse + [point for point, kind in kinds.items() if kind in REMOTE]


# --- configuration files ------------------------------------------------------------------------

_COMMENT = ("", "#", ";")  # a line that begins so says nothing


class Command:
    """How a server is started: its arguments, and who gives them: "command line", "unit x.service".
    `binary` and `config` are the executable and configuration file of a stopped server, if named.
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


class Config:
    """What the command line and the configuration files of one server say: `values`, the settings
    in effect; `file`, the one a person would open; `port`; `data`, the directories named for it,
    what counts most first. Of a running server, `process`, no file is read that it could not read
    itself: whoever starts a process can name any file.
    """

    def __init__(
        self,
        folder: Folder,
        rule: Rule,
        command: Command,
        cwd: str = "/",
        process: "Optional[Process]" = None,
    ) -> None:
        self.folder, self.rule, self.command, self.cwd = folder, rule, command, cwd
        self.process = process
        self.usual = folder.glob(rule.config_places)
        self.values = {}  # type: Dict[str, Found]
        self.seen = []  # type: Strings
        self.includes = 0
        self.file = ""
        by_config = "data_by_config" in rule.traits
        given = self.path(command.option(rule.data_options))
        about = given or (cwd if by_config and cwd != "/" else "")
        self.read(self.files(by_config, about))
        if by_config:
            place = self.path(self.get(rule.data_keys)[0]) or about
            self.read([place + "/" + name for name in rule.config_also])
        named, source = self.get(rule.data_keys)
        told = port_number(command.option(rule.port_options), command.source)
        self.port = told or port_number(*self.get(rule.port_keys))
        found = [(given, command.source), (self.path(named), source)]
        self.data = [one for one in (found[::-1] if by_config else found) if one[0]]

    def path(self, text: str) -> str:
        """A path as the server takes it."""
        full = os.path.normpath(os.path.join(self.cwd, text)) if text else ""
        return full[1:] if full.startswith("//") else full

    def get(self, names: "Iterable[str]") -> "Found":
        """The first of these settings that is set."""
        return next((self.values[name] for name in names if name in self.values), ("", ""))

    def setting(self, name: str) -> "Found":
        """What the command line or the files say of a setting."""
        given = self.command.option(["--" + name.replace("_", "-")])
        return (given, self.command.source) if given else self.get([name])

    def files(self, by_config: bool, about: str) -> "Strings":
        """The files in the order in which the server reads them."""
        rule, args = self.rule, self.command.args
        if "--no-defaults" in args:
            return []
        first = args[0] if args and args[0].endswith(".conf") else ""
        named = self.command.option(rule.config_options) or self.command.config or first
        if named:
            named = os.path.join(self.cwd, named[5:] if named.startswith("file:/") else named)
            inner = rule.config_name and not named.endswith((".conf", ".yml"))
            paths = [named + "/" + rule.config_name if inner else named]
        elif by_config:
            paths = [about + "/" + rule.config_name] if about else []
        elif "config_told" in rule.traits:
            return self.titled(port_number(" ".join(args[:1]), ""))
        else:
            paths = self.usual
        beside = [os.path.dirname(path) + "/" + name for path in paths for name in rule.config_also]
        return paths if by_config else paths + self.folder.glob(beside)

    def titled(self, title: "Optional[Found]") -> "Strings":
        """The file is not on the command line any more: read the one with the port of its title."""
        for path in self.usual[:50] if title else ():
            self.read([path])
            port = self.get(self.rule.port_keys)[0] or str(self.rule.default_port)
            if title == port_number(port, ""):
                break
            self.values, self.seen, self.file = {}, [], ""
        return []

    def lines(self, path: str, by_root: bool = False) -> "Iterator[Found]":
        """(line, file) of a file and, in place, of those it includes; an empty line begins each.
        Each file is read once, so a loop ends where it would close. A usual file was named by root,
        and what it includes when only root can write it."""
        node = self.folder.find(path)
        if len(self.seen) >= MAX_CONFIG_FILES or path in self.seen or not node:
            return
        by_root = by_root or node.path in self.usual
        if self.process and not by_root and not self.process.may_read(node):
            return
        self.seen.append(path)
        yield "", path
        # Reading a file of /proc can change something; their size is 0.
        text = (node.read() if node.stat.st_size else b"").decode("utf-8", "surrogateescape")
        is_xml = text.lstrip()[:1] == "<"
        lines = xml_settings(text) if is_xml else text.split("\n", MAX_CONFIG_LINES)
        for line in [one for one in lines[:MAX_CONFIG_LINES] if one.lstrip()[:1] not in _COMMENT]:
            line = line[:MAX_CONFIG_LINE]
            include = self.rule.include if "include" in line else ""
            match = re.match(include, line.strip()) if include else None
            if not match:
                yield line, path
            elif self.includes < MAX_INCLUDES:
                self.includes += 1
                inner = os.path.join(os.path.dirname(path), match.group(2).strip("'\" \t"))
                paths = self.folder.glob([inner])
                if match.group(1).endswith("dir"):
                    within = self.folder.inside(inner)
                    paths = [one for one in within if one.endswith((".cnf", ".conf"))]
                for one in paths:
                    yield from self.lines(one, by_root and node.trusted)

    def read(self, paths: "Strings") -> None:
        """Put the settings of these files: `name = value`, `name value`, sections in brackets, and
        the plain YAML that servers document. The last value wins."""
        groups = self.rule.groups
        for line, file in [one for path in paths for one in self.lines(path)]:
            if not line:
                self.file = self.file or file
                group, above = "", []  # type: Tuple[str, List[Tuple[int, str]]]
            if line.lstrip()[:1] == "[":
                group = line.partition("[")[2].partition("]")[0].strip()
            item = re.match(r"\s*-\s+[\"']?(/[^\"'#]*)", line) if above else None
            if item:
                self.values.setdefault(above[-1][1], (item.group(1).strip(), "config " + file))
            match = re.match(r"(\s*)[\"']?(\w[\w.-]*)[\"']?\s*([:=]|\s|$)\s*(.*)$", line)
            if not match or (groups and not re.match(groups, group)):
                continue
            name, sign, rest = match.group(2, 3, 4)
            if groups:
                name = re.sub("^loose_", "", name.lower().replace("-", "_"))
            elif group:
                name = group + "." + name
            while above and above[-1][0] >= len(match.group(1)):
                above.pop()
            if sign == ":" and above:
                name = above[-1][1] + "." + name
            if sign == ":" and rest.startswith("{"):
                for part in rest.strip("{} \r").split(","):
                    inner, _, value = part.partition(":")
                    self.put(name + "." + inner.strip(), value.strip(), file)
            elif sign == ":" and not rest.partition("#")[0].strip() and len(name) < MAX_TEXT:
                above.append((len(match.group(1)), name))
            else:
                self.put(name, rest, file)

    def put(self, name: str, text: str, file: str) -> None:
        """Keep a setting without its quotes and the comment behind it."""
        quoted = re.match(r"(['\"])(.*?)\1", text)
        value = quoted.group(2) if quoted else re.sub(r"(?:^|(?<=\s))[#;].*", "", text).strip()
        self.values[name] = (value, "config " + file)


def xml_settings(text: str) -> "Strings":
    """`outer.inner = value` for each element below the root that holds text alone."""
    above, found = [], []  # type: Tuple[Strings, Strings]
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


def port_number(text: str, source: str) -> "Optional[Found]":
    """A port and how it was found, when the text is one, or is an address that ends in one."""
    match = re.search(r"(?:^|:)(\d{1,5})(?:$|[,/\s])", text.strip())
    return (int(match.group(1)), source) if match and 0 < int(match.group(1)) < 65536 else None


# --- processes ----------------------------------------------------------------------------------

_DELETED = " (deleted)"


class Process:
    """One process that may be a server. Its /proc folder is held open, so that all that is read of
    it is of the same process even when its pid is used again."""

    hidden = False  # from this user, what it runs
    worker = False  # of another one

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
        pattern = self.rule.instance if self.rule else ""
        match = re.search(pattern, self.line[:256] + "\n" + self.cwd)
        self.instance = match.group(match.lastindex or 0) if match and pattern else str(pid)
        if not (self.rule and self.rule.library):
            self.line = ""  # hundreds of long ones would be held
        wanted = r"(?m)^(PPid|Uid|Gid|Groups|VmRSS):(.*)$"
        status = {
            name: text.split() for name, text in re.findall(wanted, self.files.text("status"))
        }
        self.parent = number("".join(status.get("PPid", [])[:1])) or 0
        self.user = number("".join(status.get("Uid", [])[1:2]))  # the effective one
        self.groups = set(map(number, status.get("Gid", [])[1:2] + status.get("Groups", [])))
        self.memory = number("".join(status.get("VmRSS", [])[:1]))
        self.workers = []  # type: List[Process]
        self.links = None  # type: Optional[Strings]

    def may_read(self, node: Node) -> bool:
        """Whether its user and groups can read a file, by the modes of what leads to it."""
        for one in node.way:
            bits = 6 if one.st_uid == self.user else 3 if one.st_gid in self.groups else 0
            if self.user != 0 and not one.st_mode >> bits & (4 if one is node.way[-1] else 1):
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
        """What its open descriptors lead to, read once; None when that cannot be read."""
        if self.links is None:
            try:
                listing = self.files.open("fd").reopened()
                own = Folder(os.dup(listing.fd))
                self.links = list(map(own.link, os.listdir(listing.fd)[:MAX_FILES_OPEN]))
            except OSError:
                pass
        return self.links


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
    hidden, proc = 0, host.proc.fd
    names = (one.name for one in host.proc.entries() if not one.is_symlink())
    pids = sorted(int(name) for name in names if name.isdigit())
    if host.live and 1 not in pids:
        host.warn("other users' processes are not listed in /proc: run as root")
        host.complete = False
    for pid in pids:
        if host.late():
            break
        is_hidden = False
        try:
            exe = os.readlink("%d/exe" % pid, dir_fd=proc)
        except PermissionError:
            is_hidden = True
            program = host.folder.text("/proc/%d/cmdline" % pid, MAX_PATH).partition("\0")[0]
            node = host.folder.find(program) if program[:1] == "/" else None
            exe = node.path if node and host.trusts(node) else ""
            if not exe and pid != 1:  # which is init
                host.complete = False
        except OSError:
            continue  # a kernel thread, or a process that has ended
        hidden += is_hidden
        name = exe[exe.rfind("/") + 1 :]
        name = name[: -len(_DELETED)] if name.endswith(_DELETED) else name
        if name == "docker-proxy":
            host.proxies.append(host.folder.text("/proc/%d/cmdline" % pid, MAX_PATH))
        if name not in host.by_name:
            continue
        try:
            folder = os.open(str(pid), _FOLDER | os.O_NOFOLLOW, dir_fd=proc)
            process = Process(pid, folder, host.by_name[name], exe)
        except OSError:
            continue
        process.hidden = is_hidden
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
    # Services first: what people start may be made to hold up the scan.
    order = [(not is_usual(one.exe), (one.user or 0) > 999, pid) for pid, one in found.items()]
    return [found[pid] for _, _, pid in sorted(order)]


def drop_workers(found: "Dict[int, Process]") -> None:
    """Forget the processes that a server of the same kind started in the same place, and those of
    an instance that has another; a worker may be the one that listens, so a few are kept in hand.
    """
    instances = {}  # type: Dict[Any, Process]
    for process in sorted(found.values(), key=lambda one: (not one.parent, one.pid)):
        over = found.get(process.parent)
        if over and (over.rule is not process.rule or over.cwd != process.cwd):
            over = None
        if process.rule and process.rule.instance:
            over = instances.setdefault((process.rule.engine, process.instance), process)
        if over and over is not process:
            over.workers += [process] if len(over.workers) < 2 else []
            process.worker = True
    for pid in [pid for pid, process in found.items() if process.worker]:
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
    """What is known of a server's software; the text is empty when its version is not."""

    def __init__(self, text: str, evidence: str, engine: str = "", edition: str = "") -> None:
        self.text, self.evidence = text, evidence
        self.engine, self.edition = engine, edition


def file_version(host: "Host", rule: Rule, node: Node) -> "Optional[Version]":
    """The version of a trusted executable of the host itself, best evidence first."""
    found = package_version(host, rule, node.path) or text_version(host, rule, node)
    return found or name_version(host.folder, rule, node.path)


def package_version(host: "Host", rule: Rule, path: str) -> "Optional[Version]":
    """The installed Debian package that owns this file, by the host's own package database."""
    if not host.packages:
        status = host.folder.text("/var/lib/dpkg/status", MAX_PACKAGE_STATUS)
        parts = [part.partition("\n") for part in ("\n\n" + status).split("\n\nPackage: ")]
        host.packages = {name: fields for name, _, fields in parts}
    names = "\n".join(host.packages)
    paths = (path, path[4:] if path.startswith("/usr/") else "/usr" + path)
    # Without epoch and Debian revision; Percona's own revision is part of its version.
    shape = r"(?:\d+:)?(?:.*\+really)?(\d+(?:\.\d+)*)~?((?:alpha\d|beta\d|rc\d)?)(-\d{1,3}(?=-))?"
    # To look for how a name begins is quick, and most names are of no package here.
    possible = [
        one for one in map(entry_of, rule.package) if re.split(r"[^\w-]", one[2])[0] in names
    ]
    for engine, edition, pattern in possible:
        for name in [match.group() for match in re.finditer("(?m)^(%s)$" % pattern, names)]:
            fields = dict(line.partition(": ")[::2] for line in host.packages[name].split("\n"))
            full = fields.get("Version", "")
            match = (
                re.match(shape, full) if fields.get("Status", "")[-10:] == " installed" else None
            )
            files = ""
            for ending in ("", ":" + fields.get("Architecture", "")) if match else ():
                files += "\n" + host.folder.text("/var/lib/dpkg/info/%s%s.list" % (name, ending))
            if match and any("\n%s\n" % one in files for one in paths):
                own = (match.group(3) or "") if engine == "percona" else ""
                text = match.group(1) + match.group(2) + own
                return Version(text, "dpkg %s %s" % (name, full), engine, edition)
    return None


def text_version(host: "Host", rule: Rule, node: Node) -> "Optional[Version]":
    """The version an executable carries as text; read once however many processes run it."""
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
    if rule.build:
        # Commands, libraries and a compiler have numbers too; only its own begins the build id.
        newest = sorted(set(numbers), key=in_order, reverse=True)[:20]
        ids = [(one, re.escape(one) + rule.build.encode()) for one in newest]
        own = (one for one, pattern in ids for p in chunks(node, limit) if re.search(pattern, p))
        numbers = list(filter(None, [next(own, b"")]))
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
    match = re.search(pattern, text) if text else None
    if match:
        return Version(match.group(1), "file " + name)
    match = re.search(rule.path_version, path, re.I) if rule.path_version else None
    return Version(match.group(1), "path " + path) if match else None


# --- databases ----------------------------------------------------------------------------------


class Host:
    """The host that is looked at: its files and processes, and what was found so far."""

    def __init__(self, root: str, seconds: float, connections: bool = False) -> None:
        self.begun = time.monotonic()
        self.deadline = self.begun + seconds
        self.connections = connections
        root = os.path.realpath(root)
        self.live = root == "/"  # else owners and links of /proc mean nothing
        self.folder = Folder(os.open(root, _FOLDER))
        mounts = "/proc/self/mounts" if self.live else "/proc/mounts"
        self.folder.remote = remote_mounts(self.folder.text(mounts, MAX_MOUNTS))
        self.proc = self.folder.open("/proc").reopened()
        self.rules = rules()
        self.by_name = {}  # type: Dict[str, List[Rule]]
        for rule in self.rules:
            for name in rule.programs + rule.aliases:
                self.by_name.setdefault(name, []).append(rule)
        self.warnings = []  # type: Strings
        self.kinds = {}  # type: Dict[str, int]
        self.complete = True
        self.databases = []  # type: List[Database]
        self.proxies = []  # type: Strings
        self.podman = ""
        self.packages = {}  # type: Dict[str, str]
        self.text_budget = MAX_ALL_EXECUTABLES
        self.texts = {}  # type: Dict[Any, Optional[Version]]
        self.units = []  # type: List[Unit]
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
        """Whether only root could have put this file there; of a folder, its place decides."""
        return node.is_file and (node.trusted if self.live else is_usual(node.path))


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


def measured(top: Node, remote: "Strings", end: float) -> "Tuple[int, Strings]":
    """The bytes of the regular files below a folder, a hard link counted once, and what lacks.

    Folders are opened without following a link, one below the other, so nothing swapped in
    meanwhile leads out.
    """
    total = count = 0
    linked = set()  # type: set[Tuple[int, int]]
    lacks = {}  # type: Dict[str, None]
    stack = [(top, top.entries())]
    while stack:
        folder, entries = stack[-1]
        try:
            entry = next(entries, None)
            if entry is None:
                stack.pop()
                continue
            if count >= MAX_SIZE_ENTRIES or time.monotonic() > end:
                lacks["measuring was cut short after %d files" % count] = None
                break
            count += 1
            path = folder.path + "/" + entry.name
            if path in remote:  # before anything touches it
                lacks["%s is on a network file system: not counted" % path] = None
                continue
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                identity = (status.st_dev, status.st_ino)
                if status.st_nlink == 1 or identity not in linked:
                    total += status.st_size
                if status.st_nlink > 1 and len(linked) < MAX_HARD_LINKS:
                    linked.add(identity)
            elif stat.S_ISDIR(status.st_mode) and len(stack) >= MAX_SIZE_DEPTH:
                lacks["folders below %d levels: not counted" % MAX_SIZE_DEPTH] = None
            elif stat.S_ISDIR(status.st_mode):
                flags = os.O_DIRECTORY | os.O_NOFOLLOW
                inner = Node(open_quietly(entry.name, flags, folder.fd), path)
                stack.append((inner, inner.entries()))
            elif entry.is_symlink() and re.search("/(pg_tblspc/[^/]*|pg_wal|pg_xlog)$", path):
                lacks["%s leads elsewhere: not counted" % path] = None
        except FileNotFoundError:
            continue  # servers remove files all the time
        except OSError as error:
            lacks["a part is unreadable: %s" % error.strerror] = None
    return total, list(lacks)[:4]


class Database:
    """One record of the report, and how each of its values was found. `place` tells it from
    another in the same container image: it outlives pid and container."""

    place = ""
    data = None  # type: Optional[Tuple[Folder, Tuple[int, int]]]  # what its directory lies in, is

    def __init__(self, rule: Rule, version: Version, status: str, why: str, binary: str) -> None:
        self.rule = rule
        self.values = {"engine": version.engine or rule.engine}  # type: Dict[str, Any]
        self.evidence = {}  # type: Dict[str, str]
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

    def put_size(self, size: int, is_complete: bool, evidence: str) -> None:
        """Set the bytes of its data."""
        self.put("data_size_bytes", size)
        self.put("data_size_complete", is_complete)
        self.evidence["data_size"] = evidence

    def put_data(
        self, host: Host, config: Config, data: "Found", server: "Optional[Running]" = None
    ) -> None:
        """Set the data directory. What is measured later is the very one that is looked at here,
        and that the running server may use."""
        path, evidence = data
        folder, node, why = config.folder, None, ""
        try:
            node = folder.open(path)
        except RemoteFile:
            why = "on a network file system: not touched"
        except OSError as error:
            why = "unreadable: %s" % error.strerror
        if server and not server.may_use(node):
            # Any user can start what is called like a server and names a real server's data.
            what = "is another user's, not its data" if node else "is not known to be its data"
            host.warn("%s: %s %s" % (self.evidence["status"], path, what))
            return
        self.put("data_dir", path, evidence)
        if node:
            host.in_use.add(node.identity)
            self.data = (folder, node.identity)  # to keep all of them open would be too many
            if folder is not host.folder:
                # Of a container neither names nor mounts are kept: any user can make large ones.
                share = (host.deadline - time.monotonic()) / 2
                self.measure(host, min(MAX_SIZE_SECONDS, share))
                self.data = None
        else:
            host.warn("%s: %s" % (path, why))

    def measure(self, host: Host, seconds: float) -> None:
        """Set the size of its data, which is unknown unless it was measured, and the space left."""
        if not self.data:
            return
        (folder, identity), path = self.data, self.values["data_dir"]
        try:
            top = folder.open(path).reopened()
            if top.identity != identity:
                raise OSError(errno.ESTALE, "another took its place", path)
            if host.live and top.is_folder:
                disk = os.fstatvfs(top.fd)
                self.put("disk_free_mb", disk.f_bavail * disk.f_frsize // MIB)
            size, lacks = measured(top, folder.remote, time.monotonic() + seconds)
            if size or not lacks:
                self.put_size(size, not lacks, "sum of file sizes")
        except OSError as error:
            lacks = ["unreadable: %s" % error.strerror]
        for lack in lacks:
            host.warn("%s: %s" % (path, lack))

    def put_settings(self, config: Config) -> None:
        """Set what the configuration says of encryption and replication."""
        rule, folder = self.rule, config.folder
        off = ("", "off", "no", "0", "false", "disabled", "disable", "none")
        self.put("config_file", config.file)
        self.put("role", rule.kind)
        if config.file and "tls_off" in rule.traits:
            self.put("tls", False, "config " + config.file)
        for key in rule.tls[::-1]:
            text, source = config.setting(key)
            self.put("tls", text.lower() not in off if source else None, source)
        data = self.values.get("data_dir") if rule.role else None
        files = folder.names(data) if data else []
        for name, _, role in [entry.partition(" ") for entry in rule.role]:
            text, source = config.setting(name)
            there = [file for file in files if re.match(name + "$", file)]
            if text.lower() not in off:
                self.put("role", role, source)
            elif there:
                self.put("role", role, "file " + there[-1])


class Running:
    """A server that runs, and what it sees as `/`: the host's folder, or a container's own."""

    def __init__(self, host: Host, process: Process, rule: Rule) -> None:
        self.host, self.process, self.rule = host, process, rule
        self.name = "process %d" % process.pid
        self.links = process.descriptors()
        self.folder = host.folder
        self.is_roots = False  # the file that runs, wherever it is by now, is root's to change
        in_hosts = host.live and process.files.link("root") == "/"
        mounts = process.files.link("ns/mnt") if in_hosts else ""
        if not mounts or mounts != host.folder.link("proc/self/ns/mnt"):
            # On a live host the kernel makes this link. In a folder anyone did: it is not followed.
            flags = _FOLDER | (0 if host.live else os.O_NOFOLLOW)
            try:
                fd = os.open("root", flags, dir_fd=process.files.top.fd)
                self.folder = Folder(fd, process.files.text("mounts", MAX_MOUNTS))
            except OSError:
                pass  # it sees what the host sees

    def database(self) -> "Optional[Database]":
        """The database that the process is; None with a warning when it is none."""
        host, process, rule, folder = self.host, self.process, self.rule, self.folder
        version, binary = self.library() if rule.library else self.executable()
        if version is None:
            what = "called like a server, without a server's text; not listed"
            host.warn("%s, %s: %s" % (self.name, binary, what))
            return None
        database = Database(rule, version, "running", self.name, binary)
        database.put("started_at", process.started(host.folder.text("/proc/stat")))
        database.put("memory_mb", process.memory and process.memory // 1024)
        user = re.search(r"(?m)^([^:\n]+):[^:\n]*:%s:" % process.user, folder.text("/etc/passwd"))
        ident = "" if process.user is None else str(process.user)
        database.put("owner", user.group(1) if user else ident)
        reader = process if host.live else None
        config = Config(folder, rule, process.command, process.cwd, reader)
        path, evidence = self.data_dir(config)
        if "stateless" in rule.traits:
            database.evidence["data_size"] = "keeps no data on disk"
        elif path:
            database.put_data(host, config, (path, evidence), self)
        else:
            host.warn("%s, %s: its data directory could not be found" % (self.name, rule.engine))
        database.put_settings(config)
        self.put_port(database, config.port)
        database.place = process.instance if rule.instance else ""
        self.put_container(database)
        if "container" not in database.values and folder.top.identity != host.folder.top.identity:
            host.warn("%s: its paths are in a root of its own, of no known container" % self.name)
        return database

    def executable(self) -> "Tuple[Optional[Version], str]":
        """The version, None when it is no server, and the path of what runs. Its package counts
        only when that is the host's own file, which nobody but root can change."""
        host, process, rule, exe = self.host, self.process, self.rule, self.process.exe
        name = "%s, %s" % (self.name, exe)
        own = self.folder is host.folder
        node = None
        try:
            node = self.opened()
        except RemoteFile:
            self.is_roots = True
            host.warn("%s: on a network file system, not read" % name)
            return name_version(None, rule, exe) or Version("", ""), exe
        except OSError:
            if host.live and not process.hidden:
                raise  # it has ended
        trusted = not node and not host.live and is_usual(exe)
        version = None
        there = host.folder.find(exe)
        same = there and node and there.identity == node.identity and not process.deleted
        if same and there and host.trusts(there):
            exe, trusted = there.path, True
            version = file_version(host, rule, there)
        elif node:
            version = text_version(host, rule, node)
        # Only root fills the usual places, with a vendor's own user's files too; a container's are
        # its image's.
        believed = trusted or (is_usual(exe) and (own or bool(process.container())))
        if believed or "vendors_user" in rule.traits:
            version = version or name_version(self.folder, rule, exe)
        if believed:
            version = version or Version("", "")
        self.is_roots = bool(node and node.is_roots) if host.live else trusted or not own
        if process.deleted:
            host.warn("%s: replaced while it runs, a restart is pending" % name)
        elif own and not trusted:
            host.warn("%s: %s" % (name, CHANGEABLE))
        if version and not version.text:
            host.warn("%s: its version could not be found" % name)
        if version and not version.engine and exe.endswith("/mariadbd"):
            version.engine = "mariadb"
        return version, exe

    def opened(self) -> Node:
        """The very file that runs: by the kernel's link on a live host, by its name in a folder."""
        process, exe = self.process, self.process.exe
        if not self.host.live or process.hidden:
            return self.folder.open(exe + _DELETED if process.deleted else exe)
        if any(exe.startswith(point.rstrip("/") + "/") for point in self.folder.remote):
            raise RemoteFile(errno.EREMOTE, "on a network file system", exe)
        return Node(os.open("exe", _PEEK, dir_fd=process.files.top.fd), exe)

    def library(self) -> "Tuple[Optional[Version], str]":
        """The version in the name of the file that an interpreter runs, and that file: it holds it
        open, or its command line names it or its folder, and it is there."""
        folder, args = self.folder, re.split("[\0:=]", self.process.line)[:5000]
        homes = [arg[:-2] if arg.endswith("/*") else arg for arg in args if arg[:1] == "/"][:50]
        homes += [home + "/lib" for home in homes] + folder.glob(self.rule.library_places)
        paths = (self.links or []) + args + [path for home in homes for path in folder.inside(home)]
        for path in paths:
            match = re.match(self.rule.library, path)
            there = match and (folder.find(path) or folder.find(os.path.dirname(path)))
            if match and there:
                self.is_roots = there.is_roots or not self.host.live
                if folder is self.host.folder and self.host.live and not there.trusted:
                    self.host.warn("%s, %s: %s" % (self.name, path, CHANGEABLE))
                return Version(match.group(1), "file name"), path
        return None, self.process.exe

    def may_use(self, folder: "Optional[Node]") -> bool:
        """Whether a data directory can be this process's: its user's own, or, for a server that
        only root can change, at least not closed to all but another user. Of one that cannot be
        opened only such a server is believed."""
        if folder is None or not self.host.live:
            return self.is_roots or not self.host.live
        user, mode = self.process.user, folder.stat.st_mode
        return folder.stat.st_uid == user or (self.is_roots and (user == 0 or mode & 0o077 > 0))

    def data_dir(self, config: Config) -> "Found":
        """Command line, configuration, working directory, open files, then the usual places."""
        folder, rule, cwd = self.folder, self.rule, self.process.cwd
        works_in = rule.data_marks and cwd != "/" and holds_data(folder, rule, cwd)
        for path, source in config.data:
            # Where it works elsewhere, the configuration was changed since the server started.
            stale = works_in and source[:6] == "config" and not same_file(folder, path, cwd)
            if not stale and holds_data(folder, rule, path) is not False:
                return path, source
        if works_in:
            return cwd, "working directory"
        for link in self.links or ():
            for mark in rule.data_marks:
                path = link[: -len(mark) - 1]
                if (
                    path
                    and link == path + "/" + mark
                    and holds_data(folder, rule, path) is not False
                ):
                    return path, "open file " + mark
        usual = folder.glob(rule.data_places)
        for path in usual if self.is_roots else ():
            if holds_data(folder, rule, path):
                return path, "usual place"
        if config.data:
            return config.data[0]
        at_work = cwd in usual or ("works_in_data" in rule.traits and cwd != "/")
        return (cwd, "working directory") if at_work else ("", "")

    def put_port(self, database: Database, told: "Optional[Found]") -> None:
        """Its own listening sockets, then what it was told, its pid file, the default."""
        rule, listening = self.rule, listeners(self.process)
        ports = [port for _, port in listening]
        if not ports:
            name, _, line = rule.port_file.partition(" ")
            text = self.folder.text("%s/%s" % (database.values.get("data_dir"), name), 4096)
            noted = "".join(text.split("\n")[int(line or 0) :][:1])
            told = told or port_number(noted, "file " + name)
            port, source = told or (rule.default_port, "engine default")
            seen = "sockets hidden" if self.links is None else "not listening"
            database.put("port", port, "%s, %s" % (source, seen))
            return
        likely = [told[0]] if told else []
        likely += [port for port in ports if rule.port_like and re.match(rule.port_like, str(port))]
        likely.append(rule.default_port)
        likely += [port for port in ports if str(port) not in rule.port_numbers] + ports
        port = next(port for port in likely if port in ports)
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
        docker = pick(parsed(host.folder.text("/etc/docker/daemon.json")), "data-root")
        tree = None
        for path in (str(docker or "/var/lib/docker") + DOCKER_FILE,) + RUNTIME_FILES:
            tree = parsed(host.folder.text(path.replace("%s", ident)))
            if isinstance(tree, list):  # Podman: one file for all
                own = next((one for one in tree if pick(one, "id") == ident), None)
                tree = parsed(pick(own, "metadata"))
            image = pick(tree, *IMAGE)
            if isinstance(image, str):
                database.put("image", image, "file " + path.replace("%s", ident[:12]))
                database.place += "|%s" % pick(tree, *NAME)
                break
        database.put("published_port", *self.published(values["port"], tree) or ("",))
        # Where the data comes from outlives the container: a volume, or a folder of the host.
        data_dir = "%s/" % values.get("data_dir")
        mounts = [line.split(" ") for line in files.text("mountinfo").split("\n")]
        points = [(one[4], one[3]) for one in mounts if len(one) > 4 and one[4] != "/"]
        found_at = [pair for pair in points if data_dir.startswith(pair[0] + "/")]
        database.place += "|%s" % max(found_at)[1] if found_at else ""

    def published(self, port: int, tree: "Any") -> "Optional[Found]":
        """The host's port that leads to this one in the container; `tree` is what Docker keeps."""
        host, ident = self.host, self.process.container()
        ports = pick(tree, "NetworkSettings Ports %d/tcp" % port)
        if isinstance(ports, list) and ports and pick(ports[0], "HostPort"):
            return port_number(str(pick(ports[0], "HostPort")), "container's configuration")
        said = "-host-port\0(\\d+)\0-container-ip\0([\\d.]+)\0-container-port\0%d\0" % port
        for match in [re.search(said, line + "\0") for line in host.proxies]:
            if match and match.group(2) in self.process.files.text("net/fib_trie"):
                return port_number(match.group(1), "docker-proxy")
        ports, file = podman_ports(host, ident)
        for kept in ports:
            names = ("container_port", "host_port", "range")
            inner, outer, count = [number(str(pick(kept, name))) or 0 for name in names]
            if outer and 0 <= port - inner < count and "tcp" in str(pick(kept, "protocol")):
                return port_number(str(port - inner + outer), "file " + file)
        return None


def podman_ports(host: Host, ident: str) -> "Found":
    """What Podman keeps of a container's published ports, and its file: SQLite's, or before
    Podman 5 BoltDB's. There each configuration is one JSON object, whole; old ones may stand beside
    it."""
    import json

    host.podman = host.podman or host.folder.text(PODMAN_BOLT, 16 * MIB)
    at = [match.start() for match in re.finditer('"id":"%s"' % ident, host.podman)]
    starts = [host.podman.rfind('{"spec":', 0, one) for one in at]
    found = [(host.podman, one, PODMAN_BOLT) for one in starts if one >= 0]
    for text, start, file in [(podman_row(host, ident), 0, PODMAN_SQLITE)] + found:
        try:
            tree = json.JSONDecoder().raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            continue
        ports = pick(tree, "newPortMappings")
        if pick(tree, "id") == ident and isinstance(ports, list):
            return ports, file
    return [], ""


def podman_row(host: Host, ident: str) -> str:
    """A container's configuration in Podman's SQLite file. It is read as it stands: nothing is
    locked, and no journal beside it looked at."""
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


PODMAN_SQLITE = "/var/lib/containers/storage/db.sql"
PODMAN_BOLT = "/var/lib/containers/storage/libpod/bolt_state.db"
DOCKER_FILE = "/containers/%s/config.v2.json"
RUNTIME_FILES = (
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


# --- installed and not running ------------------------------------------------------------------


class Server:
    """An installed server: the path and identity of its executable."""

    def __init__(self, rule: Rule, node: Node, version: Version) -> None:
        self.rule, self.version = rule, version
        self.path, self.identity = node.path, node.identity


def installed_servers(host: Host) -> "Iterator[Server]":
    """The servers in the usual places and in listed homes, those that only root can change or that
    are a vendor's user's and tell their version. Several names of one file count once; a script
    counts for nothing."""
    folder, seen = host.folder, set()
    found = []  # type: List[Tuple[Rule, str, Optional[Version]]]
    for rule in host.rules:
        for place in folder.glob(rule.library_places):
            for path in folder.inside(place):
                match = re.match(rule.library, path)
                found += [(rule, path, Version(match.group(1), "file name"))] if match else []
    homes = [home + "/bin" for rule in host.rules for _, home in listed(host, rule)]
    for place in folder.glob(PLACES) + homes:
        for name in sorted(host.by_name.keys() & set(folder.names(place))):
            path = place + "/" + name
            rules = [one for one in host.by_name[name] if name in one.programs and not one.library]
            found += [(rule, path, None) for rule in rules if rule.where in path][:1]
    for rule, path, version in found:
        if host.late():
            return
        node = folder.find(path)
        if node is None or node.identity in seen or not node.is_file:
            continue
        if not version and os.path.basename(node.path) not in rule.programs + rule.aliases:
            continue
        seen.add(node.identity)
        trusted = host.trusts(node) or (version and (node.trusted or not host.live))
        if node.read(2) == b"#!":
            continue
        if trusted or "vendors_user" in rule.traits:
            version = version or file_version(host, rule, node)
        if not trusted and (version is None or "vendors_user" not in rule.traits):
            host.warn("%s: others than root can change it; not counted" % node.path)
            continue
        if not trusted:
            host.warn("%s: %s" % (node.path, CHANGEABLE))
        if version is None:
            host.warn("%s: its version could not be found" % node.path)
        yield Server(rule, node, version or Version("", ""))


def listed(host: Host, rule: Rule) -> "List[Tuple[str, str]]":
    """(instance, folder above its `bin`) of those that a file of the engine lists."""
    path, _, pattern = rule.listed.partition(" ")
    return re.findall(pattern, host.folder.text(path))[:50] if path else []


def stopped(host: Host, rule: Rule) -> "List[Command]":
    """What says how a server would be started: service units, configuration files, and the usual
    data directories, in this order."""
    folder, found = host.folder, []
    host.units = host.units or list(units(host))
    for name, command, variables in host.units:
        program = os.path.basename(command[0])
        if program in rule.programs + rule.launchers:
            args = [
                re.sub(r"\$\{?(\w+)\}?", lambda one: variables.get(one.group(1), ""), word)  # noqa: B023
                for word in command[1:]
            ]
            if rule.data_variable in variables:
                args = [rule.data_options[0], variables[rule.data_variable]] + args
            binary = command[0] if program in rule.programs else ""
            found.append(Command(args, "unit " + name, binary))
    for path in filter(folder.find, folder.glob(rule.config_places)):
        found.append(Command([], "config " + path, config=path))
    for path in folder.glob(rule.data_places):
        if holds_data(folder, rule, path) is not False:
            found.append(Command([rule.data_options[0], path], "usual place"))
    return found


def units(host: Host) -> "Iterator[Unit]":
    """systemd's units: all that the administrator wrote, and the packages' with such a name. They
    are read; systemd is not asked."""
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
        started = []  # type: Strings
        for line in text.replace("\\\n", " ").split("\n") if name.endswith(".service") else ():
            key, _, value = line.strip().partition("=")
            if key == "Environment":
                variables.update(word.partition("=")[::2] for word in words(value))
            elif key == "ExecStart" and value.strip():
                started = [word for word in words(value.strip().lstrip("-@:+!")) if "%" not in word]
        if started:
            yield name, started, variables


def words(text: str) -> "Strings":
    """The words of a unit's setting; quotes keep a word together."""
    found = re.findall(r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'])+", text[:65536])
    return [re.sub("[\"']", "", word) for word in found if word.strip("\"'")]


def look_at_installed(host: Host, rule: Rule, servers: "List[Server]") -> None:
    """Add the stopped servers: one for each data directory that an installed server would use, and
    one for each installed server that has none and does not run."""
    look_at_listed(host, rule, servers)
    folder, idle = host.folder, [one for one in servers if one.identity not in host.in_use]
    spare = []  # type: List[Config]
    for command in stopped(host, rule) if "stateless" not in rule.traits else ():
        if host.late():
            return
        config = Config(folder, rule, command)
        usable = [one for one in config.data if holds_data(folder, rule, one[0]) is not False]
        if not usable:
            spare.append(config)
            continue
        path = usable[0][0]
        node = folder.find(path)
        # What must not be touched is told apart by its name.
        same = any(one.values.get("data_dir") == path for one in host.databases)
        if node.identity in host.in_use if node else same:
            continue
        server = server_for(folder, command, path, servers)
        if server is None:
            host.warn("%s: data of a server that is not installed" % path)
            continue
        idle = [other for other in idle if other is not server]
        add_installed(host, server, config, usable[0])
    for server in idle:
        fitting = [one for one in spare if one.command.binary in ("", server.path)]
        add_installed(host, server, (fitting + [Config(folder, rule, Command([], ""))])[0])


def look_at_listed(host: Host, rule: Rule, servers: "List[Server]") -> None:
    """Add the stopped ones among the instances that a file of the engine lists."""
    why = "listed in %s, no process" % rule.listed.partition(" ")[0]
    for instance, home in listed(host, rule):
        runs = any(db.rule is rule and db.place == instance for db in host.databases)
        for server in servers:
            if same_file(host.folder, os.path.dirname(server.path), home + "/bin"):
                host.in_use.add(server.identity)
                if not runs:
                    config = Config(host.folder, rule, Command([], ""))
                    add_installed(host, server, config, None, instance, why)


def server_for(
    folder: Folder, command: Command, data_dir: str, servers: "List[Server]"
) -> "Optional[Server]":
    """The installed server that would open this data directory."""
    for server in servers:
        if command.binary and same_file(folder, command.binary, server.path):
            return server
    mark = servers[0].rule.data_version
    told = folder.text("%s/%s" % (data_dir, mark), 64).strip()
    match = re.search(r"/(\d+(?:\.\d+)?)/", (command.config or data_dir) + "/")
    series = (told or (match.group(1) if match else "")) if mark else ""
    for server in servers:
        if not series or (server.version.text + ".").startswith(series + "."):
            return server
    return None


def add_installed(
    host: Host,
    server: Server,
    config: Config,
    data: "Optional[Found]" = None,
    instance: str = "",
    why: str = "executable, no process",
) -> None:
    """Add the record of a stopped server. Without a data directory there are 0 bytes of data."""
    rule = server.rule
    database = Database(rule, server.version, "installed", why, server.path)
    database.place = instance
    database.put("port", *(config.port or (rule.default_port, "engine default")))
    if data:
        database.put_data(host, config, data)
    elif rule.data_places or "stateless" in rule.traits:
        database.put_size(0, True, "no data directory exists")
    else:
        host.warn("%s: its data directory could not be found" % server.path)
    database.put_settings(config)
    host.databases.append(database)


# --- report -------------------------------------------------------------------------------------

_FIELDS = (
    "db_id engine edition version status port listen data_dir data_size_bytes data_size_complete"
    " disk_free_mb binary config_file owner started_at memory_mb tls role container image"
    " published_port clients clients_total".split()
)


def look(host: Host) -> None:
    """Fill `host` with what is there: running servers first, then what is installed."""
    processes = candidates(host)[::-1]
    while processes:
        process = processes.pop()
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
    servers = list(installed_servers(host))
    for rule in host.rules:
        own = [server for server in servers if server.rule is rule]
        if own and not host.late():
            look_at_installed(host, rule, own)


def measure(host: Host) -> None:
    """Measure what was found. It may take all the time that is left, so it comes last, and each
    directory gets its share: what one does not need, the others have."""
    waiting = [database for database in host.databases if database.data]
    for place, database in enumerate(waiting):
        share = (host.deadline - time.monotonic()) / (len(waiting) - place)
        database.measure(host, min(MAX_SIZE_SECONDS, share))


def host_facts(host: Host) -> "Dict[str, Any]":
    """Name, operating system, kernel, architecture, memory and processors."""

    def first(path: str, pattern: str = r"^(\S.*?)\s*$") -> str:
        match = re.search(pattern, host.folder.text(path, 4 * MIB), re.M)
        return match.group(1) if match else ""

    name = r"^PRETTY_NAME=[\"']?(.*?)[\"']?$"
    names = [first("/etc/os-release", name), first("/usr/lib/os-release", name)]
    names += [first("/etc/system-release"), first("/etc/redhat-release")]
    cores = os.cpu_count() if host.live else host.folder.text("/proc/cpuinfo").count("processor\t")
    facts = {
        "hostname": first("/proc/sys/kernel/hostname"),
        "os": next(filter(None, names), ""),
        "kernel": first("/proc/sys/kernel/osrelease"),
        "arch": os.uname().machine if host.live else machine(host.folder),
        "memory_mb": (number(first("/proc/meminfo", r"^MemTotal:(.*)")) or 0) // 1024,
        "cores": cores,
    }
    return {name: clean(value) for name, value in facts.items() if value}


def machine(folder: Folder) -> str:
    """The architecture that a folder's shell is built for."""
    known = {3: "i686", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64"}
    shell = folder.find("/bin/sh")
    head = shell.read(20) if shell else b""
    kind = int.from_bytes(head[18:], "little" if head[5:6] == b"\1" else "big")
    return folder.text("/proc/sys/kernel/arch").strip() or known.get(kind, "")


def give_ids(databases: "List[Database]") -> None:
    """Name each `<engine>-<port>`; where that is taken, add what tells the databases apart. Who
    keeps the plain name depends on nothing that a restart or another scan changes."""

    def telling(db: Database) -> "Strings":
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
            import hashlib  # late: on most hosts no name is taken

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
        record = {}  # type: Dict[str, Any]
        for name in _FIELDS:
            if name in db.values:
                is_path = name in ("data_dir", "binary", "config_file")
                record[name] = clean(db.values[name], MAX_PATH if is_path else MAX_TEXT)
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


def options(args: "Strings") -> "Dict[str, str]":
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


def main(args: "Strings") -> int:
    """Look and print. Returns the exit code."""
    if "--help" in args:
        print((__doc__ or "").strip())
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
        look(host)
        measure(host)
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
