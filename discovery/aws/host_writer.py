"""Hosts' results, each written whole: its databases, its changes and its coverage in one
transaction, which several hosts share; and the coverage of hosts without a result.

A crash leaves a host either as it was or as it is now. Each item is guarded by its run's order (see
lease.py), so an older run never overwrites a newer one, and writing the same result again, or
results in another order, ends in the same table:

- a database's record belongs to the newest run that reported on it; its changes go with it;
- a host's coverage belongs to the newest run that checked it; its placeholder record goes with it.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from discovery.aws.errors import aws_errors, cancellation_reasons, error_code
from discovery.aws.inventory import record_item, record_key
from discovery.aws.items import UNLESS_NEWER
from discovery.aws.runs import change_item, host_item, unscanned_item
from discovery.aws.session import Aws
from discovery.model import Change, Coverage, DatabaseRecord, HostChanges, HostRecord

MAX_ACTIONS = 100
MAX_BYTES = 4_000_000
"""Limits of one TransactWriteItems (API reference), the second with room to spare."""

_ATTEMPTS = 8
_FIRST_DELAY_SECONDS = 0.05
_CONDITION_FAILED = "ConditionalCheckFailed"
_PASSING_REASONS = frozenset(
    {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
)

Action = Mapping[str, Any]
"""One element of TransactItems."""


@dataclass(frozen=True, slots=True)
class HostRows:
    """What one run has to store of one host. A host that failed is also listed, in its run, among
    those that were not scanned."""

    changes: HostChanges
    host: HostRecord


@dataclass(frozen=True, slots=True)
class _Unit:
    """Actions that stand or fall together: `guard` refused, `followers` are left out too.

    `coverage_of` is the host whose newest coverage `guard` puts.
    """

    guard: Action
    followers: tuple[Action, ...] = ()
    coverage_of: HostRecord | None = None

    @property
    def actions(self) -> tuple[Action, ...]:
        return (self.guard, *self.followers)

    def without(self, refused: Iterable[int]) -> _Unit | None:
        """What is left when the actions at these positions lost to a newer run."""
        lost = set(refused)
        if 0 in lost:
            return None
        kept = [action for at, action in enumerate(self.followers, 1) if at not in lost]
        return replace(self, followers=tuple(kept))


class HostWriter:
    """Writes hosts' results. Safe across threads."""

    def __init__(self, aws: Aws, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._results = aws.settings.results_table
        self._runs = aws.settings.runs_table
        self._days = aws.settings.history_days
        self._gone_ttl_days = aws.settings.gone_ttl_days
        # The client of a boto3 `Table`: Python values in and out.
        self._client = aws.table(self._runs).meta.client
        self._sleep = sleep

    def write(self, *hosts: HostRows) -> list[HostRecord]:
        """Store each of `hosts`; what a newer run has written meanwhile stays. The coverage of
        those that a newer run has checked.

        As many hosts a transaction as fit, and no host in two, unless one has more than DynamoDB
        takes at once: then databases first, each with its changes, and the coverage that says
        "scanned" last. Raises AwsError; hosts before the one that failed may be stored then.
        """
        superseded: list[HostRecord] = []
        for units in _transactions(list(self._units(rows)) for rows in hosts):
            superseded += self._write_chunk(units)
        return superseded

    def write_coverage(self, hosts: Iterable[HostRecord], *, newest: bool = True) -> None:
        """Store why `hosts` were not scanned: in the list of their run and, if `newest`, as the
        newest answer to "was this host scanned?", unless a newer run has one.

        In transactions, since BatchWriteItem knows no conditions. Raises AwsError.
        """
        units_of = partial(self._coverage_units, newest=newest)
        for units in _transactions(list(units_of(host)) for host in hosts):
            self._write_chunk(units)

    # --- what to write ---

    def _coverage_units(self, host: HostRecord, *, newest: bool) -> Iterator[_Unit]:
        yield _Unit(self._put(self._runs, unscanned_item(host, self._days)))
        if newest:
            yield _Unit(self._put(self._runs, self._host_item(host), host.run_order))

    def _units(self, rows: HostRows) -> Iterator[_Unit]:
        databases = [record for record in rows.changes.puts if record.is_database]
        written = {record.db_id for record in databases}
        for record in databases:
            changes = [change for change in rows.changes.changes if change.db_id == record.db_id]
            yield _Unit(self._put_record(record), tuple(map(self._put_change, changes)))
        for change in rows.changes.changes:
            if change.db_id not in written:
                yield _Unit(self._put_change(change))
        if rows.host.coverage is Coverage.FAILED:
            yield _Unit(self._put(self._runs, unscanned_item(rows.host, self._days)))
        order = rows.host.run_order
        placeholders = [record for record in rows.changes.puts if not record.is_database]
        yield _Unit(
            self._put(self._runs, self._host_item(rows.host), order),
            (
                *map(self._put_record, placeholders),
                *(self._delete_record(record, order) for record in rows.changes.deletes),
            ),
            rows.host,
        )

    def _host_item(self, host: HostRecord) -> dict[str, Any]:
        return host_item(host, self._gone_ttl_days)

    def _put_record(self, record: DatabaseRecord) -> Action:
        return self._put(self._results, record_item(record), record.run_order)

    def _put_change(self, change: Change) -> Action:
        return self._put(self._runs, change_item(change, self._days))

    def _put(self, table: str, item: Mapping[str, Any], order: int | None = None) -> Action:
        return {"Put": {"TableName": table, "Item": item, **_guarded(order)}}

    def _delete_record(self, record: DatabaseRecord, order: int) -> Action:
        key = record_key(record)
        return {"Delete": {"TableName": self._results, "Key": key, **_guarded(order)}}

    # --- writing it ---

    def _write_chunk(self, units: Sequence[_Unit]) -> list[HostRecord]:
        """Leave out what lost to a newer run and write the rest, until DynamoDB takes it. The
        coverage that was left out."""
        due = units
        while due:
            reasons = self._transact([action for unit in due for action in unit.actions])
            if not reasons:
                break
            due = list(_still_due(due, [reason == _CONDITION_FAILED for reason in reasons]))
        written = {id(unit.coverage_of) for unit in due}
        hosts = (unit.coverage_of for unit in units if unit.coverage_of)
        return [host for host in hosts if id(host) not in written]

    def _transact(self, actions: Sequence[Action]) -> list[str]:
        """One transaction: empty when done, else each action's reason code, with at least one
        failed condition. What passes by itself, such as a conflict, is waited for.

        botocore retries throttles of the whole call; those of single items come as reasons.
        """
        token = str(uuid4())  # a retry after a lost answer is the same transaction
        for attempt in range(1, _ATTEMPTS + 1):
            with aws_errors():
                try:
                    self._client.transact_write_items(
                        TransactItems=actions, ClientRequestToken=token
                    )
                    return []
                except ClientError as error:
                    reasons = cancellation_reasons(error)
                    if _CONDITION_FAILED in reasons:
                        return reasons
                    if attempt == _ATTEMPTS or not _passes(error, reasons):
                        raise
            delay = _FIRST_DELAY_SECONDS * 2 ** (attempt - 1)
            self._sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - spreads, hides nothing
        raise AssertionError("unreachable: the last attempt returns or raises")


def _guarded(order: int | None) -> dict[str, Any]:
    """The condition of a write by the run of this order; none for an item that has the run in its
    key."""
    if order is None:
        return {}
    return {
        "ConditionExpression": UNLESS_NEWER,
        "ExpressionAttributeValues": {":order": order},
    }


def _passes(error: ClientError, reasons: Iterable[str]) -> bool:
    return error_code(error) == "TransactionInProgressException" or not _PASSING_REASONS.isdisjoint(
        reasons
    )


def _still_due(units: Iterable[_Unit], refused: Sequence[bool]) -> Iterator[_Unit]:
    start = 0
    for unit in units:
        end = start + len(unit.actions)
        left = unit.without(at for at, lost in enumerate(refused[start:end]) if lost)
        start = end
        if left:
            yield left


def _transactions(hosts: Iterable[list[_Unit]]) -> Iterator[list[_Unit]]:
    """The units of each host, in order, packed into transactions; of a host in as few as fit."""
    packed: list[_Unit] = []
    actions = size = 0
    for units in hosts:
        # A host is packed whole where that is possible, else unit by unit.
        whole = [(units, sum(len(unit.actions) for unit in units), sum(map(_size, units)))]
        single = (([unit], len(unit.actions), _size(unit)) for unit in units)
        for block, more, larger in whole if _fits(*whole[0][1:]) else single:
            if packed and not _fits(actions + more, size + larger):
                yield packed
                packed, actions, size = [], 0, 0
            packed = packed + block
            actions, size = actions + more, size + larger
    if packed:
        yield packed


def _fits(actions: int, size: int) -> bool:
    return actions <= MAX_ACTIONS and size <= MAX_BYTES


def _size(unit: _Unit) -> int:
    """Bytes, a little more than DynamoDB counts."""
    return len(json.dumps(unit.actions, default=str, ensure_ascii=False).encode())
