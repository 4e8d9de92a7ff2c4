"""Host folders: what is in them is what a Linux host has, they are small, and they are sparse."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.engines import EstateDatabase
from sandbox.estate import Estate
from sandbox.host import build_host
from tests.support.hosts import host_named


def everything(folder: Path) -> Iterator[Path]:
    """Each file and link below `folder`, links not followed."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() or not path.is_dir():
                yield path


def listing(folder: Path) -> dict[str, tuple[str, int, bytes]]:
    """Path -> (link target, apparent size, start of the content)."""
    found = {}
    for path in everything(folder):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = (str(path.readlink()), 0, b"")
        else:
            with path.open("rb") as file:
                found[name] = ("", path.stat().st_size, file.read(4096))
    return found


def pid_of(folder: Path, binary: str) -> str:
    """The first process whose executable is `binary`."""
    pids = sorted(int(path.name) for path in (folder / "proc").iterdir() if path.name.isdigit())
    links = ((str(pid), folder / "proc" / str(pid) / "exe") for pid in pids)
    return next(pid for pid, exe in links if exe.is_symlink() and str(exe.readlink()) == binary)


def places(folder: Path, db: EstateDatabase) -> list[Path]:
    """Where the data directory can be: on the host, or in a container's own root."""
    assert db.data_dir
    if not db.container:
        return [folder / db.data_dir[1:]]
    return [root / db.data_dir[1:] for root in (folder / "proc").glob("*/root") if root.is_dir()]


def test_data_directories_add_up_to_the_declared_size(
    estate: Estate, folders: Mapping[str, Path]
) -> None:
    """The apparent sizes of a data directory's files are, to the byte, what the estate declares."""
    for host in estate.hosts():
        for db in host.databases if host.platform == "Linux" else ():
            if db.data_dir is None:
                continue
            found = [place for place in places(folders[host.name], db) if place.is_dir()]
            total = sum(path.stat().st_size for path in everything(found[0]))
            assert total == db.size_bytes, (host.name, db.db_id)


def test_a_stopped_server_without_data_has_no_data_directory(
    estate: Estate, folders: Mapping[str, Path]
) -> None:
    """Where the estate says that no data directory exists, none does."""
    folder = folders["stg-upgrade-lab-1"]
    mysql = next(
        db for db in host_named(estate, "stg-upgrade-lab-1").databases if db.engine == "mysql"
    )
    assert mysql.data_dir is None and mysql.size_mb == 0
    assert (folder / "usr/sbin/mysqld").is_file()
    assert not (folder / "var/lib/mysql").exists()


def test_tebibytes_take_no_space(folders: Mapping[str, Path]) -> None:
    """The whole estate, tens of TiB of it, takes less than 100 MB of disk."""
    blocks = sum(
        path.lstat().st_blocks for folder in folders.values() for path in everything(folder)
    )
    assert blocks * 512 < 100_000_000


def test_folders_are_small(folders: Mapping[str, Path]) -> None:
    """260 files and links on a host at most and 160 on average: all are made in a second."""
    counts = [sum(1 for _ in everything(folder)) for folder in folders.values()]
    assert max(counts) <= 260
    assert sum(counts) / len(counts) <= 160


def test_building_twice_gives_the_same_folder(estate: Estate, tmp_path: Path) -> None:
    """Nothing in a folder depends on time, chance, or the order of a set."""
    host = host_named(estate, "shop-multi-1")
    build_host(host, tmp_path / "a")
    build_host(host, tmp_path / "b")
    assert listing(tmp_path / "a") == listing(tmp_path / "b")


def test_only_what_every_system_has_is_used(folders: Mapping[str, Path]) -> None:
    """Files, folders and links only, and no two names that differ in case alone."""
    for folder in folders.values():
        for parent, children, files in os.walk(folder):
            names = [name.lower() for name in (*children, *files)]
            assert len(set(names)) == len(names), parent
            assert all(
                path.is_symlink() or path.is_file() for path in (Path(parent, f) for f in files)
            )


def test_a_process_has_what_proc_shows_of_it(folders: Mapping[str, Path]) -> None:
    """A server's command line, name, owner, folder and workers are where `/proc` has them."""
    folder = folders["catalog-db-1"]
    binary = "/usr/lib/postgresql/15/bin/postgres"
    proc = folder / "proc" / pid_of(folder, binary)
    assert (proc / "comm").read_text() == "postgres\n"
    argv = (proc / "cmdline").read_bytes().split(b"\0")
    assert argv[:3] == [binary.encode(), b"-D", b"/var/lib/postgresql/15/main"]
    assert "Uid:\t116\t116\t116\t116" in (proc / "status").read_text()
    assert str((proc / "cwd").readlink()) == "/var/lib/postgresql/15/main"
    children = [
        status
        for status in (folder / "proc").glob("*/status")
        if f"PPid:\t{proc.name}\n" in status.read_text()
    ]
    assert len(children) == 3


def test_sockets_are_in_the_tables_of_the_kernel(folders: Mapping[str, Path]) -> None:
    """The inode of an open socket leads to its row: little-endian address, port, listening."""
    folder = folders["wiki-1"]
    proc = folder / "proc" / pid_of(folder, "/usr/lib/postgresql/12/bin/postgres")
    inodes = [
        str(link.readlink())[8:-1]
        for link in (proc / "fd").iterdir()
        if str(link.readlink()).startswith("socket:")
    ]
    rows = [line.split() for line in (proc / "net/tcp").read_text().splitlines()[1:]]
    mine = [row for row in rows if row[9] in inodes]
    assert [(row[1], row[3]) for row in mine] == [("0100007F:1538", "0A")]
    assert any(row[1] == "0100007F:1538" and row[3] == "01" for row in rows)


def test_a_container_is_seen_through_its_process(
    estate: Estate, folders: Mapping[str, Path]
) -> None:
    """Its files are below the process's root, its sockets in tables of its own."""
    folder = folders["notebooks-1"]
    db = next(db for db in host_named(estate, "notebooks-1").databases if db.engine == "postgresql")
    proc = folder / "proc" / pid_of(folder, db.binary)
    assert f"docker-{db.container}.scope" in (proc / "cgroup").read_text()
    assert (proc / "root/var/lib/postgresql/data/PG_VERSION").read_text() == "16\n"
    assert not (folder / "var/lib/postgresql").exists()
    assert (proc / "ns/mnt").readlink() != (folder / "proc/1/ns/mnt").readlink()
    assert ":1538 " in (proc / "net/tcp6").read_text()
    assert ":1538 " not in (folder / "proc/1/net/tcp6").read_text()


def test_decoys_are_there(folders: Mapping[str, Path]) -> None:
    """Things that look like a server and are none: wrapper, exporter, client, removed package."""
    comms = {
        name: {comm.read_text().strip() for comm in (folder / "proc").glob("*/comm")}
        for name, folder in folders.items()
    }
    assert "mysqld_safe" in comms["fleet-db-1"]
    assert {"mysqld_exporter", "postgres_export"} <= comms["monitoring-1"]
    assert "mysql" in comms["shop-web-1"]
    assert "talliesd" in comms["search-index-1"]
    dpkg = (folders["shop-multi-1"] / "var/lib/dpkg/status").read_text()
    assert "Package: mysql-server-core-5.7\nStatus: deinstall ok config-files\n" in dpkg


def test_the_legacy_host_has_neither_python_nor_os_release(folders: Mapping[str, Path]) -> None:
    """It is as old as its label says."""
    folder = folders["payments-legacy-1"]
    assert not (folder / "usr/bin/python3").exists()
    assert not (folder / "etc/os-release").exists()
    assert "CentOS" in (folder / "etc/redhat-release").read_text()


def test_a_folder_that_cannot_stand_for_a_host_is_refused(estate: Estate, tmp_path: Path) -> None:
    """Windows hosts and the real machine have no folder, and nothing is written over."""
    windows = next(host for host in estate.hosts() if host.platform == "Windows")
    linux = host_named(estate, "wiki-1")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    for host, name in ((windows, "w"), (replace(linux, root="/"), "r"), (linux, "full")):
        with pytest.raises(ValueError, match=r"folder|empty"):
            build_host(host, tmp_path / name)
    assert (tmp_path / "full/file").read_text() == "mine"
