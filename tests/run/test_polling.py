"""Looks at commands: few, and when they are worth it; the schedule that holds them."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from threading import Event as Flag

import pytest

from discovery.clock import Clock
from discovery.run.polling import Looks
from discovery.run.scheduler import Scheduler


def test_first_look_is_when_most_hosts_were_done() -> None:
    """With a hundred hosts seen, the first look waits for nearly all of them, no longer."""
    looks = Looks(None, limit=60)
    for seconds in range(1, 101):
        looks.saw(seconds / 10)
    assert looks.first(1) == pytest.approx(9.8, abs=0.2)


def test_the_last_run_teaches_the_first_look_of_the_next() -> None:
    """Before any host has answered, what the previous run learned counts."""
    assert Looks(12.0, limit=60).first(50) == 12.0
    assert Looks(None, limit=60).first(1) == 3.5
    assert Looks(0.2, limit=60).first(50) == 2.0


def test_a_first_look_at_many_unknown_hosts_waits_longer() -> None:
    """One look at fifty hosts of which half are not done is a look wasted."""
    looks = Looks(None, limit=60)
    assert looks.first(50) > 2 * looks.first(1)


def test_a_few_that_are_left_of_many_are_worth_one_look_more() -> None:
    """Two of fifty are looked at when their time limit has passed; twenty of fifty before."""
    looks = Looks(10.0, limit=60)
    assert looks.after(10.0, hosts=50, waiting=2) == 63.0
    assert looks.after(10.0, hosts=50, waiting=20) == 30.0
    assert looks.after(10.0, hosts=2, waiting=1) == 30.0


def test_a_few_left_do_not_wait_for_a_long_time_limit() -> None:
    """Where a host may take an hour, the slow ones are not left until it is over."""
    assert Looks(10.0, limit=3600).after(10.0, hosts=50, waiting=2) == 30.0


def test_looks_grow_apart_and_one_falls_just_after_the_time_limit() -> None:
    """Four looks cover a host that runs into its time limit of a minute."""
    looks, at = Looks(8.0, limit=60), [8.0]
    while at[-1] < 120:
        at.append(looks.after(at[-1], hosts=8, waiting=8))
    assert at[:4] == [8.0, 24.0, 54.0, 63.0]
    assert all(later - earlier <= 30 for earlier, later in pairwise(at))


def test_many_waiting_jobs_need_few_threads() -> None:
    """A thousand jobs that each wait a tenth of a second end in far less than their sum."""
    clock = Clock()
    done: list[int] = []
    schedule = Scheduler(clock, 2, Flag())
    begun = clock.monotonic()
    for number in range(1000):
        schedule.add(partial(done.append, number), begun + 0.1)
    schedule.run()
    assert sorted(done) == list(range(1000))
    assert clock.monotonic() - begun < 5


def test_a_job_can_add_itself_again() -> None:
    """That is how a job waits."""
    schedule, left = Scheduler(Clock(), 2, Flag()), [3]

    def job() -> None:
        left[0] -= 1
        if left[0]:
            schedule.add(job)

    schedule.add(job)
    schedule.run()
    assert left == [0]


def test_cancelled_makes_every_job_due() -> None:
    """Nobody waits an hour for a cancelled run."""
    cancelled = Flag()
    done: list[int] = []
    schedule = Scheduler(Clock(), 2, cancelled)
    schedule.add(lambda: done.append(1), Clock().monotonic() + 3600)
    cancelled.set()
    schedule.run()
    assert done == [1]


def test_an_error_cancels_the_other_jobs_and_reaches_the_caller() -> None:
    """The others run at once and see the cancellation, so that each can end in order."""
    cancelled = Flag()
    seen: list[bool] = []
    schedule = Scheduler(Clock(), 1, cancelled)

    def fail() -> None:
        raise ValueError("broken")

    schedule.add(fail)
    schedule.add(lambda: seen.append(cancelled.is_set()), Clock().monotonic() + 3600)
    with pytest.raises(ValueError, match="broken"):
        schedule.run()
    assert seen == [True]
