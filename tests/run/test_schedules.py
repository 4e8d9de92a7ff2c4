"""Random histories of everything that can go wrong: nothing known is lost, all converges.

`SCHEDULES=1000 pytest tests/run/test_schedules.py` plays so many; see `tests/support/world.py`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from discovery.aws import run_command
from discovery.model import Coverage, DatabaseRecord, DatabaseStatus, RunStatus
from discovery.run.writes import (
    CommandInFlight,
    HostObservation,
    NotScanned,
    RunEnd,
    ScopeEnd,
)
from simulation.aws import Limits
from tests.support.effort import cases
from tests.support.world import CLEAN, Ended, Outage, Run, World

pytestmark = pytest.mark.slow

SCHEDULES = int(os.environ.get("SCHEDULES", "0")) or cases(1000)
HOSTS = 12
_PATIENCE = timedelta(seconds=180)

_CALLS = st.integers(0, 45)
_LIMITS = st.builds(
    Limits,
    throttled=st.sampled_from((0.0, 0.3)),
    tail=st.sampled_from((0.0, 0.2)),
    unavailable=st.sampled_from((0.0, 0.0, 0.1, 0.5)),
    refused=st.sampled_from((0.0, 0.1)),
    missing=st.sampled_from((0.0, 0.3)),
    doubled=st.sampled_from((0.0, 0.3)),
    expires=st.just(1e9) | st.floats(0, 30),
)
_OUTAGES = st.builds(
    Outage,
    first=_CALLS,
    calls=st.sampled_from((1, 3, 10, 10_000)),
    error=st.sampled_from(
        ("reset", "Internal", "ThrottlingException", "ResourceNotFoundException")
    ),
    after=st.booleans(),
    seconds=st.sampled_from((0.0, 0.0, 10.0, 60.0)),
)


def _runs(rivals: st.SearchStrategy[Run | None]) -> st.SearchStrategy[Run]:
    never = st.none()
    return st.builds(
        Run,
        limits=_LIMITS,
        deadline=never | st.floats(0, 90),
        resume=st.booleans(),
        mute=st.booleans(),
        crash=never | _CALLS,
        cancel=never | never | _CALLS,
        outages=st.lists(_OUTAGES, max_size=2).map(tuple),
        replay=never | _CALLS,
        rival=_CALLS,
        stall=st.sampled_from((0.0, 100.0)),
        rivals=rivals,
    )


_CUT_SHORT = Run(deadline=4.0)


def _expired(call: int) -> Run:
    """Its credentials expire at once, and DynamoDB takes a minute to fail one call."""
    outage = Outage(first=call, calls=1, error="ThrottlingException", seconds=60.0)
    return Run(limits=replace(CLEAN, expires=1.0), outages=(outage,))


_STEPS = st.one_of(
    _runs(st.none() | _runs(st.none())),
    _runs(st.none()),
    st.sampled_from(("change", "replay")),
    st.sampled_from((5.0, 100.0, 600.0, 100_000.0)),
)


@pytest.fixture(autouse=True, scope="module")
def _small_batches() -> Iterator[None]:
    """Several commands a scope, although there are few hosts; no log of all that fails."""
    logging.disable()
    with patch.object(run_command, "MAX_HOSTS", 3):
        yield
    logging.disable(logging.NOTSET)


@settings(max_examples=SCHEDULES, deadline=None, suppress_health_check=list(HealthCheck))
@example([Run(crash=4), "change", "change", 100.0, Run()], 0)
@example([_CUT_SHORT, _expired(6)], 0)
@example([_CUT_SHORT, _expired(7)], 0)
@example([_CUT_SHORT, _expired(8)], 0)
@given(st.lists(_STEPS, min_size=1, max_size=7), st.integers(0, 2**16))
def test_nothing_known_is_lost_and_one_clean_run_converges(
    steps: list[Run | str | float], seed: int
) -> None:
    """Whatever happens, no known database vanishes, is called gone while it is there, or goes back
    to an older run; every host of a run that ended is accounted for; and one clean run afterwards
    has the hosts exactly as they are, and nothing of those that went, before and after what is kept
    is replayed."""
    world = World(HOSTS, seed)
    begun = world.clock.now()
    for step in steps:
        before = world.records()
        if isinstance(step, Run):
            world.run(step)
        elif step == "change":
            world.change()
        elif step == "replay":
            world.replay()
        elif isinstance(step, float):
            world.clock.sleep(step)
        now = world.records()
        assert before.keys() <= now.keys()
        for key, record in before.items():
            assert _seen(record) <= _seen(now[key])
            if not (isinstance(step, Run) and (step.rivals or step.replay)):
                returned = record.status is DatabaseStatus.GONE
                assert returned or record.first_seen == now[key].first_seen
        writers = world.writers()
        for item, order in world.newest.items():
            assert item not in writers or order <= writers[item]
        _assert_no_false_record(world, begun)
        _assert_nothing_in_flight_is_lost(world)
        for ended in world.ended:
            _assert_accounted_for(world, ended)
        world.clock.sleep(1)
    world.clock.sleep(90_000)
    vanished = {key for key in world.records() if key[0] not in world.instances()}
    _assert_clean_run_converges(world)
    assert vanished <= world.records().keys()
    world.replay()
    # A host that no table knew when it went shows up now, and is gone with the next listing.
    _assert_converged(world, of=set(world.instances()))
    _assert_clean_run_converges(world)
    assert RunStatus.RUNNING not in {run.status for run in world.runs.recent_runs()}


def _seen(record: DatabaseRecord) -> datetime:
    assert record.last_seen
    return record.last_seen


def _assert_no_false_record(world: World, begun: datetime) -> None:
    """What is called gone was away, and what is not was there, when its host was looked at."""
    for (instance, db_id), record in world.records().items():
        seen = _seen(record)
        if record.status is DatabaseStatus.GONE:
            assert record.gone_at
            assert False in world.had(instance, db_id, seen, record.gone_at)
        assert True in world.had(instance, db_id, begun, seen)


def _orders(world: World) -> dict[str, int]:
    """Run -> its order."""
    return {run.run_id: run.run_order for run in world.runs.recent_runs(1000)}


def _assert_accounted_for(world: World, ended: Ended) -> None:
    """Each host that the run listed has a result of it, or a reason: stored, or kept."""
    run_id = ended.record.run_id
    orders = _orders(world)
    reasons = {(one.account_id, one.instance_id) for one in world.runs.unscanned_hosts(run_id)}
    results = {
        (one.account_id, one.instance_id)
        for one in world.runs.host_records(world.settings.accounts)
        if one.run_order >= orders[ended.resumed or run_id]
    }
    kept = set()
    for entry in world.kept():
        if isinstance(entry, HostObservation):
            kept.add((entry.host.account_id, entry.host.instance_id))
        elif isinstance(entry, NotScanned):
            kept |= {(one.account_id, one.instance_id) for one in entry.hosts}
    assert ended.listed - reasons - results - kept == set()
    # What was sent, and what hosts answered to it, may be kept by the run that collects it.
    by_itself = (NotScanned, ScopeEnd, RunEnd)
    if not any(one.run_id == run_id and isinstance(one, by_itself) for one in world.kept()):
        stored = world.runs.run(run_id)
        assert stored and stored.status is ended.record.status
    elif not ended.record.kept:
        raise AssertionError("the run does not say that it kept something")


def _assert_nothing_in_flight_is_lost(world: World) -> None:
    """Each host of a command has a result of the run that sent it or a newer one, or the command is
    on record, or one of the two is kept; but for a command of a process that died as it sent it,
    of a run that was cancelled, and one so old that its hosts are asked again."""
    covered = {one.instance_id: one for one in world.runs.host_records(world.settings.accounts)}
    kept = world.kept()
    looks: dict[str, int] = {}
    for one in kept:
        if isinstance(one, HostObservation):
            instance = one.host.instance_id
            looks[instance] = max(one.coverage.run_order, looks.get(instance, 0))
    orders = _orders(world)
    on_record = {
        (one.command_id, instance)
        for run_id in set(world.sent_by.values())
        for one in world.runs.outstanding(run_id)
        for instance in one.instance_ids
    } | {
        (one.command.command_id, instance)
        for one in kept
        if isinstance(one, CommandInFlight)
        for instance in one.command.instance_ids
    }
    # A newer run that saw that a command brought no answer asks with one of its own.
    asked_again: dict[str, int] = {}
    for command_id, instance in on_record:
        order = orders.get(world.sent_by[command_id], 0)
        asked_again[instance] = max(order, asked_again.get(instance, 0))
    for command_id, run_id in world.sent_by.items():
        run = world.runs.run(run_id)
        died = run_id not in {ended.record.run_id for ended in world.ended}
        if (died and command_id not in world.recorded) or (run and run.cancel_requested):
            continue
        for instance, answer in world.commands.get(command_id, {}).items():
            if world.clock.now() - answer.sent > _PATIENCE:
                continue
            if answer.seconds > world.settings.command_timeout:
                continue  # it has none: the next run asks anew
            stored = covered.get(instance)
            assert (
                answer.is_cancelled
                or (command_id, instance) in on_record
                or asked_again.get(instance, 0) > orders[run_id]
                or looks.get(instance, 0) >= orders[run_id]
                or (stored and stored.run_order >= orders[run_id])
            )


def _assert_clean_run_converges(world: World) -> None:
    record = world.run(Run())
    assert record is not None
    assert record.status is RunStatus.SUCCEEDED
    assert record.hosts_scanned == record.hosts_listed == len(world.instances())
    assert world.runs.outstanding(record.run_id) == []
    hosts = {one.instance_id: one for one in world.runs.host_records(world.settings.accounts)}
    for instance in world.instances():
        assert (hosts[instance].coverage, hosts[instance].run_id) == (
            Coverage.SCANNED,
            record.run_id,
        )
    for instance in hosts.keys() - set(world.instances()):
        assert hosts[instance].coverage is Coverage.TERMINATED
    _assert_converged(world, of={instance for instance, _ in world.records()})


def _assert_converged(world: World, of: set[str]) -> None:
    live = {
        key: record.version
        for key, record in world.records().items()
        if key[0] in of and record.status is not DatabaseStatus.GONE
    }
    assert live == world.truth()
