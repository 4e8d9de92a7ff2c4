"""A run that ends early loses nothing: what is in flight is on record, and the next collects it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Event as Flag
from typing import Any

import pytest

from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.cli.scan import exit_code
from discovery.errors import FailureKind, NotFoundError
from discovery.model import EVERYTHING, RunRecord, RunStatus
from discovery.run.events import BatchSent, Event
from discovery.run.runner import DiscoveryRun
from simulation.aws import Limits, SimulatedAws
from simulation.clock import VirtualClock, VirtualScheduler
from simulation.runs import settings_for

HOSTS = 200
LIMITS = Limits(throttled=0.0, tail=0.0, median_seconds=8.0)


@pytest.fixture
def aws() -> SimulatedAws:
    """Two accounts of a hundred hosts that answer within some 8 s."""
    return SimulatedAws(settings_for(2, 4), HOSTS, LIMITS, VirtualClock())


def run(
    aws: SimulatedAws, seconds: float | None = None, resume: str | None = None, watcher: Any = None
) -> RunRecord:
    """One run that ends after so many virtual seconds."""
    seam: Any = aws
    begun = DiscoveryRun.begin(
        aws.settings, EVERYTHING, trigger="test", resume=resume, aws=seam, clock=aws.clock
    )
    flag = Flag()
    deadline = None if seconds is None else aws.clock.now() + timedelta(seconds=seconds)
    schedule = VirtualScheduler(aws.clock, aws.settings.scope_workers, flag)
    return begun.execute(watcher, flag, deadline, schedule)


def store(aws: SimulatedAws) -> RunStore:
    """The runs table."""
    seam: Any = aws
    return RunStore(seam)


def inventory_size(aws: SimulatedAws) -> int:
    """Hosts with a database record."""
    seam: Any = aws
    accounts = aws.settings.accounts
    return sum(len(list(Inventory(seam).account_records(account))) for account in accounts)


def test_at_the_deadline_what_finished_is_stored_and_the_rest_is_on_record(
    aws: SimulatedAws,
) -> None:
    """Every host is scanned or in a command that is outstanding, and nothing is a failure."""
    first = run(aws, seconds=14)
    left = store(aws).outstanding(first.run_id)
    assert (first.status, first.cut_short) == (RunStatus.PARTIAL, True)
    assert exit_code(first) == 3
    assert first.hosts_failed == 0
    assert 0 < first.hosts_scanned < HOSTS
    assert first.hosts_scanned + sum(len(one.instance_ids) for one in left) == HOSTS
    assert inventory_size(aws) == first.hosts_scanned


@pytest.mark.parametrize("resumes", [True, False])
def test_the_next_run_collects_instead_of_sending_again(aws: SimulatedAws, resumes: bool) -> None:
    """Hosts in flight are asked for their answer, which is collected; with `resume`, the others are
    left alone, and the run that it completes has seen all."""
    first = run(aws, seconds=14)
    left = store(aws).outstanding(first.run_id)
    in_flight = {id_ for one in left for id_ in one.instance_ids}
    aws.clock.sleep(30)
    second = run(aws, resume=first.run_id if resumes else None)
    ended = (RunStatus.SUCCEEDED, 0) if resumes else (RunStatus.PARTIAL, 0)
    assert (second.status, exit_code(second)) == ended
    assert inventory_size(aws) == HOSTS
    assert {id_ for id_ in in_flight if aws.sent[id_] != 1} == set()
    assert store(aws).outstanding(first.run_id) == []
    assert store(aws).outstanding(second.run_id) == []
    assert second.hosts_collected == len(in_flight)
    assert second.hosts_scanned == (0 if resumes else HOSTS - len(in_flight))


def test_no_command_is_sent_that_could_not_finish(aws: SimulatedAws) -> None:
    """With less time left than hosts usually take, nothing is sent."""
    record = run(aws, seconds=3)
    assert record.status is RunStatus.PARTIAL
    assert sum(aws.sent.values()) == 0
    assert run(aws).status is RunStatus.SUCCEEDED


def test_a_crash_leaves_its_commands_to_be_collected(aws: SimulatedAws) -> None:
    """A process that dies after sending is completed by `resume`; no host runs the probe twice."""

    def die(event: Event) -> None:
        if isinstance(event, BatchSent) and len(aws.commands) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(aws, watcher=die)
    crashed = store(aws).recent_runs()[0]
    aws.clock.sleep(60)
    second = run(aws, resume=crashed.run_id)
    assert second.status is RunStatus.SUCCEEDED
    assert inventory_size(aws) == HOSTS
    assert set(aws.sent.values()) == {1}


def test_a_command_too_old_is_not_collected(aws: SimulatedAws) -> None:
    """After a day the hosts are asked again."""
    run(aws, seconds=14)
    aws.clock.sleep(25 * 3600)
    assert run(aws).status is RunStatus.SUCCEEDED
    assert set(aws.sent.values()) == {2}


def test_an_unknown_run_cannot_be_resumed(aws: SimulatedAws) -> None:
    """The error names it."""
    with pytest.raises(NotFoundError, match="nope"):
        run(aws, resume="nope")


def test_a_large_fleet_costs_few_calls() -> None:
    """A thousand hosts, with throttles and hosts that never end, in at most 0.1 SSM calls each,
    listings and all."""
    limits = replace(LIMITS, throttled=0.01, tail=0.02, median_seconds=4.0)
    aws = SimulatedAws(settings_for(10, 16), 1000, limits, VirtualClock())
    for _ in range(2):
        before = aws.counts.copy()
        record = run(aws)
        spent = aws.counts - before
        assert record.hosts_done == 1000
        ssm = [count for name, count in spent.items() if name.startswith("ssm:")]
        assert sum(ssm) <= 100, spent


def test_credentials_that_expire_leave_what_is_in_flight_to_be_collected(
    aws: SimulatedAws,
) -> None:
    """When commands cannot be looked at any more, nothing is called timed out: their hosts are not
    reached, the scopes say why, and the next run collects the answers without sending again."""
    aws.limits = replace(LIMITS, expires=aws.clock.seconds + 5)
    first = run(aws)
    assert (first.status, first.hosts_failed, first.hosts_scanned) == (RunStatus.FAILED, 0, 0)
    assert {scope.error_kind for scope in store(aws).scopes(first.run_id)} == {
        FailureKind.NO_CREDENTIALS
    }
    left = store(aws).outstanding(first.run_id)
    assert sum(len(one.instance_ids) for one in left) == HOSTS
    aws.limits = LIMITS
    assert run(aws).hosts_collected == HOSTS
    assert set(aws.sent.values()) == {1}
