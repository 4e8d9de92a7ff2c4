"""Jobs that are due at a time, run by a few threads: a thousand scopes wait without a thread each.

A job waits by adding itself again, never by sleeping. The clock is passed in, so that a test or a
simulation can drive time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from threading import Condition, Thread
from threading import Event as Flag

from discovery.clock import Clock

Job = Callable[[], None]

_LONGEST_WAIT_SECONDS = 0.5
"""How soon a cancellation, which a signal handler can set but not announce, is noticed."""


class Scheduler:
    """Runs each job once, when it is due, at most `workers` at a time. Safe across threads.

    Once `cancelled` is set every job is due at once: each finds out and ends in its own way.
    """

    def __init__(self, clock: Clock, workers: int, cancelled: Flag) -> None:
        self.clock = clock
        self.workers = workers
        self._cancelled = cancelled
        self._jobs: list[tuple[float, int, Job]] = []
        self._order = count()
        self._running = 0
        self._error: BaseException | None = None
        self._changed = Condition()

    def add(self, job: Job, due: float | None = None) -> None:
        """Run `job` at `due`, in the clock's monotonic seconds; now when left out."""
        with self._changed:
            when = self.clock.monotonic() if due is None else due
            heapq.heappush(self._jobs, (when, next(self._order), job))
            self._changed.notify()

    def run(self) -> None:
        """Run until no job is left.

        A job that raises cancels the others, which then end each in its own way; the first error is
        raised at last.
        """
        threads = [
            Thread(target=self._work, name=f"scope-{i}", daemon=True) for i in range(self.workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._error:
            raise self._error

    def _work(self) -> None:
        while job := self._next():
            error = None
            try:
                job()
            except BaseException as raised:  # handed to the caller of `run`
                error = raised
            with self._changed:
                self._running -= 1
                if error:
                    self._error = self._error or error
                    self._cancelled.set()
                self._changed.notify_all()

    def _next(self) -> Job | None:
        """Wait for the next job that is due; None when there will be none."""
        with self._changed:
            while self._jobs or self._running:
                wait = _LONGEST_WAIT_SECONDS
                if self._jobs:
                    due = self._jobs[0][0] - self.clock.monotonic()
                    if due <= 0 or self._cancelled.is_set():
                        self._running += 1
                        return heapq.heappop(self._jobs)[2]
                    wait = min(wait, due)
                self._changed.wait(wait)
            return None
