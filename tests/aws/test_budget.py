"""Request budgets: what is allowed is used, what is refused slows that one API down."""

from __future__ import annotations

import pytest

from discovery.aws.budget import (
    BURST_SECONDS,
    FIRST_RATE,
    HIGHEST_RATE,
    LOWEST_RATE,
    Budget,
    Budgets,
)
from discovery.aws.hosts import list_hosts
from discovery.aws.session import Aws
from discovery.model import Scope
from discovery.settings import Settings
from sandbox import Sandbox
from simulation.clock import VirtualClock


def test_requests_keep_to_the_rate_after_a_burst() -> None:
    """A second's worth goes out at once; the rest at the rate, not much slower."""
    clock = VirtualClock()
    budget = Budget(clock)
    for _ in range(int(FIRST_RATE * BURST_SECONDS)):
        budget.spend()
    assert clock.seconds == pytest.approx(0, abs=1e-6)
    for _ in range(100):
        budget.spend()
    assert 100 / FIRST_RATE - 0.2 <= clock.seconds <= 1.1 * 100 / FIRST_RATE


def test_a_throttle_halves_the_rate_once_for_all_that_were_in_flight() -> None:
    """Ten refusals at the same time are one reason to slow down; one a second later is another."""
    clock = VirtualClock()
    budget = Budget(clock)
    for _ in range(10):
        budget.throttled()
    assert budget.rate == FIRST_RATE / 2
    clock.sleep(1.0)
    budget.throttled()
    assert budget.rate == FIRST_RATE / 4


def test_the_rate_stays_within_its_bounds() -> None:
    """However often AWS refuses or serves, requests go on, and never faster than the bound."""
    clock = VirtualClock()
    budget = Budget(clock)
    for _ in range(50):
        budget.throttled()
        clock.sleep(1.0)
    assert budget.rate == LOWEST_RATE
    for _ in range(1000):
        budget.served()
    assert budget.rate == HIGHEST_RATE


def test_a_limit_that_nobody_published_is_found() -> None:
    """Against an AWS that allows four requests a second, few of 400 are refused."""
    clock = VirtualClock()
    budget = Budget(clock)
    allowed, at, refused = 4.0, 0.0, 0
    for _ in range(400):
        budget.spend()
        allowed = min(4.0, allowed + (clock.seconds - at) * 4.0)
        at = clock.seconds
        if allowed >= 1:
            allowed -= 1
            budget.served()
        else:
            refused += 1
            budget.throttled()
    assert refused < 40


def test_each_api_account_and_region_has_its_own() -> None:
    """What slows one API down in one place slows nothing else."""
    budgets = Budgets(VirtualClock())
    budgets.budget_for("111122223333", "eu-west-1", "ssm:SendCommand").throttled()
    rates = {
        (account, region, api): budgets.budget_for(account, region, api).rate
        for account in ("111122223333", "444455556666")
        for region in ("eu-west-1", "eu-west-2")
        for api in ("ssm:SendCommand", "ssm:ListCommandInvocations")
    }
    slowed = [key for key, rate in rates.items() if rate < FIRST_RATE]
    assert slowed == [("111122223333", "eu-west-1", "ssm:SendCommand")]


def test_a_throttled_request_on_the_wire_slows_its_api(
    sandbox: Sandbox, settings: Settings
) -> None:
    """Retries included, every request of a spoke client is held to its budget."""
    host = next(host for host in sandbox.estate.hosts() if host.agent == "online")
    scope = Scope(host.account_id, host.region)
    aws = Aws(settings)
    sandbox.fail_next("ssm:DescribeInstanceInformation", "ThrottlingException", 1)
    list_hosts(aws, scope, [host.instance_id])
    slowed = aws.budgets.budget_for(
        scope.account_id, scope.region, "ssm:DescribeInstanceInformation"
    )
    free = aws.budgets.budget_for(scope.account_id, scope.region, "ec2:DescribeInstances")
    assert slowed.rate < FIRST_RATE < free.rate
    assert aws.calls.usage().calls["ssm:DescribeInstanceInformation"] == 2
