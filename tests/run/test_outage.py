"""A run whose DynamoDB goes away loses nothing: see also test_spool.py and test_schedules.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from discovery.cli.scan import exit_code
from discovery.model import Coverage, DatabaseStatus, RunRecord, RunStatus
from discovery.run.writes import HostObservation, ScopeEnd
from tests.support.world import CLEAN, Outage, Run, World

pytestmark = pytest.mark.slow

HOSTS = 20
FOREVER = 10_000
UNAVAILABLE = "Internal"


@pytest.fixture
def world() -> World:
    """Two accounts of ten hosts; one run has found what they have."""
    world = World(HOSTS, seed=4)
    assert world.run(Run())
    world.clock.sleep(60)
    return world


def run(world: World, *outages: Outage) -> RunRecord:
    """A run that meets these outages."""
    record = world.run(Run(outages=outages))
    assert record
    return record


def live(world: World) -> dict[tuple[str, str], str | None]:
    """(instance, db_id) -> version of all that is not gone."""
    return {
        key: record.version
        for key, record in world.records().items()
        if record.status is not DatabaseStatus.GONE
    }


@pytest.mark.parametrize("error", [UNAVAILABLE, "reset", "ResourceNotFoundException"])
def test_away_from_the_start_nothing_is_sent(world: World, error: str) -> None:
    """The run does not begin, whichever of its first reads and writes fails: no host is asked."""
    for first in range(1, 6):
        sent = dict(world.sent)
        assert world.run(Run(outages=(Outage(first, FOREVER, error),))) is None
        assert dict(world.sent) == sent
        world.clock.sleep(100)
    assert world.kept() == [] or all(not isinstance(one, HostObservation) for one in world.kept())


@pytest.mark.parametrize(
    "error", [UNAVAILABLE, "reset", "ThrottlingException", "ResourceNotFoundException"]
)
@pytest.mark.parametrize("first", range(13, 27, 2))
def test_away_from_the_middle_on_all_that_was_sent_is_collected(
    world: World, error: str, first: int
) -> None:
    """What hosts answered and how the run went is kept, and is what `replay` brings in: each host
    that was asked has a result of the run, the run's record is closed, and nothing is left."""
    world.change()
    sent = dict(world.sent)
    record = run(world, Outage(first, FOREVER, error))
    asked = {instance for instance in world.sent if world.sent[instance] > sent.get(instance, 0)}
    assert record.kept > 0
    assert exit_code(record) == 3
    world.clock.sleep(100)
    world.replay()
    assert world.kept() == []
    covered = {one.instance_id: one for one in world.runs.host_records(world.settings.accounts)}
    for instance in asked:
        assert (covered[instance].coverage, covered[instance].run_id) == (
            Coverage.SCANNED,
            record.run_id,
        )
    truth = {key: version for key, version in world.truth().items() if key[0] in asked}
    assert {key: version for key, version in live(world).items() if key[0] in asked} == truth
    stored = world.runs.run(record.run_id)
    assert stored and stored.status is record.status is RunStatus.PARTIAL
    assert len(world.runs.scopes(record.run_id)) == 2


@pytest.mark.parametrize("calls", [1, FOREVER])
def test_known_records_that_cannot_be_read_make_no_change(world: World, calls: int) -> None:
    """While the inventory cannot be read nothing is compared with it: after the replay the run has
    found no change on hosts that did not change, and the records keep their first date."""
    before = world.records()
    # A run queries its predecessors twice, which scopes it leaves out, and each scope's coverage;
    # then what is known.
    record = run(world, Outage(7, calls, UNAVAILABLE, of="Query"))
    assert any(isinstance(one, HostObservation) for one in world.kept())
    assert live(world).keys() == before.keys()
    world.replay()
    assert world.runs.changes(record.run_id) == []
    after = world.records()
    assert {key: one.first_seen for key, one in after.items()} == {
        key: one.first_seen for key, one in before.items()
    }


def test_flapping_costs_no_host(world: World) -> None:
    """DynamoDB that fails every other moment: what it takes is stored, the rest comes in later."""
    outages = [Outage(first, 2, UNAVAILABLE) for first in range(9, 200, 14)]
    record = run(world, *outages)
    kept = len(world.kept())
    assert 0 < kept == record.kept
    assert record.hosts_scanned > 0
    world.replay()
    covered = world.runs.host_records(world.settings.accounts)
    assert {one.run_id for one in covered} == {record.run_id}
    assert live(world) == world.truth()


def test_a_long_outage_does_not_hold_the_run_up(world: World) -> None:
    """Each try takes a minute to fail: the run makes few, and stops, as its lease has lapsed. What
    it had to store is kept, and comes in with the replay."""
    begun = world.clock.seconds
    before = world.records()
    tries = sum(world.counts[name] for name in world.counts if name.startswith("dynamodb:"))
    outage = Outage(20, FOREVER, "ThrottlingException", seconds=60.0)
    assert world.run(Run(outages=(outage,))) is None
    tries = sum(world.counts[n] for n in world.counts if n.startswith("dynamodb:")) - tries
    assert len(world.kept()) >= 4
    assert world.clock.seconds - begun < 20 * 60
    assert tries < 40
    world.replay()
    (stopped, *_) = world.runs.recent_runs()
    assert stopped.status is RunStatus.FAILED
    assert "could not renew its lease" in (stopped.error or "")
    assert before.keys() <= world.records().keys()


def test_a_scope_waits_for_dynamodb_before_it_begins(world: World) -> None:
    """An outage shorter than the lease costs no scope: those not begun wait, and are scanned."""
    record = run(world, Outage(8, 3, "ThrottlingException", seconds=2.0))
    assert record.scopes_failed == 0
    world.replay()
    assert live(world) == world.truth()


def test_a_deleted_table_is_filled_by_replay(world: World) -> None:
    """A results table that was deleted in the middle of a run, and made anew: what was kept comes
    in, the scopes' ends included."""
    record = run(world, Outage(15, FOREVER, "ResourceNotFoundException"))
    assert any(isinstance(one, ScopeEnd) for one in world.kept())
    world.table(world.settings.results_table).items.clear()
    world.replay()
    looked = {
        one.instance_id
        for one in world.runs.host_records(world.settings.accounts)
        if one.run_id == record.run_id
    }
    assert looked
    assert looked >= {key[0] for key in live(world)}


def test_commands_in_flight_at_the_deadline_are_kept(world: World) -> None:
    """Commands that could not be put on record are, after the replay, and the next run collects
    their answers instead of sending again."""
    slow = replace(CLEAN, median_seconds=20.0, spread=0.1)
    outages = (Outage(2, FOREVER, UNAVAILABLE, of="PutItem"),)
    record = world.run(Run(limits=slow, deadline=8.0, outages=outages))
    assert record and record.cut_short
    sent = dict(world.sent)
    world.replay()
    left = world.runs.outstanding(record.run_id)
    assert {id_ for command in left for id_ in command.instance_ids} == set(world.instances())
    world.clock.sleep(60)
    assert world.run(Run())
    assert dict(world.sent) == sent
    assert {one.run_id for one in world.records().values()} == {record.run_id}


def test_what_was_kept_does_not_return_what_a_newer_run_missed(world: World) -> None:
    """A database that was seen, could not be stored, and was removed before the next run looked is
    not there after the replay."""
    instance = world.instances()[0]
    world.give(instance, {"mysql-3306": "8.0.35", "mysql-3307": "8.0.35"})
    run(world, Outage(1, FOREVER, UNAVAILABLE, of="TransactWriteItems"))
    world.give(instance, {"mysql-3306": "8.0.35"})
    world.clock.sleep(100)
    assert world.run(Run())
    world.replay()
    assert live(world) == world.truth()
