"""Whether the REST routes answer: they do not ask who calls, so they are closed where that matters.

Open without a word only on this machine, and only while the pages ask for no sign-in. Anywhere
else they are opened on purpose, with `serve --open-api`, behind a guard of one's own.
"""

from __future__ import annotations

from collections.abc import Callable

from discovery.settings import load_settings
from discovery.web.process import is_loopback
from discovery.web.sign_in import MEMORY

Door = Callable[[], str | None]
"""Why the routes are closed at this moment; None while they are open."""

_HOW = "Start the server with --open-api to answer everyone who reaches it."


def api_door(address: str, *, open_api: bool = False) -> Door:
    """The door of a server at `address`; `open_api` is what its command said."""

    def why_closed() -> str | None:
        if open_api:
            return None
        if not is_loopback(address):
            return f"The routes do not ask who calls, and others reach this server. {_HOW}"
        required = load_settings().require_sign_in
        sign_in = MEMORY.look(required=required, address=address)
        if sign_in.closed_to_strangers:
            return f"The routes do not ask who calls, and the pages ask for sign-in. {_HOW}"
        return None

    return why_closed
