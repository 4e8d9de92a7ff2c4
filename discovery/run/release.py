"""Release: what is known of scopes that runs left is gone, because somebody said so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.aws.watched import forget_unwatched, unwatched_scopes
from discovery.errors import RequestError
from discovery.model import (
    Coverage,
    GoneReason,
    Host,
    HostGone,
    HostRecord,
    RunRecord,
    RunRequest,
    RunStatus,
    Scope,
)
from discovery.run.plan import Plan
from discovery.run.runner import DiscoveryRun
from discovery.run.writes import HostObservation, WriteApplier
from discovery.settings import Settings

_HOSTS_AT_ONCE = 25


def release_scopes(
    settings: Settings, scopes: Collection[Scope], *, trigger: str, aws: Aws | None = None
) -> RunRecord:
    """Make the databases of `scopes` gone, with reason *released*; a run on record, with changes.

    What was released before an interruption stays so, and the same command does the rest.
    Raises RequestError for a scope that runs still scan, RunInProgressError, LeaseLostError and
    AwsError.
    """
    aws = aws or Aws(settings)
    _check(scopes, unwatched_scopes(aws))
    request = RunRequest(
        tuple(sorted({scope.account_id for scope in scopes})),
        tuple(sorted({scope.region for scope in scopes})),
    )
    run = DiscoveryRun.begin(settings, request, trigger=trigger, aws=aws, plan=Plan(()))
    changes: Counter[str] = Counter()
    try:
        for scope in sorted(scopes):
            for found in _release(run, scope):
                changes += found
            forget_unwatched(aws, scope)
    except BaseException as failure:
        _close(run, RunStatus.FAILED, changes, str(failure) or type(failure).__name__)
        raise
    return _close(run, RunStatus.SUCCEEDED, changes)


def _close(
    run: DiscoveryRun, status: RunStatus, changes: Counter[str], error: str | None = None
) -> RunRecord:
    now = run.clock.now()
    record = replace(run.record, status=status, changes=dict(changes), error=error, finished_at=now)
    RunStore(run.aws).close_run(record)
    run.lease.release()
    return record


def _check(scopes: Iterable[Scope], unwatched: Collection[Scope]) -> None:
    for scope in sorted(scopes):
        if scope not in unwatched:
            raise RequestError(
                f"{scope.account_id} {scope.region} is not unwatched: nothing is released",
                hint="Take it out of the settings, and scan: what runs still scan is not released.",
            )


def _release(run: DiscoveryRun, scope: Scope) -> Iterator[Counter[str]]:
    """Write the end of every host of `scope`; the changes of each write, by kind."""
    applier = WriteApplier(run.aws)
    hosts = list(RunStore(run.aws).scope_hosts(scope).values())
    for start in range(0, len(hosts), _HOSTS_AT_ONCE):
        some = hosts[start : start + _HOSTS_AT_ONCE]
        run.lease.renew()
        written = applier.apply_observations([_end(run, host) for host in some])
        yield Counter(change.kind.value for changes in written for change in changes.changes)


def _end(run: DiscoveryRun, known: HostRecord) -> HostObservation:
    now = run.clock.now()
    coverage = replace(
        known,
        coverage=Coverage.RELEASED,
        run_id=run.run_id,
        run_order=run.record.run_order,
        checked_at=now,
        databases=0,
    )
    host = Host(known.account_id, known.region, known.instance_id, Coverage.RELEASED)
    return HostObservation(host, HostGone(GoneReason.RELEASED), now, coverage)
