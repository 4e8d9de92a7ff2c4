"""`discovery.export`: files that people take away, and open in programs that run formulas."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import fields

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.export.csv import write_databases
from discovery.export.json import record_object, write_json
from discovery.inventory.columns import in_csv
from discovery.inventory.database_columns import DATABASE_COLUMNS
from discovery.model import DatabaseRecord
from tests.support.strategies import ATTACKS, EPOCH, hostile_records, known_record

COLUMNS = in_csv(DATABASE_COLUMNS)
NUMBERS = {"Port", "Data size (MiB)", "Memory (MiB)", "Processors"}


def written(records: Iterable[DatabaseRecord]) -> str:
    """The CSV of `records`."""
    out = io.StringIO(newline="")
    write_databases(records, out)
    return out.getvalue()


def rows_of(text: str, delimiter: str = ",") -> list[list[str]]:
    """The cells of a CSV as the csv module reads them."""
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def cells(record: DatabaseRecord) -> dict[str, str]:
    """Header -> cell of one record."""
    header, row = rows_of(written([record]))
    return dict(zip(header, row, strict=True))


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet might run this cell: after blanks, quotes and folding of forms."""
    start = unicodedata.normalize("NFKC", cell).lstrip().lstrip('" \t\r\n\ufeff\u200b')[:1]
    return start in {"=", "+", "-", "@", "\u2212"}


def test_each_column_is_declared_once_and_described() -> None:
    """Headers are distinct and short, and every column says what it means."""
    headers = [column.header for column in COLUMNS]
    assert len(set(headers)) == len(headers)
    assert all(column.help.endswith(".") for column in COLUMNS)
    size = next(column for column in COLUMNS if column.header == "Data size (MiB)")
    assert size.help == "Apparent size of the data directory, MiB."


def test_a_record_is_a_row_of_plain_values() -> None:
    """Numbers plain, times UTC, lists and pairs in one cell, the end of support looked up."""
    record = known_record(
        version="8.4.2",
        data_size_mb=1234567.5,
        system_memory_mb=4096,
        listen=("0.0.0.0:3306", "[::]:3306"),
        tags={"Name": "orders-db-1", "Owner": "orders"},
        evidence={"version": "dpkg x", "port": "listening socket"},
    )
    row = cells(record)
    assert row["Account"] == "123456789012"
    assert row["Data size (MiB)"] == "1234567.5"
    assert row["Data size complete"] == "true"
    assert row["Memory (MiB)"] == "4096"
    assert row["Standard support ends"] == "2029-04-30"
    assert row["Last seen (UTC)"] == "2026-02-04T10:00:00Z"
    assert row["Listens on"] == "0.0.0.0:3306; [::]:3306"
    assert row["Tags"] == "Name: orders-db-1; Owner: orders"
    assert row["Evidence"] == "version: dpkg x; port: listening socket"


def test_a_row_says_which_date_of_support_it_shows() -> None:
    """Premier Support and the day that decides are two columns, each named; so are all dates."""
    row = cells(known_record(engine="mysql", version="8.0.35"))
    assert row["Standard support ends"] == "2025-04-30"
    assert row["Support ends on"] == "2026-04-30"
    assert row["Support date is"] == "Extended Support; extended"
    assert row["Support dates"] == (
        "Premier Support (premier) 2025-04-30; Extended Support (extended) 2026-04-30"
    )
    assert row["Support dates as of"] == "2026-08-22"
    estimate = cells(known_record(engine="percona", version="9.7.0"))
    assert estimate["Support date is"] == "Extended Support; extended; estimate; upstream"
    paid = cells(known_record(engine="mariadb", version="10.6.16"))
    assert "Enterprise support (paid) 2029-08-23" in paid["Support dates"]
    unknown = cells(known_record(engine="keydb", version="6.3.4"))
    assert (unknown["Support state"], unknown["Support ends on"]) == ("unknown", "")
    assert unknown["Support notes"] == "No support dates are known for KeyDB."


def test_unknown_is_an_empty_cell_and_zero_is_zero() -> None:
    """Neither "None" nor 0 stands for what is not known."""
    unknown = cells(known_record(data_size_mb=None, port=None, version=None))
    assert (unknown["Data size (MiB)"], unknown["Port"], unknown["Version"]) == ("", "", "")
    assert unknown["Data size complete"] == ""
    assert cells(known_record(data_size_mb=0.0))["Data size (MiB)"] == "0"


def test_an_empty_inventory_is_a_header() -> None:
    """No record, no row, but the columns are named."""
    assert rows_of(written([])) == [[column.header for column in COLUMNS]]


def test_rows_are_streamed() -> None:
    """Each record is written before the next is asked for."""
    out = io.StringIO(newline="")
    sizes: list[int] = []

    def records() -> Iterator[DatabaseRecord]:
        for _ in range(3):
            sizes.append(out.tell())
            yield known_record()

    assert write_databases(records(), out) == 3
    assert len(set(sizes)) == 3


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_from_a_host_or_a_tag_is_a_formula(attack: str) -> None:
    """Whatever stands in a text, also as a tag's name, the cell is text and one line."""
    record = known_record(
        edition=attack,
        data_dir=attack,
        instance_name=attack,
        listen=(attack,),
        warnings=(attack,),
        tags={attack: attack},
        evidence={attack: attack},
    )
    row = cells(record)
    for header, cell in row.items():
        assert not is_formula(cell), header
        assert cell.isprintable(), header


def test_a_formula_is_kept_readable_behind_a_quote() -> None:
    """The text is not lost: it is preceded by a quote, which a spreadsheet shows as text."""
    row = cells(known_record(data_dir="=1+1", edition='a;"=1+1'))
    assert row["Data directory"] == "'=1+1"
    assert row["Edition"] == "a;'\"=1+1"


def test_a_negative_number_stays_a_number() -> None:
    """Only text is guarded: numbers come from us."""
    assert cells(known_record(data_size_mb=-1.5))["Data size (MiB)"] == "-1.5"


@given(st.lists(hostile_records(), max_size=3))
@settings(max_examples=100, deadline=None)
def test_no_cell_of_any_inventory_is_a_formula(records: list[DatabaseRecord]) -> None:
    """With every text chosen by a stranger: right number of rows and cells, no formula, also for
    a program that splits at semicolons; and the file is valid UTF-8."""
    text = written(records)
    assert text.encode("utf-8")
    rows = rows_of(text)
    assert [len(row) for row in rows] == [len(COLUMNS)] * (len(records) + 1)
    for row in rows[1:]:
        for column, cell in zip(COLUMNS, row, strict=True):
            if column.header not in NUMBERS:
                assert not is_formula(cell)
                assert not any(is_formula(part) for part in cell.split(";"))
    for line in text.splitlines()[1:]:
        for part in line.split(";"):
            assert not is_formula(part)


@given(st.lists(hostile_records(), min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_pandas_reads_the_file_as_it_was_written(records: list[DatabaseRecord]) -> None:
    """A planner's tool finds the same rows, columns and numbers, and no formula."""
    frame = pd.read_csv(
        io.StringIO(written(records)), dtype=str, keep_default_na=False, encoding="utf-8"
    )
    assert list(frame.columns) == [column.header for column in COLUMNS]
    assert len(frame) == len(records)
    for column in COLUMNS:
        if column.header not in NUMBERS:
            assert not any(is_formula(cell) for cell in frame[column.header])
    ports = ["" if record.port is None else str(record.port) for record in records]
    assert list(frame["Port"]) == ports


@given(st.lists(hostile_records(), max_size=3))
@settings(max_examples=50, deadline=None)
def test_json_is_one_array_with_every_field(records: list[DatabaseRecord]) -> None:
    """Any record is valid JSON in ASCII, one line each, with every field of the record."""
    out = io.StringIO()
    assert write_json(records, out) == len(records)
    text = out.getvalue()
    assert text.isascii()
    assert len(text.splitlines()) == (len(records) + 2 if records else 1)
    read = json.loads(text)
    names = {field.name for field in fields(DatabaseRecord)} | {"instance_db_id"}
    assert [set(item) for item in read] == [names] * len(records)
    for item, record in zip(read, records, strict=True):
        assert item["db_id"] == record.db_id
        assert item["tags"] == dict(record.tags)
        assert item["first_seen"].endswith("Z")


def test_json_has_plain_values() -> None:
    """Times as text, lists as arrays, unknown as null."""
    item = record_object(known_record(listen=("a",), version=None))
    assert item["instance_db_id"] == "i-0abc123def456#mysql-3306"
    assert (item["listen"], item["version"], item["status"]) == (["a"], None, "running")
    assert item["last_seen"] == f"{EPOCH:%Y-%m-%dT%H:%M:%SZ}"
