"""The web server: Streamlit's pages and, at `/api`, the REST routes, in one process on one port.

`python -m streamlit run dashboard.py` serves the pages too, but without `/api`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from starlette.middleware import Middleware
from streamlit.runtime.pages_manager import PagesManager
from streamlit.starlette import App

from discovery.artefacts import ROOT
from discovery.settings import load_settings
from discovery.view import sign_in
from discovery.view.page_policy import PagePolicy
from discovery.view.sign_in_gate import SignInGate
from discovery.view.snapshot import stored_inventory
from discovery.view.streamlit_options import set_options
from discovery.web import process
from discovery.web.api_door import api_door
from discovery.web.own_names import OwnNames, OwnNamesOnly
from discovery.web.process import LOOPBACK, ReadyCheck
from discovery.web.server import ERROR_HANDLERS, HEALTH, Connect, routes

DASHBOARD = ROOT / "dashboard.py"

_READY = ReadyCheck("GET", HEALTH)


def create_app(
    *,
    address: str = LOOPBACK,
    port: int = 8501,
    inventory: Connect = stored_inventory,
    open_api: bool = False,
    reload: bool = False,
) -> App:
    """The ASGI application. `inventory` gives what `/api` reads; by default, the pages' snapshot.
    `open_api` as in `api_door`.

    With `reload`, a page that is open runs again when a file of its own is saved.

    Streamlit keeps its configuration per process: one application a process. Raises
    ConfigurationError when sign-in is broken, or is demanded and not configured.
    """
    # Streamlit runs dashboard.py by its path; what that imports lies beside it.
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    door = api_door(address, open_api=open_api)
    names = OwnNames(address, port, load_settings().host_names)
    app = App(
        DASHBOARD,
        routes=routes(inventory, door),
        middleware=[
            Middleware(OwnNamesOnly, names, any_host=[HEALTH]),
            Middleware(PagePolicy),
            Middleware(SignInGate),
        ],
        exception_handlers=dict(ERROR_HANDLERS),
    )
    set_options(address, port, reload=reload)
    sign_in.take_over()
    if public := sign_in.public_host():
        names.add(public)
    # Until the first st.navigation call Streamlit takes any folder named pages/ for pages of its
    # own, and tells a fresh server's first visitor of /databases that there is no such page.
    PagesManager.uses_pages_directory = False
    return app


def serve(
    port: int,
    *,
    address: str = LOOPBACK,
    open_api: bool = False,
    on_ready: Callable[[str], None] | None = None,
    reload: bool = False,
) -> None:
    """Serve pages and routes, as `process.run` does; `open_api` and `reload` as in `create_app`."""
    process.run(
        lambda listening_port: create_app(
            address=address, port=listening_port, open_api=open_api, reload=reload
        ),
        port,
        address=address,
        ready=_READY,
        on_ready=on_ready,
    )
