from __future__ import annotations

from datetime import date

import streamlit as st

from discovery.inventory.support_file import known_dates
from discovery.view import charts, overview
from discovery.view import formatting as fmt
from discovery.view.access import Role
from discovery.view.labels import support_dates_age
from discovery.view.overview import Summary, summarise
from pages.components import page, visitor
from pages.components.charts import linked_chart

page.require(Role.VIEWER)


def main() -> None:
    """How much there is, where it runs, and what loses support."""
    snapshot = page.current_snapshot()
    page.header("Overview", snapshot)
    if not snapshot.runs:
        st.info("Nothing has been discovered yet.")
        if visitor.is_admin():
            st.page_link(page.RESCAN, label="Start the first discovery")
        return
    summary = summarise(snapshot, page.now().date())
    show_figures(summary)
    if not summary.databases:
        st.info("No database has been found yet.")
        show_coverage(summary)
        return
    left, right = st.columns(2, gap="large")
    with left:
        show_engines(summary)
    with right:
        show_support(summary, page.now().date())
    show_versions(summary)
    left, right = st.columns(2, gap="large")
    with left:
        show_accounts(summary)
    with right:
        show_coverage(summary)


def show_figures(summary: Summary) -> None:
    """The answers that are one number each."""
    figures = overview.figures(summary)
    for column, (label, value, note) in zip(st.columns(len(figures)), figures, strict=True):
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


def show_engines(summary: Summary) -> None:
    """How many databases of each engine."""
    st.subheader("Engines", anchor=False)
    linked_chart(
        charts.bars(overview.engine_bars(summary)),
        key="engines",
        alt="Databases by engine",
        to=page.DATABASES,
        param="engine",
    )


def show_support(summary: Summary, today: date) -> None:
    """Which databases lose support, and of when the dates are."""
    st.subheader("Support", anchor=False)
    linked_chart(
        charts.bars(overview.support_bars(summary)),
        key="support",
        alt="Databases by state of their support",
        to=page.DATABASES,
        param="support",
    )
    st.page_link(
        page.DATABASES,
        label=overview.support_sentence(summary),
        query_params={"support": "ends_within_year"},
        icon=":material/arrow_forward:",
    )
    st.caption(support_dates_age(known_dates().as_of, today))


def show_versions(summary: Summary) -> None:
    """The versions of each engine: one small chart each, all on one scale."""
    st.subheader("Versions", anchor=False)
    versions = overview.version_charts(summary)
    with st.container(horizontal=True, gap="medium"):
        for engine, bars in versions.bars.items():
            with st.container(width=222):
                st.caption(fmt.markdown_safe(fmt.engine(engine)))
                linked_chart(
                    charts.bars(bars, longest=versions.longest, label_width=versions.label_width),
                    key=f"versions-{engine}",
                    alt=f"Databases by version of {fmt.engine(engine)}",
                    to=page.DATABASES,
                    param="version",
                    engine=engine,
                )
    if left_out := overview.engines_left_out(summary):
        st.caption(left_out)


def show_accounts(summary: Summary) -> None:
    """How much data each account holds."""
    st.subheader("Data by account", anchor=False)
    linked_chart(
        charts.bars(overview.account_bars(summary), write=fmt.size),
        key="accounts",
        alt="Data size by account",
        to=page.DATABASES,
        param="account",
    )
    if left_out := overview.accounts_left_out(summary):
        st.caption(left_out)


def show_coverage(summary: Summary) -> None:
    """How many hosts were scanned, and why the others were not."""
    st.subheader("Coverage", anchor=False)
    linked_chart(
        charts.bars(overview.coverage_bars(summary)),
        key="coverage",
        alt="Hosts by state of coverage",
        to=page.COVERAGE,
        param="state",
    )


main()
