"""The inventory as CSV: RFC 4180, a header line, rows streamed, no cell that a spreadsheet runs.

Text comes from hosts and tags, so from strangers: what a spreadsheet would take for a formula gets
a single quote in front, which makes it text there, and control characters are removed. Numbers are
written plain, times as ISO 8601 UTC; an unknown value is an empty cell.
"""

from __future__ import annotations

import csv
import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TextIO, get_type_hints

from pydantic.fields import FieldInfo

from discovery.clock import iso
from discovery.inventory.freshness import Staleness
from discovery.inventory.lifecycle import cycle_of
from discovery.model import Change, DatabaseRecord
from discovery.sanitize import printable

_STARTS = "=+-@\u2212"
"""In their compatibility forms too (full-width, small, superscript): some programs fold those."""

_FIELDS = get_type_hints(DatabaseRecord, include_extras=True)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its header with the unit, what it means, and its value in a record."""

    header: str
    description: str
    value: Callable[[DatabaseRecord], object]


def _of(field: str, header: str) -> Column:
    """The column of a record's field, described as the model describes it."""
    described = [part for part in _FIELDS[field].__metadata__ if isinstance(part, FieldInfo)]
    return Column(header, described[0].description or "", lambda record: getattr(record, field))


_FRESHNESS = "Freshness"

COLUMNS: tuple[Column, ...] = (
    _of("account_id", "Account"),
    _of("region", "Region"),
    _of("environment", "Environment"),
    _of("instance_id", "Instance"),
    _of("instance_name", "Instance name"),
    _of("hostname", "Host name"),
    _of("db_id", "Database"),
    _of("engine", "Engine"),
    _of("version", "Version"),
    _of("edition", "Edition"),
    Column(
        "Standard support ends",
        "Last day of the version's standard support, where a schedule is known.",
        lambda record: _support_ends(record),
    ),
    _of("status", "Status"),
    _of("port", "Port"),
    _of("listen", "Listens on"),
    _of("data_dir", "Data directory"),
    _of("data_size_mb", "Data size (MiB)"),
    Column(
        "Data size complete",
        "False when measuring was cut short: the size is at least this.",
        lambda record: None if record.data_size_mb is None else record.data_size_complete,
    ),
    _of("binary", "Executable"),
    _of("config_file", "Configuration file"),
    _of("container", "Container"),
    _of("image", "Container image"),
    _of("published_port", "Published port"),
    _of("owner", "Process owner"),
    _of("started_at", "Started (UTC)"),
    _of("memory_mb", "Resident memory (MiB)"),
    _of("disk_free_mb", "Disk free (MiB)"),
    _of("tls", "TLS"),
    _of("role", "Replication role"),
    _of("clients_total", "Client connections"),
    _of("clients", "Clients"),
    _of("os_name", "Operating system"),
    _of("kernel", "Kernel"),
    _of("architecture", "Architecture"),
    _of("system_memory_mb", "Memory (MiB)"),
    _of("system_cpu_cores", "Processors"),
    _of("first_seen", "First seen (UTC)"),
    _of("last_seen", "Last seen (UTC)"),
    _of("discovery_timestamp", "Last confirmed (UTC)"),
    Column(
        _FRESHNESS,
        "current, stale (not reported for longer than is set) or gone, as of the export.",
        lambda _record: None,  # depends on the time of the export: `write_csv` fills it in
    ),
    _of("gone_at", "Gone since (UTC)"),
    Column(
        "Removed after (UTC)",
        "When a gone database is removed from the inventory.",
        lambda record: (
            None if record.expires_at is None else datetime.fromtimestamp(record.expires_at, UTC)
        ),
    ),
    _of("run_id", "Run"),
    _of("discovery_status", "Discovery"),
    _of("error", "Error"),
    _of("warnings", "Warnings"),
    _of("tags", "Tags"),
    _of("evidence", "Evidence"),
)


def write_csv(
    records: Iterable[DatabaseRecord], out: TextIO, staleness: Staleness | None = None
) -> int:
    """Write a header and one row a record to `out`; the number of records written.

    `staleness` says as of when a database is stale; by default now, after the default days.
    Open `out` with `newline=""`, as the csv module asks, and encoding UTF-8.
    """
    staleness = staleness or Staleness(datetime.now(UTC))
    values = [staleness.of if each.header == _FRESHNESS else each.value for each in COLUMNS]
    writer = csv.writer(out)
    writer.writerow([column.header for column in COLUMNS])
    count = 0
    for record in records:
        writer.writerow([_cell(value(record)) for value in values])
        count += 1
    return count


_CHANGE_FIELDS: Mapping[str, Callable[[Change], object]] = {
    "Found (UTC)": lambda change: change.at,
    "Change": lambda change: change.kind.value,
    "Account": lambda change: change.account_id,
    "Region": lambda change: change.region,
    "Instance": lambda change: change.instance_id,
    "Database": lambda change: change.db_id,
    "Engine": lambda change: change.engine,
    "Before": lambda change: change.before,
    "After": lambda change: change.after,
    "Run": lambda change: change.run_id,
}


def write_changes(changes: Iterable[Change], out: TextIO) -> int:
    """Write a header and one row a change to `out`, opened as for `write_csv`; how many."""
    writer = csv.writer(out)
    writer.writerow(_CHANGE_FIELDS)
    count = 0
    for change in changes:
        writer.writerow([_cell(value(change)) for value in _CHANGE_FIELDS.values()])
        count += 1
    return count


def _support_ends(record: DatabaseRecord) -> date | None:
    cycle = cycle_of(record.engine, record.version)
    return cycle.ends if cycle else None


def _cell(value: object) -> str:
    """A value as a cell: a number is a number, anything else is text that no program runs."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _harmless(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".") if math.isfinite(value) else ""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return _harmless("; ".join(f"{name}: {text}" for name, text in value.items()))
    if isinstance(value, Sequence):
        return _harmless("; ".join(map(str, value)))
    return _harmless(str(value))


def _harmless(text: str) -> str:
    """`text` on one line that starts no formula, also where `;` separates cells.

    Spreadsheets in many locales split a line at semicolons and pay no heed to the quotes of a
    comma-separated cell, so each part between semicolons is treated as a cell of its own.
    """
    text = printable(text)
    if ";" not in text:
        return _defused(text)
    return ";".join(map(_defused, text.split(";")))


def _defused(part: str) -> str:
    start = part.lstrip(' "')[:1]
    if not start or start.isalnum() or unicodedata.normalize("NFKC", start)[0] not in _STARTS:
        return part
    text = part.lstrip(" ")
    return f"{' ' * (len(part) - len(text))}'{text}"
