"""The thirteen rows of the edge-case matrix, each from the host to what the API returns.

Every host is found in the estate by the row's name, so a row that no host shows fails its test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest

from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.errors import FailureKind
from discovery.model import (
    Coverage,
    DatabaseRecord,
    HostRecord,
    RunRecord,
    RunRequest,
    RunStatus,
    Scope,
    ScopeStatus,
)
from discovery.run import Event, HostDone, ScopeFinished, start_run
from discovery.web import api
from sandbox import Sandbox
from sandbox.estate import Account, EstateHost
from tests.support.empty_tables import empty_tables
from tests.support.hosts import revive_hosts


@dataclass(frozen=True)
class Outcome:
    """One discovery of the whole estate: the run, what it stored, and the API over it."""

    sandbox: Sandbox
    run: RunRecord
    events: tuple[Event, ...]
    records: tuple[DatabaseRecord, ...]
    hosts: dict[str, HostRecord]

    def all_records(self) -> Iterator[DatabaseRecord]:
        """The API's inventory: all that was stored."""
        return iter(self.records)

    def account_records(self, account_id: str) -> Iterator[DatabaseRecord]:
        """The API's inventory: one account."""
        return (record for record in self.records if record.account_id == account_id)

    def unwatched_scopes(self) -> dict[Scope, datetime]:
        """The API's inventory: none has left."""
        return {}

    def host_of(self, row: str) -> EstateHost:
        """The host that shows a row of the matrix."""
        hosts = [h for a in self.sandbox.estate.accounts for h in a.hosts if h.edge_case == row]
        assert hosts, f"no host shows {row!r}"
        return hosts[0]

    def account_of(self, row: str) -> Account:
        """The account that shows a row of the matrix."""
        (account,) = (one for one in self.sandbox.estate.accounts if one.edge_case == row)
        return account

    def instance(self, host: EstateHost) -> dict[str, Any] | None:
        """The host as `/accounts/{id}/instances` returns it; None when it is not there."""
        path = f"/accounts/{host.account_id}/instances"
        status, body = api.handle(self, "GET", path, {})
        assert status == 200
        found = [one for one in body["instances"] if one["instance_id"] == host.instance_id]
        assert len(found) <= 1
        return found[0] if found else None


def stored(settings_source: Sandbox) -> tuple[tuple[DatabaseRecord, ...], dict[str, HostRecord]]:
    """Both tables as they are now."""
    aws = Aws(settings_source.settings)
    accounts = [account.id for account in settings_source.estate.accounts]
    hosts = {host.instance_id: host for host in RunStore(aws).host_records(accounts)}
    return tuple(Inventory(aws).all_records()), hosts


@pytest.fixture(scope="module")
def outcome(sandbox: Sandbox) -> Iterator[Outcome]:
    """The whole estate, discovered once into empty tables."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.environment.items():
            patch.setenv(name, value)
        empty_tables(sandbox)
        revive_hosts(sandbox)
        events: list[Event] = []
        run = start_run(sandbox.settings, trigger="test", watcher=events.append)
        records, hosts = stored(sandbox)
        yield Outcome(sandbox, run, tuple(events), records, hosts)


def test_ec2_without_ssm_agent(outcome: Outcome) -> None:
    """No command, not in the API; the coverage names the reason."""
    host = outcome.host_of("EC2 without SSM agent")
    assert outcome.instance(host) is None
    assert outcome.hosts[host.instance_id].coverage is Coverage.NOT_MANAGED


def test_ec2_with_ssm_but_agent_offline(outcome: Outcome) -> None:
    """No command, not in the API; the coverage names the reason."""
    host = outcome.host_of("EC2 with SSM but agent offline")
    assert outcome.instance(host) is None
    assert outcome.hosts[host.instance_id].coverage is Coverage.AGENT_OFFLINE


def test_ssm_permission_denied(outcome: Outcome) -> None:
    """Each host of the account gets a failed record with AWS's words; other accounts are done."""
    account = outcome.account_of("SSM permission denied")
    for host in account.hosts:
        instance = outcome.instance(host)
        assert instance is not None
        assert instance["discovery_status"] == "failed"
        assert "ssm:SendCommand" in instance["error"]
        assert instance["databases"] == []
        assert outcome.hosts[host.instance_id].error_kind is FailureKind.ACCESS_DENIED
    assert outcome.run.hosts_scanned > 50


def test_database_installed_but_service_stopped(outcome: Outcome) -> None:
    """`installed`; size 0 where there is no data directory, the true size where there is one."""
    host = outcome.host_of("Database installed but service stopped")
    instance = outcome.instance(host)
    assert instance is not None
    assert {one["status"] for one in instance["databases"]} == {"installed"}
    sizes = {one["db_id"]: one["data_size_mb"] for one in instance["databases"]}
    assert sizes == {one.db_id: one.size_mb for one in host.databases}
    assert 0 in sizes.values()


def test_multiple_databases_on_one_instance(outcome: Outcome) -> None:
    """Each engine and port is a record of its own, with its own id."""
    host = outcome.host_of("Multiple databases on one instance")
    instance = outcome.instance(host)
    assert instance is not None
    assert sorted(one["db_id"] for one in instance["databases"]) == sorted(
        one.db_id for one in host.databases
    )
    assert len(host.databases) > 2


def test_database_in_non_standard_directory(outcome: Outcome) -> None:
    """Engine, version and, beyond what the matrix promises, the directory and its true size."""
    host = outcome.host_of("Database in non-standard directory")
    (truth,) = host.databases
    instance = outcome.instance(host)
    assert instance is not None
    (found,) = instance["databases"]
    assert (found["engine"], found["version"]) == (truth.engine, truth.version)
    assert found["data_size_mb"] == truth.size_mb > 0
    (record,) = (one for one in outcome.records if one.instance_id == host.instance_id)
    assert record.data_dir == truth.data_dir


def test_unsupported_or_unknown_db_engine(outcome: Outcome) -> None:
    """No guess: the host is scanned, `databases` is empty, its record is `none`."""
    host = outcome.host_of("Unsupported/unknown DB engine")
    instance = outcome.instance(host)
    assert instance is not None
    assert (instance["discovery_status"], instance["databases"]) == ("success", [])
    (record,) = (one for one in outcome.records if one.instance_id == host.instance_id)
    assert record.db_id == "none"


def test_legacy_os_not_fully_supported(outcome: Outcome) -> None:
    """A host that cannot run the probe gets a failed record that says what it lacks."""
    instance = outcome.instance(outcome.host_of("Legacy OS not fully supported"))
    assert instance is not None
    assert instance["discovery_status"] == "failed"
    assert "python3 not found" in instance["error"]


def test_partial_command_failure(outcome: Outcome) -> None:
    """One host of a batch fails; its neighbours in the same command are stored."""
    host = outcome.host_of("Partial command failure")
    instance = outcome.instance(host)
    assert instance is not None
    assert instance["discovery_status"] == "failed"
    neighbours = [
        one
        for one in outcome.hosts.values()
        if (one.account_id, one.region) == (host.account_id, host.region)
    ]
    assert sum(one.coverage is Coverage.SCANNED for one in neighbours) >= 3
    scopes = [event.record for event in outcome.events if isinstance(event, ScopeFinished)]
    (scope,) = (s for s in scopes if (s.account_id, s.region) == (host.account_id, host.region))
    assert scope.commands == 1
    assert scope.status is ScopeStatus.PARTIAL


def test_lambda_timeout(outcome: Outcome) -> None:
    """A run that is stopped half-way leaves what was known as it was, and says what it missed."""
    sandbox = outcome.sandbox
    (row,) = (one for one in sandbox.estate.scenarios if one.edge_case == "Lambda timeout")
    slow = sandbox.host(row.instance_id)
    request = RunRequest((row.account_id,), (slow.region,), (row.instance_id,))
    start_run(sandbox.settings, request, trigger="test")
    before = [one for one in stored(sandbox)[0] if one.instance_id == row.instance_id]
    cancelled = Flag()
    slow.delay_seconds, usual = 600.0, slow.delay_seconds
    try:
        run = start_run(
            sandbox.settings,
            request,
            trigger="test",
            watcher=lambda _: cancelled.set(),
            cancelled=cancelled,
        )
    finally:
        slow.delay_seconds = usual
    after = [one for one in stored(sandbox)[0] if one.instance_id == row.instance_id]
    assert run.status is RunStatus.CANCELLED
    assert before
    assert after == before


def test_cross_account_assume_role_failure(outcome: Outcome) -> None:
    """The account is skipped and named; nothing of it is stored; all others are discovered."""
    account = outcome.account_of("Cross-account assume-role failure")
    assert not [one for one in outcome.records if one.account_id == account.id]
    scopes = [event.record for event in outcome.events if isinstance(event, ScopeFinished)]
    failed = [one for one in scopes if one.account_id == account.id]
    assert {one.error_kind for one in failed} == {FailureKind.ASSUME_ROLE_DENIED}
    status, body = api.handle(outcome, "GET", "/accounts", {})
    assert status == 200
    assert account.id not in body["accounts"]
    assert len(body["accounts"]) >= 5


def test_api_request_during_incomplete_discovery(outcome: Outcome) -> None:
    """While one host is late, the API serves its last record beside its neighbour's new one."""
    sandbox = outcome.sandbox
    name = "API request during incomplete discovery"
    (row,) = (one for one in sandbox.estate.scenarios if one.edge_case == name)
    late = sandbox.host(row.instance_id)
    quick = next(
        host
        for host in sandbox.hosts.values()
        if host.account_id == row.account_id
        and host.region == late.region
        and host.spec.is_scannable
        and host.spec.databases
        and host.instance_id != row.instance_id
    )
    request = RunRequest((row.account_id,), (late.region,), (row.instance_id, quick.instance_id))
    start_run(sandbox.settings, request, trigger="test")
    first = {one.key: one for one in stored(sandbox)[0]}
    quick_stored, cancelled = Flag(), Flag()

    def watch(event: Event) -> None:
        if isinstance(event, HostDone):
            quick_stored.set()

    late.delay_seconds, usual = 600.0, late.delay_seconds
    run = Thread(
        target=start_run,
        args=(sandbox.settings, request),
        kwargs={"trigger": "test", "watcher": watch, "cancelled": cancelled},
    )
    run.start()
    try:
        assert quick_stored.wait(30)
        meanwhile = {one.key: one for one in Inventory(Aws(sandbox.settings)).all_records()}
    finally:
        cancelled.set()
        run.join()
        late.delay_seconds = usual
    newer = {
        one.instance_id
        for key, one in meanwhile.items()
        if key in first and one.run_id > first[key].run_id
    }
    assert newer == {quick.instance_id}
    assert meanwhile.keys() == first.keys()


def test_instance_termination_during_scan(outcome: Outcome) -> None:
    """The host that went away gets a failed record; the others of its command are stored."""
    instance = outcome.instance(outcome.host_of("Instance termination during scan"))
    assert instance is not None
    assert instance["discovery_status"] == "failed"


def test_the_inventory_is_the_estate(outcome: Outcome) -> None:
    """Every database of every host that answers is stored exactly as the estate declares it, and
    every host is accounted for; SSM is asked at most four times per batch."""
    estate = outcome.sandbox.estate
    truth = {
        (host.instance_id, db.db_id): (
            db.engine,
            db.version,
            db.status,
            db.port,
            db.data_dir,
            db.size_mb,
        )
        for account in estate.accounts
        if account.is_scannable
        for host in account.hosts
        if host.is_scannable
        for db in host.databases
    }
    found = {
        (one.instance_id, one.db_id): (
            one.engine,
            one.version,
            one.status and one.status.value,
            one.port,
            one.data_dir,
            one.data_size_mb,
        )
        for one in outcome.records
        if one.is_database
    }
    assert found == truth
    reachable = {h.instance_id for a in estate.accounts if a.role == "ok" for h in a.hosts}
    assert outcome.hosts.keys() == reachable
    assert outcome.run.ssm_command_calls <= 4 * outcome.run.batches
