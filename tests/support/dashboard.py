"""`discovery serve`, or `streamlit run`, as a process with a home and folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from discovery.artefacts import ROOT

SERVE = (sys.executable, "-m", "discovery", "serve", "--port", "0")


@dataclass
class Place:
    """Where a server runs: its working directory, with room for secrets, and its user's home."""

    folder: Path

    @property
    def secrets(self) -> Path:
        """The project's secrets file."""
        return self.folder / ".streamlit" / "secrets.toml"

    @property
    def home_secrets(self) -> Path:
        """The user's secrets file."""
        return self.folder / "home" / ".streamlit" / "secrets.toml"

    @property
    def log(self) -> str:
        """What the server has said on stderr."""
        return (self.folder / "log").read_text("utf-8")

    def environment(self, exports: Mapping[str, str]) -> dict[str, str]:
        """The environment of a server here."""
        home = {"HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT)}
        return os.environ | home | dict(exports)


def place(folder: Path) -> Place:
    """A fresh one in `folder`."""
    made = Place(folder)
    for file in (made.secrets, made.home_secrets):
        file.parent.mkdir(parents=True)
    return made


@contextmanager
def serving(
    where: Place, exports: Mapping[str, str], command: Sequence[str] = SERVE
) -> Iterator[str]:
    """A server at `where`; its address."""
    with (
        (where.folder / "log").open("wb") as log,
        subprocess.Popen(
            command,
            cwd=where.folder,
            env=where.environment(exports),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready: "), (line, where.log)
            yield line.removeprefix("ready: ").strip()
        finally:
            process.terminate()


def refused(where: Place, exports: Mapping[str, str], *options: str) -> tuple[int, str]:
    """Start a server that must not start; its exit code and what it said."""
    done = subprocess.run(
        [*SERVE, *options],
        cwd=where.folder,
        env=where.environment(exports),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@contextmanager
def streamlit_run(where: Place, exports: Mapping[str, str], port: int) -> Iterator[str]:
    """`streamlit run dashboard.py` on `port`; its address."""
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard.py")]
    with (
        (where.folder / "log").open("wb") as log,
        subprocess.Popen(
            [*command, "--server.port", str(port)],
            cwd=where.folder,
            env=where.environment(exports),
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            transport = httpx.HTTPTransport(retries=30)
            with httpx.Client(transport=transport, trust_env=False) as client:
                assert client.get(address + "/_stcore/health").status_code == 200
            yield address
        finally:
            process.terminate()
