"""What the scopes of one run share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event as Flag

from discovery.aws.session import Aws
from discovery.aws.store_clock import StoreClock
from discovery.errors import AwsError
from discovery.model import OutstandingCommand, RunRequest, Scope, ScopeRecord
from discovery.run.events import Event
from discovery.run.polling import PollTimes
from discovery.run.scheduler import Scheduler
from discovery.run.writer import CircuitBreakingWriter


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the scopes of one run share.

    - `deadline` is in the clock's monotonic seconds.
    - `outstanding` is what earlier runs left in flight.
    - `refused` are the scopes that failed before the run began.
    - `resumes` is the run whose scanned hosts need no second scan.
    - `earlier_attempts` holds the scopes that this very run was cut short in before, in another
      process.
    - `taken_over` is set, with `cancelled`, when another run has taken the lease or may have;
      `check_lease` sets both when the lease was not renewed in time.
    - `clock` is the time that the run goes by: DynamoDB's.
    """

    run_id: str
    run_order: int
    started_at: datetime
    request: RunRequest
    aws: Aws
    writer: CircuitBreakingWriter
    emit: Callable[[Event], None]
    cancelled: Flag
    taken_over: Flag
    check_lease: Callable[[], None]
    cut_short: Flag
    clock: StoreClock
    scheduler: Scheduler
    poll_times: PollTimes
    outstanding: Mapping[Scope, Sequence[OutstandingCommand]]
    refused: Mapping[Scope, AwsError]
    deadline: float | None = None
    resumes: str | None = None
    earlier_attempts: Mapping[Scope, ScopeRecord] = field(default_factory=dict)

    def is_late(self, seconds: float) -> bool:
        """Whether the run's deadline comes within `seconds`; if so, the run is cut short."""
        if self.deadline is None or self.clock.monotonic() + seconds < self.deadline:
            return False
        self.cut_short.set()
        return True
