"""A discovery run in one process: accounts x regions, under one lease, with one record."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Event as Flag

from discovery import artefacts
from discovery.aws.lease import Lease
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.aws.store_clock import StoreClock, clock_warning
from discovery.aws.watched import note_unwatched
from discovery.clock import Clock
from discovery.errors import AwsError, NotFoundError
from discovery.model import EVERYTHING, RunRecord, RunRequest, RunStatus, Scope, ScopeStatus
from discovery.run.events import Event, Watcher
from discovery.run.execution import Execution
from discovery.run.history import History, read_history
from discovery.run.plan import Plan, plan_run
from discovery.run.progress import advance
from discovery.run.scheduler import Scheduler
from discovery.run.writer import CircuitBreakingWriter, Spooled
from discovery.run.writes import RunEnd
from discovery.settings import Settings

_log = logging.getLogger(__name__)


def start_run(
    settings: Settings,
    request: RunRequest = EVERYTHING,
    *,
    trigger: str,
    watcher: Watcher | None = None,
    cancelled: Flag | None = None,
    deadline: datetime | None = None,
    aws: Aws | None = None,
    scheduler: Scheduler | None = None,
) -> RunRecord:
    """Discover what `request` names and return the finished run's record.

    `trigger` says who started it ("cli", "dashboard", "lambda"). Setting `cancelled` ends the run
    early. At `deadline` it ends too: what is in flight then is stored as such, and the next run
    collects it. `aws` and `scheduler`, with its clock, stand in for the real ones in a simulation.

    Raises RequestError, ConfigurationError, RunInProgressError, LeaseLostError, and AwsError when
    the product's own account cannot be used; a failing account is in the record instead.
    """
    clock = scheduler.clock if scheduler else None
    run = DiscoveryRun.begin(settings, request, trigger=trigger, aws=aws, clock=clock)
    return run.execute(watcher, cancelled, deadline, scheduler)


def resume_run(
    settings: Settings,
    run_id: str,
    *,
    trigger: str,
    watcher: Watcher | None = None,
    cancelled: Flag | None = None,
    deadline: datetime | None = None,
) -> RunRecord:
    """Complete the run `run_id`: a new run of what that one asked for, less what it did.

    As `start_run`; raises NotFoundError for an unknown run.
    """
    run = DiscoveryRun.begin(settings, EVERYTHING, trigger=trigger, resume=run_id)
    return run.execute(watcher, cancelled, deadline)


@dataclass(frozen=True, slots=True)
class DiscoveryRun:
    """A run that holds the lease and is on record: made by `begin`, done by `execute`.

    `resumes` is the id of the run that it completes.
    """

    aws: Aws
    clock: StoreClock
    record: RunRecord
    plan: Plan
    lease: Lease
    resumes: str | None = None

    @property
    def run_id(self) -> str:
        """The run's id: DynamoDB's time when it began, and something at random."""
        return self.record.run_id

    @classmethod
    def begin(
        cls,
        settings: Settings,
        request: RunRequest,
        *,
        trigger: str,
        started_by: str | None = None,
        resume: str | None = None,
        holder: str | None = None,
        lease_seconds: int | None = None,
        aws: Aws | None = None,
        clock: Clock | None = None,
        plan: Plan | None = None,
    ) -> DiscoveryRun:
        """Check the request, take the lease and store the run's record. Raises as `start_run`.

        `holder` is who holds the lease, by default this process. `resume` is the run to complete:
        `request` is then that run's. `plan` stands in for what `request` would be planned as.
        """
        artefacts.document_hash(
            settings.placeholders()
        )  # what is not configured fails here, before any call
        aws = aws or Aws(settings)
        runs = RunStore(aws)
        done: set[Scope] = set()
        if resume:
            request, done = _unfinished(runs, resume)
        plan = plan or plan_run(aws, request)
        plan = replace(plan, scopes=tuple(scope for scope in plan.scopes if scope not in done))
        time = StoreClock(clock)
        time.ask(aws)
        now = time.now()
        record = RunRecord(
            run_id=f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{secrets.token_hex(3)}",
            status=RunStatus.RUNNING,
            started_at=now,
            heartbeat_at=now,
            holder=holder or f"{socket.gethostname()}:{os.getpid()}",
            trigger=trigger,
            started_by=started_by,
            request=request,
            scopes_total=len(plan.scopes),
            accounts_skipped=plan.skipped,
            clock_ahead_seconds=_worth_saying(time),
        )
        lease = Lease(aws, record.run_id, record.holder, lease_seconds, clock=time)
        earlier = runs.recent_runs()
        highest = max((run.run_order for run in earlier), default=0)
        record = replace(record, run_order=lease.acquire(highest))
        try:
            for other in earlier:  # who holds the lease is the only one that runs
                runs.abandon(other, now)
            runs.create_run(record)
            if request.is_everything and not resume:
                silent = {scope.account_id for scope in plan.refused}
                note_unwatched(aws, plan.scopes, silent, now)
        except AwsError:
            with suppress(AwsError):  # it lapses by itself
                lease.release()  # no run that cannot be watched or cancelled may block the next one
            raise
        return cls(aws, time, record, plan, lease, resume)

    def execute(
        self,
        watcher: Watcher | None = None,
        cancelled: Flag | None = None,
        deadline: datetime | None = None,
        scheduler: Scheduler | None = None,
    ) -> RunRecord:
        """Scan every scope; the finished record. Raises as `Execution.execute`."""
        keeper = OwnRecord(RunStore(self.aws), self.lease)
        execution = Execution(
            self.aws,
            self.clock,
            self.record,
            self.plan,
            self.lease,
            keeper,
            self.read_history,
            self.resumes,
        )
        return execution.execute(watcher, cancelled or Flag(), deadline, scheduler)

    def read_history(self) -> History:
        """What earlier runs leave to this one. Raises AwsError."""
        return read_history(RunStore(self.aws), self.run_id, self.clock.now(), self.resumes)


def _worth_saying(clock: StoreClock) -> float | None:
    """How far this machine's clock is ahead, when that is to be told of."""
    warning = clock_warning(clock.machine_off)
    if warning is None:
        return None
    _log.warning("%s: what the run stores has DynamoDB's time", warning)
    return round(clock.machine_off.total_seconds(), 1)


def _unfinished(runs: RunStore, run_id: str) -> tuple[RunRequest, set[Scope]]:
    """What a run was asked for, and the scopes that it has done. Raises NotFoundError."""
    run = runs.run(run_id)
    if run is None:
        raise NotFoundError(f"run {run_id!r} does not exist")
    done = {
        Scope(scope.account_id, scope.region)
        for scope in runs.scopes(run_id)
        if scope.status is ScopeStatus.SUCCEEDED
    }
    return run.request, done


class OwnRecord:
    """The record of a run that this process does alone."""

    progress_seconds = 1.0

    def __init__(self, runs: RunStore, lease: Lease) -> None:
        self._runs = runs
        self._lease = lease

    def advance(self, run: RunRecord, event: Event, at: datetime) -> RunRecord:
        """`run` as it stands after `event`."""
        return advance(run, event, at)

    def save(self, progress: RunRecord) -> bool:
        """Store how far the run is; whether its cancellation was asked for."""
        return self._runs.save_progress(progress)

    def close(self, run: RunRecord, writer: CircuitBreakingWriter) -> RunRecord:
        """Store the end of the run and give the lease back, in this order: a reader that sees no
        lease must not see a running run.

        While DynamoDB does not take the end, the lease lapses: the next run closes the record, and
        `replay` puts it right.
        """
        if isinstance(writer.write(RunEnd(run)), Spooled):
            return replace(run, kept=writer.spooled)
        try:
            self._lease.release()
        except AwsError as error:
            _log.warning("the lease will lapse: %s", error)
        return run
