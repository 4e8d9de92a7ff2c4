"""What a run left in flight is collected as that run's, and never passes for a look of the run that
collects it; nor is what a host answered lost because the host is gone by then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from discovery.aws import run_command
from discovery.aws.inventory import Inventory
from discovery.model import Coverage, DatabaseStatus, GoneReason, RunRecord, RunStatus
from simulation.aws import Limits
from tests.support.world import CLEAN, Run, World

HOSTS = 12
SLOW = replace(CLEAN, median_seconds=20.0, spread=0.1)


@pytest.fixture
def world() -> Iterator[World]:
    """Two accounts, several commands each."""
    with patch.object(run_command, "MAX_HOSTS", 3):
        yield World(HOSTS, 0)


def cut_short(world: World, limits: Limits = SLOW) -> RunRecord:
    """A run whose commands are all in flight as it ends."""
    record = world.run(Run(limits=limits, deadline=8.0))
    assert record and record.cut_short and not record.hosts_scanned
    return record


def by_instance(world: World) -> dict[str, Any]:
    """The database of each host."""
    return {record.instance_id: record for record in world.records().values()}


def test_an_answer_to_an_earlier_run_is_that_runs_and_dated_when_it_was_given(
    world: World,
) -> None:
    """A minute later: collected, not scanned; its run and time are those of the answer; no host is
    asked twice; and the run that collected has not seen the hosts itself, so did not succeed."""
    first = cut_short(world)
    world.clock.sleep(60)
    begun = world.clock.now()
    second = world.run(Run())
    assert second
    assert (second.hosts_scanned, second.hosts_collected) == (0, HOSTS)
    assert second.status is RunStatus.PARTIAL
    assert set(world.sent.values()) == {1}
    for record in by_instance(world).values():
        assert (record.run_id, record.run_order) == (first.run_id, first.run_order)
        assert record.last_seen < begun
    reasons = world.runs.unscanned_hosts(second.run_id)
    assert [one.coverage for one in reasons] == [Coverage.COLLECTED] * HOSTS
    covered = list(world.runs.host_records(world.settings.accounts))
    assert {(one.coverage, one.run_id) for one in covered} == {(Coverage.SCANNED, first.run_id)}
    assert all(one.last_scanned and one.last_scanned < begun for one in covered)


def test_a_host_whose_answer_is_old_is_asked_again(world: World) -> None:
    """A quarter of an hour later: what it answered then is stored, and so is what it holds now.
    Each host counts once, as scanned."""
    first = cut_short(world)
    for instance in world.instances():
        world.give(instance, {"mysql-3306": "8.4.2"})
    world.clock.sleep(900)
    second = world.run(Run())
    assert second
    assert (second.hosts_scanned, second.hosts_collected) == (HOSTS, 0)
    assert second.status is RunStatus.SUCCEEDED
    assert set(world.sent.values()) == {2}
    assert {record.run_id for record in by_instance(world).values()} == {second.run_id}
    found = world.runs.changes(second.run_id)
    assert {(change.before, change.after) for change in found} == {("8.0.35", "8.4.2")}
    assert len(world.runs.changes(first.run_id)) == HOSTS  # they appeared then


def test_how_old_an_answer_may_be_is_a_setting(world: World) -> None:
    """With 0 seconds every host is asked again, also one that answers while the run waits."""
    cut_short(world)
    world.settings = world.settings.model_copy(update={"answer_seconds": 0})
    second = world.run(Run())
    assert second
    assert (second.hosts_scanned, second.hosts_collected) == (HOSTS, 0)
    assert second.status is RunStatus.SUCCEEDED


def test_a_resumed_run_takes_what_its_first_part_has_asked_for(world: World) -> None:
    """`resume` completes a run: the answers to that run count for it, and it has succeeded."""
    cut_short(world)
    world.clock.sleep(60)
    second = world.run(Run(resume=True))
    assert second
    assert (second.hosts_scanned, second.hosts_collected) == (0, HOSTS)
    assert second.status is RunStatus.SUCCEEDED


def test_a_failure_of_an_earlier_run_is_no_answer(world: World) -> None:
    """A host that did not answer that run in time is asked by this one, and not called failed for
    it."""
    never = replace(SLOW, tail=1.0)
    cut_short(world, never)
    world.clock.sleep(300)
    second = world.run(Run())
    assert second
    assert (second.hosts_scanned, second.hosts_failed) == (HOSTS, 0)
    assert second.status is RunStatus.SUCCEEDED


def test_a_host_that_answered_and_is_gone_is_on_record_with_what_it_answered(
    world: World,
) -> None:
    """It was never stored before. Its databases are, as it answered them and when, and then gone
    with it; its coverage says that it is terminated, by the run that found it so."""
    first = cut_short(world)
    account = world.settings.accounts[0]
    gone = world.hosts[account].pop()
    known = {one.instance_id for one in world.runs.host_records([account])}
    for items in world.table(world.settings.runs_table).items.values():
        for key in [key for key in items if key.endswith(gone)]:
            del items[key]  # as when the process died before it stored anything of the host
    assert gone in known
    world.clock.sleep(60)
    second = world.run(Run())
    assert second
    (covered,) = (one for one in world.runs.host_records([account]) if one.instance_id == gone)
    assert (covered.coverage, covered.run_id) == (Coverage.TERMINATED, second.run_id)
    record = by_instance(world)[gone]
    assert (record.status, record.gone_reason) == (DatabaseStatus.GONE, GoneReason.TERMINATED)
    assert (record.version, record.run_id) == ("8.0.35", second.run_id)
    assert record.last_seen and first.started_at < record.last_seen < second.started_at
    assert second.hosts_targeted == HOSTS - 1 == second.hosts_collected


def test_a_host_that_vanishes_keeps_its_tags(world: World) -> None:
    """What it answered last is stored with the name, tags and environment that it had."""
    assert world.run(Run())
    seam: Any = world
    table = world.table(world.settings.results_table)
    account = world.settings.accounts[0]
    gone = world.hosts[account][-1]
    key = f"{gone}#mysql-3306"
    table.items[account][key] = {
        **table.items[account][key],
        "tags": {"Owner": "orders"},
        "instance_name": "orders-1",
        "environment": "production",
    }
    cut = world.run(Run(limits=SLOW, deadline=8.0))
    assert cut
    world.hosts[account].remove(gone)
    world.clock.sleep(60)
    assert world.run(Run())
    (record,) = Inventory(seam).host_records(account, gone)
    assert record.gone_reason is GoneReason.TERMINATED
    assert record.last_seen and record.last_seen > cut.started_at, "the answer came first"
    assert (record.instance_name, record.environment) == ("orders-1", "production")
    assert record.tags == {"Owner": "orders"}


def test_counts_add_up(world: World) -> None:
    """Each targeted host of a run is scanned, collected, superseded, failed or not reached: some
    are collected, one is new and scanned."""
    cut_short(world)
    account = world.settings.accounts[0]
    world.hosts[account].append("i-00000000ffff")
    world.give("i-00000000ffff", {"mysql-3306": "8.0.35"})
    world.clock.sleep(60)
    run = world.run(Run())
    assert run
    assert (run.hosts_scanned, run.hosts_collected, run.hosts_done) == (1, HOSTS, HOSTS + 1)
    assert run.hosts_targeted == HOSTS + 1
    scopes = world.runs.scopes(run.run_id)
    assert sum(scope.hosts_collected for scope in scopes) == HOSTS
    assert {scope.status.value for scope in scopes} == {"partial"}
    stored = world.runs.run(run.run_id)
    assert stored and stored.hosts_collected == HOSTS
