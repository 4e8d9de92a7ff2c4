"""Which regions an account has enabled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from discovery.aws.errors import INVALID_TOKEN_CODES, aws_errors
from discovery.aws.session import Aws
from discovery.errors import AwsError, FailureKind
from discovery.model import Scope

_ENABLED = ("opt-in-not-required", "opted-in")


def enabled_regions(aws: Aws, account_id: str) -> tuple[str, ...]:
    """The regions of the home region's partition that `account_id` can use, sorted. They differ
    from account to account: newer regions are opted into by each.

    Raises AwsError when the role cannot be assumed or may not ask.
    """
    client = aws.spoke(account_id, "ec2", aws.settings.home_region)
    with aws_errors():
        regions = client.describe_regions(AllRegions=False)["Regions"]
    return tuple(
        sorted(
            region["RegionName"]
            for region in regions
            if region.get("OptInStatus", _ENABLED[0]) in _ENABLED
        )
    )


@contextmanager
def refusals_explained(aws: Aws, scope: Scope) -> Iterator[None]:
    """Raise what is raised inside, a refusal of good credentials as REGION_DISABLED."""
    try:
        yield
    except AwsError as error:
        raise why_refused(aws, scope, error) from error


def why_refused(aws: Aws, scope: Scope, error: AwsError) -> AwsError:
    """`error`, or REGION_DISABLED where only the region is the reason.

    Where a region is not enabled, AWS takes good credentials for unknown ones. They are good when
    the home region, where their role was assumed, takes them; and the region is the reason when it
    is not among those that it names as enabled. Costs one request, and only where that is open.
    """
    is_home = scope.region == aws.settings.home_region
    if error.code not in INVALID_TOKEN_CODES or is_home:
        return error
    try:
        is_enabled = scope.region in enabled_regions(aws, scope.account_id)
    except AwsError as refused:
        is_enabled = refused.kind is FailureKind.NO_CREDENTIALS
    if is_enabled:
        return error
    message = str(error).removeprefix(f"{error.operation}: {error.code}: ")
    return AwsError(FailureKind.REGION_DISABLED, error.operation, error.code, message)
