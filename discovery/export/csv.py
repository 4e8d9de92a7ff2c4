"""Records as CSV: RFC 4180, a header line, rows streamed, no cell that a spreadsheet runs.

Text comes from hosts and tags, so from strangers: what a spreadsheet would take for a formula gets
a single quote in front, which makes it text there, and control characters are removed. Numbers are
written plain, times as ISO 8601 UTC; an unknown value is an empty cell.
"""

from __future__ import annotations

import csv
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO

from discovery.clock import iso
from discovery.inventory.as_of import AsOf
from discovery.inventory.changes import CHANGE_COLUMNS
from discovery.inventory.columns import Column, Record, in_csv
from discovery.inventory.database_columns import DATABASE_COLUMNS
from discovery.model import Change, DatabaseRecord
from discovery.sanitize import printable

_STARTS = "=+-@\u2212"
"""In their compatibility forms too (full-width, small, superscript): some programs fold those."""


def write_databases(
    records: Iterable[DatabaseRecord], out: TextIO, as_of: AsOf | None = None
) -> int:
    """Write databases to `out`, as `write_csv` does; what depends on the time is as of now."""
    return write_csv(DATABASE_COLUMNS, records, out, as_of)


def write_changes(changes: Iterable[Change], out: TextIO) -> int:
    """Write changes to `out`, as `write_csv` does."""
    return write_csv(CHANGE_COLUMNS, changes, out)


def write_csv(
    columns: Iterable[Column[Record]],
    records: Iterable[Record],
    out: TextIO,
    as_of: AsOf | None = None,
) -> int:
    """Write a header and one row a record to `out`; the number of records written.

    Open `out` with `newline=""`, as the csv module asks, and encoding UTF-8.
    """
    as_of = as_of or AsOf(datetime.now(UTC))
    written = in_csv(columns)
    writer = csv.writer(out)
    writer.writerow([column.header for column in written])
    count = 0
    for record in records:
        writer.writerow([_cell(column.read(record, as_of)) for column in written])
        count += 1
    return count


def _cell(value: object) -> str:
    """A value as a cell: a number is a number, anything else is text that no program runs."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return _number(value)
    if isinstance(value, datetime):
        return iso(value)
    return _harmless(_text(value))


def _number(value: float) -> str:
    """`true`, `3306`, `2048.5`; what is no finite number is unknown."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return f"{value:.2f}".rstrip("0").rstrip(".") if math.isfinite(value) else ""


def _text(value: object) -> str:
    """A text, or the items of a list or map, separated by semicolons."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {text}" for name, text in value.items())
    if isinstance(value, Sequence):
        return "; ".join(map(str, value))
    return str(value)


def _harmless(text: str) -> str:
    """`text` on one line that starts no formula, also where `;` separates cells.

    Spreadsheets in many locales split a line at semicolons and ignore the quotes of a
    comma-separated cell, so each part between semicolons is treated as a cell of its own.
    """
    text = printable(text)
    if ";" not in text:
        return _defused(text)
    return ";".join(map(_defused, text.split(";")))


def _defused(part: str) -> str:
    """`part` with a quote before what starts a formula, after leading spaces."""
    start = part.lstrip(' "')[:1]
    if not start or start.isalnum() or unicodedata.normalize("NFKC", start)[0] not in _STARTS:
        return part
    text = part.lstrip(" ")
    return f"{' ' * (len(part) - len(text))}'{text}"
