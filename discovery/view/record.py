"""One record in full, each value with its evidence. Values are plain text, not Markdown."""

from __future__ import annotations

from datetime import UTC, datetime

from discovery.inventory.freshness import Staleness
from discovery.inventory.lifecycle import Support
from discovery.model import DatabaseRecord
from discovery.sanitize import printable
from discovery.view.formatting import DASH, engine, number, size, when
from discovery.view.labels import FRESHNESS_WORDS, support_sentence, support_source


def facts(
    record: DatabaseRecord, known: Support, staleness: Staleness
) -> list[tuple[str, str, str]]:
    """One record in full: (field, value, how it was found)."""
    how = record.evidence
    now = staleness.now
    shown = size(record.data_size_mb, complete=record.data_size_complete)
    if record.data_size_mb is not None and record.data_size_mb >= 1024:
        shown += f" ({record.data_size_mb:,.2f} MiB)"
    rows = [
        ("Engine", engine(record.engine), how.get("engine", "")),
        ("Version", record.version or DASH, how.get("version", "")),
        ("Edition", record.edition or DASH, how.get("edition", "")),
        ("Status", record.status.value if record.status else DASH, how.get("status", "")),
        ("Support", support_sentence(known), support_source(known)),
        ("Port", str(record.port) if record.port else DASH, how.get("port", "")),
        ("Listens on", ", ".join(record.listen) or DASH, how.get("listen", "")),
        ("Data directory", record.data_dir or DASH, how.get("data_dir", "")),
        ("Data size", shown, how.get("data_size_mb", "")),
        ("Executable", record.binary or DASH, how.get("binary", "")),
        ("Configuration", record.config_file or DASH, how.get("config_file", "")),
        ("Container", record.container or DASH, how.get("container", "")),
        *_optional(record, now),
        ("First seen", when(record.first_seen, now), ""),
        ("Last seen", when(record.last_seen, now), ""),
        ("Freshness", FRESHNESS_WORDS[staleness.of(record)], f"stale after {staleness.days} days"),
    ]
    if record.gone_at:
        rows.append(("Gone since", when(record.gone_at, now), ""))
    if record.expires_at is not None:
        removed = datetime.fromtimestamp(record.expires_at, UTC)
        rows.append(("Removed after", f"{removed:%Y-%m-%d %H:%M} UTC", ""))
    return [(field, printable(value), printable(found) or DASH) for field, value, found in rows]


def _optional(record: DatabaseRecord, now: datetime) -> list[tuple[str, str, str]]:
    """What only some databases have; a row each where it is known."""
    tls = {True: "configured", False: "not configured", None: None}[record.tls]
    free, memory = (
        None if value is None else size(float(value))
        for value in (record.disk_free_mb, record.memory_mb)
    )
    port = str(record.published_port) if record.published_port else None
    counts = sorted((record.clients or {}).items(), key=lambda one: (-one[1], one[0]))
    clients = ", ".join(f"{address} ({count:,})" for address, count in counts)
    if record.clients_total is not None:
        clients = f"{record.clients_total:,} connections" + (f": {clients}" if clients else "")
    rows = [
        ("Image", record.image, "image"),
        ("Published port", port, "published_port"),
        ("Process owner", record.owner, "owner"),
        ("Started", when(record.started_at, now) if record.started_at else None, "started_at"),
        ("Resident memory", memory, "memory_mb"),
        ("Disk free", free, "disk_free_mb"),
        ("TLS", tls, "tls"),
        ("Replication role", record.role, "role"),
        ("Clients", clients, "clients"),
    ]
    return [(label, value, record.evidence.get(name, "")) for label, value, name in rows if value]


def host_facts(record: DatabaseRecord) -> list[tuple[str, str]]:
    """The host of one record: (field, value), plain text."""
    memory = size(float(record.system_memory_mb)) if record.system_memory_mb else DASH
    rows = [
        ("Account", record.account_id),
        ("Region", record.region),
        ("Instance", record.instance_id),
        ("Name", record.instance_name or DASH),
        ("Host name", record.hostname or DASH),
        ("Operating system", record.os_name or DASH),
        ("Kernel", record.kernel or DASH),
        ("Architecture", record.architecture or DASH),
        ("Memory", memory),
        ("Processors", number(record.system_cpu_cores)),
        ("Run", record.run_id),
        *((f"Tag {name}", value) for name, value in sorted(record.tags.items())),
    ]
    return [(printable(field), printable(value) or DASH) for field, value in rows]
