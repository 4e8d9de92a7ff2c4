"""Sizes that a host cannot have: shown as it reports them, marked, and kept out of every sum.

A report says how much is free on a data directory's file system, not how large that is. So the
bound is what an instance can have attached: 28 volumes of 64 TiB (EBS User Guide, "Amazon EBS
volume types" and "Amazon EBS volume limits for Amazon EC2 instances"), about 1.75 PiB.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from discovery.model import DatabaseRecord

_VOLUMES = 28
_VOLUME_MIB = 64 * 1024 * 1024
HOST_MIB = float(_VOLUMES * _VOLUME_MIB)
"""The most that the data of one host can take."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sum of sizes in MiB, how many databases are of unknown size, and how many are left out of
    the sum because their host claims more than it can hold."""

    total_mb: float
    unknown: int
    implausible: int


def is_plausible(mebibytes: float) -> bool:
    """Whether one database can be so large."""
    return mebibytes <= HOST_MIB


def sum_sizes(records: Iterable[DatabaseRecord]) -> Sizes:
    """The sizes of `records`, each host's taken together: many small claims are one large one."""
    claimed: defaultdict[tuple[str, str], float] = defaultdict(float)
    databases: Counter[tuple[str, str]] = Counter()
    unknown = 0
    for record in records:
        size = record.data_size_mb
        if size is None:
            unknown += 1
        else:
            host = (record.account_id, record.instance_id)
            claimed[host] += size
            databases[host] += 1
    implausible = {host for host, size in claimed.items() if not is_plausible(size)}
    return Sizes(
        sum(size for host, size in claimed.items() if host not in implausible),
        unknown,
        sum(databases[host] for host in implausible),
    )
