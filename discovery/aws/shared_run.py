"""A run that several processes work on: the list of its parts in S3, and its record, to which each
process adds what it did. None of them writes the whole record, which would undo the others' part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from botocore.exceptions import ClientError
from pydantic import TypeAdapter

from discovery.aws.calls import aws_errors
from discovery.aws.runs import run_key
from discovery.aws.session import Aws
from discovery.errors import ConfigurationError, LeaseLostError
from discovery.model import RunPart, RunRecord, RunStatus
from discovery.progress import COUNTS

_PARTS = TypeAdapter(tuple[RunPart, ...])


class SharedRun:
    """What the processes of the run `run_id` share. Every method raises AwsError."""

    def __init__(self, aws: Aws, run_id: str) -> None:
        self._aws = aws
        self._run_id = run_id
        self._table = aws.table(aws.settings.runs_table)

    # --- its parts ---

    @property
    def key(self) -> str:
        """The S3 key of the list of its parts, in the output bucket."""
        return f"runs/{self._run_id}/parts.json"

    def put_parts(self, parts: Sequence[RunPart]) -> None:
        """Store the parts, a JSON array: too many for the state of a state machine."""
        bucket = output_bucket(self._aws)
        with aws_errors():
            self._aws.home("s3").put_object(
                Bucket=bucket,
                Key=self.key,
                Body=_PARTS.dump_json(tuple(parts)),
                ContentType="application/json",
            )

    def parts(self) -> tuple[RunPart, ...]:
        """The parts as they were planned."""
        bucket = output_bucket(self._aws)
        with aws_errors():
            answer = self._aws.home("s3").get_object(Bucket=bucket, Key=self.key)
            return _PARTS.validate_json(answer["Body"].read())

    # --- its record ---

    def add(self, done: RunRecord, now: datetime) -> bool:
        """Add the figures of `done`; whether somebody has asked for the run's cancellation.

        They are for whoever watches: an answer that is lost on the way can make one count twice.
        Raises LeaseLostError when the run has ended.
        """
        names = {"#status": "status"}
        values: dict[str, object] = {
            ":running": RunStatus.RUNNING.value,
            ":now": now.isoformat().replace("+00:00", "Z"),
            ":zero": 0,
        }
        updates = ["heartbeat_at = :now"]
        if done.answer_seconds is not None:
            updates.append("answer_seconds = :answer")
            values[":answer"] = Decimal(str(round(done.answer_seconds, 3)))
        for name in COUNTS:
            if count := getattr(done, name):
                updates.append(f"{name} = {name} + :{name}")
                values[f":{name}"] = count
        for field in ("changes", "api_calls"):
            for at, (kind, count) in enumerate(getattr(done, field).items()):
                alias = f"{field}{at}"
                path = f"{field}.#{alias}"
                updates.append(f"{path} = if_not_exists({path}, :zero) + :{alias}")
                names[f"#{alias}"] = kind
                values[f":{alias}"] = count
        if ":zero" not in " ".join(updates):
            del values[":zero"]  # DynamoDB refuses a value that nothing uses
        with aws_errors():
            try:
                answer = self._table.update_item(
                    Key=run_key(self._run_id),
                    UpdateExpression="SET " + ", ".join(updates),
                    ConditionExpression="#status = :running",
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                raise LeaseLostError(f"run {self._run_id} has ended") from error
        return bool(answer["Attributes"].get("cancel_requested", False))

    def change_kinds(self) -> dict[str, int]:
        """How many changes of each kind the run has stored."""
        kinds: Counter[str] = Counter()
        pages = self._table.meta.client.get_paginator("query").paginate(
            TableName=self._table.name,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues={":pk": f"RUN#{self._run_id}", ":sk": "CHANGE#"},
            ProjectionExpression="kind",
            ConsistentRead=True,
        )
        with aws_errors():
            for page in pages:
                kinds.update(item["kind"] for item in page["Items"])
        return dict(kinds)


def output_bucket(aws: Aws) -> str:
    """Where the parts are listed. Raises ConfigurationError when no bucket is set."""
    bucket = aws.settings.output_bucket
    if not bucket:
        raise ConfigurationError(
            "DISCOVERY_OUTPUT_BUCKET is not set",
            hint="Set it: a state machine reads the list of scopes from there.",
        )
    return bucket
