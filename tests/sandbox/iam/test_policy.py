"""The policy language, as far as the artefacts use it."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.iam import Principal, allows

RUNNER = Principal("111122223333", "Runner")


def policy(**changes: Any) -> list[dict[str, Any]]:
    """One policy with one statement that allows reading `thing/1`."""
    statement = {"Effect": "Allow", "Action": "db:Read", "Resource": "thing/1"} | changes
    return [{"Version": "2012-10-17", "Statement": [statement]}]


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"Action": "db:*"}, True),
        ({"Action": ["db:Write", "DB:read"]}, True),
        ({"Action": "db:Write"}, False),
        ({"Resource": "thing/*"}, True),
        ({"Resource": "thing/?"}, True),
        ({"Resource": "thing/1?"}, False),
        ({"Resource": "THING/1"}, False),
        ({"Resource": ["other", "*"]}, True),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"StringEquals": {"id": "a"}}}, True),
        ({"Condition": {"StringEquals": {"id": ["b", "a"]}}}, True),
        ({"Condition": {"StringEquals": {"id": "b"}}}, False),
        ({"Condition": {"StringEquals": {"absent": "a"}}}, False),
        ({"Condition": {"StringLike": {"id": "?"}}}, True),
    ],
)
def test_a_statement_allows_what_it_names(changes: dict[str, Any], allowed: bool) -> None:
    """Actions ignore case and resources do not; wildcards and conditions work as in IAM."""
    assert allows(policy(**changes), "db:Read", "thing/1", {"id": "a"}) is allowed


def test_a_deny_wins() -> None:
    """An explicit deny is stronger than any allow."""
    both = [*policy(), *policy(Effect="Deny", Resource="*")]
    assert not allows(both, "db:Read", "thing/1", {})


def test_no_policy_allows_nothing() -> None:
    """Access is denied unless it is allowed."""
    assert not allows([], "db:Read", "thing/1", {})


def test_an_unknown_condition_is_an_error() -> None:
    """A condition the sandbox does not know is never taken as fulfilled."""
    with pytest.raises(NotImplementedError, match="DateLessThan"):
        allows(policy(Condition={"DateLessThan": {"id": "x"}}), "db:Read", "thing/1", {"id": "a"})


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        ({"AWS": "arn:aws:iam::111122223333:role/Runner"}, True),
        ({"AWS": ["arn:aws:iam::444455556666:root", "arn:aws:iam::111122223333:root"]}, True),
        ({"AWS": "111122223333"}, True),
        ({"AWS": "arn:aws:iam::111122223333:role/Other"}, False),
        ({"Service": "ec2.amazonaws.com"}, False),
        ("*", True),
    ],
)
def test_a_trust_policy_names_its_principals(principal: Any, allowed: bool) -> None:
    """A role session is trusted through its role or its whole account."""
    trust = [{"Statement": {"Effect": "Allow", "Action": "db:Read", "Principal": principal}}]
    assert allows(trust, "db:Read", None, {}, RUNNER) is allowed
