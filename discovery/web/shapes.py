"""The documented shapes of a database and of an instance. What is unknown is null."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from discovery.clock import iso
from discovery.inventory.as_of import AsOf
from discovery.inventory.freshness import Freshness
from discovery.inventory.query import Filter, select
from discovery.model import DatabaseRecord, DatabaseStatus, DiscoveryStatus


@dataclass(frozen=True, slots=True)
class Shapes:
    """Records as JSON. In `full`: with their freshness, and those that are gone too."""

    full: bool
    as_of: AsOf

    def databases(
        self, records: Iterable[DatabaseRecord], engine: str | None = None
    ) -> list[dict[str, Any]]:
        """The databases among `records`, of one engine or of all, each with its place."""
        return [
            {
                "account_id": record.account_id,
                "instance_id": record.instance_id,
                **self._database(record),
            }
            for record in self._select(records, engine)
        ]

    def instances(self, records: Iterable[DatabaseRecord]) -> list[dict[str, Any]]:
        """The hosts of `records`, by id, each with its databases."""
        by_instance: dict[str, list[DatabaseRecord]] = defaultdict(list)
        for record in records:
            by_instance[record.instance_id].append(record)
        return [self._instance(found) for _, found in sorted(by_instance.items())]

    def _instance(self, records: list[DatabaseRecord]) -> dict[str, Any]:
        """One host, as its newest record tells. One whose last discovery failed keeps its
        databases, and its memory and processors as they were known before."""
        newest_first = sorted(
            records, key=lambda record: (record.discovery_timestamp, record.run_id), reverse=True
        )
        newest = newest_first[0]
        failed = newest.discovery_status is DiscoveryStatus.FAILED
        return {
            "instance_id": newest.instance_id,
            "discovery_timestamp": iso(newest.discovery_timestamp),
            "discovery_status": newest.discovery_status.value,
            **({"error": newest.error} if failed else {}),
            "system_memory_mb": _first_known(record.system_memory_mb for record in newest_first),
            "system_cpu_cores": _first_known(record.system_cpu_cores for record in newest_first),
            "databases": [self._database(record) for record in self._select(records)],
        }

    def _select(
        self, records: Iterable[DatabaseRecord], engine: str | None = None
    ) -> list[DatabaseRecord]:
        where = Filter(
            engines=frozenset() if engine is None else frozenset({engine}),
            statuses=frozenset(DatabaseStatus) if self.full else frozenset(),
        )
        return sorted(select(records, where), key=lambda record: record.key)

    def _database(self, record: DatabaseRecord) -> dict[str, Any]:
        values = {
            "db_id": record.db_id,
            "engine": record.engine,
            "version": record.version,
            "status": None if record.status is None else record.status.value,
            "port": record.port,
            "data_size_mb": _number(record.data_size_mb),
        }
        return values | self._freshness(record) if self.full else values

    def _freshness(self, record: DatabaseRecord) -> dict[str, Any]:
        expires = record.expires_at
        return {
            "first_seen": iso(record.first_seen),
            "last_seen": _time(record.last_seen),
            "stale": self.as_of.freshness(record) is Freshness.STALE,
            "unwatched_since": _time(self.as_of.unwatched_since(record)),
            "gone_at": _time(record.gone_at),
            "gone_reason": record.gone_reason and record.gone_reason.value,
            "expires_at": None if expires is None else iso(datetime.fromtimestamp(expires, UTC)),
        }


def _first_known(values: Iterable[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)


def _number(value: float | None) -> float | None:
    """2048.0 is written 2048."""
    return int(value) if value is not None and float(value).is_integer() else value


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
