"""How far this process is with a run: the run's record, advanced by each event and told to whoever
watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from threading import Lock

from discovery.aws.usage import CallCounter
from discovery.clock import Clock
from discovery.model import RunRecord
from discovery.run.event_log import log_event
from discovery.run.events import Event, Watcher
from discovery.run.progress import advance

Advance = Callable[[RunRecord, Event, datetime], RunRecord]
"""The record as it stands after an event that happened at that time."""


class RunTracker:
    """Keeps the record of a run. Safe across threads; the watcher is called by one at a time."""

    def __init__(
        self,
        run: RunRecord,
        calls: CallCounter,
        clock: Clock,
        *,
        watcher: Watcher | None = None,
        advance: Advance = advance,
    ) -> None:
        self._run = run
        self._calls = calls
        self._clock = clock
        self._watcher = watcher
        self._advance = advance
        self._lock = Lock()

    @property
    def run(self) -> RunRecord:
        """The record as the last event, or `set`, left it."""
        return self._run

    def emit(self, event: Event) -> None:
        """Count `event`, log it, and tell the watcher."""
        with self._lock:
            self._run = self._advance(self._run, event, self._clock.now())
            log_event(event)
            if self._watcher:
                self._watcher(event)

    def set(self, run: RunRecord) -> None:
        """Go on from `run`."""
        with self._lock:
            self._run = run

    def progress(self, answer_seconds: float | None) -> RunRecord:
        """The record as of now, with what AWS was asked for until now.

        `answer_seconds` is within how long hosts answer, as far as it is known.
        """
        usage = self._calls.usage()
        with self._lock:
            return replace(
                self._run,
                heartbeat_at=self._clock.now(),
                api_calls=usage.calls,
                throttled_calls=usage.throttled,
                retries=usage.retries,
                read_units=usage.read_units,
                write_units=usage.write_units,
                answer_seconds=answer_seconds,
            )
