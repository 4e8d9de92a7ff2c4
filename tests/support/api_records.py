"""Records of the source's example, and an inventory that holds them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from discovery.errors import FailureKind
from discovery.model import (
    NO_DATABASE,
    DatabaseRecord,
    DatabaseStatus,
    DiscoveryStatus,
    Scope,
)

ACCOUNT = "123456789012"
OTHER = "987654321098"
SCANNED = datetime(2025, 2, 4, 10, 0, 0, 250000, tzinfo=UTC)
LATER = datetime(2025, 2, 5, 10, 0, 0, tzinfo=UTC)


def record(**changes: Any) -> DatabaseRecord:
    """The source's example record, with changes."""
    values: dict[str, Any] = {
        "account_id": ACCOUNT,
        "instance_id": "i-0abc123def456",
        "db_id": "mysql-3306",
        "region": "eu-west-1",
        "discovery_timestamp": SCANNED,
        "discovery_status": DiscoveryStatus.SUCCESS,
        "run_id": "20250204T100000.000Z-000000",
        "first_seen": SCANNED,
        "last_seen": SCANNED,
        "engine": "mysql",
        "version": "8.0.35",
        "status": DatabaseStatus.RUNNING,
        "port": 3306,
        "data_size_mb": 2048.0,
        "system_memory_mb": 4096,
        "system_cpu_cores": 2,
    }
    return DatabaseRecord(**(values | changes))


def placeholder(**changes: Any) -> DatabaseRecord:
    """A host without a known database."""
    empty = dict.fromkeys(("engine", "version", "status", "port", "data_size_mb", "last_seen"))
    return record(**({"db_id": NO_DATABASE} | empty | changes))


def failure(**changes: Any) -> DatabaseRecord:
    """A host whose discovery failed, as the runner stores it."""
    failed = {
        "discovery_status": DiscoveryStatus.FAILED,
        "discovery_timestamp": LATER,
        "run_id": "20250205T100000.000Z-000000",
        "error": "access_denied: ssm:SendCommand is not allowed",
        "error_kind": FailureKind.ACCESS_DENIED,
        "system_memory_mb": None,
        "system_cpu_cores": None,
    }
    return placeholder(**(failed | changes))


class MemoryInventory:
    """Records in a list."""

    def __init__(self, *records: DatabaseRecord) -> None:
        self.records = records

    def all_records(self) -> Iterator[DatabaseRecord]:
        """Every record."""
        return iter(self.records)

    def account_records(self, account_id: str) -> Iterator[DatabaseRecord]:
        """One account's records."""
        return (found for found in self.records if found.account_id == account_id)

    def unwatched_scopes(self) -> dict[Scope, datetime]:
        """None."""
        return {}


ALL_KINDS = (record(), record(account_id=OTHER), failure(instance_id="i-0bad"))
"""Records of two accounts, one of a failed host."""
