"""`discovery.inventory.lifecycle`: what a version number means."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.inventory.lifecycle import (
    compare_versions,
    cycle_of,
    support,
    table_is_old,
    version_key,
    version_matches,
)
from discovery.inventory.support_file import known_dates
from discovery.model import ENGINE_LABELS

TAKEN = date(2026, 8, 22)
TODAY = date(2026, 11, 27)
WITHOUT_DATES = ("keydb", "scylladb", "couchdb", "tidb", "firebird", "hana", "ase")


@pytest.mark.parametrize(
    ("engine", "version", "cycle", "state", "ends", "kind"),
    [
        ("mysql", "8.0.35", "8.0", "ended", "2026-04-30", "extended"),
        ("mysql", "5.7.44-log", "5.7", "ended", "2023-10-31", "extended"),
        ("mysql", "8.4.2", "8.4", "supported", "2032-04-30", "extended"),
        ("mysql", "9.6.0", "9.6", "ended", "2026-04-21", "premier"),
        ("percona", "8.0.35-27", "8.0", "ended", "2026-04-30", "extended"),
        ("mariadb", "10.11.6-MariaDB", "10.11", "supported", "2028-02-16", "community"),
        ("mariadb", "10.6.16", "10.6", "ended", "2026-07-06", "community"),
        ("postgresql", "14.9", "14", "ended", "2026-11-12", "community"),
        ("postgresql", "15.18", "15", "ends_within_year", "2027-11-11", "community"),
        ("postgresql", "17.2", "17", "supported", "2029-11-08", "community"),
        ("postgresql", "9.6.24", "9.6", "ended", "2021-11-11", "community"),
        ("edb", "14.9.0.1", "14", "ended", "2026-11-12", "community"),
        ("mongodb", "7.0.5", "7.0", "ends_within_year", "2027-08-31", "premier"),
        ("mongodb", "4.4.29", "4.4", "ended", "2024-02-29", "premier"),
        ("redis", "7.2.4", "7.2", "supported", "2029-12-01", "extended"),
        ("redis", "8.0.2", "8.0", "ends_within_year", "2026-12-01", "extended"),
        ("redis", "8.10.1", "8.10", "supported", None, "community"),
        ("valkey", "7.2.9", "7.2", "supported", "2029-04-16", "extended"),
        ("memcached", "1.5.22", "1.5", "ended", "2020-03-09", "community"),
        ("memcached", "1.6.21", "1.6", "supported", None, "community"),
        ("cassandra", "3.11.14", "3.11", "ended", "2024-09-05", "community"),
        ("cassandra", "4.1.3", "4.1", "supported", None, "community"),
        ("elasticsearch", "7.17.1", "7", "ended", "2026-01-15", "premier"),
        ("elasticsearch", "8.19.3", "8.19", "ends_within_year", "2027-07-15", "premier"),
        ("opensearch", "1.3.2", "1", "ended", "2025-05-06", "extended"),
        ("opensearch", "2.11.0", "2", "supported", None, "extended"),
        ("couchbase", "7.6.2-3721", "7.6", "ends_within_year", "2027-03-31", "premier"),
        ("neo4j", "5.26.1", "5.26", "supported", "2028-06-06", "premier"),
        ("neo4j", "2026.06.0", "2026.06", "ended", "2026-07-30", "premier"),
        ("clickhouse", "26.3.20.7", "26.3", "ends_within_year", "2027-03-26", "community"),
        ("influxdb", "2.7.1", "2", "supported", None, "community"),
        ("influxdb", "3.9.0", "3.9", "ended", "2026-07-30", "community"),
        ("cockroachdb", "25.4.1", "25.4", "ends_within_year", "2027-05-03", "extended"),
        ("cockroachdb", "25.1.3", "25.1", "ended", "2025-08-18", "premier"),
        ("etcd", "3.5.12", "3.5", "ends_within_year", "2027-07-08", "community"),
        ("sqlserver", "15.0.4480.2", "15.0", "supported", "2030-01-08", "extended"),
        ("sqlserver", "14.0.3456", "14.0", "ends_within_year", "2027-10-12", "extended"),
        ("sqlserver", "13.0", "13.0", "ended", "2026-07-14", "extended"),
        ("sqlserver", "10.50.6785", "10.50", "ended", "2019-07-09", "extended"),
        ("sqlserver", "10.00.5861", "10.0", "ended", "2019-07-09", "extended"),
        ("oracle", "19.3.0.0.0", "19", "supported", "2029-12-31", "premier"),
        ("oracle", "21.3.0", "21", "ends_within_year", "2027-07-31", "premier"),
        ("oracle", "12.1.0.2", "12.1", "ended", "2018-07-31", "premier"),
        ("oracle", "23.26.0", "23", "supported", "2031-12-31", "premier"),
        ("db2", "11.5.9.0", "11.5", "ends_within_year", "2027-04-30", "premier"),
        ("db2", "12.1.0", "12.1", "supported", None, "premier"),
    ],
)
def test_a_version_has_the_support_of_its_cycle(
    engine: str, version: str, cycle: str, state: str, ends: str | None, kind: str
) -> None:
    """The cycle, the date that decides, its kind, and the state on one day."""
    found = support(engine, version, TODAY)
    assert (found.cycle, found.state, found.reason) == (cycle, state, "")
    assert found.ends == (date.fromisoformat(ends) if ends else None)
    assert found.decisive is not None
    assert found.decisive.kind == kind
    assert found.source.startswith("endoflife.date")
    assert found.as_of == TAKEN
    assert (found.policy is None) == (engine == "memcached")


def test_each_engine_has_dates_or_is_known_to_have_none() -> None:
    """28 engines are in the table, but for those that no schedule is known of; no other name is."""
    known = known_dates().calendars.keys()
    assert known <= ENGINE_LABELS.keys()
    assert len(known) + len(WITHOUT_DATES) == 28
    assert known.isdisjoint(WITHOUT_DATES)


def test_mysql_8_0_shows_both_dates_by_name() -> None:
    """Premier Support's end, and the day in April 2026 on which fixes ended for everyone."""
    dates = {each.name: (each.kind, each.ends) for each in support("mysql", "8.0.35", TODAY).dates}
    assert dates == {
        "Premier Support": ("premier", date(2025, 4, 30)),
        "Extended Support": ("extended", date(2026, 4, 30)),
    }
    assert support("mysql", "8.0.35", date(2026, 4, 30)).state == "ends_within_year"
    assert support("mysql", "8.0.35", date(2026, 5, 1)).state == "ended"


@pytest.mark.parametrize(
    ("engine", "version", "name", "paid_until"),
    [
        ("mariadb", "10.6.16", "Enterprise support", date(2029, 8, 23)),
        ("sqlserver", "13.0.6500", "Extended Security Updates", date(2029, 7, 17)),
        ("oracle", "12.1.0.2", "Extended Support", date(2022, 7, 31)),
        ("db2", "11.1.4", "Extended Support", date(2026, 4, 30)),
    ],
)
def test_support_that_is_bought_is_told_and_decides_nothing(
    engine: str, version: str, name: str, paid_until: date
) -> None:
    """A version that only money keeps supported has ended, and its paid date stands beside."""
    found = support(engine, version, TODAY)
    assert found.state == "ended"
    assert found.ends is not None
    assert found.ends < paid_until
    assert [(each.name, each.ends) for each in found.dates if each.kind == "paid"] == [
        (name, paid_until)
    ]


def test_every_release_has_a_date_that_decides() -> None:
    """No release of the table is known by its paid date alone."""
    for engine, calendar in known_dates().calendars.items():
        for name in calendar.cycles.values():
            found = support(engine, name.name, TODAY)
            assert found.cycle == name.name, engine
            assert found.decisive is not None, (engine, name)
            assert found.decisive.kind != "paid"


@pytest.mark.parametrize(("engine", "upstream"), [("percona", "mysql"), ("edb", "postgresql")])
def test_a_fork_with_its_upstream_s_dates_says_so(engine: str, upstream: str) -> None:
    """Percona and EDB go by MySQL's and PostgreSQL's dates, and name them."""
    version = {"percona": "8.4.3-3", "edb": "16.4.1"}[engine]
    found, of = support(engine, version, TODAY), support(upstream, version, TODAY)
    assert (found.dates, found.state) == (of.dates, of.state)
    assert (found.upstream, of.upstream) == (upstream, None)
    assert found.notes


def test_an_estimate_decides_and_is_marked() -> None:
    """MySQL 9.7's end is the source's own estimate."""
    found = support("mysql", "9.7.1", TODAY)
    assert (found.state, found.ends) == ("supported", date(2034, 4, 21))
    assert found.decisive is not None
    assert found.decisive.mark == "estimate"


def test_a_doubtful_date_is_shown_and_decides_nothing() -> None:
    """MongoDB 8.3 has 8.0's date at the source, which a rapid release does not get."""
    found = support("mongodb", "8.3.1", TODAY)
    assert (found.state, found.ends) == ("unknown", date(2029, 10, 31))
    assert "doubtful" in found.reason


@pytest.mark.parametrize(
    ("engine", "version", "reason"),
    [
        (None, None, "engine is not known"),
        (None, "8.0.35", "engine is not known"),
        ("mysql", None, "version is not known"),
        ("keydb", "6.3.4", "KeyDB"),
        ("pgbouncer", "1.22", "pgbouncer"),
        ("greenplum", "6.25", "greenplum"),
        ("mysql", "8", "too short"),
        ("oracle", "12", "too short"),
        ("elasticsearch", "9", "too short"),
        ("mysql", "99.1", "newer than 9.7"),
        ("postgresql", "19.1", "newer than 18"),
        ("mysql", "5.1.73", "older than 5.5"),
        ("clickhouse", "24.8.4", "older than 25.1"),
        ("mysql", "8.5.1", "no such release"),
        ("elasticsearch", "8.15.0", "no such release"),
        ("mysql", "", "begin with a number"),
        ("postgresql", "nonsense", "begin with a number"),
        ("mysql", "v8.0", "begin with a number"),
        ("postgresql", "18rc1", "pre-release"),
        ("mysql", "8.0.0-dmr", "pre-release"),
        ("mysql", "5.7.mysql_aurora.2.11.3", "aurora"),
        ("mysql", "5.5.68-MariaDB", "mariadb"),
        ("mysql", "8.0.11-TiDB-v7.5.1", "tidb"),
        ("mysql", "8.0.35-cluster", "cluster"),
        ("postgresql", "9.4.26 (Greenplum Database 6.25)", "greenplum"),
        ("mariadb", "10.6.16-11-MariaDB-enterprise-log", "enterprise"),
    ],
)
def test_what_has_no_date_says_why(engine: str | None, version: str | None, reason: str) -> None:
    """No date is guessed: not another engine's, not a neighbour's, not a vendor build's."""
    found = support(engine, version, TODAY)
    assert (found.state, found.cycle, found.ends, found.dates) == ("unknown", None, None, ())
    assert reason in found.reason
    assert found.as_of == TAKEN


def test_the_state_turns_on_the_day() -> None:
    """Support lasts through its last day, and its end is near for the 365 days before."""
    ends = date(2027, 11, 11)
    states = {
        day: support("postgresql", "15.4", day).state
        for day in (date(2026, 11, 10), date(2026, 11, 11), ends, date(2027, 11, 12))
    }
    assert list(states.values()) == ["supported", "ends_within_year", "ends_within_year", "ended"]


@pytest.mark.parametrize(
    ("engine", "version", "days"),
    [("cassandra", "5.0.2", 120), ("valkey", "9.1.0", 120), ("neo4j", "2026.07.1", 30)],
)
def test_a_release_without_an_end_is_believed_for_a_time(
    engine: str, version: str, days: int
) -> None:
    """That no end was known held on the day of the table: not for long where releases are many."""
    last = TAKEN + timedelta(days=days)
    assert support(engine, version, last).state == "supported"
    later = support(engine, version, last + timedelta(days=1))
    assert (later.state, later.ends) == ("unknown", None)
    assert str(TAKEN) in later.reason


def test_a_table_is_old_after_120_days() -> None:
    """From then on people are told."""
    assert not table_is_old(TAKEN, TAKEN + timedelta(days=120))
    assert table_is_old(TAKEN, TAKEN + timedelta(days=121))


@given(st.none() | st.sampled_from(sorted(ENGINE_LABELS)), st.none() | st.text(max_size=80))
@settings(max_examples=100)
def test_any_version_text_has_an_answer(engine: str | None, version: str | None) -> None:
    """No text breaks the look-up."""
    found = support(engine, version, TODAY)
    assert (found.cycle is None) == (cycle_of(engine, version) is None)
    assert (found.state == "unknown") == bool(found.reason)


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
