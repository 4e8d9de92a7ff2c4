"""A server in a process of its own, attacked at its doors: names, origins, options, `/api`."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from sandbox import Sandbox
from tests.support.api_records import ACCOUNT, ALL_KINDS
from tests.support.dashboard import SERVE, Place, place, serving
from tests.support.empty_tables import empty_tables
from tests.support.stored import store_records
from tests.support.visitor import Visitor

pytestmark = pytest.mark.server

OPENED = {
    "STREAMLIT_SERVER_ENABLE_AGENT_API": "true",
    "STREAMLIT_SERVER_TRUSTED_USER_HEADERS": json.dumps({"X-User": "email"}),
    "STREAMLIT_SERVER_ENABLE_CORS": "false",
    "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION": "false",
    "STREAMLIT_SERVER_CORS_ALLOWED_ORIGINS": "http://evil.example",
    "STREAMLIT_SERVER_ALLOWED_HOSTS": "*",
    "STREAMLIT_SERVER_UNSAFE_METRICS_USER_ATTRIBUTES": "email",
    "STREAMLIT_SERVER_ENABLE_STATIC_SERVING": "true",
    "STREAMLIT_GLOBAL_DEVELOPMENT_MODE": "true",
    "STREAMLIT_CLIENT_SHOW_ERROR_DETAILS": "full",
    "STREAMLIT_CLIENT_ALLOWED_ORIGINS": "http://evil.example",
}
"""What an environment could open, were it asked."""
PATHS = (
    "/",
    "/databases",
    "/api/accounts",
    "/api/health",
    "/_stcore/host-config",
    "/_stcore/stream",
    "/_stcore/agent/openapi.json",
    "/_stcore/metrics",
    "/_stcore/upload_file/a/b",
    "/media/x.csv",
    "/component/x/index.html",
    "/static/index.html",
    "/auth/login",
    "/oauth2callback",
)


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Where the server runs."""
    return place(tmp_path_factory.mktemp("doors"))


@pytest.fixture(scope="module")
def exports(sandbox: Sandbox) -> dict[str, str]:
    """The environment of a server over a table with two accounts."""
    empty_tables(sandbox)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in sandbox.environment.items():
            environment.setenv(name, value)
        store_records(sandbox.settings, *ALL_KINDS)
    return dict(sandbox.environment)


@pytest.fixture(scope="module")
def url(where: Place, exports: dict[str, str]) -> Iterator[str]:
    """A loopback server whose environment would open whatever it may."""
    with serving(where, exports | OPENED) as address:
        yield address


def get(url: str, path: str, **headers: str) -> httpx.Response:
    """One answer, past any proxy."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.get(url + path, headers=headers)


def port_of(url: str) -> int:
    """The server's port."""
    return urlsplit(url).port or 0


@pytest.mark.parametrize("path", PATHS)
def test_a_name_that_is_not_ours_reads_nothing(url: str, path: str) -> None:
    """DNS rebinding: whatever path is asked for under another name, the answer is a refusal."""
    port = port_of(url)
    for host in (f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", "127.0.0.1:1"):
        answer = get(url, path, Host=host)
        assert answer.status_code == 421, (path, host)
        assert ACCOUNT not in answer.text
        assert "DISCOVERY_HOST_NAMES" in answer.text
    foreign = get(url, path, Host=f"localhost:{port}", Origin="http://localhost:3000")
    assert foreign.status_code == 421


def test_only_the_health_check_answers_any_name(url: str) -> None:
    """A load balancer does not know our names; the answer tells nothing of the inventory."""
    answer = get(url, "/_stcore/health", Host="10.0.0.9")
    assert (answer.status_code, answer.text) == (200, "ok")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example:{port}", "http://evil.example:{port}"),
        ("evil.example:{port}", None),
        ("127.0.0.1:{port}", "http://evil.example:{port}"),
        ("127.0.0.1:{port}", "http://localhost:3000"),
        ("127.0.0.1:{port}", "http://127.0.0.1"),
        ("127.0.0.1:{port}", "null"),
    ],
)
def test_a_page_of_another_site_opens_no_connection(
    url: str, host: str, origin: str | None
) -> None:
    """The WebSocket that carries every table is refused before Streamlit sees it."""
    port = port_of(url)
    target = f"ws://{host.format(port=port)}/_stcore/stream"
    asked_from = None if origin is None else Origin(origin.format(port=port))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with pytest.raises(InvalidStatus) as refused:
            connect(target, sock=connection, origin=asked_from, proxy=None)
        assert refused.value.response.status_code in (403, 421)


def test_our_own_page_opens_its_connection_and_shows_the_table(url: str) -> None:
    """The same connection from our own page is opened, so that the refusals mean something."""
    with Visitor(url) as visitor:
        assert visitor.see("databases").holds(ACCOUNT)


def test_a_request_without_a_host_is_refused(url: str) -> None:
    """HTTP/1.0 needs no Host, and a request with two names could be read in two ways."""
    for request in (
        "GET /api/accounts HTTP/1.0\r\n\r\n",
        f"GET /api/accounts HTTP/1.1\r\nHost: localhost:{port_of(url)}\r\nHost: evil\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port_of(url)), timeout=30) as connection:
            connection.sendall(request.encode())
            answer = connection.recv(65536).decode()
        assert answer.split()[1] in ("400", "421"), answer


def test_the_environment_opens_nothing(url: str) -> None:
    """Agent API, trusted headers and CORS stay as they are, whatever the variables say."""
    agent = get(url, "/_stcore/agent/state")
    assert agent.status_code in (403, 404, 405), agent.text
    config = get(url, "/_stcore/host-config").json()
    assert "http://evil.example" not in config["allowedOrigins"]
    with_cors = get(url, "/_stcore/health", Origin="http://evil.example")
    assert "access-control-allow-origin" not in {name.lower() for name in with_cors.headers}
    assert get(url, "/app/static/x").status_code in (404, 200)


def test_scripts_run_only_from_the_server(url: str) -> None:
    """The page's policy names the server, one hash and blobs, and lets nothing be evaluated."""
    policy = get(url, "/").headers["Content-Security-Policy"]
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "'self'" in scripts and "'sha256-" in scripts
    assert "unsafe" not in scripts and "http" not in scripts and "*" not in policy
    assert "object-src 'none'" in policy


# --- /api ---------------------------------------------------------------------------------------


def test_the_routes_are_open_on_this_machine_without_sign_in(url: str) -> None:
    """Only this machine reaches them, and its pages ask for no sign-in either."""
    assert get(url, "/api/accounts").status_code == 200


@pytest.mark.parametrize("api_only", [False, True])
def test_with_sign_in_the_routes_are_closed_until_somebody_opens_them(
    where: Place, exports: dict[str, str], api_only: bool
) -> None:
    """`[auth]`, or a demand for it, closes them, with a way out in the answer; `--open-api` is that
    way."""
    demands = exports | {"DISCOVERY_REQUIRE_SIGN_IN": "true"}
    where.secrets.write_text(
        '[auth]\nredirect_uri = "http://127.0.0.1/oauth2callback"\n'
        'cookie_secret = "a secret of enough characters"\nclient_id = "a"\n'
        'client_secret = "b"\nserver_metadata_url = "http://127.0.0.1:9/none"\n'
    )
    command = (*SERVE, "--api-only") if api_only else SERVE
    try:
        with serving(where, demands, command) as address:
            for path in ("/api/accounts", "/api/health", "/api/databases?engine=mysql"):
                closed = get(address, path)
                assert (closed.status_code, closed.json()["error"]["code"]) == (403, "closed")
                assert "--open-api" in closed.text and ACCOUNT not in closed.text
        with serving(where, demands, (*command, "--open-api")) as address:
            assert get(address, "/api/accounts").status_code == 200
    finally:
        where.secrets.unlink()
