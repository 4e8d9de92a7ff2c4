"""Tables on a terminal, as wide as it is; in a file or a pipe, as wide as the content."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from discovery.sanitize import printable
from discovery.view.formatting import DASH

_UNKNOWN = "-"
_WIDTH_OF_A_FILE = 1000


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print `rows` on stdout; None shows as a dash, a number to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, heading in enumerate(headings):
        numeric = any(isinstance(row[index], int | float) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell_text(value)) for value in row))
    width = None if sys.stdout.isatty() else _WIDTH_OF_A_FILE
    Console(width=width, highlight=False, markup=False).print(table)


def cell_text(value: object) -> str:
    """One cell: unknown as a dash, thousands separated, no control characters."""
    if value in (None, "", DASH):
        return _UNKNOWN
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    return printable(str(value))
