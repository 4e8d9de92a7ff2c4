"""Frozen records <-> DynamoDB items, both ways through one pydantic adapter per record."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from discovery.errors import DiscoveryError

Record = TypeVar("Record")

UNLESS_NEWER = "attribute_not_exists(run_id) OR run_id <= :run"
"""The condition of every write by run `:run` to an item that other runs write too."""


def to_item(adapter: TypeAdapter[Record], record: Record) -> dict[str, Any]:
    """`record` as DynamoDB attributes. Unknown (None) is left out; times are ISO 8601 with Z."""
    values = adapter.dump_python(record, mode="json", exclude_none=True)
    return {name: _stored(value) for name, value in values.items()}


def _stored(value: Any) -> Any:
    """DynamoDB's numbers are decimal, and boto3 refuses floats."""
    if isinstance(value, float):
        return Decimal(str(int(value) if value.is_integer() else value))
    return value


def from_item(adapter: TypeAdapter[Record], item: dict[str, Any], where: str) -> Record:
    """The record that `item` holds. Attributes this version does not know are passed over.

    Raises DiscoveryError naming the table, the item's field and its value.
    """
    try:
        return adapter.validate_python(item)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise DiscoveryError(
            f"{where}: {field}={str(first['input'])[:100]!r}: {first['msg']}",
            hint="The item was not written by this product: correct or delete it.",
        ) from error
