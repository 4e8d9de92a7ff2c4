"""How far a run is: its record, advanced by each event. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from discovery.events import BatchSent, Event, HostDone, ScopeFinished, ScopeListed
from discovery.model import RunRecord, RunStatus, ScopeStatus


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
    if run.scopes_failed or run.hosts_failed or run.cut_short or run.kept:
        return RunStatus.PARTIAL
    return RunStatus.SUCCEEDED
