"""Where a database server's package puts things, and what its binary says of itself.

The tables follow the packages of the distributions and of the vendors' own repositories. A
`Source` is where the server came from: "distro" (the operating system's own package), "vendor"
(the maker's repository) or "tarball" (unpacked under /opt).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandbox.estate.platforms import Platform

Source = Literal["distro", "vendor", "tarball", "image"]

DEFAULT_PORTS = {
    "mysql": 3306,
    "mariadb": 3306,
    "percona": 3306,
    "postgresql": 5432,
    "mongodb": 27017,
}

_DISTRO_SERIES = {
    ("ubuntu", "20.04"): {"mysql": "8.0", "mariadb": "10.3", "postgresql": "12", "mongodb": "3.6"},
    ("ubuntu", "22.04"): {"mysql": "8.0", "mariadb": "10.6", "postgresql": "14"},
    ("ubuntu", "24.04"): {"mysql": "8.0", "mariadb": "10.11", "postgresql": "16"},
    ("debian", "11"): {"mariadb": "10.5", "postgresql": "13"},
    ("debian", "12"): {"mariadb": "10.11", "postgresql": "15"},
    ("amazon", "2"): {"postgresql": "14", "mariadb": "10.5"},
    ("amazon", "2023"): {"postgresql": "15", "mariadb": "10.5"},
    ("rhel", "8.9"): {"mysql": "8.0", "mariadb": "10.3"},
    ("rhel", "9.4"): {"mysql": "8.0", "mariadb": "10.11"},
    ("suse", "15.5"): {"mariadb": "10.6"},
}
"""What each operating system ships itself; anything else comes from its vendor's repository."""


@dataclass(frozen=True, slots=True)
class Install:
    """One installed server. `edition` is None where nothing on a host would tell it.

    `package` is the Debian package that owns `binary` (None on rpm hosts and for tarballs), with
    `package_version`. `version_text` is what the server calls itself, `comment` the text its build
    adds. `data_dir` and `config_file` are the package's defaults.
    """

    engine: str
    version: str
    binary: str
    data_dir: str
    config_file: str
    user: str
    version_text: str
    comment: str
    edition: str | None = None
    package: str | None = None
    package_version: str = ""


def series(engine: str, version: str) -> str:
    """The release series: 8.0 of 8.0.39, 10.11 of 10.11.8, 9.6 of 9.6.24, 16 of 16.3."""
    parts = version.split("-")[0].split(".")
    if engine == "postgresql" and int(parts[0]) >= 10:
        return parts[0]
    return ".".join(parts[:2])


def default_source(engine: str, version: str, os: Platform) -> Source:
    """The distribution's package where it has that series, else the vendor's."""
    shipped = _DISTRO_SERIES.get((os.family, os.version), {})
    return "distro" if shipped.get(engine) == series(engine, version) else "vendor"


def install_of(engine: str, version: str, os: Platform, source: Source, cluster: str) -> Install:
    """Where this server is on such a host. `cluster` is the PostgreSQL cluster's name on Debian."""
    if engine == "postgresql":
        return _postgresql(version, os, source, cluster)
    if engine == "mongodb":
        return _mongodb(version, os, source)
    if engine == "mariadb":
        return _mariadb(version, os, source)
    return _mysql(engine, version, os, source)


def _mysql(engine: str, version: str, os: Platform, source: Source) -> Install:
    """MySQL and Percona Server, which takes MySQL's places under its own package name."""
    line = series(engine, version)
    percona = engine == "percona"
    old = line in ("5.6", "5.7")
    comment = "MySQL Community Server (GPL)" if old else "MySQL Community Server - GPL"
    package: str | None = "mysql-community-server" if old else "mysql-community-server-core"
    package_version = f"{version}-1{os.family}{os.version}"
    text = version
    edition: str | None = "Community"
    if percona:
        release = version.partition("-")[2]
        comment = f"Percona Server (GPL), Release {release}, Revision {_REVISIONS[line]}"
        package = "percona-server-server" + ("-5.7" if old else "")
        package_version, edition = f"{version}-1.{os.codename}", None
    elif source == "distro":
        comment, edition = "Source distribution", "Community" if os.is_deb else None
        package, package_version = f"mysql-server-core-{line}", f"{version}-0ubuntu0.{os.version}.1"
        if os.is_deb:
            comment, text = "(Ubuntu)", package_version
    binary = "/usr/sbin/mysqld"
    config = "/etc/mysql/my.cnf" if os.is_deb else "/etc/my.cnf"
    data_dir = "/var/lib/mysql"
    if source == "distro" and os.family == "rhel":
        binary = "/usr/libexec/mysqld"
    if source == "tarball":
        folder = f"/opt/mysql-{version}-linux-glibc2.17-x86_64-minimal"
        binary, data_dir, package = f"{folder}/bin/mysqld", f"{folder}/data", None
        config = "/etc/my.cnf"
    if source == "image":
        package, config = None, "/etc/my.cnf"
    return Install(
        engine, version, binary, data_dir, config, "mysql", text, comment, edition,
        package if os.is_deb else None, package_version,
    )  # fmt: skip


def _mariadb(version: str, os: Platform, source: Source) -> Install:
    line = series("mariadb", version)
    new_name = tuple(map(int, line.split("."))) >= (10, 5)
    folder = (
        "/usr/libexec" if source == "distro" and os.family in ("rhel", "amazon") else "/usr/sbin"
    )
    plain = line in ("10.11", "11.4")
    package = "mariadb-server-core" + ("" if plain else f"-{line}")
    tag = f"{'ubu' if os.family == 'ubuntu' else 'deb'}{os.version.replace('.', '')}"
    suffix = f"+maria~{tag}"
    comment = "mariadb.org binary distribution"
    if source == "distro":
        suffix = f"-0ubuntu0.{os.version}.1" if os.family == "ubuntu" else f"-0+deb{os.version}u1"
        comment = os.pretty_name.rpartition(" ")[0] if os.is_deb else "MariaDB Server"
    config = "/etc/mysql/my.cnf" if os.is_deb else "/etc/my.cnf"
    return Install(
        "mariadb", version, f"{folder}/{'mariadbd' if new_name else 'mysqld'}", "/var/lib/mysql",
        config, "mysql", f"{version}-MariaDB", comment, None,
        package if os.is_deb and source != "image" else None, f"1:{version}{suffix}",
    )  # fmt: skip


def _postgresql(version: str, os: Platform, source: Source, cluster: str) -> Install:
    line = series("postgresql", version)
    if source == "image":
        text, folder = (
            f"{version} (Debian {version}-1.pgdg120+1)",
            f"/usr/lib/postgresql/{line}/bin",
        )
        data_dir = "/var/lib/postgresql/data"
        return Install(
            "postgresql", version, f"{folder}/postgres", data_dir, f"{data_dir}/postgresql.conf",
            "postgres", text, "(Debian 12.2.0-14) 12.2.0",
        )  # fmt: skip
    if os.is_deb:
        package_version = {
            ("distro", "ubuntu"): f"{version}-0ubuntu0.{os.version}.1",
            ("distro", "debian"): f"{version}-0+deb{os.version}u1",
            ("vendor", "ubuntu"): f"{version}-1.pgdg{os.version}+1",
            ("vendor", "debian"): f"{version}-1.pgdg{os.version}0+1",
        }[source, os.family]
        maker = os.family.capitalize()
        return Install(
            "postgresql", version, f"/usr/lib/postgresql/{line}/bin/postgres",
            f"/var/lib/postgresql/{line}/{cluster}",
            f"/etc/postgresql/{line}/{cluster}/postgresql.conf", "postgres",
            f"{version} ({maker} {package_version})", os.gcc, None,
            f"postgresql-{line}", package_version,
        )  # fmt: skip
    if os.family == "suse":
        folder, data_dir = f"/usr/lib/postgresql{line}/bin", "/var/lib/pgsql/data"
    elif source == "distro":
        folder, data_dir = "/usr/bin", "/var/lib/pgsql/data"
    else:
        folder, data_dir = f"/usr/pgsql-{line}/bin", f"/var/lib/pgsql/{line}/data"
    return Install(
        "postgresql", version, f"{folder}/postgres", data_dir, f"{data_dir}/postgresql.conf",
        "postgres", version, os.gcc,
    )  # fmt: skip


def _mongodb(version: str, os: Platform, source: Source) -> Install:
    """MongoDB's own packages; only Ubuntu 20.04 still had one of its own, with other paths."""
    config, data_dir, package = "/etc/mongod.conf", "/var/lib/mongodb", "mongodb-org-server"
    package_version = version
    if source == "distro":
        config, package = "/etc/mongodb.conf", "mongodb-server-core"
        package_version = f"1:3.6.9+really{version}+90~g8e540c0b6d-0ubuntu5.3"
    if not os.is_deb:
        data_dir = "/var/lib/mongo"
    if source == "image":
        data_dir = "/data/db"
    distmod = f"{os.family}{os.version.replace('.', '')}"
    packaged = os.is_deb and source != "image"
    return Install(
        "mongodb", version, "/usr/bin/mongod", data_dir, config,
        "mongodb" if os.is_deb else "mongod", version, distmod,
        "Community" if packaged else None, package if packaged else None, package_version,
    )  # fmt: skip


_REVISIONS = {"5.7": "497f936a373", "8.0": "2f8eeab2a5e"}
