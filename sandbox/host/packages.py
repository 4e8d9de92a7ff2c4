"""Package databases of an estate's host, and the clients and tools that are no server.

dpkg's is text and is written as dpkg has it. rpm's is a binary database; rpm hosts get only the
files, as the probe reads versions there from the executables.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.engines.binaries import elf
from sandbox.engines.servers import install
from sandbox.estate.model import EstateHost
from sandbox.host.tree import Tree


@dataclass(frozen=True, slots=True)
class _Package:
    name: str
    version: str
    files: tuple[str, ...] = ()
    state: str = "install ok installed"


_COMMON = (
    _Package("base-files", "12.4"),
    _Package("bash", "5.1-6"),
    _Package("libc6", "2.35-0ubuntu3.8"),
    _Package("libmysqlclient21", "8.0.39-0ubuntu0.22.04.1"),
    _Package("libpq5", "14.12-0ubuntu0.22.04.1"),
    _Package("mysql-common", "5.8+1.0.8", ("/etc/mysql/my.cnf.fallback",)),
    _Package("openssh-server", "1:8.9p1-3ubuntu0.10"),
    _Package("python3", "3.10.6-1~22.04"),
    _Package("systemd", "249.11-0ubuntu3.12"),
    _Package("zlib1g", "1:1.2.13.dfsg-1"),
)

_CLIENTS = {
    "mysql-client": _Package(
        "mysql-client-core-8.0",
        "8.0.39-0ubuntu0.22.04.1",
        ("/usr/bin/mysql", "/usr/bin/mysqldump", "/usr/bin/mysqladmin"),
    ),
    "postgresql-client": _Package(
        "postgresql-client-14",
        "14.12-0ubuntu0.22.04.1",
        ("/usr/lib/postgresql/14/bin/psql", "/usr/lib/postgresql/14/bin/pg_dump"),
    ),
    "pgbouncer": _Package("pgbouncer", "1.22.1-1.pgdg22.04+1", ("/usr/sbin/pgbouncer",)),
    "mysqld_exporter": _Package(
        "prometheus-mysqld-exporter", "0.13.0-1", ("/usr/local/bin/mysqld_exporter",)
    ),
}


def write_packages(tree: Tree, host: EstateHost) -> None:
    """The files of the host's clients, and on a dpkg host the package database."""
    clients = [_CLIENTS[name] for name in host.runs if name in _CLIENTS]
    for package in clients:
        for path in package.files:
            if not tree.exists(path):
                tree.binary(path, elf(host.architecture, package.name, package.version))
    if not host.os.is_deb:
        return
    packages = [*_COMMON, *clients, *_servers(host)]
    packages += [_Package(name, "5.7.44-0ubuntu0", (), "deinstall ok config-files")
                 for name in host.removed]  # fmt: skip
    tree.text("/var/lib/dpkg/status", "".join(_stanza(host, each) for each in packages))
    for package in packages:
        if package.files:
            tree.text(f"/var/lib/dpkg/info/{package.name}.list", _file_list(package.files))


def _servers(host: EstateHost) -> list[_Package]:
    found: dict[str, _Package] = {}
    for db in host.databases:
        one = install(host, db)
        if one.package and not db.container:
            files = [db.binary]
            if db.binary.endswith("/mariadbd"):
                files.append(db.binary.replace("mariadbd", "mysqld"))
            found[one.package] = _Package(one.package, one.package_version, tuple(files))
    return list(found.values())


def _stanza(host: EstateHost, package: _Package) -> str:
    return (
        f"Package: {package.name}\nStatus: {package.state}\nPriority: optional\n"
        f"Section: database\nInstalled-Size: 45336\nArchitecture: {host.deb_architecture}\n"
        f"Version: {package.version}\nDescription: {package.name}\n a line that goes on\n .\n"
        " and another one\n\n"
    )


def _file_list(files: tuple[str, ...]) -> str:
    """As dpkg lists them: each folder on the way before what is in it."""
    lines = ["/."]
    for path in files:
        parts = path.split("/")[1:]
        lines += ["/" + "/".join(parts[: end + 1]) for end in range(len(parts))]
    return "\n".join(dict.fromkeys(lines)) + "\n"
