"""Sign-ins that were ended by signing out: a copy of their cookie opens nothing in this process.

A cookie is signed and holds by itself until its token expires; what ended earlier has to be
remembered. After a restart the token's expiry ends it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from threading import Lock

_IDENTITY = ("iss", "sub", "iat", "exp", "nonce")
_COOKIE_SECONDS = 31 * 24 * 3600
"""Streamlit takes a cookie for 30 days, and one more."""


class SignedOut:
    """The sign-ins that have ended, each until its cookie would not be taken anyway. Safe in
    threads; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = Lock()
        self._until: dict[str, float] = {}

    def add(self, claims: Mapping[str, object]) -> None:
        """From now on the sign-in that gave `claims` is none. The user's others hold."""
        now = self._clock()
        with self._lock:
            self._until = {key: until for key, until in self._until.items() if until > now}
            self._until[_key(claims)] = now + _COOKIE_SECONDS

    def __contains__(self, claims: Mapping[str, object]) -> bool:
        with self._lock:
            return _key(claims) in self._until


def _key(claims: Mapping[str, object]) -> str:
    """Its own nonce and times tell one sign-in from the next of the same user."""
    identity = json.dumps([claims.get(name) for name in _IDENTITY], default=str)
    return hashlib.sha256(identity.encode()).hexdigest()


SIGNED_OUT = SignedOut()
"""This process's."""
