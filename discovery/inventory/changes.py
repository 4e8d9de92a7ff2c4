"""Which changes are looked at, for the terminal and for the dashboard alike. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from discovery.errors import RequestError
from discovery.model import Change, ChangeKind
from discovery.sanitize import shown

_RUN_ID = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{6}")
_DAYS = re.compile(r"([1-9]\d{0,3})d")


def is_run_id(since: str) -> bool:
    """Whether `since` names a run, and not a moment."""
    return _RUN_ID.fullmatch(since) is not None


def first_run_id(since: str, today: datetime) -> str:
    """The run id that the first run from `since` on is not below: ids sort by time.

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


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which changes are wanted; empty sets and text want all. The values of a set are
    alternatives, the words of `text` must all occur."""

    kinds: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()
    text: str = ""

    def __post_init__(self) -> None:
        """Raises RequestError for a kind that does not exist."""
        for kind in self.kinds - set(ChangeKind):
            raise RequestError(
                f"kind={shown(kind)}: no such change", hint=f"Use {', '.join(ChangeKind)}."
            )

    def matches(self, change: Change, name: str | None = None) -> bool:
        """Whether `change`, of an instance of this name, is wanted."""
        return (
            (not self.kinds or change.kind in self.kinds)
            and (not self.accounts or change.account_id in self.accounts)
            and (not self.engines or change.engine in self.engines)
            and (not self.text or self._occurs(change, name))
        )

    def _occurs(self, change: Change, name: str | None) -> bool:
        values = (change.instance_id, change.db_id, change.region, change.before, change.after)
        text = "\n".join(value for value in (*values, name) if value).casefold()
        return all(word in text for word in self.text.casefold().split())


def newest_first(changes: Iterable[Change]) -> list[Change]:
    """By the run that found them, the newest first; within one, by time, account and database."""
    ordered = sorted(changes, key=lambda one: (one.account_id, one.instance_id, one.db_id))
    return sorted(ordered, key=lambda one: (one.run_id, one.at), reverse=True)
