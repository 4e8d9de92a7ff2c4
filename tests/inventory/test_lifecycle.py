"""`discovery.inventory.lifecycle`: what a version number means."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.inventory.lifecycle import (
    compare_versions,
    cycle_of,
    support,
    version_key,
    version_matches,
)
from discovery.model import ENGINE_LABELS

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("engine", "version", "cycle", "state", "ends", "extended_ends"),
    [
        ("postgresql", "15.18", "15", "ends_within_year", date(2027, 11, 11), None),
        ("postgresql", "17.2", "17", "supported", date(2029, 11, 8), None),
        ("postgresql", "14.9", "14", "ended", date(2026, 11, 12), None),
        ("postgresql", "9.6.24", "9.6", "ended", date(2021, 11, 11), None),
        ("mysql", "8.0.35", "8.0", "ended", date(2025, 4, 30), date(2026, 4, 30)),
        ("mysql", "8.4.2", "8.4", "supported", date(2029, 4, 30), date(2032, 4, 30)),
        ("mysql", "9.7.0", "9.7", "supported", None, date(2034, 4, 21)),
        ("mariadb", "10.11.6-MariaDB", "10.11", "supported", date(2028, 2, 16), None),
        ("mariadb", "10.6.16", "10.6", "ended", date(2026, 7, 6), date(2029, 8, 23)),
        ("mongodb", "7.0.5", "7.0", "ends_within_year", date(2027, 8, 31), None),
        ("mongodb", "4.4.29", "4.4", "ended", date(2024, 2, 29), None),
    ],
)
def test_a_version_has_the_support_of_its_cycle(
    engine: str,
    version: str,
    cycle: str,
    state: str,
    ends: date | None,
    extended_ends: date | None,
) -> None:
    """The cycle, its dates and the state of one day, with where the dates are from."""
    found = support(engine, version, TODAY)
    assert (found.cycle, found.state) == (cycle, state)
    assert (found.ends, found.extended_ends) == (ends, extended_ends)
    assert found.source.startswith("endoflife.date")
    assert found.as_of == date(2026, 8, 22)
    assert found.policy is not None
    assert bool(found.extended) == bool(extended_ends)


@pytest.mark.parametrize(
    ("engine", "version"),
    [
        (None, None),
        ("mysql", None),
        (None, "8.0.35"),
        ("percona", "8.0.35-27"),
        ("oracle", "19"),
        ("mysql", "8"),
        ("mysql", "99.1"),
        ("mysql", ""),
        ("postgresql", "18rc1"),
        ("postgresql", "nonsense"),
    ],
)
def test_what_has_no_schedule_is_unknown(engine: str | None, version: str | None) -> None:
    """No schedule is guessed: not for another engine, a bare major version or a pre-release."""
    found = support(engine, version, TODAY)
    assert (found.state, found.cycle, found.ends) == ("unknown", None, None)
    assert found.as_of == date(2026, 8, 22)


def test_the_state_turns_on_the_day() -> None:
    """Support lasts through its last day, and its end is near for the 365 days before."""
    ends = date(2027, 11, 11)
    states = {
        day: support("postgresql", "15.4", day).state
        for day in (date(2026, 11, 10), date(2026, 11, 11), ends, date(2027, 11, 12))
    }
    assert list(states.values()) == ["supported", "ends_within_year", "ends_within_year", "ended"]


def test_a_cycle_without_a_published_end_ends_with_its_extended_support() -> None:
    """MySQL 9.7 has no Premier Support date yet: it is supported until Extended Support ends."""
    assert support("mysql", "9.7.1", date(2034, 4, 22)).state == "ended"
    assert support("mysql", "9.7.1", date(2034, 4, 21)).state == "ends_within_year"


@given(st.none() | st.sampled_from(sorted(ENGINE_LABELS)), st.none() | st.text(max_size=80))
@settings(max_examples=100)
def test_any_version_text_has_an_answer(engine: str | None, version: str | None) -> None:
    """No text breaks the look-up."""
    found = support(engine, version, TODAY)
    assert (found.state == "unknown") == (cycle_of(engine, version) is None)


def test_versions_sort_as_people_count() -> None:
    """Numbers by value, a pre-release before its release."""
    ordered = ["9.6", "10.2", "10.11rc1", "10.11", "10.11-log", "10.11.1", "10.11.10", "11"]
    assert sorted(set(ordered), key=version_key) == ordered


@pytest.mark.parametrize(
    ("before", "after", "sign"),
    [
        ("8.0.9", "8.0.10", 1),
        ("8.0.10", "8.0.9", -1),
        ("8.0.35-27", "8.0.35-28", 1),
        ("16beta2", "16", 1),
        ("16rc1", "16beta2", -1),
        ("15", "15.4", 0),
        ("8.0.35", "8.0.35-0ubuntu0.22.04.1", 0),
        ("8.0.3", "8.0.35", 1),
        ("10.11.6-MariaDB", "10.11.6-mariadb", 0),
    ],
)
def test_versions_compare_by_number(before: str, after: str, sign: int) -> None:
    """An upgrade is 1, a downgrade -1; the same version told more precisely is no difference."""
    assert compare_versions(before, after) == sign


@given(*[st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}(rc[0-9])?", fullmatch=True)] * 2)
@settings(max_examples=100)
def test_comparing_the_other_way_round_turns_the_sign(one: str, other: str) -> None:
    """What is an upgrade one way is a downgrade the other way."""
    assert compare_versions(one, other) == -compare_versions(other, one)


@pytest.mark.parametrize(
    ("version", "wanted", "matches"),
    [
        ("8.0.35", "8.0", True),
        ("8.0.35", "8.0.", True),
        ("8.0.35", "8.0.35", True),
        ("8.01", "8.0", False),
        ("8.0.35", "8.0.3", False),
        ("15.18", "15", True),
        ("15.18", "1", False),
        ("15beta1", "15", True),
        ("10.11.6-MariaDB", "10.11.6-Maria", False),
        ("8.0.35", "", False),
    ],
)
def test_a_version_is_in_what_it_starts_with(version: str, wanted: str, matches: bool) -> None:
    """Whole numbers count: 8.0 holds 8.0.35 and not 8.01."""
    assert version_matches(version, wanted) is matches
