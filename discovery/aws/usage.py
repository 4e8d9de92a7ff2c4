"""What AWS was really asked for: botocore's events say it of every client, whoever calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import Any

from discovery.aws.errors import THROTTLED_CODES
from discovery.model import Usage

_READS = frozenset({"GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"})


class CallCounter:
    """Counts what its clients send and what DynamoDB charges for it. Safe across threads.

    DynamoDB tells the units of what it did: those of a refused conditional write are not in its
    answer, and so not in `Usage`.
    """

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._throttled: Counter[str] = Counter()
        self._retries = 0
        self._read_units = 0.0
        self._write_units = 0.0
        self._lock = Lock()

    def watch(self, client: Any) -> None:
        """Count every request that `client`, of any service, sends from now on."""
        events = client.meta.events
        events.register("before-send", self._sent)
        events.register("needs-retry", self._answered)  # once an attempt, also the last
        events.register("before-parameter-build.dynamodb", _ask_for_units)
        events.register("after-call.dynamodb", self._add_units)

    def usage(self) -> Usage:
        """All of it so far."""
        with self._lock:
            return Usage(
                calls=dict(sorted(self._calls.items())),
                throttled=dict(sorted(self._throttled.items())),
                retries=self._retries,
                read_units=self._read_units,
                write_units=self._write_units,
            )

    def _sent(self, event_name: str, **_request: object) -> None:
        with self._lock:
            self._calls[_name(event_name)] += 1

    def _answered(self, event_name: str, response: Any, attempts: int, **_request: object) -> None:
        throttled = response is not None and _is_throttled(response[1])
        with self._lock:
            self._retries += attempts > 1
            if throttled:
                self._throttled[_name(event_name)] += 1

    def _add_units(self, event_name: str, parsed: Mapping[str, Any], **_answer: object) -> None:
        consumed = parsed.get("ConsumedCapacity") or ()
        tables = [consumed] if isinstance(consumed, Mapping) else consumed
        units = sum(float(table.get("CapacityUnits", 0)) for table in tables)
        with self._lock:
            if event_name.rpartition(".")[2] in _READS:
                self._read_units += units
            else:
                self._write_units += units


def _name(event_name: str) -> str:
    """`before-send.ssm.SendCommand` -> `ssm:SendCommand`."""
    _, service, operation = event_name.split(".", 2)
    return f"{service}:{operation}"


def _is_throttled(parsed: Mapping[str, Any]) -> bool:
    reasons = [reason.get("Code") for reason in parsed.get("CancellationReasons") or ()]
    return not THROTTLED_CODES.isdisjoint([parsed.get("Error", {}).get("Code"), *reasons])


def _ask_for_units(params: dict[str, Any], model: Any, **_call: object) -> None:
    if "ReturnConsumedCapacity" in model.input_shape.members:
        params.setdefault("ReturnConsumedCapacity", "TOTAL")
