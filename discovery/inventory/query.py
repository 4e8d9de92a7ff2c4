"""Which records, in which order, which part: one meaning for dashboard, API, CLI and export.

Placeholders of hosts without a database are never selected; gone databases only when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from discovery.errors import RequestError
from discovery.inventory.lifecycle import version_key, version_matches
from discovery.model import ENGINE_LABELS, DatabaseRecord, DatabaseStatus
from discovery.sanitize import shown

UNKNOWN = "unknown"
"""As a filter value: the records whose version or environment is not known."""

MAX_TEXT = 200
_STATUSES = frozenset(DatabaseStatus)

_PARAMETERS: Mapping[str, str] = {
    "account": "accounts",
    "account_id": "accounts",
    "region": "regions",
    "engine": "engines",
    "version": "versions",
    "status": "statuses",
    "environment": "environments",
}
"""URL parameter -> field of `Filter`; where two name one field, the first is the one written."""
_TEXT_PARAMETER = "q"

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Filter:
    """A record is selected when every field that is not empty holds it.

    Values of one field are alternatives. `versions` are versions or what they start with: 8.0 holds
    8.0.35, 15 holds 15.18. `text` is words that must all occur, in any case, in what a record says
    about the database, its host or its tags. Raises RequestError for a status that does not exist
    and a text of more than 200 characters.
    """

    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()
    text: str = ""

    def __post_init__(self) -> None:
        for status in sorted(self.statuses - _STATUSES):
            raise RequestError(
                f"status={shown(status)}: no such status",
                hint=f"Use {', '.join(DatabaseStatus)}.",
            )
        if len(self.text) > MAX_TEXT:
            raise RequestError(
                f"{_TEXT_PARAMETER}: {len(self.text)} characters, at most {MAX_TEXT}"
            )

    @classmethod
    def from_params(cls, params: Mapping[str, Sequence[str]]) -> Filter:
        """The filter that URL parameters name; each may occur several times. Others are ignored."""
        values: dict[str, set[str]] = {}
        for name, field in _PARAMETERS.items():
            given = (value.strip() for value in params.get(name, ()))
            values.setdefault(field, set()).update(filter(None, given))
        text = " ".join(params.get(_TEXT_PARAMETER, ())).strip()
        return cls(**{field: frozenset(given) for field, given in values.items()}, text=text)

    def to_params(self) -> dict[str, list[str]]:
        """The URL parameters of this filter, in a fixed order, without those that are empty."""
        params: dict[str, list[str]] = {}
        written: set[str] = set()
        for name, field in _PARAMETERS.items():
            values = getattr(self, field)
            if values and field not in written:
                params[name] = sorted(values)
            written.add(field)
        if self.text:
            params[_TEXT_PARAMETER] = [self.text]
        return params


def select(records: Iterable[DatabaseRecord], where: Filter) -> tuple[DatabaseRecord, ...]:
    """The databases among `records` that `where` holds, in the order given."""
    chosen = [record for record in records if record.is_database]
    for test in _tests(where):
        chosen = [record for record in chosen if test(record)]
    return tuple(chosen)


def _tests(where: Filter) -> list[Callable[[DatabaseRecord], bool]]:
    """The tests `where` asks for, cheapest first."""
    accounts, regions, engines = where.accounts, where.regions, where.engines
    tests: list[Callable[[DatabaseRecord], bool]] = []
    if where.statuses:
        tests.append(lambda record: record.status in where.statuses)
    else:
        tests.append(lambda record: record.status is not DatabaseStatus.GONE)
    if accounts:
        tests.append(lambda record: record.account_id in accounts)
    if regions:
        tests.append(lambda record: record.region in regions)
    if engines:
        tests.append(lambda record: record.engine in engines)
    if where.environments:
        tests.append(lambda record: (record.environment or UNKNOWN) in where.environments)
    if where.versions:
        tests.append(_version_test(where.versions))
    words = where.text.casefold().split()
    if words:
        tests.append(lambda record: _holds_all(_searchable(record), words))
    return tests


def _version_test(wanted: Collection[str]) -> Callable[[DatabaseRecord], bool]:
    known: dict[str | None, bool] = {None: UNKNOWN in wanted}

    def test(record: DatabaseRecord) -> bool:
        version = record.version
        if version not in known:
            known[version] = any(version_matches(version or "", prefix) for prefix in wanted)
        return known[version]

    return test


def _holds_all(text: str, words: Iterable[str]) -> bool:
    return all(word in text for word in words)


def _searchable(record: DatabaseRecord) -> str:
    """What free text is looked for in; one line a value, so that no word spans two."""
    engine = record.engine or ""
    values = (
        engine,
        ENGINE_LABELS.get(engine, ""),
        record.version or "",
        record.db_id,
        record.instance_id,
        record.instance_name or "",
        record.hostname or "",
        record.account_id,
        record.region,
        record.data_dir or "",
        *record.tags,
        *record.tags.values(),
    )
    return "\n".join(values).casefold()


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
    """One part of a sequence. `number` counts from 1 and is within `pages`, which is at least 1."""

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
