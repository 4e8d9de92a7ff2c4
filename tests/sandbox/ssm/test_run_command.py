"""Run Command: the life of a command, and the limits AWS sets to it."""

from __future__ import annotations

import json
import os
import shlex
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from discovery import artefacts
from sandbox import Sandbox
from sandbox.ssm import dispatcher
from tests.support.run_command import Hosts, Send, WaitFor


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    """AWS's error code."""
    return str(error.value.response["Error"]["Code"])


def test_command_succeeds_with_the_steps_output(
    ssm: Any, hosts: Hosts, send: Send, finished: WaitFor
) -> None:
    """A command ends as Success, with each step's result and what the probe printed."""
    (invocation,) = finished(ssm, send(hosts[0])).values()
    assert (invocation["Status"], invocation["StatusDetails"]) == ("Success", "Success")
    download, run = invocation["CommandPlugins"]
    assert (download["Name"], run["Name"]) == ("downloadProbe", "runProbe")
    assert run["ResponseCode"] == 0
    assert json.loads(run["Output"])["end"] is True


def test_new_command_is_pending_and_its_invocations_appear_later(
    ssm: Any,
    hosts: Hosts,
    finished: WaitFor,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Right after SendCommand the invocation does not exist yet, as in AWS; the list is empty."""
    monkeypatch.setattr(dispatcher, "VISIBLE_SECONDS", 60.0)  # longer than two calls take anywhere
    sent = ssm.send_command(
        DocumentName=sandbox.settings.document_name, InstanceIds=[hosts[0].instance_id]
    )["Command"]
    assert sent["Status"] in ("Pending", "InProgress")
    assert sent["TargetCount"] == 1
    assert not ssm.list_command_invocations(CommandId=sent["CommandId"])["CommandInvocations"]
    with pytest.raises(ClientError) as error:
        ssm.get_command_invocation(
            CommandId=sent["CommandId"], InstanceId=hosts[0].instance_id, PluginName="runProbe"
        )
    assert code_of(error) == "InvocationDoesNotExist"
    assert finished(ssm, sent["CommandId"])


def test_at_most_fifty_instances(send: Send) -> None:
    """The 51st instance id is one too many."""
    ids = [f"i-{number:017x}" for number in range(51)]
    with pytest.raises(ClientError) as error:
        send(InstanceIds=ids)
    assert code_of(error) == "ValidationException"
    assert "less than or equal to 50" in str(error.value)


def test_unknown_and_unmanaged_instances_are_refused_by_name(hosts: Hosts, send: Send) -> None:
    """One bad id fails the whole call; the message names the bad ones only."""
    hosts[1].agent = "none"
    with pytest.raises(ClientError) as error:
        send(InstanceIds=[hosts[0].instance_id, hosts[1].instance_id, "i-0123456789abcdef0"])
    assert code_of(error) == "InvalidInstanceId"
    assert f"[[{hosts[1].instance_id}, i-0123456789abcdef0]]" in str(error.value)
    assert hosts[0].instance_id not in str(error.value)


def test_instances_of_another_region_are_refused(
    sandbox: Sandbox, hosts: Hosts, send: Send
) -> None:
    """An instance takes commands in its own account and region only."""
    other = next(host for host in sandbox.hosts.values() if host.region != hosts[0].region)
    with pytest.raises(ClientError) as error:
        send(other)
    assert code_of(error) == "InvalidInstanceId"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"DocumentVersion": "7"}, "InvalidDocumentVersion"),
        ({"DocumentHash": "0" * 64, "DocumentHashType": "Sha256"}, "InvalidDocument"),
        ({"Parameters": {"executionTimeout": ["60; id"]}}, "InvalidParameters"),
        ({"Parameters": {"connections": ["true; id"]}}, "InvalidParameters"),
        ({"Parameters": {"commands": ["id"]}}, "InvalidParameters"),
    ],
)
def test_pinned_document_and_parameters_are_checked(
    hosts: Hosts, send: Send, changes: dict[str, Any], code: str
) -> None:
    """A version that is not there, a wrong hash, and a parameter that does not fit are refused."""
    with pytest.raises(ClientError) as error:
        send(hosts[0], **changes)
    assert code_of(error) == code


def test_pinned_hash_is_that_of_the_rendered_document(
    ssm: Any, hosts: Hosts, send: Send, finished: WaitFor, sandbox: Sandbox
) -> None:
    """The hash the product computes is the one Systems Manager knows."""
    pinned = artefacts.document_hash(sandbox.settings.placeholders())
    command = send(hosts[0], DocumentVersion="1", DocumentHash=pinned, DocumentHashType="Sha256")
    assert finished(ssm, command)


def test_by_default_the_first_failure_ends_the_command(
    ssm: Any, owner: Any, hosts: Hosts, send: Send, finished: WaitFor
) -> None:
    """MaxErrors is 0 unless given: what has not started when one host fails never starts."""
    hosts[0].exit_code = 1
    command = send(*hosts, MaxErrors="0", MaxConcurrency="1")
    ends = finished(ssm, command)
    details = [ends[host.instance_id]["StatusDetails"] for host in hosts]
    assert details == ["Failed", "Terminated", "Terminated", "Terminated"]
    (whole,) = owner.list_commands(CommandId=command)["Commands"]
    assert (whole["Status"], whole["ErrorCount"]) == ("Failed", 1)


def test_with_max_errors_every_host_is_tried(
    ssm: Any, hosts: Hosts, send: Send, finished: WaitFor
) -> None:
    """MaxErrors 100% lets the others run, however many fail."""
    hosts[0].exit_code = hosts[2].exit_code = 1
    ends = finished(ssm, send(*hosts, MaxConcurrency="50%"))
    details = [ends[host.instance_id]["StatusDetails"] for host in hosts]
    assert details == ["Failed", "Success", "Failed", "Success"]


def test_hosts_that_do_not_answer_end_each_in_their_own_way(
    ssm: Any, hosts: Hosts, send: Send, finished: WaitFor
) -> None:
    """Hung, offline and unreachable hosts are told apart, and do not count as failures of the
    command that would end it for the others (a hung one does)."""
    hosts[0].behaviour = "hang"
    hosts[1].agent = "offline"
    hosts[2].behaviour = "undeliverable"
    began = time.monotonic()
    ends = finished(ssm, send(*hosts, MaxErrors="1", TimeoutSeconds=30))
    assert time.monotonic() - began < 8
    ended = [ends[host.instance_id] for host in hosts]
    states = [(end["Status"], end["StatusDetails"]) for end in ended]
    assert states == [
        ("TimedOut", "ExecutionTimedOut"),
        ("TimedOut", "DeliveryTimedOut"),
        ("Failed", "Undeliverable"),
        ("Success", "Success"),
    ]
    assert ended[2]["CommandPlugins"][1]["ResponseCode"] == -1


def test_cancel_ends_the_step_and_what_it_started(
    owner: Any, hosts: Hosts, finished: WaitFor, tmp_path: Path
) -> None:
    """Cancelling kills the running script with its children; the invocation is Cancelled."""
    mark = tmp_path / "pid"
    step = {
        "action": "aws:runShellScript",
        "name": "sleep",
        "inputs": {
            "timeoutSeconds": "60",
            "runCommand": ["sleep 60 &", f"echo $! > {shlex.quote(str(mark))}", "wait"],
        },
    }
    owner.create_document(
        Name="Sleeper",
        Content=json.dumps({"schemaVersion": "2.2", "mainSteps": [step]}),
        DocumentType="Command",
    )
    hosts[0].output = None
    try:
        sent = owner.send_command(DocumentName="Sleeper", InstanceIds=[hosts[0].instance_id])
        command = sent["Command"]["CommandId"]
        child = wait_for_pid(mark)
        owner.cancel_command(CommandId=command)
        (end,) = finished(owner, command).values()
        assert (end["Status"], end["StatusDetails"]) == ("Cancelled", "Cancelled")
        assert gone(child)
    finally:
        owner.delete_document(Name="Sleeper")


def wait_for_pid(mark: Path) -> int:
    """The process id that a script has written."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if mark.exists() and mark.read_text().strip():
            return int(mark.read_text())
        time.sleep(0.02)
    raise AssertionError("the step did not start")


def gone(pid: int) -> bool:
    """Whether a process has ended; a killed one may be a zombie for a moment."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().split()[2] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_long_output_is_cut_in_lists_and_whole_in_s3(
    sandbox: Sandbox, ssm: Any, hosts: Hosts, send: Send, finished: WaitFor
) -> None:
    """2,500 characters in the list, 24,000 when fetched singly, everything in the bucket."""
    hosts[0].output = "x" * 30_000
    bucket = sandbox.settings.output_bucket
    command = send(hosts[0], OutputS3BucketName=bucket, OutputS3KeyPrefix="output")
    (listed,) = finished(ssm, command).values()
    shown = listed["CommandPlugins"][1]["Output"]
    assert len(shown) == 2500
    assert shown.endswith("x\n---Output truncated---")
    fetched = ssm.get_command_invocation(
        CommandId=command, InstanceId=hosts[0].instance_id, PluginName="runProbe"
    )
    assert len(fetched["StandardOutputContent"]) == 24_000
    assert fetched["StandardOutputContent"].endswith("x--output truncated--")
    key = f"output/{command}/{hosts[0].instance_id}/awsrunShellScript/runProbe/stdout"
    assert fetched["StandardOutputUrl"].endswith(f"/{bucket}/{key}")
    whole = sandbox.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert whole == b"x" * 30_000


def test_error_output_stands_below_the_output(
    ssm: Any, hosts: Hosts, send: Send, finished: WaitFor
) -> None:
    """The list has one text for both streams; the single fetch has two."""
    hosts[0].output, hosts[0].error_output, hosts[0].exit_code = "out", "python3 not found", 127
    command = send(hosts[0])
    (listed,) = finished(ssm, command).values()
    step = listed["CommandPlugins"][1]
    assert step["Output"] == "out\n----------ERROR-------\npython3 not found"
    assert (step["Status"], step["ResponseCode"]) == ("Failed", 127)
    fetched = ssm.get_command_invocation(
        CommandId=command, InstanceId=hosts[0].instance_id, PluginName="runProbe"
    )
    assert fetched["StandardErrorContent"] == "python3 not found"


def test_one_invocation_of_many_steps_needs_the_steps_name(
    ssm: Any, hosts: Hosts, send: Send, finished: WaitFor
) -> None:
    """A document with two steps has no output of its own."""
    command = send(hosts[0])
    finished(ssm, command)
    with pytest.raises(ClientError) as error:
        ssm.get_command_invocation(CommandId=command, InstanceId=hosts[0].instance_id)
    assert code_of(error) == "InvalidPluginName"


def test_lists_come_in_pages(ssm: Any, hosts: Hosts, send: Send, finished: WaitFor) -> None:
    """NextToken leads from page to page and back to nothing twice."""
    command = send(*hosts)
    finished(ssm, command)
    pages = list(
        ssm.get_paginator("list_command_invocations").paginate(
            CommandId=command, PaginationConfig={"PageSize": 3}
        )
    )
    assert [len(page["CommandInvocations"]) for page in pages] == [3, 1]
    managed = [
        entry["InstanceId"]
        for page in ssm.get_paginator("describe_instance_information").paginate(
            PaginationConfig={"PageSize": 5}
        )
        for entry in page["InstanceInformationList"]
    ]
    assert len(managed) == len(set(managed)) > 5


def test_instances_are_found_by_id_and_by_ping_status(ssm: Any, hosts: Hosts) -> None:
    """Filters combine; an offline agent is listed as ConnectionLost, an unregistered one never."""
    hosts[0].agent, hosts[1].agent = "offline", "none"
    ids = [host.instance_id for host in hosts]
    wanted = {"Key": "InstanceIds", "Values": ids}
    listed = ssm.describe_instance_information(Filters=[wanted])["InstanceInformationList"]
    assert {entry["InstanceId"]: entry["PingStatus"] for entry in listed} == {
        ids[0]: "ConnectionLost",
        ids[2]: "Online",
        ids[3]: "Online",
    }
    online = ssm.describe_instance_information(
        Filters=[wanted, {"Key": "PingStatus", "Values": ["Online"]}]
    )
    assert [entry["InstanceId"] for entry in online["InstanceInformationList"]] == ids[2:]


def test_faults_hit_the_calls_they_are_set_for(
    sandbox: Sandbox, ssm: Any, hosts: Hosts, send: Send
) -> None:
    """A test can make the n-th call of an operation fail, as throttled, denied or broken."""
    sandbox.fail_next("DescribeInstanceInformation", "InternalServerError", skip=1)
    assert ssm.describe_instance_information()["InstanceInformationList"]
    with pytest.raises(ClientError) as error:
        ssm.describe_instance_information()
    assert code_of(error) == "InternalServerError"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert ssm.describe_instance_information()["InstanceInformationList"]
    sandbox.fail_next("ssm:SendCommand", "AccessDeniedException", account=hosts[0].account_id)
    with pytest.raises(ClientError) as error:
        send(hosts[0])
    assert code_of(error) == "AccessDeniedException"
    assert send(hosts[0])


def test_instance_that_ends_during_the_command_is_undeliverable(
    ssm: Any, hosts: Hosts, send: Send, finished: WaitFor
) -> None:
    """The instance goes away half-way: EC2 says terminated, the command cannot be delivered, and
    from then on Systems Manager refuses the instance."""
    hosts[0].behaviour = "terminate"
    try:
        ends = finished(ssm, send(*hosts))
        assert hosts[0].state == "terminated"
        details = [ends[host.instance_id]["StatusDetails"] for host in hosts]
        assert details == ["Undeliverable", "Success", "Success", "Success"]
        with pytest.raises(ClientError) as error:
            send(hosts[0])
        assert code_of(error) == "InvalidInstanceId"
    finally:
        hosts[0].start()
