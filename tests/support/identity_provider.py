"""An OpenID Connect provider: a real server with real keys, whose users a test makes up.

    GET /.well-known/openid-configuration   discovery document
    GET /authorize                          signs in, without asking, whom the test named last
    POST /token                             code -> ID token, signed with RS256
    GET /jwks                               the public key

As OpenID Connect Core 1.0, sections 2 and 3.1, and OpenID Connect Discovery 1.0 have them.
"""

from __future__ import annotations

import base64
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

DASHBOARD = "http://127.0.0.1:{port}"
"""The dashboard's address in its secrets: Streamlit fills in the port."""
CLIENT_ID = "database-discovery"
CLIENT_SECRET = "the client's own secret"  # noqa: S105
COOKIE_SECRET = "a cookie secret of the tests, long enough"  # noqa: S105


class IdentityProvider:
    """One provider. `claims` is who signs in next; `lifetime` how many seconds the token holds."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lifetime = 3600
        self.claims: dict[str, Any] = {"sub": "alice", "email": "alice@example.com"}
        self._key = RSAKey.generate_key(2048, {"kid": "test"}, private=True)
        self._granted: dict[str, dict[str, Any]] = {}

    def user(self, name: str, *groups: str, lifetime: int = 3600, **claims: object) -> None:
        """From now on `name` signs in, a member of `groups`."""
        self.claims = {"sub": name, "email": f"{name}@example.com", "groups": list(groups)} | claims
        self.lifetime = lifetime

    def app(self) -> Starlette:
        """The routes of the table above."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/jwks", self._jwks),
            ]
        )

    def secrets(self, dashboard: str, more: str = "") -> str:
        """A secrets.toml for the `dashboard` at that address; `more` is put after [auth]."""
        return (
            "[auth]\n"
            f'redirect_uri = "{dashboard}/oauth2callback"\n'
            f'cookie_secret = "{COOKIE_SECRET}"\n'
            f'client_id = "{CLIENT_ID}"\n'
            f'client_secret = "{CLIENT_SECRET}"\n'
            f'server_metadata_url = "{self.url}/.well-known/openid-configuration"\n'
            f"{more}"
        )

    async def _discovery(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        if asked["client_id"] != CLIENT_ID or asked["response_type"] != "code":
            return Response("unknown client", status_code=400)
        code = secrets.token_urlsafe(16)
        now = int(time.time())
        self._granted[code] = self.claims | {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + self.lifetime,
            "nonce": asked["nonce"],
        }
        answer = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{answer}", status_code=302)

    async def _token(self, request: Request) -> Response:
        proof = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        form = await request.form()
        claims = self._granted.pop(str(form["code"]), None)
        if not proof.startswith(f"{CLIENT_ID}:") or claims is None:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        token = jwt.encode({"alg": "RS256", "kid": "test"}, claims, self._key)
        return JSONResponse(
            {
                "access_token": secrets.token_urlsafe(32),
                "token_type": "Bearer",
                "expires_in": self.lifetime,
                "id_token": token,
            }
        )

    async def _jwks(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """A provider on a free port of this machine, until the end of the body."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        provider = IdentityProvider(f"http://127.0.0.1:{listener.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(provider.app(), log_level="warning"))
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="identity provider", daemon=True
        )
        thread.start()
        try:
            yield provider
        finally:
            server.should_exit = True
            thread.join(20)
