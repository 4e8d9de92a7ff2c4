"""The sandbox as a process: it starts, answers, ends with its parent, and leaves nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from discovery.artefacts import ROOT
from discovery.cli.local_aws import LocalAws
from discovery.errors import ConfigurationError, DiscoveryError
from discovery.settings import load_settings
from sandbox import Sandbox

pytestmark = pytest.mark.server


def test_one_sandbox_a_process(sandbox: Sandbox) -> None:
    """A second one in the same process would share moto's records: it is refused."""
    with pytest.raises(RuntimeError, match="running in this process"), Sandbox():
        pass
    assert sandbox.url


def test_process_prints_its_exports_and_ends_with_its_stdin(tmp_path: Path) -> None:
    """`python -m sandbox --stop-with-parent` prints one line when it is ready, stops by itself when
    its parent's pipe closes, and leaves only the hosts' folders, for the next start."""
    child = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--stop-with-parent"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    exports: dict[str, Any] = json.loads(child.stdout.readline())
    settings = load_settings(exports)
    assert settings.sandbox
    assert settings.endpoint_url == exports["AWS_ENDPOINT_URL"]
    assert list(tmp_path.glob("discovery-sandbox-*"))
    rest, _ = child.communicate(timeout=20)
    assert (rest, child.returncode) == ("", 0)
    assert [path.name for path in tmp_path.iterdir()] == [f"database-discovery-hosts-{os.getuid()}"]


def test_it_starts_from_a_folder_that_has_a_sandbox_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line starts ours from any working directory, whatever lies there."""
    (tmp_path / "sandbox.py").write_text("raise SystemExit('not ours')\n")
    monkeypatch.chdir(tmp_path)
    with LocalAws() as local_aws:
        assert local_aws.environment()["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")


def test_a_sandbox_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    """What the child says goes to stderr; the parent raises its exit code."""
    with (
        LocalAws("--estate", str(tmp_path / "none.toml")) as local_aws,
        pytest.raises(DiscoveryError, match="exit code 1"),
    ):
        local_aws.environment()


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without moto nothing is started, and the error says what to install."""
    monkeypatch.setitem(sys.modules, "moto", None)
    with pytest.raises(ConfigurationError, match=r"not installed: moto$") as error, LocalAws():
        pass
    assert "install database-discovery[sandbox]" in error.value.hint
