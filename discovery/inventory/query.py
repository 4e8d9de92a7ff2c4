"""Which records, in which order, which part: one meaning for dashboard, API, CLI and export.

Placeholders of hosts without a database are never selected; gone databases only when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from discovery.errors import RequestError
from discovery.inventory.filters import RecordFilter, holds_words
from discovery.inventory.lifecycle import version_key, version_matches
from discovery.model import ENGINE_LABELS, DatabaseRecord, DatabaseStatus
from discovery.sanitize import shown

UNKNOWN = "unknown"
"""As a filter value: the records whose version or environment is not known."""

_STATUSES = frozenset(DatabaseStatus)
_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True)
class Filter(RecordFilter):
    """Which databases are wanted.

    `versions` are versions or what they start with: 8.0 holds 8.0.35, 15 holds 15.18. `text` is
    looked for in what a record says about the database, its host and its tags. Raises RequestError
    for a status that does not exist.
    """

    PARAMETERS: ClassVar[Mapping[str, str]] = {
        "account": "accounts",
        "account_id": "accounts",
        "region": "regions",
        "engine": "engines",
        "version": "versions",
        "status": "statuses",
        "environment": "environments",
    }

    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        RecordFilter.__post_init__(self)
        for status in sorted(self.statuses - _STATUSES):
            raise RequestError(
                f"status={shown(status)}: no such status",
                hint=f"Use {', '.join(DatabaseStatus)}.",
            )


def select(records: Iterable[DatabaseRecord], where: Filter) -> tuple[DatabaseRecord, ...]:
    """The databases among `records` that `where` selects, in the order given."""
    selected = [record for record in records if record.is_database]
    for test in _tests(where):
        selected = [record for record in selected if test(record)]
    return tuple(selected)


def _tests(where: Filter) -> list[Callable[[DatabaseRecord], bool]]:
    """The tests `where` asks for, cheapest first."""
    tests: list[Callable[[DatabaseRecord], bool]] = []
    if where.statuses:
        tests.append(lambda record: record.status in where.statuses)
    else:
        tests.append(lambda record: record.status is not DatabaseStatus.GONE)
    if where.accounts:
        tests.append(lambda record: record.account_id in where.accounts)
    if where.regions:
        tests.append(lambda record: record.region in where.regions)
    if where.engines:
        tests.append(lambda record: record.engine in where.engines)
    if where.environments:
        tests.append(lambda record: (record.environment or UNKNOWN) in where.environments)
    if where.versions:
        tests.append(_version_test(where.versions))
    if words := where.words:
        tests.append(lambda record: holds_words(_searched(record), words))
    return tests


def _version_test(wanted: Collection[str]) -> Callable[[DatabaseRecord], bool]:
    """Whether a record's version is wanted; each distinct version is compared once."""
    known: dict[str | None, bool] = {None: UNKNOWN in wanted}

    def test(record: DatabaseRecord) -> bool:
        version = record.version
        if version not in known:
            known[version] = any(version_matches(version or "", prefix) for prefix in wanted)
        return known[version]

    return test


def _searched(record: DatabaseRecord) -> tuple[str | None, ...]:
    """What free text is looked for in."""
    return (
        record.engine,
        ENGINE_LABELS.get(record.engine or ""),
        record.version,
        record.db_id,
        record.instance_id,
        record.instance_name,
        record.hostname,
        record.account_id,
        record.region,
        record.data_dir,
        *record.tags,
        *record.tags.values(),
    )


# --- order --------------------------------------------------------------------------------------

SORT_FIELDS: Mapping[str, Callable[[DatabaseRecord], Any]] = {
    "account_id": lambda record: record.account_id,
    "region": lambda record: record.region,
    "instance_id": lambda record: record.instance_id,
    "instance_name": lambda record: _folded(record.instance_name),
    "hostname": lambda record: _folded(record.hostname),
    "db_id": lambda record: record.db_id,
    "engine": lambda record: record.engine,
    "version": lambda record: None if record.version is None else version_key(record.version),
    "status": lambda record: record.status,
    "port": lambda record: record.port,
    "data_dir": lambda record: record.data_dir,
    "data_size_mb": lambda record: record.data_size_mb,
    "environment": lambda record: _folded(record.environment),
    "os_name": lambda record: _folded(record.os_name),
    "system_memory_mb": lambda record: record.system_memory_mb,
    "system_cpu_cores": lambda record: record.system_cpu_cores,
    "first_seen": lambda record: record.first_seen,
    "last_seen": lambda record: record.last_seen,
    "discovery_timestamp": lambda record: record.discovery_timestamp,
}
"""What records can be sorted by."""


def _folded(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def sort(
    records: Iterable[DatabaseRecord], by: str, descending: bool = False
) -> tuple[DatabaseRecord, ...]:
    """`records` by one field; unknown values come last either way, equal ones in order of key.

    Versions sort by number: 9.6 before 10.2. Raises RequestError for a field not in SORT_FIELDS.
    """
    value = SORT_FIELDS.get(by)
    if value is None:
        raise RequestError(
            f"sort={shown(by)}: no such field to sort by", hint=f"Use {', '.join(SORT_FIELDS)}."
        )
    known: list[tuple[Any, DatabaseRecord]] = []
    unknown: list[DatabaseRecord] = []
    for record in sorted(records, key=lambda record: record.key):
        found = value(record)
        if found is None:
            unknown.append(record)
        else:
            known.append((found, record))
    known.sort(key=lambda pair: pair[0], reverse=descending)
    return (*(record for _, record in known), *unknown)


# --- parts --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page(Generic[_Item]):
    """One part of a sequence. `number` counts from 1; there is at least one page."""

    items: tuple[_Item, ...]
    number: int
    pages: int
    total: int


def paginate(items: Sequence[_Item], number: int, size: int) -> Page[_Item]:
    """Part `number` of `items` cut into parts of `size`.

    A number out of range is the nearest part there is: a filter shortens what a link points into.
    Raises RequestError for a size below 1.
    """
    if size < 1:
        raise RequestError(f"size={size}: a page holds at least one record")
    pages = max(1, -(-len(items) // size))
    number = min(max(number, 1), pages)
    start = (number - 1) * size
    return Page(tuple(items[start : start + size]), number, pages, len(items))
