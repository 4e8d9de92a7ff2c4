"""Records for the view's tests: a small organisation, made without AWS."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from discovery.errors import FailureKind
from discovery.model import (
    NO_DATABASE,
    Coverage,
    DatabaseRecord,
    DatabaseStatus,
    DiscoveryStatus,
    HostRecord,
    RunRecord,
    RunStatus,
    ScopeRecord,
    ScopeStatus,
)
from discovery.view.snapshot import Snapshot

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RUN = "20260302T115500Z-4f1c2a"
ACCOUNTS = ("111122223333", "222233334444", "333344445555", "444455556666", "555566667777")
REGIONS = ("eu-central-1", "eu-west-1")

_SERVERS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "mysql": (3306, ("8.0.35", "8.0.36", "5.7.44", "8.4.3")),
    "mariadb": (3306, ("10.6.16", "10.11.6", "11.4.2")),
    "percona": (3306, ("8.0.35-27", "5.7.44-48")),
    "postgresql": (5432, ("16.4", "15.8", "14.13", "12.19", "9.6.24")),
    "mongodb": (27017, ("7.0.14", "6.0.16", "4.4.29")),
}
_TEAMS = ("orders", "billing", "search", "identity", "reporting", "telemetry")


def database(**changed: object) -> DatabaseRecord:
    """One record of a running MySQL, with the given fields changed."""
    values: dict[str, object] = {
        "account_id": ACCOUNTS[0],
        "instance_id": "i-0abc123def4567890",
        "db_id": "mysql-3306",
        "region": REGIONS[1],
        "discovery_timestamp": NOW - timedelta(minutes=4),
        "discovery_status": DiscoveryStatus.SUCCESS,
        "run_id": RUN,
        "first_seen": NOW - timedelta(days=90),
        "last_seen": NOW - timedelta(minutes=4),
        "engine": "mysql",
        "version": "8.0.35",
        "edition": "Community",
        "status": DatabaseStatus.RUNNING,
        "port": 3306,
        "listen": ("0.0.0.0:3306",),
        "data_dir": "/var/lib/mysql",
        "data_size_mb": 2048.0,
        "binary": "/usr/sbin/mysqld",
        "config_file": "/etc/mysql/my.cnf",
        "evidence": {
            "status": "process 812",
            "version": "dpkg mysql-server-core-8.0 8.0.35-0ubuntu0.22.04.1",
            "port": "listening socket",
            "data_dir": "config /etc/mysql/my.cnf",
            "data_size_mb": "sum of file sizes",
        },
        "instance_name": "orders-db-1",
        "hostname": "ip-10-0-1-17",
        "os_name": "Ubuntu 22.04.4 LTS",
        "kernel": "5.15.0-1052-aws",
        "architecture": "x86_64",
        "system_memory_mb": 4096,
        "system_cpu_cores": 2,
        "environment": "production",
        "tags": {"Name": "orders-db-1", "Environment": "production", "Owner": "orders"},
    }
    return DatabaseRecord(**(values | changed))  # type: ignore[arg-type]


def host(**changed: object) -> HostRecord:
    """One scanned host, with the given fields changed."""
    values: dict[str, object] = {
        "account_id": ACCOUNTS[0],
        "region": REGIONS[1],
        "instance_id": "i-0abc123def4567890",
        "coverage": Coverage.SCANNED,
        "run_id": RUN,
        "checked_at": NOW - timedelta(minutes=4),
        "name": "orders-db-1",
        "platform": "Ubuntu 22.04",
        "instance_type": "r6i.large",
        "environment": "production",
        "last_scanned": NOW - timedelta(minutes=4),
        "databases": 1,
    }
    return HostRecord(**(values | changed))  # type: ignore[arg-type]


def run(**changed: object) -> RunRecord:
    """One finished run, with the given fields changed."""
    values: dict[str, object] = {
        "run_id": RUN,
        "status": RunStatus.PARTIAL,
        "started_at": NOW - timedelta(minutes=5),
        "heartbeat_at": NOW - timedelta(minutes=4),
        "finished_at": NOW - timedelta(minutes=4),
        "holder": "discovery-1:4711",
        "trigger": "cli",
        "scopes_total": 10,
        "scopes_done": 10,
        "scopes_failed": 2,
        "hosts_listed": 60,
        "hosts_targeted": 48,
        "hosts_scanned": 45,
        "hosts_failed": 3,
        "databases": 92,
        "batches": 9,
        "changes": {"appeared": 92},
        "api_calls": {"ssm:SendCommand": 9, "ssm:ListCommandInvocations": 18},
    }
    return RunRecord(**(values | changed))  # type: ignore[arg-type]


def snapshot(hosts: int = 60, seed: int = 7) -> Snapshot:
    """A believable organisation of `hosts` instances; the same for the same arguments."""
    chance = random.Random(seed)  # noqa: S311  no secret depends on it
    records: list[DatabaseRecord] = []
    instances: list[HostRecord] = []
    for index in range(hosts):
        instance = _host(chance, index)
        instances.append(instance)
        records += _databases(chance, instance)
    return Snapshot(tuple(records), tuple(instances), _scopes(instances), (run(),), NOW)


def _host(chance: random.Random, index: int) -> HostRecord:
    team = chance.choice(_TEAMS)
    state = chance.choices(
        (
            Coverage.SCANNED,
            Coverage.FAILED,
            Coverage.AGENT_OFFLINE,
            Coverage.NOT_MANAGED,
            Coverage.STOPPED,
            Coverage.UNSUPPORTED_PLATFORM,
        ),
        (80, 5, 4, 5, 4, 2),
    )[0]
    kind = chance.choice((FailureKind.PYTHON_MISSING, FailureKind.TIMED_OUT))
    failed = state is Coverage.FAILED
    return host(
        account_id=chance.choice(ACCOUNTS[:4]),
        region=chance.choice(REGIONS),
        instance_id=f"i-{chance.getrandbits(68):017x}",
        name=f"{team}-db-{index}",
        environment=chance.choice(("production", "staging", "test", None)),
        coverage=state,
        platform="Windows Server 2022"
        if state is Coverage.UNSUPPORTED_PLATFORM
        else "Ubuntu 22.04",
        last_scanned=NOW - timedelta(minutes=4) if state is Coverage.SCANNED else None,
        error="python3 not found" if failed else None,
        error_kind=kind if failed else None,
    )


def _databases(chance: random.Random, instance: HostRecord) -> list[DatabaseRecord]:
    place = {
        "account_id": instance.account_id,
        "region": instance.region,
        "instance_id": instance.instance_id,
        "instance_name": instance.name,
        "environment": instance.environment,
        "tags": {"Name": instance.name or "", "Owner": (instance.name or "").split("-")[0]},
    }
    if instance.coverage is Coverage.FAILED:
        failure = {"discovery_status": DiscoveryStatus.FAILED, "error": instance.error}
        return [_nothing(**place, **failure, error_kind=instance.error_kind)]
    if instance.coverage is not Coverage.SCANNED:
        return []
    found = []
    for number in range(chance.choices((0, 1, 2, 3), (5, 50, 35, 10))[0]):
        engine = chance.choice(tuple(_SERVERS))
        port, versions = _SERVERS[engine]
        running = chance.random() < 0.9
        found.append(
            database(
                **place,
                engine=engine,
                version=chance.choice((*versions, None)),
                edition=None,
                db_id=f"{engine}-{port + number}",
                port=port + number,
                status=DatabaseStatus.RUNNING if running else DatabaseStatus.INSTALLED,
                data_dir=f"/var/lib/{engine}{number or ''}",
                data_size_mb=chance.choice((None, round(10 ** chance.uniform(0.5, 6.3), 2))),
            )
        )
    return found or [_nothing(**place)]


def _nothing(**changed: object) -> DatabaseRecord:
    unknown = dict.fromkeys(("engine", "version", "edition", "status", "port", "data_size_mb"))
    return database(db_id=NO_DATABASE, evidence={}, last_seen=None, **(unknown | changed))


def _scopes(hosts: list[HostRecord]) -> tuple[ScopeRecord, ...]:
    scopes = []
    for account in ACCOUNTS:
        for region in REGIONS:
            refused = account == ACCOUNTS[4]
            listed = [host for host in hosts if (host.account_id, host.region) == (account, region)]
            scopes.append(
                ScopeRecord(
                    run_id=RUN,
                    account_id=account,
                    region=region,
                    status=ScopeStatus.FAILED if refused else ScopeStatus.SUCCEEDED,
                    hosts_listed=None if refused else len(listed),
                    error="AccessDenied: not authorized to perform: sts:AssumeRole"
                    if refused
                    else None,
                    error_kind=FailureKind.ASSUME_ROLE_DENIED if refused else None,
                )
            )
    return tuple(scopes)
