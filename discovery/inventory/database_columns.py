"""What is shown of a database: the one declaration that table, drawer and CSV are made from.

The drawer and the CSV show columns in the order below, the table by `table`, their place from the
left. The CSV's headers and their order are a contract with those who read the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_type_hints

from pydantic.fields import FieldInfo

from discovery.inventory.as_of import AsOf
from discovery.inventory.columns import AtLeast, Column
from discovery.inventory.support_columns import (
    SUPPORT_COLUMNS,
    first_support_ends,
    support_ends,
    support_source,
)
from discovery.model import DatabaseRecord

_OWNER_TAGS = ("owner", "team", "contact")


def owner_of(tags: Mapping[str, str]) -> str | None:
    """The value of the tag that says whose the instance is, whatever its capitals."""
    by_name = {name.lower(): value for name, value in tags.items()}
    return next((by_name[name] for name in _OWNER_TAGS if by_name.get(name)), None)


def _data_size(record: DatabaseRecord, _: AsOf) -> float | None:
    size = record.data_size_mb
    return size if size is None or record.data_size_complete else AtLeast(size)


def _size_is_complete(record: DatabaseRecord, _: AsOf) -> bool | None:
    return None if record.data_size_mb is None else record.data_size_complete


def _removed_after(record: DatabaseRecord, _: AsOf) -> datetime | None:
    seconds = record.expires_at
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


_DECLARED: Sequence[Column[DatabaseRecord]] = (
    Column(
        "Host",
        value=lambda record, _: record.instance_name or record.instance_id,
        help="The instance's name; its id where it has none.",
        table=0,
        width=160,
        drawer=None,
        csv=False,
    ),
    Column("Account", "account_id", format="identifier", table=10, width=115, drawer="host"),
    Column("Region", "region", format="identifier", table=11, width=110, drawer="host"),
    Column("Environment", "environment", table=8, width=100, drawer=None),
    Column(
        "Owner",
        value=lambda record, _: owner_of(record.tags),
        help="The instance's owner, team or contact tag.",
        table=9,
        width=100,
        drawer=None,
        csv=False,
    ),
    Column(
        "Instance",
        "instance_id",
        format="identifier",
        table=16,
        hidden=True,
        width=170,
        drawer="host",
    ),
    Column("Instance name", "instance_name", drawer="host"),
    Column("Host name", "hostname", drawer="host"),
    Column("Database", "db_id", format="identifier", drawer=None),
    Column("Engine", "engine", format="engine", table=1, width=110),
    Column("Version", "version", table=2, width=100),
    Column("Edition", "edition"),
    Column(
        "Standard support ends",
        value=first_support_ends,
        format="date",
        help="Last day of the version's first kind of support, before security fixes only "
        "(MySQL: Premier Support). `Support ends on` is the day that decides.",
        drawer=None,
    ),
    Column("Status", "status", format="state", table=3, width=80),
    Column(
        "Support",
        value=lambda record, as_of: as_of.support(record),
        format="support",
        help="Whether the support that needs no further contract has ended or ends within a year.",
        table=5,
        width=125,
        csv=False,
        found_by=support_source,
    ),
    Column(
        "Support ends",
        value=support_ends,
        help="Last day on which the version gets fixes without a further contract, and which date "
        "that is.",
        table=6,
        width=190,
        drawer=None,
        csv=False,
    ),
    Column("Port", "port", format="port", table=12, width=65, alignment="right"),
    Column("Listens on", "listen", format="list"),
    Column("Data directory", "data_dir"),
    Column(
        "Data size",
        "data_size_mb",
        _data_size,
        format="size",
        unit="MiB",
        table=7,
        width=90,
        alignment="right",
    ),
    Column(
        "Data size complete",
        "data_size_complete",
        _size_is_complete,
        drawer=None,  # there, an incomplete size reads "at least"
    ),
    Column("Executable", "binary"),
    Column("Configuration file", "config_file"),
    Column("Container", "container"),
    Column("Container image", "image", optional=True),
    Column("Published port", "published_port", format="port", optional=True),
    Column("Process owner", "owner", optional=True),
    Column("Started", "started_at", format="time", unit="UTC", optional=True),
    Column("Resident memory", "memory_mb", format="capacity", unit="MiB", optional=True),
    Column("Disk free", "disk_free_mb", format="capacity", unit="MiB", optional=True),
    Column("TLS", "tls", format="setting", optional=True),
    Column("Replication role", "role", optional=True),
    Column("Client connections", "clients_total", format="number", optional=True),
    Column("Clients", "clients", format="counts", optional=True),
    Column("Operating system", "os_name", drawer="host"),
    Column("Kernel", "kernel", drawer="host"),
    Column("Architecture", "architecture", drawer="host"),
    Column("Memory", "system_memory_mb", format="capacity", unit="MiB", drawer="host"),
    Column("Processors", "system_cpu_cores", format="number", drawer="host"),
    Column("First seen", "first_seen", format="time", unit="UTC", table=13, width=95),
    Column("Last seen", "last_seen", format="time", unit="UTC", table=14, width=95),
    Column("Last confirmed", "discovery_timestamp", format="time", unit="UTC", drawer=None),
    Column(
        "Freshness",
        value=lambda record, as_of: as_of.freshness(record),
        format="freshness",
        help="current, stale (not reported for longer than is set), unwatched (no longer "
        "looked for) or gone, as of now.",
        table=4,
        width=80,
        found_by=lambda _, as_of: f"stale after {as_of.stale_days} days",
    ),
    Column("Gone since", "gone_at", format="time", unit="UTC", table=15, width=95, optional=True),
    Column(
        "Removed after",
        "expires_at",
        _removed_after,
        format="time",
        unit="UTC",
        help="When a gone database is removed from the inventory.",
        optional=True,
    ),
    Column("Run", "run_id", format="identifier", drawer="host"),
    Column("Discovery", "discovery_status", format="state", drawer=None),
    Column("Error", "error", drawer=None),
    Column("Warnings", "warnings", format="list", drawer=None),
    Column("Tags", "tags", format="tags", drawer="host"),
    Column("Evidence", "evidence", format="tags", drawer=None),
    *SUPPORT_COLUMNS,
    Column(
        "Unwatched since",
        value=lambda record, as_of: as_of.unwatched_since(record),
        format="time",
        unit="UTC",
        help="Since when no run looks for it: its account or region is no longer scanned.",
        optional=True,
    ),
    Column("Gone because", "gone_reason", format="word", optional=True),
)

NOT_SHOWN: Mapping[str, str] = {
    "seen_values": "what reconcile compares the next report with",
    "run_order": "which of two runs is newer; the run's id says when it began",
    "error_kind": "the host's, on the Coverage page; the error's text is a column",
}
"""Fields of a database that are no column -> why."""


def _description(field: str) -> str:
    """What the model says of a field."""
    hints = get_type_hints(DatabaseRecord, include_extras=True)
    described = [part for part in hints[field].__metadata__ if isinstance(part, FieldInfo)]
    return described[0].description or ""


DATABASE_COLUMNS: tuple[Column[DatabaseRecord], ...] = tuple(
    column if column.help else replace(column, help=_description(column.field))
    for column in _DECLARED
)
