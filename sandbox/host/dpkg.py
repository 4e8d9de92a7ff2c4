"""The package database of a Debian or Ubuntu host, as dpkg writes it.

rpm's is a binary database that the probe does not read; rpm hosts get only the packages' files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.host.tree import Tree


@dataclass(frozen=True, slots=True)
class Package:
    """One package: `files` are absolute paths, `state` is dpkg's status line."""

    name: str
    version: str
    files: tuple[str, ...] = ()
    state: str = "install ok installed"


BASE_PACKAGES = (
    Package("base-files", "12.4"),
    Package("bash", "5.1-6"),
    Package("libc6", "2.35-0ubuntu3.8"),
    Package("libmysqlclient21", "8.0.39-0ubuntu0.22.04.1"),
    Package("libpq5", "14.12-0ubuntu0.22.04.1"),
    Package("mysql-common", "5.8+1.0.8", ("/etc/mysql/my.cnf.fallback",)),
    Package("openssh-server", "1:8.9p1-3ubuntu0.10"),
    Package("python3", "3.10.6-1~22.04"),
    Package("systemd", "249.11-0ubuntu3.12"),
    Package("zlib1g", "1:1.2.13.dfsg-1"),
)
"""What every host has. Clients and libraries of database servers are no servers."""


def removed_package(name: str) -> Package:
    """A package that was removed and left its configuration behind."""
    return Package(name, "5.7.44-0ubuntu0", (), "deinstall ok config-files")


def write_dpkg(tree: Tree, packages: Sequence[Package], architecture: str) -> None:
    """Write the status file, and a list of files for each package that has any."""
    tree.text(
        "/var/lib/dpkg/status",
        "".join(_stanza(package, architecture) for package in packages),
    )
    for package in packages:
        if package.files:
            tree.text(f"/var/lib/dpkg/info/{package.name}.list", _file_list(package.files))


def _stanza(package: Package, architecture: str) -> str:
    return (
        f"Package: {package.name}\nStatus: {package.state}\nPriority: optional\n"
        f"Section: database\nInstalled-Size: 45336\nArchitecture: {architecture}\n"
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
