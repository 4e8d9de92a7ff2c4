"""How far a run is: its record, advanced by each event. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from discovery.events import BatchSent, Event, HostDone, ScopeFinished, ScopeListed
from discovery.model import RunRecord, RunStatus, ScopeRecord, ScopeStatus

COUNTS = (
    "scopes_done",
    "scopes_failed",
    "hosts_listed",
    "hosts_targeted",
    "hosts_scanned",
    "hosts_failed",
    "databases",
    "batches",
)
"""The figures of a run that only grow, as its record names them."""


def advance(run: RunRecord, event: Event) -> RunRecord:
    """`run` as it stands after `event`."""
    match event:
        case ScopeListed(hosts=hosts, targeted=targeted):
            return replace(
                run,
                hosts_listed=run.hosts_listed + hosts,
                hosts_targeted=run.hosts_targeted + targeted,
            )
        case BatchSent():
            return replace(run, batches=run.batches + 1)
        case HostDone(failure=None):
            kinds = Counter(run.changes) + Counter(change.kind.value for change in event.changes)
            return replace(
                run,
                hosts_scanned=run.hosts_scanned + 1,
                databases=run.databases + event.databases,
                changes=dict(kinds),
            )
        case HostDone():
            return replace(run, hosts_failed=run.hosts_failed + 1)
        case ScopeFinished(record=scope):
            failed = scope.status is ScopeStatus.FAILED
            return replace(
                run, scopes_done=run.scopes_done + 1, scopes_failed=run.scopes_failed + failed
            )
        case _:
            return run


def final_status(run: RunRecord, *, cancelled: bool) -> RunStatus:
    """The status of a run whose scopes are all finished."""
    if cancelled:
        return RunStatus.CANCELLED
    if run.scopes_total and run.scopes_failed == run.scopes_total:
        return RunStatus.FAILED
    if run.scopes_failed or run.hosts_failed or run.cut_short:
        return RunStatus.PARTIAL
    return RunStatus.SUCCEEDED


def was_cut_short(scope: ScopeRecord) -> bool:
    """Whether hosts of a scope that has ended are without a result, though nothing failed."""
    is_done = scope.hosts_scanned + scope.hosts_failed >= scope.hosts_targeted
    return not scope.error and (scope.status is ScopeStatus.CANCELLED or not is_done)


def summed(run: RunRecord, scopes: Sequence[ScopeRecord]) -> RunRecord:
    """`run` with the figures that its scopes, each scanned on its own, add up to."""
    return replace(
        run,
        scopes_done=len(scopes),
        scopes_failed=sum(scope.status is ScopeStatus.FAILED for scope in scopes),
        hosts_listed=sum(scope.hosts_listed or 0 for scope in scopes),
        hosts_targeted=sum(scope.hosts_targeted for scope in scopes),
        hosts_scanned=sum(scope.hosts_scanned for scope in scopes),
        hosts_failed=sum(scope.hosts_failed for scope in scopes),
        databases=sum(scope.databases for scope in scopes),
        batches=sum(scope.commands for scope in scopes),
        cut_short=any(map(was_cut_short, scopes)),
    )


def since(run: RunRecord, earlier: RunRecord) -> RunRecord:
    """`run` with what its figures have grown by since `earlier`."""
    return replace(
        run,
        changes=dict(Counter(run.changes) - Counter(earlier.changes)),
        api_calls=dict(Counter(run.api_calls) - Counter(earlier.api_calls)),
        **{name: getattr(run, name) - getattr(earlier, name) for name in COUNTS},
    )
