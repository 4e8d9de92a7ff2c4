"""The web server: Streamlit's pages and, at `/api`, the REST routes, in one process on one port.

`python -m streamlit run dashboard.py` serves the pages too, but without `/api`.
"""

from __future__ import annotations

import http.client
import ipaddress
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit.config
import uvicorn
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit.runtime.pages_manager import PagesManager
from streamlit.starlette import App

from discovery.artefacts import ROOT
from discovery.aws.inventory import Inventory
from discovery.aws.session import shared_aws
from discovery.errors import ConfigurationError, DiscoveryError
from discovery.settings import load_settings
from discovery.web import api

DASHBOARD = ROOT / "dashboard.py"
LOOPBACK = "127.0.0.1"

_HEALTH = "/_stcore/health"
_METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Referrer-Policy", "same-origin"),
]
_CLOSE_SECONDS = 3


def create_app(
    *,
    address: str = LOOPBACK,
    port: int = 8501,
    inventory: Callable[[], api.Inventory] | None = None,
) -> App:
    """The ASGI application. `inventory` gives what `/api` reads; by default, the results table.

    Streamlit keeps its configuration per process: one application a process.
    """
    # Streamlit runs dashboard.py by its path; what that imports lies beside it.
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    app = App(
        DASHBOARD,
        routes=_api_routes(address, inventory or _stored_inventory),
        exception_handlers={Exception: _internal_error},
    )
    # App has told Streamlit where dashboard.py is: only now is our config.toml found from any
    # working directory. What is said here holds against any other config.toml.
    streamlit.config.get_config_options(
        force_reparse=True,
        options_from_flags={
            "server.address": address,
            "server.port": port,
            "server.headless": True,
            "browser.gatherUsageStats": False,
        },
    )
    # Until the first st.navigation call Streamlit takes any folder named pages/ for pages of its
    # own, and tells a fresh server's first visitor of /databases that there is no such page.
    PagesManager.uses_pages_directory = False
    return app


def serve(
    port: int, *, address: str = LOOPBACK, on_ready: Callable[[str], None] | None = None
) -> None:
    """Serve until SIGINT or SIGTERM, then close all connections and return.

    Port 0 takes a free one. `on_ready(url)` is called once, from another thread, when the page
    answers. Raises ConfigurationError when the address and port cannot be had.
    """
    with _listen(address, port) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            create_app(address=address, port=port),
            log_level="warning",
            access_log=False,
            headers=_HEADERS,
            server_header=False,
            ws="websockets-sansio",  # as Streamlit itself runs uvicorn
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_CLOSE_SECONDS,
        )
        server = uvicorn.Server(config)
        stopped = threading.Event()
        if on_ready is not None:
            threading.Thread(
                target=_announce, args=(address, port, on_ready, stopped), daemon=True
            ).start()
        try:
            with _stopped_by_signals(server):
                server.run(sockets=[listener])
        except SystemExit as error:  # uvicorn's way to say that the application did not start
            raise DiscoveryError("the web server did not start; its log says why") from error
        finally:
            stopped.set()


# --- /api ---------------------------------------------------------------------------------------


def _stale_days() -> int:
    return load_settings().stale_days


def _stored_inventory() -> api.Inventory:
    return Inventory(shared_aws(load_settings()))


def _api_routes(address: str, inventory: Callable[[], api.Inventory]) -> list[Route]:
    def endpoint(request: Request) -> Response:
        """Runs in Starlette's thread pool, as DynamoDB is waited for."""
        params = {name: request.query_params.getlist(name) for name in request.query_params}
        path = "/" + request.path_params.get("path", "")
        return _response(api.respond(inventory, request.method, path, params, _stale_days))

    # The routes ask for no sign-in. On this machine only, they answer to its own names only, so
    # that no web page can read them through a host name of its own that resolves to 127.0.0.1.
    hosts = [address, "localhost", LOOPBACK] if _is_loopback(address) else ["*"]
    guard = [Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)]
    return [
        Route(path, endpoint, methods=_METHODS, middleware=guard)
        for path in ("/api", "/api/{path:path}")
    ]


def _response(reply: api.Reply) -> Response:
    return Response(reply.body, status_code=reply.status, headers=dict(reply.headers))


def _internal_error(_request: Request, _error: Exception) -> Response:
    """Starlette logs the traceback after this reply."""
    message = "This is a defect in Database Discovery; the server's log has the details."
    return _response(api.json_reply(500, api.error_body("internal", message)))


# --- the process --------------------------------------------------------------------------------


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _listen(address: str, port: int) -> socket.socket:
    """A listening socket: from now on nobody else gets the port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigurationError(
            f"cannot listen on {address} port {port}: {reason}",
            hint="Choose another port with --port; 0 takes a free one.",
        ) from error


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """SIGINT and SIGTERM end `server.run`, and nothing else.

    uvicorn raises the signal again once it has stopped, which would end the process before its
    callers could clean up: its own harmless handler is there to take it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, server.handle_exit)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announce(
    address: str, port: int, on_ready: Callable[[str], None], stopped: threading.Event
) -> None:
    """Wait until the page answers, then say where it is."""
    host = LOOPBACK if address in ("0.0.0.0", "::") else address  # noqa: S104
    while not _answers(host, port):
        if stopped.wait(0.1):
            return
    on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", _HEALTH)
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
