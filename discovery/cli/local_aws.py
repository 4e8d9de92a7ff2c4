"""The sandbox seen from the command line: a child process, and the exports that point at it."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from discovery.artefacts import ROOT
from discovery.cli.boundary import not_installed
from discovery.errors import DiscoveryError

_STOP_SECONDS = 10
_LOCAL = "127.0.0.1,localhost"
_OWN_PREFIXES = ("AWS_", "DISCOVERY_", "SPOKE_", "COMMAND_TIMEOUT")


class LocalAws:
    """A sandbox in a child process, started with `options` of `python -m sandbox`.

    It ends with this process, however that ends: the child stops when its stdin, a pipe from here,
    closes.
    """

    def __init__(self, *options: str) -> None:
        self._options = options

    def __enter__(self) -> Self:
        """Start the child and return at once; `environment` waits for it.

        Raises click's usage error when the sandbox's packages are not installed.
        """
        for package in ("moto", "flask"):
            if not _is_installed(package):
                raise not_installed(package)
        self._child = subprocess.Popen(  # noqa: S603  our own sandbox, with our own options
            [sys.executable, "-m", "sandbox", "--stop-with-parent", *self._options],
            cwd=ROOT,
            env=clean_environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for this process, which then stops the child
        )
        return self

    def environment(self) -> dict[str, str]:
        """What points an AWS client at the sandbox, once it answers.

        Raises DiscoveryError when the sandbox ends instead.
        """
        for line in self._child.stdout or ():
            exports: dict[str, str] = json.loads(line)
            return exports
        raise DiscoveryError(
            f"the sandbox ended with exit code {self._child.wait()}",
            hint="Its own message stands above; `python -m discovery sandbox` runs it alone.",
        )

    def wait(self) -> None:
        """Wait until the child ends."""
        self._child.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the child stop by itself, and end it if it does not."""
        try:
            self._child.communicate(timeout=_STOP_SECONDS)  # closes its stdin
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # what `sys.modules` says of a package that must not be imported
        return False


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without a way to a real AWS account, and no proxy in front of this machine."""
    kept = {
        name: value for name, value in environment.items() if not name.startswith(_OWN_PREFIXES)
    }
    bypass = next((kept[name] for name in ("NO_PROXY", "no_proxy") if kept.get(name)), "")
    bypass = ",".join(part for part in (bypass, _LOCAL) if part)
    return kept | {
        "NO_PROXY": bypass,
        "no_proxy": bypass,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def enter(exports: Mapping[str, str]) -> None:
    """Point this process at what `exports` name, and at nothing else."""
    environment = clean_environment(os.environ) | dict(exports)
    os.environ.clear()
    os.environ.update(environment)


def export_lines(exports: Mapping[str, str]) -> str:
    """Shell lines that point whatever the shell starts at the sandbox."""
    lines = ["unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(exports.items())]
    lines += [f'export NO_PROXY="${{NO_PROXY:+$NO_PROXY,}}{_LOCAL}"']
    return "\n".join(lines)
