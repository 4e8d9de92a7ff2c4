"""The page frame: configuration, sign-in, role, navigation. `python -m discovery serve` runs it."""

from __future__ import annotations

import streamlit as st

from discovery.view.access import Role
from pages.parts import visit

st.set_page_config(
    page_title="Database Discovery",
    page_icon=visit.favicon(),
    layout="wide",
    initial_sidebar_state=220,
)
st.logo(visit.wordmark(), size="large", link=None)

if visit.VIEW_AS not in st.session_state:
    st.session_state[visit.VIEW_AS] = (
        Role.VIEWER if st.query_params.get("as") == Role.VIEWER else Role.ADMIN
    )

signed_in_as = visit.signed_in_role()
is_admin = visit.role() is Role.ADMIN

# Rescan is always a page of ours, so that its address leads to its own check of the role.
page = st.navigation(
    {
        "Explore": [
            st.Page(visit.OVERVIEW, title="Overview", default=True),
            st.Page(visit.DATABASES, title="Databases"),
            st.Page(visit.CHANGES, title="Changes"),
            st.Page(visit.COVERAGE, title="Coverage"),
        ],
        "Operate": [
            st.Page(visit.RESCAN, title="Rescan", visibility="visible" if is_admin else "hidden")
        ],
    }
)

with st.sidebar:
    if visit.rules().sign_in and st.user.is_logged_in:
        st.caption(f"Role: {signed_in_as or 'none'}")
        st.button("Sign out", on_click=st.logout)
    elif visit.rules().sandbox:
        st.segmented_control("View as", [Role.ADMIN, Role.VIEWER], key=visit.VIEW_AS, required=True)
        st.caption("Sandbox: a local AWS with an invented estate.")

page.run()
