"""Errors on a page: what went wrong, and what can be done about it."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from discovery.errors import DiscoveryError
from discovery.view import formatting as fmt


def show_error(error: DiscoveryError) -> None:
    """Show an error and its hint. The text may come from AWS or a host."""
    hint = f"  \n{fmt.markdown_safe(error.hint)}" if error.hint else ""
    st.error(f"{fmt.markdown_safe(str(error))}{hint}")


def stop_with(error: DiscoveryError) -> NoReturn:
    """Show an error, and stop the page."""
    show_error(error)
    st.stop()
