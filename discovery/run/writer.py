"""Where a run writes: the tables or, while DynamoDB does not take it, the spool.

A run goes on without DynamoDB: what it has sent is collected, and what it would have written is
spooled for `replay`. After a slow failure the circuit is open for a while: nothing is tried, so
that a thousand hosts do not each wait for the client's own retries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.clock import Clock
from discovery.errors import AwsError, FailureKind
from discovery.model import (
    DatabaseRecord,
    Host,
    HostChanges,
    HostRecord,
    OutstandingCommand,
    Scope,
)
from discovery.run.spool import Spool
from discovery.run.writes import HostObservation, Write, WriteApplier

_log = logging.getLogger(__name__)

_OBSERVATIONS_AT_ONCE = 25
"""Hosts whose results are written together: with a database or two each, one transaction."""
_ABOUT_THE_ITEM = frozenset({"ValidationException", "TransactionCanceledException"})
"""Codes of a refusal that says something of what was written, nothing of DynamoDB."""
_PASSING = frozenset(
    {FailureKind.AWS_UNAVAILABLE, FailureKind.THROTTLED, FailureKind.UNREADABLE_REPLY}
)
_QUICK_FAILURE_SECONDS = 1.0
_OPEN_FACTOR = 5.0
"""The circuit is open for so many times as long as the failed try took."""
_LONGEST_OPEN_SECONDS = 300.0


class CircuitBreaker:
    """Remembers DynamoDB's last failure. After a slow one it is open: calls fail at once, with that
    failure. Safe across threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._opens_until = 0.0
        self._last: AwsError | None = None

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """One call of DynamoDB. Raises the last AwsError again, at once, while open."""
        began = self._clock.monotonic()
        with self._lock:
            last, is_open = self._last, began < self._opens_until
        if is_open and last:
            raise AwsError(last.kind, last.operation, last.code, "DynamoDB is given a rest")
        try:
            yield
        except AwsError as error:
            if error.code not in _ABOUT_THE_ITEM or error.kind in _PASSING:
                self._failed(error, began)
            raise
        with self._lock:
            self._last = None

    def retry_in(self) -> float | None:
        """Seconds until the next try, when DynamoDB failed in a way that passes; else None."""
        with self._lock:
            if self._last is None or self._last.kind not in _PASSING:
                return None
            return max(0.0, self._opens_until - self._clock.monotonic())

    def _failed(self, error: AwsError, began: float) -> None:
        now = self._clock.monotonic()
        with self._lock:
            self._last = error
            if now - began > _QUICK_FAILURE_SECONDS:
                rest = min((now - began) * _OPEN_FACTOR, _LONGEST_OPEN_SECONDS)
                self._opens_until = now + rest


@dataclass(frozen=True, slots=True)
class Spooled:
    """DynamoDB did not take a write because of `error`; `where` says what became of it."""

    error: AwsError
    where: str


class CircuitBreakingWriter:
    """Reads and writes of one run. Safe across threads.

    `spooled` is the number of writes that DynamoDB did not take.
    """

    def __init__(self, applier: WriteApplier, runs: RunStore, spool: Spool, clock: Clock) -> None:
        self._applier = applier
        self._runs = runs
        self._spool = spool
        self._circuit = CircuitBreaker(clock)
        self._lock = Lock()
        self.spooled = 0

    @classmethod
    def to_tables(
        cls,
        aws: Aws,
        clock: Clock,
        known_records: Callable[[Host], Iterable[DatabaseRecord]] | None = None,
    ) -> CircuitBreakingWriter:
        """The writer to the tables and the spool that the settings name."""
        applier = WriteApplier(aws, known_records, sleep=clock.sleep)
        return cls(applier, RunStore(aws), Spool(aws), clock)

    def write(self, write: Write) -> HostChanges | Spooled:
        """Store `write`, or spool it. Never fails: a write that is lost is told in the log too."""
        try:
            with self._circuit.attempt():
                return self._applier.apply(write)
        except AwsError as error:
            return self._keep(write, error)

    def write_observations(
        self, observations: Sequence[HostObservation]
    ) -> list[HostChanges | Spooled]:
        """`write` for each of `observations`, a transaction for many. One that DynamoDB finds wrong
        costs the others nothing."""
        written: list[HostChanges | Spooled] = []
        for start in range(0, len(observations), _OBSERVATIONS_AT_ONCE):
            some = observations[start : start + _OBSERVATIONS_AT_ONCE]
            try:
                with self._circuit.attempt():
                    written += self._applier.apply_observations(some)
            except AwsError as error:
                if error.code in _ABOUT_THE_ITEM and len(some) > 1:
                    written += map(self.write, some)
                else:
                    written += [self._keep(observation, error) for observation in some]
        return written

    def write_if_possible(self, write: Write) -> None:
        """Store `write` if DynamoDB takes it: one that is of no use later."""
        try:
            with self._circuit.attempt():
                self._applier.apply(write)
        except AwsError as error:
            _log.warning("%s not stored: %s", write.kind, error)

    def clear_command(self, command: OutstandingCommand) -> None:
        """All answers of `command` are stored or spooled. One that stays on record does no harm."""
        try:
            with self._circuit.attempt():
                self._runs.clear_outstanding(command)
        except AwsError as error:
            _log.warning("command %s stays on record: %s", command.command_id, error)

    def coverage(self, scope: Scope) -> dict[str, HostRecord]:
        """The newest coverage of each host of `scope`, by instance id. Raises AwsError."""
        with self._circuit.attempt():
            return self._runs.scope_hosts(scope)

    def forget_unreached(self, run_id: str, scope: Scope) -> None:
        """Take the hosts of `scope` that the run did not get to off its list. Raises AwsError."""
        with self._circuit.attempt():
            self._runs.forget_unreached(run_id, scope)

    def retry_in(self) -> float | None:
        """Seconds until DynamoDB is tried again, when it failed in a way that passes; else None."""
        return self._circuit.retry_in()

    def _keep(self, write: Write, error: AwsError) -> Spooled:
        with self._lock:
            self.spooled += 1
        try:
            where = f"kept for replay in {self._spool.keep(write)}"
        except OSError as lost:
            where = f"and could not be kept: {lost}"
        context = (
            {"instance_id": write.host.instance_id} if isinstance(write, HostObservation) else None
        )
        _log.warning("%s not stored: %s; %s", write.kind, error, where, extra=context)
        return Spooled(error, where)
