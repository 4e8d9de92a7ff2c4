"""What the sandbox deploys is the estate."""

from __future__ import annotations

import pytest

from discovery import artefacts
from sandbox import Sandbox
from tests.support.hosts import revive_hosts

pytestmark = pytest.mark.server


def test_ec2_lists_the_estates_hosts(sandbox: Sandbox) -> None:
    """Every host is an instance of its account and region, with its id, name, tags and platform."""
    for account in sandbox.estate.accounts:
        for region in sandbox.estate.regions:
            pages = sandbox.client("ec2", account.id, region).get_paginator("describe_instances")
            listed = {
                instance["InstanceId"]: instance
                for page in pages.paginate()
                for reservation in page["Reservations"]
                for instance in reservation["Instances"]
            }
            declared = {host.instance_id: host for host in account.hosts if host.region == region}
            assert listed.keys() == declared.keys()
            for id_, host in declared.items():
                tags = {tag["Key"]: tag["Value"] for tag in listed[id_]["Tags"]}
                assert tags == {"Name": host.name, **host.tags}
                assert listed[id_]["PrivateIpAddress"] == host.private_ip
                assert listed[id_]["InstanceType"] == host.instance_type
                is_windows = listed[id_].get("Platform") == "windows"
                assert is_windows is (host.platform == "Windows")


def test_systems_manager_lists_registered_hosts_only(sandbox: Sandbox) -> None:
    """A host without agent is unknown to Systems Manager; a stopped one is ConnectionLost."""
    revive_hosts(sandbox)
    for account in sandbox.estate.accounts:
        for region in sandbox.estate.regions:
            ssm = sandbox.client("ssm", account.id, region)
            pages = ssm.get_paginator("describe_instance_information").paginate()
            listed = {
                entry["InstanceId"]: entry["PingStatus"] == "Online"
                for page in pages
                for entry in page["InstanceInformationList"]
            }
            assert listed == {
                host.instance_id: host.agent == "online" and host.state == "running"
                for host in account.hosts
                if host.region == region and host.agent != "none"
            }


def test_organisation_lists_the_estates_accounts(sandbox: Sandbox) -> None:
    """The accounts have the estate's ids, names and status, the management account its own."""
    pages = sandbox.client("organizations").get_paginator("list_accounts").paginate()
    listed = {
        account["Id"]: (account["Name"], account["Status"])
        for page in pages
        for account in page["Accounts"]
    }
    declared = {account.id: (account.name, account.status) for account in sandbox.estate.accounts}
    management = sandbox.estate.management_account
    assert listed.pop(management)
    declared.pop(management, None)
    assert listed == declared


@pytest.mark.parametrize("path", ["schema/dynamodb-table.json", "schema/dynamodb-runs-table.json"])
def test_tables_are_as_the_schema_says(sandbox: Sandbox, path: str) -> None:
    """Keys, indexes and time to live come from the schema file."""
    schema = artefacts.render(path, sandbox.settings.placeholders())
    dynamodb = sandbox.client("dynamodb")
    name = schema["Table"]["TableName"]
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert table["KeySchema"] == schema["Table"]["KeySchema"]
    indexes = [index["IndexName"] for index in table.get("GlobalSecondaryIndexes", ())]
    declared = schema["Table"].get("GlobalSecondaryIndexes", ())
    assert indexes == [index["IndexName"] for index in declared]
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl["AttributeName"] == schema["TimeToLive"]["AttributeName"]


def test_document_is_in_every_account_and_region(sandbox: Sandbox) -> None:
    """Each scope holds the very document the product pins."""
    expected = artefacts.document_hash(sandbox.settings.placeholders())
    for account in sandbox.estate.accounts:
        for region in sandbox.estate.regions:
            ssm = sandbox.client("ssm", account.id, region)
            found = ssm.describe_document(Name=sandbox.settings.document_name)["Document"]
            assert (found["Hash"], found["DocumentVersion"]) == (expected, "1")


def test_terminated_host_leaves_systems_manager(sandbox: Sandbox) -> None:
    """EC2 lists a terminated instance for a while; Systems Manager does not."""
    host = next(host for host in sandbox.hosts.values() if host.agent == "none")
    host.agent = "online"
    assert host.is_managed
    host.terminate()
    try:
        assert (host.state, host.is_managed, host.is_reachable) == ("terminated", False, False)
    finally:
        host.agent = "none"
        host.start()
