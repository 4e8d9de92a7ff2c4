"""Server executables of the estate: an ELF header, and the texts that real ones carry.

Real executables hold their version in a few set places, among other texts that look like versions
and are not. Both kinds are here, in the order and with the neighbours that `strings` shows.
"""

from __future__ import annotations

import hashlib
import struct

from sandbox.engines.packaging import Install, series

_MACHINES = {"x86_64": 62, "aarch64": 183}


def elf(architecture: str, *texts: str) -> bytes:
    """A 64-bit ELF header and the texts, each ended by NUL."""
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01" + bytes(9), 3, _MACHINES[architecture], 1,
        0x1040, 64, 0, 0, 64, 56, 0, 64, 0, 0,
    )  # fmt: skip
    return header + b"\x00".join(text.encode() for text in ("", *texts, ""))


def server(install: Install, architecture: str) -> bytes:
    """The executable of one installed server."""
    texts = {
        "mysql": _mysql,
        "percona": _mysql,
        "mariadb": _mariadb,
        "postgresql": _postgresql,
        "mongodb": _mongodb,
    }[install.engine]
    return elf(architecture, *texts(install, architecture))


def _mysql(install: Install, architecture: str) -> tuple[str, ...]:
    line = series(install.engine, install.version)
    base = install.version.partition("-")[0]
    name = "percona-server" if install.engine == "percona" else "mysql"
    return (
        "OpenSSL 3.0.13 30 Jan 2024", "1.2.13", "127.0.0.1", "4.1.1", "5.0.0",
        f"/builddir/build/BUILD/{name}-{install.version}/{name}-{base}/sql/mysqld.cc",
        "mysqld", f"mysqld-{line}", "server",
        install.version_text, architecture, "Linux", "%s  Ver %s for %s on %s (%s)\n",
        install.comment,
        "Starts the MySQL database server.\n\n",
        "For more help options (several pages), use mysqld --verbose --help.\n",
        "%s (mysqld %s) starting as process %lu",
        "Failed to find valid data directory.",
    )  # fmt: skip


def _mariadb(install: Install, architecture: str) -> tuple[str, ...]:
    line = series("mariadb", install.version)
    system = "debian-linux-gnu" if install.package else "Linux"
    return (
        "real ip: '%s'", "BOTH", "Unknown",
        *((install.package_version.partition(install.version)[2],) if install.package else ()),
        install.version_text, architecture, system, "%s  Ver %s for %s on %s (%s)\n",
        install.comment,
        "mysqld", f"mysqld-{line}", "mariadb", f"mariadb-{line}", "mariadbd", f"mariadbd-{line}",
        "Starts the MariaDB database server.",
        "Starting MariaDB %s source revision %s server_uid %s as process %lu",
        "'%s' is MySQL 5.6 / 5.7 compatible option. Not used or needed in MariaDB.",
        "5.5.5-", "127.0.0.1", "libmysql", install.version, "1.2.13", "3.23.57", "5.7.31",
        f"MariaDB {install.version}",
    )  # fmt: skip


def _postgresql(install: Install, architecture: str) -> tuple[str, ...]:
    text = install.version_text
    gnu = "redhat" if not install.package else "pc"
    return (
        "This is caused by an incomplete page split at crash recovery before upgrading to "
        "PostgreSQL 9.1.",
        "1.2.13", "{ \"PostgreSQL-Backup-Manifest-Version\": 1,",
        "%s is the PostgreSQL server.\n\n", "pgsql-bugs@lists.postgresql.org",
        f"postgres (PostgreSQL) {text}\n",
        "\"root\" execution of the PostgreSQL server is not permitted.\n",
        f"PostgreSQL {text} on {architecture}-{gnu}-linux-gnu, compiled by gcc {install.comment},"
        " 64-bit",
        "no socket created for listening",
        text, "\nPostgreSQL stand-alone backend %s\n",
        "The data directory was initialized by PostgreSQL version %s, which is not compatible with"
        " this version %s.",
        f"PostgreSQL {text}", "byte ordering mismatch",
    )  # fmt: skip


def _mongodb(install: Install, architecture: str) -> tuple[str, ...]:
    line = series("mongodb", install.version)
    revision = hashlib.sha1(install.version.encode(), usedforsecurity=False).hexdigest()
    return (
        "OpenSSL 1.1.1 or later", "1.2.13", "8.42 2018-03-20", "3.4", "4.4", line,
        "mongod", "src/mongo/util/version.cpp", install.version, revision,
        "distmod", install.comment, "distarch", architecture, "target_os", "linux",
        "db version v", "git version: ", "version", "gitVersion", "buildEnvironment",
        "storageEngines", "wiredTiger",
        "WiredTiger 11.2.0: (December 1, 2022)", "featureCompatibilityVersion",
        "https://docs.mongodb.com/manual/",
    )  # fmt: skip
