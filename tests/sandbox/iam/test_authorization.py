"""Access: the deployed policies decide, as they would in AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from discovery import artefacts
from sandbox import Sandbox
from sandbox.iam import INSTANCE_ROLE
from tests.support.aws_errors import refusal
from tests.support.run_command import Hosts, Send, WaitFor

POLICY = "DatabaseDiscovery"


@contextmanager
def changed_policy(sandbox: Sandbox, account: str, role: str, policy: Any) -> Iterator[None]:
    """While inside, `role` of `account` has another policy."""
    iam = sandbox.client("iam", account)
    names = {"RoleName": role, "PolicyName": POLICY}
    before = iam.get_role_policy(**names)["PolicyDocument"]
    iam.put_role_policy(**names, PolicyDocument=json.dumps(policy))
    try:
        yield
    finally:
        iam.put_role_policy(**names, PolicyDocument=json.dumps(before))


def test_spoke_role_is_assumed_with_the_external_id(
    sandbox: Sandbox, hosts: Hosts, assume: Any
) -> None:
    """With the right ExternalId the runner becomes the spoke role in that account."""
    identity = assume(hosts[0].account_id)("sts").get_caller_identity()
    assert identity["Account"] == hosts[0].account_id
    assert identity["Arn"].endswith(f":assumed-role/{sandbox.settings.role_name}/test")


@pytest.mark.parametrize("external_id", ["wrong", None])
def test_wrong_or_no_external_id_is_refused(
    hosts: Hosts, assume: Any, external_id: str | None
) -> None:
    """The trust policy's condition counts."""
    account = hosts[0].account_id
    code, message = refusal(lambda: assume(account, ExternalId=external_id))
    assert code == "AccessDenied"
    assert f"perform: sts:AssumeRole on resource: arn:aws:iam::{account}:role/" in message


def test_missing_and_untrusting_roles_are_refused_alike(sandbox: Sandbox, assume: Any) -> None:
    """AWS does not say whether a role is missing or does not trust the caller."""
    accounts = [account.id for account in sandbox.estate.accounts if account.role != "ok"]
    assert accounts
    for account in accounts:
        assert refusal(lambda account=account: assume(account))[0] == "AccessDenied"


def test_unknown_account_is_refused(assume: Any) -> None:
    """An account that does not exist has no role to assume."""
    assert refusal(lambda: assume("999999999999"))[0] == "AccessDenied"


def test_session_policy_has_a_limit(hosts: Hosts, assume: Any) -> None:
    """More than 2,048 characters of session policy are an error, not cut off."""
    account = hosts[0].account_id
    assert refusal(lambda: assume(account, Policy="x" * 2049))[0] == "ValidationError"


def test_spoke_role_may_use_its_document_only(
    sandbox: Sandbox, hosts: Hosts, ssm: Any, owner: Any
) -> None:
    """Another document of the same account, such as one that runs any shell command, is denied."""
    content = {"schemaVersion": "2.2", "mainSteps": []}
    owner.create_document(Name="Other", Content=json.dumps(content), DocumentType="Command")
    try:
        code, message = refusal(
            ssm.send_command, DocumentName="Other", InstanceIds=[hosts[0].instance_id]
        )
    finally:
        owner.delete_document(Name="Other")
    assert code == "AccessDeniedException"
    assert message == (
        f"User: arn:aws:sts::{hosts[0].account_id}:assumed-role/{sandbox.settings.role_name}/test "
        f"is not authorized to perform: ssm:SendCommand on resource: "
        f"arn:aws:ssm:{hosts[0].region}:{hosts[0].account_id}:document/Other "
        "because no identity-based policy allows the ssm:SendCommand action"
    )


def test_spoke_role_changes_nothing(hosts: Hosts, assume: Any) -> None:
    """What the role has no need of is denied: in EC2's words by EC2, in JSON by the others."""
    clients = assume(hosts[0].account_id)
    ids = [hosts[0].instance_id]
    ec2 = clients("ec2", hosts[0].region)
    assert ec2.describe_instances(InstanceIds=ids)["Reservations"]
    assert refusal(ec2.terminate_instances, InstanceIds=ids)[0] == "UnauthorizedOperation"
    assert refusal(clients("ssm").list_commands)[0] == "AccessDeniedException"
    assert refusal(clients("s3").list_buckets)[0] == "AccessDenied"


def test_session_policy_narrows_a_role_that_is_too_wide(
    sandbox: Sandbox, hosts: Hosts, assume: Any
) -> None:
    """A spoke role that was given everything gives the runner no more than its own policy."""
    account = hosts[0].account_id
    everything = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    wide = {"Version": "2012-10-17", **everything}
    with changed_policy(sandbox, account, sandbox.settings.role_name, wide):
        assert assume(account)("ssm").list_commands()
        narrowed = assume(
            account, Policy=artefacts.session_policy(sandbox.settings.placeholders())
        )("ssm")
        assert narrowed.describe_instance_information()
        code, message = refusal(narrowed.list_commands)
    assert code == "AccessDeniedException"
    assert "because no session policy allows the ssm:ListCommands action" in message


def test_accounts_lack_the_actions_the_estate_says(sandbox: Sandbox, assume: Any) -> None:
    """An account whose role may not send commands refuses them, and still lists its hosts."""
    account = next(
        account
        for account in sandbox.estate.accounts
        if "ssm:SendCommand" in account.denied_actions
    )
    host = account.hosts[0]
    ssm = assume(account.id)("ssm", host.region)
    assert ssm.describe_instance_information()["InstanceInformationList"]
    document = sandbox.settings.document_name
    code, _ = refusal(ssm.send_command, DocumentName=document, InstanceIds=[host.instance_id])
    assert code == "AccessDeniedException"


def test_runner_has_only_its_own_tables_and_operations(sandbox: Sandbox, management: Any) -> None:
    """The runner's role reads and writes items of its tables; it cannot drop or find others."""
    dynamodb = management("dynamodb")
    table = sandbox.settings.results_table
    assert "Items" in dynamodb.scan(TableName=table)
    assert refusal(dynamodb.delete_table, TableName=table)[0] == "AccessDeniedException"
    assert refusal(dynamodb.scan, TableName="other")[0] == "AccessDeniedException"
    assert refusal(management("ec2").describe_instances)[0] == "UnauthorizedOperation"
    assert management("organizations").list_accounts()["Accounts"]


def test_index_is_a_resource_of_its_own(sandbox: Sandbox, management: Any) -> None:
    """The runs table's index is allowed by name."""
    found = management("dynamodb").query(
        TableName=sandbox.settings.runs_table,
        IndexName="history",
        KeyConditionExpression="history_pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "none"}},
    )
    assert found["Items"] == []


def test_agent_downloads_with_the_instance_role(
    sandbox: Sandbox, hosts: Hosts, ssm: Any, send: Send, finished: WaitFor
) -> None:
    """Without the instance policy the download step fails, and the probe step is not reached."""
    nothing = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}],
    }
    with changed_policy(sandbox, hosts[0].account_id, INSTANCE_ROLE, nothing):
        (end,) = finished(ssm, send(hosts[0])).values()
    (download,) = end["CommandPlugins"]
    assert (end["Status"], download["Name"], download["Status"]) == (
        "Failed",
        "downloadProbe",
        "Failed",
    )
    assert "AccessDenied" in download["Output"]


def test_unknown_and_missing_credentials_are_refused(sandbox: Sandbox, with_key: Any) -> None:
    """Keys of nobody are refused in the called service's words; unsigned requests always."""
    nobody = with_key("ASIAAAAAAAAAAAAAAAAA", "none")
    assert refusal(nobody("sts").get_caller_identity)[0] == "InvalidClientTokenId"
    assert refusal(nobody("ssm").describe_instance_information)[0] == "UnrecognizedClientException"
    assert refusal(nobody("ec2").describe_instances)[0] == "AuthFailure"
    assert httpx.get(f"{sandbox.url}/moto-api/", trust_env=False).status_code == 403
