"""DynamoDB items: frozen records in and out, the condition of their writes, and their expiry.

Time to live is the attribute `expires_at`. DynamoDB removes an expired item within days (Developer
Guide, "Using time to live"); until then it is passed over wherever it is read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from discovery.aws.errors import aws_errors
from discovery.errors import AwsError, FailureKind

Record = TypeVar("Record")

CONDITION_FAILED = "ConditionalCheckFailedException"

UNLESS_NEWER = "attribute_not_exists(run_order) OR run_order <= :order"
"""The condition of every write by the run of this order to an item that other runs write too. An
item without an order was written by an early version: any run is newer."""


class ConditionFailedError(Exception):
    """The condition of a write did not hold: nothing was written."""


@contextmanager
def conditional_write() -> Iterator[None]:
    """Raise ConditionFailedError when the condition of the write inside does not hold, and AwsError
    for all else that boto3 raises."""
    try:
        with aws_errors():
            yield
    except AwsError as error:
        if error.code != CONDITION_FAILED:
            raise
        raise ConditionFailedError from error


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

    Raises AwsError STORE_FAILED naming the table, the item's field and its value.
    """
    try:
        return adapter.validate_python(item)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        problem = f"{field}={str(first['input'])[:100]!r}: {first['msg']}"
        unreadable = AwsError(FailureKind.STORE_FAILED, where, "UnreadableItem", problem)
        unreadable.hint = "The item was not written by this product: correct or delete it."
        raise unreadable from error


# --- expiry -------------------------------------------------------------------------------------

EXPIRES_AT = "expires_at"
"""Epoch seconds, as the tables' schemas name it."""


@lru_cache(maxsize=64)
def expires_with_run(run_id: str, days: int) -> dict[str, int]:
    """The attribute of everything that belongs to run `run_id`: all of it expires at one moment,
    `days` after the run began. Nothing for an id that does not begin with a time."""
    try:
        began = datetime.strptime(run_id[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return {}
    return expires_after(began, days)


def expires_after(moment: datetime, days: int) -> dict[str, int]:
    """The attribute of what expires `days` after `moment`."""
    return {EXPIRES_AT: int((moment + timedelta(days=days)).timestamp())}


def is_expired(item: Mapping[str, Any]) -> bool:
    """Whether the item's time is past."""
    expires = item.get(EXPIRES_AT)
    return expires is not None and expires <= time.time()
