"""A discovery run: accounts x regions, side by side, under one lease, with one record."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event as Flag
from threading import Lock
from typing import Self

from discovery import artefacts
from discovery.aws.inventory import Inventory
from discovery.aws.lease import Lease
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.clock import Clock
from discovery.errors import AwsError, NotFoundError
from discovery.logs import about
from discovery.model import (
    EVERYTHING,
    OutstandingCommand,
    RunRecord,
    RunRequest,
    RunStatus,
    Scope,
    ScopeStatus,
)
from discovery.run.context import KnownRecords, RunContext
from discovery.run.event_log import log_event
from discovery.run.events import Event, HostDone, RunFinished, RunStarted, ScopeFinished, Watcher
from discovery.run.heartbeat import Heartbeat
from discovery.run.plan import Plan, plan_run
from discovery.run.polling import Looks
from discovery.run.progress import advance, final_status
from discovery.run.scheduler import Scheduler
from discovery.run.scope import ScopeScan
from discovery.run.spool import Spool
from discovery.run.writer import Kept, Ledger
from discovery.run.writes import EntryWriter, RunEnd
from discovery.settings import Settings

_log = logging.getLogger(__name__)
_COLLECTED_FOR = timedelta(hours=24)
"""Answers older than this are not worth having: the host is asked again."""


def run_discovery(
    settings: Settings,
    request: RunRequest = EVERYTHING,
    *,
    trigger: str,
    watcher: Watcher | None = None,
    cancelled: Flag | None = None,
    deadline: datetime | None = None,
    resume: str | None = None,
) -> RunRecord:
    """Discover what `request` names and return the finished run's record.

    `trigger` says who started it ("cli", "dashboard", "lambda"). Setting `cancelled` ends the run
    early. At `deadline` it ends too: what is in flight then is stored as such, and the next run
    collects it. `resume` is the id of a run to complete: what it asked for, less what it did.
    Raises NotFoundError for an unknown one, RequestError, ConfigurationError, RunInProgressError,
    LeaseLostError, and AwsError when the product's own account cannot be used; a failing account is
    in the record instead.
    """
    run = DiscoveryRun.begin(settings, request, trigger=trigger, resume=resume)
    return run.execute(watcher, cancelled, deadline)


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


class DiscoveryRun:
    """A run that holds the lease: made by `begin`, done by `execute`."""

    progress_seconds = 1.0
    """How often progress is stored and cancellation heard of."""

    def __init__(
        self,
        aws: Aws,
        run: RunRecord,
        plan: Plan,
        lease: Lease,
        clock: Clock,
        resumes: str | None = None,
    ) -> None:
        self._aws = aws
        self._run = run
        self._plan = plan
        self._lease = lease
        self._clock = clock
        self._resumes = resumes
        self._looks = Looks(None, aws.settings.command_timeout)
        self._runs = RunStore(aws)
        self._known = KnownRecords(Inventory(aws), plan.scopes)
        writer = EntryWriter(aws, self._known.of_host, sleep=clock.sleep)
        self._ledger = Ledger(writer, self._runs, Spool(aws), clock)
        self._emitting = Lock()
        self._watcher: Watcher | None = None

    @property
    def run_id(self) -> str:
        """The run's id; ids sort by time."""
        return self._run.run_id

    @classmethod
    def begin(
        cls,
        settings: Settings,
        request: RunRequest,
        *,
        trigger: str,
        resume: str | None = None,
        holder: str | None = None,
        lease_seconds: int | None = None,
        aws: Aws | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Check the request, take the lease and store the run's record. Raises as run_discovery.

        `holder` is who holds the lease, by default this process.
        """
        artefacts.document_hash(settings)  # what is not configured fails here, before any call
        aws = aws or Aws(settings)
        clock = clock or Clock()
        runs = RunStore(aws)
        done: set[Scope] = set()
        if resume:
            request, done = _unfinished(runs, resume)
        plan = plan_run(aws, request)
        plan = replace(plan, scopes=tuple(one for one in plan.scopes if one not in done))
        now = clock.now()
        run = RunRecord(
            run_id=f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{secrets.token_hex(3)}",
            status=RunStatus.RUNNING,
            started_at=now,
            heartbeat_at=now,
            holder=holder or f"{socket.gethostname()}:{os.getpid()}",
            trigger=trigger,
            request=request,
            scopes_total=len(plan.scopes),
            accounts_skipped=plan.skipped,
        )
        lease = Lease(aws, run.run_id, run.holder, lease_seconds, now=clock.now)
        lease.acquire()
        try:
            for other in runs.recent_runs():  # who holds the lease is the only one that runs
                runs.abandon(other, now)
            runs.create_run(run)
        except AwsError:
            with suppress(AwsError):  # it lapses by itself
                lease.release()  # no run that cannot be watched or cancelled may block the next one
            raise
        return cls(aws, run, plan, lease, clock, resume)

    def execute(
        self,
        watcher: Watcher | None = None,
        cancelled: Flag | None = None,
        deadline: datetime | None = None,
        schedule: Scheduler | None = None,
    ) -> RunRecord:
        """Scan every scope; the finished record, which is also stored, or kept for `replay`.

        Raises LeaseLostError when another run took over, AwsError when the tables cannot be read
        before anything is sent.
        """
        with about(run_id=self.run_id):
            return self._execute(watcher, cancelled or Flag(), deadline, schedule)

    def _execute(
        self,
        watcher: Watcher | None,
        cancelled: Flag,
        deadline: datetime | None,
        schedule: Scheduler | None,
    ) -> RunRecord:
        self._watcher = watcher
        try:
            self._emit(RunStarted(self._run))
            heartbeat = self._heartbeat(cancelled)
            context = self._context(cancelled, heartbeat.taken_over, deadline, schedule)
            with heartbeat.beating():
                self._scan_all(context)
        except BaseException as error:
            self._end(RunStatus.FAILED, str(error) or type(error).__name__)
            raise
        cut_short = context.cut_short.is_set()
        self._run = replace(self._run, cut_short=cut_short, kept=self._ledger.kept)
        self._end(final_status(self._run, cancelled=cancelled.is_set()))
        return self._run

    def _context(
        self,
        cancelled: Flag,
        taken_over: Flag,
        deadline: datetime | None,
        schedule: Scheduler | None,
    ) -> RunContext:
        """What the scopes share: with what earlier runs have learned and left in flight."""
        learned, outstanding = self._history()
        self._looks = Looks(learned, self._aws.settings.command_timeout)
        workers = max(1, min(self._aws.settings.scope_workers, len(self._plan.scopes)))
        return RunContext(
            run_id=self.run_id,
            request=self._run.request,
            aws=self._aws,
            ledger=self._ledger,
            emit=self._emit,
            cancelled=cancelled,
            taken_over=taken_over,
            cut_short=Flag(),
            schedule=schedule or Scheduler(self._clock, workers, cancelled),
            looks=self._looks,
            outstanding=outstanding,
            refused=self._plan.refused,
            deadline=self._until(deadline),
            resumes=self._resumes,
        )

    def _scan_all(self, context: RunContext) -> None:
        for scope in self._plan.scopes:
            context.schedule.add(ScopeScan(context, scope).begin)
        context.schedule.run()

    def _until(self, deadline: datetime | None) -> float | None:
        """`deadline` on the monotonic clock."""
        if deadline is None:
            return None
        left = (deadline - self._clock.now()).total_seconds()
        return self._clock.monotonic() + left

    def _history(self) -> tuple[float | None, Mapping[Scope, Sequence[OutstandingCommand]]]:
        """Within how long hosts answered to earlier runs, and what those left in flight."""
        before = self._earlier_runs()
        learned = next((run.answer_seconds for run in before if run.answer_seconds), None)
        unfinished = [run for run in before if run.status is not RunStatus.SUCCEEDED]
        return learned, self._by_scope(
            command for run in unfinished for command in self._runs.outstanding(run.run_id)
        )

    def _earlier_runs(self) -> list[RunRecord]:
        """The newest runs before this one, the one it resumes among them."""
        found = [run for run in self._runs.recent_runs() if run.run_id != self.run_id]
        if self._resumes and all(run.run_id != self._resumes for run in found):
            resumed = self._runs.run(self._resumes)
            found += [resumed] if resumed else []
        return found

    def _by_scope(
        self, commands: Iterable[OutstandingCommand]
    ) -> dict[Scope, list[OutstandingCommand]]:
        """Those of `commands` that are young enough to be worth storing."""
        found: defaultdict[Scope, list[OutstandingCommand]] = defaultdict(list)
        for command in commands:
            if self._clock.now() - command.sent_at < _COLLECTED_FOR:
                found[command.scope].append(command)
        return dict(found)

    def _emit(self, event: Event) -> None:
        if isinstance(event, HostDone):
            self._known.host_done(event.host)
        elif isinstance(event, ScopeFinished):
            self._known.scope_ended(event.record.account_id)
        with self._emitting:
            self._run = self._advanced(event)
            log_event(event)
            if self._watcher:
                self._watcher(event)

    def _advanced(self, event: Event) -> RunRecord:
        return advance(self._run, event, self._clock.now())

    def _store(self, progress: RunRecord) -> bool:
        """Store how far the run is; whether its cancellation was asked for."""
        return self._runs.save_progress(progress)

    def _end(self, status: RunStatus, error: str | None = None) -> None:
        """Close the run and say so, also when its record could not be stored."""
        try:
            self._close(status, error)
        finally:
            self._emit(RunFinished(self._run))

    def _close(self, status: RunStatus, error: str | None = None) -> None:
        """Store the end of the run and give the lease back, in this order: a reader that sees no
        lease must not see a running run. While DynamoDB does not take the end, the lease lapses:
        the next run closes the record, and `replay` puts it right."""
        now = self._clock.now()
        with self._emitting:
            self._run = replace(
                self._progress(), status=status, finished_at=now, heartbeat_at=now, error=error
            )
        if isinstance(self._ledger.write(RunEnd(self._run)), Kept):
            self._run = replace(self._run, kept=self._ledger.kept)
            return
        try:
            self._lease.release()
        except AwsError as failed:
            _log.warning("the lease will lapse: %s", failed)

    def _progress(self) -> RunRecord:
        usage = self._aws.calls.usage()
        return replace(
            self._run,
            api_calls=usage.calls,
            throttled_calls=usage.throttled,
            retries=usage.retries,
            read_units=usage.read_units,
            write_units=usage.write_units,
            answer_seconds=self._looks.learned,
        )

    def _heartbeat(self, cancelled: Flag) -> Heartbeat:
        def progress() -> RunRecord:
            with self._emitting:
                return replace(self._progress(), heartbeat_at=self._clock.now())

        return Heartbeat(
            self._lease,
            self._store,
            self._clock,
            progress,
            lease_seconds=self._aws.settings.lease_seconds,
            progress_seconds=self.progress_seconds,
            cancelled=cancelled,
        )
