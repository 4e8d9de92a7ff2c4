"""Failures by cause."""

from __future__ import annotations

from discovery.errors import FailureKind
from discovery.view.failures import group_failures
from tests.support.snapshots import ACCOUNTS, snapshot


def test_failures_are_grouped_by_cause() -> None:
    """Failures of one kind stand together, scopes and hosts alike, the most frequent first."""
    whole = snapshot()
    failed = [host for host in whole.hosts if host.error_kind]
    groups = group_failures(whole.scopes, failed)
    assert sum(len(group.rows) for group in groups) == len(failed) + 2
    denied = next(group for group in groups if group.kind is FailureKind.ASSUME_ROLE_DENIED)
    assert {row.account_id for row in denied.rows} == {ACCOUNTS[4]}
    assert [len(group.rows) for group in groups] == sorted(
        (len(group.rows) for group in groups), reverse=True
    )
