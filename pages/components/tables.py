"""Tables: columns and records as Streamlit shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from discovery.inventory.columns import Column, Record
from discovery.inventory.query import paginate
from discovery.view import formatting as fmt
from discovery.view.frames import frame, styled
from pages.components import page, theme
from pages.components.filters import UrlFilters

ROWS_SHOWN = 1000
"""More is for the CSV: nobody scrolls further, and a browser should not have to hold it."""

_ROW = 32
_ROWS_OF_A_PAGE = 18


def table(
    columns: Sequence[Column[Record]],
    records: Sequence[Record],
    *,
    key: str,
    alt: str,
    rows: int = 15,
    selectable: bool = False,
) -> Record | None:
    """Show `columns` of `records`, at most `rows` rows high; the record selected, if any is."""
    as_of = page.as_of()
    options: dict[str, Any] = {
        "hide_index": True,
        "column_config": {column.name: _column_config(column) for column in columns},
        "column_order": [column.name for column in columns if not column.hidden],
        "height": _ROW * (min(len(records), rows) + 1) + 3,
        "row_height": _ROW,
        "placeholder": fmt.DASH,
        "alt": alt,
        "key": key,
    }
    data = styled(frame(columns, records, as_of), columns, as_of.now, theme.colours())
    if not selectable:
        st.dataframe(data, **options)
        return None
    state = st.dataframe(data, on_select="rerun", selection_mode="single-row", **options)
    row: int | None = next(iter(state.selection.rows), None)
    return records[row] if row is not None and row < len(records) else None


def paged_table(
    columns: Sequence[Column[Record]],
    records: Sequence[Record],
    filters: UrlFilters,
    *,
    key: str,
    alt: str,
    view: object,
) -> Record | None:
    """A page's table, a part at a time when there are more records than a browser should hold.

    `view` stands for what selects the records: another one forgets what was selected.
    """
    pages = paginate(records, 1, ROWS_SHOWN).pages
    number = 1
    if pages > 1:
        number = st.pagination(pages, key=f"page-{filters.generation}-{len(records)}")
    part = paginate(records, number, ROWS_SHOWN).items
    return table(
        columns,
        part,
        key=f"{key}-{filters.generation}-{hash((view, number))}",
        alt=alt,
        rows=_ROWS_OF_A_PAGE,
        selectable=True,
    )


def _column_config(column: Column[Any]) -> Any:
    options: dict[str, Any] = {
        "width": column.width,
        "alignment": column.alignment if column.alignment == "right" else None,
        "help": column.help or None,
    }
    if column.format == "port":
        return st.column_config.NumberColumn(format="%d", **options)
    return st.column_config.Column(**options)


def facts(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A small table that shows long values whole. Its cells are Markdown: all text is escaped."""
    safe = [[fmt.markdown_safe(value) for value in row] for row in rows]
    st.table(pd.DataFrame(safe, columns=list(headings)), hide_index=True, border="horizontal")
