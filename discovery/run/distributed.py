"""A run that outgrows one process: one plans it, many scan a part of it each, one finishes it.

`deploy/discovery.asl.json` calls these three, through the Lambda function. The scan is the one
that a single process does, and the run looks the same to whoever watches or cancels it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from threading import Event as Flag

from discovery.aws.lease import Lease, run_held_by
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.aws.shared_run import SharedRun, output_bucket
from discovery.clock import Clock
from discovery.errors import AwsError, FailureKind, LeaseLostError, RunInProgressError
from discovery.model import (
    OutstandingCommand,
    RunPart,
    RunRecord,
    RunRequest,
    RunStatus,
    Scope,
    ScopeRecord,
    ScopeStatus,
)
from discovery.run.context import RunContext
from discovery.run.events import Event, ScopeFinished, ScopeListed
from discovery.run.plan import Plan
from discovery.run.polling import Looks
from discovery.run.progress import (
    final_status,
    since,
    summed,
    was_cut_short,
    with_unreached,
    with_usage,
)
from discovery.run.runner import DiscoveryRun
from discovery.run.scheduler import Scheduler
from discovery.settings import Settings

_log = logging.getLogger(__name__)

LEASE_SECONDS = 300
"""How long the lease outlives the last sign of a worker: from one to the next, minutes may pass."""

SCOPES_A_PART = 5
"""Most scopes of an organisation are empty, and not worth a process each. They come account by
account, so that a part reads an account's inventory once for several regions."""


# --- the first step -------------------------------------------------------------------------------


def plan(settings: Settings, request: RunRequest, holder: str) -> tuple[RunRecord, str]:
    """Begin a run for `holder`, an execution: its record, and the S3 key of the list of its parts.

    Raises as `run_discovery`, and ConfigurationError when there is no output bucket.
    """
    aws = Aws(settings)
    output_bucket(aws)
    try:
        run = _begin(aws, request, holder)
    except RunInProgressError as error:
        if error.holder != holder:
            raise
        # this execution's own try, whose answer was lost on the way: the new run closes it
        Lease(aws, error.run_id, holder).release()
        run = _begin(aws, request, holder)
    return run.store_parts()


def _lease_seconds(settings: Settings) -> int:
    return max(LEASE_SECONDS, settings.lease_seconds)


def _begin(aws: Aws, request: RunRequest, holder: str) -> _PlannedRun:
    return _PlannedRun.begin(
        aws.settings,
        request,
        trigger="state machine",
        holder=holder,
        lease_seconds=_lease_seconds(aws.settings),
        aws=aws,
    )


class _PlannedRun(DiscoveryRun):
    """A run whose scopes other processes scan."""

    def store_parts(self) -> tuple[RunRecord, str]:
        """List the parts for them; when that fails, the run is closed."""
        shared = SharedRun(self._aws, self.run_id)
        try:
            for scope, error in self._plan.refused.items():
                self._refuse(scope, error)
            learned, outstanding = self._history()
            self._looks = Looks(learned, self._aws.settings.command_timeout)
            earlier = {one.run_id for commands in outstanding.values() for one in commands}
            shared.put_parts(
                [
                    RunPart(self.run_id, tuple(scopes), tuple(sorted(earlier)), learned)
                    for scopes in _pieces(
                        [scope for scope in self._plan.scopes if scope not in self._plan.refused],
                        SCOPES_A_PART,
                    )
                ]
            )
            self._store(self._progress())
        except BaseException as error:
            self._end(RunStatus.FAILED, str(error) or type(error).__name__)
            raise
        return self._run, shared.key

    def _refuse(self, scope: Scope, error: AwsError) -> None:
        """Record an account that did not tell its regions: no process needs to try it."""
        record = ScopeRecord(
            self.run_id,
            scope.account_id,
            scope.region,
            ScopeStatus.FAILED,
            error=str(error)[:500],
            error_kind=error.kind,
        )
        self._runs.put_scope(record, newest=not self._run.request.instances)
        self._emit(ScopeFinished(record))


def _pieces(scopes: Sequence[Scope], size: int) -> list[Sequence[Scope]]:
    return [scopes[start : start + size] for start in range(0, len(scopes), size)]


# --- the step of each part ------------------------------------------------------------------------


def scan_part(settings: Settings, part: RunPart, deadline: datetime | None = None) -> RunPart:
    """Scan the scopes of `part`; what is left of it at `deadline`, for the next process.

    A part may be given to another process at any moment: what was stored is not done again, and
    commands in flight are collected, not sent again. Raises LeaseLostError when the run has ended,
    AwsError when the tables fail.
    """
    aws = Aws(settings)
    runs = RunStore(aws)
    run = runs.run(part.run_id)
    if run is None:
        raise LeaseLostError(f"run {part.run_id} does not exist")
    lease = Lease(aws, part.run_id, run.holder, _lease_seconds(settings))
    lease.renew()
    records = {scope: runs.scope(part.run_id, scope) for scope in part.scopes}
    begun = {scope: record for scope, record in records.items() if record}
    left = [scope for scope in part.scopes if scope not in begun or was_cut_short(begun[scope])]
    worker = _Worker(aws, run, left, lease, part, begun)
    cancelled = Flag()
    if run.cancel_requested:
        cancelled.set()
    worker.execute(cancelled=cancelled, deadline=deadline)
    unfinished = () if cancelled.is_set() else tuple(worker.unfinished)
    return replace(part, scopes=unfinished, round=part.round + 1)


class _Worker(DiscoveryRun):
    """The run as one of its processes has it: its own figures, added to the shared record."""

    progress_seconds = 5.0

    def __init__(
        self,
        aws: Aws,
        run: RunRecord,
        scopes: Sequence[Scope],
        lease: Lease,
        part: RunPart,
        begun: Mapping[Scope, ScopeRecord],
    ) -> None:
        own = summed(since(replace(run, answer_seconds=None, first_scanned_seconds=None), run), ())
        super().__init__(aws, own, Plan(tuple(scopes)), lease, Clock())
        self.unfinished: list[Scope] = []
        self._part = part
        self._begun = begun
        self._stored = own
        self._shared = SharedRun(aws, run.run_id)

    def _context(
        self,
        cancelled: Flag,
        taken_over: Flag,
        deadline: datetime | None,
        schedule: Scheduler | None,
    ) -> RunContext:
        context = super()._context(cancelled, taken_over, deadline, schedule)
        return replace(context, begun=self._begun)

    def _history(self) -> tuple[float | None, Mapping[Scope, Sequence[OutstandingCommand]]]:
        """As it was planned, and what this very run has left in flight."""
        return self._part.answer_seconds, self._by_scope(
            command
            for run_id in (self.run_id, *self._part.earlier_runs)
            for scope in self._plan.scopes
            for command in self._runs.outstanding(run_id, scope)
        )

    def _advanced(self, event: Event) -> RunRecord:
        """A scope that goes on in the next process is listed once and done once."""
        match event:
            case ScopeListed(scope=scope) if self._was_listed(scope):
                return self._run
            case ScopeFinished(record=record) if was_cut_short(record):
                self.unfinished.append(Scope(record.account_id, record.region))
                return self._run
            case _:
                return super()._advanced(event)

    def _was_listed(self, scope: Scope) -> bool:
        return scope in self._begun and self._begun[scope].hosts_listed is not None

    def _store(self, progress: RunRecord) -> bool:
        done = since(progress, self._stored)
        if done.answer_seconds == self._part.answer_seconds:
            done = replace(done, answer_seconds=None)  # others may have learned better
        cancelled = self._shared.add(done, self._clock.now())
        self._stored = progress
        return cancelled

    def _end(self, status: RunStatus, error: str | None = None) -> None:  # noqa: ARG002
        """The run goes on; only `finish` closes it."""
        with self._emitting:
            self._run = self._progress()
        self._store(self._run)


# --- the last step --------------------------------------------------------------------------------


def finish(
    settings: Settings, holder: str, run_id: str | None = None, error: str | None = None
) -> RunRecord | None:
    """Sum the scopes up, close the run of `holder` and give the lease back; its record.

    Without `run_id`, the run is the one that `holder` has the lease for; None when it has begun
    none. `error` is what ended the execution early. Doing it again changes nothing. Raises
    AwsError.
    """
    aws = Aws(settings)
    runs = RunStore(aws)
    run_id = run_id or run_held_by(aws, holder)
    run = runs.run(run_id) if run_id else None
    if run is None or run.holder != holder:
        return None
    if run.status is RunStatus.RUNNING:
        shared = SharedRun(aws, run.run_id)
        scopes = runs.scopes(run.run_id)
        scopes += _close_lost_scopes(runs, shared, run, scopes)
        run = with_unreached(summed(run, scopes))
        run = replace(run, changes=shared.change_kinds(), error=error)
        run = replace(run, cut_short=run.cut_short or run.scopes_done < run.scopes_total)
        status = final_status(run, cancelled=run.cancel_requested)
        now = Clock().now()
        run = replace(
            with_usage(run, aws.calls.usage()),
            status=RunStatus.FAILED if error else status,
            finished_at=now,
            heartbeat_at=now,
        )
        runs.close_run(run)
    Lease(aws, run.run_id, holder).release()
    return run


def _close_lost_scopes(
    runs: RunStore, shared: SharedRun, run: RunRecord, known: Sequence[ScopeRecord]
) -> list[ScopeRecord]:
    """Records, stored too, of the planned scopes that no process came to the end of."""
    ended = {Scope(scope.account_id, scope.region) for scope in known}
    try:
        planned = [scope for part in shared.parts() for scope in part.scopes]
    except AwsError as error:
        _log.warning("run %s: its parts: %s", run.run_id, error)
        return []
    lost = [
        ScopeRecord(run.run_id, scope.account_id, scope.region, ScopeStatus.CANCELLED)
        if run.cancel_requested
        else ScopeRecord(
            run.run_id,
            scope.account_id,
            scope.region,
            ScopeStatus.FAILED,
            error="its process ended without a result: see the log of the Lambda function",
            error_kind=FailureKind.INTERNAL,
        )
        for scope in planned
        if scope not in ended
    ]
    for record in lost:
        failed = record.status is ScopeStatus.FAILED
        runs.put_scope(record, newest=failed and not run.request.instances)
    return lost
