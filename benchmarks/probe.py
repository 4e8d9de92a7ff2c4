"""What the probe costs on hosts with many processes, beside a bare walk of /proc in the same run.

usage: python benchmarks/probe.py [--ansible COMMAND] [processes ...]    (default: 100 1000 10000)

Prints CPU time and peak memory of the probe and of a Python that only reads each process's
executable link, and their ratios. A ratio holds on any machine; a time holds on this one.
Then the same on this very host, with processes added up to 100, beside Ansible's modules `setup`,
`service_facts` and `package_facts` together. Ansible is no dependency: it is the `ansible` on PATH
or the one that --ansible names, and without it the line says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.hostfolder import ANY_ADDRESS, PROBE, STARTER, HostFolder  # noqa: E402

RUNS = 9

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


def costs(jobs: dict[str, tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """(CPU seconds, peak MiB) of each code with its arguments, in a process of its own: the medians
    of several rounds, for a machine may be slower in one minute than in the next."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    memory: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(RUNS):
        for name, (code, arguments) in jobs.items():
            command = [sys.executable, "-I", "-S", "-c", STARTER, "-c", code, *arguments.split()]
            ran = subprocess.run(  # noqa: S603
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
            )
            cpu, mebibytes = ran.stderr.split()
            seconds[name].append(float(cpu))
            memory[name].append(float(mebibytes))
    return {name: (median(seconds[name]), median(memory[name])) for name in jobs}


FACTS = ("setup", "service_facts", "package_facts")


def ansible_cost(ansible: str) -> tuple[float, float]:
    """(CPU seconds, peak MiB of the largest process) of the three modules on this host."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "PATH": f"{Path(ansible).parent}:{os.environ['PATH']}", "HOME": home,
            "LC_ALL": "C.UTF-8", "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
            "ANSIBLE_LOCALHOST_WARNING": "False",
        }  # fmt: skip
        seconds = []
        for _ in range(3):
            before = getrusage(RUSAGE_CHILDREN)
            for module in FACTS:
                command = [ansible, "localhost", "--connection=local", "-m", module]
                subprocess.run(  # noqa: S603
                    command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    env=environment, check=True,
                )  # fmt: skip
            after = getrusage(RUSAGE_CHILDREN)
            seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return median(seconds), after.ru_maxrss / 1024


def show(processes: int, found: dict[str, tuple[float, float]]) -> None:
    """One line each, and the probe's ratio to each other one."""
    probe = found["probe"]
    for label, (seconds, memory) in found.items():
        ratio = "" if label == "probe" else f"   probe: {probe[0] / seconds:.2f} of its CPU"
        print(f"{processes:>9}  {label:16}{seconds:8.3f}{memory:10.1f}{ratio}")  # noqa: T201


def on_folders(counts: list[int]) -> None:
    """The probe on folders that look like hosts."""
    for processes in counts:
        with tempfile.TemporaryDirectory() as name:
            host_with(processes, Path(name))
            probe = (PROBE.read_text(), f"--root {name}")
            found = costs({"probe": probe, "walk of /proc": (WALK, f"{name}/proc")})
        show(processes, found)


def on_this_host(ansible: str | None) -> None:
    """The probe on `/`, with processes added until there are 100."""
    with ExitStack() as stack:
        sleeping = 100 - sum(name.isdigit() for name in os.listdir("/proc"))  # noqa: PTH208
        for _ in range(sleeping):
            process = subprocess.Popen(["/bin/sleep", "600"])
            stack.callback(process.wait)
            stack.callback(process.kill)
        processes = sum(name.isdigit() for name in os.listdir("/proc"))  # noqa: PTH208
        jobs = {"probe": (PROBE.read_text(), ""), "walk of /proc": (WALK, "/proc")}
        found = costs({**jobs, "Python start-up": ("", "")})
        if ansible:
            found["Ansible"] = ansible_cost(ansible)
        show(processes, found)
        if not ansible:
            print(f"{processes:>9}  Ansible: not installed")  # noqa: T201


def main() -> None:
    """Measure and print."""
    arguments = sys.argv[1:]
    ansible = shutil.which("ansible")
    if arguments[:1] == ["--ansible"]:
        ansible = shutil.which(arguments[1])
        del arguments[:2]
    print(f"{'processes':>9}  {'':16}{'CPU s':>8}{'peak MiB':>10}")  # noqa: T201
    on_folders([int(count) for count in arguments or ("100", "1000", "10000")])
    print("this host:")  # noqa: T201
    on_this_host(ansible)


if __name__ == "__main__":
    main()
