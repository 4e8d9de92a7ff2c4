"""Who may do what: sign-in claims -> role. The pages hand in what Streamlit knows.

With sign-in configured (`[auth]` in secrets.toml, see `st.login`), roles come from a claim:

    [roles]
    claim = "groups"                      # default
    admin = ["database-discovery-admins"] # values of the claim that make an admin
    viewer = ["architects"]               # optional; without it everyone who signs in is a viewer

Without sign-in everyone is a viewer, and an admin only in the sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from discovery.errors import ConfigurationError
from discovery.sanitize import printable

_NAME_LENGTH = 80


class Role(StrEnum):
    """A viewer reads; an admin also starts and cancels runs."""

    VIEWER = "viewer"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may."""
        return self is Role.ADMIN or needed is Role.VIEWER


@dataclass(frozen=True, slots=True)
class AccessRules:
    """`viewers` is None when everyone who signs in may read."""

    sign_in: bool
    sandbox: bool
    claim: str = "groups"
    admins: frozenset[str] = frozenset()
    viewers: frozenset[str] | None = None


def access_rules(secrets: Mapping[str, object], *, sandbox: bool, sign_in: bool) -> AccessRules:
    """The rules that `secrets` (the content of the secrets files) and the sandbox setting make,
    where visitors sign in or do not.

    Raises ConfigurationError naming the entry that is not what it should be, not its value.
    """
    roles = secrets.get("roles", {})
    if not isinstance(roles, Mapping):
        raise ConfigurationError("roles in secrets.toml is not a section")
    claim = roles.get("claim", "groups")
    if not isinstance(claim, str) or not claim:
        raise ConfigurationError("roles.claim in secrets.toml is not a claim's name")
    viewers = _names(roles, "viewer") if "viewer" in roles else None
    return AccessRules(sign_in, sandbox, claim, _names(roles, "admin"), viewers)


def _names(roles: Mapping[str, object], key: str) -> frozenset[str]:
    values = roles.get(key, [])
    if not isinstance(values, list | tuple) or not all(isinstance(name, str) for name in values):
        raise ConfigurationError(
            f"roles.{key} in secrets.toml is not a list of texts",
            hint=f'Write it as {key} = ["name of a group"].',
        )
    return frozenset(values)


def role_of(rules: AccessRules, claims: Mapping[str, object] | None, now: datetime) -> Role | None:
    """The role of the visitor whose identity token holds `claims`; None means no entry.

    `claims` is None for a visitor who has not signed in. A token past its `exp` counts as not
    signed in: Streamlit keeps its cookie for 30 days and leaves this check to the application
    (https://docs.streamlit.io/develop/api-reference/user/st.user).
    """
    if not rules.sign_in:
        return Role.ADMIN if rules.sandbox else Role.VIEWER
    if claims is None or expired(claims, now):
        return None
    values = _held(rules, claims)
    if values & rules.admins:
        return Role.ADMIN
    if rules.viewers is None or values & rules.viewers:
        return Role.VIEWER
    return None


def role_values(rules: AccessRules, claims: Mapping[str, object]) -> list[str]:
    """The values of the claim that [roles] names: the only ones that a role depends on."""
    return sorted(_held(rules, claims) & (rules.admins | (rules.viewers or frozenset())))


def _held(rules: AccessRules, claims: Mapping[str, object]) -> frozenset[str]:
    held = claims.get(rules.claim)
    values = held if isinstance(held, list) else [held]
    return frozenset(value for value in values if isinstance(value, str))


def who(claims: Mapping[str, object] | None) -> str:
    """How a visitor is called, on a page and in the audit."""
    for name in ("email", "preferred_username", "name", "sub"):
        value = (claims or {}).get(name)
        if isinstance(value, str) and value.strip():
            return printable(value, _NAME_LENGTH)
    return "anonymous" if claims is None else "a user without a name"


def missing_role(rules: AccessRules, claims: Mapping[str, object]) -> str:
    """Why a visitor who has signed in has no role: which claim would give one."""
    name = rules.claim
    if name in claims:
        lacks = f"the claim {name!r} of the identity token holds none of the values in [roles]"
    else:
        lacks = f"the identity token has no claim {name!r}"
    elsewhere = claims.get("_claim_names")
    if claims.get("hasgroups") or (isinstance(elsewhere, Mapping) and name in elsewhere):
        lacks += (
            ". The provider leaves it out for members of very many groups: let it send only those "
            "that are assigned to this application"
        )
    return f"You are signed in as {who(claims)} and have no role here: {lacks}."


def expired(claims: Mapping[str, object], now: datetime) -> bool:
    """Whether the identity token does not hold any more; so it is when its `exp` is no time."""
    if "exp" not in claims:
        return False
    expires = claims["exp"]
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        return True
    return not expires > now.timestamp()  # so that NaN has expired too


def seen_as(role: Role | None, wanted: str | None) -> Role | None:
    """`role`, or a lower one that the visitor asked to see the pages as. Never a higher one."""
    if role is Role.ADMIN and wanted == Role.VIEWER:
        return Role.VIEWER
    return role
