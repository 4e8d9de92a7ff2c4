"""Hosts that went, over the AWS wire: what ran on them is gone with proof, and never without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.model import (
    ChangeKind,
    Coverage,
    DatabaseRecord,
    DatabaseStatus,
    GoneReason,
    Host,
    RunRecord,
    RunRequest,
    RunStatus,
)
from discovery.run.runner import start_run
from discovery.run.writes import WriteApplier
from discovery.settings import Settings
from sandbox import Sandbox
from sandbox.ssm import SandboxHost
from tests.support.empty_tables import empty_tables
from tests.support.hosts import hosts_of, request_for, revive_hosts
from tests.support.results import an_observation


@pytest.fixture(autouse=True)
def _as_before(sandbox: Sandbox) -> Iterator[None]:
    """Every test starts with empty tables, and leaves the estate as it was."""
    empty_tables(sandbox)
    yield
    revive_hosts(sandbox)


@pytest.fixture
def host(sandbox: Sandbox) -> SandboxHost:
    """A host that answers."""
    return hosts_of(sandbox, 1)[0]


def scan_scope_of(settings: Settings, host: SandboxHost) -> RunRecord:
    """One finished run of the host's account and region."""
    return start_run(settings, RunRequest((host.account_id,), (host.region,)), trigger="test")


def databases_of(settings: Settings, host: SandboxHost) -> list[DatabaseRecord]:
    """What the inventory holds of the host, its placeholder included."""
    return list(Inventory(Aws(settings)).host_records(host.account_id, host.instance_id))


def coverage_of(settings: Settings, host: SandboxHost) -> Coverage | None:
    """The newest coverage of the host."""
    found = RunStore(Aws(settings)).host_records([host.account_id])
    return next((one.coverage for one in found if one.instance_id == host.instance_id), None)


def test_the_databases_of_a_terminated_instance_are_gone_with_date_reason_and_change(
    settings: Settings, host: SandboxHost
) -> None:
    """Each has the time of the listing that proved it, expires, and is a change of that run."""
    scan_scope_of(settings, host)
    before = databases_of(settings, host)
    host.terminate()
    run = scan_scope_of(settings, host)
    after = databases_of(settings, host)
    assert len(after) == len(before) > 0
    days = timedelta(days=settings.gone_ttl_days)
    for record in after:
        assert record.status is DatabaseStatus.GONE
        assert record.gone_reason is GoneReason.TERMINATED
        assert record.gone_at and run.started_at <= record.gone_at <= datetime.now(UTC)
        assert record.expires_at == int((record.gone_at + days).timestamp())
    changes = RunStore(Aws(settings)).changes(run.run_id)
    assert {(change.kind, change.db_id, change.after) for change in changes} == {
        (ChangeKind.GONE, record.db_id, "terminated") for record in before
    }
    assert run.changes == {"gone": len(before)}
    assert run.status is RunStatus.SUCCEEDED
    assert coverage_of(settings, host) is Coverage.TERMINATED


def test_it_goes_once(settings: Settings, host: SandboxHost) -> None:
    """The next listing without the instance changes nothing, and writes nothing of it."""
    scan_scope_of(settings, host)
    host.terminate()
    scan_scope_of(settings, host)
    gone = databases_of(settings, host)
    run = scan_scope_of(settings, host)
    assert databases_of(settings, host) == gone
    assert run.changes == {}


def test_a_host_whose_scan_had_failed_leaves_no_row(
    sandbox: Sandbox, settings: Settings, host: SandboxHost
) -> None:
    """The placeholder that said why goes with the instance."""
    sandbox.fail_next("ssm:SendCommand", "AccessDeniedException", 1, account=host.account_id)
    start_run(settings, request_for(host), trigger="test")
    assert [record.is_database for record in databases_of(settings, host)] == [False]
    host.terminate()
    scan_scope_of(settings, host)
    assert databases_of(settings, host) == []


@pytest.mark.parametrize("operation", ["ec2:DescribeInstances", "ssm:DescribeInstanceInformation"])
@pytest.mark.parametrize("code", ["UnauthorizedOperation", "AccessDeniedException"])
def test_a_listing_that_is_refused_proves_nothing(
    sandbox: Sandbox, settings: Settings, host: SandboxHost, operation: str, code: str
) -> None:
    """The instance is gone, and nobody may say so: all stays as it was known."""
    scan_scope_of(settings, host)
    before = databases_of(settings, host)
    host.terminate()
    sandbox.fail_next(operation, code, 1, account=host.account_id)
    run = scan_scope_of(settings, host)
    assert run.status is RunStatus.FAILED
    assert databases_of(settings, host) == before


def test_a_run_of_other_instances_proves_nothing(
    sandbox: Sandbox, settings: Settings, host: SandboxHost
) -> None:
    """A listing that was asked for chosen instances says nothing of the others."""
    other = hosts_of(sandbox, 2)[1]
    scan_scope_of(settings, host)
    before = databases_of(settings, host)
    host.terminate()
    start_run(settings, request_for(other), trigger="test")
    assert databases_of(settings, host) == before
    start_run(settings, request_for(host, other), trigger="test")
    assert {record.status for record in databases_of(settings, host)} == {DatabaseStatus.GONE}


def test_a_stopped_instance_keeps_its_databases(settings: Settings, host: SandboxHost) -> None:
    """It may be started again: its databases stay, and its coverage says that it is stopped."""
    scan_scope_of(settings, host)
    before = databases_of(settings, host)
    host.stop()
    scan_scope_of(settings, host)
    assert databases_of(settings, host) == before
    assert coverage_of(settings, host) is Coverage.STOPPED


def test_what_was_kept_of_a_host_that_ended_since_is_gone_when_it_is_replayed(
    sandbox: Sandbox, settings: Settings, host: SandboxHost
) -> None:
    """A report that DynamoDB did not take in time does not bring a terminated host back."""
    sandbox.fail_next("ssm:SendCommand", "AccessDeniedException", 1, account=host.account_id)
    run = start_run(settings, request_for(host), trigger="test")
    here = Host(host.account_id, host.region, host.instance_id, Coverage.PENDING)
    aws = Aws(settings)
    known = RunStore(aws).host(here)
    assert known
    kept = replace(an_observation(run.run_id), host=here, coverage=known, seen_at=run.started_at)
    host.terminate()
    scan_scope_of(settings, host)
    WriteApplier(aws).replay(kept)
    (record,) = databases_of(settings, host)
    assert (record.status, record.gone_reason) == (DatabaseStatus.GONE, GoneReason.TERMINATED)


def test_a_terminated_hosts_coverage_expires_with_its_databases(
    settings: Settings, host: SandboxHost
) -> None:
    """A fleet that is rebuilt every day does not grow without end."""
    scan_scope_of(settings, host)
    host.terminate()
    scan_scope_of(settings, host)
    (record, *_) = databases_of(settings, host)
    table = Aws(settings).table(settings.runs_table)
    key = {"pk": f"HOSTS#{host.account_id}", "sk": f"{host.region}#{host.instance_id}"}
    assert table.get_item(Key=key)["Item"]["expires_at"] == record.expires_at
