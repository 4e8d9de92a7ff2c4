"""Accounts and regions that runs left: what is known of them is unwatched, not fresh, not gone."""

from __future__ import annotations

from datetime import datetime

import pytest

from discovery.aws.inventory import Inventory
from discovery.aws.session import Aws
from discovery.aws.watched import unwatched_scopes
from discovery.model import EVERYTHING, DatabaseRecord, RunRecord, RunRequest, Scope
from discovery.run.runner import resume_run, start_run
from discovery.settings import Settings
from sandbox import Sandbox
from tests.support.empty_tables import empty_tables

REGION = "eu-west-1"


@pytest.fixture(autouse=True)
def _empty(sandbox: Sandbox) -> None:
    """Every test starts with empty tables."""
    empty_tables(sandbox)


@pytest.fixture
def both(sandbox: Sandbox, settings: Settings) -> Settings:
    """Settings that name two accounts and one region."""
    accounts = tuple(account.id for account in sandbox.estate.accounts[:2])
    return settings.model_copy(update={"accounts": accounts, "regions": (REGION,)})


@pytest.fixture
def one(both: Settings) -> Settings:
    """The same after the second account left."""
    return both.model_copy(update={"accounts": both.accounts[:1]})


def scan(settings: Settings, request: RunRequest = EVERYTHING) -> RunRecord:
    """One finished run."""
    return start_run(settings, request, trigger="test")


def unwatched(settings: Settings) -> dict[Scope, datetime]:
    """The scopes that runs left."""
    return unwatched_scopes(Aws(settings))


def records(settings: Settings, account: str) -> list[DatabaseRecord]:
    """What the inventory holds of an account."""
    return list(Inventory(Aws(settings)).account_records(account))


def test_an_account_that_left_the_settings_is_unwatched_since_the_first_run_without_it(
    both: Settings, one: Settings
) -> None:
    """Its records stay as they were; the date is that of the first run and does not move."""
    scan(both)
    left = Scope(both.accounts[1], REGION)
    before = records(both, left.account_id)
    assert before and unwatched(both) == {}
    first = scan(one)
    assert unwatched(both) == {left: first.started_at}
    scan(one)
    assert unwatched(both) == {left: first.started_at}
    assert records(both, left.account_id) == before


def test_a_region_that_is_no_longer_scanned_is_unwatched(both: Settings) -> None:
    """The scope is account and region: the other region stays watched."""
    wider = both.model_copy(update={"regions": (REGION, "us-east-1")})
    scan(wider)
    scan(both)
    assert set(unwatched(both)) == {Scope(account, "us-east-1") for account in both.accounts}


def test_who_comes_back_is_watched_again(both: Settings, one: Settings) -> None:
    """The next run that plans the scope takes the mark away, also when the scope then fails."""
    scan(both)
    scan(one)
    scan(both)
    assert unwatched(both) == {}


@pytest.mark.parametrize("chosen", ["account", "region"])
def test_a_run_of_a_part_makes_nothing_unwatched(both: Settings, chosen: str) -> None:
    """Who asked for one account, region or instance left the others out on purpose."""
    scan(both)
    account = both.accounts[0]
    request = RunRequest((account,)) if chosen == "account" else RunRequest((), (REGION,))
    wider = both.model_copy(update={"regions": (REGION, "us-east-1")})
    scan(wider)
    scan(wider, request)
    assert unwatched(both) == {}


def test_resuming_a_run_makes_nothing_unwatched(both: Settings) -> None:
    """It plans only what the first run left undone."""
    run = scan(both)
    resume_run(both, run.run_id, trigger="test")
    assert unwatched(both) == {}


def test_an_account_that_does_not_tell_its_regions_stays_as_it_is(
    sandbox: Sandbox, both: Settings
) -> None:
    """A refused list of regions is no proof that a region was left."""
    every = both.model_copy(update={"regions": ("all",)})
    scan(every)
    sandbox.fail_next("ec2:DescribeRegions", "UnauthorizedOperation", 1, account=both.accounts[1])
    scan(every)
    assert unwatched(both) == {}
