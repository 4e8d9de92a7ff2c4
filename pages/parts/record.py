"""One database in full, in a drawer beside the table."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from discovery.errors import DiscoveryError
from discovery.lifecycle import support
from discovery.model import DatabaseRecord
from discovery.view import frames, load, text
from discovery.view.record import facts, host_facts
from pages.parts import tables, visit


def show(record: DatabaseRecord, on_close: Callable[[], None]) -> None:
    """Open the drawer. `on_close` is called when the reader closes it."""
    name = f"{text.engine(record.engine)} on {record.instance_name or record.instance_id}"
    st.dialog(text.markdown_safe(name), width=680, position="right", on_dismiss=on_close)(_content)(
        record
    )


def _content(record: DatabaseRecord) -> None:
    now = visit.now()
    known = support(record.engine, record.version, now.date())
    tables.facts(["Field", "Value", "Found by"], facts(record, known, visit.staleness()))
    for warning in record.warnings:
        st.warning(text.markdown_safe(warning))
    st.subheader("Host", anchor=False)
    tables.facts(["Field", "Value"], host_facts(record))
    st.subheader("Changes", anchor=False)
    try:
        changes = load.tables().history(record)
    except DiscoveryError as error:
        visit.show_error(error)
        return
    if changes:
        tables.table(frames.history(changes), key="record-changes", alt="Changes of this database")
    else:
        st.caption("No change has been seen.")
