"""PostgreSQL: several clusters on a host, each with its data directory, file and port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sandbox.engines.database import (
    ConfigurationFiles,
    DataFiles,
    EstateDatabase,
    Install,
    Source,
)
from sandbox.engines.engine import IMAGE_PLATFORM, KIB, MIB, UNBOUNDED, DistroSeries, Engine
from sandbox.engines.process import Process
from sandbox.platforms import Family, Platform

_UID = 116


class PostgreSQL(Engine):
    """The distributions' packages, those of postgresql.org (PGDG), and the official image."""

    name = "postgresql"
    default_port = 5432
    distro_series: ClassVar[DistroSeries] = {
        ("ubuntu", "20.04"): "12",
        ("ubuntu", "22.04"): "14",
        ("ubuntu", "24.04"): "16",
        ("debian", "11"): "13",
        ("debian", "12"): "15",
        ("amazon", "2"): "14",
        ("amazon", "2023"): "15",
    }

    def series(self, version: str) -> str:
        """16 of 16.3, and 9.6 of 9.6.24: version 10 made the series one number."""
        major = version.partition(".")[0]
        return major if int(major) >= 10 else super().series(version)

    # --- package --------------------------------------------------------------------------------

    def install(self, version: str, os: Platform, source: Source, cluster: str) -> Install:
        """Where the package or the image puts it."""
        if source == "image":
            return self._image(version)
        if os.is_deb:
            return self._deb(version, os, source, cluster)
        return self._rpm(version, os, source)

    def _image(self, version: str) -> Install:
        data_dir = "/var/lib/postgresql/data"
        return Install(
            version=version,
            binary=f"/usr/lib/postgresql/{self.series(version)}/bin/postgres",
            data_dir=data_dir,
            config_file=f"{data_dir}/postgresql.conf",
            version_text=f"{version} (Debian {version}-1.pgdg120+1)",
            comment=IMAGE_PLATFORM.gcc,
        )

    def _deb(self, version: str, os: Platform, source: Source, cluster: str) -> Install:
        line = self.series(version)
        versions: dict[tuple[Source, Family], str] = {
            ("distro", "ubuntu"): f"{version}-0ubuntu0.{os.version}.1",
            ("distro", "debian"): f"{version}-0+deb{os.version}u1",
            ("vendor", "ubuntu"): f"{version}-1.pgdg{os.version}+1",
            ("vendor", "debian"): f"{version}-1.pgdg{os.version}0+1",
        }
        package_version = versions[source, os.family]
        return Install(
            version=version,
            binary=f"/usr/lib/postgresql/{line}/bin/postgres",
            data_dir=f"/var/lib/postgresql/{line}/{cluster}",
            config_file=f"/etc/postgresql/{line}/{cluster}/postgresql.conf",
            version_text=f"{version} ({os.family.capitalize()} {package_version})",
            comment=os.gcc,
            package=f"postgresql-{line}",
            package_version=package_version,
        )

    def _rpm(self, version: str, os: Platform, source: Source) -> Install:
        line = self.series(version)
        if os.family == "suse":
            folder, data_dir = f"/usr/lib/postgresql{line}/bin", "/var/lib/pgsql/data"
        elif source == "distro":
            folder, data_dir = "/usr/bin", "/var/lib/pgsql/data"
        else:
            folder, data_dir = f"/usr/pgsql-{line}/bin", f"/var/lib/pgsql/{line}/data"
        return Install(
            version=version,
            binary=f"{folder}/postgres",
            data_dir=data_dir,
            config_file=f"{data_dir}/postgresql.conf",
            version_text=version,
            comment=os.gcc,
        )

    def config_file(
        self,
        install: Install,
        os: Platform,
        cluster: str,  # noqa: ARG002 - the install's path has it in it
        data_dir: str | None,
    ) -> str | None:
        """Under /etc on Debian, else in the data directory; without one there is no file."""
        if data_dir is None:
            return None
        return install.config_file if os.is_deb else f"{data_dir}/postgresql.conf"

    def aliases(self, binary: str) -> tuple[str, ...]:  # noqa: ARG002 - always the same
        """The name it had before version 8."""
        return ("postmaster",)

    # --- process --------------------------------------------------------------------------------

    def process(self, db: EstateDatabase, os: Platform) -> Process:
        """The server and three of its workers, which write their role over their command line."""
        prefix = (
            f"postgres: {self.series(db.version)}/{db.cluster}: " if os.is_deb else "postgres: "
        )
        titles = (
            f"{prefix}checkpointer ",
            f"{prefix}walwriter ",
            f"{prefix}app app 10.20.3.4(51234) idle",
        )
        folder = db.data_dir or "/"
        addresses = [db.socket_address]
        if db.bind == "0.0.0.0":  # noqa: S104 - '*' makes PostgreSQL open one socket a family
            addresses.append("::")
        return Process(
            self._arguments(db, os), db.binary, _UID, folder,
            tuple((address, db.port) for address in addresses),
            (f"{db.data_dir}/global/pg_control",), serves=True, container=db.container,
            children=tuple(
                Process((title,), db.binary, _UID, folder, container=db.container, title=title)
                for title in titles
            ),
        )  # fmt: skip

    def _arguments(self, db: EstateDatabase, os: Platform) -> tuple[str, ...]:
        if db.container:
            return ("postgres",)
        if os.is_deb:
            return (db.binary, "-D", f"{db.data_dir}", "-c", f"config_file={db.config_file}")
        if db.source == "vendor" and self.series(db.version) not in ("16", "17"):
            folder = db.binary.rpartition("/")[0]
            return (f"{folder}/postmaster", "-D", f"{db.data_dir}/")
        return (db.binary, "-D", f"{db.data_dir}")

    # --- files ----------------------------------------------------------------------------------

    def configuration(
        self, databases: Sequence[EstateDatabase], os: Platform
    ) -> ConfigurationFiles:
        """On Debian a folder for each cluster; elsewhere the data directory has the file."""
        texts = {}
        for db in databases:
            if os.is_deb and db.config_file and db.data_dir:
                folder = db.config_file.rpartition("/")[0]
                texts[db.config_file] = _postgresql_conf(db)
                texts[f"{folder}/start.conf"] = "auto\n"
        return ConfigurationFiles(texts)

    def data_files(self, db: EstateDatabase, application: str, pid: int) -> DataFiles:  # noqa: ARG002
        """Two databases, the write-ahead log, and what tells the version and the running server."""
        line = self.series(db.version)
        write_ahead = "pg_xlog" if line.startswith("9.") else "pg_wal"
        texts = {"PG_VERSION": f"{line}\n", "base/16384/PG_VERSION": f"{line}\n"}
        if pid and db.data_dir:
            texts["postmaster.pid"] = (
                f"{pid}\n{db.data_dir}\n1718000000\n{db.port}\n/var/run/postgresql\n*\n"
                "  5432001         0\nready   \n"
            )
        if not db.arguments and db.config_file == f"{db.data_dir}/postgresql.conf":
            texts["postgresql.conf"] = _postgresql_conf(db)
        return DataFiles(
            texts,
            {
                "global/pg_control": (0.0001, 8 * KIB),
                f"{write_ahead}/00000001000001A2000000C4": (0.5, 16 * MIB),
                f"{write_ahead}/00000001000001A2000000C5": (0.5, 16 * MIB),
                "base/1/1259": (0.01, 120 * KIB),
                "base/16384/16397": (55, UNBOUNDED),
                "base/16384/16402": (25, UNBOUNDED),
                "base/16384/16402_fsm": (0.02, 768 * KIB),
                "base/16384/16411": (12, UNBOUNDED),
                "base/16385/24601": (5, UNBOUNDED),
            },
        )

    # --- binary ---------------------------------------------------------------------------------

    def binary_texts(self, install: Install, architecture: str) -> tuple[str, ...]:
        """The version stands in several sentences, and versions of other things beside it."""
        text = install.version_text
        maker = "pc" if install.package else "redhat"
        return (
            "This is caused by an incomplete page split at crash recovery before upgrading to "
            "PostgreSQL 9.1.",
            "1.2.13", "{ \"PostgreSQL-Backup-Manifest-Version\": 1,",
            "%s is the PostgreSQL server.\n\n", "pgsql-bugs@lists.postgresql.org",
            f"postgres (PostgreSQL) {text}\n",
            "\"root\" execution of the PostgreSQL server is not permitted.\n",
            f"PostgreSQL {text} on {architecture}-{maker}-linux-gnu, compiled by gcc"
            f" {install.comment}, 64-bit",
            "no socket created for listening",
            text, "\nPostgreSQL stand-alone backend %s\n",
            "The data directory was initialized by PostgreSQL version %s, which is not compatible"
            " with this version %s.",
            f"PostgreSQL {text}", "byte ordering mismatch",
        )  # fmt: skip


def _postgresql_conf(db: EstateDatabase) -> str:
    """The file as packages ship it: what is at its default stays a comment, with the default."""
    listen = {"0.0.0.0": "*", "127.0.0.1": "localhost"}.get(db.bind, db.bind)  # noqa: S104
    is_separate = db.config_file != f"{db.data_dir}/postgresql.conf" and db.data_dir
    return (
        "# -----------------------------\n# PostgreSQL configuration file\n"
        "#\n#   name = value\n#\n"
        + (f"data_directory = '{db.data_dir}'\t\t# use data in another directory\n"
           if is_separate else
           "#data_directory = 'ConfigDir'\t\t# use data in another directory\n")
        + ("#listen_addresses = 'localhost'\t\t# what IP address(es) to listen on;\n"
           if listen == "localhost" else f"listen_addresses = '{listen}'\n")
        + ("#port = 5432\t\t\t\t# (change requires restart)\n"
           if db.port == 5432 and not is_separate else
           f"port = {db.port}\t\t\t\t# (change requires restart)\n")
        + "max_connections = 200\t\t\t# (change requires restart)\n"
        "shared_buffers = 4GB\t\t\t# min 128kB\n"
        "#include_dir = '...'\t\t\t# include files ending in '.conf' from\n"
    )  # fmt: skip
