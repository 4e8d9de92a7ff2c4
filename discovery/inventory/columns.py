"""What is shown of a record: one `Column` a fact, for the table, the drawer and the CSV alike.

A list of columns is declared beside the records that it shows; those of a database are in
`database_columns`. `view` draws columns, `export` writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from discovery.inventory.as_of import AsOf

Record = TypeVar("Record")

Format = Literal[
    "text",
    "identifier",
    "port",  # a number without thousands separator
    "number",
    "size",  # MiB, exact where there is room
    "capacity",  # MiB, rounded
    "time",
    "date",
    "engine",
    "state",  # one word, in the colour of its state
    "word",  # one word of ours, capitalised
    "support",  # a `Support`
    "freshness",
    "setting",  # configured or not
    "list",
    "counts",  # name -> how many
    "tags",  # name -> value
]
"""How a value reads. The CSV writes every value plain."""

Alignment = Literal["left", "right"]
Section = Literal["database", "host"]


@dataclass(frozen=True)
class Column(Generic[Record]):
    """One fact of a record: its name, its value and how it is shown.

    The value is the record's `field`, or what `value` says; None is unknown. `width` is pixels.
    `found_by` says how the value was found, where the record's evidence for `field` does not.
    """

    name: str
    field: str = ""
    value: Callable[[Record, AsOf], object] | None = None
    format: Format = "text"
    unit: str = ""
    help: str = ""
    width: int | None = None
    alignment: Alignment = "left"
    table: int | None = None
    """Its place in the table; None: not in the table."""
    hidden: bool = False
    """In the table, but shown only when the reader asks for it."""
    drawer: Section | None = "database"
    csv: bool = True
    optional: bool = False
    """Left out of the drawer when it is unknown."""
    found_by: Callable[[Record, AsOf], str] | None = None

    @property
    def header(self) -> str:
        """The name with the unit: the CSV's header."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def read(self, record: Record, as_of: AsOf) -> object:
        """The value in `record`."""
        return self.value(record, as_of) if self.value else getattr(record, self.field)


class AtLeast(float):
    """A size whose measuring was cut short: the true one is this or more."""


def in_table(columns: Iterable[Column[Record]]) -> tuple[Column[Record], ...]:
    """The columns of the table, from the left."""
    places = [(column.table, column) for column in columns if column.table is not None]
    return tuple(column for _, column in sorted(places, key=lambda pair: pair[0]))


def in_drawer(columns: Iterable[Column[Record]], section: Section) -> tuple[Column[Record], ...]:
    """The columns of one section of the drawer."""
    return tuple(column for column in columns if column.drawer == section)


def in_csv(columns: Iterable[Column[Record]]) -> tuple[Column[Record], ...]:
    """The columns of the CSV."""
    return tuple(column for column in columns if column.csv)
