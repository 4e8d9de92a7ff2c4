"""MongoDB: one `mongod` a data directory, configured by YAML or, of old, by `name = value`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import ClassVar

from sandbox.engines.database import (
    ConfigurationFiles,
    DataFiles,
    EstateDatabase,
    Install,
    Source,
)
from sandbox.engines.engine import KIB, MIB, UNBOUNDED, DistroSeries, Engine
from sandbox.engines.process import Process
from sandbox.platforms import Platform

_UID = 110


class MongoDB(Engine):
    """MongoDB's own packages; only Ubuntu 20.04 still had one of its own, with other paths."""

    name = "mongodb"
    default_port = 27017
    distro_series: ClassVar[DistroSeries] = {("ubuntu", "20.04"): "3.6"}

    # --- package --------------------------------------------------------------------------------

    def install(self, version: str, os: Platform, source: Source, cluster: str) -> Install:  # noqa: ARG002
        """Where the package or the image puts it."""
        is_distro = source == "distro"
        is_packaged = os.is_deb and source != "image"
        package = "mongodb-server-core" if is_distro else "mongodb-org-server"
        data_dir = "/var/lib/mongodb" if os.is_deb else "/var/lib/mongo"
        config_file: str | None = "/etc/mongodb.conf" if is_distro else "/etc/mongod.conf"
        if source == "image":
            data_dir, config_file = "/data/db", None
        return Install(
            version=version,
            binary="/usr/bin/mongod",
            data_dir=data_dir,
            config_file=config_file,
            version_text=version,
            comment=f"{os.family}{os.version.replace('.', '')}",
            edition="Community" if is_packaged else None,
            package=package if is_packaged else None,
            package_version=(
                f"1:3.6.9+really{version}+90~g8e540c0b6d-0ubuntu5.3" if is_distro else version
            ),
        )

    def config_file(
        self,
        install: Install,
        os: Platform,  # noqa: ARG002 - the same on all
        cluster: str,
        data_dir: str | None,  # noqa: ARG002 - the path does not depend on it
    ) -> str | None:
        """Each further server has a file of its own; an image has none."""
        if install.config_file is None or cluster == "main":
            return install.config_file
        return f"/etc/mongod-{cluster}.conf"

    # --- process --------------------------------------------------------------------------------

    def process(self, db: EstateDatabase, os: Platform) -> Process:
        """`mongod` alone: it has threads and no workers."""
        if db.container:
            command = "mongod --bind_ip_all"
        elif db.arguments:
            command = (
                f"{db.binary} --dbpath {db.data_dir} --port {db.port} --bind_ip {db.bind} --fork"
                " --logpath /var/log/mongodb/mongod.log"
            )
        else:
            command = f"{db.binary} {'--config' if os.is_deb else '-f'} {db.config_file}"
        return Process(
            tuple(command.split(" ")), db.binary, _UID, "/", ((db.socket_address, db.port),),
            (f"{db.data_dir}/WiredTiger.wt",), serves=True, container=db.container,
        )  # fmt: skip

    # --- files ----------------------------------------------------------------------------------

    def configuration(
        self, databases: Sequence[EstateDatabase], os: Platform
    ) -> ConfigurationFiles:
        """The file of each server that has one."""
        return ConfigurationFiles(
            {
                db.config_file: self._mongod_conf(
                    db, db.data_dir or self.installed(db, os).data_dir
                )
                for db in databases
                if db.config_file
            }
        )

    def _mongod_conf(self, db: EstateDatabase, data_dir: str) -> str:
        """YAML as shipped; before it, and still in Ubuntu's own package, `name = value`."""
        if db.source == "distro":
            return (
                f"# mongodb.conf\ndbpath={data_dir}\nlogpath=/var/log/mongodb/mongodb.log\n"
                f"logappend=true\nbind_ip = {db.bind}\n#port = 27017\njournal=true\n"
            )
        return (
            "# mongod.conf\n\n# for documentation of all options, see the manual\n\n"
            f"storage:\n  dbPath: {data_dir}\n#  engine:\n#  wiredTiger:\n\n"
            "systemLog:\n  destination: file\n  logAppend: true\n"
            "  path: /var/log/mongodb/mongod.log\n\n"
            f"net:\n  port: {db.port}\n  bindIp: {db.bind}  # interfaces\n\n"
            "processManagement:\n  timeZoneInfo: /usr/share/zoneinfo\n\n"
            "#security:\n\n#replication:\n"
        )

    def data_files(self, db: EstateDatabase, application: str, pid: int) -> DataFiles:  # noqa: ARG002
        """WiredTiger's files: collections, indexes, journal, diagnostics."""
        engine_version = "3.1.1" if db.version.startswith("3.") else "11.2.0"
        return DataFiles(
            {
                "WiredTiger": f"WiredTiger\nWiredTiger {engine_version}: (December 1, 2022)\n",
                "mongod.lock": f"{pid}\n" if pid else "",
            },
            {
                "WiredTiger.wt": (0.01, 1 * MIB),
                "_mdb_catalog.wt": (0.005, 256 * KIB),
                "sizeStorer.wt": (0.001, 36 * KIB),
                "journal/WiredTigerLog.0000000187": (1, 100 * MIB),
                "diagnostic.data/metrics.2026-02-04T00-10-00Z-00000": (0.2, 10 * MIB),
                "collection-0-6384512773492847196.wt": (64, UNBOUNDED),
                "collection-7-6384512773492847196.wt": (20, UNBOUNDED),
                "index-1-6384512773492847196.wt": (9, UNBOUNDED),
                "index-8-6384512773492847196.wt": (4, UNBOUNDED),
            },
        )

    # --- binary ---------------------------------------------------------------------------------

    def binary_texts(self, install: Install, architecture: str) -> tuple[str, ...]:
        """The version stands before the git revision, with the build's environment behind it."""
        line = self.series(install.version)
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
