"""The REST routes as a web application: alone, or at `/api` of another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from discovery.aws.inventory import Inventory
from discovery.aws.session import shared_aws
from discovery.sanitize import shown
from discovery.settings import load_settings
from discovery.web import api, process
from discovery.web.process import LOOPBACK, ReadyCheck, is_loopback

_METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
_READY = ReadyCheck("OPTIONS", "/api")
"""Answered without reading the table."""

Connect = Callable[[], api.Inventory]


def serve(
    port: int,
    *,
    address: str = LOOPBACK,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the routes alone, as `process.run` does."""
    process.run(
        lambda _: create_app(address=address),
        port,
        address=address,
        ready=_READY,
        on_ready=on_ready,
    )


def create_app(*, address: str = LOOPBACK, inventory: Connect | None = None) -> Starlette:
    """The routes as an ASGI application. `inventory` gives what they read; by default, the results
    table."""
    return Starlette(
        routes=routes(address, inventory),
        exception_handlers={**ERROR_HANDLERS, HTTPStatus.NOT_FOUND: _elsewhere},
    )


def routes(address: str, inventory: Connect | None = None) -> list[Route]:
    """The routes at `/api`, for an application that listens on `address`."""
    connect = inventory or _stored_inventory

    def endpoint(request: Request) -> Response:
        """Runs in Starlette's thread pool, as DynamoDB is waited for."""
        params = {name: request.query_params.getlist(name) for name in request.query_params}
        path = "/" + request.path_params.get("path", "")
        return _response(api.respond(connect, request.method, path, params, _stale_days))

    # The routes ask for no sign-in. On this machine only, they answer to its own names only, so
    # that no web page can read them through a host name of its own that resolves to 127.0.0.1.
    names = [address, "localhost", LOOPBACK] if is_loopback(address) else ["*"]
    guard = [Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)]
    return [
        Route(path, endpoint, methods=_METHODS, middleware=guard)
        for path in ("/api", "/api/{path:path}")
    ]


def _stored_inventory() -> api.Inventory:
    return Inventory(shared_aws(load_settings()))


def _stale_days() -> int:
    return load_settings().stale_days


def _response(reply: api.Reply) -> Response:
    return Response(reply.body, status_code=reply.status, headers=dict(reply.headers))


def _internal_error(_request: Request, _error: Exception) -> Response:
    """Starlette logs the traceback after this reply."""
    message = "This is a defect in Database Discovery; the server's log has the details."
    return _response(api.json_reply(500, api.error_body("internal", message)))


def _elsewhere(request: Request, _error: Exception) -> Response:
    message = f"No path {shown(request.url.path)}. The routes are at /api."
    return _response(api.json_reply(404, api.error_body("unknown_path", message)))


ERROR_HANDLERS: Mapping[Any, Callable[[Request, Exception], Response]] = {
    Exception: _internal_error
}
"""For any application that has the routes."""
