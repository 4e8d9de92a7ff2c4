"""Results to store, and a look at everything that is stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from discovery.aws.host_writer import HostRows
from discovery.aws.session import Aws
from discovery.errors import FailureKind
from discovery.model import (
    Change,
    ChangeKind,
    Coverage,
    DatabaseRecord,
    DatabaseStatus,
    DiscoveryStatus,
    Failure,
    Host,
    HostChanges,
    HostFacts,
    HostRecord,
    HostReport,
    ReportedDatabase,
)
from discovery.run.writes import HostObservation

NOW = datetime(2026, 2, 4, 10, 0, 0, 123000, tzinfo=UTC)
EARLIER, LATER = "20260204T090000.000Z-aaaaaa", "20260204T100000.000Z-bbbbbb"
ORDERS = {EARLIER: 1, LATER: 2}
"""The order of each run."""


def a_record(**fields: object) -> DatabaseRecord:
    """A running MySQL."""
    record = DatabaseRecord(
        account_id="111111111111",
        instance_id="i-0abc123def456",
        db_id="mysql-3306",
        region="eu-west-1",
        discovery_timestamp=NOW,
        discovery_status=DiscoveryStatus.SUCCESS,
        run_id=LATER,
        first_seen=NOW,
        last_seen=NOW,
        engine="mysql",
        version="8.0.35",
        status=DatabaseStatus.RUNNING,
        port=3306,
        listen=("0.0.0.0:3306", "[::]:3306"),
        data_dir="/var/lib/mysql",
        data_size_mb=2048.25,
        evidence={"version": "dpkg mysql-server-core-8.0"},
        tags={"Name": "=orders"},
        warnings=("a <b>warning</b>",),
    )
    record = replace(record, **fields)  # type: ignore[arg-type]
    order = fields.get("run_order", ORDERS.get(record.run_id, 0))
    return replace(record, run_order=order)  # type: ignore[arg-type]


def host_rows(run_id: str, *, failed: bool = False, databases: int = 1) -> HostRows:
    """One host's result: MySQLs that appeared, or a failure."""
    host = HostRecord(
        "111111111111",
        "eu-west-1",
        "i-0abc123def456",
        Coverage.FAILED if failed else Coverage.SCANNED,
        run_id,
        NOW,
        run_order=ORDERS.get(run_id, 0),
        databases=None if failed else databases,
        error_kind=FailureKind.TIMED_OUT if failed else None,
    )
    if failed:
        placeholder = a_record(
            db_id="none", run_id=run_id, discovery_status=DiscoveryStatus.FAILED, status=None
        )
        return HostRows(HostChanges((placeholder,)), host)
    records = tuple(
        a_record(db_id=f"mysql-{port}", port=port, run_id=run_id)
        for port in range(3306, 3306 + databases)
    )
    changes = tuple(
        Change(
            run_id=run_id,
            at=NOW,
            kind=ChangeKind.APPEARED,
            account_id=record.account_id,
            region=record.region,
            instance_id=record.instance_id,
            db_id=record.db_id,
            engine="mysql",
        )
        for record in records
    )
    return HostRows(HostChanges(records, (), changes), host)


def an_observation(run_id: str, *, failed: bool = False) -> HostObservation:
    """What a run saw of one host: a MySQL, or a failure."""
    coverage = host_rows(run_id, failed=failed).host
    host = Host(coverage.account_id, coverage.region, coverage.instance_id, Coverage.PENDING)
    mysql = ReportedDatabase("mysql-3306", "mysql", DatabaseStatus.RUNNING, version="8.0.35")
    result: HostReport | Failure = HostReport(HostFacts(hostname="h"), (mysql,), (), 5)
    if failed:
        result = Failure(FailureKind.TIMED_OUT, "no answer")
    return HostObservation(host, result, NOW, coverage)


def dump(aws: Aws) -> list[dict[str, Any]]:
    """Every item of both tables."""
    items = [
        item
        for name in (aws.settings.results_table, aws.settings.runs_table)
        for item in aws.table(name).scan()["Items"]
    ]
    return sorted(items, key=lambda item: sorted(item.items(), key=str).__repr__())
