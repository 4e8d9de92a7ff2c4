"""`discovery.inventory.query`: filter, order and parts, the same for every way in."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.errors import RequestError
from discovery.inventory.lifecycle import version_key
from discovery.inventory.query import SORT_FIELDS, UNKNOWN, Filter, paginate, select, sort
from discovery.model import NO_DATABASE, DatabaseRecord, DatabaseStatus
from tests.support.strategies import known_record, known_records

ORDERS = known_record(
    "mysql-3306",
    instance_id="i-01",
    instance_name="orders-db-1",
    hostname="ip-10-0-1-17",
    environment="production",
    tags={"Owner": "Orders Team"},
)
LEDGER = known_record(
    "postgresql-5432",
    instance_id="i-02",
    account_id="210987654321",
    region="us-east-1",
    version="15.18",
    status=DatabaseStatus.INSTALLED,
    data_dir="/srv/Ledger",
    data_size_mb=None,
)
OLD = known_record("mysql-3307", version="8.01", environment="test", data_size_mb=1.5)
GONE = known_record("mariadb-3306", status=DatabaseStatus.GONE, version=None)
NONE = known_record(NO_DATABASE)
ALL = (ORDERS, LEDGER, OLD, GONE, NONE)


def selected(**fields: Any) -> set[str]:
    """The ids that a filter selects from ALL."""
    sets = {name: frozenset(value) for name, value in fields.items() if name != "text"}
    return {record.db_id for record in select(ALL, Filter(**sets, text=fields.get("text", "")))}


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        ({}, {"mysql-3306", "postgresql-5432", "mysql-3307"}),
        ({"statuses": ["gone"]}, {"mariadb-3306"}),
        ({"statuses": ["gone", "installed"]}, {"mariadb-3306", "postgresql-5432"}),
        ({"accounts": ["210987654321"]}, {"postgresql-5432"}),
        ({"regions": ["us-east-1"]}, {"postgresql-5432"}),
        ({"engines": ["mysql", "mongodb"]}, {"mysql-3306", "mysql-3307"}),
        ({"versions": ["8.0"]}, {"mysql-3306"}),
        ({"versions": ["15", "8.01"]}, {"postgresql-5432", "mysql-3307"}),
        ({"versions": [UNKNOWN], "statuses": ["gone"]}, {"mariadb-3306"}),
        ({"environments": ["production"]}, {"mysql-3306"}),
        ({"environments": [UNKNOWN]}, {"postgresql-5432"}),
        ({"engines": ["mysql"], "environments": ["test"]}, {"mysql-3307"}),
        ({"engines": ["nothing"]}, set()),
    ],
)
def test_a_filter_selects_what_every_field_holds(fields: dict[str, Any], ids: set[str]) -> None:
    """Values of a field are alternatives, fields add up; gone only on request, `none` never."""
    assert selected(**fields) == ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("ORDERS", {"mysql-3306"}),
        ("postgresql", {"postgresql-5432"}),
        ("mysql 3307", {"mysql-3307"}),
        ("orders mysql production", set()),
        ("orders team", {"mysql-3306"}),
        ("ip-10-0-1-17", {"mysql-3306"}),
        ("i-02", {"postgresql-5432"}),
        ("us-east-1 15.18", {"postgresql-5432"}),
        ("/srv/ledger", {"postgresql-5432"}),
        ("210987654321", {"postgresql-5432"}),
        ("  ", {"mysql-3306", "postgresql-5432", "mysql-3307"}),
        ("no such thing", set()),
    ],
)
def test_free_text_needs_every_word_somewhere(text: str, ids: set[str]) -> None:
    """Words are found in any case in engine, version, host, account, region, place and tags."""
    assert selected(text=text) == ids


def url_params(where: Filter) -> dict[str, list[str]]:
    """The URL parameters that name a filter."""
    params = {name: sorted(getattr(where, field)) for name, field in Filter.PARAMETERS.items()}
    return params | {"q": [where.text]}


def test_a_filter_comes_through_a_url_unchanged() -> None:
    """A view sent to a colleague selects the same."""
    params = {
        "account": ["123456789012"],
        "region": ["eu-west-1", "us-east-1"],
        "engine": ["mysql"],
        "version": ["8.0"],
        "status": ["gone"],
        "environment": ["production, EU"],
        "q": ["orders & more"],
    }
    assert Filter.from_params(params) == Filter(
        accounts=frozenset({"123456789012"}),
        regions=frozenset({"eu-west-1", "us-east-1"}),
        engines=frozenset({"mysql"}),
        versions=frozenset({"8.0"}),
        statuses=frozenset({"gone"}),
        environments=frozenset({"production, EU"}),
        text="orders & more",
    )
    assert Filter.from_params({}) == Filter()


_value = st.text(min_size=1, max_size=10).map(str.strip).filter(bool)


@given(
    st.builds(
        Filter,
        accounts=st.frozensets(_value, max_size=2),
        engines=st.frozensets(_value, max_size=2),
        statuses=st.frozensets(st.sampled_from(["running", "installed", "gone"])),
        text=st.text(max_size=10).map(str.strip),
    )
)
@settings(max_examples=100)
def test_any_filter_comes_through_a_url_unchanged(where: Filter) -> None:
    """Whatever the values, parameters give the same filter back."""
    assert Filter.from_params(url_params(where)) == where


def test_parameters_that_are_no_filter_are_ignored() -> None:
    """A page number, a sort field or an empty value in the URL selects nothing."""
    assert Filter.from_params({"page": ["2"], "engine": ["", " "], "q": []}) == Filter()
    assert Filter.from_params({"account_id": ["1"]}) == Filter.from_params({"account": ["1"]})


def test_a_wrong_request_names_field_and_value() -> None:
    """A status, sort field or size that does not exist is an error with the choices."""
    with pytest.raises(RequestError, match="status='lost'") as caught:
        Filter.from_params({"status": ["running", "lost"]})
    assert "running, installed, gone" in caught.value.hint
    with pytest.raises(RequestError, match="sort='colour'") as caught:
        sort(ALL, "colour")
    assert "data_size_mb" in caught.value.hint
    with pytest.raises(RequestError, match="q: 300 characters"):
        Filter(text="x" * 300)
    with pytest.raises(RequestError, match="size=0"):
        paginate(ALL, 1, 0)


def test_unknown_sorts_last_either_way() -> None:
    """Descending or ascending, what is not known does not come first."""
    records = (LEDGER, OLD, ORDERS)
    assert sort(records, "data_size_mb") == (OLD, ORDERS, LEDGER)
    assert sort(records, "data_size_mb", descending=True) == (ORDERS, OLD, LEDGER)


def test_versions_sort_by_number() -> None:
    """9.6 comes before 10.2."""
    records = [known_record(version=version) for version in ("10.2", "9.6", "10.11")]
    assert [record.version for record in sort(records, "version")] == ["9.6", "10.2", "10.11"]


@given(known_records(), st.sampled_from(sorted(SORT_FIELDS)), st.booleans())
@settings(max_examples=100)
def test_sorting_keeps_every_record_in_a_definite_order(
    records: list[DatabaseRecord], by: str, descending: bool
) -> None:
    """Nothing is lost, and the order does not depend on the order of arrival."""
    ordered = sort(records, by, descending)
    assert sorted(record.key for record in ordered) == sorted(record.key for record in records)
    assert sort(reversed(records), by, descending) == ordered
    if by == "version":
        keys = [version_key(record.version) for record in ordered if record.version]
        assert keys == sorted(keys, reverse=descending)


def test_parts_cover_everything_once() -> None:
    """The pages of a sequence, one after the other, are the sequence."""
    items = list(range(7))
    parts = [paginate(items, number, 3) for number in (1, 2, 3)]
    assert [item for part in parts for item in part.items] == items
    assert {(part.pages, part.total) for part in parts} == {(3, 7)}


@pytest.mark.parametrize(("number", "nearest"), [(-1, 1), (0, 1), (99, 3)])
def test_a_page_out_of_range_is_the_nearest(number: int, nearest: int) -> None:
    """A link to page 99 of what is now shorter shows the last page; of nothing, an empty one."""
    assert paginate(list(range(7)), number, 3).number == nearest
    assert paginate([], number, 3).items == ()


def test_a_hundred_thousand_records_are_filtered_at_once() -> None:
    """A click on a filter of the largest inventory answers well within a second."""
    records = [
        known_record(
            instance_id=f"i-{number:017x}",
            instance_name=f"orders-db-{number}",
            version=f"8.0.{number % 40}",
            tags={"Owner": "orders", "Environment": "production"},
        )
        for number in range(1000)
    ] * 100
    start = time.process_time()
    found = select(records, Filter(versions=frozenset({"8.0"}), text="orders-db-77 mysql"))
    assert time.process_time() - start < 1.0
    assert len(found) == 1100
