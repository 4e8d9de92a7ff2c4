"""The agent's upload of whole outputs to the command's output bucket.

An upload that fails is in the agent's log only; the command's status stays as it is (public issue
283 of amazon-ssm-agent shows that log, for a bucket that does not exist).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from sandbox.ssm.command import Command, Invocation
from sandbox.ssm.responses import output_prefix

_log = logging.getLogger(__name__)


class OutputUpload:
    """Call it with a finished invocation. `s3_client` returns an instance role's client."""

    def __init__(self, s3_client: Callable[[str], Any]) -> None:
        self._s3_client = s3_client

    def __call__(self, command: Command, invocation: Invocation) -> None:
        """Store each step's `stdout` and `stderr`, unless they are empty."""
        s3 = self._s3_client(command.account_id)
        bucket = command.request["OutputS3BucketName"]
        for step in invocation.results:
            prefix = output_prefix(command, invocation, step)
            for name, text in (("stdout", step.stdout), ("stderr", step.stderr)):
                if text:
                    try:
                        s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=text.encode())
                    except ClientError as error:
                        _log.debug("failed uploading %s to %s: %s", prefix, bucket, error)
