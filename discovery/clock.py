"""The time: now, seconds that never go back, waiting, and how a time is written.

A clock is passed in wherever time matters, so that a test or a simulation can drive it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from threading import Event as Flag
from threading import Thread

_LONGEST_JOIN_SECONDS = 5.0


def iso(moment: datetime) -> str:
    """`2026-02-04T10:00:00Z`: UTC, to the second."""
    return f"{moment.astimezone(UTC).isoformat(timespec='seconds')[:19]}Z"


class Clock:
    """The time as the machine has it."""

    def now(self) -> datetime:
        """The date and time, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, holding this thread."""
        time.sleep(seconds)

    @contextmanager
    def every(self, seconds: float, do: Callable[[], bool]) -> Iterator[None]:
        """While the body runs, `do` each `seconds`, beside it, until it returns False."""
        done = Flag()

        def repeat() -> None:
            while not done.wait(seconds) and do():
                pass

        # The body's context, so that lines logged by `do` say where they belong.
        thread = Thread(target=copy_context().run, args=(repeat,), name="every", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(_LONGEST_JOIN_SECONDS)
