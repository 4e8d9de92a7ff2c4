"""DynamoDB tables in memory: the operations and the conditions that the product uses, for real."""

from __future__ import annotations

import operator
import pickle
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from functools import cache
from types import SimpleNamespace
from typing import Any, Protocol, TypeVar

from botocore.exceptions import ClientError

Item = Mapping[str, Any]
Test = Callable[[Item, Item], bool]
"""(the stored item, what the expression's `:values` stand for) -> whether the condition holds."""
Result = TypeVar("Result")

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
}


class Call(Protocol):
    """What every call goes through: it is counted, takes time, and may fail before or after."""

    def __call__(self, operation: str, apply: Callable[[], Result]) -> Result:
        """Do `apply`, or raise as botocore does."""


class Tables:
    """Tables by name. Keys are those of the two schemas."""

    def __init__(self, results_table: str, call: Call, now: Callable[[], datetime]) -> None:
        self._results_table = results_table
        self._call = call
        self._now = now
        self._tables: dict[str, Table] = {}

    def table(self, name: str) -> Table:
        """One table; it is empty at first."""
        if name not in self._tables:
            results = name == self._results_table
            keys = ("account_id", "instance_db_id") if results else ("pk", "sk")
            self._tables[name] = Table(keys, self._call, self._transact, self._now)
        return self._tables[name]

    def _transact(self, TransactItems: Sequence[Any], **_token: Any) -> None:  # noqa: N803
        """All of the actions, or none."""

        def apply() -> None:
            actions = [next(iter(action.items())) for action in TransactItems]
            held = [self.table(of["TableName"]).holds(of) for _, of in actions]
            if not all(held):
                codes = ("None" if holds else "ConditionalCheckFailed" for holds in held)
                reasons = [{"Code": code} for code in codes]
                raise failure(
                    "TransactionCanceledException",
                    "TransactWriteItems",
                    CancellationReasons=reasons,
                )
            for kind, of in actions:
                table = self.table(of["TableName"])
                if kind == "Put":
                    table.put(of["Item"])
                else:
                    table.drop(of["Key"])

        self._call("TransactWriteItems", apply)


class Table:
    """Stands where boto3's `Table` does; `items` by partition and sort key."""

    def __init__(
        self,
        keys: tuple[str, str],
        call: Call,
        transact: Callable[..., None],
        now: Callable[[], datetime],
    ) -> None:
        self._partition, self._sort = keys
        self._call = call
        self._now = now
        self.items: defaultdict[str, dict[str, Item]] = defaultdict(dict)
        self.meta = SimpleNamespace(
            client=SimpleNamespace(transact_write_items=transact, get_paginator=self._paginator)
        )

    # --- what boto3 has ---

    def put_item(self, Item: Item, **more: Any) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Put an item if the condition holds."""

        def apply() -> dict[str, Any]:
            self._check(Item, more, "PutItem")
            self.put(Item)
            return {}

        return self._call("PutItem", apply)

    def delete_item(self, Key: Item, **more: Any) -> dict[str, Any]:  # noqa: N803
        """Delete an item if the condition holds."""

        def apply() -> dict[str, Any]:
            self._check(Key, more, "DeleteItem")
            self.drop(Key)
            return {}

        return self._call("DeleteItem", apply)

    def update_item(self, Key: Item, **more: Any) -> dict[str, Any]:  # noqa: N803
        """Set attributes if the condition holds; all of them come back."""

        def apply() -> dict[str, Any]:
            self._check(Key, more, "UpdateItem")
            names, values = (
                more.get("ExpressionAttributeNames", {}),
                more["ExpressionAttributeValues"],
            )
            settings, removed = _update(more["UpdateExpression"])
            old = self._item(Key)
            new = {names.get(name, name): _value(value, old, values) for name, value in settings}
            item = {**Key, **old, **new}
            for name in removed:
                item.pop(names.get(name, name), None)
            self.put(item)
            return {"Attributes": item} | self._metadata()

        return self._call("UpdateItem", apply)

    def get_item(self, Key: Item, **_read: Any) -> dict[str, Any]:  # noqa: N803
        """One item."""

        def apply() -> dict[str, Any]:
            item = self._item(Key)
            return ({"Item": item} if item else {}) | self._metadata()

        return self._call("GetItem", apply)

    def query(self, **arguments: Any) -> dict[str, Any]:
        """A partition's items, by sort key, with a prefix if there is one."""

        def apply() -> dict[str, Any]:
            values = arguments["ExpressionAttributeValues"]
            prefix = values.get(":sk", "")
            found = self.items[values.get(":pk", values.get(":account"))]
            backwards = arguments.get("ScanIndexForward") is False
            names = sorted((name for name in found if name.startswith(prefix)), reverse=backwards)
            return {"Items": [found[name] for name in names[: arguments.get("Limit")]]}

        return self._call("Query", apply)

    def _paginator(self, _operation: str) -> Any:
        return SimpleNamespace(paginate=self._pages)

    def _pages(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        yield self.query(**arguments)

    # --- what it is made of ---

    def holds(self, arguments: Mapping[str, Any]) -> bool:
        """Whether the condition of a write holds."""
        expression = arguments.get("ConditionExpression")
        if expression is None:
            return True
        names = tuple(sorted(arguments.get("ExpressionAttributeNames", {}).items()))
        tests = _tests(expression, names)
        item = self._item(arguments.get("Item") or arguments["Key"])
        values = arguments.get("ExpressionAttributeValues", {})
        return any(test(item, values) for test in tests)

    def put(self, item: Item) -> None:
        """Put an item, whatever is there."""
        # As over the wire, nothing that is stored is the caller's own memory.
        stored: Item = pickle.loads(pickle.dumps(item))  # noqa: S301 - what was just dumped
        self.items[stored[self._partition]][stored[self._sort]] = stored

    def drop(self, key: Item) -> None:
        """Delete an item, if it is there."""
        self.items[key[self._partition]].pop(key[self._sort], None)

    def _item(self, key: Item) -> Item:
        return self.items[key[self._partition]].get(key[self._sort], {})

    def _metadata(self) -> dict[str, Any]:
        """What an answer says of itself: DynamoDB's time, to the second."""
        return {"ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(self._now(), True)}}}

    def _check(self, key: Item, more: Mapping[str, Any], operation: str) -> None:
        if not self.holds({"Key": key, **more}):
            raise failure("ConditionalCheckFailedException", operation)


@cache
def _tests(expression: str, names: tuple[tuple[str, str], ...]) -> tuple[Test, ...]:
    """The clauses of an expression of the forms that the product uses, joined by OR."""
    real = dict(names)
    return tuple(_test(clause, real) for clause in expression.split(" OR "))


def _test(clause: str, names: Mapping[str, str]) -> Test:
    if existence := re.fullmatch(r"attribute_(not_)?exists\((\S+)\)", clause):
        absent, name = bool(existence[1]), existence[2]
        return lambda item, _: (names.get(name, name) in item) is not absent
    comparison = re.fullmatch(r"(\S+) (=|<=|<) (:\S+)", clause)
    if comparison is None:
        raise NotImplementedError(clause)
    attribute, sign, value = names.get(comparison[1], comparison[1]), comparison[2], comparison[3]
    compare = _COMPARISONS[sign]
    return lambda item, values: attribute in item and compare(item[attribute], values[value])


@cache
def _update(expression: str) -> tuple[Sequence[tuple[str, str]], Sequence[str]]:
    """`SET a = :a, #b = :b REMOVE c` -> what is set to what, and what is removed."""
    form = re.fullmatch(r"(?:SET (.+?))?(?: ?REMOVE (.+))?", expression)
    if form is None:
        raise NotImplementedError(expression)
    settings = re.split(r", (?![^(]*\))", form[1]) if form[1] else []
    pairs = [assignment.partition(" = ") for assignment in settings]
    removed = form[2].split(", ") if form[2] else []
    return [(name, value) for name, _, value in pairs], removed


def _value(expression: str, item: Item, values: Item) -> Any:
    """`:a`, or `if_not_exists(a, :b) + :c`."""
    if expression in values:
        return values[expression]
    form = re.fullmatch(r"if_not_exists\((\S+), (:\S+)\) \+ (:\S+)", expression)
    if form is None:
        raise NotImplementedError(expression)
    return item.get(form[1], values[form[2]]) + values[form[3]]


def failure(code: str, operation: str, status: int = 400, **more: Any) -> ClientError:
    """An error as botocore raises it."""
    answer: Any = {
        "Error": {"Code": code, "Message": "simulated"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return ClientError(answer, operation)
