"""One run writes at a time: a lease in the runs table that lapses when its holder dies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from discovery.aws.errors import aws_errors
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
        item = {
            **_KEY,
            "run_id": self._run_id,
            "holder": self._holder,
            "since": now.isoformat(),
            "expires_ms": _milliseconds(now + timedelta(seconds=self._seconds)),
        }
        with aws_errors():
            try:
                self._table.put_item(
                    Item=item,
                    ConditionExpression="attribute_not_exists(pk) OR expires_ms < :now",
                    ExpressionAttributeValues={":now": _milliseconds(now)},
                )
            except ClientError as error:
                if not _condition_failed(error):
                    raise
                held = self._table.get_item(Key=_KEY, ConsistentRead=True).get("Item", item)
                raise RunInProgressError(
                    held["holder"], held["run_id"], datetime.fromisoformat(held["since"])
                ) from error

    def renew(self) -> None:
        """Hold it for another `seconds`. Raises LeaseLostError when it is another run's."""
        until = self._now() + timedelta(seconds=self._seconds)
        with aws_errors():
            try:
                self._table.update_item(
                    Key=_KEY,
                    UpdateExpression="SET expires_ms = :until",
                    ConditionExpression="run_id = :run",
                    ExpressionAttributeValues={
                        ":until": _milliseconds(until),
                        ":run": self._run_id,
                    },
                )
            except ClientError as error:
                if not _condition_failed(error):
                    raise
                raise LeaseLostError(
                    f"run {self._run_id} lost its lease: another run has started",
                    hint="Look at the newer run; raise DISCOVERY_LEASE_SECONDS if this recurs.",
                ) from error

    def release(self) -> None:
        """Give it back. A lease that is another run's by now is left alone."""
        with aws_errors():
            try:
                self._table.delete_item(
                    Key=_KEY,
                    ConditionExpression="run_id = :run",
                    ExpressionAttributeValues={":run": self._run_id},
                )
            except ClientError as error:
                if not _condition_failed(error):
                    raise


def run_held_by(aws: Aws, holder: str) -> str | None:
    """The id of the run for which `holder` has the lease, lapsed or not. Raises AwsError."""
    with aws_errors():
        answer = aws.table(aws.settings.runs_table).get_item(Key=_KEY, ConsistentRead=True)
    held = answer.get("Item", {})
    run_id: str | None = held["run_id"] if held.get("holder") == holder else None
    return run_id


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _condition_failed(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
