from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from discovery.inventory.lifecycle import SupportState
from discovery.inventory.query import UNKNOWN
from discovery.model import Coverage
from discovery.view import charts
from discovery.view import formatting as fmt
from discovery.view.access import Role
from discovery.view.charts import Bar
from discovery.view.labels import COVERAGE_WORDS, SUPPORT_WORDS, state_of
from discovery.view.overview import Summary, summarise
from pages.components import page
from pages.components.charts import linked_chart

page.require(Role.VIEWER)

_VERSIONS_SHOWN = 7
_VERSION_LABEL = 90
_ACCOUNTS_SHOWN = 12


def numbers(summary: Summary, accounts_tried: int) -> None:
    """The answers that are one number each."""
    hosts = sum(summary.coverage.values())
    scanned = summary.coverage.get(Coverage.SCANNED, 0)
    unknown = summary.size_unknown
    shown = (
        (
            "Databases",
            fmt.number(summary.databases),
            f"{fmt.number(summary.running)} running",
        ),
        (
            "Data",
            fmt.size(summary.size_mb if summary.databases else None),
            f"{fmt.number(unknown)} of unknown size" if unknown else "",
        ),
        (
            "Hosts scanned",
            f"{fmt.number(scanned)} of {fmt.number(hosts)}",
            fmt.share(scanned, hosts),
        ),
        (
            "Accounts with databases",
            fmt.number(len(summary.accounts)),
            f"of {fmt.number(accounts_tried)} in discovery",
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
    linked_chart(
        charts.bars(rows),
        key="support",
        alt="Databases by state of their support",
        to=page.DATABASES,
        param="support",
    )
    ending = summary.support.get("ends_within_year", 0)
    st.page_link(
        page.DATABASES,
        label=f"{fmt.number(ending)} databases lose support within a year",
        query_params={"support": "ends_within_year"},
        icon=":material/arrow_forward:",
    )


def engines(summary: Summary) -> None:
    """How many databases of each engine."""
    st.subheader("Engines", anchor=False)
    rows = [
        Bar(fmt.engine(engine), count, charts.engine_colour(engine), engine)
        for engine, count in sorted(summary.engines.items(), key=lambda item: -item[1])
    ]
    linked_chart(
        charts.bars(rows),
        key="engines",
        alt="Databases by engine",
        to=page.DATABASES,
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
                st.caption(fmt.markdown_safe(fmt.engine(engine)))
                linked_chart(
                    charts.bars(bars[engine], longest=longest, label_width=width),
                    key=f"versions-{engine}",
                    alt=f"Databases by version of {fmt.engine(engine)}",
                    to=page.DATABASES,
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
            f"{fmt.number(size.databases)} databases"
            + (f", {fmt.number(size.unknown)} of unknown size" if size.unknown else ""),
        )
        for account, size in ordered[:_ACCOUNTS_SHOWN]
    ]
    linked_chart(
        charts.bars(rows, shown=fmt.size),
        key="accounts",
        alt="Data size by account",
        to=page.DATABASES,
        param="account",
    )
    if len(ordered) > _ACCOUNTS_SHOWN:
        st.caption(f"The largest {_ACCOUNTS_SHOWN} of {fmt.number(len(ordered))} accounts")


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
    linked_chart(
        charts.bars(rows),
        key="coverage",
        alt="Hosts by state of coverage",
        to=page.COVERAGE,
        param="state",
    )


shown = page.current_snapshot()
page.header("Overview", shown)
if not shown.runs:
    st.info("Nothing has been discovered yet.")
    if page.role() is Role.ADMIN:
        st.page_link(page.RESCAN, label="Start the first discovery")
    st.stop()

summary = summarise(shown, page.now().date())
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
