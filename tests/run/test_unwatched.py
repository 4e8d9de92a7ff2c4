"""Accounts and regions that runs left: what is known of them is unwatched, not fresh, not gone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pytest
from click.testing import CliRunner

from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.aws.watched import unwatched_scopes
from discovery.cli import main
from discovery.errors import RequestError
from discovery.model import (
    EVERYTHING,
    ChangeKind,
    Coverage,
    DatabaseRecord,
    DatabaseStatus,
    GoneReason,
    RunRecord,
    RunRequest,
    RunStatus,
    Scope,
)
from discovery.run import release_scopes
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


# --- release ------------------------------------------------------------------------------------


def test_releasing_a_scope_makes_what_was_known_of_it_gone(both: Settings, one: Settings) -> None:
    """Each database is gone, dated, with the reason, as a change of a run of its own."""
    scan(both)
    scan(one)
    left = Scope(both.accounts[1], REGION)
    before = {record.db_id for record in records(both, left.account_id) if record.is_database}
    run = release_scopes(one, [left], trigger="test")
    after = records(both, left.account_id)
    assert {record.db_id for record in after} == before
    assert {(record.status, record.gone_reason) for record in after} == {
        (DatabaseStatus.GONE, GoneReason.RELEASED)
    }
    assert all(record.gone_at and record.expires_at for record in after)
    store = RunStore(Aws(both))
    changes = list(store.changes(run.run_id))
    assert {change.kind for change in changes} == {ChangeKind.GONE}
    assert run.changes == {"gone": len(after)} == {"gone": len(changes)}
    assert store.run(run.run_id) == run
    assert run.status is RunStatus.SUCCEEDED
    assert {host.coverage for host in store.host_records([left.account_id])} == {Coverage.RELEASED}
    assert unwatched(both) == {}


def test_what_runs_still_scan_is_not_released(both: Settings) -> None:
    """The scope is named, and no run is on record."""
    scan(both)
    watched = Scope(both.accounts[0], REGION)
    with pytest.raises(RequestError, match=rf"{watched.account_id} {REGION} is not unwatched"):
        release_scopes(both, [watched], trigger="test")
    assert len(RunStore(Aws(both)).recent_runs()) == 1


def test_a_released_account_that_comes_back_is_scanned_like_any_other(
    both: Settings, one: Settings
) -> None:
    """Its databases appear again, with the day on which they were first seen."""
    scan(both)
    account = both.accounts[1]
    first_seen = {record.key: record.first_seen for record in records(both, account)}
    scan(one)
    release_scopes(one, [Scope(account, REGION)], trigger="test")
    scan(both)
    again = [record for record in records(both, account) if record.is_database]
    assert DatabaseStatus.GONE not in {record.status for record in again}
    assert all(record.first_seen == first_seen[record.key] for record in again)


def test_the_command_asks_and_says_what_it_did(
    both: Settings, one: Settings, environment: Mapping[str, str]
) -> None:
    """It names the scopes, releases nothing unless it is told to, and counts what it released."""
    scan(both)
    scan(one)
    account = both.accounts[1]
    variables = {**environment, "SPOKE_ACCOUNTS": both.accounts[0], "DISCOVERY_REGIONS": REGION}
    runner = CliRunner(env=variables)
    refused = runner.invoke(main, ["release", "--account", account], input="n\n")
    assert refused.exit_code != 0
    assert f"{account} {REGION}, unwatched since" in refused.stdout
    assert set(unwatched(both)) == {Scope(account, REGION)}
    done = runner.invoke(main, ["release", "--account", account, "--yes"])
    assert done.exit_code == 0, done.output
    assert "databases released in run" in done.stdout
    wrong = runner.invoke(main, ["release", "--account", both.accounts[0], "--yes"])
    assert wrong.exit_code != 0
    assert f"account={both.accounts[0]}: no region of it is unwatched" in wrong.output
