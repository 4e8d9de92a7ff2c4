"""The web server: Streamlit's pages and, at `/api`, the REST routes, in one process on one port.

`python -m streamlit run dashboard.py` serves the pages too, but without `/api`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import streamlit.config
from starlette.middleware import Middleware
from streamlit.runtime.pages_manager import PagesManager
from streamlit.starlette import App

from discovery.artefacts import ROOT
from discovery.view import sign_in
from discovery.view.sign_in_gate import SignInGate
from discovery.web import process
from discovery.web.process import LOOPBACK, ReadyCheck
from discovery.web.server import ERROR_HANDLERS, Connect, routes

DASHBOARD = ROOT / "dashboard.py"

_READY = ReadyCheck("GET", "/_stcore/health")


def create_app(
    *,
    address: str = LOOPBACK,
    port: int = 8501,
    inventory: Connect | None = None,
    reload: bool = False,
) -> App:
    """The ASGI application. `inventory` gives what `/api` reads; by default, the results table.

    With `reload`, a page that is open runs again when a file of its own is saved.

    Streamlit keeps its configuration per process: one application a process. Raises
    ConfigurationError when sign-in is broken, or is demanded and not configured.
    """
    # Streamlit runs dashboard.py by its path; what that imports lies beside it.
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    app = App(
        DASHBOARD,
        routes=routes(address, inventory),
        middleware=[Middleware(SignInGate)],
        exception_handlers=dict(ERROR_HANDLERS),
    )
    # App has told Streamlit where dashboard.py is: only now is our config.toml found from any
    # working directory. These options win over any other config.toml.
    streamlit.config.get_config_options(
        force_reparse=True,
        options_from_flags={
            "server.address": address,
            "server.port": port,
            "server.headless": True,
            "browser.gatherUsageStats": False,
            **({"server.fileWatcherType": "auto", "server.runOnSave": True} if reload else {}),
        },
    )
    sign_in.take_over()
    # Until the first st.navigation call Streamlit takes any folder named pages/ for pages of its
    # own, and tells a fresh server's first visitor of /databases that there is no such page.
    PagesManager.uses_pages_directory = False
    return app


def serve(
    port: int,
    *,
    address: str = LOOPBACK,
    on_ready: Callable[[str], None] | None = None,
    reload: bool = False,
) -> None:
    """Serve pages and routes, as `process.run` does; `reload` as in `create_app`."""
    process.run(
        lambda listening_port: create_app(address=address, port=listening_port, reload=reload),
        port,
        address=address,
        ready=_READY,
        on_ready=on_ready,
    )
