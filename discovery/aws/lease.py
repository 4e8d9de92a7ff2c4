"""One run writes at a time: a lease in the runs table that lapses when its holder dies."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from discovery.aws.errors import aws_errors
from discovery.aws.items import ConditionFailedError, conditional_write
from discovery.aws.session import Aws
from discovery.errors import LeaseLostError, RunInProgressError

_KEY = {"pk": "LEASE", "sk": "LEASE"}


class Lease:
    """Held from `acquire` to `release`; must be renewed within `seconds`, by default
    `settings.lease_seconds`. Any process may renew or release it that knows the run's id."""

    def __init__(
        self,
        aws: Aws,
        run_id: str,
        holder: str,
        seconds: int | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._table = aws.table(aws.settings.runs_table)
        self._seconds = seconds or aws.settings.lease_seconds
        self._run_id = run_id
        self._holder = holder
        self._now = now

    def acquire(self) -> None:
        """Take the lease, also one that has lapsed.

        Raises RunInProgressError with the holder when another run's lease is alive.
        """
        now = self._now()
        item: dict[str, Any] = {
            **_KEY,
            "run_id": self._run_id,
            "holder": self._holder,
            "since": now.isoformat(),
            "expires_ms": _milliseconds(now + timedelta(seconds=self._seconds)),
        }
        try:
            with conditional_write():
                self._table.put_item(
                    Item=item,
                    ConditionExpression="attribute_not_exists(pk) OR expires_ms < :now",
                    ExpressionAttributeValues={":now": _milliseconds(now)},
                )
        except ConditionFailedError as error:
            held = _read(self._table) or item
            raise RunInProgressError(
                held["holder"], held["run_id"], datetime.fromisoformat(held["since"])
            ) from error

    def renew(self) -> None:
        """Hold it for another `seconds`. Raises LeaseLostError when it is another run's."""
        until = self._now() + timedelta(seconds=self._seconds)
        try:
            with conditional_write():
                self._table.update_item(
                    Key=_KEY,
                    UpdateExpression="SET expires_ms = :until",
                    ConditionExpression="run_id = :run",
                    ExpressionAttributeValues={
                        ":until": _milliseconds(until),
                        ":run": self._run_id,
                    },
                )
        except ConditionFailedError as error:
            raise LeaseLostError(
                f"run {self._run_id} lost its lease: another run has started",
                hint="Look at the newer run; raise DISCOVERY_LEASE_SECONDS if this recurs.",
            ) from error

    def release(self) -> None:
        """Give it back. A lease that is another run's by now is left alone."""
        with suppress(ConditionFailedError), conditional_write():
            self._table.delete_item(
                Key=_KEY,
                ConditionExpression="run_id = :run",
                ExpressionAttributeValues={":run": self._run_id},
            )


def run_held_by(aws: Aws, holder: str) -> str | None:
    """The id of the run for which `holder` has the lease, lapsed or not. Raises AwsError."""
    held = _read(aws.table(aws.settings.runs_table))
    return held["run_id"] if held and held["holder"] == holder else None


def _read(table: Any) -> dict[str, Any] | None:
    with aws_errors():
        answer = table.get_item(Key=_KEY, ConsistentRead=True)
    item: dict[str, Any] | None = answer.get("Item")
    return item


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
