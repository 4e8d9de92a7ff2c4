"""The life of a command: Pending -> InProgress -> an end, on each host and as a whole.

Counting follows the Systems Manager user guide, "Understanding command statuses": failures and
execution time-outs count against MaxErrors; a command that was not delivered does not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock, Timer
from typing import Any
from uuid import uuid4

from sandbox.ssm.agent import Agent, Job
from sandbox.ssm.instances import SandboxHost
from sandbox.ssm.steps import NOT_RUN_CODE, STOPPED_CODE, StepResult

_WAITING = ("Pending", "InProgress", "Cancelling")
_COUNTED_ERRORS = ("Failed", "ExecutionTimedOut")
UNDELIVERABLE_SECONDS = 5.0
VISIBLE_SECONDS = 0.5
"""Simulated time until a new command's invocations are listed: AWS is eventually consistent."""


@dataclass
class Invocation:
    """A command on one host. `status` is what the API calls Status, `details` StatusDetails."""

    host: SandboxHost
    status: str = "Pending"
    details: str = "Pending"
    results: list[StepResult] = field(default_factory=list)
    job: Job = field(default_factory=Job)
    started: datetime | None = None
    finished: datetime | None = None

    @property
    def is_done(self) -> bool:
        """Whether it has come to an end, good or bad."""
        return self.status not in _WAITING


@dataclass
class Command:
    """One SendCommand. Limits are numbers of hosts; times are seconds of simulated time."""

    account_id: str
    region: str
    document_name: str
    document_version: str
    document: Mapping[str, Any]
    parameters: Mapping[str, str]
    request: Mapping[str, Any]
    invocations: dict[str, Invocation]
    max_concurrency: int
    max_errors: int
    command_id: str = field(default_factory=lambda: str(uuid4()))
    requested: datetime = field(default_factory=lambda: datetime.now(UTC))
    visible_at: float = 0.0
    is_cancelled: bool = False

    @property
    def is_visible(self) -> bool:
        """Whether its invocations are listed yet."""
        return time.monotonic() >= self.visible_at

    @property
    def delivery_seconds(self) -> float:
        """How long it waits for an agent that does not answer."""
        return float(self.request.get("TimeoutSeconds", 3600))

    @property
    def errors(self) -> int:
        """How many invocations count against MaxErrors."""
        return sum(one.details in _COUNTED_ERRORS for one in self.invocations.values())

    @property
    def status(self) -> tuple[str, str]:
        """Status and StatusDetails of the command as a whole."""
        details = [one.details for one in self.invocations.values()]
        if not all(one.is_done for one in self.invocations.values()):
            started = any(one != "Pending" for one in details)
            return ("InProgress", "InProgress") if started else ("Pending", "Pending")
        if self.is_cancelled:
            return "Cancelled", "Cancelled"
        if self.errors > self.max_errors:
            return "Failed", "Failed"
        if all(one in ("Success", "Undeliverable") for one in details):
            return "Success", "Success"
        return "Failed", "Incomplete"


def limit(text: str, targets: int, *, at_least: int) -> int:
    """A MaxConcurrency or MaxErrors value, a number or a percentage, as a number of hosts."""
    number = math.floor(targets * int(text[:-1]) / 100) if text.endswith("%") else int(text)
    return max(number, at_least)


class Dispatcher:
    """Runs commands on the agents. `speed` divides every simulated wait."""

    def __init__(
        self,
        agent: Agent,
        speed: float,
        workers: int,
        upload: Callable[[Command, Invocation], None],
    ) -> None:
        self.lock = RLock()
        self._agent = agent
        self._speed = speed
        self._upload = upload
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="agent")
        self._timers: set[Timer] = set()
        self._closed = False

    def start(self, command: Command) -> None:
        """Begin; the hosts that MaxConcurrency allows at once get it now."""
        command.visible_at = time.monotonic() + VISIBLE_SECONDS / self._speed
        with self.lock:
            self._fill(command)

    def cancel(self, command: Command, instance_ids: Sequence[str]) -> None:
        """Stop it on the named hosts, or on all; what has ended stays as it ended."""
        with self.lock:
            chosen = [
                one
                for id_, one in command.invocations.items()
                if not one.is_done and (not instance_ids or id_ in instance_ids)
            ]
            command.is_cancelled = command.is_cancelled or not instance_ids
            for invocation in chosen:
                self._end(command, invocation, "Cancelled", "Cancelled")
        for invocation in chosen:
            invocation.job.cancel()

    def close(self) -> None:
        """Stop everything that runs or waits."""
        with self.lock:
            self._closed = True
            timers, self._timers = self._timers, set()
        for timer in timers:
            timer.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _fill(self, command: Command) -> None:
        everything = command.invocations.values()
        if command.errors > command.max_errors:
            for invocation in everything:
                if invocation.status == "Pending" and invocation.started is None:
                    self._end(command, invocation, "Failed", "Terminated", fill=False)
            return
        running = sum(one.started is not None and not one.is_done for one in everything)
        for invocation in everything:
            if running >= command.max_concurrency:
                return
            if invocation.started is None and not invocation.is_done:
                running += 1
                self._deliver(command, invocation)

    def _deliver(self, command: Command, invocation: Invocation) -> None:
        host = invocation.host
        invocation.started = datetime.now(UTC)
        if not host.is_reachable:
            self._end_after(
                command.delivery_seconds, command, invocation, "TimedOut", "DeliveryTimedOut"
            )
        elif host.behaviour == "undeliverable":
            self._end_after(UNDELIVERABLE_SECONDS, command, invocation, "Failed", "Undeliverable")
        else:
            self._after(host.delay_seconds, lambda: self._begin(command, invocation))

    def _begin(self, command: Command, invocation: Invocation) -> None:
        with self.lock:
            if invocation.is_done:
                return
            invocation.status = invocation.details = "InProgress"
            behaviour = invocation.host.behaviour
            if behaviour == "terminate":
                invocation.host.terminate()
                self._end_after(
                    UNDELIVERABLE_SECONDS, command, invocation, "Failed", "Undeliverable"
                )
            elif behaviour == "hang":
                seconds = float(command.parameters.get("executionTimeout", 3600))
                self._end_after(seconds, command, invocation, "TimedOut", "ExecutionTimedOut")
            elif not self._closed:
                self._pool.submit(self._execute, command, invocation)

    def _execute(self, command: Command, invocation: Invocation) -> None:
        if invocation.job.is_cancelled:
            return
        try:
            results = self._agent.run(
                invocation.host, command.document, command.parameters, invocation.job
            )
        except Exception as error:
            # An agent that breaks must show as a failed invocation, never as one that hangs.
            results = [_broken(command, repr(error))]
            self._finish(command, invocation, results)
            raise
        self._finish(command, invocation, results)

    def _finish(self, command: Command, invocation: Invocation, results: list[StepResult]) -> None:
        invocation.results = results or invocation.results
        failed = next((one for one in results if one.status != "Success"), None)
        if command.request.get("OutputS3BucketName"):
            self._upload(command, invocation)
        with self.lock:
            if not invocation.is_done:
                status = failed.status if failed else "Success"
                self._end(command, invocation, status, failed.details if failed else "Success")

    def _end(
        self,
        command: Command,
        invocation: Invocation,
        status: str,
        details: str,
        *,
        fill: bool = True,
    ) -> None:
        if not invocation.results:
            code = STOPPED_CODE if invocation.status == "InProgress" else NOT_RUN_CODE
            invocation.results = [
                StepResult(step["name"], step["action"], status, details, code)
                for step in command.document["mainSteps"]
            ]
        invocation.status, invocation.details = status, details
        invocation.finished = datetime.now(UTC)
        if fill:
            self._fill(command)

    def _end_after(
        self, seconds: float, command: Command, invocation: Invocation, status: str, details: str
    ) -> None:
        def end() -> None:
            with self.lock:
                if not invocation.is_done:
                    self._end(command, invocation, status, details)

        self._after(seconds, end)

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        def act() -> None:
            with self.lock:
                self._timers.discard(timer)
                if self._closed:
                    return
            action()

        timer = Timer(seconds / self._speed, act)
        timer.daemon = True
        self._timers.add(timer)
        timer.start()


def _broken(command: Command, message: str) -> StepResult:
    step = command.document["mainSteps"][0]
    return StepResult(step["name"], step["action"], "Failed", "Failed", 1, "", message)
