"""How many requests are worked on at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from discovery.web.busy import Bound, Bounded

SCOPE = {"type": "http", "path": "/api", "method": "GET", "headers": []}


class Slow:
    """An application that answers when it is told to, and counts how many it works on."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.now = self.most = self.done = 0

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """One request."""
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.go.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            self.done += 1
        finally:
            self.now -= 1


class Client:
    """One request: what was sent to it. `leaves` closes the connection."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self._asked = False

    async def receive(self) -> Message:
        """The request's empty body, then, once it has left, the end of the connection."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Note the answer's head."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}


async def start(app: Bounded, count: int) -> tuple[list[Client], list[asyncio.Task[Any]]]:
    """So many requests, each as far as it gets by itself."""
    clients = [Client() for _ in range(count)]
    tasks = [
        asyncio.create_task(app(dict(SCOPE), client.receive, client.send)) for client in clients
    ]
    for _ in range(20):
        await asyncio.sleep(0)
    return clients, tasks


def test_beyond_the_bound_one_is_told_to_come_again() -> None:
    """Two are worked on, three wait, and the rest get 503 with Retry-After at once."""

    async def play() -> None:
        slow = Slow()
        clients, tasks = await start(Bounded(slow, Bound(running=2, waiting=3)), 9)
        assert slow.most == 2
        refused = [client for client in clients if client.status is not None]
        assert [client.status for client in refused] == [503] * 4
        assert all(int(client.headers["retry-after"]) > 0 for client in refused)
        slow.go.set()
        await asyncio.gather(*tasks)
        assert sorted(client.status or 0 for client in clients) == [200] * 5 + [503] * 4
        assert slow.most == 2

    asyncio.run(play())


def test_who_left_while_waiting_is_not_worked_for() -> None:
    """A request whose connection is closed costs nothing once its turn comes."""

    async def play() -> None:
        slow = Slow()
        clients, tasks = await start(Bounded(slow, Bound(running=1, waiting=5)), 4)
        for client in clients[1:3]:
            client.leaves.set()
        slow.go.set()
        await asyncio.gather(*tasks)
        assert slow.done == 2
        assert [client.status for client in clients] == [200, None, None, 200]

    asyncio.run(play())


def test_a_place_is_not_held_for_ever() -> None:
    """What takes longer than its time ends, and those behind it get theirs."""

    async def play() -> None:
        slow = Slow()
        bound = Bound(running=1, waiting=5, seconds=0.05)
        clients, tasks = await start(Bounded(slow, bound), 3)
        await asyncio.gather(*tasks)
        assert [client.status for client in clients] == [503, 503, 503]
        assert (bound.present, slow.now) == (0, 0)

    asyncio.run(play())


def test_an_answer_nobody_reads_stays_with_us_and_ends() -> None:
    """A long body is handed to the server piece by piece: who reads nothing takes one, not all."""

    async def answer(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 1_000_000})

    async def play() -> None:
        taken: list[int] = []
        never = asyncio.Event()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                taken.append(len(message["body"]))
                await never.wait()

        bound = Bound(running=1, waiting=1, seconds=0.05)
        with pytest.raises(TimeoutError):
            await Bounded(answer, bound)(dict(SCOPE), Client().receive, send)
        assert len(taken) == 1
        assert taken[0] < 100_000
        assert bound.present == 0
        whole: list[bytes] = []

        async def read(message: Message) -> None:
            whole.append(message.get("body", b""))

        await Bounded(answer, Bound())(dict(SCOPE), Client().receive, read)
        assert b"".join(whole) == b"x" * 1_000_000

    asyncio.run(play())
