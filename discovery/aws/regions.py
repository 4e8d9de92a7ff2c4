"""Which regions an account has enabled."""

from __future__ import annotations

from discovery.aws.errors import aws_errors
from discovery.aws.session import Aws

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
