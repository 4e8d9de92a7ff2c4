"""Makes the folder that looks like a host's `/` to the probe.

The databases in it are those the estate declares. Only files, folders and symbolic links are used,
so that the same folder comes about on any laptop. Data files are sparse: a TiB takes no space.
"""

from __future__ import annotations

import hashlib
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from sandbox.engines import ENGINES, EstateDatabase
from sandbox.estate import EstateHost
from sandbox.host.data_files import write_data
from sandbox.host.dpkg import BASE_PACKAGES, Package, removed_package, write_dpkg
from sandbox.host.elf import elf
from sandbox.host.extras import EXTRAS
from sandbox.host.kernel import write_kernel
from sandbox.host.proc import root_of, write_processes
from sandbox.host.process_table import start_processes
from sandbox.host.tree import Tree

_OS_RELEASE_IDS = {"amazon": "amzn", "suse": "sles"}


def build_host(host: EstateHost, folder: Path) -> None:
    """Write `host` into `folder`, which is made if need be and must be empty.

    Raises ValueError for a host that has no such folder: a Windows host, or one whose root is
    the machine's own.
    """
    if host.platform != "Linux" or host.root is not None:
        raise ValueError(f"host {host.name} is not one that a folder can stand for")
    folder.mkdir(parents=True, exist_ok=True)
    if next(folder.iterdir(), None) is not None:
        raise ValueError(f"{folder} is not empty")
    tree = Tree(folder)
    _write_system(tree, host)
    pids = _write_proc(tree, host)
    for db in host.databases:
        pid, root = pids.get(db.db_id, (0, ""))
        _write_server(tree, host, db, root)
        if db.data_dir:
            own_pid = 1 if db.container else pid
            write_data(tree, db, root + db.data_dir, host.application, own_pid)
    _write_configuration(tree, host)
    _write_packages(tree, host)


def _write_proc(tree: Tree, host: EstateHost) -> dict[str, tuple[int, str]]:
    """Write `/proc`. Running database's id -> pid, and where the server's own `/` is."""
    running = [db for db in host.databases if db.status == "running"]
    servers = [ENGINES[db.engine].process(db, host.os) for db in running]
    table, pids = start_processes(host, servers)
    write_processes(tree, host.os, table)
    write_kernel(tree, host, len(table.running))
    return {
        db.db_id: (pid, root_of(server, pid))
        for db, server, pid in zip(running, servers, pids, strict=True)
    }


def _write_server(tree: Tree, host: EstateHost, db: EstateDatabase, root: str) -> None:
    """Write the executable, its other names, and what an image brings along."""
    if tree.exists(root + db.binary):
        return
    engine = ENGINES[db.engine]
    install = engine.installed(db, host.os)
    texts = engine.binary_texts(install, host.architecture)
    tree.binary(root + db.binary, elf(host.architecture, *texts))
    folder, _, name = (root + db.binary).rpartition("/")
    for alias in engine.aliases(db.binary):
        tree.link(f"{folder}/{alias}", name)
    if root:
        for path, content in engine.image_files(db).items():
            tree.text(root + path, content)
        tree.text(f"{root}/etc/os-release", 'ID=debian\nVERSION_ID="12"\n')


def _write_configuration(tree: Tree, host: EstateHost) -> None:
    """Write each file that the host's own servers read."""
    own = sorted((db for db in host.databases if not db.container), key=attrgetter("engine"))
    for name, databases in groupby(own, key=attrgetter("engine")):
        files = ENGINES[name].configuration(list(databases), host.os)
        for path, target in files.links.items():
            tree.link(path, target)
        for path, content in files.texts.items():
            tree.text(path, content)


def _write_packages(tree: Tree, host: EstateHost) -> None:
    """Write the files of what else is installed, and on a Debian host the package database."""
    extras = [package for name in host.runs if (package := EXTRAS[name].package)]
    for package in extras:
        for path in package.files:
            if not tree.exists(path):
                tree.binary(path, elf(host.architecture, package.name, package.version))
    if host.os.is_deb:
        removed = [removed_package(name) for name in host.removed]
        packages = [*BASE_PACKAGES, *extras, *_server_packages(host), *removed]
        write_dpkg(tree, packages, host.deb_architecture)


def _server_packages(host: EstateHost) -> list[Package]:
    packages: dict[str, Package] = {}
    for db in host.databases:
        engine = ENGINES[db.engine]
        install = engine.installed(db, host.os)
        if install.package and not db.container:
            files = engine.packaged_files(db.binary)
            packages[install.package] = Package(install.package, install.package_version, files)
    return list(packages.values())


def _write_system(tree: Tree, host: EstateHost) -> None:
    os = host.os
    tree.text("/etc/hostname", f"{host.hostname}\n")
    tree.text("/etc/machine-id", hashlib.sha256(host.instance_id.encode()).hexdigest()[:32] + "\n")
    tree.text("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nmysql:x:27:27::/var/lib/mysql:\n")
    shell = elf(host.architecture, "GNU bash, version %s (%s)")
    tree.binary("/usr/bin/bash", shell)
    if os.os_release:
        tree.text(
            "/etc/os-release",
            f'PRETTY_NAME="{os.pretty_name}"\nNAME="{os.platform_name}"\n'
            f'VERSION_ID="{os.version}"\nVERSION_CODENAME={os.codename}\n'
            f"ID={_OS_RELEASE_IDS.get(os.family, os.family)}\n",
        )
        tree.link("/bin", "usr/bin")
        tree.link("/usr/bin/sh", "bash")
    else:
        tree.text("/etc/redhat-release", f"{os.pretty_name}\n")
        tree.binary("/bin/sh", shell)
    if host.python:
        tree.binary("/usr/bin/python3", elf(host.architecture, "Python %s"))
    for folder in ("/root", "/var/lib"):
        tree.folder(folder)
