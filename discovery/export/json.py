"""The inventory as JSON: one array, one record a line, every field of the record, streamed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import TextIO

from discovery.clock import iso
from discovery.model import DatabaseRecord

_NAMES = tuple(field.name for field in fields(DatabaseRecord))


def write_json(records: Iterable[DatabaseRecord], out: TextIO) -> int:
    """Write `records` to `out` as one JSON array in ASCII; the number of records written."""
    count = 0
    out.write("[")
    for record in records:
        out.write(",\n" if count else "\n")
        out.write(json.dumps(record_object(record), allow_nan=False))
        count += 1
    out.write("\n]\n" if count else "]\n")
    return count


def record_object(record: DatabaseRecord) -> dict[str, object]:
    """Every field of `record` as JSON has it, and its sort key `instance_db_id`.

    Times are ISO 8601 with Z, sizes MiB; an unknown value is null.
    """
    values = {name: _plain(getattr(record, name)) for name in _NAMES}
    return {"instance_db_id": record.instance_db_id, **values}


def _plain(value: object) -> object:
    """A field's value as JSON has it."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
