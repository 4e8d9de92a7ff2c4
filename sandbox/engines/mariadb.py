"""MariaDB: a server of the MySQL family with packages, names and texts of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sandbox.engines.database import EstateDatabase, Install, Source
from sandbox.engines.engine import DistroSeries
from sandbox.engines.mysql_family import MysqlFamily
from sandbox.platforms import Platform


class MariaDB(MysqlFamily):
    """The distributions' and mariadb.org's packages."""

    name = "mariadb"
    distro_series: ClassVar[DistroSeries] = {
        ("ubuntu", "20.04"): "10.3",
        ("ubuntu", "22.04"): "10.6",
        ("ubuntu", "24.04"): "10.11",
        ("debian", "11"): "10.5",
        ("debian", "12"): "10.11",
        ("amazon", "2"): "10.5",
        ("amazon", "2023"): "10.5",
        ("rhel", "8.9"): "10.3",
        ("rhel", "9.4"): "10.11",
        ("suse", "15.5"): "10.6",
    }
    deb_files = ("mariadb.cnf", "mariadb.conf.d", "50-server.cnf")

    def install(self, version: str, os: Platform, source: Source, cluster: str) -> Install:  # noqa: ARG002
        """Where the package puts it. The executable is called `mariadbd` since 10.5."""
        line = self.series(version)
        in_libexec = source == "distro" and os.family in ("rhel", "amazon")
        is_renamed = tuple(map(int, line.split("."))) >= (10, 5)
        # The packages of these series have no series in their name.
        package = "mariadb-server-core" + ("" if line in ("10.11", "11.4") else f"-{line}")
        return Install(
            version=version,
            binary=f"/usr/{'libexec' if in_libexec else 'sbin'}"
            f"/{'mariadbd' if is_renamed else 'mysqld'}",
            data_dir="/var/lib/mysql",
            config_file="/etc/mysql/my.cnf" if os.is_deb else "/etc/my.cnf",
            version_text=f"{version}-MariaDB",
            comment=_distro_comment(os)
            if source == "distro"
            else "mariadb.org binary distribution",
            package=package if os.is_deb and source != "image" else None,
            package_version=f"1:{version}{_package_suffix(os, source)}",
        )

    def aliases(self, binary: str) -> tuple[str, ...]:
        """`mariadbd` keeps its old name."""
        return ("mysqld",) if binary.endswith("/mariadbd") else ()

    def packaged_files(self, binary: str) -> tuple[str, ...]:
        """The package owns the old name, too."""
        folder = binary.rpartition("/")[0]
        return (binary, *(f"{folder}/{alias}" for alias in self.aliases(binary)))

    def redo_in_folder(self, db: EstateDatabase) -> bool:  # noqa: ARG002 - true of no version
        """Never: MariaDB kept its log beside the tables."""
        return False

    def server_texts(self, db: EstateDatabase) -> Mapping[str, str]:
        """The mark that `mysql_upgrade` and `mariadb-upgrade` leave."""
        return {"mysql_upgrade_info": f"{db.version}-MariaDB"}

    def default_x_protocol_port(self, db: EstateDatabase) -> int | None:  # noqa: ARG002
        """None: the X protocol is MySQL's."""
        return None

    def binary_texts(self, install: Install, architecture: str) -> tuple[str, ...]:
        """The version stands with `-MariaDB`, and once more alone, far from its neighbours."""
        line = self.series(install.version)
        suffix = install.package_version.partition(install.version)[2]
        return (
            "real ip: '%s'", "BOTH", "Unknown",
            *((suffix,) if install.package else ()),
            install.version_text, architecture,
            "debian-linux-gnu" if install.package else "Linux", "%s  Ver %s for %s on %s (%s)\n",
            install.comment,
            "mysqld", f"mysqld-{line}", "mariadb", f"mariadb-{line}",
            "mariadbd", f"mariadbd-{line}",
            "Starts the MariaDB database server.",
            "Starting MariaDB %s source revision %s server_uid %s as process %lu",
            "'%s' is MySQL 5.6 / 5.7 compatible option. Not used or needed in MariaDB.",
            "5.5.5-", "127.0.0.1", "libmysql", install.version, "1.2.13", "3.23.57", "5.7.31",
            f"MariaDB {install.version}",
        )  # fmt: skip


def _distro_comment(os: Platform) -> str:
    return os.pretty_name.rpartition(" ")[0] if os.is_deb else "MariaDB Server"


def _package_suffix(os: Platform, source: Source) -> str:
    """What follows the upstream version in the Debian package's."""
    if source != "distro":
        tag = f"{'ubu' if os.family == 'ubuntu' else 'deb'}{os.version.replace('.', '')}"
        return f"+maria~{tag}"
    if os.family == "ubuntu":
        return f"-0ubuntu0.{os.version}.1"
    return f"-0+deb{os.version}u1"
