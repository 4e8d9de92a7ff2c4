"""What the sandbox deploys is the estate; as a process it starts, answers, and leaves nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from discovery import artefacts
from discovery.artefacts import ROOT
from discovery.settings import load_settings
from sandbox import Sandbox
from tests.support.hosts import revive_hosts

pytestmark = pytest.mark.server


def test_ec2_lists_the_estates_hosts(sandbox: Sandbox) -> None:
    """Every host is an instance of its account and region, with its id, name, tags and platform."""
    for account in sandbox.estate.accounts:
        for region in sandbox.estate.regions:
            pages = sandbox.client("ec2", account.id, region).get_paginator("describe_instances")
            listed = {
                one["InstanceId"]: one
                for page in pages.paginate()
                for reservation in page["Reservations"]
                for one in reservation["Instances"]
            }
            declared = {one.instance_id: one for one in account.hosts if one.region == region}
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
                one["InstanceId"]: one["PingStatus"] == "Online"
                for page in pages
                for one in page["InstanceInformationList"]
            }
            assert listed == {
                one.instance_id: one.agent == "online" and one.state == "running"
                for one in account.hosts
                if one.region == region and one.agent != "none"
            }


def test_organisation_lists_the_estates_accounts(sandbox: Sandbox) -> None:
    """The accounts have the estate's ids, names and status, the management account its own."""
    pages = sandbox.client("organizations").get_paginator("list_accounts").paginate()
    listed = {one["Id"]: (one["Name"], one["Status"]) for page in pages for one in page["Accounts"]}
    declared = {one.id: (one.name, one.status) for one in sandbox.estate.accounts}
    management = sandbox.estate.management_account
    assert listed.pop(management)
    declared.pop(management, None)
    assert listed == declared


@pytest.mark.parametrize("path", ["schema/dynamodb-table.json", "schema/dynamodb-runs-table.json"])
def test_tables_are_as_the_schema_says(sandbox: Sandbox, path: str) -> None:
    """Keys, indexes and time to live come from the schema file."""
    schema = artefacts.render(path, artefacts.placeholder_values(sandbox.settings))
    dynamodb = sandbox.client("dynamodb")
    name = schema["Table"]["TableName"]
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert table["KeySchema"] == schema["Table"]["KeySchema"]
    indexes = [one["IndexName"] for one in table.get("GlobalSecondaryIndexes", ())]
    declared = schema["Table"].get("GlobalSecondaryIndexes", ())
    assert indexes == [one["IndexName"] for one in declared]
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl["AttributeName"] == schema["TimeToLive"]["AttributeName"]


def test_document_is_in_every_account_and_region(sandbox: Sandbox) -> None:
    """Each scope holds the very document the product pins."""
    expected = artefacts.document_hash(sandbox.settings)
    for account in sandbox.estate.accounts:
        for region in sandbox.estate.regions:
            ssm = sandbox.client("ssm", account.id, region)
            found = ssm.describe_document(Name=sandbox.settings.document_name)["Document"]
            assert (found["Hash"], found["DocumentVersion"]) == (expected, "1")


def test_terminated_host_leaves_systems_manager(sandbox: Sandbox) -> None:
    """EC2 lists a terminated instance for a while; Systems Manager does not."""
    host = next(one for one in sandbox.hosts.values() if one.agent == "none")
    host.agent = "online"
    assert host.is_managed
    host.terminate()
    try:
        assert (host.state, host.is_managed, host.is_reachable) == ("terminated", False, False)
    finally:
        host.agent = "none"
        host.start()


def test_one_sandbox_a_process(sandbox: Sandbox) -> None:
    """A second one in the same process would share moto's records: it is refused."""
    with pytest.raises(RuntimeError, match="running in this process"), Sandbox():
        pass
    assert sandbox.url


def test_process_prints_its_exports_and_ends_with_its_stdin(tmp_path: Path) -> None:
    """`python -m sandbox --stop-with-parent` says one line when ready, stops by itself
    when its parent's pipe closes, and leaves only the hosts' folders, for the next start."""
    child = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--stop-with-parent"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    exports: dict[str, Any] = json.loads(child.stdout.readline())
    settings = load_settings(exports)
    assert settings.sandbox
    assert settings.endpoint_url == exports["AWS_ENDPOINT_URL"]
    assert list(tmp_path.glob("discovery-sandbox-*"))
    rest, _ = child.communicate(timeout=20)
    assert (rest, child.returncode) == ("", 0)
    assert [one.name for one in tmp_path.iterdir()] == [f"database-discovery-hosts-{os.getuid()}"]
