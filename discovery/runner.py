"""A discovery run: accounts x regions, side by side, under one lease, with one record."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event as Flag
from threading import Lock, Thread
from typing import Self

from discovery import artefacts
from discovery.aws.accounts import list_account_ids
from discovery.aws.inventory import Inventory
from discovery.aws.lease import Lease
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.aws.store import HostWriter
from discovery.context import KnownRecords, RunContext
from discovery.errors import AwsError, LeaseLostError, NotFoundError, RequestError
from discovery.events import Event, RunFinished, RunStarted, Watcher
from discovery.model import (
    EVERYTHING,
    OutstandingCommand,
    RunRecord,
    RunRequest,
    RunStatus,
    Scope,
    ScopeStatus,
)
from discovery.pacing import Looks
from discovery.progress import advance, final_status
from discovery.scan import ScopeScan
from discovery.schedule import Clock, Schedule
from discovery.settings import Settings
from discovery.spool import Spool

_log = logging.getLogger(__name__)
_INSTANCE = re.compile(r"(i|mi)-[0-9a-f]{6,32}")
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


def plan_scopes(
    accounts: Sequence[str], regions: Sequence[str], request: RunRequest
) -> tuple[Scope, ...]:
    """The scopes of `request` among the configured accounts and regions.

    Raises RequestError naming an account, region or instance that is malformed or not configured.
    """
    for account in request.accounts:
        if account not in accounts:
            raise RequestError(f"account {account!r} is not configured", hint="See SPOKE_ACCOUNTS.")
    for region in request.regions:
        if region not in regions:
            raise RequestError(
                f"region {region!r} is not configured", hint="See DISCOVERY_REGIONS."
            )
    for instance in request.instances:
        if not _INSTANCE.fullmatch(instance):
            raise RequestError(f"instance {instance!r} is not an instance id (i-… or mi-…)")
    return tuple(
        Scope(account, region)
        for account in request.accounts or accounts
        for region in request.regions or regions
    )


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
        scopes: Sequence[Scope],
        lease: Lease,
        clock: Clock,
        resumes: str | None = None,
    ) -> None:
        self._aws = aws
        self._run = run
        self._scopes = scopes
        self._lease = lease
        self._clock = clock
        self._resumes = resumes
        self._looks = Looks(None, aws.settings.command_timeout)
        self._runs = RunStore(aws)
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
        planned = plan_scopes(list_account_ids(aws), settings.scan_regions, request)
        scopes = [scope for scope in planned if scope not in done]
        now = clock.now()
        run = RunRecord(
            run_id=f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{secrets.token_hex(3)}",
            status=RunStatus.RUNNING,
            started_at=now,
            heartbeat_at=now,
            holder=holder or f"{socket.gethostname()}:{os.getpid()}",
            trigger=trigger,
            request=request,
            scopes_total=len(scopes),
        )
        lease = Lease(aws, run.run_id, run.holder, lease_seconds)
        lapsed = lease.acquire()
        try:
            if lapsed:
                runs.abandon(lapsed, now)
            runs.create_run(run)
        except AwsError:
            lease.release()  # no run that could be watched or cancelled may block the next one
            raise
        return cls(aws, run, scopes, lease, clock, resume)

    def execute(
        self,
        watcher: Watcher | None = None,
        cancelled: Flag | None = None,
        deadline: datetime | None = None,
        schedule: Schedule | None = None,
    ) -> RunRecord:
        """Scan every scope; the finished record, which is also stored.

        Raises LeaseLostError when another run took over, AwsError when the tables fail.
        """
        cancelled = cancelled or Flag()
        self._watcher = watcher
        try:
            self._emit(RunStarted(self._run))
            context = self._context(cancelled, deadline, schedule)
            with self._heartbeat(cancelled):
                self._scan_all(context)
        except BaseException as error:
            self._close(RunStatus.FAILED, str(error) or type(error).__name__)
            raise
        self._run = replace(self._run, cut_short=context.cut_short.is_set())
        self._close(final_status(self._run, cancelled=cancelled.is_set()))
        self._emit(RunFinished(self._run))
        return self._run

    def _context(
        self, cancelled: Flag, deadline: datetime | None, schedule: Schedule | None
    ) -> RunContext:
        """What the scopes share: with what earlier runs have learned and left in flight."""
        inventory = Inventory(self._aws)
        learned, outstanding = self._history()
        self._looks = Looks(learned, self._aws.settings.command_timeout)
        workers = max(1, min(self._aws.settings.scope_workers, len(self._scopes)))
        return RunContext(
            run_id=self.run_id,
            request=self._run.request,
            aws=self._aws,
            inventory=inventory,
            runs=self._runs,
            known=KnownRecords(inventory),
            writer=HostWriter(self._aws, sleep=self._clock.sleep),
            spool=Spool(self._aws),
            emit=self._emit,
            cancelled=cancelled,
            cut_short=Flag(),
            schedule=schedule or Schedule(self._clock, workers, cancelled),
            looks=self._looks,
            outstanding=outstanding,
            deadline=self._until(deadline),
            resumes=self._resumes,
        )

    def _scan_all(self, context: RunContext) -> None:
        for scope in self._scopes:
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
        with self._emitting:
            self._run = self._advanced(event)
            if self._watcher:
                self._watcher(event)

    def _advanced(self, event: Event) -> RunRecord:
        return advance(self._run, event)

    def _store(self, progress: RunRecord) -> bool:
        """Store how far the run is; whether its cancellation was asked for."""
        return self._runs.save_progress(progress)

    def _close(self, status: RunStatus, error: str | None = None) -> None:
        """Store the end of the run and give the lease back, in this order: a reader that sees no
        lease must not see a running run."""
        now = self._clock.now()
        with self._emitting:
            self._run = replace(
                self._progress(), status=status, finished_at=now, heartbeat_at=now, error=error
            )
        self._runs.save_progress(self._run)
        self._lease.release()

    def _progress(self) -> RunRecord:
        return replace(
            self._run,
            api_calls=self._aws.calls.snapshot(),
            answer_seconds=self._looks.learned,
        )

    # --- staying alive ---

    @contextmanager
    def _heartbeat(self, cancelled: Flag) -> Iterator[None]:
        """Renew the lease, store progress and hear of cancellation while the body runs.

        Raises LeaseLostError after the body when the lease was lost.
        """
        done = Flag()
        lost: list[LeaseLostError] = []

        def beat() -> None:
            seconds = self._aws.settings.lease_seconds / 3
            renew_at = time.monotonic() + seconds
            while not done.wait(min(self.progress_seconds, seconds)):
                try:
                    if time.monotonic() >= renew_at:
                        self._lease.renew()
                        renew_at = time.monotonic() + seconds
                    with self._emitting:
                        progress = replace(self._progress(), heartbeat_at=self._clock.now())
                    if self._store(progress):
                        cancelled.set()
                except LeaseLostError as error:
                    lost.append(error)
                    cancelled.set()
                    return
                except AwsError as error:
                    _log.warning("run %s: heartbeat: %s", self.run_id, error)

        thread = Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        if lost:
            raise lost[0]
