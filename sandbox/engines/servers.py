"""The database servers of a host: the process each one is, and the configuration it reads."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.engines.data import postgresql_conf
from sandbox.engines.packaging import Install, install_of, series
from sandbox.estate.model import EstateDatabase, EstateHost
from sandbox.estate.platforms import PLATFORMS
from sandbox.host.processes import Process, daemon
from sandbox.host.tree import Tree

_X_PROTOCOL_PORT = 33060


def install(host: EstateHost, db: EstateDatabase) -> Install:
    """Where the database's server is: on the host, or in an image, whatever the host runs."""
    os = PLATFORMS["debian-12"] if db.container else host.os
    return install_of(db.engine, db.version, os, db.source, db.cluster)


def process(host: EstateHost, db: EstateDatabase) -> Process:
    """The server's main process, with its workers."""
    return {
        "postgresql": _postgresql,
        "mongodb": _mongodb,
    }.get(db.engine, _mysql)(host, db)


def write_configuration(tree: Tree, host: EstateHost) -> None:
    """Each file that the host's own servers read."""
    own = [db for db in host.databases if not db.container]
    _write_mysql(tree, host, [db for db in own if db.engine in ("mysql", "mariadb", "percona")])
    for db in own:
        if db.config_file is None:
            continue
        if db.engine == "mongodb":
            tree.text(db.config_file, _mongod_conf(host, db))
        elif db.engine == "postgresql" and host.os.is_deb and db.data_dir:
            tree.text(db.config_file, postgresql_conf(db))
            folder = db.config_file.rpartition("/")[0]
            tree.text(f"{folder}/start.conf", "auto\n")


# --- MySQL, MariaDB, Percona Server ---------------------------------------------------------------


def _mysql(host: EstateHost, db: EstateDatabase) -> Process:
    line = series(db.engine, db.version)
    arguments = [db.binary]
    if db.container:
        arguments = [db.binary.rpartition("/")[2]]
    elif db.arguments:
        arguments += [
            "--no-defaults", "--user=mysql", f"--datadir={db.data_dir}", f"--port={db.port}",
            f"--bind-address={db.bind}", f"--socket={db.data_dir}/mysql.sock",
        ]  # fmt: skip
    elif db.source == "tarball":
        base = db.binary.rpartition("/bin/")[0]
        arguments += [f"--basedir={base}", "--user=mysql", f"--pid-file={base}/mysqld.pid"]
    elif db.cluster != "main" and host.os.is_deb:
        arguments.append(f"--defaults-file={db.config_file}")
    elif db.cluster != "main":
        arguments.append(f"--defaults-group-suffix=@{db.cluster}")
    elif line == "5.6":
        arguments += [
            "--basedir=/usr", f"--datadir={db.data_dir}", "--plugin-dir=/usr/lib64/mysql/plugin",
            "--user=mysql", "--log-error=/var/log/mysqld.log",
        ]  # fmt: skip
    elif line == "5.7" and not host.os.is_deb:
        arguments += ["--daemonize", "--pid-file=/var/run/mysqld/mysqld.pid"]
    listens = [(_address(db), db.port)]
    if db.engine != "mariadb" and line in ("8.0", "8.4") and _has_x_protocol(db):
        listens.append((_address(db), _X_PROTOCOL_PORT))
    schema = f"{db.data_dir}/ibdata1"
    return Process(
        tuple(arguments), db.binary, 27 if not host.os.is_deb else 112, db.data_dir or "/",
        tuple(listens), (schema,), serves=True, container=db.container,
    )  # fmt: skip


def _has_x_protocol(db: EstateDatabase) -> bool:
    """On unless the configuration turns it off, as it does for the further servers of a host."""
    return db.cluster == "main"


def _write_mysql(tree: Tree, host: EstateHost, databases: Iterable[EstateDatabase]) -> None:
    main = [db for db in databases if db.cluster == "main" and db.config_file]
    others = [db for db in databases if db.cluster != "main" and db.config_file]
    if not host.os.is_deb:
        text = "".join(_mysql_section(host, db, "mysqld") for db in main)
        text += "".join(_mysql_section(host, db, f"mysqld@{db.cluster}") for db in others)
        if text and any(db.source == "distro" for db in main):
            tree.text("/etc/my.cnf", "#\n# include all files from the config directory\n#\n"
                                     "!includedir /etc/my.cnf.d\n")  # fmt: skip
            tree.text("/etc/my.cnf.d/server.cnf", text)
            tree.text("/etc/my.cnf.d/client.cnf", "[client]\n\n[client-mariadb]\n")
        elif text:
            tree.text("/etc/my.cnf", "# For advice on how to change settings please see\n" + text)
        return
    for db in main:
        name, folder, file = ("mysql.cnf", "mysql.conf.d", "mysqld.cnf")
        if db.engine == "mariadb":
            name, folder, file = ("mariadb.cnf", "mariadb.conf.d", "50-server.cnf")
        tree.link("/etc/mysql/my.cnf", "/etc/alternatives/my.cnf")
        tree.link("/etc/alternatives/my.cnf", f"/etc/mysql/{name}")
        tree.text(
            f"/etc/mysql/{name}",
            f"[client-server]\nsocket = /run/mysqld/mysqld.sock\n\n"
            f"!includedir /etc/mysql/conf.d/\n!includedir /etc/mysql/{folder}/\n",
        )
        tree.text("/etc/mysql/conf.d/mysql.cnf", "[mysql]\nport = 3399\n")
        tree.text(f"/etc/mysql/{folder}/{file}", _mysql_section(host, db, "mysqld"))
    for db in others:
        tree.text(str(db.config_file), _mysql_section(host, db, "mysqld"))


def _mysql_section(host: EstateHost, db: EstateDatabase, section: str) -> str:
    """What is at its default is left a comment, except in the vendor's rpm, which states it."""
    default = install(host, db)
    at_home = db.data_dir in (None, "/var/lib/mysql") and default.data_dir == "/var/lib/mysql"
    stated = not at_home or (not host.os.is_deb and default.package is None)
    lines = [
        f"[{section}]",
        "user\t\t= mysql",
        f"{'' if stated else '# '}datadir\t= {db.data_dir or '/var/lib/mysql'}",
        f"{'# ' if db.port == 3306 else ''}port\t\t= {db.port}",
        f"socket={db.data_dir or '/var/run/mysqld'}/mysql.sock",
        f"bind-address\t= {db.bind}",
        "skip-name-resolve",
        "max_connections = 400  # per server",
    ]
    if db.engine != "mariadb" and not _has_x_protocol(db):
        lines.append("mysqlx = 0")
    return "\n".join(lines) + "\n\n"


# --- PostgreSQL -----------------------------------------------------------------------------------


def _postgresql(host: EstateHost, db: EstateDatabase) -> Process:
    line = series("postgresql", db.version)
    folder = db.binary.rpartition("/")[0]
    arguments: tuple[str, ...]
    if db.container:
        arguments = ("postgres",)
    elif host.os.is_deb:
        arguments = (db.binary, "-D", f"{db.data_dir}", "-c", f"config_file={db.config_file}")
    elif db.source == "vendor" and line != "16" and line != "17":
        arguments = (f"{folder}/postmaster", "-D", f"{db.data_dir}/")
    else:
        arguments = (db.binary, "-D", f"{db.data_dir}")
    prefix = f"postgres: {line}/{db.cluster}: " if host.os.is_deb else "postgres: "
    workers = tuple(
        Process((title,), db.binary, 116, db.data_dir or "/", container=db.container, title=title)
        for title in (
            f"{prefix}checkpointer ",
            f"{prefix}walwriter ",
            f"{prefix}app app 10.20.3.4(51234) idle",
        )
    )
    addresses = [_address(db)]
    if db.bind == "0.0.0.0":  # noqa: S104 - '*' makes PostgreSQL open one socket a family
        addresses.append("::")
    return Process(
        arguments, db.binary, 116, db.data_dir or "/",
        tuple((address, db.port) for address in addresses),
        (f"{db.data_dir}/global/pg_control",),
        serves=True, container=db.container, children=workers,
    )  # fmt: skip


# --- MongoDB --------------------------------------------------------------------------------------


def _mongodb(host: EstateHost, db: EstateDatabase) -> Process:
    if db.container:
        command = "mongod --bind_ip_all"
    elif db.arguments:
        command = (
            f"{db.binary} --dbpath {db.data_dir} --port {db.port} --bind_ip {db.bind} --fork"
            " --logpath /var/log/mongodb/mongod.log"
        )
    else:
        option = "--config" if host.os.is_deb else "-f"
        command = f"{db.binary} {option} {db.config_file}"
    plain = daemon(command, 110, (_address(db), db.port), exe=db.binary)
    return Process(
        plain.argv, db.binary, 110, "/", plain.listens, (f"{db.data_dir}/WiredTiger.wt",),
        serves=True, container=db.container,
    )  # fmt: skip


def _mongod_conf(host: EstateHost, db: EstateDatabase) -> str:
    """YAML as shipped; before it, and still on Ubuntu's own package, `name = value`."""
    data_dir = db.data_dir or install(host, db).data_dir
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


def _address(db: EstateDatabase) -> str:
    """The address in `/proc/net/tcp`: a bind to every family is one IPv6 socket."""
    return "::" if db.bind == "*" else db.bind
