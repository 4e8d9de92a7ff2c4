"""What a host's `runs` can name: applications, and things that look like a database and are none.

Exporters, clients, wrappers and poolers are there so that tests see them told from servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sandbox.engines import Process, daemon
from sandbox.host.dpkg import Package

_APPLICATION = "{application}"
"""Stands for the host's `Application` tag in a command line."""


@dataclass(frozen=True, slots=True)
class Extra:
    """Processes, and the package they come from where the package database lists it."""

    processes: tuple[Process, ...]
    package: Package | None = None

    def processes_for(self, application: str) -> tuple[Process, ...]:
        """The processes on a host of this application."""
        return tuple(
            replace(
                process,
                argv=tuple(word.replace(_APPLICATION, application) for word in process.argv),
            )
            for process in self.processes
        )


def _exporter(name: str, port: int, package: Package | None = None) -> Extra:
    command = f"/usr/local/bin/{name} --web.listen-address=:{port}"
    return Extra((daemon(command, 997, ("::", port)),), package)


def _nginx() -> Extra:
    title = "nginx: master process /usr/sbin/nginx -g daemon on; master_process on;"
    worker = Process(
        ("nginx: worker process",), "/usr/sbin/nginx", 33, title="nginx: worker process"
    )
    master = Process(
        (title,), "/usr/sbin/nginx", listens=(("0.0.0.0", 80), ("0.0.0.0", 443)),  # noqa: S104
        title=title, children=(worker, worker),
    )  # fmt: skip
    return Extra((master,))


def _mysqld_safe() -> Extra:
    """The wrapper that starts mysqld and has its options on its own command line."""
    command = "/bin/sh /usr/bin/mysqld_safe --basedir=/usr --datadir=/var/lib/mysql"
    return Extra((Process(tuple(command.split(" ")), "/usr/bin/bash", name="mysqld_safe"),))


def _backup() -> Extra:
    """A dump under way, an editor on a server's configuration, and a look at its log."""
    dump = "mysqldump --single-transaction --host=127.0.0.1 --port=3306 warehouse"
    return Extra(
        (
            daemon(dump, 1000, exe="/usr/bin/mysqldump"),
            daemon("vim /etc/mysql/my.cnf", exe="/usr/bin/vim.basic"),
            daemon("tail -F /var/log/postgresql/postgresql.log mysqld.log", exe="/usr/bin/tail"),
        )
    )


def _talliesd() -> Extra:
    """A data store written in the house, which no rule knows."""
    command = "/opt/tallies/bin/talliesd --data /srv/tallies/data --port 7420 --cluster search"
    server = Process(
        tuple(command.split(" ")), "/opt/tallies/bin/talliesd", 1100, "/srv/tallies/data",
        (("0.0.0.0", 7420),), ("/srv/tallies/data/segment-000041.tly",),  # noqa: S104
    )  # fmt: skip
    return Extra((server,))


def _java() -> Extra:
    """An application server, with a database's name in its command line."""
    command = (
        "/usr/lib/jvm/java-17/bin/java -Xmx2g"
        f" -Dspring.datasource.url=jdbc:mysql://{_APPLICATION}-db.internal:3306/{_APPLICATION}"
        f" -jar /opt/{_APPLICATION}/{_APPLICATION}.jar"
    )
    return Extra((daemon(command, 1001, ("::", 8080)),))


EXTRAS: Mapping[str, Extra] = {
    "nginx": _nginx(),
    "java": _java(),
    "node_exporter": _exporter("node_exporter", 9100),
    "mysqld_exporter": _exporter(
        "mysqld_exporter",
        9104,
        Package("prometheus-mysqld-exporter", "0.13.0-1", ("/usr/local/bin/mysqld_exporter",)),
    ),
    "postgres_exporter": _exporter("postgres_exporter", 9187),
    "mongodb_exporter": _exporter("mongodb_exporter", 9216),
    "pgbouncer": Extra(
        (daemon("/usr/sbin/pgbouncer -d /etc/pgbouncer/pgbouncer.ini", 113, ("0.0.0.0", 6432)),),  # noqa: S104
        Package("pgbouncer", "1.22.1-1.pgdg22.04+1", ("/usr/sbin/pgbouncer",)),
    ),
    "mysqld_safe": _mysqld_safe(),
    "mysql-client": Extra(
        (daemon("mysql -h orders-db.internal -u report", 1000, exe="/usr/bin/mysql"),),
        Package(
            "mysql-client-core-8.0",
            "8.0.39-0ubuntu0.22.04.1",
            ("/usr/bin/mysql", "/usr/bin/mysqldump", "/usr/bin/mysqladmin"),
        ),
    ),
    "postgresql-client": Extra(
        (daemon("psql -h catalog-db.internal catalog", 1000, exe="/usr/bin/psql"),),
        Package(
            "postgresql-client-14",
            "14.12-0ubuntu0.22.04.1",
            ("/usr/lib/postgresql/14/bin/psql", "/usr/lib/postgresql/14/bin/pg_dump"),
        ),
    ),
    "backup": _backup(),
    "docker": Extra(
        (
            daemon("/usr/bin/containerd"),
            daemon("/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"),
        )
    ),
    "talliesd": _talliesd(),
}
