"""A real Chromium, and the real server on the sandbox, as a person would use them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from discovery.artefacts import ROOT
from discovery.run import start_run
from discovery.settings import load_settings
from sandbox import Sandbox
from sandbox.ssm import SandboxHost
from tests.support.empty_tables import empty_tables

TIMEOUT_MS = 30_000
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium. Without one the test fails in CI and is skipped elsewhere.

    It ends with the file: while it is open, Playwright's event loop runs, and no other can in this
    process.
    """
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        message = "no Chromium found: install one, or name it in CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh visitor at 1440 x 1000."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    visitor = context.new_page()
    visitor.set_default_timeout(TIMEOUT_MS)
    yield visitor
    context.close()


@pytest.fixture(scope="module")
def growing_host(sandbox: Sandbox) -> Iterator[SandboxHost]:
    """A host with one database fewer than its description says."""
    spec = next(host for host in sandbox.estate.scannable_hosts() if len(host.databases) == 2)
    host = sandbox.host(spec.instance_id)
    host.rebuild(replace(spec, databases=spec.databases[:1]))
    yield host
    host.rebuild(spec)
    host.delay_seconds = spec.delay_seconds


@pytest.fixture(scope="module")
def discovered(sandbox: Sandbox, growing_host: SandboxHost) -> Iterator[Sandbox]:
    """The sandbox after one discovery of everything, before `growing_host` has grown."""
    assert len(growing_host.spec.databases) == 1
    empty_tables(sandbox)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.environment.items():
            patch.setenv(name, value)
        start_run(load_settings(sandbox.environment), trigger="test")
    yield sandbox
    empty_tables(sandbox)


@contextmanager
def serving(sandbox: Sandbox, **changed: str) -> Iterator[str]:
    """A server of its own on the sandbox; its address."""
    environment = os.environ | sandbox.environment | changed
    command = [sys.executable, "-m", "discovery", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready: "), line
            yield line.removeprefix("ready: ").strip()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def server(discovered: Sandbox) -> Iterator[str]:
    """The address of a server that visitors share."""
    with serving(discovered) as address:
        yield address
