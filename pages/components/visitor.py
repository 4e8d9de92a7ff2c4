"""Who asks for a page, and in which role."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from discovery.errors import DiscoveryError
from discovery.view.access import AccessRules, Role, access_rules, role_of, seen_as
from discovery.view.snapshot import settings
from pages.components.errors import stop_with

VIEW_AS = "view_as"
"""Session key of the role that an admin of the sandbox chose to see the pages as."""


def rules() -> AccessRules:
    """The access rules of this server. Stops the page when secrets.toml is malformed."""
    try:
        secrets: Mapping[str, object] = st.secrets.to_dict()
    except StreamlitSecretNotFoundError:
        secrets = {}
    try:
        return access_rules(secrets, sandbox=settings().sandbox)
    except DiscoveryError as error:
        stop_with(error)


def signed_in_role() -> Role | None:
    """The role that sign-in gives this visitor, worked out afresh from the claims."""
    access = rules()
    signed_in = access.sign_in and st.user.is_logged_in
    return role_of(access, st.user.to_dict() if signed_in else None, datetime.now(UTC))


def role() -> Role | None:
    """The role that the pages act on: what sign-in gives, or the lower one that was chosen."""
    return seen_as(signed_in_role(), st.session_state.get(VIEW_AS))


def is_admin() -> bool:
    """Whether the pages may offer what only an admin may do."""
    return role() is Role.ADMIN
