"""The web server as a process of its own: pages, `/api`, configuration, start and end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from discovery.artefacts import ROOT
from discovery.errors import ConfigurationError
from discovery.view.server import serve
from sandbox import Sandbox
from tests.support.api_records import ACCOUNT, ALL_KINDS, OTHER
from tests.support.empty_tables import empty_tables
from tests.support.stored import store_records

SERVE = """
import json
import streamlit.config
from discovery.view.server import serve

OPTIONS = ("theme.light.primaryColor", "browser.gatherUsageStats", "server.headless")

def ready(url):
    options = {name: streamlit.config.get_option(name) for name in OPTIONS}
    print(json.dumps({"url": url, "options": options}), flush=True)

serve(0, on_ready=ready)
print("cleaned up", flush=True)
"""
FOREIGN_CONFIG = """
[server]
headless = false
[browser]
gatherUsageStats = true
[theme.light]
primaryColor = "#123456"
"""

pytestmark = pytest.mark.server


@dataclass
class Server:
    """A running server: what it said when it was ready, and its process."""

    url: str
    options: dict[str, Any]
    process: subprocess.Popen[str]

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET `path`, past any proxy."""
        return self.request("GET", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request, past any proxy."""
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.request(method, self.url + path, **options)

    def end(self, number: signal.Signals) -> str:
        """Send a signal; the rest of what the process prints."""
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=30)
        return output


@contextmanager
def serving(folder: Path, exports: dict[str, str]) -> Iterator[Server]:
    """A server started in a working directory that has a Streamlit configuration of its own."""
    config = folder / ".streamlit" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(FOREIGN_CONFIG, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        cwd=folder,
        env=os.environ | exports | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield Server(said["url"], said["options"], process)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def server(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over tables with two accounts, one of them with a failed host."""
    empty_tables(sandbox)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in sandbox.environment.items():
            environment.setenv(name, value)
        store_records(sandbox.settings, *ALL_KINDS)
    with serving(tmp_path_factory.mktemp("elsewhere"), sandbox.environment) as running:
        yield running


def test_the_source_s_calls_answer_at_api(server: Server) -> None:
    """The four example calls answer in the source's shapes, as JSON, from the stored records."""
    health = server.get("/api/health")
    assert (health.status_code, health.json()) == (200, {"status": "ok", "total_records": 3})
    assert health.headers["Content-Type"] == "application/json"
    assert server.get("/api/accounts").json() == {"accounts": [ACCOUNT, OTHER]}
    instances = server.get(f"/api/accounts/{ACCOUNT}/instances").json()
    assert [(each["instance_id"], each["discovery_status"]) for each in instances["instances"]] == [
        ("i-0abc123def456", "success"),
        ("i-0bad", "failed"),
    ]
    databases = server.get(f"/api/databases?engine=mysql&account_id={ACCOUNT}").text
    assert databases == (
        '{"databases": [{"account_id": "123456789012", "instance_id": "i-0abc123def456", '
        '"db_id": "mysql-3306", "engine": "mysql", "version": "8.0.35", "status": "running", '
        '"port": 3306, "data_size_mb": 2048}]}'
    )


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/accounts/111111111111/instances", 404, "unknown_account"),
        ("/api/accounts/12/instances", 400, "invalid_account_id"),
        ("/api/databases?engine=access", 400, "unknown_engine"),
        ("/api/databases?engine=mysql&engine=mysql", 400, "repeated_parameter"),
        ("/api/databases?limit=5", 400, "unknown_parameter"),
        ("/api/nothing", 404, "unknown_path"),
        ("/api/", 404, "unknown_path"),
        ("/api", 404, "unknown_path"),
    ],
)
def test_what_cannot_be_answered_gets_a_clear_4xx(
    server: Server, path: str, status: int, code: str
) -> None:
    """Unknown accounts, engines, parameters and paths are JSON errors, never the page."""
    answer = server.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_other_methods_at_api(server: Server) -> None:
    """A writing method is a 405 with Allow; HEAD and OPTIONS have no body."""
    refused = server.request("POST", "/api/databases")
    assert (refused.status_code, refused.json()["error"]["code"]) == (405, "method_not_allowed")
    assert refused.headers["Allow"] == "GET, HEAD, OPTIONS"
    head = server.request("HEAD", "/api/accounts")
    assert (head.status_code, head.content) == (200, b"")
    assert server.request("OPTIONS", "/api/accounts").status_code == 204


def test_a_foreign_host_name_is_refused_at_api(server: Server) -> None:
    """A web page whose own host name points at 127.0.0.1 cannot read the inventory."""
    port = server.url.rpartition(":")[2]
    for name, status in (("evil.example", 421), ("localhost", 200)):
        answer = server.get("/api/accounts", headers={"Host": f"{name}:{port}"})
        assert answer.status_code == status


def test_the_page_is_served_with_security_headers(server: Server) -> None:
    """The page answers beside /api; it cannot be framed by another site, nor sniffed."""
    page = server.get("/")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert "server" not in page.headers


def test_the_checkout_s_configuration_holds_in_any_directory(server: Server) -> None:
    """Theme, headless and no usage statistics come from the product, not from where it starts."""
    assert server.options["theme.light.primaryColor"] not in (None, "#123456")
    assert server.options["browser.gatherUsageStats"] is False
    assert server.options["server.headless"] is True


def test_only_this_machine_is_listened_to(server: Server) -> None:
    """The server is bound to 127.0.0.1: another address of this machine finds nobody."""
    host, port = server.url.removeprefix("http://").split(":")
    assert host == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", int(port)), timeout=5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """With a browser connected, a signal lets `serve` return, its caller clean up, and exit 0."""
    with serving(tmp_path, {}) as running:
        stream = running.url.replace("http", "ws", 1) + "/_stcore/stream"
        with connect(stream, origin=None, proxy=None):
            assert running.end(number) == "cleaned up\n"
        assert running.process.returncode == 0


def test_a_taken_port_is_named() -> None:
    """A port that something else listens on is a configuration error that says which one."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1 port {port}"):
            serve(port)


@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", 70_000), ("192.0.2.1", 0)])
def test_an_impossible_address_is_named(address: str, port: int) -> None:
    """A port or address that this machine cannot have is a configuration error."""
    with pytest.raises(ConfigurationError, match=f"cannot listen on {address} port {port}"):
        serve(port, address=address)
