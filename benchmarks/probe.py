"""What the probe costs on hosts with many processes, beside a bare walk of /proc in the same run.

usage: python benchmarks/probe.py [processes ...]      (default: 300 1000)

Prints CPU time and peak memory of the probe and of a Python that only reads each process's
executable link, and their ratios. A ratio holds on any machine; a time holds on this one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.probe.hostfolder import ANY_ADDRESS, PROBE, HostFolder  # noqa: E402

RUNS = 7

WALK = """
import os, sys
proc = sys.argv[1]
for name in os.listdir(proc):
    if name.isdigit():
        try:
            os.readlink(proc + "/" + name + "/exe")
        except OSError:
            pass
"""


def host_with(processes: int, folder: Path) -> None:
    """A host with that many processes, two of them database servers with data."""
    host = HostFolder(folder)
    host.mysqld()
    host.package("mysql-server-core-8.0", "8.0.35-0ubuntu0.22.04.1", "/usr/sbin/mysqld")
    host.binary("/usr/lib/postgresql/15/bin/postgres", "postgres (PostgreSQL) 15.4")
    for number in range(500):
        host.sparse(f"/var/lib/mysql/orders/t{number}.ibd", 2**20)
        host.sparse(f"/srv/pg/base/16384/{number}", 2**20)
    host.sparse("/var/lib/mysql/ibdata1", 2**20)
    host.text("/srv/pg/PG_VERSION", "15\n")
    mysql = ((ANY_ADDRESS, 3306),)
    host.process(100, "/usr/sbin/mysqld", cwd="/var/lib/mysql", listens=mysql)
    postgres = "/usr/lib/postgresql/15/bin/postgres"
    listens = ((ANY_ADDRESS, 5432),)
    host.process(101, postgres, "postgres", "-D", "/srv/pg", cwd="/srv/pg", listens=listens)
    for pid in range(102, 100 + processes // 10):
        host.process(pid, postgres, "postgres: app app idle", parent=101, cwd="/srv/pg")
    for pid in range(100 + processes // 10, 100 + processes):
        host.process(pid, "/usr/sbin/nginx")


MEMORY = """
import sys
code = sys.argv.pop(1)
sys.argv[0] = "probe"
try:
    exec(compile(code, "probe", "exec"), {"__name__": "__main__"})
except SystemExit:
    pass
with open("/proc/self/status") as status:
    sys.stderr.write(status.read().partition("VmHWM:")[2].split()[0])
"""


def cost(code: str, argument: str) -> tuple[float, float]:
    """(CPU seconds, peak MiB) of this code in a process of its own: the median of several runs."""
    seconds, memory = [], []
    arguments = argument.split()
    for _ in range(RUNS):
        before = getrusage(RUSAGE_CHILDREN)
        command = [sys.executable, "-I", "-S", "-c", code, *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603
        after = getrusage(RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        command[4:5] = [MEMORY, code]
        said = subprocess.run(  # noqa: S603
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
        )
        memory.append(int(said.stderr) / 1024)
    return median(seconds), median(memory)


def main() -> None:
    """Measure and print."""
    print(f"{'processes':>9}  {'':12}{'CPU s':>8}{'peak MiB':>10}")  # noqa: T201
    for processes in map(int, sys.argv[1:] or ("300", "1000")):
        with tempfile.TemporaryDirectory() as name:
            host_with(processes, Path(name))
            probe = cost(PROBE.read_text(), f"--root {name}")
            walk = cost(WALK, f"{name}/proc")
        for label, (seconds, memory) in (("probe", probe), ("walk of /proc", walk)):
            print(f"{processes:>9}  {label:13}{seconds:7.3f}{memory:10.1f}")  # noqa: T201
        ratios = probe[0] / walk[0], probe[1] / walk[1]
        print(f"{processes:>9}  {'ratio':13}{ratios[0]:7.1f}{ratios[1]:10.1f}")  # noqa: T201


if __name__ == "__main__":
    main()
