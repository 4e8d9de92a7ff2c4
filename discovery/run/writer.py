"""Where a run writes: the tables, or the spool while DynamoDB does not take it.

A run goes on without DynamoDB: what it has sent is collected, and what it would have written is
kept for `replay`. It rests between two tries, so that a thousand hosts do not each wait for the
client's own retries.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from discovery.aws.runs import RunStore
from discovery.clock import Clock
from discovery.errors import AwsError, FailureKind
from discovery.inventory.reconcile import HostChanges
from discovery.model import HostRecord, OutstandingCommand, Scope
from discovery.run.spool import Spool
from discovery.run.writes import Entry, EntryWriter, HostLook

_log = logging.getLogger(__name__)

_OF_THE_ITEM = frozenset({"ValidationException", "TransactionCanceledException"})
"""Codes of a refusal that says something of what was written, nothing of DynamoDB."""
_LOOKS_AT_ONCE = 25
"""Hosts whose results are written together: with a database or two each, one transaction."""
_PASSING = frozenset({FailureKind.AWS_UNAVAILABLE, FailureKind.THROTTLED})
_REST = 5.0
"""Rest for so many times as long as the failed try took, unless it was quick."""
_LONGEST_REST_SECONDS = 300.0
_QUICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Kept:
    """DynamoDB did not take an entry because of `error`; `where` says what became of it."""

    error: AwsError
    where: str


class Ledger:
    """Reads and writes of one run. Safe across threads.

    `kept` is the number of entries that DynamoDB did not take.
    """

    def __init__(self, writer: EntryWriter, runs: RunStore, spool: Spool, clock: Clock) -> None:
        self._writer = writer
        self._runs = runs
        self._spool = spool
        self._clock = clock
        self._lock = Lock()
        self._rests_until = 0.0
        self._last: AwsError | None = None
        self.kept = 0

    def write(self, entry: Entry) -> HostChanges | Kept:
        """Store `entry`, or keep it. Never fails: an entry that is lost is told in the log too."""
        try:
            with self._trying():
                return self._writer.write(entry)
        except AwsError as error:
            return self._keep(entry, error)

    def write_looks(self, looks: Sequence[HostLook]) -> list[HostChanges | Kept]:
        """`write` for each of `looks`, a transaction for many. One that DynamoDB finds wrong costs
        the others nothing."""
        written: list[HostChanges | Kept] = []
        for start in range(0, len(looks), _LOOKS_AT_ONCE):
            some = looks[start : start + _LOOKS_AT_ONCE]
            try:
                with self._trying():
                    written += self._writer.write_looks(some)
            except AwsError as error:
                if error.code in _OF_THE_ITEM and len(some) > 1:
                    written += map(self.write, some)
                else:
                    written += [self._keep(look, error) for look in some]
        return written

    def note(self, entry: Entry) -> None:
        """Store `entry` if DynamoDB takes it: one that is of no use later."""
        try:
            with self._trying():
                self._writer.write(entry)
        except AwsError as error:
            _log.warning("%s not stored: %s", entry.entry, error)

    def clear(self, command: OutstandingCommand) -> None:
        """All answers of `command` are stored or kept. One that stays on record does no harm."""
        try:
            with self._trying():
                self._runs.clear_outstanding(command)
        except AwsError as error:
            _log.warning("command %s stays on record: %s", command.command_id, error)

    def coverage(self, scope: Scope) -> dict[str, HostRecord]:
        """The newest coverage of each host of `scope`, by instance id. Raises AwsError."""
        with self._trying():
            return self._runs.scope_hosts(scope)

    def forget_unreached(self, run_id: str, scope: Scope) -> None:
        """Take the hosts of `scope` that the run did not get to off its list. Raises AwsError."""
        with self._trying():
            self._runs.forget_unreached(run_id, scope)

    def rest(self) -> float | None:
        """Seconds until DynamoDB is tried again, when it failed in a way that passes; else None."""
        with self._lock:
            if self._last is None or self._last.kind not in _PASSING:
                return None
            return max(0.0, self._rests_until - self._clock.monotonic())

    def _keep(self, entry: Entry, error: AwsError) -> Kept:
        with self._lock:
            self.kept += 1
        try:
            where = f"kept for replay in {self._spool.keep(entry)}"
        except OSError as lost:
            where = f"and could not be kept: {lost}"
        place = {"instance_id": entry.host.instance_id} if isinstance(entry, HostLook) else None
        _log.warning("%s not stored: %s; %s", entry.entry, error, where, extra=place)
        return Kept(error, where)

    @contextmanager
    def _trying(self) -> Iterator[None]:
        """Raises the last AwsError again, at once, while DynamoDB is given a rest."""
        begun = self._clock.monotonic()
        with self._lock:
            last, resting = self._last, begun < self._rests_until
        if resting and last:
            raise AwsError(last.kind, last.operation, last.code, "DynamoDB is given a rest")
        try:
            yield
        except AwsError as error:
            if error.code not in _OF_THE_ITEM or error.kind in _PASSING:
                now = self._clock.monotonic()
                with self._lock:
                    self._last = error
                    if now - begun > _QUICK_SECONDS:
                        rest = min((now - begun) * _REST, _LONGEST_REST_SECONDS)
                        self._rests_until = now + rest
            raise
        with self._lock:
            self._last = None
