"""How old what is known of a database is. Derived when it is read, never stored: a record does not
become stale by being written, but by not being written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from discovery.model import DatabaseRecord, DatabaseStatus

DEFAULT_STALE_DAYS = 7


class Freshness(StrEnum):
    """Whether a database was reported lately, long ago, or is known to be gone."""

    CURRENT = "current"
    STALE = "stale"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Staleness:
    """The question "is it stale?" as of `now`: last reported more than `days` days before."""

    now: datetime
    days: int = DEFAULT_STALE_DAYS

    def classify(self, record: DatabaseRecord) -> Freshness:
        """The record's freshness. A gone one is never stale: its absence was confirmed."""
        if record.status is DatabaseStatus.GONE:
            return Freshness.GONE
        seen = record.last_seen or record.discovery_timestamp
        old = self.now - seen > timedelta(days=self.days)
        return Freshness.STALE if old else Freshness.CURRENT
