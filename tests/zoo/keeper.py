"""Starts the servers of the zoo, asks each what it is, and stops them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.zoo.servers import Server

_BUILD = Path(__file__).parents[2] / "build" / "zoo"
NPM, PYPI = _BUILD / "node_modules", _BUILD / "pypi"

_ENTER = (
    "unshare", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "private", "--net",
    "--mount-proc", "sh", "-ec",
    'ip link set lo up; while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift; '
    'exec "$@"', "sh",
)  # fmt: skip


@dataclass(frozen=True)
class Said:
    """What a server says of itself; `data` as the server sees it, None when it keeps no files."""

    version: str
    port: int
    data: str | None


class Running:
    """One started server. `pid` is its process as this process sees it; `between` are the times, in
    seconds since the epoch, between which it started."""

    def __init__(self, server: Server, zoo: Path) -> None:
        self.server = server
        self.real = zoo / server.name
        self.pid = 0
        self.said: Said | None = None
        self.between = (0.0, 0.0)
        self._process: subprocess.Popen[bytes] | None = None
        home = "/srv" if server.isolated else str(self.real)
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            ports = one.getsockname()[1], two.getsockname()[1]
        self._values = {
            "home": home, "real": str(self.real),
            "npm": str(zoo / "npm"), "pypi": str(zoo / "pypi"),
            "data": f"{home}/{server.link or server.data}",
            "realdata": f"{self.real}/{server.data}",
            "port": str(ports[0]), "other": str(ports[1]), "pid": "self",
        }  # fmt: skip

    def _filled(self, texts: Iterable[str]) -> list[str]:
        return [text.format(**self._values) for text in texts]

    def start(self) -> None:
        """Make its folder, start it, and wait until it tells what it is."""
        server, user = self.server, self.server.user
        data = Path(self._values["realdata"])
        for name, source in server.copies.items():
            shutil.copytree(self._filled([source])[0], self.real / name, symlinks=True)
        data.mkdir(parents=True, exist_ok=True)
        for name in server.binds:
            (self.real / name).mkdir(exist_ok=True)
        for name, text in server.files.items():
            (self.real / name).parent.mkdir(exist_ok=True)
            (self.real / name).write_text(self._filled([text])[0])
        if server.link:
            (self.real / server.link).symlink_to(server.data)
        for path in (self.real, *self.real.rglob("*")):
            shutil.chown(path, user, user)
        data.chmod(0o700)
        environment = {"PATH": os.environ["PATH"]} | dict(
            zip(server.environment, self._filled(server.environment.values()), strict=True)
        )
        drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
        with (self.real / "out").open("wb") as out:
            for preparation in server.prepare:
                made = subprocess.run(
                    [*drop, *self._filled(preparation)],
                    check=False, cwd="/", stdout=out, stderr=out, timeout=120,
                    env=environment | {"TMPDIR": str(self.real)},
                )  # fmt: skip
                assert made.returncode == 0, f"{preparation}\n{self._printed()}"
            command = [*drop, *self._filled(server.start)]
            if server.isolated:
                binds = server.binds or {"": "/srv"}
                pairs = [text for name in binds for text in (f"{self.real}/{name}", binds[name])]
                command = [*_ENTER, *pairs, "--", *command]
            began = time.time()
            self._process = subprocess.Popen(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=environment | {"TMPDIR": self._values["home"]},
            )  # fmt: skip
        self.said = self._wait()
        self.between = (began, time.time())

    def _wait(self) -> Said:
        process = self._process
        assert process
        answer = ""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if process.poll() is not None:
                break
            self.pid = process.pid
            if self.server.isolated:
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
                self.pid = int((children.split() or ["0"])[0])
            self._values["pid"] = str(self.pid or "self")
            asked = subprocess.run(
                self._filled(self.server.ask),
                capture_output=True, text=True, check=False, timeout=20,
            )  # fmt: skip
            answer = asked.stdout + asked.stderr
            said = re.search(self.server.says, asked.stdout, re.DOTALL)
            if said and self.pid:
                found = said.groupdict()
                # Debian writes 1.6.7~rc0 for the release candidate that InfluxDB calls 1.6.7rc0.
                version = found["version"].replace("~", "")
                return Said(version, int(found["port"]), found.get("data"))
            time.sleep(0.2)
        raise AssertionError(
            f"{self.server.name} does not answer: {answer[-1500:]}\n{self._printed()}"
        )

    def _printed(self) -> str:
        return (self.real / "out").read_text(errors="replace")[-1500:]

    def sees(self, path: str) -> os.stat_result:
        """The status of what the server sees at a path."""
        root = f"/proc/{self.pid}/root" if self.server.isolated else ""
        return Path(root + path).stat()

    def stop(self) -> None:
        """Stop it in order and wait; whatever is left of it then is killed."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            if self.pid and process.poll() is None:
                os.kill(
                    self.pid, signal.SIGINT if "postgres" in self.server.user else signal.SIGTERM
                )
            process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()


class Zoo:
    """All servers, in one folder."""

    def __init__(self, folder: Path, servers: Iterable[Server]) -> None:
        self.folder = folder
        self.running = {server.name: Running(server, folder) for server in servers}

    def start(self) -> None:
        """Start all, several at once."""
        self.folder.chmod(0o755)
        if NPM.exists():
            bring_npm(self.folder / "npm")
        if PYPI.exists():
            shutil.copytree(PYPI, self.folder / "pypi")
        with ThreadPoolExecutor(4) as pool:
            started = [pool.submit(one.start) for one in self.running.values()]
        problems = [str(one.exception()) for one in started if one.exception()]
        assert not problems, "\n".join(problems)

    def stop(self, *engines: str) -> None:
        """Stop those of these engines, or all."""
        which = [
            one for one in self.running.values() if not engines or one.server.engine in engines
        ]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(Running.stop, which))


def bring_npm(folder: Path) -> None:
    """Copy npm's packages to where every user can run them, with the links npm cannot pack."""
    shutil.copytree(NPM, folder, symlinks=True)
    for listing in folder.glob("*/native/pg-symlinks.json"):
        package = listing.parents[1]
        for link in json.loads(listing.read_text()):
            target, source = package / link["target"], package / link["source"]
            if not target.exists():
                target.symlink_to(os.path.relpath(source, target.parent))


def missing(servers: Iterable[Server]) -> list[str]:
    """Programs of these servers that are not on this machine."""
    programs = {server.program.format(npm=NPM, pypi=PYPI) for server in servers}
    return sorted(program for program in programs if not Path(program).exists())
