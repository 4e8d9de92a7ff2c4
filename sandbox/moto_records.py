"""Writes moto's own records, where AWS would make up the ids that the estate declares."""

from __future__ import annotations

import os
from typing import Any

from moto.core.base_backend import BackendDict
from moto.ec2.models import ec2_backends
from moto.organizations.models import (
    FakeAccount,
    FakeOrganizationalUnit,
    organizations_backends,
)
from moto.s3.models import s3_backends

from sandbox.estate import Estate, EstateHost

ORGANISATION_ROOT = "r-sbx1"
_STOPPED = ("stopped", 80)
"""EC2's name and code of the state."""


def reset_moto() -> None:
    """Forget all of moto's records. They are global: one sandbox a process."""
    # moto's own reset makes every backend anew before it drops it, which takes seconds.
    used: list[BackendDict[Any]] = vars(BackendDict)["_instances"]
    for backends in used:
        backends.clear()
    used.clear()
    s3_backends.bucket_accounts.clear()
    organizations_backends.master_accounts.clear()
    # The default machine images would cost a tenth of a second per region, and nothing uses them.
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")


def create_organisation(estate: Estate, partition: str) -> None:
    """Make the organisation with its root, units and member accounts."""
    home = (estate.management_account, partition)
    organisation = organizations_backends[home[0]][home[1]]
    organisation.create_organization(region="us-east-1", FeatureSet="ALL")
    assert organisation.org is not None  # noqa: S101 - for the type checker: it was just created
    root = organisation.ou[0]
    root.id = organisation.org.root_id = ORGANISATION_ROOT
    for member in organisation.accounts:
        member.parent_id = ORGANISATION_ROOT
    for unit in estate.units:
        made = FakeOrganizationalUnit(
            organisation.org, Name=unit.name, ParentId=unit.parent or ORGANISATION_ROOT
        )
        made.id = unit.id
        organisation.ou.append(made)
    for account in estate.accounts:
        if account.id == estate.management_account:
            continue
        member = FakeAccount(
            organisation.org, AccountName=account.name, Email=f"{account.name}@example.com"
        )
        member.id = account.id
        member.parent_id = account.unit or ORGANISATION_ROOT
        member.status = member.state = account.status
        organisation.accounts.append(member)
        organizations_backends.master_accounts[account.id] = home


def create_instance(host: EstateHost) -> None:
    """Make the EC2 instance of `host`, under the id the estate gives it."""
    backend = ec2_backends[host.account_id][host.region]
    reservation = backend.run_instances(
        "ami-0d4b0e5c7a9f81236",
        1,
        None,
        [],
        instance_type=host.instance_type,
        is_instance_type_default=False,
        region_name=host.region,
        block_device_mappings=[],
    )
    (instance,) = reservation.instances
    instance.id = host.instance_id
    instance.architecture = "arm64" if host.architecture == "aarch64" else "x86_64"
    instance.platform = "windows" if host.platform == "Windows" else None
    instance.nics[0].private_ip_address = host.private_ip
    instance.add_tags({"Name": host.name, **host.tags})
    if host.state == "stopped":
        instance._state.name, instance._state.code = _STOPPED
