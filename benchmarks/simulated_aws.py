"""An AWS in virtual time behind the seam of `discovery.aws.session.Aws`: stated limits, no waits.

The runner and the scan that run against it are the real ones. What is simulated: EC2's and Systems
Manager's answers, their request limits (a client that meets one waits and sends again, as botocore
does; each try is counted), and two DynamoDB tables with the conditions that the product uses.
"""

from __future__ import annotations

import heapq
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from discovery import artefacts
from discovery.model import Usage
from discovery.schedule import Clock, Schedule
from discovery.settings import Settings

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
REGION = "eu-west-1"


class VirtualClock(Clock):
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """The virtual date and time."""
        return EPOCH + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Virtual seconds since the beginning."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass for the job that sleeps."""
        self.seconds += seconds


class VirtualSchedule(Schedule):
    """The workers' work in one thread: each job runs at the time its worker would begin it."""

    def __init__(self, clock: VirtualClock, workers: int, cancelled: Flag) -> None:
        super().__init__(clock, workers, cancelled)
        self._virtual = clock

    def run(self) -> None:
        """Run until no job is left; the clock then stands where the last worker ended."""
        free = [self._virtual.seconds] * self.workers
        while self._jobs:
            due, _, job = heapq.heappop(self._jobs)
            self._virtual.seconds = max(due, heapq.heappop(free))
            job()
            heapq.heappush(free, self._virtual.seconds)
        self._virtual.seconds = max(free)


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
    """Share of calls that fail with a 503 for good."""


class SimulatedAws:
    """Stands where `Aws` does: `settings`, `calls`, `home`, `spoke`, `table`."""

    def __init__(
        self, settings: Settings, hosts: int, limits: Limits, clock: VirtualClock, seed: int = 4
    ) -> None:
        self.settings = settings
        self.limits = limits
        self.clock = clock
        self.calls = SimpleNamespace(usage=lambda: Usage(calls=dict(self.counts)))
        self.counts: Counter[str] = Counter()
        self.random = random.Random(seed)  # noqa: S311 - a simulation that repeats itself
        self.sent: Counter[str] = Counter()
        """Commands by instance."""
        self._next: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._tables: dict[str, _Table] = {}
        accounts = settings.accounts
        self.hosts = {
            account: [f"i-{at:04x}{n:08x}" for n in range(hosts // len(accounts))]
            for at, account in enumerate(accounts)
        }
        self.commands: dict[str, dict[str, tuple[datetime, float]]] = {}

    def home(self, service: str) -> Any:
        """Nothing is asked of it in a run that stores in DynamoDB."""
        raise NotImplementedError(service)

    def spoke(self, account_id: str, service: str, region: str) -> _Client:
        """A client of one account."""
        if region != REGION:
            raise ValueError(region)
        return _Client(self, account_id, service)

    def table(self, name: str) -> Any:
        """A table in memory."""
        return self._tables.setdefault(name, _Table(self, name))

    def spend(self, account_id: str, api: str) -> None:
        """One call, and those again that were throttled."""
        limits = self.limits
        while True:
            self.counts[api] += 1
            wait = self._next[account_id, api] - self.clock.seconds
            if wait > 1.0:  # beyond a second's burst the call is refused, and tried again later
                self.clock.sleep(wait)
                continue
            start = max(self._next[account_id, api], self.clock.seconds - 1.0)
            self._next[account_id, api] = start + 1 / limits.calls_per_second
            self.clock.sleep(limits.latency_seconds)
            if self.random.random() < limits.unavailable:
                raise _unavailable(api)
            if self.random.random() >= limits.throttled:
                return
            self.clock.sleep(self.random.random())

    def transact(self, actions: list[dict[str, Any]]) -> None:
        """All of `actions`; no run is older than another in a simulation of one after another."""
        self.counts["dynamodb:TransactWriteItems"] += 1
        self.clock.sleep(self.limits.store_seconds)
        for action in actions:
            for kind, arguments in action.items():
                table = self.table(arguments["TableName"])
                if kind == "Put":
                    table.put_item(Item=arguments["Item"])
                else:
                    table.delete_item(Key=arguments["Key"])


@dataclass(slots=True)
class _Client:
    aws: SimulatedAws
    account: str
    service: str

    def describe_document(self, Name: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.aws.spend(self.account, "ssm:DescribeDocument")
        digest = artefacts.document_hash(self.aws.settings)
        return {"Document": {"Name": Name, "Hash": digest, "DocumentVersion": "1"}}

    def send_command(self, **arguments: Any) -> dict[str, Any]:
        self.aws.spend(self.account, "ssm:SendCommand")
        limits, now = self.aws.limits, self.aws.clock.now()
        command_id = f"command-{len(self.aws.commands)}"
        answers = {}
        for instance in arguments["InstanceIds"]:
            seconds = self.aws.random.lognormvariate(math.log(limits.median_seconds), limits.spread)
            late = self.aws.random.random() < limits.tail
            answers[instance] = (now, math.inf if late else seconds)
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
        ids = self.aws.commands[CommandId]
        yield {"CommandInvocations": [self._invocation(CommandId, id_) for id_ in ids]}

    def _invocation(self, command_id: str, instance_id: str) -> dict[str, Any]:
        sent, seconds = self.aws.commands[command_id][instance_id]
        limit = self.aws.settings.command_timeout
        done = sent + timedelta(seconds=min(seconds, limit))
        answer: dict[str, Any] = {
            "CommandId": command_id,
            "InstanceId": instance_id,
            "RequestedDateTime": sent,
            "Status": "InProgress",
        }
        if done <= self.aws.clock.now():
            answer["Status"] = "Success" if seconds <= limit else "TimedOut"
            step = {
                "Name": "runProbe",
                "Status": answer["Status"],
                "ResponseCode": 0,
                "ResponseFinishDateTime": done,
                "Output": REPORT if seconds <= limit else "",
            }
            answer["CommandPlugins"] = [step]
        return answer | {"StatusDetails": answer["Status"]}


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


class _Table:
    """The operations that the product uses, on a dictionary; keys as the two schemas have them."""

    def __init__(self, aws: SimulatedAws, name: str) -> None:
        self._aws = aws
        self._keys = (
            ("account_id", "instance_db_id") if name == aws.settings.results_table else ("pk", "sk")
        )
        self.items: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self.meta = SimpleNamespace(
            client=SimpleNamespace(
                transact_write_items=lambda TransactItems, **_: aws.transact(TransactItems),  # noqa: N803
                get_paginator=lambda _: SimpleNamespace(
                    paginate=lambda **arguments: iter([self.query(**arguments)])
                ),
            )
        )

    def put_item(self, Item: Mapping[str, Any], **_condition: Any) -> dict[str, Any]:  # noqa: N803
        partition, sort = (Item[key] for key in self._keys)
        self.items[partition][sort] = dict(Item)
        return {}

    def delete_item(self, Key: Mapping[str, Any], **_condition: Any) -> dict[str, Any]:  # noqa: N803
        partition, sort = (Key[key] for key in self._keys)
        self.items[partition].pop(sort, None)
        return {}

    def get_item(self, Key: Mapping[str, Any], **_read: Any) -> dict[str, Any]:  # noqa: N803
        partition, sort = (Key[key] for key in self._keys)
        item = self.items[partition].get(sort)
        return {"Item": item} if item else {}

    def update_item(self, Key: Mapping[str, Any], **update: Any) -> dict[str, Any]:  # noqa: N803
        partition, sort = (Key[key] for key in self._keys)
        item = self.items[partition].setdefault(sort, dict(Key))
        for name in update.get("ExpressionAttributeNames", {}).values():
            item[name] = update["ExpressionAttributeValues"][f":{name}"]
        return {"Attributes": item}

    def query(self, **arguments: Any) -> dict[str, Any]:
        values = arguments["ExpressionAttributeValues"]
        prefix = values.get(":sk", "")
        found = self.items[values.get(":pk", values.get(":account"))]
        backwards = arguments.get("ScanIndexForward") is False
        names = sorted((name for name in found if name.startswith(prefix)), reverse=backwards)
        return {"Items": [found[name] for name in names]}


def _unavailable(api: str) -> ClientError:
    answer: Any = {
        "Error": {"Code": "ServiceUnavailable", "Message": "try again"},
        "ResponseMetadata": {"HTTPStatusCode": 503},
    }
    return ClientError(answer, api.partition(":")[2])


def _pages(ids: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
