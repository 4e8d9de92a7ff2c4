"""Where sign-in returns to: the page and filter that were asked for, and nothing beyond this site.

The browser names the page in the Referer of its request for sign-in. A short-lived cookie carries
it to the answer that ends the sign-in. Both come from outside: only a path of this site is taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import quote, unquote, urlsplit

COOKIE = "discovery_return"
_SECONDS = 600
_MAX_LENGTH = 2000
_PRINTABLE = re.compile(r"[!-~]+")
_NOT_PAGES = ("/auth/", "/oauth2callback", "/api", "/_stcore", "/static/", "/media/")


def asked_for(referer: str, hosts: Collection[str]) -> str | None:
    """The path and query that `referer` names, when it is a page of one of `hosts`."""
    try:
        address = urlsplit(referer)
    except ValueError:
        return None
    if address.scheme not in ("http", "https") or address.netloc not in hosts:
        return None
    whole = f"{address.path}?{address.query}" if address.query else address.path
    return next(filter(is_local, (whole, address.path)), None)


def is_local(path: str) -> bool:
    """Whether a browser that is sent to `path` stays on this site, and on a page of it.

    `//host` is another site's address, and browsers read a backslash as a slash.
    """
    return (
        len(path) <= _MAX_LENGTH
        and _PRINTABLE.fullmatch(path) is not None
        and path.startswith("/")
        and not path.startswith("//")
        and "\\" not in path
        and not path.startswith(_NOT_PAGES)
    )


def cookie_for(path: str) -> str:
    """The Set-Cookie that remembers `path` until sign-in is done."""
    return f"{COOKIE}={quote(path, safe='')}; Max-Age={_SECONDS}; Path=/; HttpOnly; SameSite=lax"


def remembered(value: str | None) -> str | None:
    """The path that the cookie's `value` holds, if it is one."""
    path = unquote(value or "")
    return path if is_local(path) else None
