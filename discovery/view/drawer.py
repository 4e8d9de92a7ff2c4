"""One record in full, each value with how it was found. Texts are plain, not Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from discovery.inventory.as_of import AsOf
from discovery.inventory.columns import AtLeast, Column, Format, Record, in_drawer
from discovery.inventory.database_columns import DATABASE_COLUMNS
from discovery.model import DatabaseRecord
from discovery.sanitize import printable
from discovery.view.formatting import DASH, data_size, engine, number, size, when
from discovery.view.labels import label_of, support_sentence


def title(record: DatabaseRecord) -> str:
    """`MySQL on orders-db-1`."""
    return f"{engine(record.engine)} on {record.instance_name or record.instance_id}"


def database_facts(
    record: DatabaseRecord,
    as_of: AsOf,
    columns: Sequence[Column[DatabaseRecord]] = DATABASE_COLUMNS,
) -> list[tuple[str, str, str]]:
    """What is known of a database: (name, value, how it was found)."""
    return [
        (name, text, _found_by(column, record, as_of))
        for column in in_drawer(columns, "database")
        for name, text in _rows(column, record, as_of)
    ]


def host_facts(
    record: DatabaseRecord,
    as_of: AsOf,
    columns: Sequence[Column[DatabaseRecord]] = DATABASE_COLUMNS,
) -> list[tuple[str, str]]:
    """What is known of its host: (name, value)."""
    return facts(in_drawer(columns, "host"), record, as_of)


def facts(columns: Iterable[Column[Record]], record: Record, as_of: AsOf) -> list[tuple[str, str]]:
    """What `columns` say of a record: (name, value)."""
    return [row for column in columns for row in _rows(column, record, as_of)]


def _found_by(column: Column[DatabaseRecord], record: DatabaseRecord, as_of: AsOf) -> str:
    found_by = column.found_by
    how = found_by(record, as_of) if found_by else record.evidence.get(column.field, "")
    return printable(how) or DASH


def _rows(column: Column[Record], record: Record, as_of: AsOf) -> list[tuple[str, str]]:
    """One row; none where an optional value is unknown, and one a tag."""
    value = column.read(record, as_of)
    if column.format == "tags" and isinstance(value, Mapping):
        tags = sorted(value.items())
        return [(printable(f"Tag {name}"), printable(text) or DASH) for name, text in tags]
    text = "" if value is None else printable(_text(value, column.format, as_of.now))
    return [] if column.optional and not text else [(column.name, text or DASH)]


def _text(value: Any, form: Format, now: datetime) -> str:
    read = _TEXTS.get(form)
    return read(value, now) if read else label_of(value, form)


def _size(mebibytes: float, _: datetime) -> str:
    """`1.4 TiB (1,447,034.88 MiB)`."""
    text = data_size(mebibytes, complete=not isinstance(mebibytes, AtLeast))
    return f"{text} ({mebibytes:,.2f} MiB)" if mebibytes >= 1024 else text


_TEXTS: Mapping[Format, Callable[[Any, datetime], str]] = {
    "size": _size,
    "capacity": lambda mebibytes, _: size(mebibytes),
    "number": lambda count, _: number(count),
    "time": lambda at, now: when(at, now),
    "support": lambda support, _: support_sentence(support),
}
