"""What differs between two scans of a database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from discovery.model.database import DatabaseRecord


class ChangeKind(StrEnum):
    """What differs between two successful scans of a host."""

    APPEARED = "appeared"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    MOVED = "moved"
    STARTED = "started"
    STOPPED = "stopped"
    GREW = "grew"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two successful scans of a host; `before` and `after` are short."""

    run_id: str
    at: datetime
    kind: ChangeKind
    account_id: str
    region: str
    instance_id: str
    db_id: str
    engine: str | None
    before: str | None = None
    after: str | None = None

    @classmethod
    def from_record(
        cls, kind: ChangeKind, record: DatabaseRecord, before: str | None, after: str | None
    ) -> Change:
        """The change that `record` shows, found by the run that wrote it, at its time."""
        return cls(
            run_id=record.run_id,
            at=record.discovery_timestamp,
            kind=kind,
            account_id=record.account_id,
            region=record.region,
            instance_id=record.instance_id,
            db_id=record.db_id,
            engine=record.engine,
            before=before,
            after=after,
        )


@dataclass(frozen=True, slots=True)
class HostChanges:
    """What to write for one host. `deletes` holds placeholders only, never a database.

    `superseded`: a newer run has reported on the host, and its word stands.
    """

    puts: tuple[DatabaseRecord, ...] = ()
    deletes: tuple[DatabaseRecord, ...] = ()
    changes: tuple[Change, ...] = ()
    superseded: bool = False
