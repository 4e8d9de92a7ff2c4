"""What is shown of a database, declared once."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from typing import get_args

import pytest

from discovery.export.csv import write_csv
from discovery.inventory.as_of import AsOf
from discovery.inventory.changes import CHANGE_COLUMNS
from discovery.inventory.columns import AtLeast, Column, Format, in_csv, in_drawer, in_table
from discovery.inventory.database_columns import DATABASE_COLUMNS, NOT_SHOWN, owner_of
from discovery.model import DatabaseRecord
from discovery.view.drawer import database_facts
from discovery.view.frames import frame
from tests.support.snapshots import NOW, database

AS_OF = AsOf(NOW)


def test_one_more_column_is_in_table_drawer_and_csv() -> None:
    """Adding a field of a database to all three surfaces is adding one column."""
    kernel = Column[DatabaseRecord]("Kernel release", "kernel", table=3, help="The kernel.")
    columns = (*DATABASE_COLUMNS, kernel)
    record = database(evidence={"kernel": "uname"})

    shown = frame(in_table(columns), [record], AS_OF)
    assert shown["Kernel release"].tolist() == ["5.15.0-1052-aws"]
    assert ("Kernel release", "5.15.0-1052-aws", "uname") in database_facts(record, AS_OF, columns)
    out = io.StringIO(newline="")
    write_csv(columns, [record], out, AS_OF)
    (row,) = csv.DictReader(io.StringIO(out.getvalue(), newline=""))
    assert row["Kernel release"] == "5.15.0-1052-aws"


def test_every_field_of_a_database_is_shown_or_said_not_to_be() -> None:
    """A new field of the record needs a column, or a reason to have none."""
    declared = {column.field for column in DATABASE_COLUMNS if column.field}
    known = {field.name for field in fields(DatabaseRecord)}
    assert declared | set(NOT_SHOWN) == known
    assert declared & set(NOT_SHOWN) == set()


@pytest.mark.parametrize("columns", [DATABASE_COLUMNS, CHANGE_COLUMNS])
def test_a_name_stands_for_one_column(columns: tuple[Column[object], ...]) -> None:
    """A reader finds one value under one name, on every surface."""
    names = [column.name for column in columns]
    assert len(set(names)) == len(names)
    assert all(column.field or column.value for column in columns)


def test_every_column_is_somewhere_and_explained() -> None:
    """No column is declared in vain; what it means comes from the model or from itself."""
    shown = {
        column.name
        for columns in (
            in_table(DATABASE_COLUMNS),
            in_drawer(DATABASE_COLUMNS, "database"),
            in_drawer(DATABASE_COLUMNS, "host"),
            in_csv(DATABASE_COLUMNS),
        )
        for column in columns
    }
    assert shown == {column.name for column in DATABASE_COLUMNS}
    assert all(column.help.endswith(".") for column in DATABASE_COLUMNS)
    version = next(column for column in DATABASE_COLUMNS if column.name == "Version")
    assert version.help == "Version of the server."


def test_places_in_the_table_are_distinct() -> None:
    """The order of the table does not depend on the order of the declaration."""
    columns = in_table(DATABASE_COLUMNS)
    assert [column.table for column in columns] == list(range(len(columns)))
    assert in_table(DATABASE_COLUMNS[::-1]) == columns


@pytest.mark.parametrize("form", get_args(Format))
def test_every_format_reads_in_the_table_and_in_the_drawer(form: Format) -> None:
    """A known value of any format is a text a reader understands, an unknown one a dash."""
    samples: dict[Format, object] = {
        "port": 3306,
        "number": 12430,
        "size": AtLeast(2048),
        "capacity": 2048,
        "time": NOW,
        "date": NOW.date(),
        "support": AS_OF.support(database()),
        "freshness": AS_OF.freshness(database()),
        "setting": True,
        "list": ("a", "b"),
        "counts": {"a": 1},
        "tags": {"a": "b"},
    }
    value = samples.get(form, "mysql")
    column = Column[DatabaseRecord]("X", value=lambda _record, _as_of: value, format=form, table=0)
    shown = frame([column], [database()], AS_OF)
    assert shown["X"].notna().all()
    ((_, text, _),) = database_facts(database(), AS_OF, [column])
    assert text and "<" not in text and "None" not in text


def test_the_csv_s_headers_are_a_contract() -> None:
    """Who reads the file finds the columns that were always there, under their names."""
    headers = [column.header for column in in_csv(DATABASE_COLUMNS)]
    assert headers == HEADERS


HEADERS = [
    "Account",
    "Region",
    "Environment",
    "Instance",
    "Instance name",
    "Host name",
    "Database",
    "Engine",
    "Version",
    "Edition",
    "Standard support ends",
    "Status",
    "Port",
    "Listens on",
    "Data directory",
    "Data size (MiB)",
    "Data size complete",
    "Executable",
    "Configuration file",
    "Container",
    "Container image",
    "Published port",
    "Process owner",
    "Started (UTC)",
    "Resident memory (MiB)",
    "Disk free (MiB)",
    "TLS",
    "Replication role",
    "Client connections",
    "Clients",
    "Operating system",
    "Kernel",
    "Architecture",
    "Memory (MiB)",
    "Processors",
    "First seen (UTC)",
    "Last seen (UTC)",
    "Last confirmed (UTC)",
    "Freshness",
    "Gone since (UTC)",
    "Removed after (UTC)",
    "Run",
    "Discovery",
    "Error",
    "Warnings",
    "Tags",
    "Evidence",
    "Support state",
    "Support ends on",
    "Support date is",
    "Support dates",
    "Support notes",
    "Support dates as of",
    "Unwatched since (UTC)",
    "Gone because",
]


@pytest.mark.parametrize(
    ("tags", "owner"),
    [
        ({"Owner": "orders"}, "orders"),
        ({"owner": "a", "Team": "b"}, "a"),
        ({"TEAM": "b"}, "b"),
        ({"Owner": ""}, None),
        ({"Name": "x"}, None),
    ],
)
def test_the_owner_is_a_tag(tags: dict[str, str], owner: str | None) -> None:
    """Whose a database is comes from the instance's tags, whatever their capitals."""
    assert owner_of(tags) == owner
