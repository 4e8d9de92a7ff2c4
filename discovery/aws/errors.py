"""boto3's errors -> `AwsError`, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    NoCredentialsError,
    PaginationError,
    PartialCredentialsError,
    SSOError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from discovery.errors import AwsError, FailureKind, UnreadableReplyError

THROTTLED_CODES = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "ThrottlingError",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "ProvisionedThroughputExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "EC2ThrottledException",
        "BandwidthLimitExceeded",
        "RateExceeded",
        "SlowDown",
    }
)
"""Those that botocore takes for "too fast", and the reasons of a cancelled DynamoDB transaction."""

INVALID_TOKEN_CODES = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "InvalidAccessKeyId"}
)
"""Of credentials that are not known. In a region that an account has not enabled, AWS says the same
of good ones: `regions.why_refused` tells the two apart."""
TARGET_CODES = frozenset(
    {"InvalidInstanceId", "InvalidTarget", "TargetNotConnected", "UnsupportedPlatformType"}
)
"""Those of SendCommand that one of its instances causes for all (SSM API reference, SendCommand and
"Common errors"). The message may name the instance, or be empty."""

# Error codes as the service API references list them ("Common errors" and each operation's own).
_KIND_BY_CODE: dict[str, FailureKind] = {
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedException"),
        FailureKind.ACCESS_DENIED,
    ),
    **dict.fromkeys(THROTTLED_CODES, FailureKind.THROTTLED),
    **dict.fromkeys(
        (
            *INVALID_TOKEN_CODES,
            "ExpiredToken",
            "ExpiredTokenException",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            "RequestTimeTooSkewed",
        ),
        FailureKind.NO_CREDENTIALS,
    ),
    "OptInRequired": FailureKind.REGION_DISABLED,
    "RegionDisabledException": FailureKind.STS_DISABLED,  # of STS alone
    "ResourceNotFoundException": FailureKind.STORE_FAILED,  # DynamoDB's: there is no such table
    **dict.fromkeys(TARGET_CODES, FailureKind.UNDELIVERABLE),
    "InvalidDocument": FailureKind.DOCUMENT_MISSING,
    "InvalidDocumentVersion": FailureKind.DOCUMENT_MISMATCH,
}


_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    SSOError,
)
_UNREADABLE = (ResponseParserError, PaginationError, ChecksumError, FlexibleChecksumError)
_MAX_MESSAGE = 500


def is_throttle(code: str) -> bool:
    """Whether AWS's error code says that a request was one too many."""
    return code in THROTTLED_CODES


@contextmanager
def aws_errors() -> Iterator[None]:
    """Raise what boto3 raises inside as `AwsError`, with the cause attached."""
    try:
        yield
    except ClientError as error:
        raise _translate(error) from error
    except _NO_CREDENTIALS as error:
        raise AwsError(
            FailureKind.NO_CREDENTIALS, "aws", type(error).__name__, str(error)
        ) from error
    except _UNREADABLE as error:
        raise UnreadableReplyError(
            "aws", type(error).__name__, "", str(error)[:_MAX_MESSAGE]
        ) from error
    except (BotoCoreError, HTTPError) as error:
        raise AwsError(
            FailureKind.AWS_UNAVAILABLE, "aws", type(error).__name__, str(error)
        ) from error


def error_code(error: ClientError) -> str:
    """AWS's code of `error`; empty when it tells none."""
    return str(error.response.get("Error", {}).get("Code") or "")


def cancellation_reasons(error: ClientError) -> list[str]:
    """Of a cancelled DynamoDB transaction: the code of each of its actions, "None" for those that
    were not the reason."""
    return [str(reason.get("Code")) for reason in error.response.get("CancellationReasons", ())]


def _translate(error: ClientError) -> AwsError:
    code = error_code(error)
    message = str(error.response.get("Error", {}).get("Message") or "")[:_MAX_MESSAGE]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if error.operation_name == "AssumeRole" and _KIND_BY_CODE.get(code) in (
        FailureKind.ACCESS_DENIED,
        None,
    ):
        kind = FailureKind.ASSUME_ROLE_DENIED
    elif status >= 500:
        kind = FailureKind.AWS_UNAVAILABLE
    elif not code or code.isdecimal():
        problem = f"an error {status} without a code: {message}"
        return UnreadableReplyError("aws", error.operation_name, "", problem)
    else:
        # A cancelled transaction's own code says nothing, its items' reasons do.
        kinds = (_KIND_BY_CODE.get(known) for known in (code, *cancellation_reasons(error)))
        kind = next(filter(None, kinds), FailureKind.INTERNAL)
    return AwsError(kind, error.operation_name, code or str(status), message)
