"""Random histories of deadlines, crashes and AWS errors: nothing known is lost, all converges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Event as Flag
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.discovery import settings_for
from benchmarks.simulated_aws import Limits, SimulatedAws, VirtualClock, VirtualSchedule
from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.events import Event
from discovery.model import EVERYTHING, DatabaseStatus, RunStatus
from discovery.runner import DiscoveryRun

HOSTS = 120
CLEAN = Limits(throttled=0.0, tail=0.0)


class _CrashError(BaseException):
    """The process ends here."""


@dataclass(frozen=True)
class Step:
    """One run: its deadline and the event at which its process dies, then a pause."""

    limits: Limits
    deadline: float | None
    dies_at: int | None
    pause: float


STEPS = st.builds(
    Step,
    st.builds(
        Limits,
        throttled=st.sampled_from((0.0, 0.3)),
        tail=st.sampled_from((0.0, 0.2)),
        unavailable=st.sampled_from((0.0, 0.1, 0.5)),
    ),
    st.none() | st.floats(0, 90),
    st.none() | st.integers(0, HOSTS),
    st.sampled_from((0.0, 5.0, 600.0, 100_000.0)),
)


def _run(aws: SimulatedAws, step: Step, resume: str | None = None) -> Any:
    seam: Any = aws
    aws.limits = step.limits
    seen = 0

    def watch(_event: Event) -> None:
        nonlocal seen
        seen += 1
        if seen - 1 == step.dies_at:
            raise _CrashError

    run = DiscoveryRun.begin(
        aws.settings, EVERYTHING, trigger="test", resume=resume, aws=seam, clock=aws.clock
    )
    flag = Flag()
    deadline = None
    if step.deadline is not None:
        deadline = aws.clock.now() + timedelta(seconds=step.deadline)
    schedule = VirtualSchedule(aws.clock, aws.settings.scope_workers, flag)
    try:
        return run.execute(watch, flag, deadline, schedule)
    except _CrashError:
        return None


def _live(aws: SimulatedAws) -> set[tuple[str, str]]:
    """Keys of the databases in the inventory that are not gone."""
    seam: Any = aws
    inventory = Inventory(seam)
    return {
        record.key
        for account in aws.settings.accounts
        for record in inventory.account_records(account)
        if record.is_database and record.status is not DatabaseStatus.GONE
    }


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=4), st.integers(0, 2**16))
def test_nothing_known_is_lost_and_one_clean_run_converges(steps: list[Step], seed: int) -> None:
    """No history makes a known database vanish; every host of a run that ended is accounted for;
    one clean run afterwards has every host, and leaves nothing outstanding of its own."""
    aws = SimulatedAws(settings_for(2, 3), HOSTS, CLEAN, VirtualClock(), seed)
    seam: Any = aws
    runs = RunStore(seam)
    known: set[tuple[str, str]] = set()
    for step in steps:
        record = _run(aws, step)
        now = _live(aws)
        assert known <= now
        known = now
        if record:
            unscanned = len(runs.unscanned_hosts(record.run_id))
            assert record.hosts_listed == record.hosts_scanned + unscanned
        aws.clock.sleep(step.pause + 1)
    aws.clock.sleep(90_000)
    clean = _run(aws, Step(replace(CLEAN), None, None, 0.0))
    assert clean.status is RunStatus.SUCCEEDED
    assert len(_live(aws)) == HOSTS
    assert runs.outstanding(clean.run_id) == []
