"""A command, its invocations on each host, and their statuses.

Statuses follow the Systems Manager user guide, "Understanding command statuses": failures and
execution time-outs count against MaxErrors; a command that was not delivered does not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sandbox.ssm.instances import SandboxHost
from sandbox.ssm.job import Job
from sandbox.ssm.step_result import StepResult

_UNFINISHED = ("Pending", "InProgress", "Cancelling")
_COUNTED_ERRORS = ("Failed", "ExecutionTimedOut")


@dataclass
class Invocation:
    """A command on one host. `status` is the API's Status, `details` its StatusDetails."""

    host: SandboxHost
    status: str = "Pending"
    details: str = "Pending"
    results: list[StepResult] = field(default_factory=list)
    job: Job = field(default_factory=Job)
    started: datetime | None = None
    finished: datetime | None = None

    @property
    def is_done(self) -> bool:
        """Whether it has ended, well or badly."""
        return self.status not in _UNFINISHED


@dataclass
class Command:
    """One SendCommand. Limits are numbers of hosts, times seconds of simulated time."""

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
        return sum(
            invocation.details in _COUNTED_ERRORS for invocation in self.invocations.values()
        )

    @property
    def status(self) -> tuple[str, str]:
        """Status and StatusDetails of the command as a whole."""
        details = {invocation.details for invocation in self.invocations.values()}
        if not all(invocation.is_done for invocation in self.invocations.values()):
            overall = "Pending" if details == {"Pending"} else "InProgress"
            return overall, overall
        if self.is_cancelled:
            return "Cancelled", "Cancelled"
        if self.errors > self.max_errors:
            return "Failed", "Failed"
        if details <= {"Success", "Undeliverable"}:
            return "Success", "Success"
        return "Failed", "Incomplete"


def limit(text: str, targets: int, *, at_least: int) -> int:
    """MaxConcurrency or MaxErrors as a number of hosts; `text` is a number or a percentage."""
    number = math.floor(targets * int(text[:-1]) / 100) if text.endswith("%") else int(text)
    return max(number, at_least)
