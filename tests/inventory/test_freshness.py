"""Freshness: how old what is known is, and where a reader sees it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from discovery.errors import RequestError
from discovery.export.csv import write_databases
from discovery.inventory.as_of import AsOf
from discovery.inventory.freshness import Freshness, Staleness
from discovery.model import DatabaseRecord, DatabaseStatus, Scope
from discovery.view.databases import DatabaseQuery, select_databases
from discovery.view.drawer import database_facts
from discovery.web import api
from tests.support.api_records import ACCOUNT, MemoryInventory
from tests.support.snapshots import NOW, database, snapshot

LATELY = database(account_id=ACCOUNT, db_id="mysql-1", last_seen=NOW - timedelta(days=7))
LONG_AGO = database(
    account_id=ACCOUNT, db_id="mysql-2", last_seen=NOW - timedelta(days=7, seconds=1)
)
GONE = database(
    account_id=ACCOUNT,
    db_id="mysql-3",
    status=DatabaseStatus.GONE,
    last_seen=NOW - timedelta(days=30),
    gone_at=NOW - timedelta(days=20),
    expires_at=int((NOW + timedelta(days=70)).timestamp()),
)


@pytest.mark.parametrize(
    ("record", "freshness"),
    [(LATELY, Freshness.CURRENT), (LONG_AGO, Freshness.STALE), (GONE, Freshness.GONE)],
)
def test_a_database_is_stale_past_the_set_age_and_never_when_gone(
    record: DatabaseRecord, freshness: Freshness
) -> None:
    """Exactly the set age is not yet stale; what is gone was confirmed to be gone."""
    assert Staleness(NOW, 7).classify(record) is freshness


def test_what_no_run_looks_for_is_unwatched_whatever_its_age() -> None:
    """A record of a scope that runs left is neither current nor stale; what is gone stays gone."""
    where = Scope(LATELY.account_id, LATELY.region)
    as_of = AsOf(NOW, 7, {where: NOW - timedelta(days=3)})
    elsewhere = replace(LATELY, region="ap-south-1")
    assert [as_of.freshness(each) for each in (LATELY, LONG_AGO, GONE, elsewhere)] == [
        Freshness.UNWATCHED,
        Freshness.UNWATCHED,
        Freshness.GONE,
        Freshness.CURRENT,
    ]
    assert as_of.unwatched_since(LATELY) == NOW - timedelta(days=3)
    assert as_of.unwatched_since(elsewhere) is None


def test_the_age_is_configurable() -> None:
    """The same record is stale after 5 days and not after 10."""
    assert Staleness(NOW, 5).classify(LATELY) is Freshness.STALE
    assert Staleness(NOW, 10).classify(LONG_AGO) is Freshness.CURRENT


def test_the_csv_says_it_as_of_the_export() -> None:
    """Freshness and the day of removal are columns."""
    out = io.StringIO(newline="")
    write_databases([LATELY, LONG_AGO, GONE], out, AsOf(NOW))
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [row["Freshness"] for row in rows] == ["current", "stale", "gone"]
    assert [row["Removed after (UTC)"] for row in rows] == ["", "", "2026-05-11T12:00:00Z"]


def test_the_api_says_it_in_full_detail_only() -> None:
    """The default shape is untouched and leaves gone ones out; detail=full has them all."""
    now = datetime.now(UTC)
    fresh = database(account_id=ACCOUNT, db_id="mysql-1", last_seen=now)
    inventory = MemoryInventory(fresh, LONG_AGO, GONE)
    for path in ("/databases", f"/accounts/{ACCOUNT}/instances"):
        _, plain = api.handle(inventory, "GET", path, {})
        assert "stale" not in str(plain) and "mysql-3" not in str(plain)
    _, body = api.handle(inventory, "GET", "/databases", {"detail": ["full"]}, stale_days=7)
    found = {each["db_id"]: each for each in body["databases"]}
    assert [found[id_]["stale"] for id_ in ("mysql-1", "mysql-3")] == [False, False]
    assert found["mysql-2"]["stale"]
    assert found["mysql-3"]["gone_at"] == "2026-02-10T12:00:00Z"
    assert found["mysql-3"]["expires_at"] == "2026-05-11T12:00:00Z"
    assert found["mysql-2"]["last_seen"] == "2026-02-23T11:59:59Z"


def test_an_unknown_detail_is_refused() -> None:
    """A misspelt parameter value is an error, not the default shape."""
    status, body = api.handle(MemoryInventory(), "GET", "/databases", {"detail": ["ful"]})
    assert (status, body["error"]["code"]) == (400, "invalid_detail")


def test_the_table_can_be_filtered_by_it() -> None:
    """`freshness=stale` leaves the stale ones, as of when the tables were read."""
    shown = replace(snapshot(), records=(LATELY, LONG_AGO, GONE))
    stale, current = (
        DatabaseQuery.from_params({"freshness": [value]}) for value in ("stale", "current")
    )
    assert select_databases(shown, stale, NOW.date()) == (LONG_AGO,)
    assert select_databases(shown, current, NOW.date()) == (LATELY,)
    assert select_databases(shown, stale, NOW.date(), 5) == (LATELY, LONG_AGO)
    left = Scope(ACCOUNT, LATELY.region)
    unwatched = DatabaseQuery.from_params({"freshness": ["unwatched"]})
    assert select_databases(shown, unwatched, NOW.date()) == ()
    shown = replace(shown, unwatched={left: NOW - timedelta(days=1)})
    assert select_databases(shown, unwatched, NOW.date()) == (LATELY, LONG_AGO)
    assert select_databases(shown, current, NOW.date()) == ()
    with pytest.raises(RequestError, match="freshness='old'"):
        DatabaseQuery.from_params({"freshness": ["old"]})


def test_the_record_view_says_it_with_the_limit() -> None:
    """The drawer shows the state, after how many days it holds, and when a gone one is removed."""
    stale = {field: (value, how) for field, value, how in database_facts(LONG_AGO, AsOf(NOW))}
    assert stale["Freshness"] == ("Stale", "stale after 7 days")
    gone = {field: value for field, value, _ in database_facts(GONE, AsOf(NOW))}
    assert gone["Freshness"] == "Gone"
    assert gone["Removed after"] == "2026-05-11 12:00:00 UTC"
