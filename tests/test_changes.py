"""`changes --since`: where it begins, and what it prints."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from discovery.cli.changes import change_object, first_run_id
from discovery.errors import RequestError
from discovery.model import Change, ChangeKind

RUN = "20260204T100000.000Z-4f1c2a"


@pytest.mark.parametrize(
    ("since", "first"),
    [
        (RUN, RUN),
        ("2026-02-04", "20260204T000000"),
        ("2026-02-04T10:00", "20260204T100000"),
        ("2026-02-04T11:00+01:00", "20260204T100000"),
        ("2026-02-04T10:00:00Z", "20260204T100000"),
    ],
)
def test_since_is_a_run_or_a_moment_in_utc(since: str, first: str) -> None:
    """Run ids sort by time, so a moment is the beginning of a run id."""
    assert first_run_id(since) == first


def test_a_run_of_that_second_is_included() -> None:
    """A run that began within the second named is since it."""
    assert first_run_id("2026-02-04T10:00") <= RUN


def test_what_is_neither_is_refused() -> None:
    """The message shows the value."""
    with pytest.raises(RequestError, match="'yesterday'"):
        first_run_id("yesterday")


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
