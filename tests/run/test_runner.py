"""Runs over the AWS wire: what fails stays where it failed, and nothing known is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import Any

import pytest

from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.errors import (
    AwsError,
    ConfigurationError,
    FailureKind,
    RequestError,
    RunInProgressError,
)
from discovery.model import (
    ChangeKind,
    Coverage,
    DatabaseRecord,
    DatabaseStatus,
    RunRecord,
    RunRequest,
    RunStatus,
)
from discovery.run import background
from discovery.run.events import Event, RunFinished, ScopeListed
from discovery.run.runner import DiscoveryRun, start_run
from discovery.settings import Settings
from sandbox import Sandbox
from sandbox.ssm import SandboxHost
from tests.support.empty_tables import empty_tables
from tests.support.hosts import hosts_of, request_for


@pytest.fixture(autouse=True)
def _empty(sandbox: Sandbox) -> None:
    """Every test starts with empty tables."""
    empty_tables(sandbox)


def scan(settings: Settings, *hosts: SandboxHost, **options: Any) -> RunRecord:
    """One finished run of just these hosts."""
    return start_run(settings, request_for(*hosts), trigger="test", **options)


def records(settings: Settings) -> dict[tuple[str, str], DatabaseRecord]:
    """The inventory as it is now, by key."""
    return {record.key: record for record in Inventory(Aws(settings)).all_records()}


def a_report(*databases: dict[str, Any], padding: int = 0) -> str:
    """What a probe prints for a host with these databases."""
    return json.dumps(
        {
            "schema": 1,
            "host": {"hostname": "h", "os": "x" * padding},
            "databases": list(databases),
            "warnings": [],
            "complete": True,
            "elapsed_ms": 5,
            "count": len(databases),
            "end": True,
        }
    )


def mysql(port: int = 3306, **values: Any) -> dict[str, Any]:
    """A running MySQL in a report."""
    return {
        "db_id": f"mysql-{port}",
        "engine": "mysql",
        "status": "running",
        "version": "8.0.35",
        "port": port,
        **values,
    }


@contextmanager
def printing(host: SandboxHost, output: str) -> Iterator[None]:
    """While inside, the probe's step prints `output` on this host."""
    host.output = output
    try:
        yield
    finally:
        host.output = None


def test_a_failing_account_keeps_its_records_and_costs_no_other(
    sandbox: Sandbox, settings: Settings
) -> None:
    """When one account's role is refused, its records stay as they were; the others are renewed."""
    (one,), (other,) = hosts_of(sandbox, 1), hosts_of(sandbox, 1, account=2)
    scan(settings, one, other)
    before = records(settings)
    sandbox.fail_next(
        "sts:AssumeRole", "AccessDenied", 1, account=sandbox.estate.management_account
    )
    run = start_run(
        settings.model_copy(update={"scope_workers": 1}), request_for(one, other), trigger="test"
    )
    after = records(settings)
    assert run.status is RunStatus.PARTIAL
    assert run.scopes_failed == 1
    failed = {
        scope.account_id for scope in RunStore(Aws(settings)).scopes(run.run_id) if scope.error
    }
    assert len(failed) == 1
    for key, record in before.items():
        renewed = after[key].run_id == run.run_id
        assert renewed == (key[0] not in failed)
        if not renewed:
            assert after[key] == record


def test_a_removed_database_is_gone_with_a_date(sandbox: Sandbox, settings: Settings) -> None:
    """A complete report that no longer names a database makes it gone; it returns as it was."""
    (host,) = hosts_of(sandbox, 1)
    with printing(host, a_report(mysql(3306), mysql(3307))):
        scan(settings, host)
    with printing(host, a_report(mysql(3306))):
        run = scan(settings, host)
    record = records(settings)[host.account_id, f"{host.instance_id}#mysql-3307"]
    assert record.status is DatabaseStatus.GONE
    assert record.gone_at == record.discovery_timestamp
    assert record.expires_at
    (change,) = RunStore(Aws(settings)).changes(run.run_id)
    assert (change.kind, change.db_id) == (ChangeKind.GONE, "mysql-3307")
    assert run.databases == 1


def test_a_failed_host_keeps_its_databases(sandbox: Sandbox, settings: Settings) -> None:
    """A failure is recorded beside what is known, which stays to the letter."""
    (host,) = hosts_of(sandbox, 1)
    with printing(host, a_report(mysql())):
        scan(settings, host)
    before = records(settings)
    host.exit_code = 1
    host.error_output = "boom"
    try:
        with printing(host, ""):
            run = scan(settings, host)
    finally:
        host.exit_code, host.error_output = 0, ""
    after = records(settings)
    placeholder = after.pop((host.account_id, f"{host.instance_id}#none"))
    assert after == before
    assert placeholder.error_kind is FailureKind.COMMAND_FAILED
    assert "boom" in (placeholder.error or "")
    (missed,) = RunStore(Aws(settings)).unscanned_hosts(run.run_id)
    assert missed.last_scanned is not None


@pytest.mark.parametrize(
    "output",
    [
        "x" * 30_000,
        a_report(mysql())[:-20],
        "[]",
        "null",
        '{"schema": 1}',
        a_report("not an object", None, mysql(port=0, status=7)),  # type: ignore[arg-type]
        a_report(mysql(db_id="mysql-3306#none")),
    ],
    ids=["long", "cut", "list", "null", "short", "wrong-types", "forged-key"],
)
def test_hostile_output_loses_nothing(sandbox: Sandbox, settings: Settings, output: str) -> None:
    """Whatever a host prints, the run ends, and what was known of it is still there, not gone."""
    (host,) = hosts_of(sandbox, 1)
    with printing(host, a_report(mysql())):
        scan(settings, host)
    before = records(settings)
    with printing(host, output):
        run = scan(settings, host)
    after = records(settings)
    assert run.hosts_done == 1
    for key in before:
        assert after[key].status is DatabaseStatus.RUNNING
    assert {key[1].partition("#")[0] for key in after} == {host.instance_id}


@pytest.mark.parametrize(
    ("padding", "calls"),
    [(0, (0, 0)), (10_000, (1, 0)), (60_000, (1, 1))],
    ids=["listed", "fetched", "from S3"],
)
def test_a_report_of_any_length_arrives(
    sandbox: Sandbox, settings: Settings, padding: int, calls: tuple[int, int]
) -> None:
    """A short report costs no call of its own, a long one one, a very long one another to S3."""
    (host,) = hosts_of(sandbox, 1)
    with printing(host, a_report(mysql(), padding=padding)):
        run = scan(settings, host)
    assert run.databases == 1
    fetched = run.api_calls.get("ssm:GetCommandInvocation", 0), run.api_calls.get("s3:GetObject", 0)
    assert fetched == calls


def test_a_report_cut_short_is_a_named_failure(sandbox: Sandbox, settings: Settings) -> None:
    """Without an output bucket a report beyond 24,000 characters is refused, not half believed."""
    (host,) = hosts_of(sandbox, 1)
    bucketless = settings.model_copy(update={"output_bucket": None})
    with printing(host, a_report(mysql(), padding=60_000)):
        run = scan(bucketless, host)
    (missed,) = RunStore(Aws(settings)).unscanned_hosts(run.run_id)
    assert missed.error_kind is FailureKind.OUTPUT_TRUNCATED


def test_throttling_is_waited_out(sandbox: Sandbox, settings: Settings) -> None:
    """Throttled and failing calls are tried again; the run succeeds."""
    (host,) = hosts_of(sandbox, 1)
    sandbox.fail_next("ssm:SendCommand", "ThrottlingException", 2, account=host.account_id)
    sandbox.fail_next("dynamodb:PutItem", "InternalServerError", 1)
    assert scan(settings, host).status is RunStatus.SUCCEEDED


def test_hosts_share_a_transaction(sandbox: Sandbox, settings: Settings) -> None:
    """The results of one look are written together: one call, not one a host."""
    hosts = hosts_of(sandbox, 5)
    before = sandbox.calls["dynamodb:TransactWriteItems"]
    assert scan(settings, *hosts).hosts_scanned == len(hosts) > 1
    assert sandbox.calls["dynamodb:TransactWriteItems"] - before < len(hosts)


def test_what_dynamodb_finds_wrong_of_one_host_costs_the_others_nothing(
    sandbox: Sandbox, settings: Settings
) -> None:
    """A transaction of several hosts that is refused for what is in it is written host by host."""
    hosts = hosts_of(sandbox, 3)
    sandbox.fail_next("dynamodb:TransactWriteItems", "ValidationException", 2)
    run = scan(settings, *hosts)
    assert (run.hosts_scanned, run.hosts_failed, run.kept) == (len(hosts) - 1, 1, 1)


def test_a_host_that_goes_before_the_command_costs_no_other(
    sandbox: Sandbox, settings: Settings
) -> None:
    """When Systems Manager refuses a batch because of one host, the others are sent again."""
    gone, stays = hosts_of(sandbox, 2)

    def unregister(event: Event) -> None:
        if isinstance(event, ScopeListed):
            gone.agent = "none"

    try:
        run = scan(settings, gone, stays, watcher=unregister)
    finally:
        gone.agent = "online"
    assert (run.hosts_scanned, run.hosts_failed) == (1, 1)
    (missed,) = RunStore(Aws(settings)).unscanned_hosts(run.run_id)
    assert (missed.instance_id, missed.error_kind) == (gone.instance_id, FailureKind.UNDELIVERABLE)


def test_a_changed_document_is_never_run(sandbox: Sandbox, settings: Settings) -> None:
    """A document that differs from the shipped one is refused before any command is sent."""
    (host,) = hosts_of(sandbox, 1)
    ssm = sandbox.client("ssm", host.account_id, host.region)
    name = settings.document_name
    content = json.loads(ssm.get_document(Name=name)["Content"])
    content["mainSteps"][1]["inputs"]["runCommand"].insert(0, "id")
    ssm.update_document(Name=name, Content=json.dumps(content), DocumentVersion="$LATEST")
    ssm.update_document_default_version(Name=name, DocumentVersion="2")
    try:
        run = scan(settings, host)
    finally:
        ssm.update_document_default_version(Name=name, DocumentVersion="1")
        ssm.delete_document(Name=name, DocumentVersion="2")
    assert "ssm:SendCommand" not in run.api_calls
    (missed,) = RunStore(Aws(settings)).unscanned_hosts(run.run_id)
    assert missed.error_kind is FailureKind.DOCUMENT_MISMATCH
    assert missed.coverage is Coverage.FAILED


def test_a_changed_probe_is_never_run(sandbox: Sandbox, settings: Settings) -> None:
    """A script in S3 that is not the pinned one is refused on the host itself."""
    (host,) = hosts_of(sandbox, 1)
    s3 = sandbox.client("s3")
    bucket = settings.script_bucket
    (item,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    original = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
    s3.put_object(Bucket=bucket, Key=item["Key"], Body=original + b"\nprint('changed')\n")
    try:
        run = scan(settings, host)
    finally:
        s3.put_object(Bucket=bucket, Key=item["Key"], Body=original)
    (missed,) = RunStore(Aws(settings)).unscanned_hosts(run.run_id)
    assert missed.error_kind is FailureKind.PROBE_MISMATCH


def test_a_second_run_is_refused(sandbox: Sandbox, settings: Settings) -> None:
    """While a run holds the lease, another start is refused with who holds it."""
    (host,) = hosts_of(sandbox, 1)
    first = DiscoveryRun.begin(settings, request_for(host), trigger="test")
    with pytest.raises(RunInProgressError, match=first.run_id):
        scan(settings, host)
    first.execute()
    assert scan(settings, host).status is RunStatus.SUCCEEDED


def test_a_dead_runs_lease_lapses(sandbox: Sandbox, settings: Settings) -> None:
    """A run whose process died is marked abandoned by the next one, which needs no help."""
    (host,) = hosts_of(sandbox, 1)
    short = settings.model_copy(update={"lease_seconds": 2})
    dead = DiscoveryRun.begin(short, request_for(host), trigger="test")
    time.sleep(2.1)
    scan(settings, host)
    stored = RunStore(Aws(settings)).run(dead.run_id)
    assert stored is not None
    assert stored.status is RunStatus.ABANDONED


def test_a_background_run_is_cancelled_through_the_table(
    sandbox: Sandbox, settings: Settings
) -> None:
    """Cancelling needs only the run's id, from any process; the host that was not reached keeps
    its coverage and is named in the run."""
    (host,) = hosts_of(sandbox, 1)
    scan(settings, host)
    host.delay_seconds, usual = 600.0, host.delay_seconds
    try:
        run_id = background.start_run_in_background(settings, request_for(host), trigger="test")
        runs = RunStore(Aws(settings))
        runs.request_cancel(run_id)
        deadline = time.monotonic() + 30
        while (run := RunStore(Aws(settings)).active_run()) and time.monotonic() < deadline:
            assert run.run_id == run_id
            time.sleep(0.2)
    finally:
        host.delay_seconds = usual
    ended = runs.run(run_id)
    assert ended is not None
    assert ended.status is RunStatus.CANCELLED
    (missed,) = runs.unscanned_hosts(run_id)
    assert missed.coverage is Coverage.NOT_REACHED
    assert [one.coverage for one in runs.host_records([host.account_id])] == [Coverage.SCANNED]


def test_a_cancelled_run_does_not_start_scopes(sandbox: Sandbox, settings: Settings) -> None:
    """A run cancelled at its beginning sends nothing and says so."""
    (host,) = hosts_of(sandbox, 1)
    cancelled = Flag()
    cancelled.set()
    run = scan(settings, host, cancelled=cancelled)
    assert run.status is RunStatus.CANCELLED
    assert "ssm:SendCommand" not in run.api_calls


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (RunRequest(accounts=("999999999999",)), "999999999999"),
        (RunRequest(regions=("us-east-9",)), "us-east-9"),
        (RunRequest(instances=("i-<script>",)), "i-<script>"),
    ],
)
def test_an_impossible_request_is_refused(
    settings: Settings, request_: RunRequest, named: str
) -> None:
    """An account, region or instance that cannot be is named, and no run is recorded."""
    with pytest.raises(RequestError, match=named):
        start_run(settings, request_, trigger="test")
    assert RunStore(Aws(settings)).recent_runs() == []


def test_nothing_configured_is_said_before_any_call(settings: Settings) -> None:
    """Missing settings are named with what to do."""
    with pytest.raises(ConfigurationError, match="SPOKE_ACCOUNTS"):
        start_run(settings.model_copy(update={"accounts": ()}), trigger="test")
    with pytest.raises(ConfigurationError, match="DISCOVERY_SCRIPT_BUCKET"):
        start_run(settings.model_copy(update={"script_bucket": None}), trigger="test")


def test_a_run_that_cannot_begin_leaves_no_lease(sandbox: Sandbox, settings: Settings) -> None:
    """When its record cannot be stored, the run fails at once and does not block the next one."""
    (host,) = hosts_of(sandbox, 1)
    sandbox.fail_next("dynamodb:PutItem", "ValidationException", 1)
    with pytest.raises(AwsError):
        scan(settings, host)
    assert RunStore(Aws(settings)).recent_runs() == []
    assert scan(settings, host).status is RunStatus.SUCCEEDED


def test_a_run_that_fails_before_its_first_scope_is_closed(
    sandbox: Sandbox, settings: Settings
) -> None:
    """A refusal while earlier runs are read ends the run's record and gives its lease back."""
    (host,) = hosts_of(sandbox, 1)
    run = DiscoveryRun.begin(settings, request_for(host), trigger="test")
    sandbox.fail_next("dynamodb:Query", "ValidationException", 1)
    events: list[Event] = []
    with pytest.raises(AwsError):
        run.execute(events.append)
    stored = RunStore(Aws(settings)).run(run.run_id)
    assert stored is not None
    assert stored.status is RunStatus.FAILED
    assert events[-1] == RunFinished(stored)
    assert scan(settings, host).status is RunStatus.SUCCEEDED
