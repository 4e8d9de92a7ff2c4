"""One web application in this process: listening, ready, ended by a signal."""

from __future__ import annotations

import http.client
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import uvicorn
import websockets.http11
from starlette.types import ASGIApp

from discovery.errors import ConfigurationError, DiscoveryError

LOOPBACK = "127.0.0.1"

_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Referrer-Policy", "same-origin"),
]
_CLOSE_SECONDS = 3
_HEADER_BYTES = 131_072
"""Of one request. Sign-in cookies and a proxy's own headers outgrow the usual 8,192 a line."""


class ReadyCheck(NamedTuple):
    """The request that the application answers with a 2xx status once it is ready."""

    method: str
    path: str


def run(
    create_app: Callable[[int], ASGIApp],
    port: int,
    *,
    address: str,
    ready: ReadyCheck,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve `create_app(port)` until SIGINT or SIGTERM, then close all connections and return.

    Port 0 takes a free one. `on_ready(url)` is called once, from another thread, when the
    application is ready. Raises ConfigurationError when the address and port cannot be had.
    """
    # What h11 has read, websockets must take: it leaves a handshake with a longer line, or with
    # more headers, without any answer.
    websockets.http11.MAX_LINE_LENGTH = _HEADER_BYTES
    websockets.http11.MAX_NUM_HEADERS = _HEADER_BYTES // len(b"a:\r\n")
    with _listen(address, port) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            create_app(port),
            log_level="warning",
            access_log=False,
            headers=_HEADERS,
            server_header=False,
            ws="websockets-sansio",  # as Streamlit itself runs uvicorn
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=_HEADER_BYTES,
            timeout_graceful_shutdown=_CLOSE_SECONDS,
        )
        server = uvicorn.Server(config)
        stopped = threading.Event()
        if on_ready is not None:
            threading.Thread(
                target=_announce, args=(address, port, ready, on_ready, stopped), daemon=True
            ).start()
        try:
            with _stopped_by_signals(server):
                server.run(sockets=[listener])
        except SystemExit as error:  # uvicorn's way to say that the application did not start
            raise DiscoveryError("the web server did not start; its log says why") from error
        finally:
            stopped.set()


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches `address`."""
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
    callers could clean up. Its own handler, set here before, takes that second signal and does
    nothing more.
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
    address: str,
    port: int,
    ready: ReadyCheck,
    on_ready: Callable[[str], None],
    stopped: threading.Event,
) -> None:
    """Wait until the application is ready, then say where it is."""
    host = LOOPBACK if address in ("0.0.0.0", "::") else address  # noqa: S104
    while not _is_ready(host, port, ready):
        if stopped.wait(0.1):
            return
    on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")


def _is_ready(host: str, port: int, ready: ReadyCheck) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request(ready.method, ready.path)
        return connection.getresponse().status // 100 == 2
    except OSError:
        return False
    finally:
        connection.close()
