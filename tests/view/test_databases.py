"""The Databases page: which databases it shows."""

from __future__ import annotations

import time
from datetime import date

import pytest

from discovery.errors import RequestError
from discovery.inventory.lifecycle import support
from discovery.model import DatabaseStatus
from discovery.view.databases import (
    DatabaseQuery,
    filter_options,
    select_databases,
    version_options,
)
from tests.support.snapshots import NOW, database, snapshot

TODAY = date(2026, 3, 2)
WHOLE = snapshot()


def test_support_is_a_filter() -> None:
    """Only databases in the chosen state of support are shown."""
    query = DatabaseQuery.from_params({"support": ["ended"]})
    found = select_databases(WHOLE, query, TODAY)
    assert found
    assert all(support(record.engine, record.version, TODAY).state == "ended" for record in found)


def test_an_order_with_a_minus_is_descending() -> None:
    """The largest database comes first, those of unknown size last."""
    found = select_databases(WHOLE, DatabaseQuery.from_params({"sort": ["-data_size_mb"]}), TODAY)
    sizes = [record.data_size_mb for record in found]
    known = [size for size in sizes if size is not None]
    assert known == sorted(known, reverse=True)
    assert sizes[: len(known)] == known


@pytest.mark.parametrize("params", [{"support": ["x"]}, {"sort": ["x"]}, {"status": ["x"]}])
def test_a_value_that_does_not_exist_is_told(params: dict[str, list[str]]) -> None:
    """A broken link says what is wrong with it; it does not silently show everything."""
    with pytest.raises(RequestError, match="x"):
        DatabaseQuery.from_params(params)


def test_the_options_are_what_occurs() -> None:
    """A filter offers the values there are, and the statuses and support states there can be."""
    offered = filter_options(WHOLE)
    assert offered["engine"] == ("mariadb", "mongodb", "mysql", "percona", "postgresql")
    assert offered["status"] == tuple(DatabaseStatus)
    assert "unknown" in offered["environment"]


def test_versions_offered_belong_to_the_engines_chosen() -> None:
    """With an engine chosen, only its versions and release cycles are offered, in order."""
    offered = version_options(WHOLE, frozenset({"postgresql"}))
    assert offered[:2] == ("9.6", "9.6.24")
    assert offered[-1] == "unknown"
    assert "8.0.35" not in offered


def test_a_hundred_thousand_databases_are_filtered_fast() -> None:
    """A filter over 100,000 databases answers in about a second, and at once when asked again."""
    records = tuple(database(instance_id=f"i-{number:017x}") for number in range(100_000))
    large = type(WHOLE)(records, (), (), (), NOW)
    query = DatabaseQuery.from_params({"q": ["orders"], "support": ["ends_within_year"]})
    began = time.process_time()
    assert len(select_databases(large, query, TODAY)) == 100_000
    first = time.process_time() - began
    began = time.process_time()
    select_databases(large, query, TODAY)
    again = time.process_time() - began
    assert first < 5
    assert again < 0.05
