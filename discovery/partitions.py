"""AWS's partitions, as far as the product knows them. Roles, ARNs and credentials end at their
borders, so a run lives in one.

Names and DNS suffixes are those of "Amazon Resource Names" in the AWS General Reference and of the
endpoints file that botocore ships.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Partition:
    """The second part of an ARN, and what the host names of its services end in."""

    name: str
    dns_suffix: str


_COMMERCIAL = Partition("aws", "amazonaws.com")
_BY_REGION_PREFIX = {
    "cn-": Partition("aws-cn", "amazonaws.com.cn"),
    "us-gov-": Partition("aws-us-gov", "amazonaws.com"),
}


def partition_of(region: str) -> Partition:
    """The partition that `region` is in, which its name tells."""
    return next(
        (known for prefix, known in _BY_REGION_PREFIX.items() if region.startswith(prefix)),
        _COMMERCIAL,
    )
