"""Who asks for a page, and in which role."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from discovery.errors import DiscoveryError
from discovery.view.access import AccessRules, Role, expired, role_of, seen_as, who
from discovery.view.actions import Actor
from discovery.view.sign_in import current_rules
from discovery.view.signed_out import SIGNED_OUT
from pages.components.errors import stop_with

VIEW_AS = "view_as"
"""Session key of the role that an admin of the sandbox chose to see the pages as."""


def rules() -> AccessRules:
    """The access rules of this server. Stops the page when sign-in is broken, or is demanded and
    not configured."""
    try:
        return current_rules()
    except DiscoveryError as error:
        stop_with(error)


def claims() -> dict[str, object] | None:
    """What the identity provider says of this visitor; None for one who has not signed in, has
    signed out in another tab, or whose token has expired."""
    user: dict[str, object] = dict(st.user.to_dict())
    if user.get("is_logged_in") is not True or user in SIGNED_OUT:
        return None
    return None if expired(user, datetime.now(UTC)) else user


def is_signed_in() -> bool:
    """Whether this visitor has signed in, in whatever role."""
    return rules().sign_in and claims() is not None


def signed_in_role() -> Role | None:
    """The role that sign-in gives this visitor, worked out afresh from the claims."""
    return role_of(rules(), claims(), datetime.now(UTC))


def sign_out() -> None:
    """End this sign-in, in every tab and wherever else its cookie is."""
    if (ended := claims()) is not None:
        SIGNED_OUT.add(ended)
    st.logout()


def role() -> Role | None:
    """The role that the pages act on: what sign-in gives, or the lower one that was chosen."""
    return seen_as(signed_in_role(), st.session_state.get(VIEW_AS))


def is_admin() -> bool:
    """Whether the pages may offer what only an admin may do."""
    return role() is Role.ADMIN


def actor() -> Actor:
    """Who asks for something to be done, and the role that it is done in, afresh."""
    return Actor(who(claims()), role())
