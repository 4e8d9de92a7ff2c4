"""The Overview page: what it counts, and the bars that show it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from discovery.inventory.query import Filter, select
from discovery.view import charts, overview
from discovery.view.overview import summarise
from tests.support.snapshots import database, snapshot

TODAY = date(2026, 3, 2)
WHOLE = snapshot()


def test_the_summary_counts_live_databases() -> None:
    """The Overview's counts are those of the Databases page: nothing gone, no placeholder."""
    summary = summarise(WHOLE, TODAY)
    live = select(WHOLE.records, Filter())
    assert summary.databases == len(live) == sum(summary.engines.values())
    assert sum(summary.support.values()) == summary.databases
    assert summary.size_unknown == sum(record.data_size_mb is None for record in live)
    assert sum(summary.coverage.values()) == len(WHOLE.hosts)


def test_the_rarest_versions_of_an_engine_share_a_bar() -> None:
    """Seven versions have a bar each and the others one together, which leads nowhere; the bars of
    all engines have one scale."""
    records = tuple(
        database(engine="nodb", version=f"{major}.{place}", instance_id=f"i-{major}{place}")
        for major in range(1, 11)
        for place in range(major)
    )
    versions = overview.version_charts(
        summarise(replace(WHOLE, records=(*records, database())), TODAY)
    )
    bars = versions.bars["nodb"]
    assert [(bar.value, bar.picks) for bar in bars[:-1]] == [
        (1, f"{major}.{place}")
        for major, place in [(1, 0), (2, 0), (2, 1), *((3, n) for n in range(3)), (4, 0)]
    ]
    assert (bars[-1].label, bars[-1].value, bars[-1].picks) == ("48 others", 48, "")
    assert bars[-1].colour == charts.OTHER_COLOUR
    assert versions.longest == 48
    assert list(versions.bars) == ["nodb", "mysql"]


def test_an_account_of_unknown_sizes_says_so() -> None:
    """A bar of data tells on hover how many databases it does not measure."""
    records = (database(data_size_mb=None), database(db_id="mysql-1", data_size_mb=10.0))
    (bar,) = overview.account_bars(summarise(replace(WHOLE, records=records), TODAY))
    assert (bar.value, bar.note) == (10.0, "2 databases, 1 of unknown size")


def test_one_number_answers_carry_their_share() -> None:
    """The figures name how many of how many; nothing known of size is a dash."""
    empty = summarise(replace(WHOLE, records=()), TODAY)
    figures = {label: (value, note) for label, value, note in overview.figures(empty)}
    assert figures["Data"] == ("–", "")  # noqa: RUF001
    assert figures["Databases"] == ("0", "0 running")
    scanned = sum(host.coverage == "scanned" for host in WHOLE.hosts)
    assert figures["Hosts scanned"][0] == f"{scanned} of 60"
    assert figures["Accounts with databases"] == ("0", "of 5 in discovery")
