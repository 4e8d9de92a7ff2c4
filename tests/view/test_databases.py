"""Which databases and hosts a page shows."""

from __future__ import annotations

import time
from datetime import date

import pytest

from discovery.errors import RequestError
from discovery.inventory.lifecycle import support
from discovery.inventory.query import Filter
from discovery.model import Coverage, DatabaseStatus
from discovery.view.coverage import chosen_hosts, host_options
from discovery.view.databases import Choice, chosen, options, version_options
from discovery.view.overview import summarise
from tests.support.snapshots import NOW, database, snapshot

TODAY = date(2026, 3, 2)
WHOLE = snapshot()


def test_support_is_a_filter() -> None:
    """Only databases in the chosen state of support are shown."""
    choice = Choice.from_params({"support": ["ended"]})
    found = chosen(WHOLE, choice, TODAY)
    assert found
    assert all(support(one.engine, one.version, TODAY).state == "ended" for one in found)


def test_an_order_with_a_minus_is_descending() -> None:
    """The largest database comes first, those of unknown size last."""
    found = chosen(WHOLE, Choice.from_params({"sort": ["-data_size_mb"]}), TODAY)
    sizes = [one.data_size_mb for one in found]
    known = [size for size in sizes if size is not None]
    assert known == sorted(known, reverse=True)
    assert sizes[: len(known)] == known


@pytest.mark.parametrize("params", [{"support": ["x"]}, {"sort": ["x"]}, {"status": ["x"]}])
def test_a_value_that_does_not_exist_is_told(params: dict[str, list[str]]) -> None:
    """A broken link says what is wrong with it; it does not silently show everything."""
    with pytest.raises(RequestError, match="x"):
        Choice.from_params(params)


def test_the_options_are_what_occurs() -> None:
    """A filter offers the values there are, and the statuses and support states there can be."""
    offered = options(WHOLE)
    assert offered["engine"] == ("mariadb", "mongodb", "mysql", "percona", "postgresql")
    assert offered["status"] == tuple(DatabaseStatus)
    assert "unknown" in offered["environment"]


def test_versions_offered_belong_to_the_engines_chosen() -> None:
    """With an engine chosen, only its versions and release cycles are offered, in order."""
    offered = version_options(WHOLE, frozenset({"postgresql"}))
    assert offered[:2] == ("9.6", "9.6.24")
    assert offered[-1] == "unknown"
    assert "8.0.35" not in offered


def test_the_summary_counts_live_databases() -> None:
    """The Overview's counts are those of the Databases page: nothing gone, no placeholder."""
    summary = summarise(WHOLE, TODAY)
    live = chosen(WHOLE, Choice(Filter()), TODAY)
    assert summary.databases == len(live) == sum(summary.engines.values())
    assert sum(summary.support.values()) == summary.databases
    assert summary.size_unknown == sum(one.data_size_mb is None for one in live)
    assert sum(summary.coverage.values()) == len(WHOLE.hosts)


def test_hosts_that_failed_come_first() -> None:
    """The Coverage page begins with what needs a hand."""
    states = [host.coverage for host in chosen_hosts(WHOLE, {})]
    assert states[0] is Coverage.FAILED
    assert states[-1] is Coverage.SCANNED
    assert len(states) == len(WHOLE.hosts)


def test_hosts_are_filtered() -> None:
    """State, account and words narrow the hosts down together."""
    state = {"state": ["failed"], "q": ["PYTHON"]}
    assert all(
        host.coverage is Coverage.FAILED and host.error == "python3 not found"
        for host in chosen_hosts(WHOLE, state)
    )
    assert chosen_hosts(WHOLE, {"state": ["nothing"]}) == ()
    assert host_options(WHOLE)["state"][0] == "failed"


def test_a_hundred_thousand_databases_are_filtered_fast() -> None:
    """A filter over 100,000 databases answers in about a second, and at once when asked again."""
    records = tuple(database(instance_id=f"i-{number:017x}") for number in range(100_000))
    large = type(WHOLE)(records, (), (), (), NOW)
    choice = Choice.from_params({"q": ["orders"], "support": ["ended"]})
    began = time.process_time()
    assert len(chosen(large, choice, TODAY)) == 100_000
    first = time.process_time() - began
    began = time.process_time()
    chosen(large, choice, TODAY)
    again = time.process_time() - began
    assert first < 5
    assert again < 0.05
