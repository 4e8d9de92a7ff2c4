"""The changes that the Changes page shows: read once, filtered, newest first, flapping left out."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from discovery.aws.host_writer import HostRows, HostWriter
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.errors import RequestError
from discovery.export.csv import write_changes
from discovery.inventory.as_of import AsOf
from discovery.inventory.changes import ChangeFilter, newest_first
from discovery.inventory.reconcile import reconcile_host
from discovery.model import (
    Change,
    ChangeKind,
    Coverage,
    DatabaseRecord,
    DatabaseStatus,
    Host,
    HostFacts,
    HostReport,
    ReportedDatabase,
    RunRecord,
    RunStatus,
    ScopeRecord,
    ScopeStatus,
)
from discovery.settings import Settings
from discovery.view.changes import change_columns, filter_options, select_changes, since_options
from discovery.view.frames import frame
from discovery.view.snapshot import TableReader
from sandbox import Sandbox
from tests.support.empty_tables import empty_tables
from tests.support.snapshots import host
from tests.support.stored import store_changes

DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
ACCOUNT, REGION, INSTANCE = "111122223333", "eu-west-1", "i-0abc123def4567890"


@pytest.fixture
def store(sandbox: Sandbox, settings: Settings) -> RunStore:
    """Empty reader."""
    empty_tables(sandbox)
    return RunStore(Aws(settings))


def run_id(days_ago: int) -> str:
    """The id of a run that began on that day's morning."""
    return f"{DAY - timedelta(days=days_ago):%Y%m%d}T020000.000Z-4f1c2a"


def put_run(store: RunStore, days_ago: int, *kinds: ChangeKind, failed: int = 0) -> RunRecord:
    """Store a finished run that found these changes, one a database."""
    at = DAY - timedelta(days=days_ago) + timedelta(hours=2)
    found = [
        Change(
            run_id(days_ago),
            at,
            kind,
            ACCOUNT,
            REGION,
            INSTANCE,
            f"mysql-{3306 + place}",
            "mysql" if place % 2 == 0 else "postgresql",
            "8.0.35",
            "8.0.36",
        )
        for place, kind in enumerate(kinds)
    ]
    run = RunRecord(
        run_id(days_ago),
        RunStatus.SUCCEEDED,
        at,
        at,
        "host:1",
        "cli",
        finished_at=at,
        hosts_scanned=1,
        hosts_failed=failed,
        changes={kind.value: 1 for kind in kinds},
    )
    store.create_run(run)
    store_changes(store, *found)
    return run


def test_changes_since_a_day_are_the_newest_first(store: RunStore, settings: Settings) -> None:
    """A period begins with its first day; earlier runs are left out; a run's id begins with it."""
    for days in (8, 7, 1):
        put_run(store, days, ChangeKind.UPGRADED, ChangeKind.GONE)
    reader = TableReader(settings)
    ids = [change.run_id for change in reader.change_log("7d").changes]
    assert ids == [run_id(1), run_id(1), run_id(7), run_id(7)]
    assert len(reader.change_log("30d").changes) == 6
    assert {change.run_id for change in reader.change_log(run_id(1)).changes} == {run_id(1)}


def test_a_run_is_read_once_and_one_without_changes_never(
    store: RunStore, sandbox: Sandbox, settings: Settings
) -> None:
    """A page view costs the one Query that looks for a new run; a new run costs its own."""
    put_run(store, 3, ChangeKind.UPGRADED)
    put_run(store, 2)
    reader = TableReader(settings)
    first = reader.change_log("7d")
    before = sandbox.calls.copy()
    assert reader.change_log("7d") is first
    assert sandbox.calls - before == {"dynamodb:Query": 1}
    put_run(store, 1, ChangeKind.GONE)
    reader.snapshot()
    before = sandbox.calls.copy()
    assert len(reader.change_log("7d").changes) == 2
    assert sandbox.calls - before == {"dynamodb:Query": 2}


def test_what_replay_brought_in_is_shown_with_the_next_run(
    store: RunStore, settings: Settings
) -> None:
    """A run with failed hosts may grow after its end: it is read again."""
    put_run(store, 2, ChangeKind.UPGRADED, failed=1)
    reader = TableReader(settings)
    (known,) = reader.change_log("7d").changes
    store_changes(store, replace(known, db_id="mysql-9999"))
    put_run(store, 1)
    assert len(reader.change_log("7d").changes) == 2


def test_more_runs_than_a_snapshot_holds_are_all_looked_at(
    store: RunStore, settings: Settings
) -> None:
    """A long period is not cut at what other pages list."""
    for days in range(1, 56):
        put_run(store, days, *([ChangeKind.GREW] if days in (1, 55) else []))
    log = TableReader(settings).change_log("90d")
    assert len(log.runs) == 55
    assert [change.run_id for change in log.changes] == [run_id(1), run_id(55)]


def test_no_run_is_no_change(store: RunStore, settings: Settings) -> None:
    """Empty tables are an empty log."""
    assert store.recent_runs() == []
    log = TableReader(settings).change_log("7d")
    assert (log.changes, log.runs) == ((), ())
    assert filter_options(log)["account"] == ()


def test_filters_choose(store: RunStore, settings: Settings) -> None:
    """Kind, account, engine and words, of the host's name too; a repeated question is the same."""
    put_run(store, 1, ChangeKind.UPGRADED, ChangeKind.GONE, ChangeKind.GONE)
    named = host(account_id=ACCOUNT, instance_id=INSTANCE, name="orders-db-1")
    HostWriter(Aws(settings)).write_coverage([named])
    scope = ScopeRecord(run_id(1), ACCOUNT, REGION, ScopeStatus.SUCCEEDED)
    store.put_scope(scope, newest=True)
    log = TableReader(settings).change_log("7d")

    def count(**params: list[str]) -> int:
        return len(select_changes(log, ChangeFilter.from_params(params)))

    assert count() == 3
    assert count(kind=["gone"]) == 2
    assert count(kind=["gone"], engine=["postgresql"]) == 1
    assert count(account=["999999999999"]) == 0
    assert count(q=["ORDERS 3307"]) == 1
    assert count(q=["orders 9.9"]) == 0
    where = ChangeFilter.from_params({"kind": ["gone"]})
    assert select_changes(log, where) is select_changes(log, where)
    shown = frame(change_columns(log.names), log.changes, AsOf(DAY))
    assert shown["Host"].tolist() == ["orders-db-1"] * 3


def test_a_kind_that_is_none_is_refused() -> None:
    """A broken link is told, not passed over."""
    with pytest.raises(RequestError, match="kind='vanished'"):
        ChangeFilter.from_params({"kind": ["vanished"]})


def test_a_value_that_alternates_between_two_evidences_is_not_shown(
    store: RunStore, settings: Settings
) -> None:
    """Five runs in which two evidences of one server's version take turns: it appeared, and the
    second evidence's first word is at most one change more; no run after that shows any."""
    aws = Aws(settings)
    known: list[DatabaseRecord] = []
    for days, (version, evidence) in zip(
        (6, 5, 4, 3, 2), [("8.0.35", "dpkg mysql-server"), ("8.0", "path")] * 3, strict=False
    ):
        at = DAY - timedelta(days=days)
        reported = ReportedDatabase(
            "mysql-3306",
            "mysql",
            DatabaseStatus.RUNNING,
            version=version,
            port=3306,
            evidence={"version": evidence},
        )
        changes = reconcile_host(
            known,
            Host(ACCOUNT, REGION, INSTANCE, Coverage.PENDING),
            HostReport(HostFacts(), (reported,), (), 5),
            run_id=run_id(days),
            now=at,
            gone_ttl_days=90,
            environment_tags=(),
        )
        known = list(changes.puts)
        HostWriter(aws).write(HostRows(changes, host(run_id=run_id(days), account_id=ACCOUNT)))
        put_run_of(store, days, changes.changes)
    log = TableReader(settings).change_log("30d")
    assert len(log.runs) == 5
    assert log.changes[-1].kind is ChangeKind.APPEARED
    assert {change.run_id for change in log.changes} <= {run_id(6), run_id(5)}


def put_run_of(store: RunStore, days: int, changes: tuple[Change, ...]) -> None:
    """Store the record of a run whose changes are stored."""
    at = DAY - timedelta(days=days)
    counts = {change.kind.value: 1 for change in changes}
    record = RunRecord(
        run_id(days), RunStatus.SUCCEEDED, at, at, "host:1", "cli", finished_at=at, changes=counts
    )
    store.create_run(record)


def test_the_file_has_what_the_table_shows() -> None:
    """A header, one line a change, hostile text harmless, unknown empty."""
    change = Change(
        run_id(1),
        DAY,
        ChangeKind.MOVED,
        ACCOUNT,
        REGION,
        INSTANCE,
        "mysql-1",
        "mysql",
        None,
        "=1+1",
    )
    out = io.StringIO(newline="")
    assert write_changes([change], out) == 1
    (row,) = csv.DictReader(io.StringIO(out.getvalue(), newline=""))
    assert (row["Change"], row["Before"], row["After"]) == ("moved", "", "'=1+1")
    assert row["Found (UTC)"] == f"{DAY:%Y-%m-%dT%H:%M:%SZ}"
    assert row["Run"] == run_id(1)


def test_order_is_by_run_then_account() -> None:
    """Equal times keep a fixed order, so that a page's second part continues its first."""
    base = Change(run_id(1), DAY, ChangeKind.GONE, "2", REGION, INSTANCE, "mysql-1", "mysql")
    older = replace(base, run_id=run_id(2), account_id="0")
    other = replace(base, account_id="1")
    assert newest_first([older, base, other]) == [other, base, older]
    assert ChangeFilter().matches(base)


def test_periods_come_before_runs(store: RunStore, settings: Settings) -> None:
    """The choice names runs by when they began."""
    put_run(store, 1)
    options = since_options(TableReader(settings).snapshot())
    assert next(iter(options)) == "1d"
    assert options[run_id(1)].startswith("Run of ")
