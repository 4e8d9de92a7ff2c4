"""Charts whose bars lead to the databases they count."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.components import theme

_CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


def linked_chart(
    figure: go.Figure, *, key: str, alt: str, to: str, param: str, **fixed: str
) -> None:
    """Show `figure`; a click on a bar opens the page `to`, filtered by `param` and `fixed`."""
    ink = theme.ink()
    figure.update_yaxes(tickfont_color=ink)
    figure.update_traces(textfont_color=ink)
    state: Any = st.plotly_chart(
        figure, key=key, on_select="rerun", selection_mode="points", config=_CONFIG, alt=alt
    )
    for point in state.selection.points:
        picked = point["customdata"]
        value = picked[0] if isinstance(picked, list) else picked["0"]
        if value:
            st.switch_page(to, query_params={**fixed, param: value})
