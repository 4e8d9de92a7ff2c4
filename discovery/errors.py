"""Every error the product raises, and every way a host or scope can fail.

    DiscoveryError                 has `hint`: what the reader can do about it
    ├── ConfigurationError         a setting or an option is missing or wrong
    ├── RequestError               a request names something that does not exist or is malformed
    │   └── NotFoundError          … an account, run or route that is not there
    ├── NotAllowedError            who asks has not the role that it takes
    ├── AwsError                   an AWS call failed; has `kind`, `operation` and `code`
    │   └── UnreadableReplyError   … with a reply that cannot be read
    ├── ReportError                a probe's output cannot be used; has `kind`
    ├── RunInProgressError         another run holds the lease; has `holder`, `run_id` and `since`
    └── LeaseLostError             this run's lease lapsed and another run may be writing

boto3's errors are translated into `AwsError` once, in `discovery/aws/`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum


class FailureKind(StrEnum):
    """Why a scope (account and region) or a host could not be discovered."""

    ASSUME_ROLE_DENIED = "assume_role_denied"
    REGION_DISABLED = "region_disabled"
    STS_DISABLED = "sts_disabled"
    ACCESS_DENIED = "access_denied"
    NO_CREDENTIALS = "no_credentials"
    THROTTLED = "throttled"
    AWS_UNAVAILABLE = "aws_unavailable"
    UNREADABLE_REPLY = "unreadable_reply"
    DOCUMENT_MISSING = "document_missing"
    DOCUMENT_MISMATCH = "document_mismatch"
    COMMAND_FAILED = "command_failed"
    PYTHON_MISSING = "python_missing"
    PROBE_MISMATCH = "probe_mismatch"
    PROBE_DOWNLOAD = "probe_download"
    HOST_DISK = "host_disk"
    AGENT_OUTDATED = "agent_outdated"
    AGENT_FAILED = "agent_failed"
    TIMED_OUT = "timed_out"
    UNDELIVERABLE = "undeliverable"
    TERMINATED = "terminated"
    OUTPUT_TRUNCATED = "output_truncated"
    OUTPUT_INVALID = "output_invalid"
    STORE_FAILED = "store_failed"
    CANCELLED = "cancelled"
    INTERNAL = "internal"

    @property
    def hint(self) -> str:
        """One sentence: the likeliest cause and what to do about it."""
        return _HINTS[self]


_HINTS: dict[FailureKind, str] = {
    FailureKind.ASSUME_ROLE_DENIED: (
        "The spoke role is missing, does not trust this account, or expects another ExternalId: "
        "compare it with iam/spoke-account-trust-policy.json."
    ),
    FailureKind.REGION_DISABLED: (
        "The region is not enabled in this account: enable it, or leave it out of "
        "DISCOVERY_REGIONS."
    ),
    FailureKind.STS_DISABLED: (
        "STS is switched off in the home region for this account: activate it there (IAM, Account "
        "settings), or name another home region in AWS_REGION."
    ),
    FailureKind.ACCESS_DENIED: (
        "The spoke role lacks this permission: compare it with iam/spoke-account-role-policy.json "
        "and look for a service control policy that denies it."
    ),
    FailureKind.NO_CREDENTIALS: (
        "No AWS credentials were found, or AWS does not accept them: they have expired, are wrong, "
        "deactivated, or of another partition. Sign in, set AWS_PROFILE, or run it with an "
        "instance role; and check the clock of this machine."
    ),
    FailureKind.THROTTLED: "AWS kept throttling the call: rescan this scope later.",
    FailureKind.AWS_UNAVAILABLE: (
        "AWS could not be reached or answered with an error of its own: rescan this scope later."
    ),
    FailureKind.UNREADABLE_REPLY: (
        "What answered for AWS sent a reply that cannot be read: look at the proxies and endpoints "
        "on the way, and rescan this scope."
    ),
    FailureKind.DOCUMENT_MISSING: (
        "The SSM document is not in this account and region: deploy ssm/ssm-document.json there."
    ),
    FailureKind.DOCUMENT_MISMATCH: (
        "The SSM document differs from the one this version ships: redeploy ssm/ssm-document.json, "
        "and find out who changed it."
    ),
    FailureKind.COMMAND_FAILED: (
        "The probe ended with an error: read the error text, and run it on the host with "
        "`python3 discovery_python.py --pretty`."
    ),
    FailureKind.PYTHON_MISSING: (
        "The host has no Python 3.6 or later: install python3, or leave this host to manual "
        "inventory."
    ),
    FailureKind.PROBE_MISMATCH: (
        "The script in S3 is not the one the SSM document pins by SHA-256: upload the right one, "
        "and find out who changed it."
    ),
    FailureKind.PROBE_DOWNLOAD: (
        "The host could not fetch the probe from S3: check its instance profile "
        "(iam/ec2-instance-ssm-policy.json) and its route to S3."
    ),
    FailureKind.HOST_DISK: (
        "The host's disk is full or read-only, so that the agent could not write the probe: free "
        "space below /var/lib/amazon/ssm, or repair the file system."
    ),
    FailureKind.AGENT_OUTDATED: (
        "The SSM agent on the host does not know a step of the document: update the agent."
    ),
    FailureKind.AGENT_FAILED: (
        "The SSM agent on the host failed before the probe could say anything: rescan this host, "
        "and if that does not help read /var/log/amazon/ssm there and restart the agent."
    ),
    FailureKind.TIMED_OUT: (
        "The command did not finish in time: raise COMMAND_TIMEOUT, or look at the host's load."
    ),
    FailureKind.UNDELIVERABLE: (
        "Systems Manager could not hand the command to the agent: check the agent on the host."
    ),
    FailureKind.TERMINATED: "The instance went away during the scan: nothing to do.",
    FailureKind.OUTPUT_TRUNCATED: (
        "The report was cut short by Systems Manager: set DISCOVERY_OUTPUT_BUCKET to a bucket that "
        "hosts may write to, so that long reports come through S3."
    ),
    FailureKind.OUTPUT_INVALID: (
        "The report is not what the probe prints: the host may be compromised, or the probe was "
        "changed."
    ),
    FailureKind.STORE_FAILED: (
        "DynamoDB did not take the result: check that the table exists and can be written, then "
        "bring it in with `python -m discovery replay`, or rescan this host."
    ),
    FailureKind.CANCELLED: "The run was cancelled before this was done: rescan it.",
    FailureKind.INTERNAL: "This is a defect in Database Discovery: please report it with the log.",
}


class DiscoveryError(Exception):
    """Base of all errors the product raises. `str(error)` is fit to show to a user."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigurationError(DiscoveryError):
    """A setting or option is missing or wrong; the message names it and its value."""


class RequestError(DiscoveryError):
    """A request is malformed; the message names the field and its value."""


class NotFoundError(RequestError):
    """What the request names is not there."""


class NotAllowedError(DiscoveryError):
    """Who asks has not the role that it takes."""


class AwsError(DiscoveryError):
    """An AWS call failed. `operation` is like "SendCommand", `code` is AWS's error code."""

    def __init__(self, kind: FailureKind, operation: str, code: str, message: str) -> None:
        super().__init__(f"{operation}: {code}: {message}", hint=kind.hint)
        self.kind = kind
        self.operation = operation
        self.code = code


class UnreadableReplyError(AwsError):
    """A reply of AWS, or an item in it, cannot be read: cut short, not what its service says, or
    without a member that `operation` cannot do without. `problem` says what is wrong with it."""

    def __init__(self, service: str, operation: str, region: str, problem: str) -> None:
        place = f"{service} in {region}" if region else service
        super().__init__(
            FailureKind.UNREADABLE_REPLY, operation, "UnreadableReply", f"{place}: {problem}"
        )


class ReportError(DiscoveryError):
    """A probe's output cannot be used."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message, hint=kind.hint)
        self.kind = kind


class RunInProgressError(DiscoveryError):
    """Another run holds the lease."""

    def __init__(self, holder: str, run_id: str, since: datetime) -> None:
        super().__init__(
            f"run {run_id} is in progress since {since:%Y-%m-%dT%H:%M:%SZ}, held by {holder}",
            hint="Wait for it, or cancel it on the Rescan page; "
            "a dead holder's lease lapses by itself.",
        )
        self.holder = holder
        self.run_id = run_id
        self.since = since


class LeaseLostError(DiscoveryError):
    """This run's lease lapsed; it must stop writing."""
