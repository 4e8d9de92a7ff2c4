"""How far a run is: its record, advanced by each event. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from discovery.events import BatchSent, Event, HostDone, HostsLeft, ScopeFinished, ScopeListed
from discovery.model import ChangeKind, Coverage, RunRecord, RunStatus, ScopeStatus


def advance(run: RunRecord, event: Event, at: datetime) -> RunRecord:
    """`run` as it stands after `event`, which happened at `at`."""
    match event:
        case ScopeListed(hosts=hosts, targeted=targeted, untargeted=untargeted):
            return replace(
                run,
                hosts_listed=run.hosts_listed + hosts,
                hosts_targeted=run.hosts_targeted + targeted,
                not_scanned=_sum(run.not_scanned, untargeted),
            )
        case BatchSent():
            return replace(run, batches=run.batches + 1)
        case HostDone(failure=None):
            first = run.first_scanned_seconds
            return replace(
                run,
                hosts_scanned=run.hosts_scanned + 1,
                databases=run.databases + event.databases,
                changes=_sum(run.changes, Counter(change.kind for change in event.changes)),
                first_scanned_seconds=(
                    (at - run.started_at).total_seconds() if first is None else first
                ),
            )
        case HostDone():
            return replace(run, hosts_failed=run.hosts_failed + 1)
        case HostsLeft(hosts=hosts):
            return replace(run, not_scanned=_sum(run.not_scanned, {Coverage.NOT_REACHED: hosts}))
        case ScopeFinished(record=scope):
            failed = scope.status is ScopeStatus.FAILED
            return replace(
                run, scopes_done=run.scopes_done + 1, scopes_failed=run.scopes_failed + failed
            )
        case _:
            return run


def _sum(
    so_far: Mapping[str, int], more: Mapping[Coverage, int] | Mapping[ChangeKind, int]
) -> dict[str, int]:
    """Both added up, by plain text: these mappings are stored."""
    return dict(Counter(so_far) + Counter({str(name): count for name, count in more.items()}))


def final_status(run: RunRecord, *, cancelled: bool) -> RunStatus:
    """The status of a run whose scopes are all finished."""
    if cancelled:
        return RunStatus.CANCELLED
    if run.scopes_total and run.scopes_failed == run.scopes_total:
        return RunStatus.FAILED
    if run.scopes_failed or run.hosts_failed or run.cut_short or run.kept:
        return RunStatus.PARTIAL
    return RunStatus.SUCCEEDED
