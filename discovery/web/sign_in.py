"""Whether this server asks for sign-in, as the secrets files say; once it did, it never stops.

    state        when                                           pages and routes
    NONE         no secrets file, and no setting demands one    anonymous, read-only
    CONFIGURED   an [auth] section that is whole                open to who signs in
    BROKEN       anything else                                  closed; `error` says what to mend

What a process has seen it remembers. From [auth], or a file that could not be read, there is no way
back to NONE but a restart: a file that is deleted, cut short or swapped while the process runs
closes the pages, and a whole one opens them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import Lock

from discovery.errors import ConfigurationError
from discovery.web.process import is_loopback
from discovery.web.secrets_files import (
    Secrets,
    broken,
    default_files,
    present,
    read_secrets,
)

_PROVIDER = ("client_id", "client_secret", "server_metadata_url")
_SHARED = ("redirect_uri", "cookie_secret")
_COOKIE_SECRET_LENGTH = 16
"""Fewer characters can be guessed, and who knows them writes himself any claims."""


class SignInState(StrEnum):
    """See the module's table."""

    NONE = "none"
    CONFIGURED = "configured"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class SignIn:
    """What holds now. `secrets` is empty but in CONFIGURED, `error` None but in BROKEN."""

    state: SignInState
    secrets: Mapping[str, object] = field(default_factory=dict, repr=False)
    error: ConfigurationError | None = None

    @property
    def closed_to_strangers(self) -> bool:
        """Whether nobody may read without having proved who he is."""
        return self.state is not SignInState.NONE


class SignInMemory:
    """What one process has seen of its secrets files. Safe in threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._demanded = False
        self._viewers_named = False
        self._found: set[Path] = set()
        self.files: tuple[Path, ...] | None = None
        """The secrets files; None for those of `default_files`."""

    def look(self, *, required: bool | None, address: str | None) -> SignIn:
        """Read the files afresh and say what holds.

        `required` is DISCOVERY_REQUIRE_SIGN_IN. Unset, sign-in is demanded of a server whose
        `address` others reach than this machine; None is every address.
        """
        files = self.files or default_files()
        with self._lock:
            try:
                return self._look(files, required, address)
            except ConfigurationError as error:
                self._demanded = True
                return SignIn(SignInState.BROKEN, error=error)

    def _look(self, files: Sequence[Path], required: bool | None, address: str | None) -> SignIn:
        self._found.update(present(files))
        secrets = read_secrets(files)
        if "auth" in secrets.values:
            self._demanded = True
        if not self._demanded:
            return self._without(required, address)
        if gone := sorted(self._found.difference(secrets.found)):
            raise broken(gone[0], "was there when this process read it, and is not there now")
        if "auth" not in secrets.values:
            raise broken(_last(secrets, files), "has no [auth] section, and had one or was broken")
        _check_auth(secrets.values["auth"], _last(secrets, files))
        self._remember_viewers(secrets, files)
        return SignIn(SignInState.CONFIGURED, secrets.values)

    def _without(self, required: bool | None, address: str | None) -> SignIn:
        """No [auth], now or before: whether that may be."""
        if required is False:
            return SignIn(SignInState.NONE)
        if self._found:
            raise ConfigurationError(
                f"{max(self._found)} has no [auth] section",
                hint="Configure sign-in there, or say DISCOVERY_REQUIRE_SIGN_IN=false.",
            )
        if required:
            raise ConfigurationError(
                "DISCOVERY_REQUIRE_SIGN_IN demands sign-in, and no secrets file has an [auth] "
                "section",
                hint="Configure sign-in in .streamlit/secrets.toml.",
            )
        if address is None or not is_loopback(address):
            raise ConfigurationError(
                "others than this machine reach this server, and it has no sign-in: no secrets "
                "file has an [auth] section",
                hint="Configure sign-in in .streamlit/secrets.toml, or say "
                "DISCOVERY_REQUIRE_SIGN_IN=false to let everyone read.",
            )
        return SignIn(SignInState.NONE)

    def _remember_viewers(self, secrets: Secrets, files: Sequence[Path]) -> None:
        """Without `viewer`, everyone who signs in may read: a file cut short must not say so."""
        roles = secrets.values.get("roles")
        named = isinstance(roles, Mapping) and "viewer" in roles
        if self._viewers_named and not named:
            raise broken(
                _last(secrets, files),
                "named the viewers in [roles] and no longer does; restart if all may read now",
            )
        self._viewers_named = named


def _check_auth(auth: object, path: Path) -> None:
    """Raises ConfigurationError unless Streamlit can sign visitors in with `auth`."""
    if not isinstance(auth, Mapping):
        raise broken(path, "has an auth that is not a section")
    provider = auth.get("default", auth)  # the one that `st.login()` takes
    if not isinstance(provider, Mapping):
        raise broken(path, "has an auth.default that is not a section")
    for section, keys in ((auth, _SHARED), (provider, _PROVIDER)):
        for key in keys:
            value = section.get(key)
            if not isinstance(value, str) or not value.strip():
                raise broken(path, f"has no text for {key} in [auth]")
    if len(auth["cookie_secret"]) < _COOKIE_SECRET_LENGTH:
        raise broken(
            path, f"has a cookie_secret in [auth] of fewer than {_COOKIE_SECRET_LENGTH} characters"
        )
    if not auth["redirect_uri"].endswith("/oauth2callback"):
        raise broken(path, "has a redirect_uri in [auth] that does not end with /oauth2callback")


def _last(secrets: Secrets, files: Sequence[Path]) -> Path:
    return next(reversed(secrets.found), None) or files[-1]


MEMORY = SignInMemory()
"""This process's: no session and no page has another one."""
