"""How Streamlit is set up under `serve`, whatever its environment and other files say."""

from __future__ import annotations

from typing import Any

import streamlit.config

_CLOSED: dict[str, Any] = {
    # The agent API answers over plain HTTP as whoever the trusted headers name.
    "server.enableAgentApi": False,
    "server.trustedUserHeaders": {},
    # Host and Origin are decided in front of Streamlit; its own checks stay on behind that.
    "server.enableCORS": True,
    "server.enableXsrfProtection": True,
    "server.corsAllowedOrigins": [],
    "server.xsrfCookieSameSite": "lax",
    "server.allowedHosts": [],
    # No other site frames the pages and gives them orders.
    "client.allowedOrigins": [],
    # Nothing is served but what the pages need.
    "server.enableStaticServing": False,
    "server.scriptHealthCheckEnabled": False,
    "server.customComponentBaseUrlPath": "",
    "server.baseUrlPath": "",
    # What is measured names no visitor: whoever asks for it is not signed in.
    "server.unsafeMetricsUserAttributes": [],
    "server.enableExpensiveMemoryStats": False,
    # The pages take no files, no orders to run again on save, and offer their own downloads.
    "server.maxUploadSize": 1,
    "server.allowRunOnSave": False,
    "client.disableDataExport": True,
    "client.toolbarMode": "minimal",
    # Modes for Streamlit's own development and tests.
    "global.developmentMode": False,
    "global.unitTest": False,
    "global.e2eTest": False,
    "global.appTest": False,
    # Tracebacks stay in the log.
    "client.showErrorDetails": "none",
    "browser.gatherUsageStats": False,
    "server.headless": True,
}


def set_options(address: str, port: int, *, reload: bool) -> None:
    """Set Streamlit up for a server at `address` and `port`; `reload` as in `create_app`.

    Call once the application is made: Streamlit then knows where dashboard.py is, and finds our
    config.toml from any working directory. These options win over it.
    """
    streamlit.config.get_config_options(
        force_reparse=True,
        options_from_flags={
            **_CLOSED,
            "server.address": address,
            "server.port": port,
            "server.fileWatcherType": "auto" if reload else "none",
            "server.runOnSave": reload,
        },
    )
