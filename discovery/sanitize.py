"""Values as text that is fit to show: in a terminal, on a page, in a cell, in a message."""

from __future__ import annotations

import re

_TERMINAL_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]{0,500}(?:\x07|\x1b\\|\x9c)"  # OSC: title, link, clipboard
    r"|\x1b[ -/]*[0-~]"
)


def printable(text: str, limit: int | None = None) -> str:
    """`text` in one line without what can deceive or drive a reader's screen.

    Control characters, terminal escape sequences, bidirectional overrides, invisible, unassigned
    and unpaired characters go; any white space becomes a space. Cut with "…" beyond `limit`.
    """
    if not text.isprintable():
        text = _TERMINAL_ESCAPE.sub("", text)
        text = "".join(
            mark if mark.isprintable() else " " if mark.isspace() else "" for mark in text
        )
    text = text.strip()
    if limit is not None and len(text) > limit:
        return text[: limit - 1].rstrip() + "…"
    return text


def shown(value: object, limit: int = 60) -> str:
    """A short printable form of any value read from JSON, whatever its depth and size."""
    if isinstance(value, str):
        return repr(printable(value, limit))
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    return printable(str(value), limit)
