"""The scan of a run's scopes by this process: side by side, with a heartbeat, into one record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Event as Flag
from typing import Protocol

from discovery.aws.inventory import Inventory
from discovery.aws.lease import Lease
from discovery.aws.session import Aws
from discovery.aws.store_clock import StoreClock
from discovery.logs import log_context
from discovery.model import RunRecord, RunStatus, Scope, ScopeRecord
from discovery.run.context import RunContext
from discovery.run.events import (
    Event,
    HostCollected,
    HostDone,
    HostEnded,
    RunFinished,
    RunStarted,
    ScopeFinished,
    Watcher,
)
from discovery.run.heartbeat import Heartbeat
from discovery.run.history import History
from discovery.run.known import KnownRecords
from discovery.run.plan import Plan
from discovery.run.polling import PollTimes
from discovery.run.progress import final_status
from discovery.run.scheduler import Scheduler
from discovery.run.scope import ScopeScan
from discovery.run.tracker import RunTracker
from discovery.run.writer import CircuitBreakingWriter


class RecordKeeper(Protocol):
    """Stores the record of the run that this process works on."""

    progress_seconds: float
    """How often progress is stored and a cancellation heard of."""

    def advance(self, run: RunRecord, event: Event, at: datetime) -> RunRecord:
        """`run` as it stands after `event`."""

    def save(self, progress: RunRecord) -> bool:
        """Store how far the run is; whether its cancellation was asked for.

        Raises AwsError, LeaseLostError.
        """

    def close(self, run: RunRecord, writer: CircuitBreakingWriter) -> RunRecord | None:
        """Store that this process is done with `run`; the run as it ended, None when it goes on in
        other processes."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What this process does of a run.

    `history` is read when the run begins to work. `resumes` and `earlier_attempts` are those of
    `RunContext`.
    """

    aws: Aws
    clock: StoreClock
    run: RunRecord
    plan: Plan
    lease: Lease
    keeper: RecordKeeper
    read_history: Callable[[], History]
    resumes: str | None = None
    earlier_attempts: Mapping[Scope, ScopeRecord] = field(default_factory=dict)

    def execute(
        self,
        watcher: Watcher | None,
        cancelled: Flag,
        deadline: datetime | None,
        scheduler: Scheduler | None = None,
    ) -> RunRecord:
        """Scan every scope; the record in the end, which is also stored, or spooled.

        Raises LeaseLostError when another run took over, AwsError when the tables cannot be read
        before anything is sent.
        """
        with log_context(run_id=self.run.run_id):
            return _Work(self, watcher, cancelled, deadline, scheduler).do()


class _Work:
    """An execution while it goes on."""

    def __init__(
        self,
        execution: Execution,
        watcher: Watcher | None,
        cancelled: Flag,
        deadline: datetime | None,
        scheduler: Scheduler | None,
    ) -> None:
        aws, clock, plan = execution.aws, execution.clock, execution.plan
        self._execution = execution
        self._cancelled = cancelled
        self._deadline = deadline
        workers = max(1, min(aws.settings.scope_workers, len(plan.scopes)))
        self._scheduler = scheduler or Scheduler(clock, workers, cancelled)
        self._known = KnownRecords(Inventory(aws), plan.scopes)
        self._writer = CircuitBreakingWriter.to_tables(aws, clock, self._known.records_of)
        self._tracker = RunTracker(
            execution.run,
            aws.calls,
            clock,
            watcher=watcher,
            advance=execution.keeper.advance,
        )
        self._poll_times = PollTimes(None, aws.settings.command_timeout)

    def do(self) -> RunRecord:
        try:
            self._emit(RunStarted(self._execution.run))
            heartbeat = self._heartbeat()
            context = self._context(heartbeat)
            with heartbeat.beating():
                for scope in self._execution.plan.scopes:
                    self._scheduler.add(ScopeScan(context, scope).begin)
                self._scheduler.run()
        except BaseException as error:
            self._close(RunStatus.FAILED, str(error) or type(error).__name__)
            raise
        run = replace(
            self._tracker.run, cut_short=context.cut_short.is_set(), kept=self._writer.spooled
        )
        self._tracker.set(run)
        self._close(self._final_status(run))
        return self._tracker.run

    def _final_status(self, run: RunRecord) -> RunStatus:
        resumed = self._execution.resumes is not None
        return final_status(run, cancelled=self._cancelled.is_set(), resumed=resumed)

    def _heartbeat(self) -> Heartbeat:
        return Heartbeat(
            self._execution.lease,
            self._execution.keeper.save,
            self._execution.clock,
            self._progress,
            progress_seconds=self._execution.keeper.progress_seconds,
            cancelled=self._cancelled,
        )

    def _context(self, heartbeat: Heartbeat) -> RunContext:
        """What the scopes share: with what earlier runs have learned and left in flight."""
        execution = self._execution
        history = execution.read_history()
        time_limit = execution.aws.settings.command_timeout
        self._poll_times = PollTimes(history.answer_seconds, time_limit)
        return RunContext(
            run_id=execution.run.run_id,
            run_order=execution.run.run_order,
            started_at=execution.run.started_at,
            request=execution.run.request,
            aws=execution.aws,
            writer=self._writer,
            emit=self._emit,
            cancelled=self._cancelled,
            taken_over=heartbeat.taken_over,
            check_lease=heartbeat.check,
            cut_short=Flag(),
            clock=execution.clock,
            scheduler=self._scheduler,
            poll_times=self._poll_times,
            outstanding=history.outstanding,
            refused=execution.plan.refused,
            deadline=self._monotonic_deadline(),
            resumes=execution.resumes,
            earlier_attempts=execution.earlier_attempts,
        )

    def _monotonic_deadline(self) -> float | None:
        if self._deadline is None:
            return None
        left = (self._deadline - self._execution.clock.machine_now).total_seconds()
        return self._execution.clock.monotonic() + left

    def _emit(self, event: Event) -> None:
        if isinstance(event, HostDone | HostCollected | HostEnded):
            self._known.host_done(event.host)
        elif isinstance(event, ScopeFinished):
            self._known.scope_ended(event.record.account_id)
        self._tracker.emit(event)

    def _progress(self) -> RunRecord:
        return self._tracker.progress(self._poll_times.typical_seconds)

    def _close(self, status: RunStatus, error: str | None = None) -> None:
        """Store the end of this process's work and, when the run ends with it, say so."""
        run = self._progress()
        self._tracker.set(run)
        ended = replace(run, status=status, finished_at=run.heartbeat_at, error=error)
        closed = self._execution.keeper.close(ended, self._writer)
        if closed:
            self._tracker.set(closed)
            self._tracker.emit(RunFinished(closed))
