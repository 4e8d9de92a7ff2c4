"""Makes the folder that looks like a host's `/` to the probe.

The databases in it are those the estate declares, and only files, folders and symbolic links are
used, so that the same folder comes about on any laptop. Data files are sparse: a TiB takes no
space.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from sandbox.engines.binaries import elf, server
from sandbox.engines.data import write_data
from sandbox.engines.servers import install, process, write_configuration
from sandbox.estate.model import EstateDatabase, EstateHost
from sandbox.host.packages import write_packages
from sandbox.host.proc import root_of, write_proc
from sandbox.host.tree import Tree


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
    running = [db for db in host.databases if db.status == "running"]
    servers = [process(host, db) for db in running]
    pids = write_proc(tree, host, servers)
    pid_of = {
        db.db_id: (pid, root_of(one, pid))
        for db, one, pid in zip(running, servers, pids, strict=True)
    }
    for db in host.databases:
        pid, root = pid_of.get(db.db_id, (0, ""))
        _write_server(tree, host, db, root)
        if db.data_dir:
            application = host.tags.get("Application", "app")
            write_data(tree, db, root + db.data_dir, application, 1 if db.container else pid)
    write_configuration(tree, host)
    write_packages(tree, host)


def _write_server(tree: Tree, host: EstateHost, db: EstateDatabase, root: str) -> None:
    """The executable, and the other names it goes by."""
    one = install(host, db)
    if tree.exists(root + db.binary):
        return
    tree.binary(root + db.binary, server(one, host.architecture))
    folder = root + db.binary.rpartition("/")[0]
    if db.binary.endswith("/mariadbd"):
        tree.link(f"{folder}/mysqld", "mariadbd")
    elif db.engine == "postgresql":
        tree.link(f"{folder}/postmaster", "postgres")
    if root and db.engine == "mysql":
        tree.text(f"{root}/etc/my.cnf", f"[mysqld]\ndatadir={db.data_dir}\nskip-name-resolve\n")
    if root:
        tree.text(f"{root}/etc/os-release", 'ID=debian\nVERSION_ID="12"\n')


def _write_system(tree: Tree, host: EstateHost) -> None:
    os = host.os
    tree.text("/etc/hostname", f"{host.hostname}\n")
    tree.text("/etc/machine-id", hashlib.sha256(host.instance_id.encode()).hexdigest()[:32] + "\n")
    if os.os_release:
        names = {"amazon": "amzn", "suse": "sles"}
        tree.text(
            "/etc/os-release",
            f'PRETTY_NAME="{os.pretty_name}"\nNAME="{os.platform_name}"\n'
            f'VERSION_ID="{os.version}"\nVERSION_CODENAME={os.codename}\n'
            f"ID={names.get(os.family, os.family)}\n",
        )
    else:
        tree.text("/etc/redhat-release", f"{os.pretty_name}\n")
    tree.text("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nmysql:x:27:27::/var/lib/mysql:\n")
    tree.binary("/usr/bin/bash", elf(host.architecture, "GNU bash, version %s (%s)"))
    if os.os_release:
        tree.link("/bin", "usr/bin")
        tree.link("/usr/bin/sh", "bash")
    else:
        tree.binary("/bin/sh", elf(host.architecture, "GNU bash, version %s (%s)"))
    if host.python:
        tree.binary("/usr/bin/python3", elf(host.architecture, "Python %s"))
    for folder in ("/root", "/var/lib"):
        tree.folder(folder)
