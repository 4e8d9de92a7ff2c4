"""What stands between the browser and Streamlit where sign-in is concerned.

/auth/login       the page that was asked for is remembered
/oauth2callback   the sign-in cookie is made small; the browser goes back to that page
/auth/logout      the sign-in ends, whoever else has a copy of its cookie
WebSocket         ended when what it was opened with no longer holds: the token has expired, the
                  visitor signed out, a role or the secrets file changed. The page connects
                  again by itself and shows what holds then.
everything        more cookies than the server reads are answered with a page that says so
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from html import escape

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from discovery.errors import DiscoveryError
from discovery.view import return_path
from discovery.view.sign_in import current_rules, public_host
from discovery.view.sign_in_cookie import claims_in, deletion, sign_in_cookies, smaller
from discovery.view.sign_in_watch import POLICY_VIOLATION, Watched, standing
from discovery.view.signed_out import SIGNED_OUT

_log = logging.getLogger(__name__)

_MAX_COOKIES = 32_768
"""Bytes of the Cookie header: half of what the server reads of all headers."""
_MAX_SIGN_IN = 16_384


class SignInGate:
    """ASGI middleware around `app`; see the module."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        size = sum(len(value) for value in Headers(scope=scope).getlist("cookie"))
        if size > _MAX_COOKIES:
            await _refuse_cookies(size, scope, receive, send)
        elif scope["type"] == "websocket":
            await self._connection(scope, receive, send)
        elif (answered := self._answered(scope, send)) is not None:
            await self._app(scope, receive, answered)
        else:
            await self._app(scope, receive, send)

    def _answered(self, scope: Scope, send: Send) -> Send | None:
        """`send` that changes the answer, for the paths of sign-in."""
        path: str = scope["path"]
        request = HTTPConnection(scope)
        if path.endswith("/auth/logout"):
            if claims := claims_in(request.cookies):
                SIGNED_OUT.add(claims)
        elif path.endswith("/auth/login"):
            hosts = {request.headers.get("host", ""), public_host()} - {""}
            page = return_path.asked_for(request.headers.get("referer", ""), hosts)
            if page is not None:
                return _changing(send, lambda headers: _remember(headers, page))
        elif path.endswith("/oauth2callback"):
            return _signing_in(request, send)
        return None

    async def _connection(self, scope: Scope, receive: Receive, send: Send) -> None:
        claims = claims_in(HTTPConnection(scope).cookies)
        watched = Watched(claims, receive, send, await asyncio.to_thread(standing, claims))
        try:
            await self._app(scope, watched.receive, watched.send)
        finally:
            watched.stop()


def _changing(send: Send, change: Callable[[MutableHeaders], None]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            change(MutableHeaders(scope=message))
        await send(message)

    return sending


def _remember(headers: MutableHeaders, page: str) -> None:
    if "location" in headers:
        headers.append("set-cookie", return_path.cookie_for(page))


def _signing_in(request: HTTPConnection, send: Send) -> Send:
    """`send` for the answer that ends a sign-in."""
    refused: list[bytes] = []

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if (problem := _shrink(headers, request)) is not None:
                page = _page("Sign-in holds too much", problem)
                refused.append(bytes(page.body))
                message = {"type": message["type"], "status": 403, "headers": page.raw_headers}
            else:
                _go_back(headers, request)
        elif refused:
            message = {"type": "http.response.body", "body": refused.pop()}
        await send(message)

    return sending


def _shrink(headers: MutableHeaders, request: HTTPConnection) -> str | None:
    """Make the sign-in in `headers` small; what to say when it cannot be made small enough."""
    try:
        rules = current_rules()
    except DiscoveryError:
        return None  # the pages are closed, whatever the cookie holds
    given = headers.getlist("set-cookie")
    cookies = smaller(given, request.cookies, rules)
    if cookies is None:
        return None
    size = sum(map(len, cookies))
    if size > _MAX_SIGN_IN:
        _log.warning("a sign-in was refused: its cookies take %d bytes", size)
        return (
            f"What the identity provider says of you takes {size:,} bytes, of which this server "
            f"takes {_MAX_SIGN_IN:,}. Ask your administrator to name fewer groups in [roles], or "
            "to let the provider send fewer claims."
        )
    del headers["set-cookie"]
    for cookie in cookies:
        headers.append("set-cookie", cookie)
    return None


def _go_back(headers: MutableHeaders, request: HTTPConnection) -> None:
    """Send the browser to the page that was asked for."""
    page = return_path.remembered(request.cookies.get(return_path.COOKIE))
    if return_path.COOKIE in request.cookies:
        headers.append("set-cookie", deletion(return_path.COOKIE))
    if page is not None and "location" in headers:
        headers["location"] = page


async def _refuse_cookies(size: int, scope: Scope, receive: Receive, send: Send) -> None:
    """Say that the browser sends more cookies than are read, and take the sign-in's away."""
    _log.warning("a request was refused: its cookies take %d bytes", size)
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    page = _page(
        "Too many cookies",
        f"Your browser sends {size:,} bytes of cookies for this site, which reads "
        f"{_MAX_COOKIES:,}. Those of your sign-in have been removed: load the page again. If this "
        "comes back, delete the site's cookies in your browser.",
        status=431,
    )
    for name in sign_in_cookies(HTTPConnection(scope).cookies):
        page.headers.append("set-cookie", deletion(name))
    await page(scope, receive, send)


def _page(title: str, text: str, status: int = 403) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<h1>{escape(title)}</h1><p>{escape(text)}</p></html>",
        status_code=status,
        headers={"Cache-Control": "no-store"},
    )
