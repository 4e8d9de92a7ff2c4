"""A discovery run: accounts x regions, side by side, under one lease, with one record."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event as Flag
from threading import Lock, Thread

from discovery import artefacts
from discovery.aws.accounts import list_account_ids
from discovery.aws.inventory import Inventory
from discovery.aws.lease import Lease
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.aws.store import HostWriter
from discovery.errors import AwsError, FailureKind, LeaseLostError, RequestError
from discovery.events import Event, RunFinished, RunStarted, Watcher
from discovery.model import EVERYTHING, RunRecord, RunRequest, RunStatus, Scope
from discovery.progress import advance, final_status
from discovery.scan import KnownRecords, RunContext, ScopeScan
from discovery.settings import Settings
from discovery.spool import Spool

_log = logging.getLogger(__name__)
_INSTANCE = re.compile(r"(i|mi)-[0-9a-f]{6,32}")
_PROGRESS_SECONDS = 1.0


def run_discovery(
    settings: Settings,
    request: RunRequest = EVERYTHING,
    *,
    trigger: str,
    watcher: Watcher | None = None,
    cancelled: Flag | None = None,
) -> RunRecord:
    """Discover what `request` names and return the finished run's record.

    `trigger` says who started it ("cli", "dashboard", "lambda"). Setting `cancelled` ends the run
    early. Raises RequestError, ConfigurationError, RunInProgressError, LeaseLostError, and AwsError
    when the product's own account cannot be used; a failing account is in the record instead.
    """
    return DiscoveryRun.begin(settings, request, trigger=trigger).execute(watcher, cancelled)


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


class DiscoveryRun:
    """A run that holds the lease: made by `begin`, done by `execute`."""

    def __init__(self, aws: Aws, run: RunRecord, scopes: Sequence[Scope], lease: Lease) -> None:
        self._aws = aws
        self._run = run
        self._scopes = scopes
        self._lease = lease
        self._runs = RunStore(aws)
        self._emitting = Lock()
        self._watcher: Watcher | None = None

    @property
    def run_id(self) -> str:
        """The run's id; ids sort by time."""
        return self._run.run_id

    @classmethod
    def begin(cls, settings: Settings, request: RunRequest, *, trigger: str) -> DiscoveryRun:
        """Check the request, take the lease and store the run's record. Raises as run_discovery."""
        artefacts.document_hash(settings)  # what is not configured fails here, before any call
        aws = Aws(settings)
        scopes = plan_scopes(list_account_ids(aws), settings.scan_regions, request)
        now = datetime.now(UTC)
        run = RunRecord(
            run_id=f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{secrets.token_hex(3)}",
            status=RunStatus.RUNNING,
            started_at=now,
            heartbeat_at=now,
            holder=f"{socket.gethostname()}:{os.getpid()}",
            trigger=trigger,
            request=request,
            scopes_total=len(scopes),
        )
        lease = Lease(aws, run.run_id, run.holder)
        lapsed = lease.acquire()
        runs = RunStore(aws)
        if lapsed:
            runs.abandon(lapsed, now)
        runs.create_run(run)
        return cls(aws, run, scopes, lease)

    def execute(self, watcher: Watcher | None = None, cancelled: Flag | None = None) -> RunRecord:
        """Scan every scope; the finished record, which is also stored.

        Raises LeaseLostError when another run took over, AwsError when the tables fail.
        """
        cancelled = cancelled or Flag()
        self._watcher = watcher
        self._emit(RunStarted(self._run))
        inventory = Inventory(self._aws)
        context = RunContext(
            run_id=self.run_id,
            request=self._run.request,
            aws=self._aws,
            inventory=inventory,
            runs=self._runs,
            known=KnownRecords(inventory),
            writer=HostWriter(self._aws),
            spool=Spool(self._aws),
            emit=self._emit,
            cancelled=cancelled,
        )
        try:
            with self._heartbeat(cancelled):
                self._scan_all(context)
        except BaseException as error:
            self._close(RunStatus.FAILED, str(error) or type(error).__name__)
            raise
        self._close(final_status(self._run, cancelled=cancelled.is_set()))
        self._emit(RunFinished(self._run))
        return self._run

    def _scan_all(self, context: RunContext) -> None:
        workers = max(1, min(self._aws.settings.scope_workers, len(self._scopes)))
        with ThreadPoolExecutor(workers, thread_name_prefix="scope") as pool:
            for _ in pool.map(lambda scope: self._scan_one(context, scope), self._scopes):
                pass

    def _scan_one(self, context: RunContext, scope: Scope) -> None:
        scan = ScopeScan(context, scope)
        try:
            scan.run()
        except AwsError:
            context.cancelled.set()  # the tables cannot be written: stop the other scopes too
            raise
        except Exception as error:  # a defect met in one scope must not cost the others theirs
            _log.exception("scope %s failed", scope)
            scan.fail(FailureKind.INTERNAL, f"{type(error).__name__}: {error}")

    def _emit(self, event: Event) -> None:
        with self._emitting:
            self._run = advance(self._run, event)
            if self._watcher:
                self._watcher(event)

    def _close(self, status: RunStatus, error: str | None = None) -> None:
        """Store the end of the run and give the lease back, in this order: a reader that sees no
        lease must not see a running run."""
        now = datetime.now(UTC)
        with self._emitting:
            self._run = replace(
                self._progress(), status=status, finished_at=now, heartbeat_at=now, error=error
            )
        self._runs.save_progress(self._run)
        self._lease.release()

    def _progress(self) -> RunRecord:
        return replace(self._run, api_calls=self._aws.calls.snapshot())

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
            while not done.wait(min(_PROGRESS_SECONDS, seconds)):
                try:
                    if time.monotonic() >= renew_at:
                        self._lease.renew()
                        renew_at = time.monotonic() + seconds
                    with self._emitting:
                        progress = replace(self._progress(), heartbeat_at=datetime.now(UTC))
                    if self._runs.save_progress(progress):
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
