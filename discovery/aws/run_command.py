"""SSM Run Command: send the pinned document, read what the hosts answered."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from discovery import artefacts
from discovery.aws.errors import aws_errors
from discovery.aws.failed_steps import failure_of
from discovery.aws.replies import pages
from discovery.aws.session import Aws
from discovery.errors import AwsError, FailureKind, UnreadableReplyError
from discovery.model import Failure, Scope
from discovery.sanitize import shown

_log = logging.getLogger(__name__)
MAX_HOSTS = 50
"""Instance ids that one SendCommand takes (SSM API reference, SendCommand, InstanceIds)."""
LISTED_CHARACTERS = 2500
"""Characters of output that ListCommandInvocations gives per plugin (CommandPlugin, Output)."""
FETCHED_CHARACTERS = 24000
"""Characters that GetCommandInvocation gives (StandardOutputContent)."""
PROBE_STEP = "runProbe"
DELIVERY_SECONDS = 60
_MAX_S3_BYTES = 1024 * 1024
_NOT_IN_S3 = frozenset({"NoSuchBucket", "NoSuchKey"})
_WAITING = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})


@dataclass(frozen=True, slots=True)
class Document:
    """The SSM document as one scope holds it, proved to be the one this version ships."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """One host's part of a command. `output` is what the listing gave of the probe's step."""

    command_id: str
    instance_id: str
    status: str
    status_details: str
    failed_step: str | None
    exit_code: int | None
    output: str
    requested_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_done(self) -> bool:
        """Whether its status is final."""
        return self.status not in _WAITING

    @property
    def is_cancelled(self) -> bool:
        """Whether it ended because somebody cancelled the command."""
        return self.status == "Cancelled"

    @property
    def seconds(self) -> float | None:
        """From sending to the end of the probe's step, where Systems Manager says so."""
        if self.requested_at and self.finished_at:
            return (self.finished_at - self.requested_at).total_seconds()
        return None

    @property
    def failure(self) -> Failure | None:
        """Why a finished invocation has no report; None when it succeeded."""
        if self.status == "Success":
            return None
        return failure_of(
            self.status, self.status_details, self.failed_step, self.exit_code, self.output
        )


def find_document(aws: Aws, scope: Scope) -> Document:
    """The scope's document, if its default version is the very text this version ships.

    Raises AwsError DOCUMENT_MISSING or DOCUMENT_MISMATCH.
    """
    name = aws.settings.document_name
    with aws_errors():
        client = aws.spoke(scope.account_id, "ssm", scope.region)
        found = client.describe_document(Name=name)["Document"]
    expected = artefacts.document_hash(aws.settings.placeholders())
    if found["Hash"] != expected:
        raise AwsError(
            FailureKind.DOCUMENT_MISMATCH,
            "DescribeDocument",
            "HashMismatch",
            f"{name} version {found['DocumentVersion']} has SHA-256 {found['Hash']}, "
            f"expected {expected}",
        )
    return Document(name, found["DocumentVersion"], expected)


def send_command(aws: Aws, scope: Scope, document: Document, instances: Sequence[str]) -> str:
    """Send the document to at most 50 instances; the command id.

    `MaxErrors` 100%: AWS's default of 0 ends the command for all hosts at the first failure.
    `MaxConcurrency` 100%: each host runs the probe once, there is nothing to protect by waiting.
    An output bucket that does not exist costs the long reports, and only them. SendCommand may
    refuse it (SSM API reference, InvalidOutputFolder: "The S3 bucket doesn't exist"): then the
    command is sent without it. Where SendCommand takes it, the agent logs NoSuchBucket and reports
    the command's own status (issues aws/amazon-ssm-agent 283 and mozilla/ssm-acquire 1).

    Raises AwsError; its code is one of `TARGET_CODES` when an instance cannot take a command.
    """
    arguments: dict[str, Any] = {
        "DocumentName": document.name,
        "DocumentVersion": document.version,
        "DocumentHash": document.sha256,
        "DocumentHashType": "Sha256",
        "InstanceIds": list(instances),
        "Parameters": {
            "executionTimeout": [str(aws.settings.command_timeout)],
            "connections": ["true" if aws.settings.connections else "false"],
        },
        "TimeoutSeconds": DELIVERY_SECONDS,
        "MaxConcurrency": "100%",
        "MaxErrors": "100%",
        "Comment": "Database Discovery: read-only inventory",
    }
    bucket = aws.settings.output_bucket
    if not bucket:
        return _send(aws, scope, arguments)
    to_bucket = {"OutputS3BucketName": bucket, "OutputS3KeyPrefix": "output"}
    try:
        return _send(aws, scope, arguments | to_bucket)
    except AwsError as error:
        if error.code != "InvalidOutputFolder":
            raise
        _log.warning("no long reports: output bucket %s: %s", bucket, error)
        return _send(aws, scope, arguments)


def _send(aws: Aws, scope: Scope, arguments: dict[str, Any]) -> str:
    with aws_errors():
        client = aws.spoke(scope.account_id, "ssm", scope.region)
        command_id: str = client.send_command(**arguments)["Command"]["CommandId"]
    return command_id


def refused_instances(error: AwsError, instances: Sequence[str]) -> list[str]:
    """Those of `instances` that the error names."""
    named = set(re.findall(r"\b(?:i|mi)-[0-9a-f]+", str(error)))
    return [instance for instance in instances if instance in named]


def list_invocations(aws: Aws, scope: Scope, command_id: str) -> list[Invocation]:
    """All invocations of one command, 50 a page, with each step's output as far as it is listed."""
    with aws_errors():
        client = aws.spoke(scope.account_id, "ssm", scope.region)
        listed = pages(
            client,
            "list_command_invocations",
            CommandId=command_id,
            Details=True,
            PaginationConfig={"PageSize": MAX_HOSTS},
        )
        return [_invocation(item) for page in listed for item in page["CommandInvocations"]]


def _invocation(item: dict[str, Any]) -> Invocation:
    steps = {step["Name"]: step for step in item.get("CommandPlugins", ())}
    failed = next(
        (name for name, step in steps.items() if step["Status"] not in (*_WAITING, "Success")), None
    )
    shown = steps.get(failed or PROBE_STEP, {})
    return Invocation(
        command_id=item["CommandId"],
        instance_id=item["InstanceId"],
        status=item["Status"],
        status_details=item["StatusDetails"],
        failed_step=failed,
        exit_code=shown.get("ResponseCode"),
        output=shown.get("Output", ""),
        requested_at=item.get("RequestedDateTime"),
        finished_at=shown.get("ResponseFinishDateTime"),
    )


def fetch_output(aws: Aws, scope: Scope, invocation: Invocation) -> str:
    """The probe's whole standard output, for a report longer than the listing shows.

    From GetCommandInvocation; past its 24,000 characters from S3, when an output bucket is set.
    Raises AwsError; OUTPUT_TRUNCATED when the bucket, or the report in it, is not there.
    """
    with aws_errors():
        client = aws.spoke(scope.account_id, "ssm", scope.region)
        answer = client.get_command_invocation(
            CommandId=invocation.command_id,
            InstanceId=invocation.instance_id,
            PluginName=PROBE_STEP,
        )
    output: str = answer["StandardOutputContent"]
    bucket, url = aws.settings.output_bucket, answer.get("StandardOutputUrl")
    if len(output) < FETCHED_CHARACTERS or not bucket or not url:
        return output
    key = _output_key(url, bucket)
    try:
        with aws_errors():
            body = aws.home("s3").get_object(Bucket=bucket, Key=key)["Body"]
            content: bytes = body.read(_MAX_S3_BYTES)
    except AwsError as error:
        if error.code not in _NOT_IN_S3:
            raise
        raise AwsError(
            FailureKind.OUTPUT_TRUNCATED, error.operation, error.code, f"s3://{bucket}/{key}"
        ) from error
    return content.decode("utf-8", "replace")


def _output_key(url: str, bucket: str) -> str:
    """Where in `bucket` the output of that URL is. Raises UnreadableReplyError."""
    try:
        path = unquote(urlsplit(url).path)
    except ValueError as error:
        path = str(error)
    key = path.partition(f"{bucket}/")[2]
    if not key:
        problem = f"StandardOutputUrl={shown(url)}: not in {bucket}"
        raise UnreadableReplyError("ssm", "GetCommandInvocation", "", problem)
    return key


def cancel_command(aws: Aws, scope: Scope, command_id: str) -> None:
    """Ask Systems Manager to stop the command on the hosts that have not finished."""
    with aws_errors():
        aws.spoke(scope.account_id, "ssm", scope.region).cancel_command(CommandId=command_id)
