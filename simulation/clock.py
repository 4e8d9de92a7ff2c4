"""Time that passes only when somebody waits, and a scheduler that goes by it."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event as Flag

from discovery.clock import Clock
from discovery.run import Scheduler

EPOCH = datetime(2100, 1, 1, tzinfo=UTC)
"""Late enough that nothing stored then is past its time by the real clock."""


class VirtualClock(Clock):
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._beats: list[_Beat] = []
        self._in_beat = False

    def now(self) -> datetime:
        """The virtual date and time."""
        return EPOCH + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Virtual seconds since the beginning."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass for the job that sleeps."""
        self.reach(self.seconds + seconds)

    def reach(self, moment: float) -> None:
        """Let it be `moment`. What is to be done every so often is done once when it is due."""
        self.seconds = moment
        beat = self._beats[-1] if self._beats else None
        if beat and moment >= beat.due and not self._in_beat:
            self._in_beat = True
            try:
                goes_on = beat.do()
            finally:
                self._in_beat = False
            beat.due = self.seconds + beat.seconds if goes_on else math.inf

    @contextmanager
    def every(self, seconds: float, do: Callable[[], bool]) -> Iterator[None]:
        """`do` each `seconds`. Of several bodies inside one another only the innermost goes on:
        the others stand still, as a process that is suspended does."""
        self._beats.append(_Beat(seconds, do, self.seconds + seconds))
        try:
            yield
        finally:
            self._beats.pop()


@dataclass(slots=True)
class _Beat:
    seconds: float
    do: Callable[[], bool]
    due: float


class VirtualScheduler(Scheduler):
    """The workers' work in one thread: each job runs at the time its worker would begin it."""

    def __init__(self, clock: VirtualClock, workers: int, cancelled: Flag) -> None:
        super().__init__(clock, workers, cancelled)
        self._virtual = clock

    def run(self) -> None:
        """Run until no job is left; the clock then stands where the last worker ended."""
        free = [self._virtual.seconds] * self.workers
        while self._jobs:
            due, _, job = heapq.heappop(self._jobs)
            self._virtual.reach(max(due, heapq.heappop(free)))
            job()
            heapq.heappush(free, self._virtual.seconds)
        self._virtual.reach(max(free))
