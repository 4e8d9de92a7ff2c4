"""What the store promises, held against the sandbox and against a real engine: what is written
comes back whole, a host is written whole or not, and an older run never wins over a newer one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from discovery.aws import host_writer
from discovery.aws.host_writer import HostWriter
from discovery.aws.inventory import Inventory
from discovery.aws.lease import Lease, run_held_by
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.aws.shared_run import SharedRun
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
    HostRecord,
    RunRecord,
    RunRequest,
    RunStatus,
    Scope,
    ScopeRecord,
    ScopeStatus,
)
from discovery.settings import Settings
from sandbox import Sandbox
from tests.support.dynamodb_local import DynamoDbLocal
from tests.support.empty_tables import empty_tables
from tests.support.results import EARLIER, LATER, NOW, a_record, dump, host_rows
from tests.support.stored import store_changes, store_records


@pytest.fixture(scope="module")
def dynamodb_local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamoDbLocal]:
    """The real engine, for all tests of this file."""
    with DynamoDbLocal(tmp_path_factory.mktemp("dynamodb")) as engine:
        yield engine


@pytest.fixture(params=["sandbox", "dynamodb-local"])
def aws(
    request: pytest.FixtureRequest,
    sandbox: Sandbox,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Aws:
    """Clients whose tables are empty: in the sandbox, under its policies, and in a real engine."""
    if request.param == "sandbox":
        empty_tables(sandbox)
        return Aws(settings)
    engine: DynamoDbLocal = request.getfixturevalue("dynamodb_local")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", engine.url)
    suffix = uuid4().hex[:8]
    own = settings.model_copy(
        update={"results_table": f"results-{suffix}", "runs_table": f"runs-{suffix}"}
    )
    engine.create_tables(own)
    return Aws(own)


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
    store_records(aws.settings, a_record())
    assert list(inventory.all_records()) == [a_record()]
    assert list(inventory.account_records("111111111111")) == [a_record()]
    assert list(inventory.account_records("222222222222")) == []


def test_an_item_of_another_hand_is_named(aws: Aws) -> None:
    """An unreadable item raises an error with its table, key, field and value."""
    inventory = Inventory(aws)
    store_records(aws.settings, a_record())
    client = aws.table(aws.settings.results_table).meta.client
    item = {"account_id": "111111111111", "instance_db_id": "i-0abc123def456#mysql-3306"}
    client.put_item(TableName=aws.settings.results_table, Item=item | {"port": "many"})
    with pytest.raises(DiscoveryError, match=r"i-0abc123def456#mysql-3306: "):
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
    """After release the next run starts at once."""
    first = Lease(aws, EARLIER, "somewhere:7")
    first.acquire()
    first.release()
    Lease(aws, LATER, "here:8").acquire()


def test_a_dead_holders_lease_lapses(aws: Aws) -> None:
    """A lease not renewed is taken over; its old holder can neither renew nor release it."""
    short = Aws(aws.settings.model_copy(update={"lease_seconds": 2}))
    dead = Lease(short, EARLIER, "somewhere:7")
    dead.acquire()
    time.sleep(2.1)
    Lease(aws, LATER, "here:8").acquire()
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
    runs.request_cancel(LATER, "carol@example.com (admin)")
    assert runs.save_progress(replace(a_run(), hosts_scanned=5)) is True
    stored = runs.run(LATER)
    assert stored and stored.cancel_requested and stored.hosts_scanned == 5
    assert stored.cancelled_by == "carol@example.com (admin)"
    with pytest.raises(NotFoundError):
        runs.request_cancel("20200101T000000.000Z-000000")


def test_an_abandoned_run_says_so(aws: Aws) -> None:
    """The record of a run whose process died is closed with the reason. Should it live after all,
    its progress is refused, and its own word on how it ended stands."""
    runs = RunStore(aws)
    runs.create_run(a_run())
    runs.abandon(a_run(), NOW)
    stored = runs.run(LATER)
    assert stored and stored.status is RunStatus.ABANDONED and "host:1" in (stored.error or "")
    with pytest.raises(LeaseLostError):
        runs.save_progress(a_run())
    ended = replace(a_run(), status=RunStatus.PARTIAL, finished_at=NOW)
    runs.close_run(ended)
    runs.abandon(a_run(), NOW)
    assert runs.run(LATER) == ended


def test_scopes_and_hosts_keep_their_newest_state(aws: Aws) -> None:
    """A scope's and a host's last word is found by account; a host that a run did not get to keeps
    the coverage it had."""
    runs = RunStore(aws)
    scope = ScopeRecord(EARLIER, "111111111111", "eu-west-1", ScopeStatus.SUCCEEDED, hosts_listed=2)
    scope = replace(scope, run_order=1)
    runs.put_scope(scope, newest=True)
    chosen = replace(scope, run_id=LATER, run_order=2, hosts_listed=1)
    runs.put_scope(chosen, newest=False)
    assert runs.latest_scopes() == [scope]
    assert runs.scopes(LATER) == [chosen]
    runs.put_scope(chosen, newest=True)
    runs.put_scope(scope, newest=True)
    assert runs.latest_scopes() == [chosen]
    assert runs.scopes(EARLIER) == [scope]
    host = HostRecord(
        "111111111111", "eu-west-1", "i-1", Coverage.SCANNED, EARLIER, NOW, last_scanned=NOW
    )
    writer = HostWriter(aws)
    writer.write_coverage([host])
    unreached = replace(host, run_id=LATER, coverage=Coverage.NOT_REACHED)
    writer.write_coverage([unreached], newest=False)
    failed = replace(host, instance_id="i-2", run_id=LATER, coverage=Coverage.FAILED)
    failed = replace(failed, error_kind=FailureKind.TIMED_OUT, error="TimedOut")
    writer.write_coverage([failed])
    assert list(runs.host_records(["111111111111"])) == [host, failed]
    assert runs.scope_hosts(Scope("111111111111", "eu-central-1")) == {}
    assert runs.unscanned_hosts(LATER) == [unreached, failed]
    runs.clear_unscanned(unreached)
    assert runs.unscanned_hosts(LATER) == [failed]


def test_coverage_is_written_in_few_calls(aws: Aws, request: pytest.FixtureRequest) -> None:
    """Of 100 hosts that get no command, two items each, in two transactions; those that a newer run
    has spoken of keep its word, and cost one call more. Again, nothing changes."""
    if "dynamodb-local" in request.node.name:
        pytest.skip("this engine is of 2020 and takes 10 actions a transaction, DynamoDB 100")
    _assert_batched(aws, hosts=100, calls=2)


def test_coverage_is_written_in_parts(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with the ten items a transaction that every engine takes."""
    monkeypatch.setattr(host_writer, "MAX_ACTIONS", 10)
    _assert_batched(aws, hosts=20, calls=4)


def _assert_batched(aws: Aws, *, hosts: int, calls: int) -> None:
    writer, runs = HostWriter(aws), RunStore(aws)
    account = "111111111111"
    stopped = [
        HostRecord(account, "eu-west-1", f"i-{at:08x}", Coverage.STOPPED, EARLIER, NOW)
        for at in range(hosts)
    ]
    newer = replace(stopped[0], coverage=Coverage.SCANNED, run_id=LATER, run_order=2)
    writer.write_coverage([newer])
    before = aws.calls.usage().calls
    writer.write_coverage(stopped)
    spent = {
        name: count - before.get(name, 0)
        for name, count in aws.calls.usage().calls.items()
        if count > before.get(name, 0)
    }
    assert spent == {"dynamodb:TransactWriteItems": calls + 1}
    assert list(runs.host_records([account])) == [newer, *stopped[1:]]
    assert runs.unscanned_hosts(EARLIER) == stopped
    stored = dump(aws)
    writer.write_coverage(stopped)
    assert dump(aws) == stored


def test_a_host_is_read_alone(aws: Aws) -> None:
    """One host's records, the placeholder included, and none of a host whose id begins alike."""
    inventory = Inventory(aws)
    mine = [a_record(instance_id="i-0a", db_id=db_id) for db_id in ("mysql-3306", "none")]
    store_records(aws.settings, *mine, a_record(instance_id="i-0ab"))
    assert list(inventory.host_records("111111111111", "i-0a")) == mine
    assert list(inventory.account_records("111111111111", consistent=True)) == [
        *mine,
        a_record(instance_id="i-0ab"),
    ]


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
    store_changes(runs, change)
    assert runs.changes(LATER) == [change]
    assert runs.history("111111111111", "i-0abc123def456#mysql-3306") == [change]
    assert runs.history("111111111111", "i-0abc123def456#mysql-3307") == []


def test_empty_tag_values_are_stored(aws: Aws, request: pytest.FixtureRequest) -> None:
    """A tag without a value, which AWS allows, comes back as it is."""
    if "dynamodb-local" in request.node.name:
        pytest.skip("this engine is of before May 2020 and refuses empty strings")
    record = a_record(tags={"Leer": ""})
    store_records(aws.settings, record)
    assert list(Inventory(aws).all_records()) == [record]


# --- one host, one transaction ------------------------------------------------------------------


def test_a_host_is_written_in_one_call(aws: Aws) -> None:
    """Records, changes, placeholder and coverage go together, and come back."""
    runs = RunStore(aws)
    HostWriter(aws).write(host_rows(EARLIER, failed=True))
    assert [one.coverage for one in runs.unscanned_hosts(EARLIER)] == [Coverage.FAILED]
    before = aws.calls.usage().calls["dynamodb:TransactWriteItems"]
    good = host_rows(LATER, databases=2)
    placeholder = a_record(db_id="none", run_id=EARLIER)
    HostWriter(aws).write(replace(good, changes=replace(good.changes, deletes=(placeholder,))))
    assert aws.calls.usage().calls["dynamodb:TransactWriteItems"] == before + 1
    found = [one.db_id for one in Inventory(aws).account_records("111111111111")]
    assert found == ["mysql-3306", "mysql-3307"]
    assert runs.changes(LATER) == list(good.changes.changes)
    assert list(runs.host_records(["111111111111"])) == [good.host]


def test_a_run_of_an_earlier_version_is_read(aws: Aws) -> None:
    """A record without the cost figures loads; what it did not count is unknown, not zero."""
    runs = RunStore(aws)
    runs.create_run(a_run())
    counted = ("throttled_calls", "retries", "read_units", "write_units", "first_scanned_seconds")
    stored = aws.table(aws.settings.runs_table).scan()["Items"][0]
    earlier = {name: value for name, value in stored.items() if name != "not_scanned"}
    assert earlier.keys().isdisjoint(counted)
    aws.table(aws.settings.runs_table).put_item(Item=earlier)
    run = runs.run(LATER)
    assert run is not None
    assert run.not_scanned == {}
    assert [getattr(run, name) for name in counted] == [None] * 5
    whole = replace(
        a_run(),
        not_scanned={"stopped": 2},
        throttled_calls={"ssm:SendCommand": 1},
        retries=1,
        read_units=1.5,
        write_units=4.0,
        first_scanned_seconds=2.25,
    )
    runs.save_progress(whole)
    assert runs.run(LATER) == whole


def test_units_are_what_the_items_weigh(aws: Aws, request: pytest.FixtureRequest) -> None:
    """What the engine charges is counted: for a transaction two units a KiB of each item, for an
    eventually consistent read half a unit for 4 KiB."""
    charged = 2 if "dynamodb-local" in request.node.name else 1  # it charges twice what AWS does
    writer, inventory = HostWriter(aws), Inventory(aws)
    heavy = a_record(warnings=("x" * 10_000,))
    result = host_rows(LATER)
    writer.write(replace(result, changes=replace(result.changes, puts=(heavy,), changes=())))
    written = aws.calls.usage()
    assert written.write_units == charged * 2 * (11 + 1), "the record takes 11 KiB, the coverage 1"
    assert written.read_units == 0
    assert list(inventory.account_records(heavy.account_id)) == [heavy]
    read = aws.calls.usage()
    assert read.read_units in (1.5, 1.0), "the sandbox charges each query 1"
    assert read.write_units == written.write_units


def test_writing_twice_changes_nothing(aws: Aws) -> None:
    """The same result written again leaves every item as it was."""
    HostWriter(aws).write(host_rows(LATER))
    before = dump(aws)
    HostWriter(aws).write(host_rows(LATER))
    assert dump(aws) == before


def test_an_older_result_takes_only_what_is_free(aws: Aws) -> None:
    """Coming late, it overwrites nothing, brings no placeholder and no change of a record that
    lost; what no newer run has said anything about is stored."""
    writer = HostWriter(aws)
    writer.write(host_rows(LATER))
    before = dump(aws)
    writer.write(host_rows(EARLIER))
    assert dump(aws) == before
    writer.write(host_rows(EARLIER, databases=2))
    found = {one.db_id: one.run_id for one in Inventory(aws).all_records()}
    assert found == {"mysql-3306": LATER, "mysql-3307": EARLIER}
    assert [one.db_id for one in RunStore(aws).changes(EARLIER)] == ["mysql-3307"]


def test_a_host_beyond_one_transaction_is_split(aws: Aws, request: pytest.FixtureRequest) -> None:
    """More than 100 items go in several transactions, the coverage in the last."""
    if "dynamodb-local" in request.node.name:
        pytest.skip("this engine is of 2020 and takes 10 actions a transaction, DynamoDB 100")
    HostWriter(aws).write(host_rows(LATER, databases=80))
    assert aws.calls.usage().calls["dynamodb:TransactWriteItems"] == 2
    assert len(list(Inventory(aws).all_records())) == 80
    assert len(RunStore(aws).changes(LATER)) == 80
    assert len(list(RunStore(aws).host_records(["111111111111"]))) == 1


def test_a_refused_item_leaves_all_as_it_was(aws: Aws) -> None:
    """One item that DynamoDB refuses (over 400 KB): nothing of the host is written."""
    HostWriter(aws).write(host_rows(EARLIER))
    before = dump(aws)
    result = host_rows(LATER, databases=2)
    huge = replace(result.changes.puts[1], warnings=("x" * 500_000,))
    changes = replace(result.changes, puts=(result.changes.puts[0], huge))
    with pytest.raises(AwsError):
        HostWriter(aws).write(replace(result, changes=changes))
    assert dump(aws) == before


def test_conflicts_are_waited_for(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that meets another one is sent again, as the same transaction, after a pause
    that grows."""
    pauses: list[float] = []
    tokens: list[str] = []
    writer = HostWriter(aws, sleep=pauses.append)
    client = aws.table(aws.settings.runs_table).meta.client
    send = client.transact_write_items

    def conflict_twice(**arguments: Any) -> Any:
        tokens.append(arguments["ClientRequestToken"])
        if len(tokens) > 2:
            return send(**arguments)
        reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]
        raise client.exceptions.TransactionCanceledException(
            {
                "Error": {"Code": "TransactionCanceledException", "Message": "conflict"},
                "ResponseMetadata": {"HTTPStatusCode": 400},
                "CancellationReasons": reasons,
            },
            "TransactWriteItems",
        )

    monkeypatch.setattr(client, "transact_write_items", conflict_twice)
    writer.write(host_rows(LATER))
    assert len(pauses) == 2 and pauses[1] > pauses[0] / 2 and len(set(tokens)) == 1
    assert len(list(Inventory(aws).all_records())) == 1


# --- a run that several processes share -----------------------------------------------------------


def test_what_processes_did_side_by_side_adds_up(aws: Aws) -> None:
    """Each adds its own figures to the run's record at the same time; none is lost, kinds of
    changes and calls that the record did not have among them."""
    runs = RunStore(aws)
    runs.create_run(a_run())
    done = replace(
        a_run(),
        hosts_scanned=2,
        databases=3,
        changes={"appeared": 2},
        api_calls={"ssm:SendCommand": 1, "ec2:DescribeInstances": 4},
        answer_seconds=4.25,
    )
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda _: SharedRun(aws, LATER).add(done, NOW), range(20)))
    assert asked == [False] * 20
    run = runs.run(LATER)
    assert run == replace(
        a_run(),
        hosts_scanned=40,
        databases=60,
        changes={"appeared": 40},
        api_calls={"ssm:SendCommand": 3 + 20, "ec2:DescribeInstances": 80},
        answer_seconds=4.25,
    )
    runs.request_cancel(LATER)
    assert SharedRun(aws, LATER).add(a_run(), NOW)


def test_nothing_is_added_to_a_run_that_has_ended(aws: Aws) -> None:
    """A process that outlived its run is told so."""
    runs = RunStore(aws)
    ended = replace(a_run(), status=RunStatus.SUCCEEDED)
    runs.create_run(ended)
    with pytest.raises(LeaseLostError, match=LATER):
        SharedRun(aws, LATER).add(replace(a_run(), hosts_scanned=1), NOW)
    assert runs.run(LATER) == ended


def test_the_changes_of_a_run_are_counted_by_kind(aws: Aws) -> None:
    """Those of another run are not among them."""
    writer = HostWriter(aws)
    writer.write(host_rows(LATER, databases=3))
    writer.write(host_rows(EARLIER, databases=1))
    assert SharedRun(aws, LATER).change_kinds() == {"appeared": 3}


def test_a_scope_of_a_run_is_found_and_its_unreached_hosts_forgotten(aws: Aws) -> None:
    """Only the hosts that the run did not get to leave its list, and only those of the scope."""
    runs = RunStore(aws)
    scope = Scope("111111111111", "eu-west-1")
    record = ScopeRecord(LATER, scope.account_id, scope.region, ScopeStatus.PARTIAL, commands=2)
    runs.put_scope(record, newest=False)
    assert runs.scope(LATER, scope) == record
    assert runs.scope(EARLIER, scope) is None
    hosts = [
        HostRecord(scope.account_id, region, instance, coverage, LATER, NOW)
        for instance, region, coverage in (
            ("i-0aaaaaaa", "eu-west-1", Coverage.NOT_REACHED),
            ("i-0bbbbbbb", "eu-west-1", Coverage.STOPPED),
            ("i-0ccccccc", "eu-west-2", Coverage.NOT_REACHED),
        )
    ]
    HostWriter(aws).write_coverage(hosts, newest=False)
    runs.forget_unreached(LATER, scope)
    assert runs.unscanned_hosts(LATER) == hosts[1:]


def test_a_lease_is_found_by_its_holder(aws: Aws) -> None:
    """A process that knows only who holds it finds the run, and holds it for as long as it says."""
    lease = Lease(aws, LATER, "an execution", 600)
    lease.acquire()
    assert run_held_by(aws, "an execution") == LATER
    assert run_held_by(aws, "another") is None
    lease.renew()
    item = aws.table(aws.settings.runs_table).get_item(Key={"pk": "LEASE", "sk": "LEASE"})["Item"]
    assert 590 < float(item["expires_ms"]) / 1000 - time.time() <= 600
    lease.release()
    assert run_held_by(aws, "an execution") is None
