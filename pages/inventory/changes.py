from __future__ import annotations

import io
from collections.abc import Sequence

import streamlit as st

from discovery.errors import DiscoveryError, NotFoundError
from discovery.export.csv import write_changes
from discovery.inventory.changes import is_run_id
from discovery.inventory.query import paginate
from discovery.model import Change
from discovery.view import formatting as fmt
from discovery.view import frames, snapshot
from discovery.view.access import Role
from discovery.view.changes import (
    DEFAULT_SINCE,
    change_options,
    chosen_changes,
    databases_of,
    filter_of,
    moment_of,
    shown_runs,
    since_options,
)
from discovery.view.snapshot import ChangeLog, Snapshot
from pages.components import drawer, page, tables
from pages.components.filters import UrlFilters

page.require(Role.VIEWER)


def changes_since(since: str) -> ChangeLog:
    """What runs found since then. Says what is wrong, and stops the page, when that is no moment,
    an unknown run, or the table cannot be read."""
    try:
        log = snapshot.tables().change_log(since)
        known = not is_run_id(since) or any(run.run_id == since for run, _ in log.runs)
        if not known and snapshot.tables().store.run(since) is None:
            raise NotFoundError(f"run {since} does not exist", hint="Choose another one.")
    except DiscoveryError as error:
        page.show_error(error)
        st.button("Reset filters", on_click=filters.reset)
        st.stop()
    return log


def filter_bar(log: ChangeLog) -> None:
    """The filters but the time."""
    values = change_options(log)
    with columns[1]:
        filters.search("q", "Search", placeholder="Instance, database, version, path")
    with columns[2]:
        filters.choose("kind", "Change", values["kind"], shown=str.capitalize)
    with columns[3]:
        filters.choose("engine", "Engine", values["engine"], shown=fmt.engine)
    with columns[4]:
        filters.choose("account", "Account", values["account"])


def csv_of(changes: Sequence[Change]) -> str:
    """What the table shows, and all of it, as CSV."""
    out = io.StringIO(newline="")
    write_changes(changes, out)
    return out.getvalue()


def count_line(changes: Sequence[Change], log: ChangeLog, is_filtered: bool) -> None:
    """How many of how many changes, of how many databases and runs, since when."""
    databases, runs = databases_of(changes), len(log.runs)
    parts = [
        f"**{fmt.number(len(changes))}** of {fmt.number(len(log.changes))} changes",
        f"{fmt.number(databases)} database" + ("" if databases == 1 else "s"),
        f"{fmt.number(runs)} run" + ("" if runs == 1 else "s"),
        f"since {moment_of(log.first)} UTC",
    ]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(" · ".join(parts), width="content")
        st.download_button(
            "Download CSV",
            lambda: csv_of(changes),
            file_name=f"changes-{page.now():%Y%m%d-%H%M}.csv",
            mime="text/csv",
            on_click="ignore",
            disabled=not changes,
        )
        st.button(
            "Reset filters", on_click=filters.reset, type="tertiary", disabled=not is_filtered
        )


def table_of(changes: Sequence[Change], log: ChangeLog, shown: Snapshot) -> None:
    """The table, a part at a time; a selected row opens the record of its database."""
    pages = paginate(changes, 1, tables.ROWS_SHOWN).pages
    number = 1
    if pages > 1:
        number = st.pagination(pages, key=f"page-{filters.generation}-{len(changes)}")
    part = paginate(changes, number, tables.ROWS_SHOWN).items
    view = f"{filters.generation}-{hash((str(values), log.first, shown.loaded_at, number))}"
    row = tables.table(
        frames.change_log(part, log.names),
        key=f"changes-{view}",
        alt="Changes",
        rows=18,
        selectable=True,
    )
    if row is not None:
        change = part[row]
        drawer.name((change.account_id, f"{change.instance_id}#{change.db_id}"))


shown = page.current_snapshot()
page.header("Changes", shown)
if not shown.runs:
    st.info("Nothing has been discovered yet.")
    st.stop()
filters = UrlFilters(
    "changes", several=("kind", "account", "engine"), single={"since": DEFAULT_SINCE}
)
columns = st.columns((1.3, 1.5, 1, 1, 1), gap="small")
with columns[0]:
    filters.choose_one("since", "Since", since_options(shown_runs(shown)), free=True)
values = filters.values()
log = changes_since(next(iter(values.get("since", ())), DEFAULT_SINCE))
filter_bar(log)
values = filters.values()
try:
    where = filter_of(values)
except DiscoveryError as error:
    page.show_error(error)
    st.button("Reset filters", on_click=filters.reset)
    st.stop()
changes = chosen_changes(log, where)
count_line(changes, log, bool(values))
if changes:
    table_of(changes, log, shown)
    drawer.show_named(shown, filters)
elif log.changes:
    st.info("No change matches these filters.")
    st.button("Reset all filters", on_click=filters.reset, type="primary")
else:
    st.info(f"No changes since {moment_of(log.first)} UTC.")
