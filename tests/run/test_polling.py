"""PollTimes at commands: few, and when they are worth it; the schedule that holds them."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from threading import Event as Flag

import pytest

from discovery.clock import Clock
from discovery.run.polling import PollTimes
from discovery.run.scheduler import Scheduler


def test_the_first_poll_is_when_most_hosts_were_done() -> None:
    """With a hundred hosts seen, the first poll waits for nearly all of them, no longer."""
    poll_times = PollTimes(None, time_limit=60)
    for seconds in range(1, 101):
        poll_times.record_answer(seconds / 10)
    assert poll_times.first_poll(1) == pytest.approx(9.8, abs=0.2)


def test_the_last_run_teaches_the_first_poll_of_the_next() -> None:
    """Before any host has answered, what the previous run learned counts."""
    assert PollTimes(12.0, time_limit=60).first_poll(50) == 12.0
    assert PollTimes(None, time_limit=60).first_poll(1) == 3.5
    assert PollTimes(0.2, time_limit=60).first_poll(50) == 2.0


def test_a_first_poll_of_many_unknown_hosts_waits_longer() -> None:
    """One poll of fifty hosts of which half are not done is a poll wasted."""
    poll_times = PollTimes(None, time_limit=60)
    assert poll_times.first_poll(50) > 2 * poll_times.first_poll(1)


def test_a_few_that_are_left_of_many_are_worth_one_poll_more() -> None:
    """Two of fifty are polled when their time limit has passed; twenty of fifty before."""
    poll_times = PollTimes(10.0, time_limit=60)
    assert poll_times.next_poll(10.0, hosts=50, waiting=2) == 63.0
    assert poll_times.next_poll(10.0, hosts=50, waiting=20) == 30.0
    assert poll_times.next_poll(10.0, hosts=2, waiting=1) == 30.0


def test_a_few_left_do_not_wait_for_a_long_time_limit() -> None:
    """Where a host may take an hour, the slow ones are not left until it is over."""
    assert PollTimes(10.0, time_limit=3600).next_poll(10.0, hosts=50, waiting=2) == 30.0


def test_polls_grow_apart_and_one_falls_just_after_the_time_limit() -> None:
    """Four polls cover a host that runs into its time limit of a minute."""
    poll_times, at = PollTimes(8.0, time_limit=60), [8.0]
    while at[-1] < 120:
        at.append(poll_times.next_poll(at[-1], hosts=8, waiting=8))
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
