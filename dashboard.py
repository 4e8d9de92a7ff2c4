"""The page frame: configuration, sign-in, role, navigation. `python -m discovery serve` runs it."""

from __future__ import annotations

import streamlit as st

from discovery.view.access import Role
from pages.components import page, theme, visitor

st.set_page_config(
    page_title="Database Discovery",
    page_icon=theme.favicon(),
    layout="wide",
    initial_sidebar_state=220,
)
st.logo(theme.wordmark(), size="large", link=None)

if visitor.VIEW_AS not in st.session_state:
    st.session_state[visitor.VIEW_AS] = (
        Role.VIEWER if st.query_params.get("as") == Role.VIEWER else Role.ADMIN
    )

# Rescan is hidden from viewers, not left out: its address leads to its own check of the role.
current = st.navigation(
    {
        "Inventory": [
            st.Page(page.OVERVIEW, title="Overview", default=True),
            st.Page(page.DATABASES, title="Databases"),
            st.Page(page.CHANGES, title="Changes"),
        ],
        "Operations": [
            st.Page(page.COVERAGE, title="Coverage"),
            st.Page(
                page.RESCAN,
                title="Rescan",
                visibility="visible" if visitor.is_admin() else "hidden",
            ),
        ],
    }
)

with st.sidebar:
    if visitor.is_signed_in():
        st.caption(f"Role: {visitor.signed_in_role() or 'none'}")
        st.button("Sign out", on_click=visitor.sign_out)
    elif visitor.rules().sandbox:
        st.segmented_control(
            "View as", [Role.ADMIN, Role.VIEWER], key=visitor.VIEW_AS, required=True
        )
        st.caption("Sandbox: a local AWS with an invented estate.")

current.run()
