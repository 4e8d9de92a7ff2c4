"""Which scopes runs no longer scan: items `UNWATCHED`, `<account>#<region>` of the runs table.

A scope becomes unwatched when a run over all that the settings name leaves it out: its account
left, or its region is no longer scanned. What is known of it stays, and says so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from discovery.aws.errors import aws_errors
from discovery.aws.items import from_item, to_item
from discovery.aws.replies import pages
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.model import Scope

_UNWATCHED = "UNWATCHED"


@dataclass(frozen=True, slots=True)
class _Left:
    """A scope that runs left, and since when."""

    account_id: str
    region: str
    since: datetime


_LEFT = TypeAdapter(_Left)


def unwatched_scopes(aws: Aws) -> dict[Scope, datetime]:
    """The scopes that runs no longer scan, each since when. Raises AwsError."""
    name = aws.settings.runs_table
    found: dict[Scope, datetime] = {}
    with aws_errors():
        for page in pages(
            aws.table(name).meta.client,
            "query",
            TableName=name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": _UNWATCHED},
        ):
            for item in page["Items"]:
                left = from_item(_LEFT, item, f"{name} {_UNWATCHED}")
                found[Scope(left.account_id, left.region)] = left.since
    return found


def note_unwatched(
    aws: Aws, planned: Collection[Scope], silent_accounts: Collection[str], now: datetime
) -> None:
    """Note which known scopes a run over all that the settings name leaves out, as of `now`.

    A scope that was left out before keeps its date; one that is planned again loses it. Nothing is
    concluded of `silent_accounts`, which did not tell their regions. Two Querys, and one write for
    each scope whose state changes. Raises AwsError.
    """
    watched = set(planned)
    known = {Scope(record.account_id, record.region) for record in RunStore(aws).latest_scopes()}
    before = unwatched_scopes(aws)
    table = aws.table(aws.settings.runs_table)
    for scope in sorted(known - watched - before.keys()):
        if scope.account_id not in silent_accounts:
            left = _Left(scope.account_id, scope.region, now)
            with aws_errors():
                table.put_item(Item=to_item(_LEFT, left) | _key(scope))
    for scope in sorted(before.keys() & watched):
        forget_unwatched(aws, scope)


def forget_unwatched(aws: Aws, scope: Scope) -> None:
    """Runs scan it again, or nothing is left of it. Raises AwsError."""
    with aws_errors():
        aws.table(aws.settings.runs_table).delete_item(Key=_key(scope))


def _key(scope: Scope) -> dict[str, str]:
    return {"pk": _UNWATCHED, "sk": f"{scope.account_id}#{scope.region}"}
