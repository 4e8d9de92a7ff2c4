"""Which accounts to discover: a fixed list, or the active ones of the organisation or some of its
units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from discovery.aws.errors import aws_errors
from discovery.aws.replies import pages
from discovery.aws.session import Aws
from discovery.errors import ConfigurationError
from discovery.settings import ORGANIZATION

_WHY_SKIPPED = {
    "SUSPENDED": "suspended",
    "PENDING_CLOSURE": "closing",
    "CLOSED": "closed",
    "PENDING_ACTIVATION": "not yet activated",
}
"""Each state of an account but ACTIVE (Organizations API reference, Account)."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The ids of the accounts to discover, sorted, and of those left out, each with the reason:
    their roles cannot be assumed."""

    active: tuple[str, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)


def list_accounts(aws: Aws) -> Accounts:
    """The accounts that the settings name.

    Raises ConfigurationError when they name none, AwsError when Organizations refuses.
    """
    configured = aws.settings.accounts
    if not configured:
        raise ConfigurationError(
            "SPOKE_ACCOUNTS is not set",
            hint="Set SPOKE_ACCOUNTS to account ids separated by commas, or to 'organization'.",
        )
    if configured != (ORGANIZATION,):
        return Accounts(tuple(sorted(configured)))
    with aws_errors():
        states = {
            account["Id"]: account.get("State") or account["Status"] for account in _members(aws)
        }
    return Accounts(
        tuple(sorted(id_ for id_, state in states.items() if state == "ACTIVE")),
        {
            id_: _WHY_SKIPPED.get(state, state.lower().replace("_", " "))
            for id_, state in sorted(states.items())
            if state != "ACTIVE"
        },
    )


def _members(aws: Aws) -> Iterator[Mapping[str, Any]]:
    """The organisation's accounts; with units configured, those in them and in the units below."""
    client = aws.home("organizations")
    if not aws.settings.units:
        for page in pages(client, "list_accounts"):
            yield from page["Accounts"]
        return
    left, seen = list(aws.settings.units), set[str]()
    while left:
        unit = left.pop()
        if unit in seen:
            continue  # named beside one that holds it
        seen.add(unit)
        for page in pages(client, "list_accounts_for_parent", ParentId=unit):
            yield from page["Accounts"]
        for page in pages(client, "list_organizational_units_for_parent", ParentId=unit):
            left += [child["Id"] for child in page["OrganizationalUnits"]]
