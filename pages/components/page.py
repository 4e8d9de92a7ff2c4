"""One visitor's request: who asks, what they see, and of when. For every page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from discovery.errors import DiscoveryError
from discovery.inventory.freshness import Staleness
from discovery.view import formatting as fmt
from discovery.view import snapshot
from discovery.view.access import AccessRules, Role, access_rules, role_of, seen_as
from discovery.view.labels import State
from discovery.view.snapshot import Snapshot

OVERVIEW = "pages/inventory/overview.py"
DATABASES = "pages/inventory/databases.py"
CHANGES = "pages/inventory/changes.py"
COVERAGE = "pages/operations/coverage.py"
RESCAN = "pages/operations/rescan.py"

VIEW_AS = "view_as"
"""Session key of the role that an admin of the sandbox chose to see the pages as."""


def now() -> datetime:
    """The time of this request, UTC."""
    return datetime.now(UTC)


def staleness() -> Staleness:
    """As of now, after the days that the settings name."""
    return Staleness(now(), snapshot.settings().stale_days)


def rules() -> AccessRules:
    """The access rules of this server. Stops the page when secrets.toml is malformed."""
    try:
        secrets: Mapping[str, object] = st.secrets.to_dict()
    except StreamlitSecretNotFoundError:
        secrets = {}
    try:
        return access_rules(secrets, sandbox=snapshot.settings().sandbox)
    except DiscoveryError as error:
        stop_with(error)


def signed_in_role() -> Role | None:
    """The role that sign-in gives this visitor, worked out afresh from the claims."""
    access = rules()
    signed_in = access.sign_in and st.user.is_logged_in
    return role_of(access, st.user.to_dict() if signed_in else None, now())


def role() -> Role | None:
    """The role that the pages act on: what sign-in gives, or the lower one that was chosen."""
    return seen_as(signed_in_role(), st.session_state.get(VIEW_AS))


def require(needed: Role) -> None:
    """Go on only when the visitor may do what `needed` may; else say so and stop."""
    held = role()
    if held is None:
        _refuse("Sign in to see this page.")
    if not held.covers(needed):
        _refuse("This page is for admins. Your role is viewer: you can read, not start runs.")


def _refuse(reason: str) -> NoReturn:
    st.title("Not allowed")
    st.warning(reason)
    if role() is None and rules().sign_in:
        st.button("Sign in", on_click=st.login, type="primary")
    else:
        st.page_link(OVERVIEW, label="Back to Overview")
    st.stop()


def current_snapshot() -> Snapshot:
    """What the tables hold. Says what went wrong and stops the page when they cannot be read."""
    try:
        return snapshot.tables().snapshot()
    except DiscoveryError as error:
        stop_with(error)


def stop_with(error: DiscoveryError) -> NoReturn:
    """Show an error with what can be done about it, and stop the page."""
    show_error(error)
    st.stop()


def show_error(error: DiscoveryError) -> None:
    """An error and its hint. The text may come from AWS or a host."""
    hint = f"  \n{fmt.markdown_safe(error.hint)}" if error.hint else ""
    st.error(f"{fmt.markdown_safe(str(error))}{hint}")


def header(title: str, shown: Snapshot) -> None:
    """The page's title, and beside it as of when and of how much the page tells."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.title(title, anchor=False, width="content")
        st.caption(
            f"As of {fmt.ago(shown.as_of, now())} · {fmt.number(shown.scanned)} of "
            f"{fmt.number(len(shown.hosts))} hosts scanned",
            help=f"Newest result {fmt.exact(shown.as_of)}. "
            f"Oldest scan of a host {fmt.exact(shown.oldest_scan)}.",
            width="content",
        )


def colours() -> Mapping[State, str]:
    """The state colours of words in tables, readable on this visitor's background.

    A good state has none: a column of green words hides the red one.
    """
    if _is_dark():
        return {"good": "", "warning": "#ecbd67", "bad": "#f09a9a", "neutral": ""}
    return {"good": "", "warning": "#8a5a00", "bad": "#ad2c2c", "neutral": ""}


_MARK = (
    '<rect y="5" width="20" height="4" rx="1"/><rect y="12" width="14" height="4" rx="1"/>'
    '<rect y="19" width="8" height="4" rx="1"/>'
)


def favicon() -> str:
    """The product's mark as an image."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 0 28 28">'
        f'<g fill="#6a70d8">{_MARK}</g></svg>'
    )


def ink() -> str:
    """The text colour of this visitor's theme, as in config.toml."""
    return "#e3e8ee" if _is_dark() else "#1b2430"


def wordmark() -> str:
    """The product's name as an image, for this visitor's background."""
    accent = "#9298f2" if _is_dark() else "#4a4fc4"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="186" height="28" viewBox="0 0 186 28">'
        f'<g fill="{accent}">{_MARK}</g>'
        # One length whatever font the visitor has: a wider one would be cut off.
        '<text x="30" y="20" textLength="152" lengthAdjust="spacingAndGlyphs" '
        'font-family="Segoe UI, Helvetica, Arial, sans-serif" '
        f'font-size="16" font-weight="600" fill="{ink()}">Database Discovery</text>'
        "</svg>"
    )


def _is_dark() -> bool:
    return st.context.theme.type == "dark"
