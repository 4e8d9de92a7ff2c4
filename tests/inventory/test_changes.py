"""`changes --since`: where it begins, and what it prints."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.cli.changes import change_object, changes
from discovery.errors import NotFoundError, RequestError
from discovery.inventory.changes import first_run_id
from discovery.model import Change, ChangeKind, RunRecord, RunStatus
from discovery.settings import Settings
from sandbox import Sandbox
from tests.support.empty_tables import empty_tables
from tests.support.stored import store_changes

RUN = "20260204T100000.000Z-4f1c2a"
TODAY = datetime(2026, 2, 4, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "first"),
    [
        (RUN, RUN),
        ("2026-02-04", "20260204T000000"),
        ("2026-02-04T10:00", "20260204T100000"),
        ("2026-02-04T11:00+01:00", "20260204T100000"),
        ("2026-02-04T10:00:00Z", "20260204T100000"),
        ("1d", "20260203T000000"),
        ("30d", "20260105T000000"),
    ],
)
def test_since_is_a_run_or_a_moment_in_utc(since: str, first: str) -> None:
    """Run ids sort by time, so a moment is the beginning of a run id."""
    assert first_run_id(since, TODAY) == first


def test_a_run_of_that_second_is_included() -> None:
    """A run that began within the second named is since it."""
    assert first_run_id("2026-02-04T10:00", TODAY) <= RUN


def test_what_is_neither_is_refused() -> None:
    """The message shows the value."""
    with pytest.raises(RequestError, match="'yesterday'"):
        first_run_id("yesterday", TODAY)


def test_json_has_every_field_of_a_change() -> None:
    """Times are ISO 8601 with Z, kinds are words."""
    at = datetime(2026, 2, 4, 10, tzinfo=UTC)
    where = ("123456789012", "eu-west-1", "i-0abc123def456", "mysql-3306", "mysql")
    change = Change(RUN, at, ChangeKind.GREW, *where, "1.00 MiB", "9.00 MiB")
    assert json.loads(json.dumps(change_object(change))) == {
        "run_id": RUN,
        "at": "2026-02-04T10:00:00Z",
        "kind": "grew",
        "account_id": "123456789012",
        "region": "eu-west-1",
        "instance_id": "i-0abc123def456",
        "db_id": "mysql-3306",
        "engine": "mysql",
        "before": "1.00 MiB",
        "after": "9.00 MiB",
    }


@pytest.fixture
def store(sandbox: Sandbox, settings: Settings) -> RunStore:
    """An empty runs table."""
    empty_tables(sandbox)
    return RunStore(Aws(settings))


def test_changes_of_the_runs_since_are_printed_oldest_first(store: RunStore) -> None:
    """Earlier runs are left out, the named one is in; an unknown run is an error."""
    ids = [f"2026020{day}T100000.000Z-4f1c2a" for day in (3, 4, 5)]
    where = ("123456789012", "eu-west-1", "i-0abc123def456", "mysql-3306", "mysql")
    for day, run_id in zip((3, 4, 5), ids, strict=True):
        at = datetime(2026, 2, day, 10, tzinfo=UTC)
        store.create_run(RunRecord(run_id, RunStatus.SUCCEEDED, at, at, "host:1", "cli"))
        store_changes(store, Change(run_id, at, ChangeKind.UPGRADED, *where, "8.0.35", "8.0.36"))
    for since in (ids[1], "2026-02-04"):
        result = CliRunner().invoke(changes, ["--since", since, "--json"], catch_exceptions=False)
        found = [json.loads(line)["run_id"] for line in result.stdout.splitlines()]
        assert found == ids[1:]
    table = CliRunner().invoke(changes, ["--since", "2026-02-05"], catch_exceptions=False)
    assert "upgraded" in table.stdout
    assert "1 change(s) in 1 run(s)" in table.stderr
    with pytest.raises(NotFoundError, match=RUN[:8]):
        CliRunner().invoke(
            changes, ["--since", "20260204T100000.000Z-000000"], catch_exceptions=False
        )
