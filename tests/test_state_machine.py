"""The state machine, interpreted by moto, over the real handler and a local AWS.

moto's interpreter runs the definition as it is deployed: the distributed map, its list of parts in
S3, retries, catches and choices. What it lacks: it calls Lambda functions in Docker, and S3 as
nobody; here both go through the seam where it makes its clients, `boto_client_for`: the function is
the real handler in this process, called only if the state machine's own policy allows it, and S3
sees that role. It also heeds no ToleratedFailurePercentage: a failed part never fails its map.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from moto.core.config import default_user_config
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval import (
    resource_eval_s3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

from discovery import artefacts, orchestrated
from discovery.aws.inventory import Inventory
from discovery.aws.lease import Lease
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.errors import LeaseLostError
from discovery.model import RunRecord, RunStatus, ScopeStatus
from discovery.sandbox import Sandbox
from discovery.sandbox.hosts import SandboxHost
from discovery.sandbox.policy import allows
from tests.tables import empty_tables
from tests.test_lambda import Context, discovery_handler

ASL = "deploy/discovery.asl.json"
ROLE = "DBDiscoveryStateMachineRole"
LONG = 900_000
SECONDS = 20


@dataclass
class Function:
    """Where Lambda's client is: calls the real handler in this process."""

    policy: Mapping[str, Any]
    calls: list[dict[str, Any]] = field(default_factory=list)
    remaining_ms: Callable[[dict[str, Any]], int] = lambda _: LONG
    """Event -> how long this call may take."""
    before: Callable[[dict[str, Any]], None] = lambda _: None
    """Called with each event; what it raises ends the call."""

    def invoke(self, **request: Any) -> dict[str, Any]:
        """As Lambda answers."""
        name = request["FunctionName"]
        assert allows([self.policy], "lambda:InvokeFunction", name, {}), name
        event = json.loads(request["Payload"])
        self.calls.append(event)
        try:
            self.before(event)
            reply = discovery_handler.lambda_handler(event, Context(self.remaining_ms(event)))
        except Exception as error:
            import traceback; traceback.print_exc()
            answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return {"Payload": _body(answer), "FunctionError": "Unhandled", "StatusCode": 200}
        return {"Payload": _body(reply), "StatusCode": 200}

    def steps(self) -> Counter[str]:
        """How often each step was called."""
        return Counter(event["step"] for event in self.calls)


def _body(value: Any) -> io.BytesIO:
    return io.BytesIO(json.dumps(value).encode())


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
        print(self.function.calls, self._client.get_execution_history(executionArn=execution))
        raise AssertionError("the execution does not end")

    def run(self, request: Any = None) -> dict[str, Any]:
        """One execution from its beginning to its end."""
        return self.wait(self.start(request))

    @property
    def _client(self) -> Any:
        return self.sandbox.client("stepfunctions")


@pytest.fixture
def machine(
    sandbox: Sandbox, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> Machine:
    """The state machine as `render` writes it, with empty tables."""
    assert environment
    empty_tables(sandbox)
    account = sandbox.estate.management_account
    values = artefacts.values_of(sandbox.settings, MANAGEMENT_ACCOUNT_ID=account)
    policy = artefacts.render("deploy/state-machine-role-policy.json", values)
    function = Function(policy)
    iam = sandbox.client("iam")
    if ROLE not in {role["RoleName"] for role in iam.list_roles()["Roles"]}:
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")
    iam.put_role_policy(RoleName=ROLE, PolicyName="own", PolicyDocument=json.dumps(policy))

    def client_for(service: str, **_: Any) -> Any:
        region = sandbox.settings.home_region
        return {
            "lambda": lambda: function,
            "s3": lambda: sandbox._client("s3", sandbox._key(account, ROLE), region),
        }[service]()

    monkeypatch.setattr(lambda_eval_utils, "boto_client_for", client_for)
    monkeypatch.setattr(resource_eval_s3, "boto_client_for", client_for)
    monkeypatch.setitem(default_user_config["stepfunctions"], "execute_state_machine", True)
    answer = sandbox.client("stepfunctions").create_state_machine(
        name=f"DBDiscovery-{uuid4().hex[:8]}",
        definition=artefacts.render_text(ASL, values),
        roleArn=f"arn:aws:iam::{account}:role/{ROLE}",
    )
    return Machine(sandbox, function, answer["stateMachineArn"])


def test_one(machine):
    acc = [a.id for a in machine.sandbox.estate.accounts if a.is_scannable][:2]
    closed = [a.id for a in machine.sandbox.estate.accounts if a.role == "untrusting"]
    t = time.time()
    r = machine.run({"accounts": acc + closed})
    print(time.time() - t, r["status"], r.get("output"), r.get("error"), r.get("cause"))
    print(machine.function.calls)
    from discovery.aws.runs import RunStore

    print(RunStore(Aws(machine.sandbox.settings)).recent_runs())
    print(RunStore(Aws(machine.sandbox.settings)).active_run())
    assert 0
