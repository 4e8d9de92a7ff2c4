"""DynamoDB's `TransactWriteItems` over moto's tables.

moto's own copies each whole table for its undo: a transaction takes longer the larger its table is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from math import ceil
from typing import Any

from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import MockValidationException, ResourceNotFoundException
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends

from sandbox.call import AwsFaultError, Call
from sandbox.http_responses import Response

_MAX_ACTIONS = 100
_CANCELED = "TransactionCanceledException"

Action = tuple[str, dict[str, Any]]
"""The kind of a write, such as "Put", and its arguments."""


def transact_write(call: Call, account: str) -> Response:
    """Do every action or none: first all conditions are checked, then everything is written.

    Raises AwsFaultError for what DynamoDB refuses. A failed condition is a response with reasons.
    """
    backend = dynamodb_backends[account][call.region]
    actions = [next(iter(item.items())) for item in call.json["TransactItems"]]
    if not 0 < len(actions) <= _MAX_ACTIONS:
        raise AwsFaultError("ValidationException", f"a transaction has 1 to {_MAX_ACTIONS} actions")
    try:
        keys = [_key(backend, kind, arguments) for kind, arguments in actions]
        _refuse_one_item_twice(actions, keys)
        before = [
            backend.get_item(arguments["TableName"], key)
            for key, (_, arguments) in zip(keys, actions, strict=True)
        ]
        failed = [
            not _holds(arguments, item)
            for (_, arguments), item in zip(actions, before, strict=True)
        ]
        if any(failed):
            return _canceled(failed)
        _apply(backend, actions, keys, deepcopy(before))
    except ResourceNotFoundException as error:
        raise AwsFaultError("ResourceNotFoundException", "Requested resource not found") from error
    except MockValidationException as error:
        raise AwsFaultError("ValidationException", error.message) from error
    content = {}
    if call.json.get("ReturnConsumedCapacity", "NONE") != "NONE":
        content["ConsumedCapacity"] = _consumed(backend, actions, keys, before)
    return 200, "application/x-amz-json-1.0", json.dumps(content).encode()


def _refuse_one_item_twice(actions: Sequence[Action], keys: Sequence[dict[str, Any]]) -> None:
    items = {
        (arguments["TableName"], str(sorted(key.items())))
        for key, (_, arguments) in zip(keys, actions, strict=True)
    }
    if len(items) < len(actions):
        raise AwsFaultError(
            "ValidationException",
            "Transaction request cannot include multiple operations on one item",
        )


def _key(backend: DynamoDBBackend, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    table = backend.get_table(arguments["TableName"])
    given = arguments["Item" if kind == "Put" else "Key"]
    names = [name for name in (table.hash_key_attr, table.range_key_attr) if name]
    for name in names:
        if not given.get(name, {}).get("S", given.get(name, {}).get("N")):
            raise AwsFaultError(
                "ValidationException",
                "One or more parameter values are not valid. The AttributeValue for a key "
                f"attribute is missing or empty. Key: {name}",
            )
    return {name: given[name] for name in names}


def _holds(arguments: dict[str, Any], item: Any) -> bool:
    if "ConditionExpression" not in arguments:
        return True
    condition = get_filter_expression(
        arguments["ConditionExpression"],
        arguments.get("ExpressionAttributeNames"),
        arguments.get("ExpressionAttributeValues"),
    )
    return bool(condition.expr(item))


def _apply(
    backend: DynamoDBBackend,
    actions: Sequence[Action],
    keys: Sequence[dict[str, Any]],
    before: Sequence[Any],
) -> None:
    """Write everything. When moto refuses a write, put back what the others replaced."""
    for done, ((kind, arguments), key) in enumerate(zip(actions, keys, strict=True)):
        table = arguments["TableName"]
        try:
            if kind == "Put":
                backend.put_item(table, arguments["Item"])
            elif kind == "Delete":
                backend.delete_item(table, key)
            elif kind == "Update":
                backend.update_item(
                    table,
                    key,
                    update_expression=arguments["UpdateExpression"],
                    expression_attribute_names=arguments.get("ExpressionAttributeNames", {}),
                    expression_attribute_values=arguments.get("ExpressionAttributeValues", {}),
                )
        except BaseException:
            for at in range(done + 1):
                _restore(backend, actions[at][1]["TableName"], keys[at], before[at])
            raise


def _consumed(
    backend: DynamoDBBackend,
    actions: Sequence[Action],
    keys: Sequence[dict[str, Any]],
    before: Sequence[Any],
) -> list[dict[str, Any]]:
    """Capacity units by table, without those of indexes.

    A transactional write takes two units for each KiB of the larger of the old and the new item.
    """
    units: Counter[str] = Counter()
    for (kind, arguments), key, old in zip(actions, keys, before, strict=True):
        table = arguments["TableName"]
        if kind != "ConditionCheck":
            new = backend.get_item(table, key)
            size = max(item.size() if item else 0 for item in (old, new))
            units[table] += 2 * max(1, ceil(size / 1024))
    return [{"TableName": table, "CapacityUnits": float(n)} for table, n in units.items()]


def _restore(backend: DynamoDBBackend, table: str, key: dict[str, Any], item: Any) -> None:
    if item is None:
        backend.delete_item(table, key)
    else:
        backend.put_item(table, item.to_json()["Attributes"])


def _canceled(failed: Sequence[bool]) -> Response:
    codes = ["ConditionalCheckFailed" if is_failed else "None" for is_failed in failed]
    content = {
        "__type": f"com.amazonaws.dynamodb.v20120810#{_CANCELED}",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons "
        f"[{', '.join(codes)}]",
        "CancellationReasons": [
            {"Code": code, "Message": "The conditional request failed"}
            if is_failed
            else {"Code": code}
            for code, is_failed in zip(codes, failed, strict=True)
        ],
    }
    return 400, "application/x-amz-json-1.0", json.dumps(content).encode()
