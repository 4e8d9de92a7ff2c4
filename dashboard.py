"""The page frame: configuration, sign-in, role, navigation. `python -m discovery serve` runs it."""

from __future__ import annotations

import streamlit as st

from discovery.view.access import Role
from pages.components import page

st.set_page_config(
    page_title="Database Discovery",
    page_icon=page.favicon(),
    layout="wide",
    initial_sidebar_state=220,
)
st.logo(page.wordmark(), size="large", link=None)

if page.VIEW_AS not in st.session_state:
    st.session_state[page.VIEW_AS] = (
        Role.VIEWER if st.query_params.get("as") == Role.VIEWER else Role.ADMIN
    )

signed_in_as = page.signed_in_role()
is_admin = page.role() is Role.ADMIN

# Rescan is always a page of ours, so that its address leads to its own check of the role.
current = st.navigation(
    {
        "Explore": [
            st.Page(page.OVERVIEW, title="Overview", default=True),
            st.Page(page.DATABASES, title="Databases"),
            st.Page(page.CHANGES, title="Changes"),
            st.Page(page.COVERAGE, title="Coverage"),
        ],
        "Operate": [
            st.Page(page.RESCAN, title="Rescan", visibility="visible" if is_admin else "hidden")
        ],
    }
)

with st.sidebar:
    if page.rules().sign_in and st.user.is_logged_in:
        st.caption(f"Role: {signed_in_as or 'none'}")
        st.button("Sign out", on_click=st.logout)
    elif page.rules().sandbox:
        st.segmented_control("View as", [Role.ADMIN, Role.VIEWER], key=page.VIEW_AS, required=True)
        st.caption("Sandbox: a local AWS with an invented estate.")

current.run()
