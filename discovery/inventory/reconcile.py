"""(what was known of a host, what its look brought) -> what to write. Pure: no clock, no I/O.

A look brings a report or a failure.

- **Failure**: the host's placeholder record says why; nothing else changes.
- **Report**: every reported database is written. A known database that a complete report does not
  name is gone: a state with a date, removed later by the table's TTL. From an incomplete report
  nothing is concluded about what it does not name. The placeholder stands only while the host has
  no database that is not gone.

A host on which a newer run, or a later look, has reported is left alone (run ids sort by time); a
newer run's failure does not stand in the way of what an older one saw and could store only later.

**Unknown is not a change.** A version, data directory or size that this look could not determine
keeps its last known value, and its evidence says `last known from <time>: <how it was found>`,
unless there is a sign that the value belonged to something else: another executable for the
version, another data directory for the size. What is known not to exist is no unknown: a stopped
server without a data directory has no directory and size 0.

**Flapping is not a change.** A version or data directory that differs only because another kind of
evidence spoke this time (the package, the text in the executable, ...) is no change when that kind
of evidence says what it said when it last spoke. A kind that speaks for the first time and
contradicts is reported: it may be a real upgrade.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from discovery.clock import iso
from discovery.inventory.lifecycle import compare_versions
from discovery.model import (
    NO_DATABASE,
    Change,
    ChangeKind,
    DatabaseRecord,
    DatabaseStatus,
    DiscoveryStatus,
    Failure,
    Host,
    HostFacts,
    HostReport,
    ReportedDatabase,
)
from discovery.sanitize import printable

_LAST_KNOWN = "last known from "
_MAX_ERROR = 1000
_SEEN = ("version", "data_dir")
_MAX_SEEN = 12
_LEAST_GROWTH_MB = 1024.0

DEFAULT_GROWTH_PERCENT = 25


@dataclass(frozen=True, slots=True)
class HostOutcome:
    """What the look at one host brought: exactly one of `report` and `failure`."""

    host: Host
    report: HostReport | None
    failure: Failure | None

    def __post_init__(self) -> None:
        if (self.report is None) == (self.failure is None):
            raise ValueError(
                f"{self.host.instance_id}: an outcome is either a report or a failure, "
                f"not report={self.report is not None} and failure={self.failure is not None}"
            )


@dataclass(frozen=True, slots=True)
class HostChanges:
    """What to write for one host. `deletes` holds placeholders only, never a database."""

    puts: tuple[DatabaseRecord, ...]
    deletes: tuple[DatabaseRecord, ...]
    changes: tuple[Change, ...]


def reconcile_host(
    known: Sequence[DatabaseRecord],
    outcome: HostOutcome,
    *,
    run_id: str,
    now: datetime,
    gone_ttl_days: int,
    environment_tags: Sequence[str],
    growth_percent: int = DEFAULT_GROWTH_PERCENT,
) -> HostChanges:
    """What `outcome` changes in `known`, the inventory's records of that host.

    Records of other hosts are ignored. Data that grew by more than `growth_percent`, and 1 GiB or
    more, since the look before is a change.
    """
    host = outcome.host
    look = _Look(host, run_id, now, environment_of(host.tags, environment_tags), growth_percent)
    held: dict[str, DatabaseRecord] = {}
    for record in known:
        if record.instance_id == host.instance_id and record.account_id == host.account_id:
            held[record.db_id] = record
            if _is_newer(record, run_id, now):
                return HostChanges((), (), ())
    if outcome.failure is not None:
        return _failed(look, held, outcome.failure)
    assert outcome.report is not None  # noqa: S101 - HostOutcome holds it; this tells mypy
    return _scanned(look, held, outcome.report, gone_ttl_days)


def environment_of(tags: Mapping[str, str], environment_tags: Iterable[str]) -> str | None:
    """The value of the first of `environment_tags` that is set and not blank."""
    for name in environment_tags:
        if name in tags:
            value = printable(tags[name])
            if value:
                return value
    return None


# --- one look -----------------------------------------------------------------------------------


class _Look:
    """One look at one host. `stamp` holds the fields that all records written by it share."""

    def __init__(
        self, host: Host, run_id: str, now: datetime, environment: str | None, growth_percent: int
    ) -> None:
        self.host = host
        self.run_id = run_id
        self.now = now
        self.growth_percent = growth_percent
        self.stamp: Mapping[str, Any] = {
            "run_id": run_id,
            "discovery_timestamp": now,
            "instance_name": host.name,
            "environment": environment,
            "tags": host.tags,
        }

    def fields(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that all records of this look at its host have in common."""
        host = self.host
        return {
            "account_id": host.account_id,
            "region": host.region,
            "instance_id": host.instance_id,
            **self.stamp,
            **facts,
        }

    def change(
        self, kind: ChangeKind, of: DatabaseRecord, before: str | None, after: str | None
    ) -> Change:
        return Change(
            run_id=self.run_id,
            at=self.now,
            kind=kind,
            account_id=of.account_id,
            region=of.region,
            instance_id=of.instance_id,
            db_id=of.db_id,
            engine=of.engine,
            before=before,
            after=after,
        )


def _failed(look: _Look, held: Mapping[str, DatabaseRecord], failure: Failure) -> HostChanges:
    """The placeholder says why; it keeps what was last known of the host itself."""
    newest = max(held.values(), key=lambda record: record.discovery_timestamp, default=None)
    facts = {name: getattr(newest, name) for name in _HOST_FIELDS} if newest else {}
    previous = held.get(NO_DATABASE)
    placeholder = DatabaseRecord(
        **look.fields(facts),
        db_id=NO_DATABASE,
        first_seen=previous.first_seen if previous else look.now,
        discovery_status=DiscoveryStatus.FAILED,
        error=printable(f"{failure.kind}: {failure.message}", _MAX_ERROR),
        error_kind=failure.kind,
    )
    return HostChanges((placeholder,), (), ())


def _scanned(
    look: _Look, held: Mapping[str, DatabaseRecord], report: HostReport, gone_ttl_days: int
) -> HostChanges:
    facts = _host_fields(report.host)
    fields = look.fields(facts)
    fields["discovery_status"] = DiscoveryStatus.SUCCESS
    fields["warnings"] = report.warnings
    puts: list[DatabaseRecord] = []
    changes: list[Change] = []
    for reported in report.databases:
        previous = held.get(reported.db_id)
        record = _present(look, previous, reported, fields)
        puts.append(record)
        changes.extend(_differences(look, previous, record))

    named = {reported.db_id for reported in report.databases}
    missed = [
        record
        for db_id, record in held.items()
        if db_id not in named and record.is_database and not _is_gone(record)
    ]
    if missed and report.complete:
        # Only what this look could have seen: a record of another region is not judged here.
        gone = [record for record in missed if record.region == look.host.region]
        ttl = timedelta(days=gone_ttl_days)
        puts.extend(_gone(look, record, facts, ttl) for record in gone)
        changes.extend(
            look.change(ChangeKind.GONE, record, record.version, None) for record in gone
        )
        missed = [record for record in missed if record not in gone]

    placeholder = held.get(NO_DATABASE)
    if named or missed:
        return HostChanges(tuple(puts), (placeholder,) if placeholder else (), tuple(changes))
    first_seen = placeholder.first_seen if placeholder else look.now
    puts.append(DatabaseRecord(**fields, db_id=NO_DATABASE, first_seen=first_seen))
    return HostChanges(tuple(puts), (), tuple(changes))


def _is_newer(record: DatabaseRecord, run_id: str, now: datetime) -> bool:
    """Whether a newer run, or a look after `now`, has reported what `record` says."""
    newer = record.run_id > run_id or (record.last_seen is not None and record.last_seen > now)
    return newer and (record.is_database or record.discovery_status is not DiscoveryStatus.FAILED)


def _is_gone(record: DatabaseRecord) -> bool:
    return record.status is DatabaseStatus.GONE


def _host_fields(host: HostFacts) -> dict[str, Any]:
    return {
        "hostname": host.hostname,
        "os_name": host.os_name,
        "kernel": host.kernel,
        "architecture": host.architecture,
        "system_memory_mb": host.memory_mb,
        "system_cpu_cores": host.cpu_cores,
    }


_HOST_FIELDS = tuple(_host_fields(HostFacts()))


# --- one database -------------------------------------------------------------------------------


def _present(
    look: _Look,
    previous: DatabaseRecord | None,
    reported: ReportedDatabase,
    fields: Mapping[str, Any],
) -> DatabaseRecord:
    """The record of a database that was reported; `fields` are those of all of the host's."""
    # One dictionary for all of it: this is done a hundred thousand times a run.
    values = {
        **fields,
        "db_id": reported.db_id,
        "first_seen": previous.first_seen if previous else look.now,
        "last_seen": look.now,
        "engine": reported.engine,
        "version": reported.version,
        "edition": reported.edition,
        "status": reported.status,
        "port": reported.port,
        "listen": reported.listen,
        "data_dir": reported.data_dir,
        "data_size_mb": reported.data_size_mb,
        "data_size_complete": reported.data_size_complete,
        "binary": reported.binary,
        "config_file": reported.config_file,
        "container": reported.container,
        "image": reported.image,
        "published_port": reported.published_port,
        "owner": reported.owner,
        "started_at": reported.started_at,
        "memory_mb": reported.memory_mb,
        "disk_free_mb": reported.disk_free_mb,
        "tls": reported.tls,
        "role": reported.role,
        "clients": reported.clients,
        "clients_total": reported.clients_total,
        "evidence": reported.evidence,
    }
    if previous and not _is_gone(previous):
        values |= _remembered(reported, previous)
        values["seen_values"] = _seen_values(values, previous)
    else:
        values["seen_values"] = _seen_values(values, None)
    return DatabaseRecord(**values)


def _remembered(reported: ReportedDatabase, previous: DatabaseRecord) -> dict[str, Any]:
    """What this look could not determine, as `previous` has it: the module's last rule but one."""
    if None not in (reported.version, reported.data_dir, reported.data_size_mb):
        return {}
    kept: dict[str, Any] = {}
    same_binary = None in (reported.binary, previous.binary) or reported.binary == previous.binary
    if reported.version is None and same_binary:
        kept["version"] = previous.version
    # A measured size (0 where there is no directory) means that the directory was looked for.
    if reported.data_dir is None and reported.data_size_mb is None:
        kept["data_dir"] = previous.data_dir
        data_dir = previous.data_dir
    else:
        data_dir = reported.data_dir
    if reported.data_size_mb is None and data_dir and _same_place(data_dir, previous.data_dir):
        kept["data_size_mb"] = previous.data_size_mb
    kept = {name: value for name, value in kept.items() if value is not None}
    if not kept:
        return {}
    told = {name: _last_known(previous, name) for name in kept}
    if "data_size_mb" in kept:
        kept["data_size_complete"] = previous.data_size_complete
    return {**kept, "evidence": {**reported.evidence, **told}}


def _seen_values(values: Mapping[str, Any], previous: DatabaseRecord | None) -> Mapping[str, str]:
    """What `previous` has seen and what this look's evidences say, the newest last; bounded."""
    evidence = values["evidence"]
    if (
        previous
        and previous.seen_values
        and evidence == previous.evidence
        and values["version"] == previous.version
        and values["data_dir"] == previous.data_dir
    ):
        return previous.seen_values
    seen = dict(previous.seen_values) if previous else {}
    for name in _SEEN:
        value, key = values[name], _evidence_key(evidence, name)
        if value and key:
            seen.pop(key, None)
            seen[key] = value
    return seen if len(seen) <= _MAX_SEEN else dict(list(seen.items())[-_MAX_SEEN:])


def _evidence_key(evidence: Mapping[str, str], name: str) -> str | None:
    """`version dpkg`; None for a value that was not found by this look."""
    words = evidence.get(name, "").split(maxsplit=1)
    if not words or evidence[name].startswith(_LAST_KNOWN):
        return None
    return f"{name} {words[0][:32]}"


def _is_flapping(name: str, previous: DatabaseRecord, record: DatabaseRecord) -> bool:
    """Whether `name` differs only because another kind of evidence spoke: see the module."""
    key = _evidence_key(record.evidence, name)
    key_before = _evidence_key(previous.evidence, name)
    if key is None or key == key_before:
        return False
    value: str | None = getattr(record, name)
    return previous.seen_values.get(key) == value


def _last_known(previous: DatabaseRecord, name: str) -> str:
    found = previous.evidence.get(name, "")
    if found.startswith(_LAST_KNOWN):
        return found
    seen = iso(previous.last_seen or previous.discovery_timestamp)
    return f"{_LAST_KNOWN}{seen}: {found}" if found else f"{_LAST_KNOWN}{seen}"


def _gone(
    look: _Look, record: DatabaseRecord, facts: Mapping[str, Any], ttl: timedelta
) -> DatabaseRecord:
    return replace(
        record,
        status=DatabaseStatus.GONE,
        discovery_status=DiscoveryStatus.SUCCESS,
        gone_at=look.now,
        expires_at=int((look.now + ttl).timestamp()),
        evidence={**record.evidence, "status": f"not found by run {look.run_id}"},
        **look.stamp,
        **facts,
    )


def _differences(
    look: _Look, previous: DatabaseRecord | None, record: DatabaseRecord
) -> list[Change]:
    if previous is None or _is_gone(previous):
        return [look.change(ChangeKind.APPEARED, record, None, record.version)]
    found: list[Change] = []
    if previous.version and record.version and previous.version != record.version:
        direction = compare_versions(previous.version, record.version)
        if direction and not _is_flapping("version", previous, record):
            kind = ChangeKind.UPGRADED if direction > 0 else ChangeKind.DOWNGRADED
            found.append(look.change(kind, record, previous.version, record.version))
    before, after = previous.data_dir, record.data_dir
    moved = before and after and before != after and not _same_place(before, after)
    if moved and not _is_flapping("data_dir", previous, record):
        found.append(look.change(ChangeKind.MOVED, record, before, after))
    if previous.status and record.status and previous.status is not record.status:
        running = record.status is DatabaseStatus.RUNNING
        kind = ChangeKind.STARTED if running else ChangeKind.STOPPED
        found.append(look.change(kind, record, previous.status.value, record.status.value))
    if not moved and _grew(previous, record, look.growth_percent):
        sizes = _mebibytes(previous.data_size_mb), _mebibytes(record.data_size_mb)
        found.append(look.change(ChangeKind.GREW, record, *sizes))
    return found


def _grew(previous: DatabaseRecord, record: DatabaseRecord, percent: int) -> bool:
    """Both sizes whole: one that was cut short says nothing about growth."""
    before, after = previous.data_size_mb, record.data_size_mb
    if before is None or after is None or after <= before:
        return False
    if not (previous.data_size_complete and record.data_size_complete):
        return False
    grown = after - before
    return grown >= _LEAST_GROWTH_MB and grown * 100 > before * percent


def _mebibytes(size: float | None) -> str | None:
    return None if size is None else f"{size:.2f} MiB"


def _same_place(one: str, other: str | None) -> bool:
    return other is not None and one.rstrip("/") == other.rstrip("/")
