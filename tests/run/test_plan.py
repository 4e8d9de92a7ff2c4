"""What a run looks into: accounts of the organisation, the regions each has enabled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from discovery.aws.accounts import list_accounts
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.cli.doctor import examine
from discovery.errors import AwsError, ConfigurationError, FailureKind, RequestError
from discovery.model import EVERYTHING, RunRequest, Scope, ScopeStatus
from discovery.run.plan import plan_run
from discovery.run.runner import start_run
from discovery.settings import Settings, load_settings
from sandbox import Sandbox
from tests.support.empty_tables import empty_tables

SUSPENDED = "980000000001"
STAGING = "210000000002"
UNTRUSTING = "760000000001"
PRODUCTION = {"210000000001", "320000000001", "430000000001", "540000000001"}


def with_settings(settings: Settings, **changed: object) -> Aws:
    """Clients with some settings changed."""
    return Aws(settings.model_copy(update=changed))


# --- accounts -----------------------------------------------------------------------------------


def test_suspended_accounts_are_left_out_and_named(settings: Settings) -> None:
    """The organisation's active accounts are discovered; a suspended one is told, with why."""
    accounts = list_accounts(Aws(settings))
    assert len(accounts.active) == 9
    assert SUSPENDED not in accounts.active
    assert accounts.skipped == {SUSPENDED: "suspended"}


def test_a_closing_account_is_left_out_with_its_own_reason(
    sandbox: Sandbox, settings: Settings
) -> None:
    """An account whose closure is pending is not called suspended."""
    from moto.organizations.models import organizations_backends

    members = organizations_backends[sandbox.estate.management_account]["aws"].accounts
    closing = next(one for one in members if one.id == STAGING)
    closing.state = closing.status = "PENDING_CLOSURE"
    try:
        assert list_accounts(Aws(settings)).skipped == {
            STAGING: "closing",
            SUSPENDED: "suspended",
        }
    finally:
        closing.state = closing.status = "ACTIVE"


@pytest.mark.parametrize(
    ("units", "active"),
    [
        (("ou-sbx1-production",), PRODUCTION),
        (
            ("ou-sbx1-workloads",),
            PRODUCTION | {STAGING, "650000000001", UNTRUSTING, "870000000001"},
        ),
        (("ou-sbx1-production", "ou-sbx1-staging1"), PRODUCTION | {STAGING}),
        (
            ("ou-sbx1-production", "ou-sbx1-workloads"),
            PRODUCTION | {STAGING, "650000000001", UNTRUSTING, "870000000001"},
        ),
        (("ou-sbx1-suspended",), set()),
    ],
)
def test_units_choose_accounts_and_hold_the_units_below(
    settings: Settings, units: tuple[str, ...], active: set[str]
) -> None:
    """An organizational unit stands for its accounts and those of every unit in it, once."""
    found = list_accounts(with_settings(settings, units=units)).active
    assert set(found) == active
    assert len(found) == len(active)


def test_the_root_is_the_whole_organisation(settings: Settings) -> None:
    """A root holds every account, as no filter does."""
    assert list_accounts(with_settings(settings, units=("r-sbx1",))) == list_accounts(Aws(settings))


def test_a_unit_that_does_not_exist_is_an_error(settings: Settings) -> None:
    """A mistyped unit is never "no accounts"."""
    with pytest.raises(AwsError, match="ListAccountsForParent"):
        list_accounts(with_settings(settings, units=("ou-sbx1-elsewhere",)))


@pytest.mark.parametrize("unit", ["production", "ou-1234", "o-exampleorgid", "ou-sbx1-short"])
def test_what_is_no_unit_is_refused_with_its_variable(unit: str) -> None:
    """The message names the variable and the value."""
    environment = {"SPOKE_ACCOUNTS": "organization", "DISCOVERY_OUS": f"ou-sbx1-workloads,{unit}"}
    with pytest.raises(ConfigurationError, match=rf"DISCOVERY_OUS=.*'{unit}'"):
        load_settings(environment)


def test_units_and_a_list_of_accounts_exclude_each_other() -> None:
    """A filter that would not filter is refused."""
    with pytest.raises(ConfigurationError, match=r"DISCOVERY_OUS=.*SPOKE_ACCOUNTS"):
        load_settings({"SPOKE_ACCOUNTS": "111122223333", "DISCOVERY_OUS": "r-sbx1"})


def test_a_suspended_account_that_is_asked_for_is_refused(settings: Settings) -> None:
    """Asked for by name, it is told why it cannot be discovered."""
    with pytest.raises(RequestError, match=f"'{SUSPENDED}' is suspended"):
        plan_run(Aws(settings), RunRequest(accounts=(SUSPENDED,)))


# --- regions ------------------------------------------------------------------------------------


def test_all_regions_are_those_that_each_account_has_enabled(
    sandbox: Sandbox, settings: Settings
) -> None:
    """Every account is asked once, and answers for itself."""
    before = sandbox.calls.copy()
    aws = with_settings(settings, regions=("all",))
    plan = plan_run(aws, EVERYTHING)
    regions: dict[str, list[str]] = {}
    for scope in plan.scopes:
        regions.setdefault(scope.account_id, []).append(scope.region)
    assert regions.pop(STAGING) == ["eu-west-1"]
    assert regions.pop(UNTRUSTING) == [settings.home_region]
    assert set(map(tuple, regions.values())) == {("eu-central-1", "eu-west-1")}
    # 9 accounts, of which one lets nobody in
    assert (sandbox.calls - before)["ec2:DescribeRegions"] == 8


@pytest.fixture
def refusing(sandbox: Sandbox, settings: Settings) -> Iterator[Settings]:
    """All regions of one account, which refuses to tell them."""
    empty_tables(sandbox)
    sandbox.fail_next("ec2:DescribeRegions", "UnauthorizedOperation", account=STAGING)
    yield settings.model_copy(
        update={"accounts": ("210000000001", STAGING), "regions": ("all",), "command_timeout": 30}
    )
    empty_tables(sandbox)


def test_refused_regions_are_a_failed_scope_and_not_none(refusing: Settings) -> None:
    """The account that did not tell its regions is a failed scope, with AWS's words; the other
    account is discovered."""
    run = start_run(refusing, trigger="test")
    failed = RunStore(Aws(refusing)).scopes(run.run_id)
    states = {(one.account_id, one.region): one for one in failed}
    scope = states.pop((STAGING, "eu-west-1"))
    assert scope.status is ScopeStatus.FAILED
    assert scope.error_kind is FailureKind.ACCESS_DENIED
    assert "DescribeRegions" in (scope.error or "")
    assert set(states) == {("210000000001", "eu-west-1"), ("210000000001", "eu-central-1")}
    assert (run.scopes_total, run.scopes_failed) == (3, 1)
    assert run.hosts_scanned > 0


def test_named_regions_are_not_asked_for(sandbox: Sandbox, settings: Settings) -> None:
    """A list in the settings, or a region in the request, is taken as it is."""
    before = sandbox.calls.copy()
    account = ("210000000001",)
    listed = plan_run(Aws(settings), RunRequest(accounts=account))
    every = with_settings(settings, regions=("all",))
    asked = plan_run(every, RunRequest(accounts=account, regions=("eu-central-1",)))
    assert [one.region for one in listed.scopes] == ["eu-west-1", "eu-central-1"]
    assert asked.scopes == (Scope("210000000001", "eu-central-1"),)
    assert (sandbox.calls - before)["ec2:DescribeRegions"] == 0


@pytest.mark.parametrize(
    ("region", "message"),
    [("cn-north-1", "partition aws-cn.*one partition"), ("moon", "not an AWS region name")],
)
def test_a_region_that_cannot_be_is_refused(settings: Settings, region: str, message: str) -> None:
    """With all regions, what is asked for must still be one of this partition's."""
    with pytest.raises(RequestError, match=message):
        plan_run(with_settings(settings, regions=("all",)), RunRequest(regions=(region,)))


def test_all_stands_alone() -> None:
    """`all` beside a name is a mistake."""
    with pytest.raises(ConfigurationError, match=r"DISCOVERY_REGIONS=.*'all' stands alone"):
        load_settings({"DISCOVERY_REGIONS": "all,eu-west-1"})


# --- what is said of it ---------------------------------------------------------------------------


def test_doctor_names_skipped_accounts_and_each_account_s_regions(settings: Settings) -> None:
    """`doctor` looks at what a run would, and says what a run would leave out."""
    found = {one.subject: one for one in examine(settings.model_copy(update={"regions": ("all",)}))}
    assert f"skipped: 1 suspended ({SUSPENDED})" in found["accounts"].detail
    assert found[f"{STAGING} regions"].detail == "1 enabled: eu-west-1"
    assert found[f"{STAGING} eu-west-1 instances"].ok
    assert f"{STAGING} eu-central-1 instances" not in found
    assert not found[f"{UNTRUSTING} role"].ok
