"""Tables: column widths and help in one place; values as `view.frames.styled` writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from discovery.view import formatting as fmt
from discovery.view.frames import styled
from pages.components import page

ROWS_SHOWN = 1000
"""More is for the CSV: nobody scrolls further, and a browser should not have to hold it."""

_ROW = 32
_WIDTHS = {
    "Instance": 160,
    "Engine": 110,
    "Version": 100,
    "Status": 80,
    "Support": 125,
    "Support ends": 100,
    "Size": 90,
    "Environment": 100,
    "Owner": 100,
    "Account": 115,
    "Region": 110,
    "Port": 65,
    "Last seen": 95,
    "Last scanned": 100,
    "Instance id": 170,
    "State": 135,
    "When": 95,
    "Change": 100,
    "Database": 150,
    "Before": 150,
    "After": 150,
    "Freshness": 80,
    "First seen": 95,
    "Gone since": 95,
    "Why": 330,
    "Message": 700,
    "What to do": 420,
    "Started": 95,
    "Result": 90,
    "Scope": 160,
    "Started by": 90,
}
_RIGHT = (
    "Size",
    "Took",
    "Scanned",
    "Failed",
    "Scopes failed",
    "Listed",
    "Targeted",
    "Databases",
    "Requests",
    "Throttled",
)


def table(
    frame: pd.DataFrame,
    *,
    key: str,
    alt: str,
    rows: int = 15,
    selectable: bool = False,
    hidden: Sequence[str] = (),
) -> int | None:
    """Show `frame`, at most `rows` rows high; the position of the row that was selected, if any."""
    shown: dict[str, Any] = {
        "hide_index": True,
        "column_config": {name: _column(name) for name in frame.columns},
        "column_order": [name for name in frame.columns if name not in hidden],
        "height": _ROW * (min(len(frame), rows) + 1) + 3,
        "row_height": _ROW,
        "placeholder": fmt.DASH,
        "alt": alt,
        "key": key,
    }
    data = styled(frame, page.now(), page.colours())
    if not selectable:
        st.dataframe(data, **shown)
        return None
    state = st.dataframe(data, on_select="rerun", selection_mode="single-row", **shown)
    row: int | None = next(iter(state.selection.rows), None)
    return row if row is not None and row < len(frame) else None


def _column(name: str) -> Any:
    if name == "Port":  # an identifier: no thousands separator
        return st.column_config.NumberColumn(format="%d", width=_WIDTHS[name])
    if name in _RIGHT:
        return st.column_config.Column(width=_WIDTHS.get(name), alignment="right")
    return st.column_config.Column(width=_WIDTHS.get(name))


def facts(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A small table that shows long values whole. Its cells are Markdown: all text is escaped."""
    safe = [[fmt.markdown_safe(value) for value in row] for row in rows]
    st.table(pd.DataFrame(safe, columns=list(columns)), hide_index=True, border="horizontal")
