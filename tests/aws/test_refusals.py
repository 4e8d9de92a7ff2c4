"""What AWS refuses: the caller's keys, a region that is not enabled, STS that is off. `doctor` and
`scan` name the same cause."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from discovery.aws.errors import INVALID_TOKEN_CODES, aws_errors
from discovery.aws.regions import why_refused
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.cli.doctor import Finding, examine
from discovery.errors import AwsError, FailureKind
from discovery.model import RunRequest, Scope
from discovery.run import start_run
from discovery.settings import Settings
from sandbox import Sandbox
from tests.support.empty_tables import empty_tables

HOME, OTHER, NOT_ENABLED = "eu-west-1", "eu-central-1", "me-south-1"


def translated(operation: str, code: str) -> AwsError:
    """What an error of AWS becomes."""
    answer = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    with pytest.raises(AwsError) as error, aws_errors():
        raise ClientError(answer, operation)  # type: ignore[arg-type]
    return error.value


@pytest.mark.parametrize(
    ("operation", "code", "kind"),
    [
        ("DescribeInstances", "AuthFailure", FailureKind.NO_CREDENTIALS),
        ("GetCallerIdentity", "InvalidClientTokenId", FailureKind.NO_CREDENTIALS),
        ("AssumeRole", "InvalidClientTokenId", FailureKind.NO_CREDENTIALS),
        ("PutItem", "UnrecognizedClientException", FailureKind.NO_CREDENTIALS),
        ("GetObject", "InvalidAccessKeyId", FailureKind.NO_CREDENTIALS),
        ("GetCallerIdentity", "SignatureDoesNotMatch", FailureKind.NO_CREDENTIALS),
        ("AssumeRole", "SignatureDoesNotMatch", FailureKind.NO_CREDENTIALS),
        ("GetItem", "InvalidSignatureException", FailureKind.NO_CREDENTIALS),
        ("GetObject", "RequestTimeTooSkewed", FailureKind.NO_CREDENTIALS),
        ("AssumeRole", "RegionDisabledException", FailureKind.STS_DISABLED),
        ("GetCallerIdentity", "RegionDisabledException", FailureKind.STS_DISABLED),
        ("DescribeInstances", "OptInRequired", FailureKind.REGION_DISABLED),
        ("AssumeRole", "AccessDenied", FailureKind.ASSUME_ROLE_DENIED),
        ("DescribeInstances", "UnauthorizedOperation", FailureKind.ACCESS_DENIED),
    ],
)
def test_a_code_is_the_cause_that_it_names(operation: str, code: str, kind: FailureKind) -> None:
    """Keys that are wrong or deactivated are not a region that is off, nor is STS."""
    assert translated(operation, code).kind is kind


def test_the_hint_of_wrong_keys_and_of_sts_leaves_the_regions_alone() -> None:
    """Nobody is sent to DISCOVERY_REGIONS for a key or for STS."""
    for kind in (FailureKind.NO_CREDENTIALS, FailureKind.STS_DISABLED):
        assert "DISCOVERY_REGIONS" not in kind.hint


# --- good credentials in a region that is not enabled ---


@pytest.fixture
def account(sandbox: Sandbox) -> str:
    """An account whose role can be assumed."""
    return sandbox.estate.accounts[0].id


@pytest.mark.parametrize("code", sorted(INVALID_TOKEN_CODES))
def test_a_region_that_is_not_enabled_is_told_from_bad_keys(
    settings: Settings, account: str, code: str
) -> None:
    """AWS says the same of both: the home region, and the regions it names, tell them apart."""
    aws, error = Aws(settings), translated("DescribeInstances", code)
    found = {
        region: why_refused(aws, Scope(account, region), error).kind
        for region in (HOME, OTHER, NOT_ENABLED)
    }
    assert found == {
        HOME: FailureKind.NO_CREDENTIALS,
        OTHER: FailureKind.NO_CREDENTIALS,
        NOT_ENABLED: FailureKind.REGION_DISABLED,
    }
    told = why_refused(aws, Scope(account, NOT_ENABLED), error)
    assert str(told) == str(error)
    assert told.hint == FailureKind.REGION_DISABLED.hint


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AuthFailure", FailureKind.NO_CREDENTIALS),
        ("UnauthorizedOperation", FailureKind.REGION_DISABLED),
    ],
)
def test_keys_that_no_region_takes_are_bad(
    sandbox: Sandbox, settings: Settings, account: str, code: str, kind: FailureKind
) -> None:
    """When the home region refuses them too, no region is to blame; when it may only not be asked,
    it took the role, and the keys are good."""
    sandbox.fail_next("DescribeRegions", code, account=account)
    error = translated("DescribeInstances", "AuthFailure")
    assert why_refused(Aws(settings), Scope(account, NOT_ENABLED), error).kind is kind


def test_another_refusal_is_left_as_it_is_and_costs_no_request(
    settings: Settings, account: str
) -> None:
    """A permission that is missing is not a matter of regions."""
    aws, error = Aws(settings), translated("DescribeInstances", "UnauthorizedOperation")
    assert why_refused(aws, Scope(account, NOT_ENABLED), error) is error
    assert not aws.calls.usage().calls


# --- doctor and scan ---


def doctor(settings: Settings) -> dict[str, Finding]:
    """What `doctor` finds wrong, by subject."""
    return {finding.subject: finding for finding in examine(settings) if not finding.ok}


def scanned(settings: Settings, account: str) -> FailureKind | None:
    """Why a scan of the account's home region failed."""
    run = start_run(settings, RunRequest((account,), (HOME,)), trigger="test")
    (scope,) = RunStore(Aws(settings)).scopes(run.run_id)
    return scope.error_kind


def test_wrong_keys_are_told_alike(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that AWS does not know: both say so, and neither speaks of regions."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    found = doctor(settings)
    assert found["credentials"].fix == FailureKind.NO_CREDENTIALS.hint
    with pytest.raises(AwsError) as refused:
        start_run(settings, RunRequest(), trigger="test")
    assert refused.value.kind is FailureKind.NO_CREDENTIALS
    assert refused.value.hint == found["credentials"].fix


def test_refused_keys_in_the_home_region_are_told_alike(
    sandbox: Sandbox, settings: Settings, account: str
) -> None:
    """`AuthFailure` where the tables are is no disabled region."""
    empty_tables(sandbox)
    sandbox.fail_next("ec2:DescribeInstances", "AuthFailure", account=account)
    found = doctor(settings)[f"{account} {HOME} instances"]
    sandbox.fail_next("ec2:DescribeInstances", "AuthFailure", account=account)
    kind = scanned(settings, account)
    assert kind is FailureKind.NO_CREDENTIALS
    assert found.fix == kind.hint


def test_sts_that_is_off_is_told_alike(sandbox: Sandbox, settings: Settings, account: str) -> None:
    """The role cannot be assumed because STS is off in the home region: the hint says where to
    switch it on."""
    empty_tables(sandbox)
    accounts = settings.model_copy(update={"accounts": (account,)})
    sandbox.fail_next("sts:AssumeRole", "RegionDisabledException")
    found = doctor(accounts)[f"{account} role"]
    sandbox.fail_next("sts:AssumeRole", "RegionDisabledException")
    kind = scanned(accounts, account)
    assert kind is FailureKind.STS_DISABLED
    assert found.fix == kind.hint
    assert "activate it" in found.fix


def test_sts_that_is_off_for_the_caller_is_told_too(sandbox: Sandbox, settings: Settings) -> None:
    """The first check of `doctor` asks STS itself."""
    sandbox.fail_next("sts:GetCallerIdentity", "RegionDisabledException")
    assert doctor(settings)["credentials"].fix == FailureKind.STS_DISABLED.hint
