"""The IAM policy language, as far as the deployable policies use it. The rest is not allowed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Policy = Mapping[str, Any]


@dataclass(frozen=True)
class Principal:
    """A caller: a session of `role`, or the account's owner when `role` is None."""

    account: str
    role: str | None
    session: str = "sandbox"
    session_policy: str | None = None
    partition: str = "aws"

    @property
    def arn(self) -> str:
        """As `GetCallerIdentity` gives it."""
        if self.role is None:
            return f"arn:{self.partition}:iam::{self.account}:root"
        return f"arn:{self.partition}:sts::{self.account}:assumed-role/{self.role}/{self.session}"

    @property
    def role_arn(self) -> str:
        """The role whose session this is, as a trust policy names it."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.role}"


def allows(
    policies: Iterable[Policy],
    action: str,
    resource: str | None,
    context: Mapping[str, str],
    principal: Principal | None = None,
) -> bool:
    """Whether a statement of `policies` allows the action and none denies it.

    `context` are the values of condition keys. `resource` is None for a trust policy, whose
    statements name the `principal` instead. Raises NotImplementedError for an unknown condition.
    """
    allowed = False
    for policy in policies:
        for statement in _as_list(policy["Statement"]):
            if not _applies(statement, action, resource, context, principal):
                continue
            if statement["Effect"] == "Deny":
                return False
            allowed = True
    return allowed


def _applies(
    statement: Policy,
    action: str,
    resource: str | None,
    context: Mapping[str, str],
    principal: Principal | None,
) -> bool:
    actions = (pattern.lower() for pattern in _as_list(statement["Action"]))
    if not _any_like(actions, action.lower()):
        return False
    if principal is not None and not _names(statement.get("Principal"), principal):
        return False
    if resource is not None and not _any_like(_as_list(statement["Resource"]), resource):
        return False
    return _fulfilled(statement.get("Condition", {}), context)


def _fulfilled(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """Whether every condition holds; one holds when any of its values does."""
    return all(
        key in context
        and any(_compare(operator, value, context[key]) for value in _as_list(wanted))
        for operator, tests in conditions.items()
        for key, wanted in tests.items()
    )


def _compare(operator: str, wanted: str, actual: str) -> bool:
    if operator == "StringEquals":
        return wanted == actual
    if operator == "StringLike":
        return _like(wanted, actual)
    raise NotImplementedError(f"the sandbox does not know the policy condition {operator}")


def _names(statement: Any, principal: Principal) -> bool:
    if not isinstance(statement, Mapping):
        return bool(statement == "*")
    root = f"arn:{principal.partition}:iam::{principal.account}:root"
    known = {"*", principal.account, root, principal.arn, principal.role_arn}
    return any(name in known for name in _as_list(statement.get("AWS", [])))


def _any_like(patterns: Iterable[str], text: str) -> bool:
    return any(_like(pattern, text) for pattern in patterns)


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _like(pattern: str, text: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


@lru_cache(maxsize=256)
def parse(policy: str) -> Policy:
    """A policy document from its text."""
    parsed: Policy = json.loads(policy)
    return parsed


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
