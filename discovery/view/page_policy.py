"""The Content-Security-Policy that the pages run under."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class PagePolicy:
    """ASGI middleware around `app`: every answer says what its page may load and run."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._policy = content_security_policy()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = self._policy
            await send(message)

        await self._app(scope, receive, with_policy)


@cache
def content_security_policy() -> str:
    """Scripts are the server's own files, Streamlit's one inline script by its hash, and what
    Streamlit loads from blobs: components. It sets styles inline throughout. Nothing is evaluated,
    and nothing comes from elsewhere."""
    index = (Path(streamlit.__file__).parent / "static/index.html").read_text(encoding="utf-8")
    hashes = [_hash(script) for script in _INLINE_SCRIPT.findall(index)]
    directives = {
        "default-src": ["'self'"],
        "script-src": ["'self'", *hashes, "blob:"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "worker-src": ["'self'", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'self'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
