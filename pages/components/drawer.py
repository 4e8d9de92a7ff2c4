"""One database in full, in a drawer beside the table."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from discovery.errors import DiscoveryError
from discovery.inventory.lifecycle import support
from discovery.model import DatabaseRecord
from discovery.view import formatting as fmt
from discovery.view import frames, snapshot
from discovery.view.record import facts, host_facts
from discovery.view.snapshot import Snapshot
from pages.components import page, tables
from pages.components.filters import UrlFilters

_PARAM = "record"


def name(key: tuple[str, str]) -> None:
    """Let the URL name a record by its key: (account, instance and database)."""
    st.query_params[_PARAM] = "/".join(key)


def show_named(shown: Snapshot, filters: UrlFilters) -> None:
    """Open the drawer of the record that the URL names, if it names one."""
    wanted = st.query_params.get(_PARAM)
    if wanted is None:
        return
    found = next((one for one in shown.records if "/".join(one.key) == wanted), None)
    if found is None or not found.is_database:
        st.warning(f"There is no database {fmt.markdown_safe(wanted)}.")
        return

    def close() -> None:
        st.query_params.pop(_PARAM, None)
        filters.renew()

    show(found, close)


def show(record: DatabaseRecord, on_close: Callable[[], None]) -> None:
    """Open the drawer. `on_close` is called when the reader closes it."""
    name = f"{fmt.engine(record.engine)} on {record.instance_name or record.instance_id}"
    st.dialog(fmt.markdown_safe(name), width=680, position="right", on_dismiss=on_close)(_content)(
        record
    )


def _content(record: DatabaseRecord) -> None:
    now = page.now()
    known = support(record.engine, record.version, now.date())
    tables.facts(["Field", "Value", "Found by"], facts(record, known, page.staleness()))
    for warning in record.warnings:
        st.warning(fmt.markdown_safe(warning))
    st.subheader("Host", anchor=False)
    tables.facts(["Field", "Value"], host_facts(record))
    st.subheader("Changes", anchor=False)
    try:
        changes = snapshot.tables().history(record)
    except DiscoveryError as error:
        page.show_error(error)
        return
    if changes:
        tables.table(frames.history(changes), key="record-changes", alt="Changes of this database")
    else:
        st.caption("No change has been seen.")
