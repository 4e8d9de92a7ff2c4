from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from discovery.errors import DiscoveryError, RequestError
from discovery.inventory.changes import ChangeFilter
from discovery.model import Change
from discovery.view import changes as view
from discovery.view import formatting as fmt
from discovery.view.access import Role
from discovery.view.changes import DEFAULT_SINCE, select_changes
from discovery.view.snapshot import ChangeLog, table_reader
from pages.components import drawer, page, tables
from pages.components.errors import show_error
from pages.components.filters import UrlFilters

page.require(Role.VIEWER)


def main() -> None:
    """What has changed, and since when."""
    snapshot = page.current_snapshot()
    page.header("Changes", snapshot)
    if not snapshot.runs:
        st.info("Nothing has been discovered yet.")
        return
    filters = UrlFilters(
        "changes", several=("kind", "account", "engine"), single={"since": DEFAULT_SINCE}
    )
    first, *others = st.columns((1.3, 1.5, 1, 1, 1), gap="small")
    with first:
        filters.choose_one("since", "Since", view.since_options(snapshot), free=True)
    log = read_log(filters)
    show_filters(log, filters, others)
    params = filters.values()
    changes = select_changes(log, read_filter(params, filters))
    show_count(changes, log, filters, is_filtered=bool(params))
    if changes:
        show_table(changes, log, filters, params)
        drawer.show_named(snapshot, filters)
    elif log.changes:
        st.info("No change matches these filters.")
        st.button("Reset all filters", on_click=filters.reset, type="primary")
    else:
        st.info(f"No changes since {view.moment_of(log.first)}.")


def read_log(filters: UrlFilters) -> ChangeLog:
    """What runs found since the moment that is chosen. Says what is wrong, and stops the page, when
    that is no moment, an unknown run, or the table cannot be read."""
    since = next(iter(filters.values().get("since", ())), DEFAULT_SINCE)
    try:
        return view.read_log(table_reader(), since)
    except DiscoveryError as error:
        refuse(error, filters)


def read_filter(params: Mapping[str, Sequence[str]], filters: UrlFilters) -> ChangeFilter:
    """What the parameters ask for. Says what is wrong, and stops the page, when a value is none."""
    try:
        return ChangeFilter.from_params(params)
    except RequestError as error:
        refuse(error, filters)


def refuse(error: DiscoveryError, filters: UrlFilters) -> NoReturn:
    """Show an error and a way out, and stop the page."""
    show_error(error)
    st.button("Reset filters", on_click=filters.reset)
    st.stop()


def show_filters(log: ChangeLog, filters: UrlFilters, places: Sequence[DeltaGenerator]) -> None:
    """The filters but the time, each in its place."""
    options = view.filter_options(log)
    search, kind, engine, account = places
    with search:
        filters.search("q", "Search", placeholder="Instance, database, version, path")
    with kind:
        filters.choose("kind", "Change", options["kind"], name=str.capitalize)
    with engine:
        filters.choose("engine", "Engine", options["engine"], name=fmt.engine)
    with account:
        filters.choose("account", "Account", options["account"])


def show_count(
    changes: Sequence[Change], log: ChangeLog, filters: UrlFilters, *, is_filtered: bool
) -> None:
    """How many of how many changes, of how many databases and runs, since when."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(view.summary(changes, log), width="content")
        st.download_button(
            "Download CSV",
            lambda: view.csv_text(changes),
            file_name=f"changes-{page.now():%Y%m%d-%H%M}.csv",
            mime="text/csv",
            on_click="ignore",
            disabled=not changes,
        )
        st.button(
            "Reset filters", on_click=filters.reset, type="tertiary", disabled=not is_filtered
        )


def show_table(
    changes: Sequence[Change],
    log: ChangeLog,
    filters: UrlFilters,
    params: Mapping[str, Sequence[str]],
) -> None:
    """The changes; a selected one opens the record of its database."""
    change = tables.paged_table(
        view.change_columns(log.names),
        changes,
        filters,
        key="changes",
        alt="Changes",
        view=(str(params), log.first, log.snapshot.loaded_at),
    )
    if change is not None:
        drawer.name_record(view.record_key(change))


main()
