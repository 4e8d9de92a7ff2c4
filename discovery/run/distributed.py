"""A run that outgrows one process: one plans it, many scan a batch of its scopes each, one finishes
it.

`deploy/discovery.asl.json` calls these three, through the Lambda function. The scan is the one that
a single process does, and the run looks the same to whoever watches or cancels it.
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
from discovery.aws.store_clock import StoreClock
from discovery.errors import AwsError, FailureKind, LeaseLostError, RunInProgressError
from discovery.model import (
    RunRecord,
    RunRequest,
    RunStatus,
    Scope,
    ScopeBatch,
    ScopeRecord,
    ScopeStatus,
)
from discovery.run.events import Event, RunFinished, ScopeFinished, ScopeListed
from discovery.run.execution import Execution
from discovery.run.history import History, young_by_scope
from discovery.run.plan import Plan
from discovery.run.progress import (
    advance,
    final_status,
    since,
    summed,
    was_cut_short,
    with_unreached,
    with_usage,
)
from discovery.run.runner import DiscoveryRun, OwnRecord
from discovery.run.tracker import RunTracker
from discovery.run.writer import CircuitBreakingWriter
from discovery.settings import Settings

_log = logging.getLogger(__name__)

LEASE_SECONDS = 300
"""How long the lease outlives the last sign of a worker: from one to the next, minutes may pass."""

SCOPES_A_BATCH = 5
"""Most scopes of an organisation are empty, and not worth a process each. They come account by
account, so that a batch reads an account's inventory once for several regions."""


# --- the first step -------------------------------------------------------------------------------


def plan_distributed_run(
    settings: Settings, request: RunRequest, holder: str
) -> tuple[RunRecord, str]:
    """Begin a run for `holder`, an execution: its record, and the S3 key of the list of batches.

    Raises as `start_run`, and ConfigurationError when there is no output bucket.
    """
    aws = Aws(settings)
    output_bucket(aws)
    try:
        run = _begin(aws, request, holder)
    except RunInProgressError as error:
        if error.holder != holder:
            raise
        # This execution's own try, whose answer was lost on the way: the new run closes it.
        Lease(aws, error.run_id, holder).release()
        run = _begin(aws, request, holder)
    return _store_batches(run)


def _lease_seconds(settings: Settings) -> int:
    return max(LEASE_SECONDS, settings.lease_seconds)


def _begin(aws: Aws, request: RunRequest, holder: str) -> DiscoveryRun:
    return DiscoveryRun.begin(
        aws.settings,
        request,
        trigger="state machine",
        holder=holder,
        lease_seconds=_lease_seconds(aws.settings),
        aws=aws,
    )


def _store_batches(run: DiscoveryRun) -> tuple[RunRecord, str]:
    """List the batches of `run` for the workers; when that fails, the run is closed."""
    runs = RunStore(run.aws)
    shared = SharedRun(run.aws, run.run_id)
    tracker = RunTracker(run.record, run.aws.calls, run.clock)
    try:
        for scope, error in run.plan.refused.items():
            record = _refused_scope(run.record, scope, error)
            runs.put_scope(record, newest=not run.record.request.instances)
            tracker.emit(ScopeFinished(record))
        history = run.read_history()
        shared.put_batches(_batches(run, history))
        runs.save_progress(tracker.progress(history.answer_seconds))
    except BaseException as error:
        _close_failed(run, tracker, str(error) or type(error).__name__)
        raise
    return tracker.run, shared.key


def _batches(run: DiscoveryRun, history: History) -> list[ScopeBatch]:
    scopes = [scope for scope in run.plan.scopes if scope not in run.plan.refused]
    earlier_runs = {
        command.run_id for commands in history.outstanding.values() for command in commands
    }
    return [
        ScopeBatch(
            run.run_id,
            tuple(scopes[start : start + SCOPES_A_BATCH]),
            tuple(sorted(earlier_runs)),
            history.answer_seconds,
        )
        for start in range(0, len(scopes), SCOPES_A_BATCH)
    ]


def _refused_scope(run: RunRecord, scope: Scope, error: AwsError) -> ScopeRecord:
    """An account that did not tell its regions: no process needs to try it."""
    return ScopeRecord(
        run.run_id,
        scope.account_id,
        scope.region,
        ScopeStatus.FAILED,
        error=str(error)[:500],
        error_kind=error.kind,
        run_order=run.run_order,
    )


def _close_failed(run: DiscoveryRun, tracker: RunTracker, error: str) -> None:
    """Close a run that could not be planned and give its lease back, as far as AWS takes it."""
    record = tracker.progress(None)
    record = replace(record, status=RunStatus.FAILED, finished_at=record.heartbeat_at, error=error)
    writer = CircuitBreakingWriter.to_tables(run.aws, run.clock)
    record = OwnRecord(RunStore(run.aws), run.lease).close(record, writer)
    tracker.emit(RunFinished(record))


# --- the step of each batch -----------------------------------------------------------------------


def scan_batch(
    settings: Settings, batch: ScopeBatch, deadline: datetime | None = None
) -> ScopeBatch:
    """Scan the scopes of `batch`; what is left of it at `deadline`, for the next process.

    A batch may be given to another process at any moment: what was stored is not done again, and
    commands in flight are collected, not sent again. Raises LeaseLostError when the run has ended,
    AwsError when the tables fail.
    """
    aws = Aws(settings)
    runs = RunStore(aws)
    run = runs.run(batch.run_id)
    if run is None:
        raise LeaseLostError(f"run {batch.run_id} does not exist")
    clock = StoreClock()
    lease = Lease(aws, batch.run_id, run.holder, _lease_seconds(settings), clock=clock)
    lease.renew()
    records = {scope: runs.scope(batch.run_id, scope) for scope in batch.scopes}
    attempts = {scope: record for scope, record in records.items() if record}
    left = [
        scope for scope in batch.scopes if scope not in attempts or was_cut_short(attempts[scope])
    ]
    cancelled = Flag()
    if run.cancel_requested:
        cancelled.set()
    own_share = _without_figures(run)
    keeper = SharedRecord(SharedRun(aws, run.run_id), own_share, batch, attempts, clock)
    execution = Execution(
        aws,
        clock,
        own_share,
        Plan(tuple(left)),
        lease,
        keeper,
        lambda: _batch_history(runs, batch, left, clock.now()),
        earlier_attempts=attempts,
    )
    execution.execute(None, cancelled, deadline)
    unfinished = () if cancelled.is_set() else tuple(keeper.unfinished)
    return replace(batch, scopes=unfinished, round=batch.round + 1)


def _without_figures(run: RunRecord) -> RunRecord:
    """`run` with no figure counted: what one process adds to it."""
    nothing = since(run, run)
    return summed(replace(nothing, answer_seconds=None, first_scanned_seconds=None), ())


def _batch_history(
    runs: RunStore, batch: ScopeBatch, scopes: Sequence[Scope], now: datetime
) -> History:
    """As it was planned, and what this very run has left in flight."""
    commands = (
        command
        for run_id in (batch.run_id, *batch.earlier_runs)
        for scope in scopes
        for command in runs.outstanding(run_id, scope)
    )
    return History(batch.answer_seconds, young_by_scope(commands, now))


class SharedRecord:
    """The record of a run that several processes work on: each adds its own figures.

    `unfinished` are the scopes that go on in the next process.
    """

    progress_seconds = 5.0

    def __init__(
        self,
        shared: SharedRun,
        own_share: RunRecord,
        batch: ScopeBatch,
        attempts: Mapping[Scope, ScopeRecord],
        clock: StoreClock,
    ) -> None:
        self._shared = shared
        self._stored = own_share
        self._batch = batch
        self._attempts = attempts
        self._clock = clock
        self.unfinished: list[Scope] = []

    def advance(self, run: RunRecord, event: Event, at: datetime) -> RunRecord:
        """A scope that goes on in the next process is listed once and done once."""
        match event:
            case ScopeListed(scope=scope) if self._was_listed(scope):
                return run
            case ScopeFinished(record=record) if was_cut_short(record):
                self.unfinished.append(Scope(record.account_id, record.region))
                return run
            case _:
                return advance(run, event, at)

    def _was_listed(self, scope: Scope) -> bool:
        attempt = self._attempts.get(scope)
        return attempt is not None and attempt.hosts_listed is not None

    def save(self, progress: RunRecord) -> bool:
        """Add what this process has done since the last time; whether the run's cancellation was
        asked for."""
        done = since(progress, self._stored)
        if done.answer_seconds == self._batch.answer_seconds:
            done = replace(done, answer_seconds=None)  # others may have learned better
        cancelled = self._shared.add(done, self._clock.now())
        self._stored = progress
        return cancelled

    def close(self, run: RunRecord, writer: CircuitBreakingWriter) -> None:  # noqa: ARG002
        """Add the last figures. The run goes on: only `finish_distributed_run` closes it."""
        self.save(run)


# --- the last step --------------------------------------------------------------------------------


def finish_distributed_run(
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
        run = _summed_up(aws, runs, run, error)
        runs.close_run(run)
    Lease(aws, run.run_id, holder).release()
    return run


def _summed_up(aws: Aws, runs: RunStore, run: RunRecord, error: str | None) -> RunRecord:
    """`run` as it ended: the sum of its scopes, those included that no process finished."""
    shared = SharedRun(aws, run.run_id)
    scopes = runs.scopes(run.run_id)
    scopes += _close_lost_scopes(runs, shared, run, scopes)
    run = with_unreached(summed(run, scopes))
    run = replace(run, changes=shared.change_kinds(), error=error)
    run = replace(run, cut_short=run.cut_short or run.scopes_done < run.scopes_total)
    status = final_status(run, cancelled=run.cancel_requested)
    clock = StoreClock()
    clock.ask(aws)
    now = clock.now()
    return replace(
        with_usage(run, aws.calls.usage()),
        status=RunStatus.FAILED if error else status,
        finished_at=now,
        heartbeat_at=now,
    )


def _close_lost_scopes(
    runs: RunStore, shared: SharedRun, run: RunRecord, known: Sequence[ScopeRecord]
) -> list[ScopeRecord]:
    """Records, stored too, of the planned scopes that no process came to the end of."""
    ended = {Scope(scope.account_id, scope.region) for scope in known}
    try:
        planned = [scope for batch in shared.batches() for scope in batch.scopes]
    except AwsError as error:
        _log.warning("run %s: its batches: %s", run.run_id, error)
        return []
    lost = [_lost_scope(run, scope) for scope in planned if scope not in ended]
    for record in lost:
        failed = record.status is ScopeStatus.FAILED
        runs.put_scope(record, newest=failed and not run.request.instances)
    return lost


def _lost_scope(run: RunRecord, scope: Scope) -> ScopeRecord:
    record = ScopeRecord(
        run.run_id,
        scope.account_id,
        scope.region,
        ScopeStatus.CANCELLED,
        run_order=run.run_order,
    )
    if run.cancel_requested:
        return record
    return replace(
        record,
        status=ScopeStatus.FAILED,
        error="its process ended without a result: see the log of the Lambda function",
        error_kind=FailureKind.INTERNAL,
    )
