"""Who may do what."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from discovery.errors import ConfigurationError
from discovery.view.access import AccessRules, Role, access_rules, role_of, seen_as

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SIGN_IN = AccessRules(sign_in=True, sandbox=False, claim="groups", admins=frozenset({"dba"}))


def test_without_sign_in_everyone_is_a_viewer() -> None:
    """A server with no sign-in configured lets nobody start a run."""
    assert role_of(AccessRules(sign_in=False, sandbox=False), None, NOW) is Role.VIEWER


def test_without_sign_in_the_sandbox_has_admins() -> None:
    """The demo can show the admin's page: nothing real is behind it."""
    assert role_of(AccessRules(sign_in=False, sandbox=True), None, NOW) is Role.ADMIN


def test_the_sandbox_does_not_lift_sign_in() -> None:
    """Once sign-in is configured, only its claims count, in the sandbox too."""
    assert role_of(AccessRules(sign_in=True, sandbox=True), None, NOW) is None


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        (None, None),
        ({}, Role.VIEWER),
        ({"groups": ["staff"]}, Role.VIEWER),
        ({"groups": ["staff", "dba"]}, Role.ADMIN),
        ({"groups": "dba"}, Role.ADMIN),
        ({"groups": "dbadmins"}, Role.VIEWER),
        ({"groups": [{"name": "dba"}, None, 7]}, Role.VIEWER),
        ({"roles": ["dba"]}, Role.VIEWER),
        ({"groups": ["dba"], "exp": NOW.timestamp() + 60}, Role.ADMIN),
        ({"groups": ["dba"], "exp": NOW.timestamp() - 60}, None),
        ({"groups": ["dba"], "exp": "tomorrow"}, None),
        ({"groups": ["dba"], "exp": True}, None),
        ({"groups": ["dba"], "exp": float("nan")}, None),
    ],
)
def test_roles_come_from_the_claim(claims: dict[str, object] | None, role: Role | None) -> None:
    """Whole values of the configured claim make an admin; an expired token makes nobody."""
    assert role_of(SIGN_IN, claims, NOW) is role


def test_viewers_can_be_limited_to_groups() -> None:
    """With viewers named, someone who signs in and is none of them gets no page."""
    rules = access_rules(
        {"roles": {"admin": ["dba"], "viewer": ["architects"]}}, sandbox=False, sign_in=True
    )
    assert role_of(rules, {"groups": ["architects"]}, NOW) is Role.VIEWER
    assert role_of(rules, {"groups": ["others"]}, NOW) is None


def test_an_admin_can_look_as_a_viewer() -> None:
    """Seeing the pages as another role lowers the role and never raises it."""
    assert seen_as(Role.ADMIN, "viewer") is Role.VIEWER
    assert seen_as(Role.ADMIN, "admin") is Role.ADMIN
    assert seen_as(Role.VIEWER, "admin") is Role.VIEWER
    assert seen_as(None, "admin") is None


def test_a_viewer_does_not_cover_an_admin() -> None:
    """An admin may do what a viewer may, not the other way round."""
    assert Role.ADMIN.covers(Role.VIEWER)
    assert not Role.VIEWER.covers(Role.ADMIN)


@pytest.mark.parametrize(
    "roles", ["admins", {"claim": ""}, {"claim": 7}, {"admin": "dba"}, {"viewer": [1]}]
)
def test_malformed_roles_are_an_error(roles: object) -> None:
    """A mistake in secrets.toml is told, not taken for "nobody" or "everybody"."""
    with pytest.raises(ConfigurationError, match="roles"):
        access_rules({"roles": roles}, sandbox=False, sign_in=True)
