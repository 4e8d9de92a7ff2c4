"""Streamlit's sign-in cookie: read, and made small.

Streamlit keeps every claim of the identity token, and the tokens too, in cookies that the browser
sends with each request. A user of a hundred groups would send more than servers read. Roles need a
few claims, and of the groups only those that [roles] names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http.cookies import CookieError, SimpleCookie

from streamlit.auth_util import get_cookie_with_chunks, set_cookie_with_chunks
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import (
    create_signed_value,
    decode_signed_value,
)
from streamlit.web.server.starlette.starlette_server_config import (
    TOKENS_COOKIE_NAME,
    USER_COOKIE_NAME,
)

from discovery.view.access import AccessRules, role_values

_OURS = re.compile(rf"({USER_COOKIE_NAME}|{TOKENS_COOKIE_NAME})(_\d+)?")
_KEPT = (
    *("iss", "sub", "aud", "exp", "iat", "nonce"),
    *("email", "preferred_username", "name"),
    *("_claim_names", "hasgroups"),  # Entra ID's words for "more groups than the token holds"
    *("origin", "is_logged_in", "provider"),  # Streamlit's own
)
_LONG = 300
"""Characters beyond which a claim that is only shown is left out."""
_MUST = ("iss", "sub", "exp", "iat", "nonce", "origin", "is_logged_in", "provider")


def claims_in(cookies: Mapping[str, str]) -> dict[str, object] | None:
    """The claims of the sign-in cookie among `cookies`; None when there is none that we signed."""
    secret = get_cookie_secret()

    def one(name: str) -> bytes | None:
        value = cookies.get(name)
        if value is None:
            return None
        return decode_signed_value(secret, name, value.encode("latin-1", "replace"))

    content = get_cookie_with_chunks(one, USER_COOKIE_NAME)
    try:
        claims = json.loads(content) if content else None
    except ValueError:
        return None
    return claims if isinstance(claims, dict) and claims.get("is_logged_in") is True else None


def needed(claims: Mapping[str, object], rules: AccessRules) -> dict[str, object]:
    """What the pages need of `claims`: who it is, until when, and the values that give a role."""
    kept = {
        name: value
        for name, value in claims.items()
        if name in _KEPT and (name in _MUST or len(json.dumps(value)) <= _LONG)
    }
    if rules.claim in claims and rules.claim not in _MUST:
        kept[rules.claim] = role_values(rules, claims)
    return kept


def smaller(
    set_cookies: Sequence[str], sent: Mapping[str, str], rules: AccessRules
) -> list[str] | None:
    """`set_cookies` of an answer that signs a user in, with the sign-in made small; None when they
    sign nobody in. `sent` are the cookies that the browser has: what is left of an earlier sign-in
    is deleted."""
    ours: dict[str, str] = {}
    others: list[str] = []
    attributes = ""
    for header in set_cookies:
        name, value = _name_and_value(header)
        if _OURS.fullmatch(name) is None:
            others.append(header)
        elif value:
            ours[name] = value
            attributes = header.partition(";")[2]
    claims = claims_in(ours)
    if claims is None:
        return None
    made = _signed(needed(claims, rules), attributes)
    if TOKENS_COOKIE_NAME in ours and f"{TOKENS_COOKIE_NAME}_1" not in ours:
        # One cookie: the provider's sign-out may ask for the token in it.
        made[TOKENS_COOKIE_NAME] = ours[TOKENS_COOKIE_NAME]
    stale = [name for name in sent if _OURS.fullmatch(name) and name not in made]
    return [
        *others,
        *(f"{name}={value};{attributes}" for name, value in made.items()),
        *map(deletion, stale),
    ]


def deletion(name: str) -> str:
    """The Set-Cookie that takes cookie `name` away."""
    return f'{name}=""; Max-Age=0; Path=/; SameSite=lax'


def sign_in_cookies(cookies: Mapping[str, str]) -> list[str]:
    """The names of those of `cookies` that hold a sign-in."""
    return [name for name in cookies if _OURS.fullmatch(name)]


def _signed(claims: dict[str, object], attributes: str) -> dict[str, str]:
    secret = get_cookie_secret()
    made: dict[str, str] = {}

    def keep(name: str, value: str) -> None:
        made[name] = create_signed_value(secret, name, value).decode()

    set_cookie_with_chunks(
        keep,
        lambda name, value: create_signed_value(secret, name, value),
        USER_COOKIE_NAME,
        claims,
        cookie_attr_size=len(attributes) + 1,
    )
    return made


def _name_and_value(header: str) -> tuple[str, str]:
    try:
        cookie = SimpleCookie(header)
    except CookieError:
        return "", ""
    return next(((name, morsel.value) for name, morsel in cookie.items()), ("", ""))
