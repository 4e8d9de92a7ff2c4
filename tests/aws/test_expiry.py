"""What expires, when, and that nobody sees it after: runs and what is theirs, gone databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from discovery.aws.host_writer import HostWriter
from discovery.aws.inventory import Inventory
from discovery.aws.items import expires_with_run, is_expired
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.errors import ConfigurationError
from discovery.model import (
    Change,
    ChangeKind,
    Coverage,
    DatabaseStatus,
    HostRecord,
    OutstandingCommand,
    RunRecord,
    RunRequest,
    RunStatus,
    Scope,
    ScopeRecord,
    ScopeStatus,
)
from discovery.run import start_run
from discovery.settings import Settings, load_settings
from sandbox import Sandbox
from tests.support.empty_tables import empty_tables
from tests.support.results import a_record
from tests.support.stored import store_changes, store_records

ACCOUNT, REGION, INSTANCE = "210000000002", "eu-west-1", "i-0abc123def456"


@pytest.fixture
def kept_a_day(sandbox: Sandbox, settings: Settings) -> Aws:
    """Empty tables whose history is kept for a day."""
    empty_tables(sandbox)
    return Aws(settings.model_copy(update={"history_days": 1}))


def a_run(aws: Aws, age: timedelta) -> str:
    """Store one of everything that belongs to a run that began so long ago; its id."""
    began = datetime.now(UTC) - age
    run_id = f"{began:%Y%m%dT%H%M%S}.000Z-4f1c2a"
    store = RunStore(aws)
    store.create_run(RunRecord(run_id, RunStatus.PARTIAL, began, began, "host:1", "cli"))
    store.put_scope(ScopeRecord(run_id, ACCOUNT, REGION, ScopeStatus.PARTIAL), newest=True)
    missed = HostRecord(ACCOUNT, REGION, INSTANCE, Coverage.FAILED, run_id, began)
    HostWriter(aws).write_coverage([missed])
    where = (ACCOUNT, REGION, INSTANCE, "mysql-3306", "mysql")
    store_changes(store, Change(run_id, began, ChangeKind.APPEARED, *where, None, "8.0.35"))
    store.put_outstanding(
        OutstandingCommand(run_id, ACCOUNT, REGION, "command", began, (INSTANCE,))
    )
    return run_id


def seen(store: RunStore, run_id: str) -> list[object]:
    """Everything that the runs table tells of one run."""
    known = store.run(run_id)
    return [
        *([known] if known else []),
        *store.recent_runs(),
        *store.runs_since(run_id),
        *store.scopes(run_id),
        *store.unscanned_hosts(run_id),
        *store.changes(run_id),
        *store.history(ACCOUNT, f"{INSTANCE}#mysql-3306"),
        *store.outstanding(run_id),
    ]


def test_what_is_past_its_time_is_not_shown(kept_a_day: Aws) -> None:
    """DynamoDB removes within days: meanwhile an expired run, its failures, its changes and their
    history are gone for every reader, all at once; one of yesterday's is whole."""
    store = RunStore(kept_a_day)
    old = a_run(kept_a_day, timedelta(days=1, seconds=5))
    assert seen(store, old) == []
    young = a_run(kept_a_day, timedelta(hours=23))
    assert len(seen(store, young)) == 8


def test_the_newest_state_of_a_scope_and_a_host_never_expires(kept_a_day: Aws) -> None:
    """What the coverage page shows outlives the run that found it."""
    store = RunStore(kept_a_day)
    old = a_run(kept_a_day, timedelta(days=30))
    assert [scope.run_id for scope in store.latest_scopes()] == [old]
    assert [host.run_id for host in store.host_records([ACCOUNT])] == [old]
    assert set(store.scope_hosts(Scope(ACCOUNT, REGION))) == {INSTANCE}


def test_everything_a_real_run_leaves_expires_with_it_but_the_newest_state(
    kept_a_day: Aws, settings: Settings
) -> None:
    """A run's items all have one time to live, counted from its beginning."""
    run = start_run(
        settings.model_copy(update={"history_days": 400}),
        RunRequest(accounts=(ACCOUNT,)),
        trigger="test",
    )
    wanted = int(run.started_at.timestamp()) + 400 * 86400
    items: list[dict[str, Any]] = kept_a_day.table(settings.runs_table).scan()["Items"]
    of_run = [one for one in items if one["pk"] == "RUNS" or one["pk"].startswith("RUN#")]
    newest = [one for one in items if one not in of_run]
    assert {one["sk"].partition("#")[0] for one in of_run} >= {run.run_id, "SCOPE", "CHANGE"}
    assert {int(one["expires_at"]) for one in of_run} == {wanted}
    assert {one["pk"] for one in newest} >= {"SCOPES", f"HOSTS#{ACCOUNT}"}
    assert [one for one in newest if "expires_at" in one] == []


def test_a_gone_database_past_its_time_is_not_shown(kept_a_day: Aws) -> None:
    """The inventory passes over what DynamoDB has yet to remove."""
    inventory = Inventory(kept_a_day)
    now = int(datetime.now(UTC).timestamp())
    for port, expires in ((1, now - 1), (2, now + 3600)):
        record = a_record(
            db_id=f"mysql-{port}", status=DatabaseStatus.GONE, expires_at=expires, port=port
        )
        store_records(kept_a_day.settings, record)
    assert [one.port for one in inventory.all_records()] == [2]
    assert [one.port for one in inventory.account_records("111111111111")] == [2]


def test_an_id_that_tells_no_time_does_not_expire() -> None:
    """What cannot be dated is kept."""
    assert expires_with_run("20260204T100000.000Z-4f1c2a", 1) == {"expires_at": 1770285600}
    assert expires_with_run("99999999T999999Z-ffffff", 1) == {}
    assert not is_expired({})


@pytest.mark.parametrize("days", ["0", "-1", "forever"])
def test_days_that_are_none_are_refused(days: str) -> None:
    """The message names the variable."""
    with pytest.raises(ConfigurationError, match="DISCOVERY_HISTORY_DAYS"):
        load_settings({"DISCOVERY_HISTORY_DAYS": days})
