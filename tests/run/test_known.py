"""What a run knows of an account: read once, let go as hosts are done, never taken for nothing."""

from __future__ import annotations

from discovery.aws.inventory import Inventory
from discovery.model import Coverage, Host, Scope
from discovery.run.known import KnownRecords
from simulation.aws import REGION, Limits, SimulatedAws
from simulation.clock import VirtualClock
from simulation.runs import run_once, settings_for

ACCOUNT = "000000000001"


def an_account() -> tuple[SimulatedAws, KnownRecords, list[Host]]:
    """One account whose ten hosts are known from a run."""
    aws = SimulatedAws(
        settings_for(1, 2), 10, Limits(throttled=0, tail=0, unavailable=0), VirtualClock()
    )
    run_once(aws)
    known = KnownRecords(Inventory(aws), [Scope(ACCOUNT, REGION)])  # type: ignore[arg-type]
    hosts = [Host(ACCOUNT, REGION, id_, Coverage.PENDING) for id_ in aws.hosts[ACCOUNT]]
    return aws, known, hosts


def reads(aws: SimulatedAws) -> int:
    """Queries so far."""
    return aws.counts["dynamodb:Query"]


def test_an_account_is_read_once() -> None:
    """However many of its hosts are asked for."""
    aws, known, hosts = an_account()
    before = reads(aws)
    assert all(len(known.records_of(host)) == 1 for host in hosts)
    assert reads(aws) - before == 1


def test_a_host_that_is_done_is_read_anew() -> None:
    """What was known of it is let go; asked for again, it is what the table holds, not nothing."""
    aws, known, hosts = an_account()
    first = known.records_of(hosts[0])
    known.host_done(hosts[0])
    before = reads(aws)
    assert list(known.records_of(hosts[0])) == list(first) != []
    assert reads(aws) - before == 1
