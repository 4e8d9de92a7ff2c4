"""What MySQL, Percona Server and MariaDB share: processes, configuration and data directories."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from sandbox.engines.database import ConfigurationFiles, DataFiles, EstateDatabase, Install
from sandbox.engines.engine import GIB, KIB, MIB, UNBOUNDED, Engine
from sandbox.engines.process import Process
from sandbox.platforms import Platform

_TABLES = {
    "orders": ("lines", "headers", "addresses", "status_history"),
    "shipments": ("parcels", "scan_events", "legs", "manifests"),
    "cards": ("authorizations", "clearing", "holders", "disputes"),
    "reviews": ("reviews", "ratings", "votes", "authors"),
    "clickstream": ("page_views", "sessions", "clicks", "referrers"),
}
_OTHER_TABLES = ("events", "items", "accounts", "audit_log")
_TABLE_WEIGHTS = (60, 25, 8, 5)


class MysqlFamily(Engine):
    """A server that is started as `mysqld` and reads `my.cnf`.

    `deb_files` are the main file under /etc/mysql on Debian, the folder it includes, and the file
    in there that configures the server.
    """

    default_port = 3306
    deb_files: ClassVar[tuple[str, str, str]]

    @abstractmethod
    def redo_in_folder(self, db: EstateDatabase) -> bool:
        """Whether the redo log has a folder of its own, as it has since MySQL 8.0."""

    @abstractmethod
    def server_texts(self, db: EstateDatabase) -> Mapping[str, str]:
        """The small files by which a data directory tells its version."""

    @abstractmethod
    def default_x_protocol_port(self, db: EstateDatabase) -> int | None:
        """The port of MySQL's X protocol where the server opens it by default."""

    def config_file(
        self,
        install: Install,
        os: Platform,
        cluster: str,
        data_dir: str | None,  # noqa: ARG002 - the path does not depend on it
    ) -> str | None:
        """Further servers of a Debian host have a file each; elsewhere all share one."""
        return (
            f"/etc/mysql/{cluster}.cnf" if cluster != "main" and os.is_deb else install.config_file
        )

    # --- process --------------------------------------------------------------------------------

    def process(self, db: EstateDatabase, os: Platform) -> Process:
        """`mysqld` with the options of its package's service."""
        listens = [(db.socket_address, db.port)]
        x_protocol_port = self.default_x_protocol_port(db)
        if x_protocol_port and not _disables_x_protocol(db):
            listens.append((db.socket_address, x_protocol_port))
        return Process(
            self._arguments(db, os), db.binary, 112 if os.is_deb else 27, db.data_dir or "/",
            tuple(listens), (f"{db.data_dir}/ibdata1",), serves=True, container=db.container,
        )  # fmt: skip

    def _arguments(self, db: EstateDatabase, os: Platform) -> tuple[str, ...]:
        line = self.series(db.version)
        if db.container:
            return (db.binary.rpartition("/")[2],)
        if db.arguments:
            options = [
                "--no-defaults", "--user=mysql", f"--datadir={db.data_dir}", f"--port={db.port}",
                f"--bind-address={db.bind}", f"--socket={db.data_dir}/mysql.sock",
            ]  # fmt: skip
        elif db.source == "tarball":
            base = db.binary.rpartition("/bin/")[0]
            options = [f"--basedir={base}", "--user=mysql", f"--pid-file={base}/mysqld.pid"]
        elif db.cluster != "main" and os.is_deb:
            options = [f"--defaults-file={db.config_file}"]
        elif db.cluster != "main":
            options = [f"--defaults-group-suffix=@{db.cluster}"]
        elif line == "5.6":
            options = [
                "--basedir=/usr", f"--datadir={db.data_dir}",
                "--plugin-dir=/usr/lib64/mysql/plugin", "--user=mysql",
                "--log-error=/var/log/mysqld.log",
            ]  # fmt: skip
        elif line == "5.7" and not os.is_deb:
            options = ["--daemonize", "--pid-file=/var/run/mysqld/mysqld.pid"]
        else:
            options = []
        return (db.binary, *options)

    # --- files ----------------------------------------------------------------------------------

    def configuration(
        self, databases: Sequence[EstateDatabase], os: Platform
    ) -> ConfigurationFiles:
        """`my.cnf` and what it includes, as Debian's packages and as rpm packages have them."""
        main = [db for db in databases if db.cluster == "main" and db.config_file]
        others = [db for db in databases if db.cluster != "main" and db.config_file]
        return self._deb_files(main, others) if os.is_deb else self._rpm_files(main, others)

    def _rpm_files(
        self, main: Sequence[EstateDatabase], others: Sequence[EstateDatabase]
    ) -> ConfigurationFiles:
        text = "".join(self._section(db, "mysqld", stated=True) for db in main)
        text += "".join(self._section(db, f"mysqld@{db.cluster}", stated=True) for db in others)
        if not text:
            return ConfigurationFiles()
        if not any(db.source == "distro" for db in main):
            advice = "# For advice on how to change settings please see\n"
            return ConfigurationFiles({"/etc/my.cnf": advice + text})
        include = "#\n# include all files from the config directory\n#\n!includedir /etc/my.cnf.d\n"
        return ConfigurationFiles(
            {
                "/etc/my.cnf": include,
                "/etc/my.cnf.d/server.cnf": text,
                "/etc/my.cnf.d/client.cnf": "[client]\n\n[client-mariadb]\n",
            }
        )

    def _deb_files(
        self, main: Sequence[EstateDatabase], others: Sequence[EstateDatabase]
    ) -> ConfigurationFiles:
        name, folder, file = self.deb_files
        texts: dict[str, str] = {}
        links: dict[str, str] = {}
        for db in main:
            links["/etc/mysql/my.cnf"] = "/etc/alternatives/my.cnf"
            links["/etc/alternatives/my.cnf"] = f"/etc/mysql/{name}"
            texts[f"/etc/mysql/{name}"] = (
                "[client-server]\nsocket = /run/mysqld/mysqld.sock\n\n"
                f"!includedir /etc/mysql/conf.d/\n!includedir /etc/mysql/{folder}/\n"
            )
            texts["/etc/mysql/conf.d/mysql.cnf"] = "[mysql]\nport = 3399\n"
            texts[f"/etc/mysql/{folder}/{file}"] = self._section(db, "mysqld")
        for db in others:
            texts[str(db.config_file)] = self._section(db, "mysqld")
        return ConfigurationFiles(texts, links)

    def _section(self, db: EstateDatabase, section: str, *, stated: bool = False) -> str:
        """Packages leave a data directory at its default a comment, unless it is `stated`."""
        data_dir = db.data_dir or "/var/lib/mysql"
        stated = stated or data_dir != "/var/lib/mysql" or db.source == "tarball"
        lines = [
            f"[{section}]",
            "user\t\t= mysql",
            f"{'' if stated else '# '}datadir\t= {data_dir}",
            f"{'# ' if db.port == 3306 else ''}port\t\t= {db.port}",
            f"socket={db.data_dir or '/var/run/mysqld'}/mysql.sock",
            f"bind-address\t= {db.bind}",
            "skip-name-resolve",
            "max_connections = 400  # per server",
        ]
        if self.default_x_protocol_port(db) and _disables_x_protocol(db):
            lines.append("mysqlx = 0")
        return "\n".join(lines) + "\n\n"

    def data_files(self, db: EstateDatabase, application: str, pid: int) -> DataFiles:  # noqa: ARG002
        """The weights give the tables nearly everything; system files are as small as in life."""
        schema = application.replace("-", "_")
        shares: dict[str, tuple[float, int]] = {
            "ibdata1": (1, 76 * MIB),
            "ib_buffer_pool": (0.001, 48 * KIB),
        }
        if self.redo_in_folder(db):
            shares |= {
                "mysql.ibd": (0.5, 25 * MIB),
                "undo_001": (0.5, 16 * MIB),
                "#innodb_redo/#ib_redo41": (0.5, 32 * MIB),
                "binlog.000187": (2, 1 * GIB),
            }
        else:
            shares |= {"ib_logfile0": (1, 512 * MIB), "mysql/user.MYD": (0.0001, 16 * KIB)}
        for table, weight in zip(_TABLES.get(schema, _OTHER_TABLES), _TABLE_WEIGHTS, strict=True):
            shares[f"{schema}/{table}.ibd"] = (weight, UNBOUNDED)
        return DataFiles(self.server_texts(db), shares)


def _disables_x_protocol(db: EstateDatabase) -> bool:
    """The further servers of a host turn it off, as only one of them can have its port."""
    return db.cluster != "main"
