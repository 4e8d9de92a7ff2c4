"""Sign-in as the pages need it: the rules of the moment, and Streamlit's [auth] in step with them.

Under `serve` the product alone reads the secrets files, and hands Streamlit a whole [auth] or none:
Streamlit's own reader falls back to "no secrets", stops watching after its first broken file, and
waits for ever for a pipe. `streamlit run` reads them itself too; the rules are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

import streamlit.config
from streamlit.runtime.secrets import secrets_singleton

from discovery.errors import ConfigurationError
from discovery.settings import load_settings
from discovery.view.access import AccessRules, access_rules
from discovery.web.sign_in import MEMORY, SignIn, SignInState

_FILES = "secrets.files"


class _Handed:
    """What this process has given to Streamlit, and whether it reads the files in its place."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.alone = False
        self.auth: object = None


_handed = _Handed()


def take_over() -> None:
    """From now on this process reads the secrets files, and Streamlit does not.

    Call once Streamlit's configuration is complete. Raises ConfigurationError when sign-in is
    broken, or is demanded and not configured.
    """
    MEMORY.files = _configured_files()
    streamlit.config.set_option(_FILES, [])
    _handed.alone = True
    current_rules()


def current_rules() -> AccessRules:
    """The rules at this moment.

    Raises ConfigurationError while sign-in is broken, or demanded and not configured: then nobody
    may see anything.
    """
    settings = load_settings()
    address = streamlit.config.get_option("server.address")
    if not _handed.alone:
        MEMORY.files = _configured_files()
    sign_in = MEMORY.look(required=settings.require_sign_in, address=address)
    if sign_in.error is not None:
        raise sign_in.error
    rules = access_rules(
        sign_in.secrets,
        sandbox=settings.sandbox,
        sign_in=sign_in.state is not SignInState.NONE,
    )
    if _handed.alone:
        _hand_over(sign_in)
    return rules


def public_host() -> str:
    """The host and port at which the identity provider sends visitors back; empty when unknown."""
    with _handed.lock:
        auth = _handed.auth
    address = auth.get("redirect_uri", "") if isinstance(auth, Mapping) else ""
    port = str(streamlit.config.get_option("server.port"))
    return urlsplit(str(address).replace("{port}", port)).netloc


def _hand_over(sign_in: SignIn) -> None:
    """Give Streamlit the [auth] of the moment."""
    auth = sign_in.secrets.get("auth")
    with _handed.lock:
        if not isinstance(auth, Mapping) or auth == _handed.auth:
            return
        try:
            secrets_singleton.merge_programmatic_secrets({"auth": dict(auth)})
        except TypeError:
            raise ConfigurationError(
                "[auth] in secrets.toml holds a value that Streamlit does not take, such as a date"
            ) from None
        _handed.auth = auth


def _configured_files() -> tuple[Path, ...]:
    """Where Streamlit looks for secrets; what a later file says wins."""
    return tuple(Path(name) for name in streamlit.config.get_option(_FILES))
