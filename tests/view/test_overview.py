"""The Overview page: what it counts, and the bars that show it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from discovery.inventory.plausible import HOST_MIB
from discovery.inventory.query import Filter, select
from discovery.model import ENGINE_LABELS
from discovery.view import charts, databases, overview
from discovery.view.formatting import data_size
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
    assert summary.sizes.unknown == sum(record.data_size_mb is None for record in live)
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


def test_a_host_that_invents_engines_makes_no_chart_for_each() -> None:
    """Four hundred engines that two hosts invent are one bar beside those of the engines that there
    are, however rare these; the page draws a few charts more than without them."""
    real = tuple(
        database(engine=engine, instance_id=f"i-{engine}") for engine in sorted(ENGINE_LABELS)
    )
    invented = tuple(
        database(engine=f"a{n}", version=f"1.{n}", instance_id=f"i-bad{k}", db_id=f"a{n}-1")
        for n in range(400)
        for k in range(2)
    )
    summary = summarise(replace(WHOLE, records=real + invented), TODAY)
    shown = len(ENGINE_LABELS) + overview.OTHER_ENGINES_SHOWN
    bars = overview.engine_bars(summary)
    assert len(bars) == shown + 1
    assert (bars[-1].label, bars[-1].picks) == ("396 others", "")
    assert {bar.picks for bar in bars} >= ENGINE_LABELS.keys()
    assert sum(bar.value for bar in bars) == summary.databases
    assert len(overview.version_charts(summary).bars) == shown
    assert overview.engines_left_out(summary) == "396 other engines without a chart"
    assert overview.engines_left_out(summarise(WHOLE, TODAY)) is None


def test_what_no_host_can_hold_is_in_no_sum() -> None:
    """A database of 1 EiB, and many that together are more than all volumes of a host, are counted
    apart; each is shown as reported, and marked."""
    honest = database(data_size_mb=1024.0)
    huge = database(instance_id="i-1", data_size_mb=float(1 << 40))
    many = tuple(
        database(instance_id="i-2", db_id=f"mysql-{n}", data_size_mb=HOST_MIB / 2) for n in range(3)
    )
    records = (honest, huge, *many)
    summary = summarise(replace(WHOLE, records=records), TODAY)
    figures = {label: (value, note) for label, value, note in overview.figures(summary)}
    assert figures["Data"] == ("1.0 GiB", "4 of implausible size")
    (bar,) = overview.account_bars(summary)
    assert (bar.value, bar.note) == (1024.0, "5 databases, 4 of implausible size")
    assert databases.summary(records, 5).endswith("1.0 GiB and 4 of implausible size")
    assert data_size(huge.data_size_mb) == "1,024.0 PiB (implausible)"
    assert data_size(honest.data_size_mb) == "1.0 GiB"


def test_filters_offer_the_most_frequent_of_what_hosts_name() -> None:
    """Options of engines, versions and environments do not grow with what one host invents; what
    is frequent is among them."""
    invented = tuple(
        database(engine=f"e{n}", version=f"9.{n}", environment=f"v{n}", db_id=f"e{n}-1")
        for n in range(1_000)
    )
    whole = replace(WHOLE, records=(*WHOLE.records, *invented))
    offered = databases.filter_options(whole)
    assert len(offered["engine"]) <= 200
    assert len(offered["environment"]) <= 200
    assert len(databases.version_options(whole, frozenset())) <= 201
    assert {"mysql", "postgresql"} <= set(offered["engine"])
