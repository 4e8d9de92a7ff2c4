"""EC2's and Systems Manager's listings -> one `Host` per instance, each in its coverage class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from discovery.aws.errors import aws_errors
from discovery.aws.replies import pages
from discovery.aws.session import Aws
from discovery.model import Coverage, Host, Scope

_MAX_FILTER_VALUES = 50
_MAX_TAGS = 50
_MAX_TAG_KEY = 128
_MAX_TEXT = 256
"""Limits of an instance's tags (EC2 User Guide, "Tag restrictions"), and of other texts."""
_NOT_RUNNING = ("stopping", "stopped")
_ENDED = ("shutting-down", "terminated")


def list_hosts(aws: Aws, scope: Scope, instances: Sequence[str] = ()) -> list[Host]:
    """Every instance of `scope` (or those of `instances` that are there), sorted by id.

    A host that a command can be sent to is PENDING; any other has the class that says why not.
    Raises AwsError; a refused listing is never read as "none".
    """
    with aws_errors():
        machines = _ec2_instances(aws, scope, instances)
        managed = _managed_instances(aws, scope, instances)
    ids = sorted(machines.keys() | managed.keys())
    return [_host(scope, id_, machines.get(id_), managed.get(id_)) for id_ in ids]


def _ec2_instances(aws: Aws, scope: Scope, instances: Sequence[str]) -> dict[str, Any]:
    client = aws.spoke(scope.account_id, "ec2", scope.region)
    found: dict[str, Any] = {}
    for ids in _chunks(instances):
        arguments: dict[str, Any] = (
            {"Filters": [{"Name": "instance-id", "Values": ids}]}
            if ids
            else {"PaginationConfig": {"PageSize": 1000}}
        )
        for page in pages(client, "describe_instances", **arguments):
            for reservation in page["Reservations"]:
                found |= {item["InstanceId"]: item for item in reservation["Instances"]}
    return found


def _managed_instances(aws: Aws, scope: Scope, instances: Sequence[str]) -> dict[str, Any]:
    client = aws.spoke(scope.account_id, "ssm", scope.region)
    found: dict[str, Any] = {}
    for ids in _chunks(instances):
        arguments: dict[str, Any] = {"PaginationConfig": {"PageSize": 50}}
        if ids:
            arguments["Filters"] = [{"Key": "InstanceIds", "Values": ids}]
        for page in pages(client, "describe_instance_information", **arguments):
            found |= {item["InstanceId"]: item for item in page["InstanceInformationList"]}
    return found


def _chunks(instances: Sequence[str]) -> Iterable[list[str]]:
    """One empty chunk when there is nothing to filter by."""
    if not instances:
        yield []
    remaining = iter(instances)
    while chunk := list(islice(remaining, _MAX_FILTER_VALUES)):
        yield chunk


def _host(
    scope: Scope,
    instance_id: str,
    machine: Mapping[str, Any] | None,
    managed: Mapping[str, Any] | None,
) -> Host:
    machine = machine or {}
    managed = managed or {}
    tags = {
        tag["Key"][:_MAX_TAG_KEY]: tag["Value"][:_MAX_TEXT]
        for tag in machine.get("Tags", ())[:_MAX_TAGS]
    }
    platform = " ".join(
        part for part in (managed.get("PlatformName"), managed.get("PlatformVersion")) if part
    )
    return Host(
        account_id=scope.account_id,
        region=scope.region,
        instance_id=instance_id,
        coverage=_coverage(instance_id, machine, managed),
        name=_cut(tags.get("Name") or managed.get("Name") or managed.get("ComputerName")),
        platform=_cut(platform or machine.get("PlatformDetails") or machine.get("Platform")),
        instance_type=machine.get("InstanceType"),
        private_ip=machine.get("PrivateIpAddress") or managed.get("IPAddress"),
        tags=tags,
    )


def _cut(text: str | None) -> str | None:
    """What an instance's agent says of itself, within bounds."""
    return text[:_MAX_TEXT] if text else None


def _coverage(instance_id: str, machine: Mapping[str, Any], managed: Mapping[str, Any]) -> Coverage:
    state = machine.get("State", {}).get("Name")
    if state in _ENDED:
        return Coverage.TERMINATED
    if state in _NOT_RUNNING:
        return Coverage.STOPPED
    if machine.get("Platform") == "windows" or managed.get("PlatformType", "Linux") != "Linux":
        return Coverage.UNSUPPORTED_PLATFORM
    if managed.get("PingStatus") == "Online":
        return Coverage.PENDING
    if not machine and instance_id.startswith("i-"):
        return Coverage.TERMINATED  # Systems Manager remembers instances that EC2 has forgotten
    return Coverage.AGENT_OFFLINE if managed else Coverage.NOT_MANAGED
