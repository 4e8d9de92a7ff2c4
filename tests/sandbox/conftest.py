"""Hosts and clients of the session's sandbox; what a test changes is put back after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import boto3
import pytest

from sandbox import Sandbox, SandboxHost
from sandbox.estate import Estate, load_estate
from tests.support.run_command import Send, WaitFor

REPORT = '{"schema":1,"host":{},"databases":[],"count":0,"end":true}\n'

DONE = ("Success", "Failed", "TimedOut", "Cancelled")


class Clients(Protocol):
    """Makes clients that hold certain credentials."""

    def __call__(self, service: str, region: str | None = None) -> Any:
        """A client of `service`, in the home region unless told otherwise."""


class Assume(Protocol):
    """Assumes the spoke role of an account; `changes` are to the arguments of AssumeRole."""

    def __call__(self, account: str, **changes: str | None) -> Clients:
        """Clients with the role's credentials."""


@pytest.fixture(scope="session")
def estate() -> Estate:
    """The estate that ships."""
    return load_estate()


@pytest.fixture(scope="session")
def with_key(sandbox: Sandbox) -> Callable[[str, str], Clients]:
    """Clients by access key and session token."""
    session: Any = boto3.Session()

    def with_credentials(key: str, token: str) -> Clients:
        def client(service: str, region: str | None = None) -> Any:
            return session.client(
                service,
                region_name=region or sandbox.estate.regions[0],
                endpoint_url=sandbox.url,
                aws_access_key_id=key,
                aws_secret_access_key=sandbox.environment["AWS_SECRET_ACCESS_KEY"],
                aws_session_token=token,
            )

        return client

    return with_credentials


@pytest.fixture(scope="session")
def management(sandbox: Sandbox, with_key: Callable[[str, str], Clients]) -> Clients:
    """Clients with the runner's own credentials."""
    exports = sandbox.environment
    return with_key(exports["AWS_ACCESS_KEY_ID"], exports["AWS_SESSION_TOKEN"])


@pytest.fixture(scope="session")
def assume(
    sandbox: Sandbox, management: Clients, with_key: Callable[[str, str], Clients]
) -> Assume:
    """Assume the spoke role of an account, as the runner does."""
    sts = management("sts")

    def assume_role(account: str, **changes: str | None) -> Clients:
        arguments = {
            "RoleArn": f"arn:aws:iam::{account}:role/{sandbox.settings.role_name}",
            "RoleSessionName": "test",
            "ExternalId": sandbox.estate.external_id,
        } | changes
        given = sts.assume_role(**{name: value for name, value in arguments.items() if value})
        credentials = given["Credentials"]
        return with_key(credentials["AccessKeyId"], credentials["SessionToken"])

    return assume_role


@pytest.fixture
def hosts(sandbox: Sandbox) -> Iterator[list[SandboxHost]]:
    """Four hosts of one account and region that take commands and answer at once with REPORT."""
    first = next(iter(sandbox.estate.scannable_hosts()))
    chosen = [
        sandbox.host(host.instance_id)
        for host in sandbox.estate.scannable_hosts()
        if (host.account_id, host.region) == (first.account_id, first.region)
    ][:4]
    names = ("agent", "behaviour", "delay_seconds", "output", "error_output", "exit_code")
    before = [{name: getattr(host, name) for name in names} for host in chosen]
    for host in chosen:
        host.output = REPORT
        host.delay_seconds = 0.0
    yield chosen
    for host, values in zip(chosen, before, strict=True):
        for name, value in values.items():
            setattr(host, name, value)


@pytest.fixture
def ssm(hosts: list[SandboxHost], assume: Assume) -> Any:
    """Systems Manager with the spoke role of the hosts' account, in their region."""
    return assume(hosts[0].account_id)("ssm", hosts[0].region)


@pytest.fixture
def owner(sandbox: Sandbox, hosts: list[SandboxHost]) -> Any:
    """Systems Manager with the rights of the owner of the hosts' account."""
    return sandbox.client("ssm", hosts[0].account_id, hosts[0].region)


@pytest.fixture
def send(sandbox: Sandbox, ssm: Any) -> Send:
    """Send the product's document to hosts; the command id."""

    def send_command(*hosts: SandboxHost, **changes: Any) -> str:
        arguments = {
            "DocumentName": sandbox.settings.document_name,
            "InstanceIds": [host.instance_id for host in hosts],
            "Parameters": {"executionTimeout": ["30"]},
            "MaxErrors": "100%",
        } | changes
        command_id: str = ssm.send_command(**arguments)["Command"]["CommandId"]
        return command_id

    return send_command


@pytest.fixture
def finished() -> WaitFor:
    """Wait until a command has ended on every host; its invocations by instance id."""

    def wait(ssm: Any, command_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            listed = ssm.list_command_invocations(CommandId=command_id, Details=True)
            found = listed["CommandInvocations"]
            if found and all(invocation["Status"] in DONE for invocation in found):
                return {invocation["InstanceId"]: invocation for invocation in found}
            time.sleep(0.05)
        raise AssertionError(f"command {command_id} did not end in time")

    return wait
