"""boto3's errors -> `AwsError`, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from discovery.errors import AwsError, FailureKind

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
    "InvalidDocument": FailureKind.DOCUMENT_MISSING,
    "InvalidDocumentVersion": FailureKind.DOCUMENT_MISMATCH,
}


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
    except NoCredentialsError as error:
        raise AwsError(
            FailureKind.NO_CREDENTIALS, "aws", type(error).__name__, str(error)
        ) from error
    except BotoCoreError as error:
        raise AwsError(
            FailureKind.AWS_UNAVAILABLE, "aws", type(error).__name__, str(error)
        ) from error


def _translate(error: ClientError) -> AwsError:
    details = error.response["Error"]
    code = details.get("Code", "Unknown")
    message = details.get("Message", "")[:500]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if error.operation_name == "AssumeRole" and _KIND_BY_CODE.get(code) in (
        FailureKind.ACCESS_DENIED,
        None,
    ):
        kind = FailureKind.ASSUME_ROLE_DENIED
    elif status >= 500:
        kind = FailureKind.AWS_UNAVAILABLE
    else:
        # A cancelled transaction's own code says nothing, its items' reasons do.
        reasons = [reason["Code"] for reason in error.response.get("CancellationReasons", ())]
        kinds = (_KIND_BY_CODE.get(known) for known in (code, *reasons))
        kind = next(filter(None, kinds), FailureKind.INTERNAL)
    return AwsError(kind, error.operation_name, code, message)
