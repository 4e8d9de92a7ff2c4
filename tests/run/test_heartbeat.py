"""A run's sign of life: nothing that a reply holds ends it, and a run without one stops."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event as Flag
from typing import Any, TypeVar

import pytest

from discovery.aws.runs import RunStore
from discovery.errors import LeaseLostError
from discovery.model import EVERYTHING, RunStatus
from discovery.run.runner import DiscoveryRun
from simulation.aws import Limits, SimulatedAws
from simulation.clock import VirtualClock, VirtualScheduler
from simulation.runs import settings_for
from simulation.tables import failure

Result = TypeVar("Result")
HOSTS = 200


class Garbled(SimulatedAws):
    """The first `garbled` updates after the run's first are done and answered with something that
    cannot be read. From `silent_from` seconds on none is done."""

    garbled = 0
    silent_from = float("inf")
    updates = 0

    def store(self, operation: str, apply: Callable[[], Result]) -> Result:
        """One call."""
        if operation != "UpdateItem":
            return apply()
        self.updates += 1
        if self.clock.seconds >= self.silent_from:
            raise failure("ThrottlingException", operation)
        if 1 < self.updates <= 1 + self.garbled:
            apply()
            raise KeyError("Attributes")
        return apply()


def garbled(**limits: float) -> Garbled:
    """Two accounts of a hundred hosts."""
    told = Limits(throttled=0.0, tail=0.0, **limits)
    return Garbled(settings_for(2, 4), HOSTS, told, VirtualClock())


def begin(aws: Garbled) -> DiscoveryRun:
    """A run that holds the lease."""
    seam: Any = aws
    return DiscoveryRun.begin(aws.settings, EVERYTHING, trigger="test", aws=seam, clock=aws.clock)


def execute(aws: Garbled, run: DiscoveryRun) -> Any:
    """The run, to its end."""
    flag = Flag()
    return run.execute(None, flag, None, VirtualScheduler(aws.clock, 4, flag))


def test_garbled_replies_do_not_end_the_sign_of_life() -> None:
    """Replies in a row that cannot be read: the next beat comes, and the run succeeds."""
    aws = garbled(median_seconds=40.0, spread=0.05)
    aws.settings = aws.settings.model_copy(update={"lease_seconds": 600})
    aws.garbled = 2
    ended = execute(aws, begin(aws))
    assert (ended.status, ended.hosts_scanned) == (RunStatus.SUCCEEDED, HOSTS)
    assert aws.updates > 1 + 2 + 2, "it went on beating"


def test_a_run_that_cannot_renew_stops_when_its_lease_has_lapsed() -> None:
    """From a moment on no renewal arrives: the run stops in order, says why, and leaves what is in
    flight to the next one, which may begin by then."""
    aws = garbled(median_seconds=500.0, spread=0.1)
    aws.settings = aws.settings.model_copy(update={"command_timeout": 3600})
    aws.silent_from = 30.0
    run = begin(aws)
    with pytest.raises(LeaseLostError, match="could not renew its lease"):
        execute(aws, run)
    assert aws.clock.seconds < 30 + 2 * aws.settings.lease_seconds
    seam: Any = aws
    runs = RunStore(seam)
    left = [id_ for one in runs.outstanding(run.run_id) for id_ in one.instance_ids]
    assert len(left) == HOSTS
    aws.silent_from = float("inf")
    second = begin(aws)
    stopped = runs.run(run.run_id)
    assert stopped and stopped.status is not RunStatus.RUNNING
    assert execute(aws, second).hosts_done == HOSTS


def test_the_lease_counts_from_the_start_of_the_renewal() -> None:
    """A renewal whose answer takes long holds the lease from when it was asked for."""
    aws = garbled()
    run = begin(aws)
    slow = aws.settings.lease_seconds * 0.9

    def store(_: str, apply: Callable[[], Any]) -> Any:
        done = apply()
        aws.clock.sleep(slow)
        return done

    aws.store = store  # type: ignore[method-assign, assignment]
    run.lease.renew()
    del aws.store
    run.lease.check()
    aws.clock.sleep(aws.settings.lease_seconds * 0.2)
    with pytest.raises(LeaseLostError):
        run.lease.check()
