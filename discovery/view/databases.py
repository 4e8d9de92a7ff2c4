"""Which databases the table shows: the product's filter and order, and the state of support."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from discovery.errors import RequestError
from discovery.inventory.freshness import DEFAULT_STALE_DAYS, Freshness, Staleness
from discovery.inventory.lifecycle import SupportState, cycle_of, version_key
from discovery.inventory.query import UNKNOWN, Filter, select, sort
from discovery.model import DatabaseRecord, DatabaseStatus
from discovery.sanitize import shown
from discovery.view.frames import Supports
from discovery.view.labels import SUPPORT_WORDS
from discovery.view.snapshot import Snapshot

ORDERS: Mapping[str, str] = {
    "instance_name": "Instance",
    "-data_size_mb": "Size, largest first",
    "engine": "Engine",
    "version": "Version, oldest first",
    "account_id": "Account",
    "environment": "Environment",
    "last_seen": "Last seen, longest ago first",
}
"""Values of the `sort` parameter (a `-` first means descending), and their names."""

FRESHNESS_OPTIONS = (Freshness.CURRENT.value, Freshness.STALE.value)
"""Values of the `freshness` parameter; what is gone is asked for by its status."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the Databases page shows: everything its URL says."""

    where: Filter
    support: frozenset[SupportState] = frozenset()
    freshness: frozenset[Freshness] = frozenset()
    order: str = next(iter(ORDERS))

    @classmethod
    def from_params(cls, params: Mapping[str, Sequence[str]]) -> Choice:
        """The choice that URL parameters name. Raises RequestError for a value that is none."""
        support: set[SupportState] = set()
        for value in params.get("support", ()):
            for state in SUPPORT_WORDS:
                if state == value:
                    support.add(state)
                    break
            else:
                raise RequestError(
                    f"support={shown(value)}: no such state",
                    hint=f"Use {', '.join(SUPPORT_WORDS)}.",
                )
        freshness = frozenset(map(_freshness, params.get("freshness", ())))
        order = next(iter(params.get("sort", ())), next(iter(ORDERS)))
        if order not in ORDERS:
            raise RequestError(
                f"sort={shown(order)}: no such order", hint=f"Use {', '.join(ORDERS)}."
            )
        return cls(Filter.from_params(params), frozenset(support), freshness, order)


def _freshness(value: str) -> Freshness:
    if value not in FRESHNESS_OPTIONS:
        raise RequestError(
            f"freshness={shown(value)}: no such state", hint=f"Use {', '.join(FRESHNESS_OPTIONS)}."
        )
    return Freshness(value)


@lru_cache(maxsize=32)
def chosen(
    snapshot: Snapshot, choice: Choice, today: date, stale_days: int = DEFAULT_STALE_DAYS
) -> tuple[DatabaseRecord, ...]:
    """The databases that `choice` selects, in its order. A repeated question costs nothing.

    Stale is as of the snapshot.
    """
    records = select(snapshot.records, choice.where)
    if choice.support:
        supports = Supports(today)
        records = tuple(one for one in records if supports.of(one).state in choice.support)
    if choice.freshness:
        staleness = Staleness(snapshot.loaded_at, stale_days)
        records = tuple(one for one in records if staleness.of(one) in choice.freshness)
    return sort(records, choice.order.removeprefix("-"), choice.order.startswith("-"))


@lru_cache(maxsize=4)
def options(snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """For each filter parameter, the values that occur among the databases."""
    records = select(snapshot.records, Filter(statuses=frozenset(DatabaseStatus)))
    return {
        "account": _present(record.account_id for record in records),
        "region": _present(record.region for record in records),
        "engine": _present(record.engine for record in records),
        "status": tuple(status.value for status in DatabaseStatus),
        "environment": _present((record.environment or UNKNOWN) for record in records),
        "support": tuple(SUPPORT_WORDS),
        "freshness": FRESHNESS_OPTIONS,
    }


@lru_cache(maxsize=16)
def version_options(snapshot: Snapshot, engines: frozenset[str]) -> tuple[str, ...]:
    """The versions of these engines (of all, for none), each release cycle before its versions."""
    found: set[str] = set()
    unknown = False
    for record in select(snapshot.records, Filter(engines=engines)):
        if record.version is None:
            unknown = True
            continue
        found.add(record.version)
        if cycle := cycle_of(record.engine, record.version):
            found.add(cycle.name)
    return (*sorted(found, key=version_key), *([UNKNOWN] if unknown else []))


def _present(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))
