"""The REST routes as an application alone: in this process, and as the process of a command."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from discovery.artefacts import ROOT
from discovery.errors import ConfigurationError
from discovery.web.server import create_app, serve
from sandbox import Sandbox
from tests.support.api_records import ACCOUNT, MemoryInventory, record
from tests.support.empty_tables import empty_tables
from tests.support.stored import store_records

pytestmark = pytest.mark.server

APP = create_app(lambda: MemoryInventory(record()))


@contextmanager
def serving(
    stderr: Path, *options: str, **changed: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A `serve` command that is ready: its address and its process. It names on `stderr` what it
    imports."""
    command = [sys.executable, "-X", "importtime", "-m", "discovery", "serve", "--port", "0"]
    with stderr.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            env=os.environ | changed,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready: "), line
            yield line.removeprefix("ready: ").strip(), process
        finally:
            process.kill()
            process.communicate()


def ask(
    path: str,
    method: str = "GET",
    app: Starlette = APP,
    base: str = "http://127.0.0.1:8501",
    **options: Any,
) -> httpx.Response:
    """The reply of an application in this process."""

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path, **options)

    return asyncio.run(request())


def test_the_routes_answer_at_api() -> None:
    """The inventory that the application is given is what it serves."""
    reply = ask("/api/accounts")
    assert (reply.status_code, reply.json()) == (200, {"accounts": [ACCOUNT]})
    assert reply.headers["Cache-Control"] == "no-store"
    assert ask("/api/accounts", "HEAD").content == b""
    assert ask("/api/accounts", "POST").status_code == 405


@pytest.mark.parametrize("path", ["/", "/databases", "/apis", "/static/index.html"])
def test_there_is_nothing_beside_the_routes(path: str) -> None:
    """Any other path is a JSON error that says where the routes are; no page is served."""
    reply = ask(path)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "unknown_path")
    assert "/api" in reply.json()["error"]["message"]


def test_a_foreign_host_name_is_refused() -> None:
    """A web page whose own host name points at 127.0.0.1 cannot read the inventory."""
    assert ask("/api/accounts", base="http://evil.example:8501").status_code == 421


def test_on_another_address_the_names_that_were_added_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Behind a load balancer the host name is the balancer's."""
    monkeypatch.setenv("DISCOVERY_HOST_NAMES", "inventory.example")
    address = "0.0.0.0"  # noqa: S104
    app = create_app(lambda: MemoryInventory(record()), address=address, open_api=True)
    reply = ask("/api/health", app=app, base="http://inventory.example")
    assert reply.json()["total_records"] == 1
    assert ask("/api/health", app=app, base="http://other.example").status_code == 421


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_beyond_this_machine_the_routes_are_closed(method: str) -> None:
    """Whoever reaches the server would read the inventory: `--open-api` says that he may."""
    app = create_app(lambda: MemoryInventory(record()), address="10.0.0.5")
    reply = ask("/api/accounts", method, app=app, base="http://10.0.0.5:8501")
    assert reply.status_code == 403
    if method == "GET":
        assert reply.json()["error"]["code"] == "closed"
        assert "--open-api" in reply.json()["error"]["message"]
    opened = create_app(lambda: MemoryInventory(record()), address="10.0.0.5", open_api=True)
    assert ask("/api/accounts", app=opened, base="http://10.0.0.5:8501").status_code == 200


def test_the_health_path_answers_any_name_and_reads_nothing() -> None:
    """A load balancer does not know our names, and asks often."""

    def unread() -> MemoryInventory:
        raise AssertionError("the tables were read")

    app = create_app(unread, address="10.0.0.5")
    reply = ask("/_stcore/health", app=app, base="http://any.example")
    assert (reply.status_code, reply.text) == (200, "ok")


def test_a_defect_is_a_json_error_without_its_text() -> None:
    """What nobody foresaw is a 500 in the shape of every error; the details stay in the log."""

    def broken() -> MemoryInventory:
        raise RuntimeError("secret")

    reply = ask("/api/accounts", app=create_app(broken))
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal")
    assert "secret" not in reply.text


def test_the_command_serves_the_table_without_the_dashboard(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """`serve --api-only` answers from the stored records, loads no Streamlit, pandas or Plotly, and
    a signal ends it in order."""
    empty_tables(sandbox)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in sandbox.environment.items():
            environment.setenv(name, value)
        store_records(sandbox.settings, record())
    imports = tmp_path / "imports"
    with serving(imports, "--api-only", **sandbox.environment) as (url, process):
        with httpx.Client(trust_env=False, timeout=30) as browser:
            assert browser.get(f"{url}/api/accounts").json() == {"accounts": [ACCOUNT]}
            page = browser.get(url)
        assert page.status_code == 404
        assert page.headers["X-Frame-Options"] == "SAMEORIGIN"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in imports.open()}
    assert loaded & {"streamlit", "pandas", "plotly"} == set()
    assert {"starlette", "boto3"} <= loaded
    empty_tables(sandbox)


def test_an_impossible_address_is_named() -> None:
    """An address that this machine cannot have is a configuration error, as for the dashboard."""
    with pytest.raises(ConfigurationError, match=r"cannot listen on 192\.0\.2\.1 port 0"):
        serve(0, MemoryInventory, address="192.0.2.1")
