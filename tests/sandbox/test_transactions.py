"""Transactions in the sandbox: all or nothing, judged by what each action needs."""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox
from tests.support.aws_errors import refusal

KEY = {"account_id": {"S": "111111111111"}, "instance_db_id": {"S": "i-1#transaction"}}


def put(table: str, item: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One Put."""
    return {"Put": {"TableName": table, "Item": item, **more}}


def test_a_failed_condition_undoes_nothing_because_nothing_was_done(
    sandbox: Sandbox, management: Any
) -> None:
    """One of two conditions fails: the reasons say which, and neither item is there."""
    table = sandbox.settings.results_table
    dynamodb = management("dynamodb")
    other = KEY | {"instance_db_id": {"S": "i-2#transaction"}}
    condition = {"ConditionExpression": "attribute_exists(account_id)"}
    code, message = refusal(
        dynamodb.transact_write_items,
        TransactItems=[put(table, KEY), put(table, other, **condition)],
    )
    assert code == "TransactionCanceledException"
    assert message.endswith("[None, ConditionalCheckFailed]")
    assert "Item" not in dynamodb.get_item(TableName=table, Key=KEY)


def test_one_item_twice_is_refused(sandbox: Sandbox, management: Any) -> None:
    """As in DynamoDB, a transaction names an item once."""
    table = sandbox.settings.results_table
    code, _ = refusal(
        management("dynamodb").transact_write_items,
        TransactItems=[put(table, KEY), {"Delete": {"TableName": table, "Key": KEY}}],
    )
    assert code == "ValidationException"


def test_a_write_that_is_refused_late_takes_back_the_others(
    sandbox: Sandbox, management: Any
) -> None:
    """An item over 400 KB after a good one: the good one is as it was before."""
    table = sandbox.settings.results_table
    dynamodb = management("dynamodb")
    dynamodb.put_item(TableName=table, Item=KEY | {"port": {"N": "1"}})
    huge = KEY | {"instance_db_id": {"S": "i-2#transaction"}, "error": {"S": "x" * 500_000}}
    code, _ = refusal(
        dynamodb.transact_write_items,
        TransactItems=[put(table, KEY | {"port": {"N": "2"}}), put(table, huge)],
    )
    assert code == "ValidationException"
    assert dynamodb.get_item(TableName=table, Key=KEY)["Item"]["port"] == {"N": "1"}
    dynamodb.delete_item(TableName=table, Key=KEY)


def test_each_action_needs_its_own_permission(sandbox: Sandbox, management: Any) -> None:
    """TransactWriteItems itself is no permission: the runner may put into its tables only, and may
    not update the results table."""
    dynamodb = management("dynamodb")
    code, message = refusal(dynamodb.transact_write_items, TransactItems=[put("other", KEY)])
    assert code == "AccessDeniedException" and "dynamodb:PutItem on resource" in message
    update = {
        "TableName": sandbox.settings.results_table,
        "Key": KEY,
        "UpdateExpression": "SET port = :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    code, message = refusal(dynamodb.transact_write_items, TransactItems=[{"Update": update}])
    assert code == "AccessDeniedException" and "dynamodb:UpdateItem on resource" in message
