"""Records as tables."""

from __future__ import annotations

import re

import pandas as pd

from discovery.inventory.as_of import AsOf
from discovery.inventory.columns import in_table
from discovery.inventory.database_columns import DATABASE_COLUMNS
from discovery.model import DatabaseRecord
from discovery.view.frames import frame, styled
from discovery.view.labels import State
from tests.support.snapshots import NOW, database

COLUMNS = in_table(DATABASE_COLUMNS)
COLOURS: dict[State, str] = {"good": "", "warning": "#8a5a00", "bad": "#ad2c2c", "neutral": ""}


def table(*records: DatabaseRecord) -> pd.DataFrame:
    """The table of these databases."""
    return frame(COLUMNS, records, AsOf(NOW))


def texts(*records: DatabaseRecord) -> list[list[str]]:
    """The texts a reader sees."""
    style = styled(table(*records), COLUMNS, NOW, COLOURS)
    lines = style.hide(axis="index").to_string(delimiter="\t").splitlines()
    return [line.split("\t") for line in lines[1:]]


def test_a_database_is_one_row_with_sortable_values() -> None:
    """Sizes and times stay numbers and times: a column sorts by value, not by its text."""
    shown = table(database(version="5.7.44"), database(data_size_mb=None))
    assert shown["Data size"].tolist()[0] == 2048.0
    assert shown["Last seen"].dtype.kind == "M"
    assert shown["Support"].tolist() == ["Ended", "Ends within a year"]
    assert shown["Support ends"].tolist() == [
        "2023-10-31, Extended Support",
        "2026-04-30, Extended Support",
    ]


def test_unknown_values_read_as_a_dash() -> None:
    """A value that is not known is a dash in the table, never 0 and never "None"."""
    unknown = database(version=None, data_size_mb=None, port=None, environment=None, tags={})
    (row,) = texts(unknown)
    assert row.count("–") == 7  # noqa: RUF001
    assert "None" not in row
    assert "0" not in row


def test_values_read_with_units() -> None:
    """The table shows a size with its unit, and a time relative to now."""
    (row,) = texts(database())
    assert "2.0 GiB" in row
    assert "4 min ago" in row


def test_only_states_that_need_a_look_have_a_colour() -> None:
    """Ended support is red, supported has no colour, and the word is there either way."""
    shown = table(database(version="5.7.44"), database(version="8.4.3"))
    page = styled(shown, COLUMNS, NOW, COLOURS).set_uuid("t").to_html()
    column = list(shown.columns).index("Support")
    assert re.search(rf"#T_t_row0_col{column}[^{{]*{{\s*color: #ad2c2c", page)
    assert f"#T_t_row1_col{column}" not in page
    assert ">Supported<" in page
