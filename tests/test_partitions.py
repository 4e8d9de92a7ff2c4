"""The three partitions: what is rendered, what is refused, a whole run in each of the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from discovery import artefacts
from discovery.artefacts import ROOT
from discovery.aws.inventory import Inventory
from discovery.aws.session import Aws
from discovery.cli.doctor import examine
from discovery.errors import ConfigurationError
from discovery.model import RunStatus
from discovery.partitions import partition_of
from discovery.run import start_run
from discovery.settings import Settings, load_settings
from tests.support.sandbox_process import sandbox_process

pytestmark = pytest.mark.server

PARTITIONS = [
    ("eu-west-1", "aws", "amazonaws.com"),
    ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
    ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
]
OTHERS = [
    ("cn-north-1", "cn-northwest-1", "aws-cn"),
    ("us-gov-west-1", "us-gov-east-1", "aws-us-gov"),
]
ESTATE = """
management_account = "100000000001"
external_id = "external-id-for-tests"
regions = ["{home}", "{other}"]

[[accounts]]
id = "210000000001"
name = "one"

[[accounts.hosts]]
name = "one-db-1"
os = "ubuntu-22.04"
type = "m5.xlarge"
databases = [{{ engine = "mysql", version = "8.0.39", size = "12 GiB" }}]

[[accounts]]
id = "320000000001"
name = "two"

[[accounts.hosts]]
name = "two-db-1"
os = "debian-12"
type = "m5.xlarge"
region = "{other}"
databases = [{{ engine = "postgresql", version = "15.7", size = "3 GiB" }}]

[[accounts]]
id = "100000000001"
name = "management"

[[accounts]]
id = "980000000001"
name = "closed"
status = "SUSPENDED"
"""


@pytest.mark.parametrize(("region", "partition", "suffix"), PARTITIONS)
def test_artefacts_name_their_partition_only(region: str, partition: str, suffix: str) -> None:
    """Every ARN and every host name of every artefact is of the home region's partition."""
    settings = Settings(
        home_region=region, external_id="external", script_bucket="scripts", output_bucket="output"
    )
    values = artefacts.placeholder_values(
        settings, MANAGEMENT_ACCOUNT_ID="111122223333", SPOKE_ACCOUNT_ID="444455556666"
    )
    policies = sorted(path.name for path in (ROOT / "iam").glob("*.json"))
    texts = [artefacts.render_text(f"iam/{name}", values) for name in policies]
    arns = [part.split('"')[0] for text in texts for part in text.split('"arn:')[1:]]
    assert arns
    assert {arn.split(":")[0] for arn in arns} == {partition}
    document = json.loads(artefacts.document_text(settings))
    source = json.loads(document["mainSteps"][0]["inputs"]["sourceInfo"])["path"]
    assert source.startswith(f"https://s3.{region}.{suffix}/scripts/probe/")
    assert partition_of(region).dns_suffix == suffix


@pytest.mark.parametrize(("region", "partition", "suffix"), PARTITIONS)
def test_the_session_policy_fits_in_every_partition(
    region: str, partition: str, suffix: str
) -> None:
    """AssumeRole takes 2,048 characters, also where ARNs are longest."""
    settings = Settings(home_region=region, document_name="D" * 128)
    text = artefacts.session_policy(settings, "444455556666")
    assert len(text) < artefacts.MAX_SESSION_POLICY
    assert f"arn:{partition}:ssm" in text
    assert suffix not in text


@pytest.mark.parametrize(
    ("home", "regions"),
    [
        ("eu-west-1", "eu-west-1,cn-north-1"),
        ("us-gov-west-1", "us-east-1"),
        ("cn-north-1", "eu-west-1"),
    ],
)
def test_regions_of_two_partitions_are_refused(home: str, regions: str) -> None:
    """A run lives in one partition: the message names the variable, the region and both."""
    with pytest.raises(ConfigurationError) as refused:
        load_settings({"AWS_REGION": home, "DISCOVERY_REGIONS": regions})
    message = str(refused.value)
    assert message.startswith("DISCOVERY_REGIONS=")
    assert f"{partition_of(home).name}: a run lives in one partition" in message


@pytest.fixture(scope="module", params=OTHERS, ids=[one[2] for one in OTHERS])
def elsewhere(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Settings, str]]:
    """A small organisation in another partition, every region that is enabled; its partition."""
    home, other, partition = request.param
    file: Path = tmp_path_factory.mktemp(partition) / "estate.toml"
    file.write_text(ESTATE.format(home=home, other=other), encoding="utf-8")
    with sandbox_process("--estate", str(file)) as exports, pytest.MonkeyPatch.context() as patch:
        for name, value in exports.items():
            patch.setenv(name, value)
        yield load_settings({**exports, "DISCOVERY_REGIONS": "all"}), partition


def test_the_role_is_assumed_in_its_own_partition(elsewhere: tuple[Settings, str]) -> None:
    """On the wire the spoke role has the partition's ARN, and everything a run needs is there."""
    settings, partition = elsewhere
    findings = {one.subject: one for one in examine(settings)}
    assert all(one.ok for one in findings.values()), findings
    role = findings["210000000001 role"].detail
    assert role.startswith(f"arn:{partition}:sts::210000000001:assumed-role/DBDiscoverySpokeRole/")
    assert "skipped: 1 suspended (980000000001)" in findings["accounts"].detail


def test_a_whole_run_finds_what_is_there(elsewhere: tuple[Settings, str]) -> None:
    """Organizations, EC2, Systems Manager, S3 and DynamoDB of that partition: the same run."""
    settings, _ = elsewhere
    run = start_run(settings, trigger="test")
    assert run.status is RunStatus.SUCCEEDED, run
    assert run.accounts_skipped == {"980000000001": "suspended"}
    found = {
        (one.account_id, one.region, one.engine, one.version)
        for one in Inventory(Aws(settings)).all_records()
    }
    assert found == {
        ("210000000001", settings.home_region, "mysql", "8.0.39"),
        ("320000000001", second_region(settings), "postgresql", "15.7"),
    }


def second_region(settings: Settings) -> str:
    """The estate's second region."""
    return next(other for home, other, _ in OTHERS if home == settings.home_region)
