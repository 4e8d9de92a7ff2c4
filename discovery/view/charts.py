"""Charts: numbers in, Plotly figures out.

Horizontal bars sorted by value, the number at each bar's end, no legend where a label will do. Each
bar's `customdata` is what a click filters by. All text that a host or tag supplied is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from discovery.view.formatting import chart_safe, number
from discovery.view.labels import State

ENGINE_COLOURS: Mapping[str, str] = {
    "mysql": "#2f6fd0",
    "mariadb": "#1d9cb5",
    "percona": "#b07ad9",
    "postgresql": "#a54587",
    "mongodb": "#8a6d4b",
    "edb": "#b37d86",
    "redis": "#e0086b",
    "valkey": "#a150b3",
    "keydb": "#bc6ba1",
    "memcached": "#7447b3",
    "cassandra": "#597d6b",
    "scylladb": "#ce2cd7",
    "elasticsearch": "#1186f2",
    "opensearch": "#ce0808",
    "couchbase": "#8f863e",
    "couchdb": "#8f986b",
    "neo4j": "#7da135",
    "clickhouse": "#f2621a",
    "influxdb": "#a13efb",
    "cockroachdb": "#e96bc5",
    "tidb": "#8f1ad7",
    "etcd": "#3e6b08",
    "firebird": "#f22cfb",
    "sqlserver": "#116b62",
    "oracle": "#865047",
    "db2": "#59622c",
    "hana": "#8623fb",
    "ase": "#aa1a8f",
}
"""One colour each, everywhere. None reads as green, amber or red, which mean state; any two stay
apart for the three kinds of colour blindness, and stand out on the light and the dark ground."""

OTHER_COLOUR = "#7b8794"

STATE_COLOURS: Mapping[State, str] = {
    "good": "#2e9e62",
    "warning": "#d08a1c",
    "bad": "#d04a4a",
    "neutral": "#7b8794",
}
"""A word always stands beside them."""

_BAR_HEIGHT = 26
_CHARACTER = 7
_LARGEST_LABEL = 170


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. `picks` is what a click on it filters by; `note` is shown on hover."""

    label: str
    value: float
    colour: str
    picks: str
    note: str = ""


def most(rows: Sequence[Bar], limit: int) -> list[Bar]:
    """The first `limit` of `rows` and one bar for the others, which leads nowhere. One row more
    takes no more room than a bar that stands for it."""
    if len(rows) <= limit + 1:
        return list(rows)
    others = rows[limit:]
    total = sum(row.value for row in others)
    return [*rows[:limit], Bar(f"{number(len(others))} others", total, OTHER_COLOUR, "")]


def engine_colour(engine: str | None) -> str:
    """The engine's colour; the same grey for all that have none of their own."""
    return ENGINE_COLOURS.get(engine or "", OTHER_COLOUR)


def bars(
    rows: Sequence[Bar],
    *,
    write: Callable[[float], str] = lambda value: number(int(value)),
    longest: float | None = None,
    label_width: int | None = None,
) -> go.Figure:
    """Horizontal bars, the first row on top; `write` makes the text at a bar's end of its value.

    `longest` (a value) and `label_width` (pixels) give several charts one scale.
    """
    label_width = label_width or label_width_of([row.label for row in rows])
    labels = [chart_safe(row.label, label_width // _CHARACTER) for row in rows]
    texts = [write(row.value) for row in rows]
    top = longest or max((row.value for row in rows), default=0) or 1
    longest_text = max((len(text) for text in texts), default=1)
    figure = go.Figure(_trace(rows, labels, texts))
    figure.update_layout(
        height=_BAR_HEIGHT * max(len(rows), 1) + 4,
        margin={"l": label_width, "r": 8, "t": 0, "b": 0},
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        hoverlabel={"align": "left"},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        bargap=0.3,
    )
    # Room for the text after the longest bar.
    figure.update_xaxes(
        visible=False, fixedrange=True, range=[0, top * (1.08 + 0.03 * longest_text)]
    )
    figure.update_yaxes(
        tickmode="array",
        tickvals=list(range(len(rows))),
        ticktext=[f"{label}  " for label in labels],
        range=[len(rows) - 0.5, -0.5],
        automargin=False,
        fixedrange=True,
        showgrid=False,
        zeroline=False,
        showline=False,
        ticks="",
        tickfont={"size": 13},
    )
    return figure


def _trace(rows: Sequence[Bar], labels: Sequence[str], texts: Sequence[str]) -> go.Bar:
    trace = go.Bar(
        x=[row.value for row in rows],
        y=list(range(len(rows))),
        orientation="h",
        marker={"color": [row.colour for row in rows], "line": {"width": 0}},
        text=texts,
        textposition="outside",
        textfont={"size": 12},
        cliponaxis=False,
        customdata=[[row.picks] for row in rows],
        hovertext=[
            f"{label}: {text}{f'<br>{chart_safe(row.note)}' if row.note else ''}"
            for label, text, row in zip(labels, texts, rows, strict=True)
        ],
        hoverinfo="text",
        width=0.62,
    )
    # No fading of the bars that were not clicked: it looks like a state, and a click leads away.
    trace.update(selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}})
    return trace


def label_width_of(labels: Sequence[str]) -> int:
    """Pixels that the longest of `labels` takes beside its bar, within limits."""
    longest = max((len(label) for label in labels), default=0)
    return min(_LARGEST_LABEL, 10 + _CHARACTER * longest)
