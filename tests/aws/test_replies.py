"""Replies that are none of AWS's: told as such, wherever they come in; never a defect."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

import discovery
from discovery.aws.errors import aws_errors
from discovery.aws.replies import NEEDED, pages
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.errors import (
    AwsError,
    FailureKind,
    LeaseLostError,
    RunInProgressError,
)
from discovery.model import RunRecord, RunStatus
from discovery.run.runner import start_run
from discovery.settings import Settings, load_settings
from sandbox import Sandbox
from tests.support.empty_tables import empty_tables
from tests.support.hosts import hosts_of, request_for

GARBLED = {
    "empty": b"",
    "text": b"upstream connect error",
    "page": b"<html><body><h1>Sign in</h1></body></html>",
    "not UTF-8": b"\xff\xfe{}",
    "null": b"null",
    "a list": b"[]",
    "a number": b"7",
    "an empty object": b"{}",
    "cut": b'{"Command": {"CommandId": "0b1',
    "deep": b"[" * 100_000,
    "other types": (
        b'{"Command": "x", "CommandInvocations": {"a": 1}, "InstanceInformationList": [null],'
        b' "Document": [], "Items": [1], "Item": {"pk": 5}, "Attributes": "x", "Messages": 1}'
    ),
    "other types below": (
        b'{"Command": {"CommandId": 7}, "CommandInvocations": [{"CommandId": [], "Status": 1}],'
        b' "InstanceInformationList": [{"InstanceId": {}}], "Document": {"Hash": 5},'
        b' "Items": [{"pk": {"N": "x"}}], "Item": {"pk": {}}, "Attributes": {"pk": {"S": 1}}}'
    ),
    "without a name": (
        b'{"Command": {}, "CommandInvocations": [{}], "InstanceInformationList": [{}],'
        b' "Document": {}, "Item": {"pk": {"S": "x"}}, "Attributes": {}}'
    ),
}
OPERATIONS = (
    "sts:AssumeRole",
    "ec2:DescribeInstances",
    "ssm:DescribeInstanceInformation",
    "ssm:DescribeDocument",
    "ssm:SendCommand",
    "ssm:ListCommandInvocations",
    "dynamodb:GetItem",
    "dynamodb:Query",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:TransactWriteItems",
)
NAMED = (RunInProgressError, LeaseLostError, AwsError)
"""What `start_run` may raise when AWS is not as it should be."""


@pytest.fixture(autouse=True)
def _clean(sandbox: Sandbox) -> Any:
    """Every test starts with empty tables and leaves no fault behind."""
    empty_tables(sandbox)
    yield
    sandbox.forget_faults()


def scan(sandbox: Sandbox, settings: Settings) -> RunRecord | Exception:
    """One run of one host, or what it raises of what it may raise."""
    try:
        return start_run(settings, request_for(*hosts_of(sandbox, 1)), trigger="test")
    except NAMED as error:
        return error


# --- over the wire ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("body", ["empty", "page", "other types below"])
def test_no_reply_makes_a_defect_of_a_run(
    sandbox: Sandbox, settings: Settings, operation: str, body: str
) -> None:
    """Whatever all calls of an operation are answered with, a run ends in a record, or in an error
    that it names; nothing in it is called a defect."""
    patient = operation == "ssm:ListCommandInvocations"  # it asks again for minutes
    sandbox.garble_next(operation, GARBLED[body], 3 if patient else 1000)
    ended = scan(sandbox, settings)
    sandbox.forget_faults()
    assert not isinstance(ended, AwsError) or ended.kind is FailureKind.UNREADABLE_REPLY
    runs = RunStore(Aws(settings))
    for run in runs.recent_runs():
        told = [(one.error_kind, one.error) for one in runs.scopes(run.run_id)]
        told += [(one.error_kind, one.error) for one in runs.unscanned_hosts(run.run_id)]
        assert all(kind is not FailureKind.INTERNAL for kind, _ in told), told


def test_one_unreadable_reply_is_asked_for_again(sandbox: Sandbox, settings: Settings) -> None:
    """A listing that comes garbled once costs nothing: the host is scanned."""
    for operation in ("ec2:DescribeInstances", "ssm:DescribeDocument", "dynamodb:Query"):
        sandbox.garble_next(operation, b"<html/>", 1)
    ended = scan(sandbox, settings)
    assert isinstance(ended, RunRecord)
    assert ended.status is RunStatus.SUCCEEDED


def test_a_command_is_not_sent_twice_for_an_unreadable_reply(
    sandbox: Sandbox, settings: Settings
) -> None:
    """The reply to SendCommand is lost, the command is not: it is sent once, and its host counts
    as failed for that reason, which says service, operation, region and what was missing."""
    before = sandbox.calls["ssm:SendCommand"]
    sandbox.garble_next("ssm:SendCommand", b"{}", 1)
    ended = scan(sandbox, settings)
    assert isinstance(ended, RunRecord)
    assert sandbox.calls["ssm:SendCommand"] == before + 1
    (host,) = RunStore(Aws(settings)).unscanned_hosts(ended.run_id)
    assert host.error_kind is FailureKind.UNREADABLE_REPLY
    for said in ("ssm", "SendCommand", host.region, "Command is missing"):
        assert said in str(host.error)


# --- a single client ----------------------------------------------------------------------------


class Wire:
    """What answers a client's requests instead of a server."""

    def __init__(self, *bodies: bytes, status: int = 200) -> None:
        self.bodies = list(bodies)
        self.status = status
        self.requests = 0

    def answer(self, request: Any, **_event: Any) -> AWSResponse:
        """The next body; the last one for ever."""
        self.requests += 1
        body = self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]
        raw = SimpleNamespace(stream=lambda: iter([body]), read=lambda *_: body)
        headers: Any = {"Content-Type": "text/html"}
        return AWSResponse(request.url, self.status, headers, raw)


CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "GetCallerIdentity": ("sts", "get_caller_identity", {}),
    "ListAccounts": ("organizations", "list_accounts", {}),
    "DescribeRegions": ("ec2", "describe_regions", {}),
    "DescribeInstances": ("ec2", "describe_instances", {}),
    "DescribeInstanceInformation": ("ssm", "describe_instance_information", {}),
    "DescribeDocument": ("ssm", "describe_document", {"Name": "d"}),
    "SendCommand": ("ssm", "send_command", {"DocumentName": "d"}),
    "ListCommandInvocations": ("ssm", "list_command_invocations", {}),
    "CancelCommand": ("ssm", "cancel_command", {"CommandId": "c" * 36}),
    "GetItem": ("dynamodb", "get_item", {"TableName": "abc", "Key": {"pk": {"S": "a"}}}),
    "PutItem": ("dynamodb", "put_item", {"TableName": "abc", "Item": {"pk": {"S": "a"}}}),
    "Scan": ("dynamodb", "scan", {"TableName": "abc"}),
    "SendMessage": ("sqs", "send_message", {"QueueUrl": "http://q/1/q", "MessageBody": "m"}),
    "ReceiveMessage": ("sqs", "receive_message", {"QueueUrl": "http://q/1/q"}),
    "ListObjectsV2": ("s3", "list_objects_v2", {"Bucket": "abc"}),
}
SAYS_NOTHING = {"CancelCommand", "PutItem", "ReceiveMessage"}
"""Whose reply may be an empty object, or hold nothing that the product knows."""
OBJECTS = {"an empty object", "without a name", "other types below"}


def wired(wire: Wire, service: str) -> Any:
    """A client of the product's own account that `wire` answers."""
    client = Aws(load_settings({"AWS_REGION": "eu-west-1"})).home(service)
    client.meta.events.register("before-send", wire.answer)
    return client


@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("body", GARBLED)
def test_what_is_no_reply_is_an_error_of_its_own(
    monkeypatch: pytest.MonkeyPatch, operation: str, body: str, status: int
) -> None:
    """No body gets through as a success, and none raises anything but AwsError: unreadable, or
    unavailable where the status says so."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    service, method, arguments = CALLS[operation]
    client = wired(Wire(GARBLED[body], status=status), service)
    tells_nothing = operation in SAYS_NOTHING and (
        body in OBJECTS or (body == "other types" and operation != "ReceiveMessage")
    )
    if status == 200 and tells_nothing:
        return
    with pytest.raises(AwsError) as raised, aws_errors():
        getattr(client, method)(**arguments)
    expected = FailureKind.AWS_UNAVAILABLE if status == 503 else FailureKind.UNREADABLE_REPLY
    # botocore itself takes a success of S3's that it cannot read for a 500.
    assert raised.value.kind is expected or (service == "s3" and raised.value.code == "500")


def test_a_listing_that_comes_round_ends() -> None:
    """Pages whose tokens repeat, at once or in turn, are an unreadable reply: no endless loop."""
    for tokens in (b"aa", b"ab"):
        bodies = [b'{"Accounts": [], "NextToken": "%c"}' % token for token in tokens] * 100
        wire = Wire(*bodies)
        with pytest.raises(AwsError) as raised, aws_errors():
            list(pages(wired(wire, "organizations"), "list_accounts"))
        assert raised.value.kind is FailureKind.UNREADABLE_REPLY
        assert wire.requests < 5


def test_a_role_whose_credentials_have_ended_is_told_as_that(
    sandbox: Sandbox, settings: Settings
) -> None:
    """STS gives credentials that have expired already: no bare RuntimeError of botocore's."""
    body = b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S
        </SecretAccessKey><SessionToken>T</SessionToken><Expiration>2020-01-01T00:00:00Z
        </Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
    sandbox.garble_next("sts:AssumeRole", body)
    with pytest.raises(AwsError) as raised:
        Aws(settings).spoke(sandbox.estate.accounts[0].id, "ssm", "eu-west-1")
    assert raised.value.kind is FailureKind.NO_CREDENTIALS


# --- the code -----------------------------------------------------------------------------------


def _trees() -> list[tuple[str, ast.Module]]:
    folder = Path(discovery.__file__).parent
    return [(path.name, ast.parse(path.read_text())) for path in folder.rglob("*.py")]


def test_only_what_a_reply_is_known_to_have_is_indexed() -> None:
    """Code names a member of a reply in brackets only if `NEEDED` holds every reply to it, or the
    request asks for it; botocore's own and the table files' names aside."""
    of_files = {"Table", "TableName", "KeySchema", "AttributeName", "IndexName"}
    of_requests = {"ExternalId", "TransactItems"}
    known = {
        name for paths in NEEDED.values() for path in paths for name in re.findall(r"\w+", path)
    }
    known |= {"Attributes", "Item"} | of_files | of_requests
    for name, tree in _trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Constant):
                continue
            key = node.slice.value
            if isinstance(node.ctx, ast.Store):
                continue
            if isinstance(key, str) and re.fullmatch(r"[A-Z][A-Za-z]+", key):
                assert key in known, f"{name}:{node.lineno}: {key}"


def test_every_operation_that_is_called_has_its_needs() -> None:
    """An operation that the code calls, by method or by name of its pages, is in `NEEDED`."""
    session: Any = boto3.Session(region_name="eu-west-1")
    services = ("dynamodb", "ec2", "organizations", "s3", "sqs", "ssm", "sts")
    names = {
        method: operation
        for service in services
        for method, operation in session.client(service).meta.method_to_api_mapping.items()
    }
    called: set[str] = set()
    for name, tree in _trees():
        if name in ("csv.py", "json.py"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in names and "_" in node.attr:
                called.add(names[node.attr])
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "pages":
                called |= {
                    names[argument.value]
                    for argument in node.args
                    if isinstance(argument, ast.Constant)
                }
    assert called >= {"SendCommand", "ListAccounts", "DescribeInstances", "Query"}
    assert called <= NEEDED.keys()
