"""A page: its address, who may see it, its header, and as of when it tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

import streamlit as st

from discovery.errors import DiscoveryError
from discovery.inventory.as_of import AsOf
from discovery.view import formatting as fmt
from discovery.view.access import Role, missing_role
from discovery.view.snapshot import Snapshot, settings, table_reader
from pages.components import visitor
from pages.components.errors import stop_with

OVERVIEW = "pages/inventory/overview.py"
DATABASES = "pages/inventory/databases.py"
CHANGES = "pages/inventory/changes.py"
COVERAGE = "pages/operations/coverage.py"
RESCAN = "pages/operations/rescan.py"


def now() -> datetime:
    """The time of this request, UTC."""
    return datetime.now(UTC)


def as_of() -> AsOf:
    """As of now, with the days that the settings name and the scopes that runs no longer scan."""
    return AsOf(now(), settings().stale_days, table_reader().unwatched)


def require(needed: Role) -> None:
    """Go on only when the visitor may do what `needed` may; else say so and stop."""
    held = visitor.role()
    claims = visitor.claims()
    if held is None and claims is not None:
        _refuse(missing_role(visitor.rules(), claims))  # signing in again would give no other
    if held is None:
        _refuse("Sign in to see this page.", offer=_offer_sign_in)
    if not held.covers(needed):
        _refuse(
            "This page is for admins. Your role is viewer: you can read, not start runs.",
            offer=_offer_overview,
        )


def _offer_sign_in() -> None:
    st.button("Sign in", on_click=st.login, type="primary")


def _offer_overview() -> None:
    st.page_link(OVERVIEW, label="Back to Overview")


def _refuse(reason: str, *, offer: Callable[[], None] | None = None) -> NoReturn:
    st.title("Not allowed")
    st.warning(fmt.markdown_safe(reason))
    if offer is not None:
        offer()
    st.stop()


def current_snapshot() -> Snapshot:
    """What the tables hold. Says what went wrong and stops the page when they cannot be read."""
    try:
        return table_reader().snapshot()
    except DiscoveryError as error:
        stop_with(error)


def header(title: str, snapshot: Snapshot) -> None:
    """The page's title, and beside it as of when and of how many hosts the page tells."""
    scanned = fmt.part_of(snapshot.scanned, len(snapshot.hosts))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.title(title, anchor=False, width="content")
        st.caption(
            f"As of {fmt.ago(snapshot.as_of, now())} · {scanned} hosts scanned",
            help=f"Newest result {fmt.exact(snapshot.as_of)}. "
            f"Oldest scan of a host {fmt.exact(snapshot.oldest_scan)}.",
            width="content",
        )
