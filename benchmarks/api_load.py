"""The REST routes under load, beside open pages: what is answered, refused, and left behind.

`python -m benchmarks.api_load [DATABASES [SECONDS]]`, by default 100,000 for 60 s: 50 requests a
second in a fixed mix, each on a connection of its own, a tenth of them abandoned, while 20 pages
are open; then 200 page views. Peer: the same server at rest. The last line is JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Origin, Subprotocol

ROOT = Path(__file__).parent.parent
RATE = 50
PAGES = 20
VIEWS = 200
_MIX = (
    "/api/health",
    "/api/accounts",
    "/api/accounts/000000000007/instances",
    "/api/databases?engine=mysql&account_id=000000000007",
    "/api/databases?engine=redis",
)
_ACCEPTED = (200, 503)
_SESSION_SECONDS = 130
"""Streamlit keeps the session of a closed page for 120 s (server.disconnectedSessionTTL)."""


@contextlib.contextmanager
def process(*command: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that prints its address, and that address."""
    with subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            assert started.stdout is not None  # noqa: S101 - it is a pipe
            yield started, started.stdout.readline().split()[-1]
        finally:
            started.terminate()


def megabytes(pid: int) -> float:
    """Resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def descriptors(pid: int) -> int:
    """Open files and sockets."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def ask(url: str, answers: Counter[int], seconds: list[float], *, leaves: bool) -> None:
    """One request on a connection of its own; `leaves` after a tenth of a second."""
    began = time.monotonic()
    async with httpx.AsyncClient(trust_env=False, timeout=0.1 if leaves else 60) as client:
        try:
            status = (await client.get(url)).status_code
        except httpx.TimeoutException:
            answers[0] += 1
            return
        except httpx.TransportError:
            answers[-1] += 1
            return
    answers[status] += 1
    if status == 200:
        seconds.append(time.monotonic() - began)


async def load(url: str, duration: float) -> tuple[Counter[int], list[float]]:
    """The answers by status (0: abandoned, -1: no answer), and how long good ones took."""
    chance = random.Random(4)  # noqa: S311
    answers: Counter[int] = Counter()
    seconds: list[float] = []
    async with contextlib.AsyncExitStack() as open_pages:
        for _ in range(PAGES):
            await open_pages.enter_async_context(page(url))
        tasks = []
        began = time.monotonic()
        for number in range(int(duration * RATE)):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            leaves = chance.random() < 0.1
            asked = url + chance.choice(_MIX)
            tasks.append(asyncio.create_task(ask(asked, answers, seconds, leaves=leaves)))
        await asyncio.gather(*tasks)
    return answers, seconds


def page(url: str) -> connect:
    """A page's connection."""
    stream = url.replace("http", "ws", 1) + "/_stcore/stream"
    return connect(
        stream,
        origin=Origin(url),
        subprotocols=[Subprotocol("streamlit")],
        proxy=None,
        max_size=None,
    )


async def view(url: str, times: int) -> None:
    """So many page views, one after the other: each runs the Overview once."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    for _ in range(times):
        async with page(url) as connection:
            asked = BackMsg()
            asked.rerun_script.query_string = ""
            await connection.send(asked.SerializeToString())
            while True:
                data = await connection.recv()
                answer = ForwardMsg()
                answer.ParseFromString(data if isinstance(data, bytes) else data.encode())
                if answer.WhichOneof("type") == "script_finished":
                    break


def main() -> None:
    """Measure and print."""
    databases = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    duration = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    account = {
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_REGION": "eu-west-1",
        "SPOKE_ACCOUNTS": "organization",
    }
    with (
        process("-m", "benchmarks.canned_table", str(databases)) as (_, table),
        process("-m", "discovery", "serve", "--port", "0", **account, AWS_ENDPOINT_URL=table) as (
            server,
            url,
        ),
    ):
        while httpx.get(f"{url}/api/accounts", timeout=600, trust_env=False).status_code != 200:
            time.sleep(1)  # the tables are being read for the first time
        asyncio.run(view(url, 5))
        rest, files = megabytes(server.pid), descriptors(server.pid)
        answers, seconds = asyncio.run(load(url, duration))
        print(f"answers by status: {dict(answers)}; now the views", flush=True)  # noqa: T201
        time.sleep(15)  # idle connections are closed by then
        time.sleep(_SESSION_SECONDS)
        loaded, files_after = megabytes(server.pid), descriptors(server.pid)
        asyncio.run(view(url, VIEWS // 2))
        half = megabytes(server.pid)
        asyncio.run(view(url, VIEWS - VIEWS // 2))
        viewed = megabytes(server.pid)
    result = {
        "databases": databases,
        "seconds": duration,
        "answers": {str(status): count for status, count in sorted(answers.items())},
        "other_5xx": sum(
            count for status, count in answers.items() if status >= 500 and status not in _ACCEPTED
        ),
        "median_seconds": round(median(seconds), 3) if seconds else None,
        "memory_after_load_vs_rest": round(loaded / rest, 2),
        "descriptors_after_load_vs_rest": round(files_after / files, 2),
        "memory_of_last_100_views_vs_first": round(viewed / half, 2),
    }
    for name, value in result.items():
        print(f"{name:34} {value}")  # noqa: T201
    print(json.dumps(result))  # noqa: T201


if __name__ == "__main__":
    main()
