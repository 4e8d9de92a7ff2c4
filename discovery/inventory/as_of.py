"""What is known of a database as of a moment: whether it is supported, whether it is stale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from discovery.inventory.freshness import DEFAULT_STALE_DAYS, Freshness, Staleness
from discovery.inventory.lifecycle import Support, support
from discovery.model import DatabaseRecord, HostRecord, Scope


class SupportLookup:
    """The support of each (engine, version) on one day, worked out once."""

    def __init__(self, today: date) -> None:
        self._today = today
        self._found: dict[tuple[str | None, str | None], Support] = {}

    def find(self, record: DatabaseRecord) -> Support:
        """The support of the record's version."""
        key = (record.engine, record.version)
        if key not in self._found:
            self._found[key] = support(*key, self._today)
        return self._found[key]


@dataclass(frozen=True)
class AsOf:
    """What a value depends on besides its record: the time, after how many days without a report a
    database is stale, and the scopes that are no longer watched, each since when."""

    now: datetime
    stale_days: int = DEFAULT_STALE_DAYS
    unwatched: Mapping[Scope, datetime] = field(default_factory=dict)

    def support(self, record: DatabaseRecord) -> Support:
        """The support of the record's version today."""
        return self._supports.find(record)

    def freshness(self, record: DatabaseRecord) -> Freshness:
        """Whether the record is current, stale, unwatched or gone."""
        return self._staleness.classify(record)

    def unwatched_since(self, record: DatabaseRecord | HostRecord) -> datetime | None:
        """Since when no run looks for the record; None while its scope is watched."""
        return self._staleness.unwatched_since(record)

    @cached_property
    def _staleness(self) -> Staleness:
        return Staleness(self.now, self.stale_days, self.unwatched)

    @cached_property
    def _supports(self) -> SupportLookup:
        return SupportLookup(self.now.date())
