"""EC2 instance types of the estate: memory, processors and architecture."""

from __future__ import annotations

from collections.abc import Mapping

INSTANCE_TYPES: Mapping[str, tuple[int, int]] = {
    "t3.small": (2048, 2),
    "t3.medium": (4096, 2),
    "t3.large": (8192, 2),
    "t4g.medium": (4096, 2),
    "m4.large": (8192, 2),
    "m5.large": (8192, 2),
    "m5.xlarge": (16384, 4),
    "m6i.large": (8192, 2),
    "m6i.xlarge": (16384, 4),
    "m6i.2xlarge": (32768, 8),
    "m6g.xlarge": (16384, 4),
    "c6i.xlarge": (8192, 4),
    "r5.xlarge": (32768, 4),
    "r5.4xlarge": (131072, 16),
    "r6i.large": (16384, 2),
    "r6i.xlarge": (32768, 4),
    "r6i.2xlarge": (65536, 8),
    "r6i.4xlarge": (131072, 16),
    "r6i.8xlarge": (262144, 32),
    "r6g.large": (16384, 2),
    "r6g.xlarge": (32768, 4),
    "r6g.2xlarge": (65536, 8),
    "x2gd.4xlarge": (262144, 16),
    "i3.2xlarge": (62464, 8),
    "i4i.4xlarge": (131072, 16),
}
"""Instance type -> memory in MiB, processors."""


def architecture(instance_type: str) -> str:
    """`aarch64` for Graviton types (m6g, t4g, x2gd …): a g follows their generation."""
    family = instance_type.partition(".")[0]
    return "aarch64" if "g" in family.lstrip("abcdefghijklmnopqrstuvwxyz")[1:] else "x86_64"
