"""A run that several processes work on: the list of its batches in S3, and its record.

Each process adds what it did to the record. None writes the whole of it, which would undo the
others' part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from pydantic import TypeAdapter, ValidationError

from discovery.aws.errors import aws_errors
from discovery.aws.items import ConditionFailedError, conditional_write
from discovery.aws.replies import pages
from discovery.aws.runs import run_key
from discovery.aws.session import Aws
from discovery.errors import ConfigurationError, LeaseLostError, UnreadableReplyError
from discovery.model import (
    RUN_COSTS,
    RUN_COUNTS,
    RUN_COUNTS_BY_KIND,
    RunRecord,
    RunStatus,
    ScopeBatch,
)

_BATCHES = TypeAdapter(tuple[ScopeBatch, ...])


class SharedRun:
    """What the processes of the run `run_id` share. Every method raises AwsError."""

    def __init__(self, aws: Aws, run_id: str) -> None:
        self._aws = aws
        self._run_id = run_id
        self._table = aws.table(aws.settings.runs_table)

    # --- its batches of scopes ---

    @property
    def key(self) -> str:
        """The S3 key of the list of its batches, in the output bucket."""
        return f"runs/{self._run_id}/batches.json"

    def put_batches(self, batches: Sequence[ScopeBatch]) -> None:
        """Store the batches, a JSON array: too many for the state of a state machine."""
        bucket = output_bucket(self._aws)
        with aws_errors():
            self._aws.home("s3").put_object(
                Bucket=bucket,
                Key=self.key,
                Body=_BATCHES.dump_json(tuple(batches)),
                ContentType="application/json",
            )

    def batches(self) -> tuple[ScopeBatch, ...]:
        """The batches as they were planned."""
        bucket = output_bucket(self._aws)
        with aws_errors():
            answer = self._aws.home("s3").get_object(Bucket=bucket, Key=self.key)
            text = answer["Body"].read()
        try:
            return _BATCHES.validate_json(text)
        except ValidationError as error:
            problem = f"s3://{bucket}/{self.key} is no list of batches"
            raise UnreadableReplyError("s3", "GetObject", "", problem) from error

    # --- its record ---

    def add(self, done: RunRecord, now: datetime) -> bool:
        """Add the figures of `done`; whether somebody has asked for the run's cancellation.

        They are for whoever watches: an answer that is lost on the way can make one count twice.
        Raises LeaseLostError when the run has ended.
        """
        update = _Update(now)
        if done.answer_seconds is not None:
            update.set("answer_seconds", _decimal(done.answer_seconds))
        for name in (*RUN_COUNTS, *RUN_COSTS):
            update.add(name, getattr(done, name) or 0)
        for name in RUN_COUNTS_BY_KIND:
            for kind, count in (getattr(done, name) or {}).items():
                update.add(name, count, kind)
        if done.first_scanned_seconds is not None:
            update.set_once("first_scanned_seconds", _decimal(done.first_scanned_seconds))
        try:
            with conditional_write():
                answer = self._table.update_item(
                    Key=run_key(self._run_id),
                    UpdateExpression="SET " + ", ".join(update.parts),
                    ConditionExpression="#status = :running",
                    ExpressionAttributeNames=update.names,
                    ExpressionAttributeValues=update.values,
                    ReturnValues="ALL_NEW",
                )
        except ConditionFailedError as error:
            raise LeaseLostError(f"run {self._run_id} has ended") from error
        return bool(answer["Attributes"].get("cancel_requested", False))

    def change_kinds(self) -> dict[str, int]:
        """How many changes of each kind the run has stored."""
        kinds: Counter[str] = Counter()
        listed = pages(
            self._table.meta.client,
            "query",
            TableName=self._table.name,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues={":pk": f"RUN#{self._run_id}", ":sk": "CHANGE#"},
            ProjectionExpression="kind",
            ConsistentRead=True,
        )
        with aws_errors():
            for page in listed:
                kinds.update(item["kind"] for item in page["Items"])
        return dict(kinds)


class _Update:
    """An update of a running run, made of several: every name has an alias, as many are words that
    DynamoDB keeps for itself."""

    def __init__(self, now: datetime) -> None:
        self.parts: list[str] = []
        self.names = {"#status": "status"}
        self.values: dict[str, object] = {":running": RunStatus.RUNNING.value}
        self.set("heartbeat_at", now.isoformat().replace("+00:00", "Z"))

    def set(self, name: str, value: object) -> None:
        """Replace an attribute."""
        self.parts.append(f"{self._name(name)} = {self._value(value)}")

    def set_once(self, name: str, value: object) -> None:
        """Set an attribute that is not there yet."""
        alias = self._name(name)
        self.parts.append(f"{alias} = if_not_exists({alias}, {self._value(value)})")

    def add(self, name: str, count: float, kind: str | None = None) -> None:
        """Add to a number, or to the number of one `kind` in a map."""
        if count:
            path = self._name(name) + (f".{self._name(kind)}" if kind else "")
            self.values[":zero"] = 0
            self.parts.append(
                f"{path} = if_not_exists({path}, :zero) + {self._value(_decimal(count))}"
            )

    def _name(self, name: str) -> str:
        alias = f"#n{len(self.names)}"
        self.names[alias] = name
        return alias

    def _value(self, value: object) -> str:
        alias = f":v{len(self.values)}"
        self.values[alias] = value
        return alias


def _decimal(value: float) -> Decimal:
    """As DynamoDB takes a number."""
    return Decimal(str(round(value, 3)))


def output_bucket(aws: Aws) -> str:
    """Where the batches are listed. Raises ConfigurationError when no bucket is set."""
    bucket = aws.settings.output_bucket
    if not bucket:
        raise ConfigurationError(
            "DISCOVERY_OUTPUT_BUCKET is not set",
            hint="Set it: a state machine reads the list of scopes from there.",
        )
    return bucket
