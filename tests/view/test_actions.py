"""What changes something asks for the role at that moment, and says who did it."""

from __future__ import annotations

import logging

import pytest

from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.errors import NotAllowedError
from discovery.model import RunRequest, RunStatus
from discovery.settings import Settings
from discovery.view.access import Role
from discovery.view.actions import Actor, cancel_run_as, start_run_as
from sandbox import Sandbox
from tests.support.empty_tables import empty_tables
from tests.support.hosts import hosts_of, request_for


@pytest.mark.parametrize("role", [None, Role.VIEWER])
def test_only_an_admin_starts_and_cancels_runs(
    settings: Settings, sandbox: Sandbox, role: Role | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever calls it, with whatever page: without the role nothing begins, and the log says who
    was refused what."""
    empty_tables(sandbox)
    asking = Actor("bob@example.com", role)
    with pytest.raises(NotAllowedError, match="Only an admin"):
        start_run_as(lambda: asking, settings, RunRequest())
    with pytest.raises(NotAllowedError, match="Only an admin"):
        cancel_run_as(lambda: asking, settings, "20260101T000000.000Z-000000")
    assert RunStore(Aws(settings)).recent_runs() == []
    refused = [record.getMessage() for record in caplog.records if "refused" in record.msg]
    assert [message.split(":")[0] for message in refused] == [
        "refused to start a run",
        "refused to cancel run 20260101T000000.000Z-000000",
    ]
    assert all("bob@example.com" in message for message in refused)


def test_the_role_is_asked_for_at_that_moment(settings: Settings, sandbox: Sandbox) -> None:
    """A role that was held when the page was shown does not count."""
    empty_tables(sandbox)
    roles = iter([Role.ADMIN, None])

    def asking() -> Actor:
        return Actor("alice@example.com", next(roles))

    assert asking().role is Role.ADMIN
    with pytest.raises(NotAllowedError):
        start_run_as(asking, settings, RunRequest())


def test_the_record_says_who_started_and_who_cancelled(
    settings: Settings, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Who, in which role, and what: in the run's record until it expires, and in the log. What the
    run saves of its progress does not overwrite it."""
    empty_tables(sandbox)
    caplog.set_level(logging.INFO, "discovery")
    request = request_for(*hosts_of(sandbox, 1))
    run_id = start_run_as(lambda: Actor("alice@example.com", Role.ADMIN), settings, request)
    cancel_run_as(lambda: Actor("carol@example.com", Role.ADMIN), settings, run_id)
    runs = RunStore(Aws(settings))
    while (stored := runs.run(run_id)) and stored.status is RunStatus.RUNNING:
        pass
    assert stored is not None
    assert (stored.trigger, stored.started_by) == ("dashboard", "alice@example.com (admin)")
    assert stored.cancelled_by == "carol@example.com (admin)"
    told = {(record.msg, getattr(record, "by", None)) for record in caplog.records}
    assert ("run started", "alice@example.com (admin)") in told
    assert ("run cancelled", "carol@example.com (admin)") in told
