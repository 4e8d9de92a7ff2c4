"""What `make` does where a virtual environment cannot be made, or was made by half."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from discovery.artefacts import ROOT
from tests.support.needs import missing

pytestmark = pytest.mark.slow

PYTHON = """#!/bin/sh
echo "python $*" >> calls
case "$*" in
  *ensurepip*) [ ! -e no-venv ] ;;
  "-m venv --clear "*) rm -rf "$4"; mkdir -p "$4/bin"; cp fake-pip "$4/bin/python" ;;
esac
"""
PIP = """#!/bin/sh
echo installed >> calls
[ ! -e interrupted ]
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A Makefile, with a Python and a pip that note their calls and install nothing."""
    if shutil.which("make") is None:
        missing("no make")
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()
    for name, script in (("fake-python", PYTHON), ("fake-pip", PIP)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def make(checkout: Path) -> subprocess.CompletedProcess[str]:
    """Install what `make demo` needs. `make` within `make test` has settings that are not ours."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "PYTHON=./fake-python", ".venv/.runtime"],
        cwd=checkout,
        env=own | {"MFLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def calls(checkout: Path, word: str) -> int:
    """How often Python was called so."""
    return (checkout / "calls").read_text().count(word)


def test_without_venv_make_says_what_to_install(checkout: Path) -> None:
    """Debian's Python comes without: the package is named, and nothing is left by half."""
    (checkout / "no-venv").touch()
    done = make(checkout)
    assert done.returncode == 2
    assert "apt-get install python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_an_interrupted_installation_is_begun_anew(checkout: Path) -> None:
    """What an installation has left that was not completed goes, and the next `make` completes it;
    the one after that has nothing to do."""
    (checkout / "interrupted").touch()
    assert make(checkout).returncode == 2
    leftover = checkout / ".venv" / "leftover"
    leftover.touch()
    (checkout / "interrupted").unlink()
    assert make(checkout).returncode == 0
    assert not leftover.exists()
    assert (calls(checkout, "-m venv"), calls(checkout, "installed")) == (2, 2)
    assert make(checkout).returncode == 0
    assert (calls(checkout, "-m venv"), calls(checkout, "installed")) == (2, 2)


def test_an_upgrade_keeps_the_environment(checkout: Path) -> None:
    """Other requirements are installed into what is there; an environment whose Python has gone is
    made anew."""
    assert make(checkout).returncode == 0
    stamp = checkout / ".venv" / ".runtime"
    os.utime(checkout / "requirements.txt", (2**32, 2**32))
    assert make(checkout).returncode == 0
    assert (calls(checkout, "-m venv"), calls(checkout, "installed")) == (1, 2)
    os.utime(checkout / "requirements.txt", (0, 0))
    (checkout / ".venv" / "bin" / "python").unlink()
    assert stamp.exists()
    assert make(checkout).returncode == 0
    assert (calls(checkout, "-m venv"), calls(checkout, "installed")) == (2, 3)
