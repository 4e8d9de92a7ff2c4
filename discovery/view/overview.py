"""What the Overview counts, worked out once per snapshot and day."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from discovery.inventory.lifecycle import SupportState, cycle_of
from discovery.inventory.query import Filter, select
from discovery.model import Coverage, DatabaseRecord, DatabaseStatus
from discovery.view.frames import Supports
from discovery.view.snapshot import Snapshot


@dataclass(frozen=True, eq=False)
class AccountSize:
    """The databases of one account: how many, how much, and how many of unknown size."""

    databases: int
    size_mb: float
    unknown: int


@dataclass(frozen=True, eq=False)
class Summary:
    """Counts of live databases (not gone) and of hosts. Versions are release cycles, else versions;
    None counts those of unknown version."""

    databases: int
    running: int
    size_mb: float
    size_unknown: int
    engines: Mapping[str, int]
    versions: Mapping[str, Mapping[str | None, int]]
    support: Mapping[SupportState, int]
    accounts: Mapping[str, AccountSize]
    coverage: Mapping[Coverage, int]


@lru_cache(maxsize=4)
def summarise(snapshot: Snapshot, today: date) -> Summary:
    """The counts of one snapshot."""
    live = select(snapshot.records, Filter())
    supports = Supports(today)
    versions: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    accounts: defaultdict[str, list[DatabaseRecord]] = defaultdict(list)
    for record in live:
        cycle = cycle_of(record.engine, record.version)
        versions[record.engine or ""][cycle.name if cycle else record.version] += 1
        accounts[record.account_id].append(record)
    return Summary(
        databases=len(live),
        running=sum(record.status is DatabaseStatus.RUNNING for record in live),
        size_mb=sum(record.data_size_mb or 0 for record in live),
        size_unknown=sum(record.data_size_mb is None for record in live),
        engines=Counter(record.engine or "" for record in live),
        versions=versions,
        support=Counter(supports.of(record).state for record in live),
        accounts={account: _size(records) for account, records in accounts.items()},
        coverage=Counter(host.coverage for host in snapshot.hosts),
    )


def _size(records: list[DatabaseRecord]) -> AccountSize:
    known = [record.data_size_mb for record in records if record.data_size_mb is not None]
    return AccountSize(len(records), sum(known), len(records) - len(known))
