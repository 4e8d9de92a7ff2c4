"""The sandbox as a process of its own: `python -m sandbox`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from threading import Event
from types import FrameType

from sandbox.estate.model import Estate
from sandbox.server import Sandbox


def serve(
    ready: Callable[[Mapping[str, str]], None],
    *,
    port: int = 0,
    include_this_host: bool = False,
    stop_with_parent: bool = False,
    estate: Estate | None = None,
) -> None:
    """Run until interrupted or terminated; with `stop_with_parent`, until stdin is closed.

    `ready` gets the environment that points at the sandbox. Call from the main thread.
    """
    stopped = Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()
        if stop_with_parent:
            raise SystemExit(0)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Sandbox(estate, port=port, include_this_host=include_this_host) as sandbox:
            ready(sandbox.environment)
            if stop_with_parent:
                sys.stdin.read()
            else:
                stopped.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
