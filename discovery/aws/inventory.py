"""The inventory: `DatabaseRecord` items of the results table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from discovery.aws.errors import aws_errors
from discovery.aws.items import (
    from_item,
    is_expired,
    to_item,
)
from discovery.aws.replies import pages
from discovery.aws.session import Aws
from discovery.aws.watched import unwatched_scopes
from discovery.model import DatabaseRecord, Scope

_ADAPTER = TypeAdapter(DatabaseRecord)


class Inventory:
    """Reads the results table, which `HostWriter` writes. Every method raises AwsError when
    DynamoDB refuses."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._name = aws.settings.results_table
        self._table = aws.table(self._name)

    def all_records(self) -> Iterator[DatabaseRecord]:
        """Every record, placeholders and gone ones included, page by page, in no order. A gone one
        whose time is past is passed over: DynamoDB removes it when it gets to it."""
        return self._records("scan")

    def account_records(
        self, account_id: str, *, consistent: bool = False
    ) -> Iterator[DatabaseRecord]:
        """The records of one account, by instance and database id.

        `consistent` shows what was written a moment ago too, for twice the read units.
        """
        return self._records(
            "query",
            KeyConditionExpression="account_id = :account",
            ExpressionAttributeValues={":account": account_id},
            ConsistentRead=consistent,
        )

    def host_records(self, account_id: str, instance_id: str) -> Iterator[DatabaseRecord]:
        """The records of one host as they are now, its placeholder included."""
        return self._records(
            "query",
            KeyConditionExpression="account_id = :account AND begins_with(instance_db_id, :sk)",
            ExpressionAttributeValues={":account": account_id, ":sk": f"{instance_id}#"},
            ConsistentRead=True,
        )

    def unwatched_scopes(self) -> dict[Scope, datetime]:
        """The scopes that runs no longer scan, each since when."""
        return unwatched_scopes(self._aws)

    def _records(self, operation: str, **arguments: Any) -> Iterator[DatabaseRecord]:
        client = self._table.meta.client
        with aws_errors():
            for page in pages(client, operation, TableName=self._name, **arguments):
                for item in page["Items"]:
                    if is_expired(item):
                        continue
                    where = f"{self._name} {item.get('account_id')} {item.get('instance_db_id')}"
                    yield from_item(_ADAPTER, item, where)


def record_key(record: DatabaseRecord) -> dict[str, str]:
    """Its key in the results table."""
    return {"account_id": record.account_id, "instance_db_id": record.instance_db_id}


def record_item(record: DatabaseRecord) -> dict[str, Any]:
    """The item of the results table."""
    return to_item(_ADAPTER, record) | record_key(record)
