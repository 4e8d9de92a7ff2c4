"""Which changes are wanted, and what is shown of one: the same in the terminal, on the pages and
in the CSV."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from discovery.errors import RequestError
from discovery.inventory.columns import Column
from discovery.inventory.filters import RecordFilter, holds, holds_words
from discovery.model import Change, ChangeKind
from discovery.sanitize import shown

_RUN_ID = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{6}")
_DAYS = re.compile(r"([1-9]\d{0,3})d")


def is_run_id(since: str) -> bool:
    """Whether `since` names a run, and not a moment."""
    return _RUN_ID.fullmatch(since) is not None


def first_run_id(since: str, today: datetime) -> str:
    """A run id, or the beginning of one, that no run from `since` on is below: ids sort by time.

    `since` is a run's id, a UTC date or time, or `7d`: from the beginning of the day seven days
    before `today`. Raises RequestError for anything else.
    """
    if is_run_id(since):
        return since
    if days := _DAYS.fullmatch(since):
        return f"{today.astimezone(UTC) - timedelta(days=int(days[1])):%Y%m%d}T000000"
    try:
        at = datetime.fromisoformat(since)
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise RequestError(
            f"since={shown(since)} is neither a run id nor a date",
            hint="Use 2026-02-04, 2026-02-04T10:00, 7d or a run's id.",
        ) from error
    return f"{at.year:04d}{at:%m%dT%H%M%S}"


@dataclass(frozen=True, kw_only=True)
class ChangeFilter(RecordFilter):
    """Which changes are wanted. Raises RequestError for a kind that does not exist.

    `text` is looked for in the database, its instance and region, and the values before and after.
    """

    PARAMETERS: ClassVar[Mapping[str, str]] = {
        "kind": "kinds",
        "account": "accounts",
        "engine": "engines",
    }

    kinds: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        RecordFilter.__post_init__(self)
        for kind in sorted(self.kinds - set(ChangeKind)):
            raise RequestError(
                f"kind={shown(kind)}: no such change", hint=f"Use {', '.join(ChangeKind)}."
            )

    def matches(self, change: Change, instance_name: str | None = None) -> bool:
        """Whether `change` is wanted; `text` is looked for in its instance's name too."""
        searched = (change.instance_id, change.db_id, change.region, change.before, change.after)
        return (
            holds(self.kinds, change.kind)
            and holds(self.accounts, change.account_id)
            and holds(self.engines, change.engine)
            and holds_words((*searched, instance_name), self.words)
        )


def newest_first(changes: Iterable[Change]) -> list[Change]:
    """By the run that found them, the newest first; within one, by time, account and database."""
    by_place = sorted(
        changes, key=lambda change: (change.account_id, change.instance_id, change.db_id)
    )
    return sorted(by_place, key=lambda change: (change.run_id, change.at), reverse=True)


# --- what is shown of a change --------------------------------------------------------------------

FOUND = Column[Change]("Found", "at", format="time", unit="UTC", width=95)
KIND = Column[Change]("Change", "kind", format="word", width=100)
ACCOUNT = Column[Change]("Account", "account_id", format="identifier", width=115)
REGION = Column[Change]("Region", "region", format="identifier", width=110)
INSTANCE = Column[Change]("Instance", "instance_id", format="identifier", width=170)
DATABASE = Column[Change]("Database", "db_id", width=150)
ENGINE = Column[Change]("Engine", "engine", format="engine", width=110)
BEFORE = Column[Change]("Before", "before", width=150)
AFTER = Column[Change]("After", "after", width=150)
RUN = Column[Change]("Run", "run_id", format="identifier")

CHANGE_COLUMNS = (
    FOUND,
    KIND,
    ACCOUNT,
    REGION,
    INSTANCE,
    DATABASE,
    ENGINE,
    BEFORE,
    AFTER,
    RUN,
)
"""The CSV's. The pages' tables show some of them."""
