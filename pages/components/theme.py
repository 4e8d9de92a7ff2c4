"""The product's marks and colours, for this visitor's background. The theme is in config.toml."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from discovery.view.labels import State

_MARK = (
    '<rect y="5" width="20" height="4" rx="1"/><rect y="12" width="14" height="4" rx="1"/>'
    '<rect y="19" width="8" height="4" rx="1"/>'
)


def colours() -> Mapping[State, str]:
    """The state colours of words in tables.

    A good state has none: a column of green words hides the red one.
    """
    if _is_dark():
        return {"good": "", "warning": "#ecbd67", "bad": "#f09a9a", "neutral": ""}
    return {"good": "", "warning": "#8a5a00", "bad": "#ad2c2c", "neutral": ""}


def ink() -> str:
    """The colour of text, as in config.toml."""
    return "#e3e8ee" if _is_dark() else "#1b2430"


def favicon() -> str:
    """The product's mark as an image."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 0 28 28">'
        f'<g fill="#6a70d8">{_MARK}</g></svg>'
    )


def wordmark() -> str:
    """The product's name as an image."""
    accent = "#9298f2" if _is_dark() else "#4a4fc4"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="186" height="28" viewBox="0 0 186 28">'
        f'<g fill="{accent}">{_MARK}</g>'
        # The text has one length in whatever font the visitor has: a wider one would be cut off.
        '<text x="30" y="20" textLength="152" lengthAdjust="spacingAndGlyphs" '
        'font-family="Segoe UI, Helvetica, Arial, sans-serif" '
        f'font-size="16" font-weight="600" fill="{ink()}">Database Discovery</text>'
        "</svg>"
    )


def _is_dark() -> bool:
    return st.context.theme.type == "dark"
