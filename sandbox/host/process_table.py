"""The process table of a host: which processes run, with the pids and inodes they were given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sandbox.engines import Process, kernel_thread
from sandbox.estate import EstateHost
from sandbox.host.extras import EXTRAS
from sandbox.host.processes import KERNEL_THREADS, base_processes, init_process

_FIRST_PID = 311


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A process with what the kernel gave it: `sockets` are the inodes of what it listens on."""

    process: Process
    pid: int
    parent: int
    sockets: tuple[int, ...] = ()


@dataclass(slots=True)
class ProcessTable:
    """The table while it is filled. Pids and inodes are the same in every build."""

    running: list[RunningProcess] = field(default_factory=list)
    next_pid: int = _FIRST_PID
    next_inode: int = 18200

    def start(self, process: Process, parent: int, pid: int = 0) -> int:
        """Add a process and its children; returns its pid."""
        if not pid:
            pid = self.next_pid
            self.next_pid += 7 if process.exe else 1
        sockets = tuple(range(self.next_inode, self.next_inode + len(process.listens)))
        self.next_inode += len(sockets) + 3
        self.running.append(RunningProcess(process, pid, parent, sockets))
        for child in process.children:
            self.start(child, pid)
        return pid


def start_processes(host: EstateHost, servers: Iterable[Process]) -> tuple[ProcessTable, list[int]]:
    """The table of all that runs on `host`, and the pid of each of `servers`, in order."""
    table = ProcessTable()
    table.start(init_process(host.os), 0, pid=1)
    table.start(kernel_thread("kthreadd"), 0, pid=2)
    for thread in KERNEL_THREADS:
        table.start(thread, 2)
    for process in base_processes(host.os):
        table.start(process, 1)
    for name in host.runs:
        for process in EXTRAS[name].processes_for(host.application):
            table.start(process, 1)
    return table, [table.start(server, _parent(table, server)) for server in servers]


def _parent(table: ProcessTable, server: Process) -> int:
    """The first process, or in Docker's case a shim; a published port has a proxy besides."""
    if not server.container:
        return 1
    shim = f"/usr/bin/containerd-shim-runc-v2 -namespace moby -id {server.container}"
    parent = table.start(Process(tuple(shim.split(" ")), shim.partition(" ")[0]), 1)
    address, port = server.listens[0]
    proxy = f"/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port {port + 10000}"
    published = Process(
        tuple(proxy.split(" ")), "/usr/bin/docker-proxy", listens=((address, port + 10000),)
    )
    table.start(published, 1)
    return parent
