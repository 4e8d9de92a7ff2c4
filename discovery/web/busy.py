"""How many requests are worked on at once; who comes beyond that is told to come again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from discovery.web.api import error_body, json_reply

_RETRY_AFTER_SECONDS = 2
_PIECE = 64 * 1024
"""Bytes of a body that are sent at once: the server waits for the one before to be taken, so that
an answer nobody reads stays with us and does not fill the server's buffers."""


@dataclass
class Bound:
    """`running` requests at once, `waiting` more in line, each for at most `seconds`, the sending
    of its answer included: a client that reads slowly holds a place, and not for ever. A request
    that is worked on in a thread holds its place until the thread is done."""

    running: int = 4
    waiting: int = 32
    seconds: float = 30.0
    present: int = 0
    places: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.places = asyncio.Semaphore(self.running)


class Bounded:
    """ASGI middleware around `app`: one request within `bound`, which several routes may share."""

    def __init__(self, app: ASGIApp, bound: Bound) -> None:
        self._app = app
        self._bound = bound

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        bound = self._bound
        if bound.present >= bound.running + bound.waiting:
            await _come_again(send)
            return
        bound.present += 1
        try:
            await self._within(scope, receive, send)
        finally:
            bound.present -= 1

    async def _within(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            for piece in _pieces(message):
                await send(piece)

        try:
            async with asyncio.timeout(self._bound.seconds), self._bound.places:
                if not await _has_left(receive):
                    await self._app(scope, receive, sending)
        except TimeoutError:
            if has_begun:
                raise  # half an answer was sent: the connection is closed
            await _come_again(send)


def _pieces(message: Message) -> Iterator[Message]:
    """`message`, a long body in several."""
    body = message.get("body", b"")
    if len(body) <= _PIECE:
        yield message
        return
    for start in range(0, len(body), _PIECE):
        more = start + _PIECE < len(body) or message.get("more_body", False)
        yield {**message, "body": body[start : start + _PIECE], "more_body": more}


async def _has_left(receive: Receive) -> bool:
    """Whether the client has closed the connection while its request stood in line. The routes read
    no body, so that it may be passed over."""
    while True:
        try:
            async with asyncio.timeout(0):
                message = await receive()
        except TimeoutError:
            return False
        if message["type"] == "http.disconnect":
            return True


async def _come_again(send: Send) -> None:
    body = error_body("busy", "More is asked than can be answered at once. Try again.")
    reply = json_reply(503, body, {"Retry-After": str(_RETRY_AFTER_SECONDS)})
    headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body.encode()})
