"""One database in full, in a drawer beside the table."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from discovery.errors import DiscoveryError
from discovery.model import DatabaseRecord
from discovery.view import drawer
from discovery.view import formatting as fmt
from discovery.view.access import Role
from discovery.view.changes import HISTORY_COLUMNS
from discovery.view.snapshot import Snapshot, table_reader
from pages.components import page, tables
from pages.components.errors import show_error
from pages.components.filters import UrlFilters

_PARAM = "record"


def name_record(key: tuple[str, str]) -> None:
    """Let the URL name a record by its key: (account, instance and database)."""
    st.query_params[_PARAM] = "/".join(key)


def show_named(snapshot: Snapshot, filters: UrlFilters) -> None:
    """Open the drawer of the record that the URL names, if it names one."""
    wanted = st.query_params.get(_PARAM)
    if wanted is None:
        return
    named = (record for record in snapshot.records if "/".join(record.key) == wanted)
    record = next(named, None)
    if record is None or not record.is_database:
        st.warning(f"There is no database {fmt.markdown_safe(wanted)}.")
        return

    def close() -> None:
        st.query_params.pop(_PARAM, None)
        filters.renew()

    _show(record, close)


def _show(record: DatabaseRecord, on_close: Callable[[], None]) -> None:
    title = fmt.markdown_safe(drawer.title(record))
    dialog = st.dialog(title, width=720, position="right", on_dismiss=on_close)
    dialog(_content)(record)


def _content(record: DatabaseRecord) -> None:
    page.require(Role.VIEWER)  # a click in the drawer runs this, and not the page
    as_of = page.as_of()
    tables.facts(("Field", "Value", "Found by"), drawer.database_facts(record, as_of))
    for warning in record.warnings:
        st.warning(fmt.markdown_safe(warning))
    st.subheader("Host", anchor=False)
    tables.facts(("Field", "Value"), drawer.host_facts(record, as_of))
    st.subheader("Changes", anchor=False)
    try:
        changes = table_reader().history(record)
    except DiscoveryError as error:
        show_error(error)
        return
    if changes:
        tables.table(HISTORY_COLUMNS, changes, key="record-changes", alt="Changes of this database")
    else:
        st.caption("No change has been seen.")
