"""The door in front of everything that is served: only requests for this server's own names pass.

A web page can give a host name of its own this server's address (DNS rebinding), and a page of
another server on this machine can open a connection here. Both are told by what a browser does not
let a page forge: the Host that it asked for, and the Origin that it asks from.

    Host      one of our names, with its port; exactly one
    Origin    where there is one: the same name and port as the Host, or another of our names
    health    a load balancer's check asks by any name

Our names are, on a loopback address, those of this machine for itself. On any other address they
are every IP address, for which no page can get a name, and this machine's host name. To these come
the names that DISCOVERY_HOST_NAMES adds. Programs other than browsers send no Origin; they could
write any.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from discovery.errors import ConfigurationError
from discovery.sanitize import shown
from discovery.web.process import LOOPBACK, is_loopback

_log = logging.getLogger(__name__)

_SCHEME_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(
    r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:(?P<port>[0-9]{1,5}))?"
)
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#@\s]{1,300})")
_LOOPBACK_NAMES = ("localhost", LOOPBACK, "[::1]")
_POLICY_VIOLATION = 1008
_MISDIRECTED = 421
"""RFC 9110: "the server is unable or unwilling to produce an authoritative response"."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A host name or bracketed address in small letters, and a port; None where none was named."""

    name: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Authority | None:
        """What `text` names; None for what is no authority, also one with user information."""
        found = _AUTHORITY.fullmatch(text.strip().lower())
        if found is None:
            return None
        port = int(found["port"]) if found["port"] else None
        if port is not None and not 0 < port < 65536:
            return None
        return cls(found["name"].rstrip("."), port)

    def with_port(self, usual: int) -> Authority:
        """The same with the port that is meant when none is named."""
        return self if self.port else Authority(self.name, usual)

    @property
    def is_address(self) -> bool:
        """Whether the name is an IP address."""
        try:
            ipaddress.ip_address(self.name.strip("[]"))
        except ValueError:
            return False
        return True


class OwnNames:
    """The names and ports by which a server at `address` and `port` is asked for.

    `added` are more of them: `name`, on the usual ports and our own, or `name:port`. Raises
    ConfigurationError for one that is neither.
    """

    def __init__(self, address: str, port: int, added: Iterable[str] = ()) -> None:
        self._port = port
        self._any_address = not is_loopback(address)
        names = {*_LOOPBACK_NAMES, _bracketed(address.lower())}
        if self._any_address:
            names.add(socket.gethostname().lower())
        self._known = {(name, port) for name in names}
        for text in added:
            self.add(text)

    def add(self, text: str) -> None:
        """One more: see the class."""
        authority = Authority.parse(text)
        if authority is None:
            raise ConfigurationError(
                f"DISCOVERY_HOST_NAMES={shown(text)} is not a host name",
                hint="Write name or name:port, separated by commas.",
            )
        ports = [authority.port] if authority.port else [self._port, *_SCHEME_PORTS.values()]
        self._known |= {(authority.name, each) for each in ports}

    def has(self, asked: Authority) -> bool:
        """Whether `asked`, whose port is named, is one of ours."""
        if self._any_address and asked.port == self._port and asked.is_address:
            return True
        return (asked.name, asked.port) in self._known

    def refusal(self, hosts: Collection[str], origins: Collection[str], scheme: str) -> str | None:
        """Why a request with these headers is not answered; None when it is.

        `scheme` is that of the request: http or https.
        """
        if len(hosts) != 1 or len(origins) > 1:
            return "A request names exactly one Host and at most one Origin."
        host = Authority.parse(next(iter(hosts)))
        if host is None:
            return "The Host header is no host name."
        if not origins:
            return self._refused_host(host, _SCHEME_PORTS[scheme])
        origin = _ORIGIN.fullmatch(next(iter(origins)).lower())
        asking = Authority.parse(origin["authority"]) if origin else None
        if origin is None or asking is None:
            return "This page is not read from other sites: its Origin is none of ours."
        # A proxy that ends TLS passes the Host without a port: the Origin knows which is meant.
        usual = _SCHEME_PORTS[origin["scheme"]]
        if refused := self._refused_host(host, usual):
            return refused
        asking = asking.with_port(usual)
        if asking == host.with_port(usual) or (asking.name, asking.port) in self._known:
            return None  # not any address: a page may well be at one
        return f"This page is not read from other sites: {_name(asking)} is none of ours."

    def _refused_host(self, host: Authority, usual_port: int) -> str | None:
        asked = host.with_port(usual_port)
        if self.has(asked):
            return None
        return (
            f"This server does not answer as {_name(asked)}. If that is its name, add it to "
            "DISCOVERY_HOST_NAMES."
        )


class OwnNamesOnly:
    """ASGI middleware around `app`: see the module. `any_host` are paths that answer any Host."""

    def __init__(self, app: ASGIApp, names: OwnNames, any_host: Collection[str] = ()) -> None:
        self._app = app
        self._names = names
        self._any_host = frozenset(any_host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or one connection."""
        if scope["type"] not in ("http", "websocket") or (
            scope["type"] == "http" and scope["path"] in self._any_host
        ):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scheme = "https" if scope.get("scheme") in ("https", "wss") else "http"
        refused = self._names.refusal(headers.getlist("host"), headers.getlist("origin"), scheme)
        if refused is None:
            await self._app(scope, receive, send)
            return
        _log.warning("refused %s: %s", shown(scope["path"]), refused)
        if scope["type"] == "websocket":
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        answer = PlainTextResponse(refused + "\n", _MISDIRECTED, {"Cache-Control": "no-store"})
        await answer(scope, receive, send)


def _name(authority: Authority) -> str:
    return f"{authority.name}:{authority.port}"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
