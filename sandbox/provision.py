"""Deploys the estate into the sandbox's own endpoint, from `iam/`, `schema/` and `ssm/`.

Everything that the product's artefacts describe is created through boto3, so that a wrong artefact
fails here as it would in AWS. Accounts and instances are written into moto's records.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from discovery import artefacts
from discovery.partitions import partition_of
from discovery.settings import Settings
from sandbox.estate import Account, Estate
from sandbox.iam import INSTANCE_ROLE, MANAGEMENT_ROLE
from sandbox.moto_records import create_instance, create_organisation

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


def provision(estate: Estate, settings: Settings, client: ClientOf) -> None:
    """Deploy everything. The endpoint must be up: `client` calls it."""
    values = settings.placeholders(MANAGEMENT_ACCOUNT_ID=estate.management_account)
    _create_management(estate, settings, values, client)
    create_organisation(estate, partition_of(settings.home_region).name)
    text = artefacts.document_text(settings.placeholders())
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
        kept
        for statement in policy["Statement"]
        if (kept := _without(statement, frozenset(lacking)))
    ]
    iam.put_role_policy(
        RoleName=role, PolicyName="DatabaseDiscovery", PolicyDocument=json.dumps(policy)
    )


def _without(statement: dict[str, Any], actions: frozenset[str]) -> dict[str, Any] | None:
    given = statement["Action"]
    given = [given] if isinstance(given, str) else given
    kept = [action for action in given if action not in actions]
    return {**statement, "Action": kept} if kept else None
