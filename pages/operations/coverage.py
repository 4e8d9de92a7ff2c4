from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from discovery.inventory.query import paginate
from discovery.model import HostRecord
from discovery.view import charts, frames
from discovery.view import formatting as fmt
from discovery.view.access import Role
from discovery.view.charts import Bar
from discovery.view.coverage import STATE_ORDER, chosen_hosts, host_options
from discovery.view.labels import COVERAGE_WORDS, failure_words, skipped_accounts, state_of
from discovery.view.rescan import grouped
from discovery.view.snapshot import Snapshot
from pages.components import page, tables
from pages.components.charts import linked_chart
from pages.components.filters import UrlFilters

page.require(Role.VIEWER)


def failed_scopes(shown: Snapshot) -> None:
    """Accounts and regions that could not be looked into at all, and what to do about it."""
    failed = shown.failed_scopes
    if not failed:
        return
    total = len(shown.scopes)
    st.subheader(
        f"{fmt.number(len(failed))} of {fmt.number(total)} account regions not discovered",
        anchor=False,
    )
    for group in grouped(failed, ()):
        st.markdown(f"**{failure_words(group.kind)}.** {fmt.markdown_safe(group.kind.hint)}")
        frame = group.frame().drop(columns="Instance")
        tables.table(frame, key=f"failed-{group.kind}", alt="Failed account regions", rows=5)


def accounts_left_out(shown: Snapshot) -> None:
    """Accounts that are members of the organisation and were not looked into at all."""
    if skipped := shown.accounts_skipped:
        many = f"{fmt.number(len(skipped))} account" + ("" if len(skipped) == 1 else "s")
        st.caption(f"{many} of the organisation skipped: {skipped_accounts(skipped)}.")


def states(shown: Snapshot) -> None:
    """How many hosts are in each state; a click filters the table below."""
    st.subheader("Hosts", anchor=False)
    counts = Counter(host.coverage for host in shown.hosts)
    rows = [
        Bar(
            COVERAGE_WORDS[state],
            counts[state],
            charts.STATE_COLOURS[state_of(COVERAGE_WORDS[state])],
            state.value,
            state.explanation,
        )
        for state in reversed(STATE_ORDER)
        if counts[state]
    ]
    linked_chart(
        charts.bars(rows), key="states", alt="Hosts by state", to=page.COVERAGE, param="state"
    )


def filter_bar(shown: Snapshot, filters: UrlFilters) -> dict[str, list[str]]:
    """The filters; what they are set to."""
    values = host_options(shown)
    columns = st.columns((1.5, 1, 1, 1), gap="small")
    with columns[0]:
        filters.search("q", "Search", placeholder="Name, instance id, platform, error")
    with columns[1]:
        filters.choose("state", "State", values["state"], shown=state_word)
    with columns[2]:
        filters.choose("account", "Account", values["account"])
    with columns[3]:
        filters.choose("region", "Region", values["region"])
    return filters.values()


def state_word(value: str) -> str:
    """The word for a state; a value from the URL that is none, as it is."""
    return next((word for state, word in COVERAGE_WORDS.items() if state == value), value)


def table_of(hosts: Sequence[HostRecord], filters: UrlFilters, shown: Snapshot) -> None:
    """The hosts, a part at a time."""
    pages = paginate(hosts, 1, tables.ROWS_SHOWN).pages
    number = st.pagination(pages, key=f"page-{filters.generation}") if pages > 1 else 1
    part = paginate(hosts, number, tables.ROWS_SHOWN).items
    view = f"{filters.generation}-{hash((str(values), shown.loaded_at, number))}"
    row = tables.table(
        frames.hosts(part), key=f"hosts-{view}", alt="Hosts", rows=18, selectable=True
    )
    if row is not None:
        host_drawer(part[row], filters)


def host_drawer(host: HostRecord, filters: UrlFilters) -> None:
    """One host: why it was or was not scanned, and where to go from there."""

    @st.dialog(
        fmt.markdown_safe(host.name or host.instance_id),
        width=560,
        position="right",
        on_dismiss=filters.renew,
    )
    def content() -> None:
        st.markdown(f"**{COVERAGE_WORDS[host.coverage]}.** {host.coverage.explanation}")
        if host.error:
            st.code(fmt.one_line(host.error), language=None, wrap_lines=True)
        if host.error_kind:
            st.markdown(
                f"**{failure_words(host.error_kind)}.** {fmt.markdown_safe(host.error_kind.hint)}"
            )
        for warning in host.warnings:
            st.warning(fmt.markdown_safe(warning))
        now = page.now()
        tables.facts(
            ("Field", "Value"),
            [
                ("Account", host.account_id),
                ("Region", host.region),
                ("Instance", host.instance_id),
                ("Type", host.instance_type or fmt.DASH),
                ("Platform", host.platform or fmt.DASH),
                ("Environment", host.environment or fmt.DASH),
                ("Checked", fmt.when(host.checked_at, now)),
                (
                    "Last scanned",
                    fmt.when(host.last_scanned, now) if host.last_scanned else "Never",
                ),
                ("Databases", fmt.number(host.databases)),
            ],
        )
        if host.databases:
            st.page_link(
                page.DATABASES,
                label="Databases of this host",
                query_params={"q": host.instance_id},
            )
        if page.role() is Role.ADMIN:
            st.page_link(
                page.RESCAN,
                label="Rescan this host",
                query_params={
                    "account": host.account_id,
                    "region": host.region,
                    "instance": host.instance_id,
                },
            )

    content()


shown = page.current_snapshot()
page.header("Coverage", shown)
if not shown.hosts and not shown.scopes:
    st.info("Nothing has been discovered yet.")
    st.stop()
failed_scopes(shown)
accounts_left_out(shown)
states(shown)
filters = UrlFilters("coverage", several=("state", "account", "region"))
values = filter_bar(shown, filters)
hosts = chosen_hosts(shown, values)
with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(
        f"**{fmt.number(len(hosts))}** of {fmt.number(len(shown.hosts))} hosts",
        width="content",
    )
    st.button("Reset filters", on_click=filters.reset, type="tertiary", disabled=not values)
if hosts:
    table_of(hosts, filters, shown)
else:
    st.info("No host matches these filters.")
    st.button("Reset all filters", on_click=filters.reset, type="primary")
