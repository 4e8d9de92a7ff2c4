"""The wheel: one package that holds all that the product reads, and says what is not installed."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from discovery.artefacts import ROOT
from discovery.cli.local_aws import LocalAws

pytestmark = pytest.mark.slow

BLOCKED = "import sys; sys.modules.update(dict.fromkeys({names!r})); "


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, unpacked into a folder as an installation has it."""
    pytest.importorskip("hatchling", reason="no hatchling to build the wheel with")
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(
    installed: Path, code: str, environment: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[str]:
    """Run `code` with the installed package, from a folder that is no checkout."""
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=installed.parent,
        env={**os.environ, **environment, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def command(*words: str, without: tuple[str, ...] = ()) -> str:
    """Code that runs `database-discovery WORDS` where the packages `without` are not installed."""
    blocked = BLOCKED.format(names=without) if without else ""
    return f"{blocked}from discovery.cli import main; main({list(words)!r})"


def test_the_wheel_has_one_package(installed: Path) -> None:
    """Nothing but `discovery` and the wheel's own records lands beside other packages."""
    names = {path.name for path in installed.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"discovery"}


@pytest.fixture(scope="module")
def local_aws() -> Iterator[Mapping[str, str]]:
    """The environment that points at a sandbox of the checkout."""
    with LocalAws() as sandbox:
        yield sandbox.environment()


def test_the_installed_package_checks_and_scans(
    installed: Path, local_aws: Mapping[str, str]
) -> None:
    """`doctor` reads the schemas and the document from the package, `scan` the role's policy: both
    find what the checkout deployed."""
    checked = run(installed, command("doctor"), local_aws)
    assert "ok    results table" in checked.stdout, checked.stderr
    words = ("scan", "--account", "210000000001", "--region", "eu-west-1")
    scanned = run(installed, command(*words), local_aws)
    assert scanned.returncode == 0, scanned.stderr
    assert " succeeded in " in scanned.stdout or " partial in " in scanned.stdout


def test_the_installed_package_starts_its_own_sandbox(installed: Path) -> None:
    """The sandbox in the package is the one that is started, from any folder."""
    code = (
        "from discovery.cli.local_aws import LocalAws\n"
        "with LocalAws() as sandbox: print(sandbox.environment()['DISCOVERY_SANDBOX'])"
    )
    finished = run(installed, code)
    assert finished.stdout.strip() in ("1", "true"), finished.stderr


@pytest.mark.parametrize(
    ("words", "missing", "extra"),
    [
        (("serve",), ("streamlit",), "dashboard"),
        (("demo", "--no-browser"), ("moto",), "sandbox"),
        (("sandbox",), ("moto",), "sandbox"),
    ],
)
def test_a_command_without_its_extra_names_it(
    installed: Path, words: tuple[str, ...], missing: tuple[str, ...], extra: str
) -> None:
    """What is not installed is wrong usage, with the command that installs it."""
    finished = run(installed, command(*words, without=missing))
    assert finished.returncode == 2, finished.stderr
    assert f"database-discovery[{extra}]" in finished.stderr
    assert "Traceback" not in finished.stderr
