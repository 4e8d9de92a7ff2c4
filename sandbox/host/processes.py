"""What runs on the estate's hosts: a plain Linux server's processes, and what else is on it.

`Process` is one entry of `/proc`; `EXTRAS` are the things a host's `runs` can name. Several look
like a database and are none: exporters, clients, wrappers, poolers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.estate.model import EstateHost

EPHEMERAL = 32768
"""Where the ports of outgoing connections start."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    `exe` is None for a kernel thread. `title` replaces the command line where the process rewrote
    it; `name` is what a script is called, whose executable is its shell. `listens` are (address,
    port), `files` open files. `serves` says that it is a database server: only of these is
    everything written that a probe may look at.
    """

    argv: tuple[str, ...]
    exe: str | None
    uid: int = 0
    cwd: str = "/"
    listens: tuple[tuple[str, int], ...] = ()
    files: tuple[str, ...] = ()
    serves: bool = False
    container: str | None = None
    title: str | None = None
    name: str = ""
    children: tuple[Process, ...] = ()

    @property
    def comm(self) -> str:
        """The kernel's name for it: at most 15 characters."""
        return (self.name or (self.exe or self.argv[0]).rpartition("/")[2])[:15]


def daemon(command: str, uid: int = 0, *listens: tuple[str, int], exe: str = "") -> Process:
    """A process from its command line, whose first word is its executable unless `exe` says."""
    argv = tuple(command.split(" "))
    return Process(argv, exe or argv[0], uid, listens=listens)


def kernel_thread(name: str) -> Process:
    """A kernel thread: no executable and no command line."""
    return Process((name,), None)


def base(host: EstateHost) -> tuple[Process, ...]:
    """The children of the init process on a server that does nothing yet."""
    lib = "/usr/lib/systemd"
    if host.os.is_deb:
        agent = "/snap/amazon-ssm-agent/7993" if host.os.family == "ubuntu" else "/usr/bin"
        own = (
            daemon("/usr/sbin/cron -f -P"),
            daemon("/usr/sbin/rsyslogd -n -iNONE", 104),
            daemon("/usr/bin/python3 /usr/bin/networkd-dispatcher --run-startup-triggers"),
        )
    else:
        agent = "/usr/bin"
        own = (
            daemon("/usr/sbin/crond -n"),
            daemon("/usr/sbin/rsyslogd -n"),
            daemon("/usr/sbin/auditd"),
        )
    if host.os.family == "rhel" and host.os.version.startswith("6"):
        first: tuple[Process, ...] = (daemon("/sbin/udevd -d"),)
    else:
        first = (
            daemon(f"{lib}/systemd-journald"),
            daemon(f"{lib}/systemd-udevd"),
            daemon(f"{lib}/systemd-logind"),
        )
    worker = daemon(f"{agent}/ssm-agent-worker")
    return (
        *first,
        daemon("/usr/sbin/chronyd -F 1", 115),
        daemon("/usr/bin/dbus-daemon --system --nofork", 103),
        *own,
        Process((f"{agent}/amazon-ssm-agent",), f"{agent}/amazon-ssm-agent", children=(worker,)),
        Process(
            ("/usr/sbin/sshd", "-D"),
            "/usr/sbin/sshd",
            listens=(("0.0.0.0", 22), ("::", 22)),  # noqa: S104
        ),
        daemon("/sbin/agetty -o -p -- \\u --noclear tty1 linux", exe="/usr/sbin/agetty"),
    )


KERNEL_THREADS = tuple(map(kernel_thread, ("rcu_preempt", "kworker/0:1-events")))


def extras(host: EstateHost) -> tuple[Process, ...]:
    """What the host's `runs` stand for, and an ordinary user at work."""
    found: list[Process] = []
    for name in host.runs:
        found.extend(EXTRAS[name](host))
    return tuple(found)


def _nginx(_host: EstateHost) -> tuple[Process, ...]:
    worker = Process(
        ("nginx: worker process",), "/usr/sbin/nginx", 33, title="nginx: worker process"
    )
    title = "nginx: master process /usr/sbin/nginx -g daemon on; master_process on;"
    return (
        Process(
            (title,), "/usr/sbin/nginx", listens=(("0.0.0.0", 80), ("0.0.0.0", 443)),  # noqa: S104
            title=title, children=(worker, worker),
        ),
    )  # fmt: skip


def _java(host: EstateHost) -> tuple[Process, ...]:
    """An application server, with a database's name in its command line."""
    application = host.tags.get("Application", "app")
    command = (
        "/usr/lib/jvm/java-17/bin/java -Xmx2g"
        f" -Dspring.datasource.url=jdbc:mysql://{application}-db.internal:3306/{application}"
        f" -jar /opt/{application}/{application}.jar"
    )
    return (daemon(command, 1001, ("::", 8080)),)


def _exporter(name: str, port: int) -> Callable[[EstateHost], tuple[Process, ...]]:
    def exporter(_host: EstateHost) -> tuple[Process, ...]:
        return (daemon(f"/usr/local/bin/{name} --web.listen-address=:{port}", 997, ("::", port)),)

    return exporter


def _pgbouncer(_host: EstateHost) -> tuple[Process, ...]:
    command = "/usr/sbin/pgbouncer -d /etc/pgbouncer/pgbouncer.ini"
    return (daemon(command, 113, ("0.0.0.0", 6432)),)  # noqa: S104


def _mysqld_safe(_host: EstateHost) -> tuple[Process, ...]:
    """The wrapper that starts mysqld and has its options on its own command line."""
    command = "/bin/sh /usr/bin/mysqld_safe --basedir=/usr --datadir=/var/lib/mysql"
    argv = tuple(command.split(" "))
    return (Process(argv, "/usr/bin/bash", name="mysqld_safe"),)


def _mysql_client(_host: EstateHost) -> tuple[Process, ...]:
    return (daemon("mysql -h orders-db.internal -u report", 1000, exe="/usr/bin/mysql"),)


def _postgresql_client(_host: EstateHost) -> tuple[Process, ...]:
    return (daemon("psql -h catalog-db.internal catalog", 1000, exe="/usr/bin/psql"),)


def _backup(_host: EstateHost) -> tuple[Process, ...]:
    """A dump under way, an editor on a server's configuration, and a look at its log."""
    dump = "mysqldump --single-transaction --host=127.0.0.1 --port=3306 warehouse"
    return (
        daemon(dump, 1000, exe="/usr/bin/mysqldump"),
        daemon("vim /etc/mysql/my.cnf", exe="/usr/bin/vim.basic"),
        daemon("tail -F /var/log/postgresql/postgresql.log mysqld.log", exe="/usr/bin/tail"),
    )


def _docker(_host: EstateHost) -> tuple[Process, ...]:
    return (
        daemon("/usr/bin/containerd"),
        daemon("/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"),
    )


def _talliesd(_host: EstateHost) -> tuple[Process, ...]:
    """A data store written in the house, which no rule knows."""
    command = "/opt/tallies/bin/talliesd --data /srv/tallies/data --port 7420 --cluster search"
    return (
        Process(
            tuple(command.split(" ")), "/opt/tallies/bin/talliesd", 1100, "/srv/tallies/data",
            (("0.0.0.0", 7420),), ("/srv/tallies/data/segment-000041.tly",),  # noqa: S104
        ),
    )  # fmt: skip


EXTRAS: Mapping[str, Callable[[EstateHost], tuple[Process, ...]]] = {
    "nginx": _nginx,
    "java": _java,
    "node_exporter": _exporter("node_exporter", 9100),
    "mysqld_exporter": _exporter("mysqld_exporter", 9104),
    "postgres_exporter": _exporter("postgres_exporter", 9187),
    "mongodb_exporter": _exporter("mongodb_exporter", 9216),
    "pgbouncer": _pgbouncer,
    "mysqld_safe": _mysqld_safe,
    "mysql-client": _mysql_client,
    "postgresql-client": _postgresql_client,
    "backup": _backup,
    "docker": _docker,
    "talliesd": _talliesd,
}
