"""MySQL, and Percona Server, which takes MySQL's places under its own package name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from sandbox.engines.database import EstateDatabase, Install, Source
from sandbox.engines.engine import DistroSeries
from sandbox.engines.mysql_family import MysqlFamily
from sandbox.platforms import Platform

_PERCONA_REVISIONS = {"5.7": "497f936a373", "8.0": "2f8eeab2a5e"}


class MySQL(MysqlFamily):
    """Oracle's packages, archives and images, and the distributions' own builds."""

    name = "mysql"
    distro_series: ClassVar[DistroSeries] = {
        ("ubuntu", "20.04"): "8.0",
        ("ubuntu", "22.04"): "8.0",
        ("ubuntu", "24.04"): "8.0",
        ("rhel", "8.9"): "8.0",
        ("rhel", "9.4"): "8.0",
    }
    deb_files = ("mysql.cnf", "mysql.conf.d", "mysqld.cnf")
    source_name: ClassVar[str] = "mysql"
    """The name of the source tree, which compilers leave in the binary."""

    def install(self, version: str, os: Platform, source: Source, cluster: str) -> Install:  # noqa: ARG002
        """Where the package, the archive or the image puts it."""
        config_file = "/etc/mysql/my.cnf" if os.is_deb else "/etc/my.cnf"
        install = replace(
            self._distro(version, os) if source == "distro" else self._vendor(version, os),
            config_file=config_file,
        )
        if source == "tarball":
            folder = f"/opt/mysql-{version}-linux-glibc2.17-x86_64-minimal"
            install = replace(
                install,
                binary=f"{folder}/bin/mysqld",
                data_dir=f"{folder}/data",
                config_file="/etc/my.cnf",
                package=None,
            )
        if source == "image":
            install = replace(install, config_file="/etc/my.cnf", package=None)
        return install if os.is_deb else replace(install, package=None)

    def _distro(self, version: str, os: Platform) -> Install:
        package_version = f"{version}-0ubuntu0.{os.version}.1"
        return Install(
            version=version,
            binary="/usr/libexec/mysqld" if os.family == "rhel" else "/usr/sbin/mysqld",
            data_dir="/var/lib/mysql",
            config_file=None,
            version_text=package_version if os.is_deb else version,
            comment="(Ubuntu)" if os.is_deb else "Source distribution",
            edition="Community" if os.is_deb else None,
            package=f"mysql-server-core-{self.series(version)}",
            package_version=package_version,
        )

    def _vendor(self, version: str, os: Platform) -> Install:
        old = self.series(version) in ("5.6", "5.7")
        return Install(
            version=version,
            binary="/usr/sbin/mysqld",
            data_dir="/var/lib/mysql",
            config_file=None,
            version_text=version,
            comment="MySQL Community Server (GPL)" if old else "MySQL Community Server - GPL",
            edition="Community",
            package="mysql-community-server" if old else "mysql-community-server-core",
            package_version=f"{version}-1{os.family}{os.version}",
        )

    def redo_in_folder(self, db: EstateDatabase) -> bool:
        """Since 8.0; it came with 8.0.30."""
        return self.series(db.version) in ("8.0", "8.4")

    def server_texts(self, db: EstateDatabase) -> Mapping[str, str]:
        """`mysql_upgrade` stopped to leave its mark in 8.0."""
        texts = {"auto.cnf": "[auto]\nserver-uuid=5d0f8f0a-6c1e-11ee-9d5c-0a58a9feac02\n"}
        if not self.redo_in_folder(db):
            texts["mysql_upgrade_info"] = db.version
        return texts

    def default_x_protocol_port(self, db: EstateDatabase) -> int | None:
        """Open by default since 8.0."""
        return 33060 if self.series(db.version) in ("8.0", "8.4") else None

    def image_files(self, db: EstateDatabase) -> Mapping[str, str]:
        """The configuration of Docker's official image."""
        return {"/etc/my.cnf": f"[mysqld]\ndatadir={db.data_dir}\nskip-name-resolve\n"}

    def binary_texts(self, install: Install, architecture: str) -> tuple[str, ...]:
        """The version stands alone, before architecture, system and comment."""
        version = install.version
        tree = f"{self.source_name}-{version}/{self.source_name}-{version.partition('-')[0]}"
        return (
            "OpenSSL 3.0.13 30 Jan 2024", "1.2.13", "127.0.0.1", "4.1.1", "5.0.0",
            f"/builddir/build/BUILD/{tree}/sql/mysqld.cc",
            "mysqld", f"mysqld-{self.series(version)}", "server",
            install.version_text, architecture, "Linux", "%s  Ver %s for %s on %s (%s)\n",
            install.comment,
            "Starts the MySQL database server.\n\n",
            "For more help options (several pages), use mysqld --verbose --help.\n",
            "%s (mysqld %s) starting as process %lu",
            "Failed to find valid data directory.",
        )  # fmt: skip


class Percona(MySQL):
    """Percona's packages; no distribution has one of its own."""

    name = "percona"
    distro_series: ClassVar[DistroSeries] = {}
    source_name = "percona-server"

    def _vendor(self, version: str, os: Platform) -> Install:
        line = self.series(version)
        release = version.partition("-")[2]
        return replace(
            super()._vendor(version, os),
            comment=f"Percona Server (GPL), Release {release}, Revision {_PERCONA_REVISIONS[line]}",
            edition=None,
            package="percona-server-server" + ("-5.7" if line == "5.7" else ""),
            package_version=f"{version}-1.{os.codename}",
        )
