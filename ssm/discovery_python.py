#!/usr/bin/env python3
"""Database Discovery probe: which database servers are on this host, as one line of JSON.

It reads files and /proc. It connects to nothing, writes nothing, and keeps to the limits below.
What it reads, how each value is found and what it never does: README.md beside this file.

One file, standard library only, Python 3.6 and later. From top to bottom: limits, engines (the rule
table), safe access to files, configuration files, processes, sockets, versions, data directories,
databases, host facts, report, command line.

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
    from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

    Listener = Tuple[str, int]
    """An address as people write it, and its TCP port."""
    Found = Tuple[str, str]
    """A value, and how it was found."""

SCHEMA = 1
VERSION = "1.0.0"

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


class Rule:
    """How to know one family of servers, and each value of a server of that family."""

    family: str
    default_port: int
    programs: "Tuple[str, ...]"  # file names of the server's executable, and nothing else's
    launchers: "Tuple[str, ...]"  # what starts it for a service, with its arguments
    places: "Tuple[str, ...]"  # where packages and tarballs put it; `*` within one component
    not_serving: "Tuple[str, ...]"  # first arguments with which it does something else than serve
    packages: "Tuple[Tuple[str, str, Optional[str]], ...]"  # name of its package, engine, edition
    marks: "Tuple[Tuple[bytes, str, Optional[str]], ...]"  # text in it, engine, edition; first wins
    text_versions: "Tuple[Tuple[bytes, bytes], ...]"  # a literal in it, the pattern around that
    text_series: "Tuple[Tuple[bytes, bytes], ...]"  # the same for the series, which picks a version
    path_version: str  # the version in the executable's path
    version_parts: int  # how many numbers make a whole version
    version_file: "Optional[str]"  # in the data directory: the first part of the version
    unit_name: str  # names of service units that packages bring
    port_options: "Tuple[str, ...]"  # on the command line: -X, --name
    port_keys: "Tuple[str, ...]"  # in the configuration
    port_file: "Optional[Tuple[str, int]]"  # file of the data directory, line
    other_ports: "Tuple[int, ...]"  # not its port while it listens on another
    data_options: "Tuple[str, ...]"
    data_variable: "Optional[str]"  # in the environment of a service unit
    data_keys: "Tuple[str, ...]"
    data_by_config: bool  # the option may name the configuration's folder, which names the data
    data_marks: "Tuple[str, ...]"  # a data directory has one of these
    data_files: "Tuple[str, ...]"  # open files that lie directly in the data directory
    data_places: "Tuple[str, ...]"
    config_places: "Tuple[str, ...]"  # the configuration of a server that does not run
    read_config: "Callable[[Folder, Command, Optional[str]], Config]"

    def __init__(self, **row: "Any") -> None:
        self.__dict__.update(row)


def rules() -> "Tuple[Rule, ...]":
    """The rule table. A function, because its rows name the readers further down."""
    return (
        Rule(
            family="mysql",
            default_port=3306,
            programs=("mysqld", "mariadbd", "mysqld-debug", "mysqld.bin", "mysqld-max"),
            launchers=("mysqld_safe", "mariadbd-safe"),
            places=(
                "/usr/sbin", "/usr/libexec", "/usr/bin", "/usr/local/bin", "/usr/local/sbin",
                "/usr/local/libexec", "/usr/local/*/bin", "/opt/*/bin", "/opt/*/sbin",
                "/opt/*/*/bin", "/opt/rh/*/root/usr/libexec", "/opt/rh/*/root/usr/sbin",
            ),
            not_serving=(
                "--version", "-V", "--help", "-?", "--verbose", "--initialize",
                "--initialize-insecure", "--bootstrap", "--validate-config", "--print-defaults",
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
            version_parts=3,
            version_file=None,
            unit_name="mysql|maria|percona",
            port_options=("-P", "--port"),
            port_keys=("port",),
            port_file=None,
            other_ports=(33060, 33062, 4444, 4567, 4568),
            data_options=("-h", "--datadir"),
            data_variable=None,
            data_keys=("datadir",),
            data_by_config=False,
            data_marks=("ibdata1", "aria_log_control", "mysql.ibd", "mysql"),
            data_files=("ibdata1", "aria_log_control", "mysql.ibd", "undo_001"),
            data_places=("/var/lib/mysql",),
            config_places=("/etc/my.cnf", "/etc/mysql/my.cnf"),
            read_config=read_mysql_config,
        ),
        Rule(
            family="postgresql",
            default_port=5432,
            programs=("postgres", "postmaster", "postgres.bin"),
            launchers=("pg_ctl",),
            places=(
                "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/bin", "/usr/libexec",
                "/usr/lib/postgresql*/bin", "/usr/libexec/postgresql*", "/usr/local/bin",
                "/usr/local/pgsql/bin", "/usr/local/*/bin", "/opt/*/bin", "/opt/*/*/bin",
                "/opt/rh/*/root/usr/bin",
            ),
            not_serving=(
                "--version", "-V", "--help", "-?", "--boot", "--single", "--check",
                "--describe-config", "-C",
            ),
            packages=((r"(pgdg-)?postgresql(-?\d[\d.]*)?(-server)?", "postgresql", None),),
            marks=((b"postgres (PostgreSQL) ", "postgresql", None),),
            text_versions=(
                (
                    b"postgres (PostgreSQL) ",
                    rb"postgres \(PostgreSQL\) (\d+(?:\.\d+){0,2}(?:(?:alpha|beta|rc)\d+|devel)?)",
                ),
                (
                    b"PostgreSQL ",
                    rb"PostgreSQL (\d+(?:\.\d+){0,2}(?:(?:alpha|beta|rc)\d+|devel)?) [^\0]*?on ",
                ),
            ),
            text_series=(),
            path_version=r"(?:postgresql|pgsql|postgres)[-/]?(\d+(?:\.\d+)*)(?=[-/])",
            version_parts=2,
            version_file="PG_VERSION",
            unit_name="postgres|pgsql",
            port_options=("-p", "--port"),
            port_keys=("port",),
            port_file=("postmaster.pid", 3),
            other_ports=(),
            data_options=("-D", "--data-directory"),
            data_variable="PGDATA",
            data_keys=("data_directory",),
            data_by_config=True,
            data_marks=("PG_VERSION",),
            data_files=("postmaster.pid", "PG_VERSION"),
            data_places=(
                "/var/lib/postgresql/*/*", "/var/lib/postgresql/data", "/var/lib/pgsql/data",
                "/var/lib/pgsql/*/data", "/var/lib/postgres/data", "/usr/local/pgsql/data",
            ),
            config_places=("/etc/postgresql/*/*/postgresql.conf",),
            read_config=read_postgresql_config,
        ),
        Rule(
            family="mongodb",
            default_port=27017,
            programs=("mongod",),
            launchers=(),
            places=(
                "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/*/bin", "/opt/*/bin",
                "/opt/*/*/bin", "/opt/rh/*/root/usr/bin",
            ),
            not_serving=("--version", "-h", "--help", "--repair", "--shutdown", "--sysinfo"),
            packages=(
                (r"mongodb-enterprise(-server)?", "mongodb", "Enterprise"),
                (r"percona-server-mongodb(-server)?", "mongodb", "Percona"),
                (r"mongodb(-org)?(-server)?(-core)?", "mongodb", "Community"),
            ),
            marks=((b"gitVersion", "mongodb", None), (b"db version v", "mongodb", None)),
            text_versions=(
                (b"db version v", rb"db version v(\d{1,2}\.\d{1,2}\.\d{1,3}(?:-[\w.]{1,20})?)"),
                (
                    b".",
                    rb"\x00(\d\.\d{1,2}\.\d{1,3}(?:-[\w.]{1,20})?)\x00{1,8}[0-9a-f]{40}\x00",
                ),
            ),
            text_series=(),
            path_version=r"mongodb[^/]*?-(\d+\.\d+\.\d+)",
            version_parts=3,
            version_file=None,
            unit_name="mongo",
            port_options=("--port",),
            port_keys=("net.port", "port"),
            port_file=None,
            other_ports=(),
            data_options=("--dbpath",),
            data_variable=None,
            data_keys=("storage.dbPath", "dbpath"),
            data_by_config=False,
            data_marks=("WiredTiger", "storage.bson", "mongod.lock", "WiredTiger.wt"),
            data_files=("mongod.lock", "WiredTiger.lock", "WiredTiger.wt"),
            data_places=("/var/lib/mongodb", "/var/lib/mongo", "/data/db"),
            config_places=("/etc/mongod.conf", "/etc/mongodb.conf"),
            read_config=read_mongodb_config,
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

    def text(self, path: str, limit: int = MIB) -> "Optional[str]":
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

    def link(self, name: str) -> "Optional[str]":
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
        self,
        args: "List[str]",
        source: str,
        binary: "Optional[str]" = None,
        config: "Optional[str]" = None,
    ) -> None:
        self.args = args
        self.source = source
        self.binary = binary
        self.config = config

    def option(self, *names: str) -> "Optional[str]":
        """The last value of an option: `--name=x`, `--name x`, `-Xx`, `-X x`, `-c name=x`."""
        found = None
        for arg, after in zip(self.args, self.args[1:] + [""]):
            key, equals, value = arg.partition("=")
            if arg == "-c":
                key, equals, value = after.partition("=")
                key = "--" + key.strip()
            for name in names:
                if name.startswith("--"):
                    if key.replace("_", "-") == name:
                        found = value if equals else after
                elif arg.startswith(name) and not arg.startswith("--"):
                    found = arg[len(name) :] or after
        return found.strip().strip("'\"") if found else None


class Config:
    """Settings in effect: name -> (value, file). `file` is the one a person would open.

    `port` and `data`, the directories named for the data, are set by `configuration`.
    """

    def __init__(self) -> None:
        self.file = None  # type: Optional[str]
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

    def path(text: "Optional[str]") -> "Optional[str]":
        full = os.path.normpath(os.path.join(cwd, text)) if text else None
        return full[1:] if full and full.startswith("//") else full

    given = path(command.option(*rule.data_options))
    config = rule.read_config(folder, command, given or (cwd if rule.data_by_config else None))
    config.port = port_number(command.option(*rule.port_options), command.source)
    config.port = config.port or port_number(*(config.get(rule.port_keys) or (None, "")))
    if given:
        config.data.append((given, command.source))
    named, source = config.get(rule.data_keys) or (None, "")
    configured = path(named)
    if configured:
        config.data.insert(0 if rule.data_by_config else 1, (configured, source))
    return config


def port_number(text: "Optional[str]", source: str) -> "Optional[Tuple[int, str]]":
    """A port and how it was found, when the text is one."""
    if text and re.match(r"\d{1,5}$", text.strip()) and 0 < int(text) < 65536:
        return int(text), source
    return None


_MYSQL_GROUP = re.compile(r"(mysqld|server|mysqld-\d+\.\d+|mariadbd?(-\d+\.\d+)?)$")
_MYSQL_INCLUDE = re.compile(r"\s*!(include(?:dir)?)\s+(\S.*?)\s*$")
_POSTGRESQL_INCLUDE = re.compile(r"\s*(include(?:_dir|_if_exists)?)\s*[= ]\s*'([^']*)'")
_SETTING = re.compile(r"\s*([\w.-]+)\s*(?:=\s*|\s)(.*)$")


def expanded(
    folder: Folder, path: str, include: "re.Pattern[str]", suffix: str, seen: "List[str]"
) -> "Iterator[Tuple[str, str]]":
    """(file, line) of a configuration file and, in place, of those it includes.

    Each file is read once, so a loop ends where it would close.
    """
    if len(seen) >= MAX_CONFIG_FILES or path in seen:
        return
    seen.append(path)
    text = folder.text(path)
    if text is None:
        return
    for line in text.split("\n", MAX_CONFIG_LINES)[:MAX_CONFIG_LINES]:
        match = include.match(line)
        if not match:
            yield path, line
            continue
        target = os.path.join(os.path.dirname(path), match.group(2))
        inner = [target]
        if match.group(1).endswith("dir"):
            names = folder.names(target)[:MAX_CONFIG_FILES]
            inner = [os.path.join(target, name) for name in names if name.endswith(suffix)]
        for one in inner:
            for found in expanded(folder, one, include, suffix, seen):
                yield found


def read_mysql_config(folder: Folder, command: Command, _data_dir: "Optional[str]") -> Config:
    """my.cnf with what it includes: the groups a server reads; the last value wins."""
    only = command.option("--defaults-file")
    extra = command.option("--defaults-extra-file")
    paths = [only] if only else ["/etc/my.cnf", "/etc/mysql/my.cnf"]
    if "--no-defaults" in command.args:
        paths = []
    elif extra and not only:
        paths.append(extra)
    suffix = command.option("--defaults-group-suffix") or ""
    config, groups, seen = Config(), {}, []  # type: Tuple[Config, Dict[str, str], List[str]]
    for path in paths:
        for file, line in expanded(folder, path, _MYSQL_INCLUDE, ".cnf", seen):
            config.file = config.file or file
            if line.lstrip().startswith("["):
                group = line.partition("[")[2].partition("]")[0].strip()
                groups[file] = group[: -len(suffix)] if suffix and group.endswith(suffix) else group
            match = _SETTING.match(line)
            if match and _MYSQL_GROUP.match(groups.get(file, "")):
                name = match.group(1).lower().replace("-", "_")
                config.put(name[6:] if name.startswith("loose_") else name, match.group(2), file)
    return config


def read_postgresql_config(folder: Folder, command: Command, data_dir: "Optional[str]") -> Config:
    """postgresql.conf with what it includes, then postgresql.auto.conf; the last value wins."""
    config, seen = Config(), []  # type: Tuple[Config, List[str]]

    def read(path: str) -> None:
        for file, line in expanded(folder, path, _POSTGRESQL_INCLUDE, ".conf", seen):
            config.file = config.file or file
            match = _SETTING.match(line)
            if match:
                config.put(match.group(1).lower(), match.group(2), file)

    path = command.option("--config-file") or command.config
    if path or data_dir:
        read(path or "%s/postgresql.conf" % data_dir)
    data_dir = config.values.get("data_directory", (data_dir, ""))[0]
    if data_dir:
        read(data_dir + "/postgresql.auto.conf")
    return config


def read_mongodb_config(folder: Folder, command: Command, _data_dir: "Optional[str]") -> Config:
    """mongod.conf: the plain YAML that MongoDB documents, or the `name = value` of before 2.6."""
    config = Config()
    path = command.option("-f", "--config") or command.config
    text = folder.text(path) if path else None
    if not path or text is None:
        return config
    config.file = path
    above = []  # type: List[Tuple[int, str]]
    for line in text.split("\n", MAX_CONFIG_LINES)[:MAX_CONFIG_LINES]:
        match = re.match(r"( *)[\"']?([\w.]+)[\"']?\s*([:=])\s*(.*)$", line)
        if not match:
            continue
        indent, rest = len(match.group(1)), match.group(4)
        while above and above[-1][0] >= indent:
            above.pop()
        key = ".".join([parent for _, parent in above[:20]] + [match.group(2)])
        if rest.startswith("{"):
            for pair in rest.strip("{} \r").split(","):
                name, _, value = pair.partition(":")
                config.put("%s.%s" % (key, name.strip()), value.strip(), path)
        elif match.group(3) == ":" and not rest.partition("#")[0].strip():
            above.append((indent, match.group(2)))
        else:
            config.put(key, rest, path)
    return config


# --- processes ----------------------------------------------------------------------------------

_DELETED = " (deleted)"
_CONTAINER = re.compile(
    r"(?:docker|containerd|crio|libpod|kubepods|lxc|ecs|garden|podman)\S*?[-/:]([0-9a-f]{64})\b"
)


class Process:
    """One process that may be a server. Its /proc folder is held open, so that all that is read of
    it is of the same process even when its pid is used again."""

    def __init__(self, pid: int, fd: int, rule: Rule, exe: "Optional[str]") -> None:
        self.pid = pid
        self.rule = rule
        self.files = Folder(fd)
        self.deleted = exe is not None and exe.endswith(_DELETED)
        self.exe = exe[: -len(_DELETED)] if exe and self.deleted else exe
        args = self.read("cmdline", MAX_CMDLINE).split("\0")
        self.command = Command(args[1:], "command line")
        self.is_serving = not args[1:2] or args[1] not in rule.not_serving
        status = self.read("status")
        parent = re.search(r"^PPid:\s*(\d{1,9})", status, re.M)
        self.parent = int(parent.group(1)) if parent else 0
        user = re.search(r"^Uid:\s*\d+\s+(\d{1,10})", status, re.M)
        self.user = int(user.group(1)) if user else None
        self.cwd = self.files.link("cwd")

    def read(self, name: str, limit: int = 65536) -> str:
        """The text of one of its /proc entries; nothing when it cannot be read."""
        return self.files.text(name, limit) or ""

    @property
    def container(self) -> "Optional[str]":
        """The short id of its container, where its control group tells."""
        match = _CONTAINER.search(self.read("cgroup"))
        return match.group(1)[:12] if match else None

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
    by_name = {name: rule for rule in host.rules for name in rule.programs}
    found = {}  # type: Dict[int, Process]
    hidden = 0
    for pid in sorted(int(name) for name in os.listdir(host.proc) if re.match(r"\d{1,9}$", name)):
        if host.late():
            break
        path = "%s/%d" % (host.proc, pid)
        exe = None  # type: Optional[str]
        try:
            exe = os.readlink(path + "/exe")
            name = exe[: -len(_DELETED)] if exe.endswith(_DELETED) else exe
        except PermissionError:
            hidden += 1
            name = hidden_program(host, pid) or ""
        except OSError:
            continue  # a kernel thread, or a process that has ended
        rule = by_name.get(name[name.rfind("/") + 1 :])
        if rule is None:
            continue
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        found[pid] = Process(pid, fd, rule, exe)
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
    return sorted(
        (process for process in found.values() if process.is_serving),
        key=lambda process: (not (process.exe and host.is_usual(process.exe)), process.pid),
    )


def hidden_program(host: "Host", pid: int) -> "Optional[str]":
    """The program a process says it is, when that is a file only root could have put there."""
    program = (host.folder.text("/proc/%d/cmdline" % pid, MAX_PATH) or "").partition("\0")[0]
    try:
        with host.folder.open(program if program.startswith("/") else "/") as node:
            return node.path if host.trusts(node) else None
    except OSError:
        return None


def drop_workers(found: "Dict[int, Process]") -> None:
    """Forget the processes that a server of the same kind started in the same place."""
    workers = [
        pid
        for pid, process in found.items()
        for parent in [found.get(process.parent)]
        if parent and parent.rule is process.rule and parent.cwd == process.cwd
    ]
    for pid in workers:
        os.close(found.pop(pid).files.fd)


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
        version: "Optional[str]",
        evidence: str,
        engine: "Optional[str]" = None,
        edition: "Optional[str]" = None,
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
        found = path_version(rule, node.path)
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
    key = (node.identity, rule.family)
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
        if versions[0] and not rule.text_series:
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
    if not found:
        return None
    version = max(found, key=numbers).decode("ascii")
    rows = [row for row, is_there in zip(rule.marks, marks) if is_there]
    _, engine, edition = rows[0] if rows else (b"", rule.family, None)
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


def path_version(rule: Rule, path: str) -> "Optional[Version]":
    """The version in the names of the folders the executable lies in."""
    match = re.search(rule.path_version, path, re.I)
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
    if not node.trusted or mode & (stat.S_ISUID | stat.S_ISGID) or not mode & 0o001:
        return None
    import subprocess

    executable = node.reopen()
    try:
        asked = subprocess.Popen(  # noqa: S603 - a trusted file, see above
            [node.path, "--version"],
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
    engine, edition = rule.family, None
    for mark, named, what in rule.marks[::-1]:
        if mark.strip(b"(- ") in output:
            engine, edition = named, what
    version = match.group(1) + ((match.group(2) or b"") if engine == "percona" else b"")
    return Version(version.decode("ascii"), "%s --version" % node.path, engine, edition)


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
            return False
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
        self.started = time.monotonic()
        self.deadline = self.started + seconds
        root = os.path.realpath(root)
        self.live = root == "/"
        self.proc = os.path.join(root, "proc")
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        mounts = Folder(fd).text("/proc/self/mounts" if self.live else "/proc/mounts")
        self.folder = Folder(fd, remote_mounts(mounts or ""))
        self.rules = rules()
        self.warnings = []  # type: List[str]
        self.complete = True
        self.databases = []  # type: List[Database]
        self.packages = None  # type: Optional[List[str]]
        self.package_status = None  # type: Optional[str]
        self.text_budget = MAX_ALL_EXECUTABLES
        self.texts = {}  # type: Dict[Tuple[Tuple[int, int], str], Optional[Version]]
        self.data = set()  # type: set[Tuple[int, int]]
        self.running = set()  # type: set[Tuple[int, int]]

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
        place = path.rpartition("/")[0]
        return any(
            re.match(re.escape(pattern).replace(r"\*", "[^/]*") + "$", place)
            for rule in self.rules
            for pattern in rule.places
        )

    def trusts(self, node: Node) -> bool:
        """Whether only root could have put this file there. In a folder that stands for a host,
        owners mean nothing and nothing is run: there its place decides."""
        return node.is_file and (node.trusted if self.live else self.is_usual(node.path))


class Database:
    """One record of the report, and how each of its values was found."""

    def __init__(self, rule: Rule, version: Version, status: str, why: str, binary: str) -> None:
        self.values = {"engine": version.engine or rule.family}  # type: Dict[str, Any]
        self.evidence = {}  # type: Dict[str, str]
        self.put("status", status, why)
        self.put("edition", version.edition)
        self.put("version", version.version, version.evidence)
        self.put("binary", binary)

    def put(self, name: str, value: "Any", evidence: "Optional[str]" = None) -> None:
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
        except OSError:
            pass  # Size says why
        size = Size(host, folder, path)
        if size.bytes is not None:
            self.put("data_size_bytes", size.bytes)
            self.put("data_size_complete", not size.notes)
            self.evidence["data_size"] = "sum of file sizes"
        for note in size.notes:
            host.warn("%s: %s" % (path, note))


def look_at_process(host: Host, process: Process) -> "Optional[Database]":
    """The database that a server process is; None with a warning when it is none."""
    folder = process_folder(host, process)
    try:
        version, path, is_roots = running_version(host, process, folder)
        if version is None:
            return None
        database = Database(process.rule, version, "running", "process %d" % process.pid, path)
        database.put("container", process.container)
        links = process.descriptors()
        config = configuration(folder, process.rule, process.command, process.cwd or "/")
        database.put("config_file", config.file)
        found = running_data_dir(folder, process, config, links, is_roots)
        if found and (is_roots or not host.live or owns(process, folder, found[0])):
            database.put_data(host, folder, found)
        elif found:
            host.warn("process %d: %s is another user's, not its data" % (process.pid, found[0]))
        put_running_port(database, process, config, links, folder)
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
    host: Host, process: Process, folder: Folder
) -> "Tuple[Optional[Version], str, bool]":
    """The version of a running server, None when it is no server; the path of its executable; and
    whether that file, wherever it is by now, was root's alone to change.

    Its package counts, and --version may be asked, only when what runs is the host's own file that
    nobody but root can change: not a container's, not one that was deleted or put there by a user.
    """
    rule = process.rule
    exe = process.exe or hidden_program(host, process.pid) or "?"
    name = "process %d, %s" % (process.pid, exe)
    version = None  # type: Optional[Version]
    trusted = is_roots = False
    try:
        with open_running(host, process, folder, exe) as node:
            is_roots = node.stat.st_uid == 0 and not node.stat.st_mode & 0o022
            try:
                with host.folder.open(exe) as there:
                    same = there.identity == node.identity and not process.deleted
                    trusted = same and host.trusts(there)
                    if trusted:
                        exe = there.path
                        may_ask = folder is host.folder and is_in_own("pid", process)
                        version = file_version(host, rule, there, may_ask)
            except OSError:
                pass  # the host has no such file: it is a container's, or deleted
            if version is None:
                version = read_text_version(host, rule, node)
    except RemoteFile:
        host.warn("%s: on a network file system, not read" % name)
        return path_version(rule, exe) or Version(None, ""), exe, True
    except OSError:
        trusted = not host.live and host.is_usual(exe)
        version = path_version(rule, exe) if trusted else None
    if process.deleted:
        host.warn("%s: replaced while it runs, a restart is pending" % name)
        trusted = trusted or host.is_usual(exe)
    elif not trusted and folder is host.folder:
        host.warn("%s: others than root can change this executable; it was not run" % name)
    if version is None and trusted:
        host.warn("%s: its version could not be found" % name)
        version = Version(None, "")
    elif version is None:
        host.warn("%s: called like a server, without a server's text; not listed, not run" % name)
    if version and not version.engine and exe.endswith("/mariadbd"):
        version.engine = "mariadb"
    return version, exe, is_roots if host.live else trusted or folder is not host.folder


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
    config: Config,
    links: "Optional[List[str]]",
    is_roots: bool,
) -> "Optional[Found]":
    """Command line, configuration, working directory, open files, then the usual places."""
    rule, cwd = process.rule, process.cwd or "/"
    works_in = cwd if cwd != "/" and holds_data(folder, rule, cwd) else None
    for path, source in config.data:
        if holds_data(folder, rule, path) is False:
            continue
        if works_in and source.startswith("config") and not same_file(folder, path, works_in):
            continue  # the configuration was changed since the server started
        return path, source
    if works_in:
        return works_in, "working directory"
    for link in links or ():
        place, _, name = link.rpartition("/")
        if place and name in rule.data_files:
            return place, "open file %s" % name
    for path in [path for one in rule.data_places if is_roots for path in folder.glob(one)]:
        if holds_data(folder, rule, path):
            return path, "usual place"
    return config.data[0] if config.data else None


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
    config: Config,
    links: "Optional[List[str]]",
    folder: Folder,
) -> None:
    """Its own listening sockets, then what it was told, its pid file, the default."""
    rule = process.rule
    listening = listeners(process, links or [])
    if listening:
        ports = [port for _, port in listening]
        likely = [config.port[0]] if config.port else []
        likely += [rule.default_port] + [port for port in ports if port not in rule.other_ports]
        port = next((port for port in likely if port in ports), ports[0])
        listening.sort(key=lambda pair: (pair[1] != port, pair[1], pair[0]))
        database.put("port", port, "listening socket")
        database.put("listen", ["%s:%d" % pair for pair in listening[:MAX_LISTEN]])
        return
    found = config.port
    if not found and rule.port_file:
        name, line = rule.port_file
        text = folder.text("%s/%s" % (database.values.get("data_dir", ""), name), 4096) or ""
        found = port_number(dict(enumerate(text.split("\n"))).get(line), "file " + name)
    port, source = found or (rule.default_port, "engine default")
    seen = "sockets hidden" if links is None else "not listening"
    database.put("port", port, "%s, %s" % (source, seen))


# --- installed and not running ------------------------------------------------------------------


def installed_servers(host: Host, rule: Rule) -> "List[Tuple[str, Tuple[int, int], Version]]":
    """(path, identity, version) of the servers in the rule's places that only root can change.

    Several names of one file count once; a script counts for nothing.
    """
    found = []  # type: List[Tuple[str, Tuple[int, int], Version]]
    seen = set()
    for place in [path for pattern in rule.places for path in host.folder.glob(pattern)]:
        for program in rule.programs:
            if host.late():
                return found
            try:
                with host.folder.open("%s/%s" % (place, program)) as node:
                    name = os.path.basename(node.path)
                    if node.identity in seen or not node.is_file or name not in rule.programs:
                        continue
                    seen.add(node.identity)
                    if not host.trusts(node):
                        host.warn("%s: others than root can change it; not counted" % node.path)
                    elif host.folder.read(node.path, 2) != b"#!":
                        version = file_version(host, rule, node, True)
                        if version is None:
                            host.warn("%s: its version could not be found" % node.path)
                        found.append((node.path, node.identity, version or Version(None, "")))
            except OSError:
                continue  # there is no such file, as nearly everywhere
    return found


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
        args[:0] = [rule.data_options[0], variables[str(rule.data_variable)]]
    return Command(args, "unit %s" % name, started[0] if program in rule.programs else None)


def words(text: str) -> "List[str]":
    """The words of a unit's setting; quotes keep a word together."""
    found = re.findall(r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'])+", text[:65536])
    return [re.sub("[\"']", "", word) for word in found] or [""]


def look_at_installed(host: Host, rule: Rule) -> None:
    """Add the stopped servers: one for each data directory that an installed server would use, and
    one for each installed server that has none and does not run."""
    servers = installed_servers(host, rule)
    idle = [server for server in servers if server[1] not in host.running]
    spare = []  # type: List[Tuple[Command, Config]]
    for command in stopped(host, rule) if servers else ():
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
            add_installed(host, rule, server, config, usable[0])
    for server in idle:
        configs = [config for command, config in spare if command.binary in (None, server[0])]
        add_installed(host, rule, server, configs[0] if configs else Config(), None)


def server_for(
    host: Host,
    rule: Rule,
    command: Command,
    data_dir: str,
    servers: "List[Tuple[str, Tuple[int, int], Version]]",
) -> "Optional[Tuple[str, Tuple[int, int], Version]]":
    """The installed server that would open this data directory."""
    for server in servers:
        if command.binary and same_file(host.folder, command.binary, server[0]):
            return server
    if not rule.version_file:
        return servers[0]
    series = (host.folder.text("%s/%s" % (data_dir, rule.version_file), 64) or "").strip()
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
    server: "Tuple[str, Tuple[int, int], Version]",
    config: Config,
    data: "Optional[Found]",
) -> None:
    """Add the record of a stopped server. Without a data directory there are 0 bytes of data."""
    path, _, version = server
    database = Database(rule, version, "installed", "executable, no process", path)
    database.put("config_file", config.file)
    database.put("port", *(config.port or (rule.default_port, "engine default")))
    database.put_data(host, host.folder, data)
    if data is None:
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


def elf_machine(host: Host) -> "Optional[str]":
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
    "data_size_bytes", "data_size_complete", "binary", "config_file", "container",
)  # fmt: skip
_PATHS = frozenset(("data_dir", "binary", "config_file"))


def look(host: Host) -> None:
    """Fill `host` with what is there: running servers first, then what is installed."""
    for process in candidates(host):
        if host.late():
            return
        try:
            database = look_at_process(host, process)
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
    for rule in host.rules:
        if not host.late():
            look_at_installed(host, rule)


def give_ids(databases: "List[Database]") -> None:
    """Name each `<engine>-<port>`; where that is taken, add what tells the databases apart.

    Who keeps the plain name depends on nothing that a restart or another scan changes.
    """
    telling = ("data_dir", "container", "config_file", "binary")

    def order(db: Database) -> "List[Any]":
        return ["container" in db.values] + [str(db.values.get(key, "~")) for key in telling]

    taken = set()  # type: set[str]
    for db in sorted(databases, key=order):
        plain = name = "%s-%s" % (db.values["engine"], db.values.get("port", "unknown"))
        parts = [str(db.values.get(key, "")) for key in telling]
        tries = [next(filter(None, parts), "")] + ["|".join(parts + [""] * at) for at in range(99)]
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
        "elapsed_ms": int((time.monotonic() - host.started) * 1000),
        "count": len(records),
        "end": True,
    }


def compact(found: "Dict[str, Any]") -> str:
    """One line of ASCII. What is too long loses its evidence, and says so; never a database."""
    line = json.dumps(found, separators=(",", ":"))
    if len(line) > MAX_LINE:
        for record in found["databases"]:
            record.update(evidence={}, listen=[])
        found["warnings"] = found["warnings"][:5] + ["evidence left out: the report is too long"]
        line = json.dumps(found, separators=(",", ":"))
    return line


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
