"""The Databases page: which databases it shows, what it offers to filter by, what it counts."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from discovery.errors import RequestError
from discovery.export.csv import write_databases
from discovery.inventory.as_of import AsOf, SupportLookup
from discovery.inventory.freshness import DEFAULT_STALE_DAYS, Freshness
from discovery.inventory.lifecycle import SupportState, cycle_of, version_key
from discovery.inventory.plausible import sum_sizes
from discovery.inventory.query import UNKNOWN, Filter, select, sort
from discovery.model import DatabaseRecord, DatabaseStatus
from discovery.sanitize import shown
from discovery.view.formatting import number, plural, size, size_notes
from discovery.view.labels import SUPPORT_LABELS
from discovery.view.snapshot import Snapshot

ORDERS: Mapping[str, str] = {
    "instance_name": "Host",
    "-data_size_mb": "Data size, largest first",
    "engine": "Engine",
    "version": "Version, oldest first",
    "account_id": "Account",
    "environment": "Environment",
    "last_seen": "Last seen, longest ago first",
}
"""Values of the `sort` parameter (a `-` first means descending), and their names."""

_MOST_OPTIONS = 200
"""Of a filter; one host can name hundreds of engines and versions. The URL takes any other."""

USUAL_ORDER = next(iter(ORDERS))

FRESHNESS_OPTIONS = tuple(state.value for state in Freshness if state is not Freshness.GONE)
"""Values of the `freshness` parameter; what is gone is asked for by its status."""


@dataclass(frozen=True, slots=True)
class DatabaseQuery:
    """What the Databases page shows: everything its URL says."""

    where: Filter
    support: frozenset[SupportState] = frozenset()
    freshness: frozenset[Freshness] = frozenset()
    order: str = USUAL_ORDER

    @classmethod
    def from_params(cls, params: Mapping[str, Sequence[str]]) -> DatabaseQuery:
        """The query that URL parameters name. Raises RequestError for a value that is none."""
        order = next(iter(params.get("sort", ())), USUAL_ORDER)
        if order not in ORDERS:
            raise RequestError(
                f"sort={shown(order)}: no such order", hint=f"Use {', '.join(ORDERS)}."
            )
        return cls(
            Filter.from_params(params),
            frozenset(map(_support_state, params.get("support", ()))),
            frozenset(map(_freshness, params.get("freshness", ()))),
            order,
        )


def _support_state(value: str) -> SupportState:
    for state in SUPPORT_LABELS:
        if state == value:
            return state
    raise RequestError(
        f"support={shown(value)}: no such state", hint=f"Use {', '.join(SUPPORT_LABELS)}."
    )


def _freshness(value: str) -> Freshness:
    if value not in FRESHNESS_OPTIONS:
        raise RequestError(
            f"freshness={shown(value)}: no such state", hint=f"Use {', '.join(FRESHNESS_OPTIONS)}."
        )
    return Freshness(value)


@lru_cache(maxsize=32)
def select_databases(
    snapshot: Snapshot, query: DatabaseQuery, today: date, stale_days: int = DEFAULT_STALE_DAYS
) -> tuple[DatabaseRecord, ...]:
    """The databases that `query` selects, in its order. A repeated question costs nothing.

    Stale is as of the snapshot.
    """
    records = select(snapshot.records, query.where)
    if query.support:
        supports = SupportLookup(today)
        records = tuple(
            record for record in records if supports.find(record).state in query.support
        )
    if query.freshness:
        as_of = AsOf(snapshot.loaded_at, stale_days, snapshot.unwatched)
        records = tuple(record for record in records if as_of.freshness(record) in query.freshness)
    return sort(records, query.order.removeprefix("-"), query.order.startswith("-"))


@lru_cache(maxsize=4)
def count_databases(snapshot: Snapshot) -> int:
    """How many databases there are, those that are gone aside."""
    return len(select(snapshot.records, Filter()))


def summary(records: Sequence[DatabaseRecord], total: int) -> str:
    """Markdown: `**12** of 92 databases · 9 hosts · 1.4 TiB and 2 of unknown size`."""
    hosts = len({record.instance_id for record in records})
    sizes = sum_sizes(records)
    parts = (
        f"**{number(len(records))}** of {number(total)} databases",
        plural(hosts, "host"),
        " and ".join([size(sizes.total_mb), *size_notes(sizes)]),
    )
    return " · ".join(parts)


def csv_text(records: Sequence[DatabaseRecord], as_of: AsOf) -> str:
    """These databases as CSV."""
    out = io.StringIO(newline="")
    write_databases(records, out, as_of)
    return out.getvalue()


def support_label(state: str) -> str:
    """The label of a support state; a value from the URL that is none, as it is."""
    return next((label for known, label in SUPPORT_LABELS.items() if known == state), state)


@lru_cache(maxsize=4)
def filter_options(snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """For each filter parameter, the values that occur among the databases; of what hosts and tags
    name freely, the most frequent."""
    records = select(snapshot.records, Filter(statuses=frozenset(DatabaseStatus)))
    return {
        "account": _present(record.account_id for record in records),
        "region": _present(record.region for record in records),
        "engine": _frequent(record.engine for record in records),
        "status": tuple(status.value for status in DatabaseStatus),
        "environment": _frequent((record.environment or UNKNOWN) for record in records),
        "support": tuple(SUPPORT_LABELS),
        "freshness": FRESHNESS_OPTIONS,
    }


@lru_cache(maxsize=16)
def version_options(snapshot: Snapshot, engines: frozenset[str]) -> tuple[str, ...]:
    """The versions of these engines (of all, for none), each release cycle before its versions; the
    most frequent where there are too many."""
    found: Counter[str] = Counter()
    unknown = False
    for record in select(snapshot.records, Filter(engines=engines)):
        if record.version is None:
            unknown = True
            continue
        found[record.version] += 1
        if cycle := cycle_of(record.engine, record.version):
            found[cycle.name] += 1
    offered = (version for version, _ in found.most_common(_MOST_OPTIONS))
    return (*sorted(offered, key=version_key), *([UNKNOWN] if unknown else []))


def _frequent(values: Iterable[str | None]) -> tuple[str, ...]:
    counts = Counter(value for value in values if value)
    return tuple(sorted(value for value, _ in counts.most_common(_MOST_OPTIONS)))


def _present(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))
