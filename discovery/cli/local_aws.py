"""The sandbox as the command line sees it: a child process, and the variables that point at it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
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
_NO_ACCOUNT = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""No file of the user's names an account or an endpoint, nor switches endpoints off."""


class LocalAws:
    """A sandbox in a child process. It ends with this one, however that ends.

    `options` are those of `python -m sandbox`.
    """

    def __init__(self, *options: str) -> None:
        self._options = options
        self._leaving = False
        self._died = False

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

    def watch(self, on_end: Callable[[], None]) -> None:
        """Call `on_end` once, from another thread, when the sandbox ends before it is left."""

        def wait() -> None:
            self._child.wait()
            if not self._leaving:
                self._died = True
                on_end()

        threading.Thread(target=wait, name="sandbox", daemon=True).start()

    def raise_if_died(self) -> None:
        """Raise DiscoveryError when the sandbox that is watched has ended."""
        if self._died:
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
        self._leaving = True
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
        **_NO_ACCOUNT,
    }


def enter(exports: Mapping[str, str]) -> None:
    """Point this process at what `exports` name, and at nothing else."""
    environment = clean_environment(os.environ) | dict(exports)
    os.environ.clear()
    os.environ.update(environment)


def export_lines(exports: Mapping[str, str]) -> str:
    """Shell lines that point every process of the shell at the sandbox, and at nothing else.

    Which variables point elsewhere, only the shell that reads the lines knows: an endpoint has a
    variable for each service. They go by the prefixes that `clean_environment` knows.
    """
    prefixes = "|".join(_OWN_PREFIXES)
    names = rf"$(env | sed -nE 's/^(({prefixes})[A-Za-z0-9_]*)=.*/\1/p')"
    values = _NO_ACCOUNT | dict(exports)
    lines = [f"unset AWS_PROFILE {names}"]  # the first name: zsh takes no `unset` without one
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(values.items())]
    lines += ['export NO_PROXY="${NO_PROXY:-${no_proxy:-}}"']
    lines += [f'export NO_PROXY="${{NO_PROXY:+$NO_PROXY,}}{_LOCAL}"', 'export no_proxy="$NO_PROXY"']
    return "\n".join(lines)
