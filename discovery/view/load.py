"""What the pages show: one immutable snapshot of both tables, loaded once per change.

A page view costs one Query (the newest runs). The tables are read again only when that shows that a
run began, went on or ended; while one goes on, no more often than a tenth of the time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from threading import Lock

from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import shared_aws
from discovery.model import (
    Change,
    Coverage,
    DatabaseRecord,
    HostRecord,
    RunRecord,
    RunStatus,
    ScopeRecord,
)
from discovery.settings import Settings, load_settings

RUNS_SHOWN = 50
_SHARE_OF_TIME_SPENT_LOADING = 0.1
_SHORTEST_INTERVAL = 2.0


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Both tables as they were at `loaded_at`. Compared by identity: one load, one snapshot."""

    records: tuple[DatabaseRecord, ...]
    hosts: tuple[HostRecord, ...]
    scopes: tuple[ScopeRecord, ...]
    runs: tuple[RunRecord, ...]
    loaded_at: datetime

    @property
    def as_of(self) -> datetime | None:
        """When the newest result was stored; None before the first."""
        ended = [run.finished_at or run.heartbeat_at for run in self.runs if run.hosts_done]
        return max(ended, default=None)

    @property
    def scanned(self) -> int:
        """How many of the listed hosts' databases are known from their last scan."""
        return sum(host.coverage is Coverage.SCANNED for host in self.hosts)

    @property
    def oldest_scan(self) -> datetime | None:
        """The last scan of the host that was not scanned for longest."""
        return min((host.last_scanned for host in self.hosts if host.last_scanned), default=None)

    @property
    def accounts_skipped(self) -> Mapping[str, str]:
        """The accounts that the newest run over all accounts left out, each with the reason."""
        whole = (run for run in self.runs if not run.request.accounts)
        newest = next(whole, None)
        return newest.accounts_skipped if newest else {}

    @property
    def failed_scopes(self) -> tuple[ScopeRecord, ...]:
        """The scopes whose newest attempt could not list or command their hosts at all."""
        return tuple(scope for scope in self.scopes if scope.error_kind is not None)


class Tables:
    """The two tables, and the newest snapshot of them. One for all visitors; thread-safe.

    Every method raises AwsError when DynamoDB refuses.
    """

    def __init__(self, settings: Settings) -> None:
        aws = shared_aws(settings)
        self.store = RunStore(aws)
        self._inventory = Inventory(aws)
        self._loading = Lock()
        self._snapshot: Snapshot | None = None
        self._state: object = None
        self._next_load = 0.0

    def snapshot(self) -> Snapshot:
        """The newest snapshot; the one before it while another visitor's request loads the next."""
        runs = tuple(self.store.recent_runs(RUNS_SHOWN))
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

    def history(self, record: DatabaseRecord) -> list[Change]:
        """The changes of one database, newest first."""
        return self.store.history(record.account_id, record.instance_db_id)[::-1]

    def _is_due(self, runs: tuple[RunRecord, ...]) -> bool:
        if _state(runs) == self._state:
            return False
        going_on = bool(runs) and runs[0].status is RunStatus.RUNNING
        return not going_on or time.monotonic() >= self._next_load

    def _load(self, runs: tuple[RunRecord, ...]) -> Snapshot:
        began = time.monotonic()
        records = tuple(self._inventory.all_records())
        scopes = tuple(self.store.latest_scopes())
        accounts = {scope.account_id for scope in scopes} | {
            record.account_id for record in records
        }
        hosts = tuple(self.store.host_records(sorted(accounts)))
        snapshot = Snapshot(records, hosts, scopes, runs, datetime.now(UTC))
        self._snapshot = snapshot
        self._state = _state(runs)
        took = time.monotonic() - began
        interval = max(_SHORTEST_INTERVAL, took / _SHARE_OF_TIME_SPENT_LOADING)
        self._next_load = time.monotonic() + interval
        return snapshot


def _state(runs: tuple[RunRecord, ...]) -> object:
    """Equal for two looks at the runs between which no result was stored."""
    return tuple((run.run_id, run.status, run.hosts_done, run.scopes_done) for run in runs)


@cache
def settings() -> Settings:
    """The settings this process was started with."""
    return load_settings()


@cache
def tables() -> Tables:
    """The tables that `settings()` names."""
    return Tables(settings())
