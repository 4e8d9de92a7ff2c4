"""Writes `/proc` of an estate's host: processes, sockets, and what the kernel tells of itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sandbox.estate.model import EstateHost
from sandbox.host.processes import EPHEMERAL, KERNEL_THREADS, Process, base, extras
from sandbox.host.tree import Tree

_FIRST_PID = 311
_HOST_NAMESPACE = 4026531840
_LISTEN, _ESTABLISHED = "0A", "01"


@dataclass(slots=True)
class _Running:
    """A process with what the kernel gave it."""

    process: Process
    pid: int
    parent: int
    sockets: tuple[int, ...] = ()


@dataclass(slots=True)
class _Table:
    """The process table while it is made; pids and inodes are the same in every build."""

    running: list[_Running] = field(default_factory=list)
    next_pid: int = _FIRST_PID
    next_inode: int = 18200

    def start(self, process: Process, parent: int, pid: int = 0) -> int:
        """Add a process and its children; returns its pid."""
        if not pid:
            pid = self.next_pid
            self.next_pid += 7 if process.exe else 1
        sockets = tuple(range(self.next_inode, self.next_inode + len(process.listens)))
        self.next_inode += len(sockets) + 3
        self.running.append(_Running(process, pid, parent, sockets))
        for child in process.children:
            self.start(child, pid)
        return pid


def write_proc(tree: Tree, host: EstateHost, servers: Iterable[Process]) -> list[int]:
    """Write `/proc`; returns the pid of each of `servers`, in order."""
    table = _Table()
    old = host.os.key == "centos-6"
    init = "/sbin/init" if old else "/usr/lib/systemd/systemd"
    table.start(Process((init, "--switched-root", "--system"), init), 0, pid=1)
    table.start(Process(("kthreadd",), None), 0, pid=2)
    for thread in KERNEL_THREADS:
        table.start(thread, 2)
    for process in (*base(host), *extras(host)):
        table.start(process, 1)
    pids = []
    for process in servers:
        parent = 1
        if process.container:
            shim = f"/usr/bin/containerd-shim-runc-v2 -namespace moby -id {process.container}"
            parent = table.start(Process(tuple(shim.split(" ")), shim.partition(" ")[0]), 1)
            address, port = process.listens[0]
            proxy = f"/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port {port + 10000}"
            published = Process(
                tuple(proxy.split(" ")), "/usr/bin/docker-proxy", listens=((address, port + 10000),)
            )
            table.start(published, 1)
        pids.append(table.start(process, parent))
    _write_processes(tree, host, table)
    _write_kernel(tree, host, len(table.running))
    return pids


def root_of(process: Process, pid: int) -> str:
    """Where the process's own `/` is: a container's is seen through `/proc/<pid>/root`."""
    return f"/proc/{pid}/root" if process.container else ""


# --- processes ------------------------------------------------------------------------------------


def _write_processes(tree: Tree, host: EstateHost, table: _Table) -> None:
    networks = {
        container: _network([r for r in table.running if r.process.container == container])
        for container in dict.fromkeys(r.process.container for r in table.running)
    }
    for one in table.running:
        process, folder = one.process, f"/proc/{one.pid}"
        title = process.title
        argv = (title,) if title else process.argv
        tree.text(f"{folder}/cmdline", "\0".join((*argv, "")) if process.exe else "")
        tree.text(f"{folder}/comm", f"{process.comm}\n")
        tree.text(f"{folder}/status", _status(one))
        if process.exe:
            tree.link(f"{folder}/exe", process.exe)
        if process.cwd != "/" or process.serves or one.pid == 1:
            tree.link(f"{folder}/cwd", process.cwd)
        if process.serves or one.pid == 1:
            tree.text(f"{folder}/cgroup", _cgroup(host, process))
            namespace = _HOST_NAMESPACE + (1000 + one.pid if process.container else 0)
            for number, name in enumerate(("mnt", "net")):
                tree.link(f"{folder}/ns/{name}", f"{name}:[{namespace + number}]")
            if not process.container:
                tree.link(f"{folder}/root", "/")
        if process.listens or one.pid == 1:
            v4, v6 = networks[process.container]
            tree.text(f"{folder}/net/tcp", v4)
            tree.text(f"{folder}/net/tcp6", v6)
        if process.serves or process.listens:
            _write_descriptors(tree, f"{folder}/fd", one)


def _write_descriptors(tree: Tree, folder: str, one: _Running) -> None:
    targets = ["/dev/null", "anon_inode:[eventpoll]"]
    targets += [f"socket:[{inode}]" for inode in one.sockets]
    targets += one.process.files
    for number, target in enumerate(targets):
        tree.link(f"{folder}/{number}", target)


def _status(one: _Running) -> str:
    uid = one.process.uid
    state = "S (sleeping)" if one.process.exe else "I (idle)"
    inside = f"{one.pid}\t1" if one.process.container else f"{one.pid}"
    return (
        f"Name:\t{one.process.comm}\nUmask:\t0022\nState:\t{state}\nTgid:\t{one.pid}\nNgid:\t0\n"
        f"Pid:\t{one.pid}\nPPid:\t{one.parent}\nTracerPid:\t0\n"
        f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
        f"FDSize:\t128\nGroups:\t\nNStgid:\t{inside}\nNSpid:\t{inside}\nThreads:\t1\n"
    )


def _cgroup(host: EstateHost, process: Process) -> str:
    modern = host.os.key in ("ubuntu-22.04", "ubuntu-24.04", "debian-11", "debian-12", "rhel-9")
    unit = f"/system.slice/{process.comm}.service" if process.serves else "/init.scope"
    if process.container:
        unit = f"/system.slice/docker-{process.container}.scope"
        if not modern:
            unit = f"/docker/{process.container}"
    if modern:
        return f"0::{unit}\n"
    return f"11:memory:{unit}\n6:cpu,cpuacct:{unit}\n1:name=systemd:{unit}\n"


# --- sockets --------------------------------------------------------------------------------------


def _network(running: Iterable[_Running]) -> tuple[str, str]:
    """The tables `net/tcp` and `net/tcp6` of one network namespace."""
    rows: dict[int, list[str]] = {4: [], 6: []}
    for version, row in _rows(running):
        rows[version].append(f"{len(rows[version]):4d}: {row}")
    head = (
        "  sl  local_address {0} st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    )
    return (
        "".join(f"{line}\n" for line in (head.format("rem_address  ").rstrip("\n"), *rows[4])),
        "".join(
            f"{line}\n"
            for line in (head.format(" " * 24 + "remote_address").rstrip("\n"), *rows[6])
        ),
    )


def _rows(running: Iterable[_Running]) -> Iterator[tuple[int, str]]:
    """Listening sockets, and one connection to each server, which has the same local port."""
    for number, one in enumerate(running):
        uid = one.process.uid
        for (address, port), inode in zip(one.process.listens, one.sockets, strict=True):
            ip = ipaddress.ip_address(address)
            nowhere = ipaddress.ip_address("0.0.0.0" if ip.version == 4 else "::")  # noqa: S104
            yield ip.version, _row(_hex(ip, port), _hex(nowhere, 0), _LISTEN, uid, inode)
            if one.process.serves and ip.version == 4:
                local = ipaddress.ip_address("127.0.0.1") if ip == nowhere else ip
                client = ipaddress.ip_address("10.20.3.4")
                peer = _hex(client, EPHEMERAL + 7 * number)
                yield 4, _row(_hex(local, port), peer, _ESTABLISHED, uid, inode + 90000)


def _row(local: str, remote: str, state: str, uid: int, inode: int) -> str:
    return (
        f"{local} {remote} {state} 00000000:00000000 00:00000000 00000000 {uid:5d}        0"
        f" {inode} 1 0000000000000000 100 0 0 10 0"
    )


def _hex(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> str:
    """As a little-endian kernel prints an address: each 32-bit word reversed."""
    packed = address.packed
    words = (packed[start : start + 4][::-1] for start in range(0, len(packed), 4))
    return f"{b''.join(words).hex().upper()}:{port:04X}"


# --- the kernel -----------------------------------------------------------------------------------


def _write_kernel(tree: Tree, host: EstateHost, processes: int) -> None:
    kib = host.memory_mb * 1024
    tree.text(
        "/proc/meminfo",
        f"MemTotal:       {kib:8d} kB\nMemFree:        {kib // 9:8d} kB\n"
        f"MemAvailable:   {kib // 3:8d} kB\nBuffers:        {kib // 64:8d} kB\n"
        f"Cached:         {kib // 4:8d} kB\nSwapTotal:             0 kB\n",
    )
    arm = host.architecture == "aarch64"
    about = "BogoMIPS\t: 243.75\nCPU part\t: 0xd0c\n" if arm else "cpu MHz\t\t: 2899.998\n"
    tree.text(
        "/proc/cpuinfo",
        "".join(f"processor\t: {number}\n{about}\n" for number in range(host.cpu_cores)),
    )
    tree.text("/proc/version", f"Linux version {host.kernel} (gcc {host.os.gcc}) #1 SMP\n")
    tree.text("/proc/uptime", "4127712.23 8013441.90\n")
    tree.text("/proc/loadavg", f"0.31 0.28 0.25 1/{processes * 3} 41277\n")
    tree.text("/proc/sys/kernel/osrelease", f"{host.kernel}\n")
    tree.text("/proc/sys/kernel/hostname", f"{host.hostname}\n")
    if tuple(map(int, host.kernel.split("-")[0].split(".")[:2])) >= (6, 1):
        tree.text("/proc/sys/kernel/arch", f"{host.architecture}\n")
    mounts = "/dev/nvme0n1p1 / ext4 rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec 0 0\n"
    volumes = {
        "/" + db.data_dir.split("/")[1]
        for db in host.databases
        if db.data_dir and not db.data_dir.startswith(("/var", "/opt")) and not db.container
    }
    for number, volume in enumerate(sorted(volumes), 1):
        mounts += f"/dev/nvme{number}n1 {volume} xfs rw,noatime,attr2 0 0\n"
    tree.text("/proc/mounts", mounts)
    tree.text("/proc/1/mounts", mounts)
