"""The REST routes as a web application: alone, or at `/api` of another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from discovery.sanitize import shown
from discovery.settings import load_settings
from discovery.web import api, process
from discovery.web.api_door import Door, api_door
from discovery.web.busy import Bound, Bounded
from discovery.web.own_names import OwnNames, OwnNamesOnly
from discovery.web.process import LOOPBACK, ReadyCheck

_METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
HEALTH = "/_stcore/health"
"""Where a load balancer asks whether the server lives: Streamlit's path, also without Streamlit."""
_READY = ReadyCheck("GET", HEALTH)

Connect = Callable[[], api.Inventory]


def serve(
    port: int,
    inventory: Connect,
    *,
    address: str = LOOPBACK,
    open_api: bool = False,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the routes alone, as `process.run` does; `inventory` and `open_api` as in
    `create_app`."""
    process.run(
        lambda listening_port: create_app(
            inventory, address=address, port=listening_port, open_api=open_api
        ),
        port,
        address=address,
        ready=_READY,
        on_ready=on_ready,
    )


def create_app(
    inventory: Connect,
    *,
    address: str = LOOPBACK,
    port: int = 8501,
    open_api: bool = False,
) -> Starlette:
    """The routes as an ASGI application. `inventory` gives what they read, for each request:
    something that is read once for many. `open_api` as in `api_door`."""
    names = OwnNames(address, port, load_settings().host_names)
    return Starlette(
        routes=[
            *routes(inventory, api_door(address, open_api=open_api)),
            Route(HEALTH, _is_alive),
        ],
        middleware=[Middleware(OwnNamesOnly, names, any_host=[HEALTH])],
        exception_handlers={**ERROR_HANDLERS, HTTPStatus.NOT_FOUND: _elsewhere},
    )


def routes(connect: Connect, door: Door) -> list[Route]:
    """The routes at `/api`, behind `door` and within one bound."""

    def endpoint(request: Request) -> Response:
        """Runs in Starlette's thread pool, as DynamoDB is waited for."""
        params = {name: request.query_params.getlist(name) for name in request.query_params}
        path = "/" + request.path_params.get("path", "")
        if request.method != "OPTIONS" and (closed := door()):
            return _response(api.json_reply(HTTPStatus.FORBIDDEN, api.error_body("closed", closed)))
        return _response(api.respond(connect, request.method, path, params, _stale_days))

    within = [Middleware(Bounded, Bound())]
    return [
        Route(path, endpoint, methods=_METHODS, middleware=within)
        for path in ("/api", "/api/{path:path}")
    ]


async def _is_alive(_request: Request) -> Response:
    return Response("ok", media_type="text/plain")


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
