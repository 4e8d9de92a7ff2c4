"""Which run is newer is a number, and when things happened is DynamoDB's time: whatever a machine's
clock says, nothing is hidden, misdated or stolen."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Event as Flag
from typing import Any

import pytest

from discovery.aws.inventory import Inventory
from discovery.aws.lease import Lease
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.aws.store_clock import StoreClock
from discovery.clock import Clock
from discovery.errors import LeaseLostError, RunInProgressError
from discovery.model import EVERYTHING, RunRecord, RunStatus
from discovery.run.events import Event, HostDone
from discovery.run.runner import DiscoveryRun, start_run
from discovery.settings import Settings
from sandbox import Sandbox
from simulation.aws import Limits, SimulatedAws
from simulation.clock import EPOCH, VirtualClock, VirtualScheduler
from simulation.runs import settings_for
from tests.support.empty_tables import empty_tables

AHEAD, BEHIND = timedelta(minutes=30), timedelta(minutes=-30)
HOSTS = 10


class WrongClock(VirtualClock):
    """A machine whose date is wrong; its seconds pass as everybody's."""

    def __init__(self, clock: VirtualClock, off: timedelta) -> None:
        super().__init__()
        self._right = clock
        self.off = off

    def now(self) -> datetime:
        """As the machine has it."""
        return self._right.now() + self.off

    def monotonic(self) -> float:
        """Everybody's."""
        return self._right.monotonic()

    def sleep(self, seconds: float) -> None:
        """Everybody's."""
        self._right.sleep(seconds)

    def every(self, seconds: float, do: Any) -> Any:
        """Everybody's."""
        return self._right.every(seconds, do)


@pytest.fixture
def aws() -> SimulatedAws:
    """Two accounts of five hosts."""
    limits = Limits(throttled=0.0, tail=0.0)
    return SimulatedAws(settings_for(2, 4), HOSTS, limits, VirtualClock())


def begin(aws: SimulatedAws, off: timedelta = timedelta(0)) -> DiscoveryRun:
    """A run that begins on a machine whose clock is so far ahead."""
    seam: Any = aws
    clock = WrongClock(aws.clock, off)
    return DiscoveryRun.begin(aws.settings, EVERYTHING, trigger="test", aws=seam, clock=clock)


def execute(aws: SimulatedAws, run: DiscoveryRun, watcher: Any = None) -> RunRecord:
    """The run, to its end."""
    flag = Flag()
    return run.execute(watcher, flag, None, VirtualScheduler(aws.clock, 4, flag))


def records(aws: SimulatedAws) -> list[Any]:
    """The inventory."""
    seam: Any = aws
    inventory = Inventory(seam)
    return [one for account in aws.settings.accounts for one in inventory.account_records(account)]


@pytest.mark.parametrize("off", [AHEAD, BEHIND])
def test_a_wrong_clock_neither_hides_nor_dates_anything(aws: SimulatedAws, off: timedelta) -> None:
    """A run of a machine whose clock is half an hour off is dated right, says that the clock is
    off, and its successor on another machine is the newest run and the writer of every record."""
    seam: Any = aws
    first = execute(aws, begin(aws, off))
    assert abs(first.started_at - EPOCH) < timedelta(seconds=5)
    assert first.clock_ahead_seconds == pytest.approx(off.total_seconds(), abs=2)
    assert {abs(one.last_seen - EPOCH) < timedelta(minutes=5) for one in records(aws)} == {True}
    aws.clock.sleep(5)
    second = execute(aws, begin(aws))
    assert second.clock_ahead_seconds is None
    assert (second.status, second.hosts_scanned) == (RunStatus.SUCCEEDED, HOSTS)
    assert [run.run_id for run in RunStore(seam).recent_runs()] == [second.run_id, first.run_id]
    assert second.run_id > first.run_id
    assert {one.run_id for one in records(aws)} == {second.run_id}
    assert second.run_order == first.run_order + 1


def test_a_clock_that_is_set_in_the_middle_of_a_run_dates_nothing(aws: SimulatedAws) -> None:
    """An administrator sets the clock while a run goes on: what it stores is dated right."""
    run = begin(aws)
    clock: Any = run.clock._clock

    def set_clock(_: Event) -> None:
        clock.off = AHEAD

    ended = execute(aws, run, set_clock)
    assert ended.finished_at and ended.finished_at < EPOCH + timedelta(minutes=5)
    assert max(one.last_seen for one in records(aws)) < EPOCH + timedelta(minutes=5)


@pytest.mark.parametrize("living", [timedelta(0), AHEAD, BEHIND])
@pytest.mark.parametrize("other", [timedelta(0), AHEAD, BEHIND])
def test_a_living_lease_is_not_stolen_and_a_dead_one_is_not_waited_for(
    aws: SimulatedAws, living: timedelta, other: timedelta
) -> None:
    """Whichever machine's clock is wrong, and in which way: a lease stands until its length has
    passed since it was last renewed, and no longer."""
    seam: Any = aws
    seconds = aws.settings.lease_seconds

    def lease(run_id: str, off: timedelta) -> Lease:
        clock = StoreClock(WrongClock(aws.clock, off))
        return Lease(seam, run_id, f"holder of {run_id}", clock=clock)

    held = lease("a", living)
    assert held.acquire() == 1
    aws.clock.sleep(seconds * 0.8)
    held.renew()
    aws.clock.sleep(seconds * 0.8)
    with pytest.raises(RunInProgressError, match="holder of a"):
        lease("b", other).acquire()
    aws.clock.sleep(seconds * 0.2 + 2)
    assert lease("b", other).acquire() == 2
    with pytest.raises(LeaseLostError):
        held.renew()


def test_the_count_goes_on_when_a_lease_is_given_back_or_lost(aws: SimulatedAws) -> None:
    """No two runs have one number: not after a release, and not when the item was deleted, as
    long as there are runs on record."""
    seam: Any = aws
    first = execute(aws, begin(aws))
    table = seam.table(aws.settings.runs_table)
    table.delete_item(Key={"pk": "LEASE", "sk": "LEASE"})
    aws.clock.sleep(1)
    second = execute(aws, begin(aws))
    aws.clock.sleep(1)
    third = execute(aws, begin(aws))
    assert [first.run_order, second.run_order, third.run_order] == [1, 2, 3]


def test_what_an_early_version_dated_ahead_is_older_than_any_run(aws: SimulatedAws) -> None:
    """Items without a number, whose ids and times are days ahead, are overwritten, and their run is
    not the newest."""
    seam: Any = aws
    execute(aws, begin(aws))
    for name in (aws.settings.results_table, aws.settings.runs_table):
        for items in seam.table(name).items.values():
            for item in items.values():
                item.pop("run_order", None)
                if "run_id" in item and "pk" not in item:
                    item["run_id"] = "21990101T000000.000Z-000000"
                    item["last_seen"] = "2199-01-01T00:00:00Z"
    old = seam.table(aws.settings.runs_table).items["RUNS"]
    item = next(iter(old.values()))
    old["21990101T000000.000Z-000000"] = {
        **item,
        "sk": "21990101T000000.000Z-000000",
        "run_id": "21990101T000000.000Z-000000",
    }
    aws.clock.sleep(1)
    ended = execute(aws, begin(aws))
    assert (ended.status, ended.hosts_scanned) == (RunStatus.SUCCEEDED, HOSTS)
    assert {one.run_id for one in records(aws)} == {ended.run_id}
    assert RunStore(seam).recent_runs(1)[0].run_id == ended.run_id


def test_superseded_hosts_are_counted_as_such(aws: SimulatedAws) -> None:
    """A run that stood still while another did its work: what it then writes is fenced off; it
    counts those hosts as superseded, and has not succeeded."""
    seam: Any = aws
    aws.settings = aws.settings.model_copy(update={"lease_seconds": 3600})
    older = begin(aws)
    older.lease.release()  # as when it lapsed
    newer = execute(aws, begin(aws))
    assert newer.status is RunStatus.SUCCEEDED
    done: list[HostDone] = []

    def watch(event: Event) -> None:
        if isinstance(event, HostDone):
            done.append(event)

    RunStore(seam).close_run(older.record)  # its record is still open: it learns of nothing
    ended = execute(aws, older, watch)
    assert (ended.hosts_scanned, ended.hosts_superseded) == (0, HOSTS)
    assert ended.status is RunStatus.PARTIAL
    assert ended.changes == {}
    assert {event.superseded for event in done} == {True}
    assert {one.run_id for one in records(aws)} == {newer.run_id}
    reasons = RunStore(seam).unscanned_hosts(ended.run_id)
    assert [one.coverage.value for one in reasons] == ["superseded"] * HOSTS


class SetAhead(Clock):
    """This machine's clock, set ahead."""

    def now(self) -> datetime:
        """Minutes ahead."""
        return super().now() + timedelta(minutes=4)


def test_a_machine_ahead_on_the_wire(sandbox: Sandbox, settings: Settings) -> None:
    """Over HTTP, by the Date header of the endpoint's replies: a run of a machine four minutes
    ahead does not hide the run after it."""
    empty_tables(sandbox)
    aws = Aws(settings)
    first = DiscoveryRun.begin(settings, EVERYTHING, trigger="test", aws=aws, clock=SetAhead())
    assert first.record.clock_ahead_seconds == pytest.approx(240, abs=5)
    first.execute()
    second = start_run(settings, trigger="test")
    assert second.hosts_superseded == 0
    assert second.hosts_scanned > 0
    newest = RunStore(aws).recent_runs(1)[0]
    assert newest.run_id == second.run_id
    covered = RunStore(aws).host_records(settings.accounts)
    assert {one.run_id for one in covered} <= {second.run_id}
