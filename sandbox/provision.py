"""Deploys the estate into the sandbox's own endpoint, from `iam/`, `schema/` and `ssm/`.

Everything that the product's artefacts describe is created through boto3, so that a wrong artefact
fails here as it would in AWS. Accounts and instances, whose ids AWS would make up, get the estate's
ids by writing moto's records.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.core.base_backend import BackendDict
from moto.ec2.models import ec2_backends
from moto.organizations.models import (
    FakeAccount,
    FakeOrganizationalUnit,
    organizations_backends,
)
from moto.s3.models import s3_backends

from discovery import artefacts
from discovery.partitions import partition_of
from discovery.settings import Settings
from sandbox.estate.model import Account, Estate, EstateHost
from sandbox.iam.access import INSTANCE_ROLE, MANAGEMENT_ROLE

ClientOf = Callable[[str, str, str], Any]
"""Service, account, region -> a boto3 client of that account's owner."""

_INSTANCE_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
_RUNNER_TRUST = _INSTANCE_TRUST.replace("ec2.amazonaws.com", "lambda.amazonaws.com")
_STOPPED = ("stopped", 80)
ROOT = "r-sbx1"
"""The organisation's root."""


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


def provision(estate: Estate, settings: Settings, client: ClientOf) -> None:
    """Deploy everything. The endpoint must be up: `client` calls it."""
    values = artefacts.placeholder_values(settings, MANAGEMENT_ACCOUNT_ID=estate.management_account)
    _create_management(estate, settings, values, client)
    _create_organisation(estate, partition_of(settings.home_region).name)
    text = artefacts.document_text(settings)
    for account in estate.accounts:
        _create_roles(account, settings, values, client)
        for region in estate.regions:
            client("ssm", account.id, region).create_document(
                Name=settings.document_name,
                Content=text,
                DocumentType="Command",
                DocumentFormat="JSON",
            )
        for host in account.hosts:
            create_instance(host)


def _create_management(
    estate: Estate, settings: Settings, values: Mapping[str, str], client: ClientOf
) -> None:
    home = (estate.management_account, settings.home_region)
    iam = client("iam", *home)
    iam.create_role(RoleName=MANAGEMENT_ROLE, AssumeRolePolicyDocument=_RUNNER_TRUST)
    _put_policy(iam, MANAGEMENT_ROLE, "iam/management-discovery-lambda-policy.json", values)
    dynamodb = client("dynamodb", *home)
    for path in ("schema/dynamodb-table.json", "schema/dynamodb-runs-table.json"):
        schema = artefacts.render(path, values)
        name = schema["Table"]["TableName"]
        dynamodb.create_table(**schema["Table"])
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=schema["TimeToLive"])
        dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification=schema["PointInTimeRecovery"]
        )
    s3 = client("s3", *home)
    for bucket in (settings.script_bucket, settings.output_bucket):
        if settings.home_region == "us-east-1":  # the one region that S3 takes no constraint for
            s3.create_bucket(Bucket=bucket)
        else:
            location = {"LocationConstraint": settings.home_region}
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
    s3.put_object(
        Bucket=settings.script_bucket, Key=artefacts.probe_key(), Body=artefacts.probe_source()
    )


def _create_organisation(estate: Estate, partition: str) -> None:
    home = (estate.management_account, partition)
    organisation = organizations_backends[home[0]][home[1]]
    organisation.create_organization(region="us-east-1", FeatureSet="ALL")
    assert organisation.org is not None  # noqa: S101 - for the type checker: it was just created
    root = organisation.ou[0]
    root.id = organisation.org.root_id = ROOT
    for member in organisation.accounts:
        member.parent_id = ROOT
    for unit in estate.units:
        made = FakeOrganizationalUnit(
            organisation.org, Name=unit.name, ParentId=unit.parent or ROOT
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
        member.parent_id = account.unit or ROOT
        member.status = member.state = account.status
        organisation.accounts.append(member)
        organizations_backends.master_accounts[account.id] = home


def _create_roles(
    account: Account, settings: Settings, values: Mapping[str, str], client: ClientOf
) -> None:
    iam = client("iam", account.id, settings.home_region)
    iam.create_role(RoleName=INSTANCE_ROLE, AssumeRolePolicyDocument=_INSTANCE_TRUST)
    _put_policy(iam, INSTANCE_ROLE, "iam/ec2-instance-ssm-policy.json", values)
    if account.role == "missing":
        return
    values = {**values, "SPOKE_ACCOUNT_ID": account.id}
    if account.role == "untrusting":
        values["EXTERNAL_ID"] = f"not-{values['EXTERNAL_ID']}"
    trust = artefacts.render_text("iam/spoke-account-trust-policy.json", values)
    iam.create_role(RoleName=settings.role_name, AssumeRolePolicyDocument=trust)
    _put_policy(
        iam, settings.role_name, artefacts.SPOKE_ROLE_POLICY, values, account.denied_actions
    )


def _put_policy(
    iam: Any, role: str, path: str, values: Mapping[str, str], lacking: Iterable[str] = ()
) -> None:
    policy = artefacts.render(path, values)
    policy["Statement"] = [
        kept for one in policy["Statement"] if (kept := _without(one, frozenset(lacking)))
    ]
    iam.put_role_policy(
        RoleName=role, PolicyName="DatabaseDiscovery", PolicyDocument=json.dumps(policy)
    )


def _without(statement: dict[str, Any], actions: frozenset[str]) -> dict[str, Any] | None:
    given = statement["Action"]
    kept = [one for one in ([given] if isinstance(given, str) else given) if one not in actions]
    return {**statement, "Action": kept} if kept else None


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
