"""`discovery.inventory.support_file`: what a file of support dates must be."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.errors import ConfigurationError
from discovery.inventory.support_file import MOST_BYTES, TABLE, parse_table, read_table
from discovery.inventory.support_table import SupportDate

GOOD: dict[str, Any] = {
    "source": "a vendor's page",
    "license": "MIT",
    "as_of": "2026-11-01",
    "engines": {
        "mysql": {
            "policy": "https://vendor.example/policy",
            "dates": {"premier": "Premier Support", "extended": "Extended Support"},
            "cycles": {
                "8.0": {"premier": "2025-04-30", "extended": "2026-04-30"},
                "9.7": {
                    "premier": "open",
                    "extended": "2034-04-21",
                    "marks": {"extended": "estimate"},
                },
            },
        },
        "percona": {"upstream": "mysql", "note": "Its own dates are not known."},
    },
}


def test_a_file_is_read_into_records() -> None:
    """Dates have their kind, name and mark; a fork has its upstream's cycles and its own note."""
    table = parse_table(json.dumps(GOOD).encode(), "x")
    assert table.as_of == date(2026, 11, 1)
    mysql, percona = table.calendars["mysql"], table.calendars["percona"]
    assert mysql.cycles[9, 7].dates == (
        SupportDate("premier", "Premier Support", "open"),
        SupportDate("extended", "Extended Support", date(2034, 4, 21), "estimate"),
    )
    assert percona.cycles == mysql.cycles
    assert (percona.upstream, percona.note) == ("mysql", "Its own dates are not known.")


def _set(*path: str, to: object) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        *way, last = path
        for name in way:
            data = data[name]
        data[last] = to

    return change


MYSQL = ("engines", "mysql")
CYCLE = (*MYSQL, "cycles", "8.0")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_set("as_of", to="yesterday"), "as_of"),
        (_set("as_of", to=None), "as_of"),
        (_set("source", to=""), "source"),
        (_set("source", to="a\u202eb"), "source"),
        (_set("more", to=1), "more"),
        (_set("engines", to={}), "engines"),
        (_set("engines", to=[]), "engines"),
        (_set("engines", "My SQL", to={"upstream": "mysql"}), "My SQL"),
        (_set(*MYSQL, to=None), "mysql: must be an object"),
        (_set(*MYSQL, "policy", to="javascript:alert(1)"), "mysql.policy"),
        (_set(*MYSQL, "dates", to={"premier": "Premier Support"}), "mysql 8.0"),
        (_set(*MYSQL, "dates", "free", to="Free"), "mysql.dates.free"),
        (_set(*MYSQL, "cycles", to={}), "mysql: has neither"),
        (_set(*MYSQL, "cycles", "x", to={"premier": "open"}), "mysql.cycles.x"),
        (_set(*MYSQL, "cycles", "8.00", to={"premier": "open"}), "twice"),
        (_set(*CYCLE, to={}), "mysql 8.0: has no date"),
        (_set(*CYCLE, "premier", to="2025-02-30"), "8.0.premier"),
        (_set(*CYCLE, "premier", to="2025-04-30T00:00:00"), "8.0.premier"),
        (_set(*CYCLE, "premier", to=1700000000), "8.0.premier"),
        (_set(*CYCLE, "premier", to=True), "8.0.premier"),
        (_set(*CYCLE, "premier", to="0001-01-01"), "8.0.premier"),
        (_set(*CYCLE, "premier", to="2026-05-01"), "ends first"),
        (_set(*CYCLE, "eol", to="2026-05-01"), "8.0.eol"),
        (_set(*CYCLE, "marks", to={"premier": "sure"}), "marks"),
        (_set(*MYSQL, "cycles", "9.7", "marks", to={"premier": "estimate"}), "no day"),
        (_set("engines", "percona", "upstream", to="nodb"), "percona"),
        (_set("engines", "percona", "upstream", to="percona"), "percona"),
        (_set("engines", "percona", "cycles", to={"8.0": {"premier": "open"}}), "percona"),
    ],
)
def test_a_file_of_another_shape_is_refused(
    change: Callable[[dict[str, Any]], None], named: str
) -> None:
    """The message names the place in the file."""
    data = deepcopy(GOOD)
    change(data)
    with pytest.raises(ConfigurationError) as refused:
        parse_table(json.dumps(data).encode(), "dates.json")
    assert named in str(refused.value)
    assert str(refused.value).startswith("dates.json: ")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"as_of": 1e999}', b"1" * 5000],
)
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    """Neither text nor depth nor a long number breaks it."""
    with pytest.raises(ConfigurationError):
        parse_table(content, "x")


def test_a_name_that_stands_twice_is_refused() -> None:
    """Of two entries for one engine the first would be lost in silence."""
    twice = json.dumps(GOOD).replace('"percona"', '"mysql"')
    with pytest.raises(ConfigurationError, match="'mysql' stands there twice"):
        parse_table(twice.encode(), "x")


def test_many_faults_are_told_in_short() -> None:
    """A wholly other file does not fill the screen."""
    data = deepcopy(GOOD)
    data["engines"]["mysql"]["cycles"] = {f"{n}": {"premier": "x"} for n in range(500)}
    with pytest.raises(ConfigurationError, match="490 more") as refused:
        parse_table(json.dumps(data).encode(), "x")
    assert len(str(refused.value)) < 3000


def test_a_file_that_is_not_there_or_too_long_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    long = tmp_path / "long.json"
    with long.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    for path in (tmp_path / "none.json", tmp_path, long):
        with pytest.raises(ConfigurationError, match=str(path)):
            read_table(path)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
@settings(max_examples=50, deadline=None)
def test_any_value_in_the_place_of_a_date_is_a_date_or_refused(value: object) -> None:
    """No value of JSON breaks the reader."""
    data = deepcopy(GOOD)
    data["engines"]["mysql"]["cycles"]["8.0"]["premier"] = value
    if value is None:  # no such date is known
        assert len(parse_table(json.dumps(data).encode(), "x").calendars) == 2
        return
    with pytest.raises(ConfigurationError):
        parse_table(json.dumps(data).encode(), "x")


def test_the_table_that_is_shipped_has_the_shape() -> None:
    """Its texts, kinds, days and order are as checked for any file."""
    assert read_table(TABLE).calendars
