"""How old what is known of a database is. Derived when it is read, never stored: a record does not
become stale by being written, but by not being written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from discovery.model import DatabaseRecord, DatabaseStatus, HostRecord, Scope

DEFAULT_STALE_DAYS = 7


class Freshness(StrEnum):
    """Whether a database was reported lately, long ago, is no longer looked for, or is known to be
    gone."""

    CURRENT = "current"
    STALE = "stale"
    UNWATCHED = "unwatched"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Staleness:
    """The question "is it stale?" as of `now`: last reported more than `days` days before.

    `unwatched` are the scopes that runs no longer scan, each since when: whatever its age, a
    database there may have changed, or gone, without anybody seeing it.
    """

    now: datetime
    days: int = DEFAULT_STALE_DAYS
    unwatched: Mapping[Scope, datetime] = field(default_factory=dict)

    def classify(self, record: DatabaseRecord) -> Freshness:
        """The record's freshness. A gone one is never stale: its absence was confirmed."""
        if record.status is DatabaseStatus.GONE:
            return Freshness.GONE
        if self.unwatched_since(record):
            return Freshness.UNWATCHED
        seen = record.last_seen or record.discovery_timestamp
        old = self.now - seen > timedelta(days=self.days)
        return Freshness.STALE if old else Freshness.CURRENT

    def unwatched_since(self, record: DatabaseRecord | HostRecord) -> datetime | None:
        """Since when no run looks for the record; None while its scope is watched."""
        if not self.unwatched:
            return None
        return self.unwatched.get(Scope(record.account_id, record.region))
