"""A run's record is the fold of its events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from discovery.errors import FailureKind
from discovery.model import (
    Change,
    ChangeKind,
    Coverage,
    Failure,
    Host,
    RunRecord,
    RunStatus,
    Scope,
    ScopeRecord,
    ScopeStatus,
)
from discovery.run.events import (
    BatchSent,
    Event,
    HostDone,
    HostsUnreached,
    ScopeFinished,
    ScopeListed,
)
from discovery.run.progress import advance, final_status

NOW = datetime(2026, 2, 4, tzinfo=UTC)
SCOPE = Scope("111111111111", "eu-west-1")
HOST = Host(SCOPE.account_id, SCOPE.region, "i-1", Coverage.PENDING)
RUN = RunRecord("r", RunStatus.RUNNING, NOW, NOW, "host:1", "test", scopes_total=2)


def fold(*events: Event) -> RunRecord:
    """RUN after all of `events`."""
    run = RUN
    for event in events:
        run = advance(run, event, NOW + timedelta(seconds=7))
    return run


def scope_record(status: ScopeStatus) -> ScopeRecord:
    """A finished scope."""
    return ScopeRecord("r", SCOPE.account_id, SCOPE.region, status)


def test_each_event_is_counted_once() -> None:
    """Listed, sent, scanned, failed, changed: each figure is the sum of its events."""
    change = Change(
        "r", NOW, ChangeKind.APPEARED, SCOPE.account_id, SCOPE.region, "i-1", "mysql-3306", "mysql"
    )
    run = fold(
        ScopeListed(SCOPE, hosts=5, targeted=4, untargeted={Coverage.STOPPED: 1}),
        ScopeListed(SCOPE, hosts=2, targeted=0, untargeted={Coverage.STOPPED: 2}),
        BatchSent(SCOPE, "c", 2),
        HostDone(HOST, databases=2, changes=(change, change)),
        HostDone(HOST, 0, (), Failure(FailureKind.TIMED_OUT, "")),
        HostsUnreached(SCOPE, 2),
        ScopeFinished(scope_record(ScopeStatus.PARTIAL)),
        ScopeFinished(scope_record(ScopeStatus.FAILED)),
    )
    assert (run.hosts_listed, run.hosts_targeted, run.batches) == (7, 4, 1)
    assert run.not_scanned == {"stopped": 3, "not_reached": 2}
    assert run.first_scanned_seconds == 7.0
    assert (run.hosts_scanned, run.hosts_failed, run.hosts_done) == (1, 1, 2)
    assert (run.databases, run.changes) == (2, {"appeared": 2})
    assert (run.scopes_done, run.scopes_failed) == (2, 1)


def test_the_final_status_is_the_worst_that_is_true() -> None:
    """Cancelled beats all; all scopes failed is failed; any failure is partial."""
    failed = ScopeFinished(scope_record(ScopeStatus.FAILED))
    done = ScopeFinished(scope_record(ScopeStatus.SUCCEEDED))
    host_failed = HostDone(HOST, 0, (), Failure(FailureKind.TIMED_OUT, ""))
    assert final_status(fold(done, done), cancelled=False) is RunStatus.SUCCEEDED
    assert final_status(fold(done, failed), cancelled=False) is RunStatus.PARTIAL
    assert final_status(fold(host_failed, done, done), cancelled=False) is RunStatus.PARTIAL
    assert final_status(fold(failed, failed), cancelled=False) is RunStatus.FAILED
    assert final_status(fold(failed, failed), cancelled=True) is RunStatus.CANCELLED
