"""How far a run is: its record, advanced by each event. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from discovery.model import (
    RUN_COSTS,
    RUN_COUNTS,
    RUN_COUNTS_BY_KIND,
    Change,
    ChangeKind,
    Coverage,
    RunRecord,
    RunStatus,
    ScopeRecord,
    ScopeStatus,
    Usage,
)
from discovery.run.events import (
    BatchSent,
    Event,
    HostCollected,
    HostDone,
    HostEnded,
    HostsUnreached,
    ScopeFinished,
    ScopeListed,
)


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
        case HostCollected(is_done=True, databases=databases):
            return replace(
                run,
                hosts_collected=run.hosts_collected + 1,
                databases=run.databases + databases,
            )
        case HostDone(superseded=True):
            return replace(run, hosts_superseded=run.hosts_superseded + 1)
        case HostDone(failure=None):
            first = run.first_scanned_seconds
            return replace(
                run,
                hosts_scanned=run.hosts_scanned + 1,
                databases=run.databases + event.databases,
                changes=_sum(run.changes, _count_kinds(event.changes)),
                first_scanned_seconds=(
                    (at - run.started_at).total_seconds() if first is None else first
                ),
            )
        case HostDone():
            return replace(run, hosts_failed=run.hosts_failed + 1)
        case HostEnded(changes=changes):
            return replace(run, changes=_sum(run.changes, _count_kinds(changes)))
        case HostsUnreached(hosts=hosts):
            return replace(run, not_scanned=_sum(run.not_scanned, {Coverage.NOT_REACHED: hosts}))
        case ScopeFinished(record=scope):
            failed = scope.status is ScopeStatus.FAILED
            return replace(
                run, scopes_done=run.scopes_done + 1, scopes_failed=run.scopes_failed + failed
            )
        case _:
            return run


def _count_kinds(changes: Iterable[Change]) -> Counter[ChangeKind]:
    return Counter(change.kind for change in changes)


def _sum(
    so_far: Mapping[str, int], more: Mapping[Coverage, int] | Mapping[ChangeKind, int]
) -> dict[str, int]:
    """Both added up, by plain text: these mappings are stored."""
    return dict(Counter(so_far) + Counter({str(name): count for name, count in more.items()}))


def final_status(run: RunRecord, *, cancelled: bool, resumed: bool = False) -> RunStatus:
    """The status of a run whose scopes are all finished.

    One that succeeded has seen every host itself. One that was `resumed` goes on where the first
    run stopped: what that one's commands were answered is its own.
    """
    if cancelled:
        return RunStatus.CANCELLED
    if run.scopes_total and run.scopes_failed == run.scopes_total:
        return RunStatus.FAILED
    if run.scopes_failed or run.hosts_failed or run.cut_short or run.kept:
        return RunStatus.PARTIAL
    if run.hosts_superseded or (run.hosts_collected and not resumed):
        return RunStatus.PARTIAL
    return RunStatus.SUCCEEDED


def was_cut_short(scope: ScopeRecord) -> bool:
    """Whether hosts of a scope that has ended are without a result, though nothing failed."""
    is_done = scope.hosts_done >= scope.hosts_targeted
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
        hosts_collected=sum(scope.hosts_collected for scope in scopes),
        hosts_superseded=sum(scope.hosts_superseded for scope in scopes),
        hosts_failed=sum(scope.hosts_failed for scope in scopes),
        databases=sum(scope.databases for scope in scopes),
        batches=sum(scope.commands for scope in scopes),
        cut_short=any(map(was_cut_short, scopes)),
    )


def with_usage(run: RunRecord, usage: Usage) -> RunRecord:
    """`run` with what one more process has asked of AWS."""
    return replace(
        run,
        api_calls=dict(Counter(run.api_calls) + Counter(usage.calls)),
        throttled_calls=dict(Counter(run.throttled_calls or {}) + Counter(usage.throttled)),
        retries=(run.retries or 0) + usage.retries,
        read_units=(run.read_units or 0) + usage.read_units,
        write_units=(run.write_units or 0) + usage.write_units,
    )


def with_unreached(run: RunRecord) -> RunRecord:
    """`run`, all of whose scopes have ended, with the hosts that it did not get to."""
    left = run.hosts_targeted - run.hosts_done
    others = {kind: n for kind, n in run.not_scanned.items() if kind != Coverage.NOT_REACHED}
    return replace(
        run, not_scanned=_sum(others, {Coverage.NOT_REACHED: left}) if left > 0 else others
    )


def since(run: RunRecord, earlier: RunRecord) -> RunRecord:
    """`run` with what its figures have grown by since `earlier`."""
    grown: dict[str, Any] = {
        name: (getattr(run, name) or 0) - (getattr(earlier, name) or 0)
        for name in (*RUN_COUNTS, *RUN_COSTS)
    }
    for name in RUN_COUNTS_BY_KIND:
        grown[name] = _less(getattr(run, name), getattr(earlier, name))
    return replace(run, **grown)


def _less(counts: Mapping[str, int] | None, earlier: Mapping[str, int] | None) -> dict[str, int]:
    return dict(Counter(counts or {}) - Counter(earlier or {}))
