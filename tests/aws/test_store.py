"""The tables: what is written comes back whole, and an older run never wins over a newer one."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from discovery.aws.inventory import Inventory
from discovery.aws.lease import Lease
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.errors import (
    AwsError,
    DiscoveryError,
    FailureKind,
    LeaseLostError,
    NotFoundError,
    RunInProgressError,
)
from discovery.model import (
    Change,
    ChangeKind,
    Coverage,
    DatabaseRecord,
    DatabaseStatus,
    DiscoveryStatus,
    HostRecord,
    RunRecord,
    RunRequest,
    RunStatus,
    Scope,
    ScopeRecord,
    ScopeStatus,
)
from discovery.sandbox import Sandbox

NOW = datetime(2026, 2, 4, 10, 0, 0, 123000, tzinfo=UTC)
EARLIER, LATER = "20260204T090000.000Z-aaaaaa", "20260204T100000.000Z-bbbbbb"


def a_record(**fields: object) -> DatabaseRecord:
    """A running MySQL."""
    record = DatabaseRecord(
        account_id="111111111111",
        instance_id="i-0abc123def456",
        db_id="mysql-3306",
        region="eu-west-1",
        discovery_timestamp=NOW,
        discovery_status=DiscoveryStatus.SUCCESS,
        run_id=LATER,
        first_seen=NOW,
        last_seen=NOW,
        engine="mysql",
        version="8.0.35",
        status=DatabaseStatus.RUNNING,
        port=3306,
        listen=("0.0.0.0:3306", "[::]:3306"),
        data_dir="/var/lib/mysql",
        data_size_mb=2048.25,
        evidence={"version": "dpkg mysql-server-core-8.0"},
        tags={"Name": "=orders", "Leer": ""},
        warnings=("a <b>warning</b>",),
    )
    return replace(record, **fields)  # type: ignore[arg-type]


def a_run(run_id: str = LATER) -> RunRecord:
    """A run in progress."""
    return RunRecord(
        run_id=run_id,
        status=RunStatus.RUNNING,
        started_at=NOW,
        heartbeat_at=NOW,
        holder="host:1",
        trigger="test",
        request=RunRequest(accounts=("111111111111",)),
        api_calls={"ssm:SendCommand": 3},
    )


def test_a_record_comes_back_as_it_was_stored(aws: Aws) -> None:
    """Every type of field survives the way to DynamoDB and back: times, sizes, tuples, maps."""
    inventory = Inventory(aws)
    assert inventory.put(a_record())
    assert list(inventory.all_records()) == [a_record()]
    assert list(inventory.account_records("111111111111")) == [a_record()]
    assert list(inventory.account_records("222222222222")) == []


def test_an_older_run_never_overwrites_a_newer_one(aws: Aws) -> None:
    """A late write or delete of an older run changes nothing and says so."""
    inventory = Inventory(aws)
    inventory.put(a_record(version="8.0.36"))
    assert not inventory.put(a_record(version="8.0.35", run_id=EARLIER))
    assert not inventory.delete(a_record(), EARLIER)
    assert [record.version for record in inventory.all_records()] == ["8.0.36"]
    assert inventory.delete(a_record(), LATER)
    assert list(inventory.all_records()) == []


def test_an_item_of_another_hand_is_named(aws: Aws, sandbox: Sandbox) -> None:
    """An unreadable item raises an error with its table, key, field and value."""
    inventory = Inventory(aws)
    inventory.put(a_record())
    sandbox.client("dynamodb").update_item(
        TableName=aws.settings.results_table,
        Key={
            "account_id": {"S": "111111111111"},
            "instance_db_id": {"S": "i-0abc123def456#mysql-3306"},
        },
        UpdateExpression="SET port = :bad",
        ExpressionAttributeValues={":bad": {"S": "many"}},
    )
    with pytest.raises(DiscoveryError, match=r"i-0abc123def456#mysql-3306: port='many'"):
        list(inventory.all_records())


def test_a_missing_table_is_an_aws_error(aws: Aws) -> None:
    """A refused read is an error with AWS's code, never an empty inventory."""
    lost = Aws(aws.settings.model_copy(update={"results_table": "db-discovery-nowhere"}))
    with pytest.raises(AwsError) as caught:
        list(Inventory(lost).all_records())
    assert caught.value.code in ("ResourceNotFoundException", "AccessDeniedException")


def test_a_second_lease_is_refused_with_its_holder(aws: Aws) -> None:
    """Who starts a run while another is alive learns who holds it and since when."""
    Lease(aws, EARLIER, "somewhere:7").acquire()
    with pytest.raises(RunInProgressError, match="somewhere:7") as caught:
        Lease(aws, LATER, "here:8").acquire()
    assert caught.value.run_id == EARLIER
    assert caught.value.since.tzinfo is not None


def test_a_released_lease_is_free(aws: Aws) -> None:
    """After release the next run starts at once, with nothing to take over."""
    first = Lease(aws, EARLIER, "somewhere:7")
    first.acquire()
    first.release()
    assert Lease(aws, LATER, "here:8").acquire() is None


def test_a_dead_holders_lease_lapses(aws: Aws) -> None:
    """A lease not renewed is taken over; its old holder can neither renew nor release it."""
    short = Aws(aws.settings.model_copy(update={"lease_seconds": 2}))
    dead = Lease(short, EARLIER, "somewhere:7")
    dead.acquire()
    time.sleep(2.1)
    assert Lease(aws, LATER, "here:8").acquire() == EARLIER
    with pytest.raises(LeaseLostError):
        dead.renew()
    dead.release()
    with pytest.raises(RunInProgressError):
        Lease(aws, "20260204T110000.000Z-cccccc", "third:9").acquire()


def test_runs_come_newest_first_and_whole(aws: Aws) -> None:
    """A run's record comes back as stored, the newest run first."""
    runs = RunStore(aws)
    for run_id in (EARLIER, LATER):
        runs.create_run(a_run(run_id))
    assert [run.run_id for run in runs.recent_runs()] == [LATER, EARLIER]
    assert runs.run(LATER) == a_run(LATER)
    assert runs.run("20200101T000000.000Z-000000") is None


def test_cancellation_reaches_the_running_process(aws: Aws) -> None:
    """A request to cancel is seen by the runner's next progress write, and is not undone by it."""
    runs = RunStore(aws)
    runs.create_run(a_run())
    assert runs.save_progress(a_run()) is False
    runs.request_cancel(LATER)
    assert runs.save_progress(replace(a_run(), hosts_scanned=5)) is True
    stored = runs.run(LATER)
    assert stored and stored.cancel_requested and stored.hosts_scanned == 5
    with pytest.raises(NotFoundError):
        runs.request_cancel("20200101T000000.000Z-000000")


def test_an_abandoned_run_says_so(aws: Aws) -> None:
    """The record of a run whose process died is closed with the reason."""
    runs = RunStore(aws)
    runs.create_run(a_run())
    runs.abandon(LATER, NOW)
    stored = runs.run(LATER)
    assert stored and stored.status is RunStatus.ABANDONED and "host:1" in (stored.error or "")


def test_scopes_and_hosts_keep_their_newest_state(aws: Aws) -> None:
    """A scope's and a host's last word is found by account; a host that a run did not get to keeps
    the coverage it had."""
    runs = RunStore(aws)
    scope = ScopeRecord(EARLIER, "111111111111", "eu-west-1", ScopeStatus.SUCCEEDED, hosts_listed=2)
    runs.put_scope(scope, newest=True)
    chosen = replace(scope, run_id=LATER, hosts_listed=1)
    runs.put_scope(chosen, newest=False)
    assert runs.latest_scopes() == [scope]
    assert runs.scopes(LATER) == [chosen]
    host = HostRecord(
        "111111111111", "eu-west-1", "i-1", Coverage.SCANNED, EARLIER, NOW, last_scanned=NOW
    )
    runs.put_host(host)
    unreached = replace(host, run_id=LATER, coverage=Coverage.NOT_REACHED)
    runs.put_unscanned(unreached, keep_coverage=True)
    failed = replace(host, instance_id="i-2", run_id=LATER, coverage=Coverage.FAILED)
    failed = replace(failed, error_kind=FailureKind.TIMED_OUT, error="TimedOut")
    runs.put_unscanned(failed)
    assert list(runs.host_records(["111111111111"])) == [host, failed]
    assert runs.scope_hosts(Scope("111111111111", "eu-central-1")) == {}
    assert runs.unscanned_hosts(LATER) == [unreached, failed]


def test_changes_are_found_by_run_and_by_database(aws: Aws) -> None:
    """One change is in its run's list and in its database's history."""
    runs = RunStore(aws)
    change = Change(
        run_id=LATER,
        at=NOW,
        kind=ChangeKind.UPGRADED,
        account_id="111111111111",
        region="eu-west-1",
        instance_id="i-0abc123def456",
        db_id="mysql-3306",
        engine="mysql",
        before="8.0.35",
        after="8.4.2",
    )
    runs.put_change(change)
    assert runs.changes(LATER) == [change]
    assert runs.history("111111111111", "i-0abc123def456#mysql-3306") == [change]
    assert runs.history("111111111111", "i-0abc123def456#mysql-3307") == []
