from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from discovery.model import HostRecord
from discovery.sanitize import printable
from discovery.view import charts, coverage
from discovery.view import formatting as fmt
from discovery.view.access import Role
from discovery.view.coverage import HOST_COLUMNS, HostFilter, select_hosts
from discovery.view.failures import SCOPE_FAILURE_COLUMNS, group_failures
from discovery.view.labels import COVERAGE_LABELS, failure_label
from discovery.view.snapshot import Snapshot
from pages.components import page, tables, visitor
from pages.components.charts import linked_chart
from pages.components.filters import UrlFilters

page.require(Role.VIEWER)


def main() -> None:
    """Which hosts were scanned, and why the others were not."""
    snapshot = page.current_snapshot()
    page.header("Coverage", snapshot)
    if not snapshot.hosts and not snapshot.scopes:
        st.info("Nothing has been discovered yet.")
        return
    show_failed_scopes(snapshot)
    if skipped := coverage.skipped_sentence(snapshot):
        st.caption(skipped)
    if unwatched := coverage.unwatched_sentence(snapshot):
        st.warning(unwatched)
    show_states(snapshot)
    filters = UrlFilters("coverage", several=("state", "account", "region"))
    params = show_filters(snapshot, filters)
    hosts = select_hosts(snapshot, HostFilter.from_params(params))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(coverage.summary(len(hosts), snapshot), width="content")
        st.button("Reset filters", on_click=filters.reset, type="tertiary", disabled=not params)
    if not hosts:
        st.info("No host matches these filters.")
        st.button("Reset all filters", on_click=filters.reset, type="primary")
        return
    view = (str(params), snapshot.loaded_at)
    host = tables.paged_table(HOST_COLUMNS, hosts, filters, key="hosts", alt="Hosts", view=view)
    if host is not None:
        show_host(host, filters)


def show_failed_scopes(snapshot: Snapshot) -> None:
    """Accounts and regions that could not be listed at all, and what to do about it."""
    if not snapshot.failed_scopes:
        return
    st.subheader(coverage.failed_title(snapshot), anchor=False)
    for group in group_failures(snapshot.failed_scopes):
        st.markdown(f"**{group.label}.** {fmt.markdown_safe(group.kind.hint)}")
        tables.table(
            SCOPE_FAILURE_COLUMNS,
            group.rows,
            key=f"failed-{group.kind}",
            alt="Failed account regions",
            rows=5,
        )


def show_states(snapshot: Snapshot) -> None:
    """How many hosts are in each state; a click filters the table below."""
    st.subheader("Hosts", anchor=False)
    linked_chart(
        charts.bars(coverage.state_bars(snapshot)),
        key="states",
        alt="Hosts by state",
        to=page.COVERAGE,
        param="state",
    )


def show_filters(snapshot: Snapshot, filters: UrlFilters) -> Mapping[str, Sequence[str]]:
    """The filters; the URL parameters they are set to."""
    options = coverage.filter_options(snapshot)
    search, state, account, region = st.columns((1.5, 1, 1, 1), gap="small")
    with search:
        filters.search("q", "Search", placeholder="Name, instance id, platform, error")
    with state:
        filters.choose("state", "State", options["state"], name=coverage.state_label)
    with account:
        filters.choose("account", "Account", options["account"])
    with region:
        filters.choose("region", "Region", options["region"])
    return filters.values()


def show_host(host: HostRecord, filters: UrlFilters) -> None:
    """One host in a drawer."""
    title = fmt.markdown_safe(host.name or host.instance_id)
    dialog = st.dialog(title, width=560, position="right", on_dismiss=filters.renew)
    dialog(show_host_facts)(host)


def show_host_facts(host: HostRecord) -> None:
    """Why a host was or was not scanned, what is known of it, and where to go from there."""
    page.require(Role.VIEWER)
    st.markdown(f"**{COVERAGE_LABELS[host.coverage]}.** {host.coverage.explanation}")
    if host.error:
        st.code(printable(host.error), language=None, wrap_lines=True)
    if host.error_kind:
        hint = fmt.markdown_safe(host.error_kind.hint)
        st.markdown(f"**{failure_label(host.error_kind)}.** {hint}")
    for warning in host.warnings:
        st.warning(fmt.markdown_safe(warning))
    tables.facts(("Field", "Value"), coverage.host_facts(host, page.as_of()))
    if host.databases:
        st.page_link(
            page.DATABASES,
            label="Databases of this host",
            query_params={"q": host.instance_id},
        )
    if visitor.is_admin():
        st.page_link(
            page.RESCAN, label="Rescan this host", query_params={"instance": host.instance_id}
        )


main()
