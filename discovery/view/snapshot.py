"""What the pages show: one immutable snapshot of both tables, loaded once per change.

A page view costs one Query, of the newest runs. The tables are read again only when that shows that
a run began, went on or ended; while one goes on, loading takes at most a tenth of the time.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from threading import Lock

from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import shared_aws
from discovery.aws.watched import unwatched_scopes
from discovery.inventory.changes import first_run_id, newest_first
from discovery.model import (
    Change,
    Coverage,
    DatabaseRecord,
    HostRecord,
    RunRecord,
    RunStatus,
    Scope,
    ScopeRecord,
)
from discovery.settings import Settings, load_settings

RUNS_SHOWN = 50
_LOGS_KEPT = 8
_READERS = 8
_REPLAYED_WITHIN = timedelta(days=7)
_SHARE_OF_TIME_SPENT_LOADING = 0.1
_SHORTEST_INTERVAL = 2.0


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Both tables as they were at `loaded_at`. Compared by identity: one load, one snapshot.

    `unwatched` are the scopes that runs no longer scan, each since when.
    """

    records: tuple[DatabaseRecord, ...]
    hosts: tuple[HostRecord, ...]
    scopes: tuple[ScopeRecord, ...]
    runs: tuple[RunRecord, ...]
    loaded_at: datetime
    unwatched: Mapping[Scope, datetime] = field(default_factory=dict)

    @cached_property
    def by_account(self) -> Mapping[str, Sequence[DatabaseRecord]]:
        """Account id -> its records, placeholders and gone ones included."""
        found: defaultdict[str, list[DatabaseRecord]] = defaultdict(list)
        for record in self.records:
            found[record.account_id].append(record)
        return found

    @property
    def as_of(self) -> datetime | None:
        """When the newest result was stored; None before there is one."""
        ended = [run.finished_at or run.heartbeat_at for run in self.runs if run.hosts_done]
        return max(ended, default=None)

    @property
    def scanned(self) -> int:
        """How many of the listed hosts were scanned."""
        return sum(host.coverage is Coverage.SCANNED for host in self.hosts)

    @property
    def oldest_scan(self) -> datetime | None:
        """When the host whose last scan is the oldest was scanned."""
        return min((host.last_scanned for host in self.hosts if host.last_scanned), default=None)

    @property
    def accounts_skipped(self) -> Mapping[str, str]:
        """The accounts that the newest run over all accounts left out, each with the reason."""
        of_all_accounts = (run for run in self.runs if not run.request.accounts)
        newest = next(of_all_accounts, None)
        return newest.accounts_skipped if newest else {}

    @property
    def failed_scopes(self) -> tuple[ScopeRecord, ...]:
        """The scopes that are watched, and whose newest attempt could not list or command their
        hosts at all."""
        return tuple(
            scope
            for scope in self.scopes
            if scope.error_kind is not None
            and Scope(scope.account_id, scope.region) not in self.unwatched
        )


@dataclass(frozen=True, slots=True)
class SnapshotInventory:
    """What the REST routes read: one snapshot, shared by all who ask."""

    snapshot: Snapshot

    def all_records(self) -> Iterator[DatabaseRecord]:
        """Every record, placeholders and gone ones included."""
        return iter(self.snapshot.records)

    def account_records(self, account_id: str) -> Iterator[DatabaseRecord]:
        """The records of one account; none for an unknown account."""
        return iter(self.snapshot.by_account.get(account_id, ()))

    def unwatched_scopes(self) -> Mapping[Scope, datetime]:
        """The scopes that runs no longer scan, each since when."""
        return self.snapshot.unwatched


@dataclass(frozen=True, eq=False)
class ChangeLog:
    """The runs from `first` on, the newest first, each with the changes it found. Compared by
    identity."""

    snapshot: Snapshot
    first: str
    runs: tuple[tuple[RunRecord, tuple[Change, ...]], ...]

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """All of them, the newest first."""
        return tuple(newest_first(change for _, found in self.runs for change in found))

    @cached_property
    def names(self) -> Mapping[tuple[str, str], str]:
        """(account, instance) -> the instance's name, where it has one."""
        return {
            (host.account_id, host.instance_id): host.name
            for host in self.snapshot.hosts
            if host.name
        }


class TableReader:
    """Reads the two tables, and keeps the newest snapshot. One for all visitors; thread-safe.

    `runs` is the runs table. Every method raises AwsError when DynamoDB refuses.
    """

    def __init__(self, settings: Settings) -> None:
        aws = shared_aws(settings)
        self.runs = RunStore(aws)
        self._aws = aws
        self._inventory = Inventory(aws)
        self._loading = Lock()
        self._snapshot: Snapshot | None = None
        self._state: object = None
        self._next_load = 0.0
        self._reading_changes = Lock()
        self._changes: dict[str, tuple[Change, ...]] = {}
        self._logs: dict[str, ChangeLog] = {}

    def snapshot(self) -> Snapshot:
        """The newest snapshot; the one before it while another visitor's request loads the next."""
        runs = tuple(self.runs.recent_runs(RUNS_SHOWN))
        known = self._snapshot
        if known is not None and not self._is_due(runs):
            return known
        if not self._loading.acquire(blocking=known is None):
            return known or self.snapshot()
        try:
            known = self._snapshot
            return self._load(runs) if known is None or self._is_due(runs) else known
        finally:
            self._loading.release()

    @property
    def unwatched(self) -> Mapping[Scope, datetime]:
        """Of the newest snapshot read so far, the scopes that runs no longer scan."""
        return self._snapshot.unwatched if self._snapshot else {}

    def change_log(self, since: str) -> ChangeLog:
        """The changes that runs found since a run or a moment, as `changes.first_run_id` reads it.

        A run costs one Query, once; one that found nothing, none. Raises RequestError.
        """
        snapshot = self.snapshot()
        first = first_run_id(since, datetime.now(UTC))
        with self._reading_changes:
            log = self._logs.get(first)
            if log is None or log.snapshot is not snapshot:
                log = ChangeLog(snapshot, first, self._changes_since(snapshot, first))
                if len(self._logs) >= _LOGS_KEPT:
                    self._logs.pop(next(iter(self._logs)))
                self._logs[first] = log
            return log

    def _changes_since(
        self, snapshot: Snapshot, first: str
    ) -> tuple[tuple[RunRecord, tuple[Change, ...]], ...]:
        runs = [run for run in snapshot.runs if run.run_id >= first]
        if len(runs) == RUNS_SHOWN:  # there may be more than the snapshot holds
            runs = self.runs.runs_since(first)
        with ThreadPoolExecutor(_READERS) as pool:
            return tuple(zip(runs, pool.map(self._changes_of, runs), strict=True))

    def _changes_of(self, run: RunRecord) -> tuple[Change, ...]:
        """What one run found. Kept once it cannot grow any more: a run that did not succeed may, as
        `replay` stores days later what DynamoDB did not take, and the next run what it left in
        flight."""
        if run.run_id in self._changes:
            return self._changes[run.run_id]
        is_whole = run.status is RunStatus.SUCCEEDED and not run.hosts_failed
        if not run.changes and is_whole:
            return ()
        found = tuple(self.runs.changes(run.run_id))
        ended = run.finished_at
        if ended and (is_whole or datetime.now(UTC) - ended > _REPLAYED_WITHIN):
            self._changes[run.run_id] = found
        return found

    def history(self, record: DatabaseRecord) -> list[Change]:
        """The changes of one database, newest first."""
        return self.runs.history(record.account_id, record.instance_db_id)[::-1]

    def _is_due(self, runs: tuple[RunRecord, ...]) -> bool:
        if _state(runs) == self._state:
            return False
        going_on = bool(runs) and runs[0].status is RunStatus.RUNNING
        return not going_on or time.monotonic() >= self._next_load

    def _load(self, runs: tuple[RunRecord, ...]) -> Snapshot:
        began = time.monotonic()
        records = tuple(self._inventory.all_records())
        scopes = tuple(self.runs.latest_scopes())
        accounts = {scope.account_id for scope in scopes} | {
            record.account_id for record in records
        }
        hosts = tuple(self.runs.host_records(sorted(accounts)))
        unwatched = unwatched_scopes(self._aws)
        snapshot = Snapshot(records, hosts, scopes, runs, datetime.now(UTC), unwatched)
        self._snapshot = snapshot
        self._state = _state(runs)
        took = time.monotonic() - began
        interval = max(_SHORTEST_INTERVAL, took / _SHARE_OF_TIME_SPENT_LOADING)
        self._next_load = time.monotonic() + interval
        return snapshot


def _state(runs: tuple[RunRecord, ...]) -> object:
    """Equal before and after a time in which no result was stored."""
    return tuple((run.run_id, run.status, run.hosts_done, run.scopes_done) for run in runs)


@cache
def settings() -> Settings:
    """The settings this process was started with."""
    return load_settings()


@cache
def table_reader() -> TableReader:
    """The reader of the tables that `settings()` names."""
    return TableReader(settings())


def stored_inventory() -> SnapshotInventory:
    """What the tables hold, as `table_reader` has it. Raises DiscoveryError."""
    return SnapshotInventory(table_reader().snapshot())
