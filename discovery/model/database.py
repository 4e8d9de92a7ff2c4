"""A database: what a host reports of it, and what the inventory holds.

A field's unit, meaning and example stand in its annotation and nowhere else: column help, the CSV
header's documentation and `schema/example-record.json` are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from discovery.errors import FailureKind
from discovery.model.bounds import (
    Bytes,
    Clients,
    Connections,
    DatabaseId,
    DiskSpace,
    EngineId,
    Evidence,
    LiveStatus,
    Path,
    Port,
    ProcessMemory,
    Reported,
    Text,
    Texts,
    Time,
    Version,
)
from discovery.model.host import HostFacts

NO_DATABASE = "none"
"""`db_id` of the record of a host with no known database, or whose discovery failed."""

ENGINE_LABELS: Mapping[str, str] = {
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "percona": "Percona Server",
    "postgresql": "PostgreSQL",
    "mongodb": "MongoDB",
    "edb": "EDB Postgres",
    "redis": "Redis",
    "valkey": "Valkey",
    "keydb": "KeyDB",
    "memcached": "Memcached",
    "cassandra": "Cassandra",
    "scylladb": "ScyllaDB",
    "elasticsearch": "Elasticsearch",
    "opensearch": "OpenSearch",
    "couchbase": "Couchbase",
    "couchdb": "CouchDB",
    "neo4j": "Neo4j",
    "clickhouse": "ClickHouse",
    "influxdb": "InfluxDB",
    "cockroachdb": "CockroachDB",
    "tidb": "TiDB",
    "etcd": "etcd",
    "firebird": "Firebird",
    "sqlserver": "SQL Server",
    "oracle": "Oracle Database",
    "db2": "Db2",
    "hana": "SAP HANA",
    "ase": "SAP ASE",
}
"""Engine id -> the name people use. An engine that is not here is shown by its id."""


class DiscoveryStatus(StrEnum):
    """Whether the last scan of this record's host succeeded."""

    SUCCESS = "success"
    FAILED = "failed"


class DatabaseStatus(StrEnum):
    """What a database was doing when its host was last scanned."""

    RUNNING = "running"
    INSTALLED = "installed"
    GONE = "gone"


class GoneReason(StrEnum):
    """What proves that a database is gone."""

    ABSENT = "absent"
    TERMINATED = "terminated"
    RELEASED = "released"

    @property
    def explanation(self) -> str:
        """One sentence for the pages."""
        return _GONE_EXPLANATIONS[self]


_GONE_EXPLANATIONS: Mapping[GoneReason, str] = {
    GoneReason.ABSENT: "A complete report of its host no longer names it.",
    GoneReason.TERMINATED: "A complete listing no longer has its instance.",
    GoneReason.RELEASED: "Its account or region is no longer watched, and somebody released it.",
}


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What a host knows of one database: reported, reconciled, stored and shown as it is."""

    db_id: Annotated[
        str,
        Field(
            description="Engine and port, unique on the host and stable across scans; "
            "`none` for a host with no known database or whose discovery failed.",
            examples=["mysql-3306"],
        ),
        Reported(DatabaseId),
    ]
    engine: Annotated[
        str | None,
        Field(description="Database engine.", examples=["mysql"]),
        Reported(EngineId),
    ] = None
    status: Annotated[
        DatabaseStatus | None,
        Field(description="running, installed (not running) or gone.", examples=["running"]),
        Reported(LiveStatus),
    ] = None
    version: Annotated[
        str | None,
        Field(description="Version of the server.", examples=["8.0.35"]),
        Reported(Version),
    ] = None
    edition: Annotated[
        str | None,
        Field(description="Edition or distribution, where the host tells.", examples=["Community"]),
        Reported(Text),
    ] = None
    port: Annotated[
        int | None,
        Field(description="TCP port: listening, or configured when not running.", examples=[3306]),
        Reported(Port),
    ] = None
    listen: Annotated[
        tuple[str, ...],
        Field(description="Addresses it listens on.", examples=[["0.0.0.0:3306"]]),
        Reported(Texts),
    ] = ()
    data_dir: Annotated[
        str | None,
        Field(description="Data directory on the host.", examples=["/var/lib/mysql"]),
        Reported(Path),
    ] = None
    data_size_mb: Annotated[
        float | None,
        Field(description="Apparent size of the data directory, MiB.", examples=[2048]),
        Reported(Bytes, "data_size_bytes"),
    ] = None
    data_size_complete: Annotated[
        bool,
        Field(
            description="False when measuring was cut short: the size is at least this.",
            examples=[True],
        ),
        Reported(bool),
    ] = True
    binary: Annotated[
        str | None,
        Field(description="Server executable.", examples=["/usr/sbin/mysqld"]),
        Reported(Path),
    ] = None
    config_file: Annotated[
        str | None,
        Field(description="Configuration file in effect.", examples=["/etc/mysql/my.cnf"]),
        Reported(Path),
    ] = None
    container: Annotated[
        str | None,
        Field(description="Container id, when it runs in one.", examples=["3f4e5d6c7b8a"]),
        Reported(Text),
    ] = None
    image: Annotated[
        str | None,
        Field(
            description="Image of its container, where the runtime's files tell.",
            examples=["mysql:8.0.35"],
        ),
        Reported(Text),
    ] = None
    published_port: Annotated[
        int | None,
        Field(description="Host port that leads to its container's port.", examples=[13306]),
        Reported(Port),
    ] = None
    owner: Annotated[
        str | None,
        Field(description="User the process runs as.", examples=["mysql"]),
        Reported(Text),
    ] = None
    started_at: Annotated[
        datetime | None,
        Field(description="When the process started, UTC.", examples=["2026-01-30T22:14:05Z"]),
        Reported(Time),
    ] = None
    memory_mb: Annotated[
        int | None,
        Field(description="Resident memory of the process, MiB.", examples=[612]),
        Reported(ProcessMemory),
    ] = None
    disk_free_mb: Annotated[
        int | None,
        Field(description="Free space of the data directory's file system, MiB.", examples=[51200]),
        Reported(DiskSpace),
    ] = None
    tls: Annotated[
        bool | None,
        Field(
            description="Whether its configuration turns TLS on; unknown when it says nothing "
            "and there is no plain default.",
            examples=[True],
        ),
        Reported(bool),
    ] = None
    role: Annotated[
        str | None,
        Field(
            description="Role in replication, as configuration or data directory hint.",
            examples=["replica"],
        ),
        Reported(Text),
    ] = None
    clients: Annotated[
        Mapping[str, int] | None,
        Field(
            description="Established client connections by remote address, at most 50 addresses; "
            "only when asked for.",
            examples=[{"10.0.4.21": 12}],
        ),
        Reported(Clients),
    ] = None
    clients_total: Annotated[
        int | None,
        Field(description="Established client connections of all addresses.", examples=[12]),
        Reported(Connections),
    ] = None
    evidence: Annotated[
        Mapping[str, str],
        Field(
            description="Field -> how its value was found.",
            examples=[
                {
                    "status": "process 812",
                    "version": "dpkg mysql-server-core-8.0 8.0.35-0ubuntu0.22.04.1",
                    "port": "listening socket",
                    "data_dir": "config /etc/mysql/my.cnf",
                    "data_size_mb": "sum of file sizes",
                }
            ],
        ),
        Reported(Evidence),
    ] = field(default_factory=dict)


FACTS = tuple(fact.name for fact in fields(DatabaseFacts))
"""The names of those fields."""


@dataclass(frozen=True, slots=True)
class ReportedDatabase(DatabaseFacts):
    """One database as one host reported it, validated and bounded."""

    engine: str
    status: DatabaseStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseRecord(DatabaseFacts, HostFacts):
    """One item of `db-discovery-results`; PK `account_id`, SK `instance_db_id`."""

    account_id: Annotated[
        str, Field(description="AWS account, 12 digits.", examples=["123456789012"])
    ]
    instance_id: Annotated[
        str, Field(description="EC2 or hybrid instance.", examples=["i-0abc123def456"])
    ]
    region: Annotated[str, Field(description="AWS region.", examples=["eu-west-1"])]
    discovery_timestamp: Annotated[
        datetime,
        Field(
            description="When this record was last confirmed, UTC.",
            examples=["2026-02-04T10:00:00Z"],
        ),
    ]
    discovery_status: Annotated[
        DiscoveryStatus, Field(description="success or failed.", examples=["success"])
    ]
    run_id: Annotated[
        str,
        Field(
            description="The run that asked for what this record says; begins with its time.",
            examples=["20260204T100000.000Z-4f1c2a"],
        ),
    ]
    first_seen: Annotated[
        datetime,
        Field(
            description="When this database was first reported, UTC.",
            examples=["2026-01-12T02:00:00Z"],
        ),
    ]
    run_order: Annotated[
        int,
        Field(
            description="That run's number among all runs: a run never overwrites a higher one. "
            "0 where an earlier version wrote it.",
            examples=[42],
        ),
    ] = 0
    last_seen: Annotated[
        datetime | None,
        Field(
            description="When this database was last reported, UTC.",
            examples=["2026-02-04T10:00:00Z"],
        ),
    ] = None
    seen_values: Annotated[
        Mapping[str, str],
        Field(
            description="Field and kind of evidence -> what that evidence last said: a value that "
            "alternates between two evidences is not a change.",
            examples=[{"version dpkg": "8.0.35", "data_dir config": "/var/lib/mysql"}],
        ),
    ] = field(default_factory=dict)
    warnings: Annotated[
        tuple[str, ...],
        Field(description="What the probe could not do on this host.", examples=[[]]),
    ] = ()
    error: Annotated[
        str | None,
        Field(description="Why discovery of this host failed.", examples=[None]),
    ] = None
    error_kind: Annotated[
        FailureKind | None, Field(description="The class of the failure.", examples=[None])
    ] = None
    gone_at: Annotated[
        datetime | None,
        Field(description="When it was first known to be gone, UTC.", examples=[None]),
    ] = None
    gone_reason: Annotated[
        GoneReason | None,
        Field(
            description="What proved that it is gone: absent (from a complete report of its "
            "host), terminated (its instance) or released (by an admin).",
            examples=[None],
        ),
    ] = None
    expires_at: Annotated[
        int | None,
        Field(
            description="Epoch seconds at which DynamoDB removes a gone record.", examples=[None]
        ),
    ] = None
    instance_name: Annotated[
        str | None, Field(description="The instance's Name tag.", examples=["orders-db-1"])
    ] = None
    environment: Annotated[
        str | None, Field(description="The instance's environment tag.", examples=["production"])
    ] = None
    tags: Annotated[
        Mapping[str, str],
        Field(
            description="The instance's tags.",
            examples=[{"Name": "orders-db-1", "Environment": "production", "Owner": "orders"}],
        ),
    ] = field(default_factory=dict)

    @property
    def instance_db_id(self) -> str:
        """Sort key: `<instance_id>#<db_id>`."""
        return f"{self.instance_id}#{self.db_id}"

    @property
    def key(self) -> tuple[str, str]:
        """(partition key, sort key)."""
        return (self.account_id, self.instance_db_id)

    @property
    def is_database(self) -> bool:
        """False for the placeholder of a host with no known database."""
        return self.db_id != NO_DATABASE
