"""Writes `/proc/<pid>` of each process of a host."""

from __future__ import annotations

from sandbox.engines import Process
from sandbox.host.process_table import ProcessTable, RunningProcess
from sandbox.host.sockets import socket_tables
from sandbox.host.tree import Tree
from sandbox.platforms import Platform

_HOST_NAMESPACE = 4026531840
_UNIFIED_CGROUPS = ("ubuntu-22.04", "ubuntu-24.04", "debian-11", "debian-12", "rhel-9")
"""Keys of the platforms with one cgroup hierarchy (version 2)."""


def write_processes(tree: Tree, os: Platform, table: ProcessTable) -> None:
    """Write a folder for each process of `table`."""
    containers = dict.fromkeys(running.process.container for running in table.running)
    networks = {
        container: socket_tables(
            [running for running in table.running if running.process.container == container]
        )
        for container in containers
    }
    for running in table.running:
        process, folder = running.process, f"/proc/{running.pid}"
        is_init = running.pid == 1
        _write_identity(tree, folder, running)
        if process.cwd != "/" or process.serves or is_init:
            tree.link(f"{folder}/cwd", process.cwd)
        if process.serves or is_init:
            _write_isolation(tree, folder, running, os)
        if process.listens or is_init:
            tcp, tcp6 = networks[process.container]
            tree.text(f"{folder}/net/tcp", tcp)
            tree.text(f"{folder}/net/tcp6", tcp6)
        if process.serves or process.listens:
            _write_descriptors(tree, f"{folder}/fd", running)


def root_of(process: Process, pid: int) -> str:
    """Where the process's own `/` is: a container's is seen through `/proc/<pid>/root`."""
    return f"/proc/{pid}/root" if process.container else ""


def _write_identity(tree: Tree, folder: str, running: RunningProcess) -> None:
    process = running.process
    argv = (process.title,) if process.title else process.argv
    tree.text(f"{folder}/cmdline", "\0".join((*argv, "")) if process.exe else "")
    tree.text(f"{folder}/comm", f"{process.comm}\n")
    tree.text(f"{folder}/status", _status(running))
    if process.exe:
        tree.link(f"{folder}/exe", process.exe)


def _write_isolation(tree: Tree, folder: str, running: RunningProcess, os: Platform) -> None:
    process = running.process
    tree.text(f"{folder}/cgroup", _cgroup(os, process))
    namespace = _HOST_NAMESPACE + (1000 + running.pid if process.container else 0)
    for number, name in enumerate(("mnt", "net")):
        tree.link(f"{folder}/ns/{name}", f"{name}:[{namespace + number}]")
    if not process.container:
        tree.link(f"{folder}/root", "/")


def _write_descriptors(tree: Tree, folder: str, running: RunningProcess) -> None:
    targets = ["/dev/null", "anon_inode:[eventpoll]"]
    targets += [f"socket:[{inode}]" for inode in running.sockets]
    targets += running.process.files
    for number, target in enumerate(targets):
        tree.link(f"{folder}/{number}", target)


def _status(running: RunningProcess) -> str:
    process, pid = running.process, running.pid
    uid = process.uid
    state = "S (sleeping)" if process.exe else "I (idle)"
    pids = f"{pid}\t1" if process.container else f"{pid}"
    return (
        f"Name:\t{process.comm}\nUmask:\t0022\nState:\t{state}\nTgid:\t{pid}\nNgid:\t0\n"
        f"Pid:\t{pid}\nPPid:\t{running.parent}\nTracerPid:\t0\n"
        f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
        f"FDSize:\t128\nGroups:\t\nNStgid:\t{pids}\nNSpid:\t{pids}\nThreads:\t1\n"
    )


def _cgroup(os: Platform, process: Process) -> str:
    is_unified = os.key in _UNIFIED_CGROUPS
    unit = f"/system.slice/{process.comm}.service" if process.serves else "/init.scope"
    if process.container:
        unit = f"/docker/{process.container}"
        if is_unified:
            unit = f"/system.slice/docker-{process.container}.scope"
    if is_unified:
        return f"0::{unit}\n"
    return f"11:memory:{unit}\n6:cpu,cpuacct:{unit}\n1:name=systemd:{unit}\n"
