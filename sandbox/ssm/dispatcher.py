"""Runs commands: Pending -> InProgress -> an end, on each host, within the command's limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import RLock, Timer

from sandbox.ssm.agent import Agent
from sandbox.ssm.command import Command, Invocation
from sandbox.ssm.step_result import NOT_RUN_CODE, STOPPED_CODE, StepResult

UNDELIVERABLE_SECONDS = 5.0
"""Simulated time until a command to a lost instance is given up."""
VISIBLE_SECONDS = 0.5
"""Simulated time until a new command's invocations are listed: AWS is eventually consistent."""


class Dispatcher:
    """Runs commands on the agents, on at most `workers` hosts at once.

    `speed` divides every simulated wait. `upload` stores the outputs of an invocation. Whoever
    reads or changes commands holds `lock`.
    """

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
        """Deliver it to as many hosts as MaxConcurrency allows at once; the others follow."""
        command.visible_at = time.monotonic() + VISIBLE_SECONDS / self._speed
        with self.lock:
            self._fill(command)

    def cancel(self, command: Command, instance_ids: Sequence[str]) -> None:
        """Stop it on the named hosts, or on all for none. What has ended stays as it ended."""
        with self.lock:
            stopped = [
                invocation
                for instance_id, invocation in command.invocations.items()
                if not invocation.is_done and (not instance_ids or instance_id in instance_ids)
            ]
            command.is_cancelled = command.is_cancelled or not instance_ids
            for invocation in stopped:
                self._end(command, invocation, "Cancelled", "Cancelled")
        for invocation in stopped:
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
        """Deliver to further hosts, or end it for those that wait when it has too many errors."""
        invocations = command.invocations.values()
        waiting = [
            invocation
            for invocation in invocations
            if invocation.started is None and not invocation.is_done
        ]
        if command.errors > command.max_errors:
            for invocation in waiting:
                self._end(command, invocation, "Failed", "Terminated", fill=False)
            return
        running = sum(
            invocation.started is not None and not invocation.is_done for invocation in invocations
        )
        for invocation in waiting[: max(command.max_concurrency - running, 0)]:
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
        failed = next((result for result in results if result.status != "Success"), None)
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
