"""The machine that the sandbox runs on, as a host of the estate."""

from __future__ import annotations

from dataclasses import replace

from sandbox.estate.instance_types import INSTANCE_TYPES
from sandbox.estate.load import instance_id
from sandbox.estate.records import Estate, EstateHost
from sandbox.platforms import PLATFORMS

_INSTANCE_TYPE = "m6i.large"


def this_machine(account_id: str, region: str, name: str = "this-machine") -> EstateHost:
    """A host whose root is `/`: commands sent to it run the probe on the machine itself."""
    platform = PLATFORMS["debian-12"]
    memory_mb, cpu_cores = INSTANCE_TYPES[_INSTANCE_TYPE]
    return EstateHost(
        account_id=account_id,
        name=name,
        instance_id=instance_id(account_id, name),
        region=region,
        tags={"Name": name},
        state="running",
        agent="online",
        platform="Linux",
        platform_name=platform.platform_name,
        platform_version=platform.platform_version,
        instance_type=_INSTANCE_TYPE,
        private_ip="127.0.0.1",
        memory_mb=memory_mb,
        cpu_cores=cpu_cores,
        os=platform,
        root="/",
    )


def with_this_machine(estate: Estate) -> Estate:
    """`estate` with this very machine as one more host of its first account."""
    first, *others = estate.accounts
    machine = this_machine(first.id, estate.regions[0])
    return replace(estate, accounts=(replace(first, hosts=(*first.hosts, machine)), *others))
