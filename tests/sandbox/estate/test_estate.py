"""What the demo estate must hold, and that its file is read strictly."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from sandbox.engines import ENGINES
from sandbox.estate import DEFAULT_ESTATE, Estate, EstateHost, Scenario, load_estate
from tests.support.hosts import host_named

MATRIX = {
    "EC2 without SSM agent",
    "EC2 with SSM but agent offline",
    "SSM permission denied",
    "Database installed but service stopped",
    "Multiple databases on one instance",
    "Database in non-standard directory",
    "Unsupported/unknown DB engine",
    "Legacy OS not fully supported",
    "Partial command failure",
    "Lambda timeout",
    "Cross-account assume-role failure",
    "API request during incomplete discovery",
    "Instance termination during scan",
}

MINIMAL = """
management_account = "100000000001"
external_id = "x"
regions = ["eu-west-1"]
[[accounts]]
id = "210000000001"
name = "one"
[[accounts.hosts]]
name = "db-1"
os = "{os}"
type = "m5.large"
{more}
"""


def test_it_is_as_large_as_a_demo_needs(estate: Estate) -> None:
    """Five accounts that work, two regions, 60 hosts that can be scanned, 90 databases to find."""
    working = [account for account in estate.accounts if account.is_scannable]
    scannable = list(estate.scannable_hosts())
    assert len(working) >= 5
    assert len(estate.regions) == 2
    assert {host.region for host in scannable} == set(estate.regions)
    assert len(scannable) >= 60
    assert sum(len(host.databases) for host in scannable) >= 90


def test_every_row_of_the_edge_case_matrix_is_shown(estate: Estate) -> None:
    """The labels are the 13 rows of the matrix, each by its exact name, and nothing else."""
    assert set(estate.edge_cases()) == MATRIX


def test_labelled_hosts_are_what_their_label_says(estate: Estate) -> None:
    """Each labelled host, account or scenario has the property its row is about."""
    shown = {row: things[0] for row, things in estate.edge_cases().items()}

    def host(row: str) -> EstateHost:
        thing = shown[row]
        assert isinstance(thing, EstateHost)
        return thing

    assert host("EC2 without SSM agent").agent == "none"
    assert host("EC2 with SSM but agent offline").agent == "offline"
    assert host("EC2 with SSM but agent offline").state == "running"
    assert {db.status for db in host("Database installed but service stopped").databases} == {
        "installed"
    }
    several = host("Multiple databases on one instance").databases
    assert len({db.engine for db in several}) == 3
    assert Counter(db.engine for db in several)["mysql"] == 2
    away = host("Database in non-standard directory").databases[0]
    assert away.data_dir != "/var/lib/mysql" and away.size_bytes > 2**30
    assert host("Unsupported/unknown DB engine").databases == ()
    assert not host("Legacy OS not fully supported").python
    assert host("Instance termination during scan").behaviour == "terminate"
    for row in ("Lambda timeout", "API request during incomplete discovery"):
        slow = shown[row]
        assert isinstance(slow, Scenario)
        late = next(host for host in estate.hosts() if host.instance_id == slow.instance_id)
        assert late.is_scannable and late.delay_seconds >= 10


def test_a_partial_failure_has_neighbours_that_succeed(estate: Estate) -> None:
    """The host whose command fails shares its batch with hosts whose commands do not."""
    thing = estate.edge_cases()["Partial command failure"][0]
    assert isinstance(thing, EstateHost) and not thing.is_scannable
    batch = [
        host
        for host in estate.scannable_hosts()
        if (host.account_id, host.region) == (thing.account_id, thing.region)
    ]
    assert len(batch) >= 2


def test_two_accounts_fail_in_different_ways(estate: Estate) -> None:
    """One account's role cannot be assumed, another's may not send commands; both have hosts."""
    rows = estate.edge_cases()
    for row in ("Cross-account assume-role failure", "SSM permission denied"):
        account = rows[row][0]
        assert not isinstance(account, (EstateHost, Scenario))
        assert account.hosts and not account.is_scannable
    roles = {account.role for account in estate.accounts if account.status == "ACTIVE"}
    assert "untrusting" in roles
    assert any("ssm:SendCommand" in account.denied_actions for account in estate.accounts)


def test_each_kind_of_host_that_is_not_scanned_is_there(estate: Estate) -> None:
    """Stopped, Windows, offline, unmanaged, and each way a command can fail."""
    hosts = list(estate.hosts())
    assert any(host.state == "stopped" and host.platform == "Linux" for host in hosts)
    assert any(host.state == "running" and host.platform == "Windows" for host in hosts)
    assert {host.agent for host in hosts} == {"online", "offline", "none"}
    behaviours = {host.behaviour for host in hosts}
    assert behaviours == {"run", "hang", "undeliverable", "terminate", "garbage"}


@pytest.mark.parametrize(
    ("engine", "wanted"),
    [
        ("mysql", {"5.6", "5.7", "8.0", "8.4"}),
        ("mariadb", {"10.3", "10.6", "10.11", "11.4"}),
        ("percona", {"5.7", "8.0"}),
        ("postgresql", {"9.6", "11", "12", "13", "14", "15", "16", "17"}),
        ("mongodb", {"3.6", "4.4", "5.0", "6.0", "7.0", "8.0"}),
    ],
)
def test_versions_are_mixed(estate: Estate, engine: str, wanted: set[str]) -> None:
    """A run finds each release series the demo shows, supported or not."""
    found = {
        ENGINES[db.engine].series(db.version)
        for host in estate.scannable_hosts()
        for db in host.databases
        if db.engine == engine
    }
    assert found >= wanted


def test_operating_systems_and_sizes_are_mixed(estate: Estate) -> None:
    """Ten Linux releases on two architectures, and sizes from MiB to TiB."""
    scannable = list(estate.scannable_hosts())
    assert len({host.os.key for host in scannable}) >= 10
    assert {host.architecture for host in scannable} == {"x86_64", "aarch64"}
    sizes = [db.size_bytes for host in scannable for db in host.databases if db.data_dir]
    assert min(sizes) < 2**30 and max(sizes) > 3 * 2**40


def test_ids_are_unique_and_the_same_each_time(estate: Estate) -> None:
    """Two readings agree in full; no instance id or address is given twice; ids look like EC2's."""
    assert load_estate() == estate
    hosts = list(estate.hosts())
    assert all(re.fullmatch(r"i-0[0-9a-f]{16}", host.instance_id) for host in hosts)
    assert len({host.instance_id for host in hosts}) == len(hosts)
    assert len({host.private_ip for host in hosts}) == len(hosts)
    for host in hosts:
        assert len({db.db_id for db in host.databases}) == len(host.databases)


def test_servers_that_share_a_port_have_stable_different_ids(estate: Estate) -> None:
    """Two servers on one port of two addresses: one has the plain id, one a hash of its place."""
    ids = [db.db_id for db in host_named(estate, "tokens-db-1").databases]
    assert ids[0] == "percona-3306"
    assert re.fullmatch(r"percona-3306-[0-9a-f]{8}", ids[1])


def test_tags_are_ones_that_aws_takes(estate: Estate) -> None:
    """Keys and values keep to AWS's characters; names are the hosts'; environments vary in key."""
    keys = set()
    for host in estate.hosts():
        assert host.tags["Name"] == host.name
        assert {"Application", "Owner", "CostCenter"} <= set(host.tags)
        for key, value in host.tags.items():
            assert re.fullmatch(r"[\w .:/=+\-@]{1,128}", key)
            assert re.fullmatch(r"[\w .:/=+\-@]{1,256}", value)
        keys |= set(host.tags)
    assert {"Environment", "environment", "Env", "env", "Stage"} <= keys


def test_a_scope_fits_one_batch(estate: Estate) -> None:
    """No account has more than 50 hosts in a region, so that each scope needs one command."""
    scopes = Counter((host.account_id, host.region) for host in estate.hosts())
    assert max(scopes.values()) <= 50


@pytest.mark.parametrize(
    ("os", "more", "said"),
    [
        ("beos-5", "", "beos-5"),
        ("rhel-9", 'region = "mars-1"', "mars-1"),
        ("rhel-9", 'colour = "red"', "colour"),
        ("rhel-9", 'databases = [{ engine = "mysql", version = "8.0.36" }]', "needs a size"),
        (
            "rhel-9",
            'databases = [{ engine = "mysql", version = "8.0.36", size = "large" }]',
            "large",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(
    tmp_path: Path, os: str, more: str, said: str
) -> None:
    """A slip in an estate file is an error that names it."""
    path = tmp_path / "estate.toml"
    path.write_text(MINIMAL.format(os=os, more=more))
    with pytest.raises(ValueError, match=said):
        load_estate(path)


def test_a_host_given_twice_is_refused(tmp_path: Path) -> None:
    """Names tell hosts apart, so that one name is one host."""
    text = MINIMAL.format(os="rhel-9", more="")
    path = tmp_path / "estate.toml"
    path.write_text(text + text[text.index("[[accounts.hosts]]") :])
    with pytest.raises(ValueError, match="db-1"):
        load_estate(path)


def test_the_default_estate_is_one_file() -> None:
    """The declaration is beside the code, and is the only one."""
    assert [path.name for path in DEFAULT_ESTATE.parent.glob("*.toml")] == [DEFAULT_ESTATE.name]
