"""(what was known of a host, what its scan brought) -> what to write. Pure: no clock, no I/O.

A run learns of a host by a report, by a failure, or by proof that the host is gone.

- **Failure**: the host's placeholder record says why. Nothing else changes.
- **Report**: every reported database is written. A known database that a complete report does not
  name is gone: a state with a date, removed later by the table's TTL. From an incomplete report
  nothing is concluded about what it does not name. The placeholder stands only while the host has
  no database that is not gone.
- **Gone**: whatever is known of the host is gone, for the same reason; the placeholder goes too.

A host on which a newer run, or a later scan, has reported is left alone (a run's order says which
is newer). A newer run's failure does not stand in the way of what an older one saw and could store
only later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from discovery.inventory.differences import DEFAULT_GROWTH_PERCENT, find_differences
from discovery.inventory.last_known import keep_last_known, remember_evidence
from discovery.model import (
    FACTS,
    HOST_FACTS,
    NO_DATABASE,
    Change,
    ChangeKind,
    Coverage,
    DatabaseRecord,
    DatabaseStatus,
    DiscoveryStatus,
    Failure,
    GoneReason,
    Host,
    HostChanges,
    HostGone,
    HostReport,
    HostResult,
    ReportedDatabase,
)
from discovery.sanitize import printable

_MAX_ERROR = 1000
_PROOFS = {
    GoneReason.ABSENT: "not found by run",
    GoneReason.TERMINATED: "instance no longer listed in run",
    GoneReason.RELEASED: "released by",
}
"""What proved that a database is gone: the beginning of its evidence, before the run's id."""
_facts_of = attrgetter(*FACTS)
_host_facts_of = attrgetter(*HOST_FACTS)

_Values = dict[str, Any]


def reconcile_host(
    known: Sequence[DatabaseRecord],
    host: Host,
    result: HostResult,
    *,
    run_id: str,
    run_order: int = 0,
    now: datetime,
    gone_ttl_days: int,
    environment_tags: Sequence[str],
    growth_percent: int = DEFAULT_GROWTH_PERCENT,
) -> HostChanges:
    """What `result`, of a scan of `host` at `now`, changes in `known`, the inventory's records of
    that host.

    Records of other hosts are ignored. Data that grew by more than `growth_percent`, and 1 GiB or
    more, since the scan before is a change.
    """
    scan = _Scan(
        host, run_id, run_order, now, environment_of(host.tags, environment_tags), growth_percent
    )
    known_by_id: dict[str, DatabaseRecord] = {}
    for record in known:
        if record.instance_id == host.instance_id and record.account_id == host.account_id:
            known_by_id[record.db_id] = record
            if _is_newer(record, scan) and not _gives_way(record, result):
                return HostChanges(superseded=True)
    if host.coverage is Coverage.TERMINATED:
        _keep_names(scan, known_by_id.values())
    gone_ttl = timedelta(days=gone_ttl_days)
    match result:
        case Failure():
            return _failed(scan, known_by_id, result)
        case HostGone(reason=reason):
            return _host_gone(scan, known_by_id, reason, gone_ttl)
        case HostReport():
            return _scanned(scan, known_by_id, result, gone_ttl)


def environment_of(tags: Mapping[str, str], environment_tags: Iterable[str]) -> str | None:
    """The value of the first of `environment_tags` that is set and not blank."""
    for name in environment_tags:
        if name in tags:
            value = printable(tags[name])
            if value:
                return value
    return None


@dataclass(slots=True)
class _Scan:
    """One scan of one host by one run."""

    host: Host
    run_id: str
    run_order: int
    now: datetime
    environment: str | None
    growth_percent: int

    def host_values(self, host_facts: Mapping[str, Any]) -> _Values:
        """The fields that all records of this host have in common."""
        host = self.host
        return {
            "account_id": host.account_id,
            "region": host.region,
            "instance_id": host.instance_id,
            "instance_name": host.name,
            "environment": self.environment,
            "tags": host.tags,
            "run_id": self.run_id,
            "run_order": self.run_order,
            "discovery_timestamp": self.now,
            **host_facts,
        }


def _keep_names(scan: _Scan, known: Iterable[DatabaseRecord]) -> None:
    """What AWS said of a host that is no longer listed stays as it was known."""
    newest = max(known, key=attrgetter("discovery_timestamp"), default=None)
    if newest:
        scan.host = replace(scan.host, name=newest.instance_name, tags=newest.tags)
        scan.environment = newest.environment


def _is_newer(record: DatabaseRecord, scan: _Scan) -> bool:
    """Whether a newer run, or a later scan, has stored `record`.

    The times of a record without an order are of some machine's clock: they say nothing to a run
    that has one.
    """
    newer = (record.run_order, record.run_id) > (scan.run_order, scan.run_id)
    if record.last_seen and (record.run_order or not scan.run_order):
        newer = newer or record.last_seen > scan.now
    return newer


def _gives_way(record: DatabaseRecord, result: HostResult) -> bool:
    """Whether `record` says only that a scan failed, and `result` is what an older one saw. That a
    host is gone is no such thing: the newer scan met the host."""
    is_failure = not record.is_database and record.discovery_status is DiscoveryStatus.FAILED
    return is_failure and not isinstance(result, HostGone)


def _failed(
    scan: _Scan, known_by_id: Mapping[str, DatabaseRecord], failure: Failure
) -> HostChanges:
    """The placeholder says why. It keeps what was last known of the host itself."""
    newest = max(known_by_id.values(), key=attrgetter("discovery_timestamp"), default=None)
    host_facts = dict(zip(HOST_FACTS, _host_facts_of(newest), strict=True)) if newest else {}
    placeholder = DatabaseRecord(
        **scan.host_values(host_facts),
        db_id=NO_DATABASE,
        first_seen=_first_seen(scan, known_by_id.get(NO_DATABASE)),
        discovery_status=DiscoveryStatus.FAILED,
        error=printable(f"{failure.kind}: {failure.message}", _MAX_ERROR),
        error_kind=failure.kind,
    )
    return HostChanges((placeholder,))


def _host_gone(
    scan: _Scan,
    known_by_id: Mapping[str, DatabaseRecord],
    reason: GoneReason,
    gone_ttl: timedelta,
) -> HostChanges:
    """What was last known of the host stays in its records: a listing says nothing of it."""
    values = {
        "run_id": scan.run_id,
        "run_order": scan.run_order,
        "discovery_timestamp": scan.now,
        "discovery_status": DiscoveryStatus.SUCCESS,
        "error": None,
        "error_kind": None,
    }
    here = [record for record in known_by_id.values() if record.region == scan.host.region]
    puts = tuple(
        _gone(scan, record, reason, gone_ttl, values)
        for record in here
        if record.is_database and not _is_gone(record)
    )
    placeholders = tuple(record for record in here if not record.is_database)
    return HostChanges(puts, placeholders, tuple(map(_gone_change, puts)))


def _scanned(
    scan: _Scan,
    known_by_id: Mapping[str, DatabaseRecord],
    report: HostReport,
    gone_ttl: timedelta,
) -> HostChanges:
    host_facts = dict(zip(HOST_FACTS, _host_facts_of(report.host), strict=True))
    host_values = scan.host_values(host_facts)
    host_values["discovery_status"] = DiscoveryStatus.SUCCESS
    host_values["warnings"] = report.warnings
    puts: list[DatabaseRecord] = []
    changes: list[Change] = []
    for reported in report.databases:
        known = known_by_id.get(reported.db_id)
        previous = None if known and _is_gone(known) else known
        record = _present(scan, previous, reported, host_values, _first_seen(scan, known))
        puts.append(record)
        changes += find_differences(previous, record, scan.growth_percent)

    absent = _absent(known_by_id, report)
    if report.complete:
        # A record of another region was not looked for here, and is not judged.
        gone = [record for record in absent if record.region == scan.host.region]
        for record in gone:
            values = {**host_values, "warnings": record.warnings}
            puts.append(_gone(scan, record, GoneReason.ABSENT, gone_ttl, values))
            changes.append(_gone_change(puts[-1]))
        absent = [record for record in absent if record not in gone]

    placeholder = known_by_id.get(NO_DATABASE)
    if report.databases or absent:
        deletes = (placeholder,) if placeholder else ()
        return HostChanges(tuple(puts), deletes, tuple(changes))
    first_seen = _first_seen(scan, placeholder)
    puts.append(DatabaseRecord(**host_values, db_id=NO_DATABASE, first_seen=first_seen))
    return HostChanges(tuple(puts), (), tuple(changes))


def _absent(known_by_id: Mapping[str, DatabaseRecord], report: HostReport) -> list[DatabaseRecord]:
    """The databases that are known, not gone, and not in the report."""
    reported = {database.db_id for database in report.databases}
    return [
        record
        for db_id, record in known_by_id.items()
        if db_id not in reported and record.is_database and not _is_gone(record)
    ]


def _present(
    scan: _Scan,
    previous: DatabaseRecord | None,
    reported: ReportedDatabase,
    host_values: Mapping[str, Any],
    first_seen: datetime,
) -> DatabaseRecord:
    """The record of a database that was reported. `previous` is None also for one that was gone."""
    if previous:
        reported = keep_last_known(reported, previous)
    # The facts by position: this is done a hundred thousand times a run, and names cost twice that.
    return DatabaseRecord(
        *_facts_of(reported),
        **host_values,
        first_seen=first_seen,
        last_seen=scan.now,
        seen_values=remember_evidence(reported, previous),
    )


def _gone(
    scan: _Scan,
    record: DatabaseRecord,
    reason: GoneReason,
    gone_ttl: timedelta,
    host_values: Mapping[str, Any],
) -> DatabaseRecord:
    values = {
        **host_values,
        "status": DatabaseStatus.GONE,
        "gone_at": scan.now,
        "gone_reason": reason,
        "expires_at": int((scan.now + gone_ttl).timestamp()),
        "evidence": {**record.evidence, "status": f"{_PROOFS[reason]} {scan.run_id}"},
    }
    return replace(record, **values)


def _gone_change(gone: DatabaseRecord) -> Change:
    """`after` says why, unless its host's report did no longer name it: the usual case."""
    unusual = gone.gone_reason is not GoneReason.ABSENT
    return Change.from_record(
        ChangeKind.GONE, gone, gone.version, gone.gone_reason if unusual else None
    )


def _first_seen(scan: _Scan, previous: DatabaseRecord | None) -> datetime:
    return previous.first_seen if previous else scan.now


def _is_gone(record: DatabaseRecord) -> bool:
    return record.status is DatabaseStatus.GONE
