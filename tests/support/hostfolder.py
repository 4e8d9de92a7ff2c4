"""Builds folders that look like a host's `/` to the probe, and runs the probe on them."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

PROBE = Path(__file__).parents[2] / "ssm" / "discovery_python.py"


@dataclass
class Ran:
    """How one run of the probe went. `pid` is its process's."""

    code: int
    stdout: str
    stderr: str
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def databases(self) -> dict[str, dict[str, Any]]:
        """db_id -> record."""
        return {record["db_id"]: record for record in self.report["databases"]}

    @property
    def warnings(self) -> str:
        """All warnings as one text."""
        return "\n".join(self.report["warnings"])


def run_probe(
    *arguments: str | Path,
    python: str = sys.executable,
    user: int | None = None,
    timeout: float = 60,
) -> Ran:
    """Run the probe as a host would, and check what holds for every report."""
    finished = subprocess.run(
        [python, "-I", "-S", str(PROBE), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        user=user,
        extra_groups=None if user is None else [],
        check=False,
    )
    ran = Ran(finished.returncode, finished.stdout, finished.stderr)
    return ran if {"--pretty", "--help"} & set(arguments) else checked(ran)


# What a process is charged with begins at its starter's size: the probe gets a small starter.
STARTER = """
import os, sys
child = os.fork()
if not child:
    os.execv(sys.executable, [sys.executable, "-I", "-S"] + sys.argv[1:])
_, status, usage = os.wait4(child, 0)
sys.stderr.write("%f %d" % (usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024))
sys.exit(1 if status else 0)
"""


def measured(host: HostFolder, seconds: float = 10) -> tuple[Ran, float, int]:
    """A run with this time limit that ends well, its CPU seconds, and its peak memory in MiB."""
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-c", STARTER, str(PROBE), "--root", str(host.path),
         "--max-seconds", str(seconds)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    cpu, mebibytes = finished.stderr.split()
    return checked(Ran(0, finished.stdout, "")), float(cpu), int(mebibytes)


def checked(ran: Ran) -> Ran:
    """The same run with its report, after checking what holds for every report."""
    if ran.code == 0:
        assert ran.stdout.count("\n") == 1
        assert ran.stdout.isascii()
        ran.report = unpacked(ran.stdout)
        assert ran.report["schema"] == 1
        assert list(ran.report)[-2:] == ["count", "end"]
        assert ran.report["count"] == len(ran.report["databases"]) == len(ran.databases)
    return ran


def unpacked(line: str) -> dict[str, Any]:
    """The report in a line, whether it is plain or packed."""
    report: dict[str, Any] = json.loads(line)
    if "packed" in report:
        whole: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(report["packed"])))
        assert whole["count"] == report["count"]
        return whole
    return report


def module(name: str) -> ModuleType:
    """A file of the `ssm` folder as a module."""
    spec = importlib.util.spec_from_file_location(name, PROBE.parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class HostFolder:
    """A folder as a host's `/`; paths are absolute as on that host."""

    def __init__(self, path: Path, os_name: str = "Ubuntu 22.04.4 LTS") -> None:
        self.path = path
        self._sockets = 70000
        self.text("/etc/os-release", f'NAME="x"\nPRETTY_NAME="{os_name}"\n')
        self.text("/proc/sys/kernel/osrelease", "5.15.0-1052-aws\n")
        self.text("/proc/sys/kernel/hostname", "ip-10-0-1-17\n")
        self.text("/proc/sys/kernel/arch", "x86_64\n")
        self.text("/proc/meminfo", "MemTotal:        4194304 kB\nMemFree: 1 kB\n")
        self.text("/proc/cpuinfo", "processor\t: 0\n\nprocessor\t: 1\n")
        self.text("/proc/mounts", "/dev/root / ext4 rw 0 0\nproc /proc proc rw 0 0\n")
        self.process(1, "/usr/lib/systemd/systemd", "/sbin/init", parent=0)

    def real(self, path: str) -> Path:
        """Where a path of the host is in truth; its folder is made."""
        full = self.path / path.lstrip("/")
        full.parent.mkdir(parents=True, exist_ok=True)
        return full

    def text(self, path: str, content: str | bytes) -> None:
        """A file with this content."""
        self.real(path).write_bytes(content.encode() if isinstance(content, str) else content)

    def sparse(self, path: str, size: int) -> None:
        """A file of this apparent size."""
        with self.real(path).open("wb") as file:
            file.truncate(size)

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self.real(path).symlink_to(target)

    def binary(self, path: str, *texts: str) -> None:
        """An executable that carries these texts, each between NUL bytes."""
        body = b"\x7fELF" + bytes(300) + b"\0".join(text.encode() for text in ("", *texts, ""))
        self.text(path, body)
        self.real(path).chmod(0o755)

    def mysqld(self, path: str = "/usr/sbin/mysqld", version: str = "8.0.35") -> None:
        """MySQL's server, with the texts that tell its version and with others."""
        line = ".".join(version.split(".")[:2])
        texts = ("5.7.99", f"mysqld-{line}", version, "MySQL Community Server - GPL", "1.2.13")
        self.binary(path, *texts)

    def redis(self, path: str, version: str, mark: str = "redis_version:") -> None:
        """A server of Redis's family, with its build id and with other numbers: of its commands, of
        libraries and of a compiler."""
        build_id = f"{version}ip-10-0-1-17-1700000000000000000"
        self.binary(path, mark, "2.8.13", version, "%s ver.", "2.1.0", "14.2.1", build_id)

    def package(self, name: str, version: str, *files: str) -> None:
        """A Debian package that is installed and owns these files."""
        self.text(f"/var/lib/dpkg/info/{name}.list", "/.\n" + "".join(f"{f}\n" for f in files))
        status = self.real("/var/lib/dpkg/status")
        entry = (
            f"Package: {name}\nStatus: install ok installed\nPriority: optional\n"
            f"Version: {version}\nDescription: x\n more\n\n"
        )
        status.write_text((status.read_text() if status.exists() else "") + entry)

    def process(
        self,
        pid: int,
        exe: str | None,
        *arguments: str,
        parent: int = 1,
        cwd: str = "/",
        listens: tuple[tuple[str, int], ...] = (),
        files: tuple[str, ...] = (),
        cgroup: str = "0::/system.slice/x.service\n",
        comm: str | None = None,
    ) -> None:
        """One process. `listens` are (hexadecimal address, port)."""
        folder = f"/proc/{pid}"
        if exe is not None:
            self.link(f"{folder}/exe", exe)
        self.link(f"{folder}/cwd", cwd)
        argv = arguments or ((exe,) if exe else ())
        self.text(f"{folder}/cmdline", "".join(f"{argument}\0" for argument in argv))
        name = comm or (exe or "kthread").rpartition("/")[2][:15]
        self.text(f"{folder}/comm", name + "\n")
        self.text(f"{folder}/status", f"Name:\t{name}\nPid:\t{pid}\nPPid:\t{parent}\n")
        self.text(f"{folder}/cgroup", cgroup)
        header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid\n"
        tables = {"tcp": header, "tcp6": header}
        self.real(f"{folder}/fd/0").parent.mkdir(exist_ok=True)
        for number, path in enumerate(files, 10):
            self.link(f"{folder}/fd/{number}", path)
        for number, (address, port) in enumerate(listens, 100):
            self._sockets += 1
            self.link(f"{folder}/fd/{number}", f"socket:[{self._sockets}]")
            remote = "0" * len(address)
            tables["tcp" if len(address) == 8 else "tcp6"] += (
                f"   0: {address}:{port:04X} {remote}:0000 0A 00000000:00000000 00:00000000 "
                f"00000000   112        0 {self._sockets} 1 0000000000000000 100 0 0 10 0\n"
            )
        for name, rows in tables.items():
            self.text(f"{folder}/net/{name}", rows)

    def probe(self, *arguments: str, **options: Any) -> Ran:
        """Run the probe on this folder."""
        return run_probe("--root", self.path, *arguments, **options)


ANY_ADDRESS = "00000000"
LOOPBACK = "0100007F" if sys.byteorder == "little" else "7F000001"


def pythons() -> list[str]:
    """The interpreters to test with: PROBE_PYTHONS, pyenv's, those on PATH, and this one."""
    named = os.environ.get("PROBE_PYTHONS", "").split()
    if not named:
        named = sorted(map(str, Path.home().glob(".pyenv/versions/3.*/bin/python3")))
        versions = [shutil.which(f"python3.{minor}") for minor in range(6, 14)]
        named += [path for path in versions if path]
    found: dict[str, str] = {"%d.%d" % sys.version_info[:2]: sys.executable}  # noqa: UP031
    for path in named:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        asked = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
        if asked.returncode == 0 and (3, 6) <= tuple(map(int, asked.stdout.split("."))) < (3, 14):
            found.setdefault(asked.stdout.strip(), path)
    return list(found.values())
