"""What the kernel tells of a host in `/proc`: memory, processors, release, mounts."""

from __future__ import annotations

from sandbox.estate import EstateHost
from sandbox.host.tree import Tree


def write_kernel(tree: Tree, host: EstateHost, processes: int) -> None:
    """Write the files. `processes` is how many run."""
    kib = host.memory_mb * 1024
    tree.text(
        "/proc/meminfo",
        f"MemTotal:       {kib:8d} kB\nMemFree:        {kib // 9:8d} kB\n"
        f"MemAvailable:   {kib // 3:8d} kB\nBuffers:        {kib // 64:8d} kB\n"
        f"Cached:         {kib // 4:8d} kB\nSwapTotal:             0 kB\n",
    )
    is_arm = host.architecture == "aarch64"
    model = "BogoMIPS\t: 243.75\nCPU part\t: 0xd0c\n" if is_arm else "cpu MHz\t\t: 2899.998\n"
    tree.text(
        "/proc/cpuinfo",
        "".join(f"processor\t: {number}\n{model}\n" for number in range(host.cpu_cores)),
    )
    tree.text("/proc/version", f"Linux version {host.kernel} (gcc {host.os.gcc}) #1 SMP\n")
    tree.text("/proc/uptime", "4127712.23 8013441.90\n")
    tree.text("/proc/loadavg", f"0.31 0.28 0.25 1/{processes * 3} 41277\n")
    tree.text("/proc/sys/kernel/osrelease", f"{host.kernel}\n")
    tree.text("/proc/sys/kernel/hostname", f"{host.hostname}\n")
    if tuple(map(int, host.kernel.split("-")[0].split(".")[:2])) >= (6, 1):
        tree.text("/proc/sys/kernel/arch", f"{host.architecture}\n")
    mounts = _mounts(host)
    tree.text("/proc/mounts", mounts)
    tree.text("/proc/1/mounts", mounts)


def _mounts(host: EstateHost) -> str:
    """Data directories outside /var and /opt are on volumes of their own."""
    volumes = {
        "/" + db.data_dir.split("/")[1]
        for db in host.databases
        if db.data_dir and not db.data_dir.startswith(("/var", "/opt")) and not db.container
    }
    mounts = "/dev/nvme0n1p1 / ext4 rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec 0 0\n"
    for number, volume in enumerate(sorted(volumes), 1):
        mounts += f"/dev/nvme{number}n1 {volume} xfs rw,noatime,attr2 0 0\n"
    return mounts
