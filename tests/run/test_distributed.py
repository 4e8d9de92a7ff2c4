"""The state machine, interpreted by moto, over the real handler and a local AWS.

moto's interpreter runs the definition as it is deployed: the distributed map, its list of batches
in S3, retries, catches and choices. What it lacks: it calls Lambda functions in Docker, and S3 as
nobody; here both go through the seam where it makes its clients, `boto_client_for`: the function is
the real handler in this process, called only if the state machine's own policy allows it, and S3
sees that role. It also heeds no ToleratedFailurePercentage: a failed part never fails its map.
"""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from moto.core.config import default_user_config
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval import (
    resource_eval_s3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

from discovery import artefacts
from discovery.artefacts import ROOT
from discovery.aws.inventory import Inventory
from discovery.aws.lease import Lease
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.aws.shared_run import SharedRun
from discovery.errors import FailureKind, LeaseLostError
from discovery.model import RUN_COUNTS, RunRecord, RunRequest, RunStatus, ScopeStatus
from discovery.run import (
    BatchSent,
    Event,
    distributed,
    finish_distributed_run,
    plan_distributed_run,
    scan_batch,
    start_run,
)
from discovery.run.commands import ScopeCommands
from sandbox import Sandbox
from sandbox.iam.policy import allows
from sandbox.ssm import SandboxHost
from tests.support.empty_tables import empty_tables
from tests.support.handlers import Context, discovery_handler
from tests.support.hosts import hosts_of, request_for

ASL = "deploy/discovery.asl.json"
ROLE = "DBDiscoveryStateMachineRole"
LONG = 900_000
SECONDS = 60
SPEED = 20.0

Hook = Callable[[dict[str, Any]], None]


@dataclass
class Function:
    """Where Lambda's client is: calls the real handler in this process."""

    policy: Mapping[str, Any]
    calls: list[dict[str, Any]] = field(default_factory=list)
    remaining_ms: Callable[[dict[str, Any]], int] = lambda _: LONG
    """Event -> how long this call may take."""
    before: Hook = lambda _: None
    """Gets each event; what it raises ends the call before it has done anything."""
    after: Hook = lambda _: None
    """Gets each event; what it raises is the call's end, though all is done: its reply is lost."""

    def invoke(self, **request: Any) -> dict[str, Any]:
        """As Lambda answers."""
        name = request["FunctionName"]
        assert allows([self.policy], "lambda:InvokeFunction", name, {}), name
        event = json.loads(request["Payload"])
        self.calls.append(event)
        try:
            self.before(event)
            reply = discovery_handler.lambda_handler(event, Context(self.remaining_ms(event)))
            self.after(event)
        except (Exception, KilledError) as error:  # as Lambda tells of any
            told = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return {"Payload": _body(told), "FunctionError": "Unhandled", "StatusCode": 200}
        return {"Payload": _body(reply), "StatusCode": 200}

    @property
    def steps(self) -> Counter[str]:
        """How often each step was called."""
        return Counter(event["step"] for event in self.calls)


def _body(value: Any) -> io.BytesIO:
    return io.BytesIO(json.dumps(value).encode())


def once(step: str, action: Callable[[], None]) -> Hook:
    """A hook that does `action` at the first call of `step`."""
    left = [action]

    def hook(event: dict[str, Any]) -> None:
        if event["step"] == step and left:
            left.pop()()

    return hook


def die() -> None:
    """What the end of a Lambda process looks like."""
    raise RuntimeError("Runtime exited with error: signal: killed")


class KilledError(BaseException):
    """A process that ends where the product's own code cannot catch it."""


@dataclass
class Machine:
    """The deployed state machine."""

    sandbox: Sandbox
    function: Function
    arn: str

    def start(self, request: Any = None) -> str:
        """Begin an execution: its ARN."""
        answer = self._client.start_execution(
            stateMachineArn=self.arn, name=uuid4().hex, input=json.dumps(request or {})
        )
        return str(answer["executionArn"])

    def wait(self, execution: str) -> dict[str, Any]:
        """The ended execution."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            answer: dict[str, Any] = self._client.describe_execution(executionArn=execution)
            if answer["status"] != "RUNNING":
                return answer
            time.sleep(0.1)
        raise AssertionError(f"the execution does not end: {self.function.calls}")

    def run(self, request: Any = None) -> dict[str, Any]:
        """One execution from its beginning to its end."""
        return self.wait(self.start(request))

    @property
    def runs(self) -> RunStore:
        """The runs table."""
        return RunStore(Aws(self.sandbox.settings))

    @property
    def last_run(self) -> RunRecord:
        """The newest run."""
        return self.runs.recent_runs(1)[0]

    @property
    def lease(self) -> dict[str, Any] | None:
        """The lease's item, if somebody holds it."""
        table = Aws(self.sandbox.settings).table(self.sandbox.settings.runs_table)
        item: dict[str, Any] | None = table.get_item(Key={"pk": "LEASE", "sk": "LEASE"}).get("Item")
        return item if item and "holder" in item else None

    @property
    def _client(self) -> Any:
        return self.sandbox.client("stepfunctions")


@pytest.fixture
def machine(
    sandbox: Sandbox, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> Machine:
    """The state machine as `render` writes it, with shorter waits between tries; empty tables."""
    assert environment
    empty_tables(sandbox)
    account = sandbox.estate.management_account
    values = sandbox.settings.placeholders(MANAGEMENT_ACCOUNT_ID=account)
    policy = artefacts.render("deploy/state-machine-role-policy.json", values)
    function = Function(policy)
    iam = sandbox.client("iam")
    if ROLE not in {role["RoleName"] for role in iam.list_roles()["Roles"]}:
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")
    iam.put_role_policy(RoleName=ROLE, PolicyName="own", PolicyDocument=json.dumps(policy))
    s3 = sandbox.client("s3", account, sandbox.settings.home_region, ROLE)
    clients = {"lambda": function, "s3": s3}
    for module in (lambda_eval_utils, resource_eval_s3):
        monkeypatch.setattr(module, "boto_client_for", lambda service, **_: clients[service])
    monkeypatch.setitem(default_user_config["stepfunctions"], "execute_state_machine", True)
    definition = re.sub(
        r'"(IntervalSeconds|BackoffRate)": \d+', r'"\1": 1', artefacts.render_text(ASL, values)
    )
    answer = sandbox.client("stepfunctions").create_state_machine(
        name=f"DBDiscovery-{uuid4().hex[:8]}",
        definition=definition,
        roleArn=f"arn:aws:iam::{account}:role/{ROLE}",
    )
    return Machine(sandbox, function, answer["stateMachineArn"])


@pytest.fixture
def one_scope_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many batches in a small run."""
    monkeypatch.setattr(distributed, "SCOPES_A_BATCH", 1)


def event_for(*hosts: SandboxHost) -> dict[str, list[str]]:
    """The input of an execution for just these hosts."""
    request = request_for(*hosts)
    return {
        "accounts": list(request.accounts),
        "regions": list(request.regions),
        "instances": list(request.instances),
    }


@contextmanager
def slow(host: SandboxHost, seconds: float) -> Iterator[None]:
    """While inside, the host's probe takes so many real seconds."""
    usual, host.delay_seconds = host.delay_seconds, seconds * SPEED
    try:
        yield
    finally:
        host.delay_seconds = usual


# --- it does what one process does ----------------------------------------------------------------


FIGURES = ("status", "scopes_total", "changes", *RUN_COUNTS)


@pytest.mark.usefixtures("one_scope_a_batch")
def test_it_finds_what_one_process_finds(machine: Machine) -> None:
    """Every scope is scanned in a process of its own, an account that cannot be entered costs no
    other, and the one summary at the end is that of a run of one process over the same estate."""
    accounts = [one.id for one in machine.sandbox.estate.accounts if one.is_scannable][:2]
    accounts += [one.id for one in machine.sandbox.estate.accounts if one.role == "untrusting"]
    execution = machine.run({"accounts": accounts})
    assert execution["status"] == "SUCCEEDED"
    summary = json.loads(execution["output"])
    run = machine.last_run
    stored = {record.key for record in Inventory(Aws(machine.sandbox.settings)).all_records()}
    failed = [one for one in machine.runs.scopes(run.run_id) if one.status is ScopeStatus.FAILED]

    empty_tables(machine.sandbox)
    request = RunRequest(accounts=tuple(accounts))
    alone = start_run(machine.sandbox.settings, request, trigger="test")
    assert {name: getattr(run, name) for name in FIGURES} == {
        name: getattr(alone, name) for name in FIGURES
    }
    assert (summary["status"], summary["discovered"]) == ("partial", alone.databases)
    assert {record.key for record in Inventory(Aws(machine.sandbox.settings)).all_records()} == (
        stored
    )
    assert {one.account_id for one in failed} == {accounts[-1]}
    assert {one.error_kind for one in failed} == {FailureKind.ASSUME_ROLE_DENIED}
    regions = len(machine.sandbox.estate.regions)
    assert machine.function.steps == {"plan": 1, "scope": 3 * regions, "finish": 1}


def test_the_calls_of_all_processes_are_summed(machine: Machine) -> None:
    """The run's record has the calls of plan and batches as the sandbox received them."""
    (host,) = hosts_of(machine.sandbox, 1)
    before = machine.sandbox.calls.copy()
    machine.run(event_for(host))
    received = machine.sandbox.calls - before
    counted = machine.last_run.api_calls
    for name in (
        "organizations:ListAccounts",
        "sts:AssumeRole",
        "ssm:SendCommand",
        "ssm:ListCommandInvocations",
        "dynamodb:TransactWriteItems",
    ):
        assert counted[name] == received[name] > 0


# --- time -----------------------------------------------------------------------------------------


def test_a_scope_out_of_time_is_resumed_without_a_second_command(machine: Machine) -> None:
    """What answers in time is stored by the process that sent the command; the next one collects
    the answer of the slow host, to which nothing is sent again, and the scope's record has both."""
    quick, late = hosts_of(machine.sandbox, 2)
    before = machine.sandbox.calls.copy()
    in_flight: list[str] = []

    def sent() -> int:
        return (machine.sandbox.calls - before)["ssm:SendCommand"]

    def remaining_ms(event: dict[str, Any]) -> int:
        short = event["step"] == "scope" and not sent()
        return (discovery_handler.STOP_SECONDS + 8) * 1000 if short else LONG

    def look(event: dict[str, Any]) -> None:
        if event["step"] == "scope":
            left = machine.runs.outstanding(machine.last_run.run_id)
            in_flight.extend(id_ for one in left for id_ in one.instance_ids)

    machine.function.remaining_ms = remaining_ms
    machine.function.after = look
    with slow(late, 15):
        assert machine.run(event_for(quick, late))["status"] == "SUCCEEDED"
    assert late.instance_id in in_flight
    assert sent() == 1
    # a result of each host, and of the slow one first that it was not reached
    assert (machine.sandbox.calls - before)["dynamodb:TransactWriteItems"] == 3
    run = machine.last_run
    assert (run.status, run.hosts_targeted, run.hosts_scanned) == (RunStatus.SUCCEEDED, 2, 2)
    assert (run.batches, run.cut_short) == (1, False)
    (scope,) = machine.runs.scopes(run.run_id)
    assert (scope.status, scope.hosts_scanned, scope.commands) == (ScopeStatus.SUCCEEDED, 2, 1)
    assert machine.runs.outstanding(run.run_id) == []
    assert machine.runs.unscanned_hosts(run.run_id) == []


def test_what_never_has_time_is_given_up(machine: Machine) -> None:
    """A part is called again a bounded number of times; the run then says that it was cut short,
    and the next one finds its lease free."""
    (host,) = hosts_of(machine.sandbox, 1)
    machine.function.remaining_ms = lambda event: 1 if event["step"] == "scope" else LONG
    assert machine.run(event_for(host))["status"] == "SUCCEEDED"
    assert machine.function.steps["scope"] == 12
    assert (machine.last_run.status, machine.last_run.cut_short) == (RunStatus.PARTIAL, True)
    machine.function.remaining_ms = lambda _: LONG
    machine.run(event_for(host))
    assert machine.last_run.status is RunStatus.SUCCEEDED


def test_what_an_earlier_run_left_in_flight_is_collected(machine: Machine) -> None:
    """A part knows the commands that other runs left in its scopes."""
    (host,) = hosts_of(machine.sandbox, 1)
    settings = machine.sandbox.settings
    request = RunRequest((host.account_id,), (host.region,))
    before = len(invocations(machine.sandbox, host))

    def die_after_sending(event: Event) -> None:
        if isinstance(event, BatchSent):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_run(settings, request, trigger="test", watcher=die_after_sending)
    (left,) = machine.runs.outstanding(machine.last_run.run_id)
    assert host.instance_id in left.instance_ids
    machine.run({"accounts": [host.account_id], "regions": [host.region]})
    run = machine.last_run
    assert (run.status, run.hosts_scanned) == (RunStatus.PARTIAL, 0)
    assert run.hosts_collected == len(left.instance_ids)
    assert machine.runs.outstanding(left.run_id) == []
    assert len(invocations(machine.sandbox, host)) == before + 1


def invocations(sandbox: Sandbox, host: SandboxHost) -> list[Any]:
    """Every command that was ever sent to this host."""
    ssm = sandbox.client("ssm", host.account_id, host.region)
    pages = ssm.get_paginator("list_command_invocations").paginate(InstanceId=host.instance_id)
    return [one for page in pages for one in page["CommandInvocations"]]


# --- one at a time, and the lease given back ------------------------------------------------------


@pytest.mark.usefixtures("one_scope_a_batch")
def test_a_second_execution_is_refused_and_the_first_can_be_watched(machine: Machine) -> None:
    """While one runs, another fails with who holds the lease, and takes nothing from it. What is
    done so far can be read from the run in progress."""
    one, other = hosts_of(machine.sandbox, 1) + hosts_of(machine.sandbox, 1, account=2)
    go_on = threading.Event()

    def hold(event: dict[str, Any]) -> None:
        if event["step"] == "scope" and event["batch"]["scopes"][0]["account_id"] == one.account_id:
            assert go_on.wait(SECONDS)

    machine.function.before = hold
    first = machine.start(event_for(one, other))
    try:
        seen = [machine.runs.active_run()]
        while not (seen[-1] and seen[-1].scopes_done):
            time.sleep(0.1)
            seen.append(machine.runs.active_run())
        running = seen[-1]
        refused = machine.run(event_for(other))
        lease = machine.lease
    finally:
        go_on.set()
    assert (running.scopes_total, running.scopes_done, running.hosts_scanned) == (2, 1, 1)
    assert running.changes.get("appeared", 0) == running.databases > 0
    assert (refused["status"], refused["error"]) == ("FAILED", "run_in_progress")
    assert running.run_id in refused["cause"]
    assert lease is not None
    assert (lease["run_id"], lease["holder"]) == (running.run_id, first)
    assert machine.wait(first)["status"] == "SUCCEEDED"
    assert machine.last_run.run_id == running.run_id
    assert machine.last_run.hosts_scanned == 2
    assert machine.lease is None


def test_a_request_that_cannot_be_used_is_refused(machine: Machine) -> None:
    """The execution fails with the field that is wrong; nothing is begun."""
    execution = machine.run({"accounts": ["999999999999"]})
    assert (execution["status"], execution["error"]) == ("FAILED", "invalid_event")
    assert "999999999999" in execution["cause"]
    assert (machine.runs.recent_runs(), machine.lease) == ([], None)


def test_a_lost_reply_of_the_plan_does_not_block_its_own_execution(machine: Machine) -> None:
    """The second try takes over from the first, which is closed as abandoned."""
    (host,) = hosts_of(machine.sandbox, 1)
    machine.function.after = once("plan", die)
    assert machine.run(event_for(host))["status"] == "SUCCEEDED"
    statuses = [run.status for run in machine.runs.recent_runs()]
    assert statuses == [RunStatus.SUCCEEDED, RunStatus.ABANDONED]
    assert machine.lease is None


def test_a_plan_that_never_replies_leaves_no_lease(machine: Machine) -> None:
    """The last step finds the run by who holds the lease, and closes it with the error."""

    def after(event: dict[str, Any]) -> None:
        if event["step"] == "plan":
            die()

    machine.function.after = after
    execution = machine.run()
    assert (execution["status"], execution["error"]) == ("FAILED", "RuntimeError")
    assert machine.last_run.status is RunStatus.FAILED
    assert "signal: killed" in (machine.last_run.error or "")
    assert machine.lease is None


def test_a_map_that_fails_ends_the_run(machine: Machine) -> None:
    """Without the list of its batches the map fails: that closes the run and frees the lease."""
    (host,) = hosts_of(machine.sandbox, 1)
    s3, bucket = machine.sandbox.client("s3"), machine.sandbox.settings.output_bucket

    def lose_batches() -> None:
        s3.delete_object(Bucket=bucket, Key=f"runs/{machine.last_run.run_id}/batches.json")

    machine.function.after = once("plan", lose_batches)
    assert machine.run(event_for(host))["status"] == "FAILED"
    assert (machine.last_run.status, machine.last_run.scopes_done) == (RunStatus.FAILED, 0)
    assert machine.last_run.error
    assert machine.lease is None


def test_a_run_whose_list_cannot_be_stored_is_closed(machine: Machine) -> None:
    """The plan itself frees the lease, and its execution fails."""
    machine.sandbox.fail_next("s3:PutObject", "AccessDenied", 4)
    (host,) = hosts_of(machine.sandbox, 1)
    assert machine.run(event_for(host))["status"] == "FAILED"
    assert {run.status for run in machine.runs.recent_runs()} == {RunStatus.FAILED}
    assert machine.lease is None


# --- processes that die ---------------------------------------------------------------------------


def test_a_part_whose_reply_is_lost_is_not_scanned_twice(machine: Machine) -> None:
    """The next try finds all done: nothing is sent, and nothing is counted twice in the end."""
    (host,) = hosts_of(machine.sandbox, 1)
    before = machine.sandbox.calls.copy()
    machine.function.after = once("scope", die)
    assert machine.run(event_for(host))["status"] == "SUCCEEDED"
    assert machine.function.steps["scope"] == 2
    assert (machine.sandbox.calls - before)["ssm:SendCommand"] == 1
    run = machine.last_run
    assert (run.scopes_done, run.hosts_scanned, run.hosts_targeted) == (1, 1, 1)


def test_a_process_that_dies_among_its_hosts_is_taken_over(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends in mid-scope is followed by one that has the hosts that were stored, and
    asks for the answers of the others."""
    hosts = hosts_of(machine.sandbox, 2)
    before = machine.sandbox.calls.copy()
    poll, dies = ScopeCommands.poll, [True]

    def poll_and_die(commands: ScopeCommands) -> None:
        if dies:
            dies.pop()
            raise KilledError
        poll(commands)

    monkeypatch.setattr(ScopeCommands, "poll", poll_and_die)
    assert machine.run(event_for(*hosts))["status"] == "SUCCEEDED"
    received = machine.sandbox.calls - before
    assert (machine.function.steps["scope"], received["ssm:SendCommand"]) == (2, 1)
    assert (machine.last_run.status, machine.last_run.hosts_scanned) == (RunStatus.SUCCEEDED, 2)
    assert machine.runs.outstanding(machine.last_run.run_id) == []


@pytest.mark.usefixtures("one_scope_a_batch")
def test_a_part_that_always_dies_is_a_failed_scope(machine: Machine) -> None:
    """It is tried four times; its scope is then on record as failed, and the others are scanned."""
    one, other = hosts_of(machine.sandbox, 1) + hosts_of(machine.sandbox, 1, account=2)

    def before(event: dict[str, Any]) -> None:
        if event["step"] == "scope" and event["batch"]["scopes"][0]["account_id"] == one.account_id:
            die()

    machine.function.before = before
    assert machine.run(event_for(one, other))["status"] == "SUCCEEDED"
    assert machine.function.steps["scope"] == 4 + 1
    run = machine.last_run
    assert (run.status, run.scopes_done, run.scopes_failed) == (RunStatus.PARTIAL, 2, 1)
    assert run.hosts_scanned == 1
    scopes = {scope.account_id: scope for scope in machine.runs.scopes(run.run_id)}
    assert scopes[one.account_id].error_kind is FailureKind.INTERNAL
    assert "ended without a result" in (scopes[one.account_id].error or "")


# --- cancellation and the end ---------------------------------------------------------------------


@pytest.mark.usefixtures("one_scope_a_batch")
def test_cancellation_reaches_every_process(machine: Machine) -> None:
    """One that is waiting for its host stops; one that begins later sends nothing."""
    one, other = hosts_of(machine.sandbox, 1) + hosts_of(machine.sandbox, 1, account=2)
    sent = machine.sandbox.calls["ssm:SendCommand"]
    cancelled = threading.Event()

    def wait_for_cancel(event: dict[str, Any]) -> None:
        if (
            event["step"] == "scope"
            and event["batch"]["scopes"][0]["account_id"] == other.account_id
        ):
            assert cancelled.wait(SECONDS)

    machine.function.before = wait_for_cancel
    with slow(one, 30):
        execution = machine.start(event_for(one, other))
        while machine.sandbox.calls["ssm:SendCommand"] == sent:
            time.sleep(0.1)
        machine.runs.request_cancel(machine.last_run.run_id)
        cancelled.set()
        ended = machine.wait(execution)
    assert (ended["status"], json.loads(ended["output"])["status"]) == ("SUCCEEDED", "cancelled")
    assert machine.sandbox.calls["ssm:SendCommand"] == sent + 1
    run = machine.last_run
    assert (run.status, run.hosts_scanned) == (RunStatus.CANCELLED, 0)
    assert machine.function.steps["scope"] == 2
    assert machine.lease is None


def test_the_lease_outlives_the_gaps_and_lapses_with_the_execution(machine: Machine) -> None:
    """Between the steps nobody renews it: it is held for minutes, not for the seconds of a process
    that does. When the execution dies, the next run takes over."""
    (host,) = hosts_of(machine.sandbox, 1)
    settings = machine.sandbox.settings
    run, _ = plan_distributed_run(settings, request_for(host), "an execution")
    lease = machine.lease
    assert lease is not None
    left = float(lease["expires_ms"]) / 1000 - time.time()
    assert settings.lease_seconds * 3 < left <= distributed.LEASE_SECONDS
    table = Aws(settings).table(settings.runs_table)
    table.update_item(
        Key={"pk": "LEASE", "sk": "LEASE"},
        UpdateExpression="SET expires_ms = :past",
        ExpressionAttributeValues={":past": 1},
    )
    start_run(settings, request_for(host), trigger="test")
    abandoned = machine.runs.run(run.run_id)
    assert abandoned is not None
    assert abandoned.status is RunStatus.ABANDONED
    with pytest.raises(LeaseLostError):
        scan_batch(settings, SharedRun(Aws(settings), run.run_id).batches()[0])


def test_the_end_can_be_told_twice(machine: Machine) -> None:
    """The last step's reply may be lost: again, it answers the same and frees nobody else's lease.
    Another execution cannot end the run."""
    (host,) = hosts_of(machine.sandbox, 1)
    settings = machine.sandbox.settings
    run, _ = plan_distributed_run(settings, request_for(host), "an execution")
    assert finish_distributed_run(settings, "another execution", run.run_id) is None
    ended = finish_distributed_run(settings, "an execution", run.run_id)
    lease = Lease(Aws(settings), "20990101T000000.000Z-aaaaaa", "host-1:42")
    lease.acquire()
    try:
        assert finish_distributed_run(settings, "an execution", run.run_id) == ended
        assert machine.lease is not None
    finally:
        lease.release()
    event = {"step": "finish", "execution": "a third", "state": {}}
    assert discovery_handler.lambda_handler(event, Context())["statusCode"] == 404


# --- the definition -------------------------------------------------------------------------------


def machines(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The state machine, and each that is inside one of its maps."""
    yield definition
    for state in definition["States"].values():
        if "ItemProcessor" in state:
            yield from machines(state["ItemProcessor"])


def successors(state: dict[str, Any]) -> set[str]:
    """Where a state can lead."""
    branches = [state, *state.get("Choices", ()), *state.get("Catch", ())]
    names = {branch["Next"] for branch in branches if "Next" in branch}
    return names | ({state["Default"]} if "Default" in state else set())


def test_the_definition_is_consistent() -> None:
    """Every state can be reached and leads to one that exists or ends; each step that is asked of
    the function is one that it knows, and every failure of one is caught or ends the execution."""
    definition = json.loads((ROOT / ASL).read_text(encoding="utf-8"))
    steps = set()
    for inner in machines(definition):
        reached, to_see = set(), {inner["StartAt"]}
        while to_see:
            name = to_see.pop()
            reached.add(name)
            to_see |= successors(inner["States"][name]) - reached
        assert reached == set(inner["States"])
        for name, state in inner["States"].items():
            assert successors(state) or state["Type"] in ("Succeed", "Fail")
            if state["Type"] == "Task":
                steps.add(state["Parameters"]["Payload"]["step"])
                assert state["Retry"][-1]["ErrorEquals"] == ["States.ALL"]
                assert name == "Finish" or state["Catch"][-1]["ErrorEquals"] == ["States.ALL"]
    assert steps == set(discovery_handler.STEPS)


def test_a_step_that_does_not_exist_is_refused(machine: Machine) -> None:
    """The handler names it and begins nothing."""
    reply = discovery_handler.lambda_handler({"step": "stop"}, Context())
    assert (reply["statusCode"], reply["error"]["code"]) == (400, "invalid_event")
    assert "step='stop'" in reply["error"]["message"]
    assert machine.runs.recent_runs() == []
