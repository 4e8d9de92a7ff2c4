from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from discovery.lifecycle import SupportState
from discovery.model import Coverage
from discovery.query import UNKNOWN
from discovery.view import charts, text
from discovery.view.access import Role
from discovery.view.charts import Bar
from discovery.view.summary import Summary, summarise
from discovery.view.words import COVERAGE_WORDS, SUPPORT_WORDS, state_of
from pages.parts import clicks, visit

visit.require(Role.VIEWER)

_VERSIONS_SHOWN = 7
_VERSION_LABEL = 90
_ACCOUNTS_SHOWN = 12


def numbers(summary: Summary, accounts_tried: int) -> None:
    """The answers that are one number each."""
    hosts = sum(summary.coverage.values())
    scanned = summary.coverage.get(Coverage.SCANNED, 0)
    unknown = summary.size_unknown
    shown = (
        ("Databases", text.number(summary.databases), f"{text.number(summary.running)} running"),
        (
            "Data",
            text.size(summary.size_mb if summary.databases else None),
            f"{text.number(unknown)} of unknown size" if unknown else "",
        ),
        (
            "Hosts scanned",
            f"{text.number(scanned)} of {text.number(hosts)}",
            text.share(scanned, hosts),
        ),
        (
            "Accounts with databases",
            text.number(len(summary.accounts)),
            f"of {text.number(accounts_tried)} in discovery",
        ),
    )
    for column, (label, value, note) in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            st.metric(
                label,
                value,
                border=True,
                height="stretch",
                delta=note or None,
                delta_color="off",
                delta_arrow="off",
            )


def support(summary: Summary) -> None:
    """Which databases lose support, and when."""
    st.subheader("Support", anchor=False)
    states: tuple[SupportState, ...] = ("ended", "ends_within_year", "supported", "unknown")
    rows = [
        Bar(
            SUPPORT_WORDS[state],
            summary.support.get(state, 0),
            charts.STATE_COLOURS[state_of(SUPPORT_WORDS[state])],
            state,
        )
        for state in states
    ]
    clicks.chart(
        charts.bars(rows),
        key="support",
        alt="Databases by state of their support",
        page=visit.DATABASES,
        param="support",
    )
    ending = summary.support.get("ends_within_year", 0)
    st.page_link(
        visit.DATABASES,
        label=f"{text.number(ending)} databases lose support within a year",
        query_params={"support": "ends_within_year"},
        icon=":material/arrow_forward:",
    )


def engines(summary: Summary) -> None:
    """How many databases of each engine."""
    st.subheader("Engines", anchor=False)
    rows = [
        Bar(text.engine(engine), count, charts.engine_colour(engine), engine)
        for engine, count in sorted(summary.engines.items(), key=lambda item: -item[1])
    ]
    clicks.chart(
        charts.bars(rows),
        key="engines",
        alt="Databases by engine",
        page=visit.DATABASES,
        param="engine",
    )


def versions(summary: Summary) -> None:
    """The versions of each engine: one small chart each, all on one scale."""
    st.subheader("Versions", anchor=False)
    order = sorted(summary.versions, key=lambda engine: -summary.engines[engine])
    bars = {engine: _version_bars(engine, summary.versions[engine]) for engine in order}
    longest = max((bar.value for rows in bars.values() for bar in rows), default=1)
    labels = [bar.label for rows in bars.values() for bar in rows]
    width = min(charts.label_width_of(labels), _VERSION_LABEL)
    with st.container(horizontal=True, gap="medium"):
        for engine in order:
            with st.container(width=222):
                st.caption(text.markdown_safe(text.engine(engine)))
                clicks.chart(
                    charts.bars(bars[engine], longest=longest, label_width=width),
                    key=f"versions-{engine}",
                    alt=f"Databases by version of {text.engine(engine)}",
                    page=visit.DATABASES,
                    param="version",
                    engine=engine,
                )


def _version_bars(engine: str, counts: Mapping[str | None, int]) -> list[Bar]:
    ordered = sorted(counts.items(), key=lambda item: (item[0] is None, -item[1]))
    shown = ordered[:_VERSIONS_SHOWN] if len(ordered) > _VERSIONS_SHOWN + 1 else ordered
    rows = [
        Bar(version or "Unknown", count, charts.engine_colour(engine), version or UNKNOWN)
        for version, count in shown
    ]
    if rest := ordered[len(shown) :]:
        total = sum(count for _, count in rest)
        rows.append(Bar(f"{len(rest)} others", total, charts.OTHER_COLOUR, ""))
    return rows


def accounts(summary: Summary) -> None:
    """How much data each account holds."""
    ordered = sorted(summary.accounts.items(), key=lambda item: -item[1].size_mb)
    st.subheader("Data by account", anchor=False)
    rows = [
        Bar(
            account,
            size.size_mb,
            charts.OTHER_COLOUR,
            account,
            f"{text.number(size.databases)} databases"
            + (f", {text.number(size.unknown)} of unknown size" if size.unknown else ""),
        )
        for account, size in ordered[:_ACCOUNTS_SHOWN]
    ]
    clicks.chart(
        charts.bars(rows, shown=text.size),
        key="accounts",
        alt="Data size by account",
        page=visit.DATABASES,
        param="account",
    )
    if len(ordered) > _ACCOUNTS_SHOWN:
        st.caption(f"The largest {_ACCOUNTS_SHOWN} of {text.number(len(ordered))} accounts")


def coverage(summary: Summary) -> None:
    """How many hosts were scanned, and why the others were not."""
    st.subheader("Coverage", anchor=False)
    rows = [
        Bar(
            COVERAGE_WORDS[state],
            count,
            charts.STATE_COLOURS[state_of(COVERAGE_WORDS[state])],
            state.value,
        )
        for state, count in sorted(summary.coverage.items(), key=lambda item: -item[1])
    ]
    clicks.chart(
        charts.bars(rows),
        key="coverage",
        alt="Hosts by state of coverage",
        page=visit.COVERAGE,
        param="state",
    )


shown = visit.snapshot()
visit.header("Overview", shown)
if not shown.runs:
    st.info("Nothing has been discovered yet.")
    if visit.role() is Role.ADMIN:
        st.page_link(visit.RESCAN, label="Start the first discovery")
    st.stop()

summary = summarise(shown, visit.now().date())
numbers(summary, len({scope.account_id for scope in shown.scopes}))
if not summary.databases:
    st.info("No database has been found yet.")
    coverage(summary)
    st.stop()

left, right = st.columns(2, gap="large")
with left:
    engines(summary)
with right:
    support(summary)
versions(summary)
left, right = st.columns(2, gap="large")
with left:
    accounts(summary)
with right:
    coverage(summary)
