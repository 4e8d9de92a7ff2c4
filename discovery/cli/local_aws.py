"""The sandbox as the command line sees it: a child process, and the variables that point at it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from discovery.artefacts import ROOT
from discovery.errors import ConfigurationError, DiscoveryError

_STOP_SECONDS = 10
_SANDBOX_PACKAGES = ("moto", "flask")
_LOCAL = "127.0.0.1,localhost"
_OWN_PREFIXES = ("AWS_", "DISCOVERY_", "SPOKE_", "COMMAND_TIMEOUT")


class LocalAws:
    """A sandbox in a child process. It ends with this one, however that ends.

    `options` are those of `python -m sandbox`.
    """

    def __init__(self, *options: str) -> None:
        self._options = options

    def __enter__(self) -> Self:
        """Start the child and return at once; `environment` waits for it.

        Raises ConfigurationError when the sandbox's packages are not installed.
        """
        self._child = start_sandbox(ROOT, *self._options)
        return self

    def environment(self) -> dict[str, str]:
        """The variables that point an AWS client at the sandbox, once it answers.

        Raises DiscoveryError when the sandbox ends instead.
        """
        for line in self._child.stdout or ():
            exports: dict[str, str] = json.loads(line)
            return exports
        raise self._ended()

    def wait(self) -> NoReturn:
        """Wait until interrupted. Raises DiscoveryError when the sandbox ends before."""
        self._child.wait()
        raise self._ended()

    def _ended(self) -> DiscoveryError:
        return DiscoveryError(
            f"the sandbox ended with exit code {self._child.wait()}",
            hint="Its own message stands above; `python -m discovery sandbox` runs it alone.",
        )

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


def start_sandbox(root: Path, *options: str) -> subprocess.Popen[str]:
    """Start `python -m sandbox`; `root` is the folder that holds `sandbox/`.

    The child prints one line of JSON when it is ready. It ends when its stdin, a pipe from here,
    closes. Raises ConfigurationError when the sandbox's packages are not installed.
    """
    missing = [name for name in _SANDBOX_PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"the sandbox needs packages that are not installed: {', '.join(missing)}",
            hint="To have them, install database-discovery[sandbox].",
        )
    environment = clean_environment(os.environ)
    path = [str(root), *filter(None, [environment.get("PYTHONPATH")])]
    return subprocess.Popen(  # noqa: S603 - this very interpreter
        # -P: a folder or file called `sandbox` where the user stands is not taken for it
        [sys.executable, "-P", "-m", "sandbox", "--stop-with-parent", *options],
        env=environment | {"PYTHONPATH": os.pathsep.join(path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for this process, which then stops the child
    )


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
    """Shell lines that point every process of the shell at the sandbox."""
    lines = ["unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(exports.items())]
    lines += [f'export NO_PROXY="${{NO_PROXY:+$NO_PROXY,}}{_LOCAL}"']
    return "\n".join(lines)
