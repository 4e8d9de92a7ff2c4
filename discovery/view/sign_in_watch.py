"""An open page, for as long as its sign-in holds.

A session of Streamlit keeps the claims that it began with, and a page that is open asks for nothing
new. So what the claims allow is looked at again every few seconds, from outside.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from starlette.types import Message, Receive, Send

from discovery.errors import DiscoveryError
from discovery.view.access import expired, role_of
from discovery.view.page_run import ends_a_run, same_page
from discovery.view.sign_in import current_rules
from discovery.view.signed_out import SIGNED_OUT

Claims = dict[str, object]

WATCH_SECONDS = 10.0
POLICY_VIOLATION = 1008
"""The WebSocket's close code (RFC 6455, section 7.4.1)."""
_LAST_RUN_SECONDS = 10.0


def standing(claims: Claims | None) -> str:
    """What a visitor with `claims` may do now, or why nobody may do anything."""
    try:
        rules = current_rules()
    except DiscoveryError as error:
        return str(error)
    valid = None if _is_over(claims) else claims
    return f"{rules.sign_in} {role_of(rules, valid, datetime.now(UTC))}"


def _is_over(claims: Claims | None) -> bool:
    """Whether the sign-in that gave `claims` has ended, for good."""
    return claims is not None and (claims in SIGNED_OUT or expired(claims, datetime.now(UTC)))


class Watched:
    """One WebSocket that was opened with `claims`, which then allowed `at_first`.

    Its page runs again whenever that changes; once the sign-in has ended, that run is the last.
    """

    def __init__(self, claims: Claims | None, receive: Receive, send: Send, at_first: str) -> None:
        self._claims, self._receive, self._send = claims, receive, send
        self._change = asyncio.create_task(self._after(at_first))
        self._message: asyncio.Task[Message] | None = None
        self._run_again: bytes | None = None
        self._last_run: asyncio.Event | None = None

    async def receive(self) -> Message:
        """The next message from the browser, or one that runs its page, or of the end."""
        while self._last_run is None:
            message = self._message or asyncio.create_task(self._next_message())
            self._message = message
            await asyncio.wait((message, self._change), return_when=asyncio.FIRST_COMPLETED)
            if message.done():
                self._message = None
                received = message.result()
                self._run_again = same_page(received.get("bytes") or b"") or self._run_again
                return received
            self._note(self._change.result())
            if self._run_again is not None:
                return {"type": "websocket.receive", "bytes": self._run_again}
        return await self._end(self._last_run)

    async def send(self, message: Message) -> None:
        """To the browser; the end of the last run is noticed."""
        await self._send(message)
        if self._last_run is not None and ends_a_run(message.get("bytes") or b""):
            self._last_run.set()

    def stop(self) -> None:
        """Stop looking."""
        self._change.cancel()
        if self._message is not None:
            self._message.cancel()

    def _note(self, now: str) -> None:
        if _is_over(self._claims):
            self._last_run = asyncio.Event()
        else:
            self._change = asyncio.create_task(self._after(now))

    async def _next_message(self) -> Message:
        return await self._receive()

    async def _after(self, before: str) -> str:
        """What is allowed once it is something else than `before`."""
        while (now := await asyncio.to_thread(standing, self._claims)) == before:
            await asyncio.sleep(WATCH_SECONDS)
        return now

    async def _end(self, last_run: asyncio.Event) -> Message:
        if self._run_again is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(last_run.wait(), _LAST_RUN_SECONDS)
        await self._send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
