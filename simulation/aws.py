"""An AWS in virtual time behind the seam of `discovery.aws.session.Aws`: stated limits, no waits.

The runner and the scan that run against it are the real ones. What is simulated: EC2's and Systems
Manager's answers, their request limits (a client keeps to the product's budgets; one that meets a
limit all the same waits and sends again, as botocore does; each try is counted), two DynamoDB
tables with the conditions that the product uses, and a queue. What hosts answer, and how all of it
fails, can be told: see `Limits`, `reports` and `store`.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar

from botocore.exceptions import ConnectionClosedError

from discovery import artefacts
from discovery.aws.budget import Budgets
from discovery.model import Usage
from discovery.settings import Settings
from simulation.clock import VirtualClock
from simulation.tables import Table, Tables, failure

REGION = "eu-west-1"
Result = TypeVar("Result")
_CANCELLED = -1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What the simulated AWS allows, and how its hosts are."""

    calls_per_second: float = 10.0
    """Per account and API."""
    latency_seconds: float = 0.1
    store_seconds: float = 0.005
    throttled: float = 0.01
    median_seconds: float = 4.0
    spread: float = 0.5
    """Standard deviation of the logarithm of a host's run time."""
    tail: float = 0.02
    """Share of hosts that run into the time limit."""
    unavailable: float = 0.0
    """Share of calls that fail with a 503 for good, or whose connection is closed."""
    refused: float = 0.0
    """Share of hosts for which Systems Manager refuses a command that names them."""
    missing: float = 0.0
    """Share of invocations that a listing leaves out, each time anew."""
    doubled: float = 0.0
    """Share of invocations that a listing has twice."""
    expires: float = math.inf
    """The clock's seconds from which the credentials of all accounts have expired."""


class SimulatedAws:
    """Stands where `Aws` does: `settings`, `calls`, `home`, `spoke`, `table`."""

    def __init__(
        self, settings: Settings, hosts: int, limits: Limits, clock: VirtualClock, seed: int = 4
    ) -> None:
        self.settings = settings
        self.limits = limits
        self.clock = clock
        self.budgets = Budgets(clock)
        self.calls = SimpleNamespace(usage=lambda: Usage(calls=dict(self.counts)))
        self.counts: Counter[str] = Counter()
        self.random = random.Random(seed)  # noqa: S311 - a simulation that repeats itself
        self.sent: Counter[str] = Counter()
        """Commands by instance."""
        self._next: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._tables = Tables(settings.results_table, self._store, clock.now)
        self.queue: dict[str, tuple[str, float]] = {}
        """Of each message its text and when it can be received."""
        accounts = settings.accounts
        self.hosts = {
            account: [f"i-{at:04x}{n:08x}" for n in range(hosts // len(accounts))]
            for at, account in enumerate(accounts)
        }
        self.reports: defaultdict[str, str] = defaultdict(lambda: REPORT)
        """What the probe prints, by instance."""
        self.commands: dict[str, dict[str, Answer]] = {}
        self.refuses: dict[str, str] = {}
        """Instance -> the code with which every command that names it is refused, in an error
        without a message."""

    def home(self, service: str) -> _Queue:
        """A client of the product's own account: of its queue."""
        if service != "sqs":
            raise NotImplementedError(service)
        return _Queue(self)

    def spoke(self, account_id: str, service: str, region: str) -> _Client:
        """A client of one account."""
        if region != REGION:
            raise ValueError(region)
        return _Client(self, account_id, service)

    def table(self, name: str) -> Table:
        """A table in memory."""
        return self._tables.table(name)

    def store(self, operation: str, apply: Callable[[], Result]) -> Result:  # noqa: ARG002
        """One call to DynamoDB or to the queue: to be overridden by what is to fail."""
        return apply()

    def _store(self, operation: str, apply: Callable[[], Result]) -> Result:
        self.counts[f"dynamodb:{operation}"] += 1
        self.clock.sleep(self.limits.store_seconds)
        return self.store(operation, apply)

    def spend(self, account_id: str, api: str) -> None:
        """One call, and those again that were throttled."""
        limits = self.limits
        budget = self.budgets.budget_for(account_id, REGION, api)
        while True:
            budget.spend()
            self.counts[api] += 1
            wait = self._next[account_id, api] - self.clock.seconds
            if wait > 1.0:  # beyond a second's burst the call is refused, and tried again later
                budget.throttled()
                self.clock.sleep(self.random.random())
                continue
            start = max(self._next[account_id, api], self.clock.seconds - 1.0)
            self._next[account_id, api] = start + 1 / limits.calls_per_second
            self.clock.sleep(limits.latency_seconds)
            operation = api.partition(":")[2]
            if self.clock.seconds >= limits.expires:
                raise failure("ExpiredTokenException", operation)
            if self.random.random() < limits.unavailable:
                if self.random.random() < 0.5:
                    raise ConnectionClosedError(endpoint_url=api)
                raise failure("ServiceUnavailable", operation, 503)
            if self.random.random() >= limits.throttled:
                budget.served()
                return
            budget.throttled()
            self.clock.sleep(self.random.random())


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host has for a command: when it was sent, how long it takes, what it prints."""

    sent: datetime
    seconds: float
    output: str

    @property
    def is_cancelled(self) -> bool:
        """Whether the command was cancelled before the host had answered."""
        return self.seconds == _CANCELLED


@dataclass(slots=True)
class _Client:
    aws: SimulatedAws
    account: str
    service: str

    def describe_document(self, Name: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.aws.spend(self.account, "ssm:DescribeDocument")
        digest = artefacts.document_hash(self.aws.settings.placeholders())
        return {"Document": {"Name": Name, "Hash": digest, "DocumentVersion": "1"}}

    def send_command(self, **arguments: Any) -> dict[str, Any]:
        self.aws.spend(self.account, "ssm:SendCommand")
        limits, now = self.aws.limits, self.aws.clock.now()
        here = self.aws.hosts[self.account]
        refused = [
            instance
            for instance in arguments["InstanceIds"]
            if instance not in here or self.aws.random.random() < limits.refused
        ]
        if refused:
            raise failure(
                "InvalidInstanceId",
                "SendCommand",
                Error={
                    "Code": "InvalidInstanceId",
                    "Message": f"Instances {refused} are not valid",
                },
            )
        for instance in arguments["InstanceIds"]:
            if code := self.aws.refuses.get(instance):
                raise failure(code, "SendCommand", Error={"Code": code, "Message": ""})
        command_id = f"command-{len(self.aws.commands)}"
        answers = {}
        for instance in arguments["InstanceIds"]:
            seconds = self.aws.random.lognormvariate(math.log(limits.median_seconds), limits.spread)
            late = self.aws.random.random() < limits.tail
            report = self.aws.reports[instance]
            answers[instance] = Answer(now, math.inf if late else seconds, report)
            self.aws.sent[instance] += 1
        self.aws.commands[command_id] = answers
        return {"Command": {"CommandId": command_id}}

    def get_command_invocation(self, CommandId: str, InstanceId: str) -> dict[str, Any]:  # noqa: N803
        self.aws.spend(self.account, "ssm:GetCommandInvocation")
        return self._invocation(CommandId, InstanceId)

    def get_paginator(self, operation: str) -> Any:
        pages: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
            "describe_instances": self._describe_instances,
            "describe_instance_information": self._describe_instance_information,
            "list_command_invocations": self._list_command_invocations,
        }
        return SimpleNamespace(paginate=pages[operation])

    def _describe_instances(self, **_arguments: Any) -> Iterator[dict[str, Any]]:
        for ids in _pages(self.aws.hosts[self.account], 1000):
            self.aws.spend(self.account, "ec2:DescribeInstances")
            instances = [{"InstanceId": id_, "State": {"Name": "running"}} for id_ in ids]
            yield {"Reservations": [{"Instances": instances}]}

    def _describe_instance_information(self, **_arguments: Any) -> Iterator[dict[str, Any]]:
        for ids in _pages(self.aws.hosts[self.account], 50):
            self.aws.spend(self.account, "ssm:DescribeInstanceInformation")
            yield {
                "InstanceInformationList": [
                    {"InstanceId": id_, "PingStatus": "Online", "PlatformType": "Linux"}
                    for id_ in ids
                ]
            }

    def _list_command_invocations(
        self,
        CommandId: str,  # noqa: N803
        **_arguments: Any,
    ) -> Iterator[dict[str, Any]]:
        self.aws.spend(self.account, "ssm:ListCommandInvocations")
        limits, ids = self.aws.limits, list(self.aws.commands[CommandId])
        if limits.missing or limits.doubled:
            chance = self.aws.random.random
            ids = [id_ for id_ in ids if chance() >= limits.missing]
            ids += [id_ for id_ in ids if chance() < limits.doubled]
        yield {"CommandInvocations": [self._invocation(CommandId, id_) for id_ in ids]}

    def cancel_command(self, CommandId: str) -> None:  # noqa: N803
        self.aws.spend(self.account, "ssm:CancelCommand")
        answers = self.aws.commands[CommandId]
        for instance, answer in answers.items():
            if self._ends(answer) > self.aws.clock.now():
                answers[instance] = replace(answer, seconds=_CANCELLED)

    def _ends(self, answer: Answer) -> datetime:
        return answer.sent + timedelta(
            seconds=min(answer.seconds, self.aws.settings.command_timeout)
        )

    def _invocation(self, command_id: str, instance_id: str) -> dict[str, Any]:
        stored = self.aws.commands[command_id][instance_id]
        in_time = stored.seconds <= self.aws.settings.command_timeout
        done = self._ends(stored)
        answer: dict[str, Any] = {
            "CommandId": command_id,
            "InstanceId": instance_id,
            "RequestedDateTime": stored.sent,
            "Status": "InProgress",
        }
        if stored.is_cancelled:
            answer["Status"] = "Cancelled"
        elif done <= self.aws.clock.now():
            answer["Status"] = "Success" if in_time else "TimedOut"
            step = {
                "Name": "runProbe",
                "Status": answer["Status"],
                "ResponseCode": 0,
                "ResponseFinishDateTime": done,
                "Output": stored.output if in_time else "",
            }
            answer["CommandPlugins"] = [step]
        return answer | {"StatusDetails": answer["Status"]}


@dataclass(slots=True)
class _Queue:
    """A client of SQS."""

    aws: SimulatedAws

    def send_message(self, MessageBody: str, **_queue: Any) -> None:  # noqa: N803 - boto3's names
        self.aws.counts["sqs:SendMessage"] += 1
        receipt = f"receipt-{self.aws.counts['sqs:SendMessage']}"

        def send() -> None:
            self.aws.queue[receipt] = (MessageBody, 0.0)

        self.aws.store("SendMessage", send)

    def receive_message(self, VisibilityTimeout: float, **_queue: Any) -> dict[str, Any]:  # noqa: N803
        now = self.aws.clock.seconds
        seen = [name for name, (_, visible) in self.aws.queue.items() if visible <= now][:10]
        messages = []
        for receipt in seen:
            body = self.aws.queue[receipt][0]
            self.aws.queue[receipt] = (body, now + VisibilityTimeout)
            messages.append({"ReceiptHandle": receipt, "Body": body})
        return {"Messages": messages}

    def delete_message(self, ReceiptHandle: str, **_queue: Any) -> None:  # noqa: N803
        self.aws.store("DeleteMessage", lambda: self.aws.queue.pop(ReceiptHandle, None))


REPORT = json.dumps(
    {
        "schema": 1,
        "probe": "1.0.0",
        "host": {"hostname": "h", "os": "Ubuntu 22.04.4 LTS", "arch": "x86_64"},
        "databases": [
            {
                "db_id": "mysql-3306",
                "engine": "mysql",
                "version": "8.0.35",
                "status": "running",
                "port": 3306,
                "data_dir": "/var/lib/mysql",
                "data_size_bytes": 2147483648,
                "evidence": {"version": "dpkg mysql-server-core-8.0", "port": "listening socket"},
            }
        ],
        "warnings": [],
        "complete": True,
        "count": 1,
        "end": True,
    }
)


def _pages(ids: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
