"""One run writes at a time: a lease in the runs table that lapses when its holder dies.

The item stays when the lease is given back: it counts the runs. Each gets a number, its *order*,
that fences all it writes. Who holds the lease until when is said, and read, in DynamoDB's time
(store_clock.py): two machines' clocks are never compared.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from discovery.aws.errors import aws_errors
from discovery.aws.items import ConditionFailedError, conditional_write
from discovery.aws.session import Aws
from discovery.aws.store_clock import LEASE_KEY, StoreClock
from discovery.errors import LeaseLostError, RunInProgressError


class Lease:
    """Held from `acquire` to `release`; must be renewed within `seconds`, by default
    `settings.lease_seconds`. Any process may renew or release it that knows the run's id.

    `clock` learns the time from each reply.
    """

    def __init__(
        self,
        aws: Aws,
        run_id: str,
        holder: str,
        seconds: int | None = None,
        *,
        clock: StoreClock | None = None,
    ) -> None:
        self._aws = aws
        self._table = aws.table(aws.settings.runs_table)
        self.seconds = seconds or aws.settings.lease_seconds
        self._run_id = run_id
        self._holder = holder
        self._clock = clock or StoreClock()
        self._held_from = self._clock.monotonic()

    def acquire(self, highest_order: int = 0) -> int:
        """Take the lease, also one that has lapsed; the run's order, higher than any before.

        `highest_order` is the highest that is on record, for a table whose count was lost. Raises
        RunInProgressError with the holder when another run's lease is alive.
        """
        if not self._clock.is_told:
            self._clock.ask(self._aws)
        now = self._clock.now()
        began = self._clock.monotonic()
        values: dict[str, Any] = {
            ":run": self._run_id,
            ":holder": self._holder,
            ":since": now.isoformat(),
            ":until": _milliseconds(now + timedelta(seconds=self.seconds)),
            ":now": _milliseconds(now),
            ":highest": highest_order,
            ":one": 1,
        }
        try:
            with conditional_write(), self._clock.hearing() as heard:
                answer = self._table.update_item(
                    Key=LEASE_KEY,
                    UpdateExpression="SET run_id = :run, holder = :holder, since = :since, "
                    "expires_ms = :until, run_order = if_not_exists(run_order, :highest) + :one",
                    ConditionExpression="attribute_not_exists(expires_ms) OR expires_ms < :now",
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                )
                heard(answer)
                order = int(answer["Attributes"]["run_order"])
        except ConditionFailedError as error:
            held = _read(self._table) or {}
            raise RunInProgressError(
                held.get("holder", self._holder),
                held.get("run_id", self._run_id),
                datetime.fromisoformat(held.get("since", values[":since"])),
            ) from error
        self._held_from = began
        return order

    def renew(self) -> None:
        """Hold it for another `seconds`. Raises LeaseLostError when it is another run's."""
        began = self._clock.monotonic()
        until = self._clock.now() + timedelta(seconds=self.seconds)
        try:
            with conditional_write(), self._clock.hearing() as heard:
                answer = self._table.update_item(
                    Key=LEASE_KEY,
                    UpdateExpression="SET expires_ms = :until",
                    ConditionExpression="run_id = :run",
                    ExpressionAttributeValues={
                        ":until": _milliseconds(until),
                        ":run": self._run_id,
                    },
                )
                heard(answer)
        except ConditionFailedError as error:
            raise LeaseLostError(
                f"run {self._run_id} lost its lease: another run has started",
                hint="Look at the newer run; raise DISCOVERY_LEASE_SECONDS if this recurs.",
            ) from error
        self._held_from = began

    def check(self) -> None:
        """Raises LeaseLostError when the lease may have lapsed: a lease length has passed, by this
        machine's monotonic clock, since the last renewal that succeeded was begun."""
        silent = self._clock.monotonic() - self._held_from
        if silent >= self.seconds:
            raise LeaseLostError(
                f"run {self._run_id} could not renew its lease for {silent:.0f} s",
                hint="DynamoDB did not answer, or this machine stood still: start another run.",
            )

    def release(self) -> None:
        """Give it back. A lease that is another run's by now is left alone."""
        with suppress(ConditionFailedError), conditional_write():
            self._table.update_item(
                Key=LEASE_KEY,
                UpdateExpression="REMOVE run_id, holder, since, expires_ms",
                ConditionExpression="run_id = :run",
                ExpressionAttributeValues={":run": self._run_id},
            )


def run_held_by(aws: Aws, holder: str) -> str | None:
    """The id of the run for which `holder` has the lease, lapsed or not. Raises AwsError."""
    held = _read(aws.table(aws.settings.runs_table)) or {}
    return held.get("run_id") if held.get("holder") == holder else None


def _read(table: Any) -> dict[str, Any] | None:
    with aws_errors():
        answer = table.get_item(Key=LEASE_KEY, ConsistentRead=True)
    item: dict[str, Any] | None = answer.get("Item")
    return item


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
