"""Every record of the product, and one definition of each field.

A field's unit, meaning and example stand in its annotation and nowhere else: column help, the CSV
header's documentation and `schema/example-record.json` are made from it. Records are frozen.
Sizes are MiB in `_mb` fields; times are timezone-aware UTC. `None` means unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from discovery.errors import FailureKind

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
    """Whether the last look at this record's host succeeded."""

    SUCCESS = "success"
    FAILED = "failed"


class DatabaseStatus(StrEnum):
    """What a database was doing when its host was last looked at."""

    RUNNING = "running"
    INSTALLED = "installed"
    GONE = "gone"


class Coverage(StrEnum):
    """Every instance is in exactly one of these: scanned, or not scanned for this reason."""

    SCANNED = "scanned"
    FAILED = "failed"
    AGENT_OFFLINE = "agent_offline"
    NOT_MANAGED = "not_managed"
    STOPPED = "stopped"
    UNSUPPORTED_PLATFORM = "unsupported_platform"
    TERMINATED = "terminated"
    NOT_REACHED = "not_reached"
    PENDING = "pending"

    @property
    def explanation(self) -> str:
        """One sentence for the Coverage page."""
        return _COVERAGE_EXPLANATIONS[self]


_COVERAGE_EXPLANATIONS: dict[Coverage, str] = {
    Coverage.SCANNED: "The probe ran and its report was stored.",
    Coverage.FAILED: "A command was sent, or refused; the error says why there is no report.",
    Coverage.AGENT_OFFLINE: "Managed by Systems Manager, but the agent does not answer.",
    Coverage.NOT_MANAGED: "Running, but without a registered SSM agent.",
    Coverage.STOPPED: "The instance is not running.",
    Coverage.UNSUPPORTED_PLATFORM: "Not Linux: the probe does not run there.",
    Coverage.TERMINATED: "No longer listed by EC2 or Systems Manager.",
    Coverage.NOT_REACHED: "Listed, but the run ended before its command was done.",
    Coverage.PENDING: "Waiting for its command in the running run.",
}


class RunStatus(StrEnum):
    """How a run stands, or ended. `partial`: some hosts or scopes failed; `abandoned`: its
    process died."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"


class ScopeStatus(StrEnum):
    """How one scope of a run stands, or ended. `partial`: some of its hosts failed."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ChangeKind(StrEnum):
    """What differs between two successful looks at a host."""

    APPEARED = "appeared"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    MOVED = "moved"
    STARTED = "started"
    STOPPED = "stopped"
    GREW = "grew"
    GONE = "gone"


# --- what a host reports ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The operating system as the probe saw it."""

    hostname: str | None = None
    os_name: str | None = None
    kernel: str | None = None
    architecture: str | None = None
    memory_mb: int | None = None
    cpu_cores: int | None = None


@dataclass(frozen=True, slots=True)
class ReportedDatabase:
    """One database as one host reported it, validated and bounded."""

    db_id: str
    engine: str
    status: DatabaseStatus
    version: str | None = None
    edition: str | None = None
    port: int | None = None
    listen: tuple[str, ...] = ()
    data_dir: str | None = None
    data_size_mb: float | None = None
    data_size_complete: bool = True
    binary: str | None = None
    config_file: str | None = None
    container: str | None = None
    image: str | None = None
    published_port: int | None = None
    owner: str | None = None
    started_at: datetime | None = None
    memory_mb: int | None = None
    disk_free_mb: int | None = None
    tls: bool | None = None
    role: str | None = None
    clients: Mapping[str, int] | None = None
    clients_total: int | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostReport:
    """One host's report. `complete` is false when the probe ran out of time: what is absent from
    such a report is not known to be absent from the host."""

    host: HostFacts
    databases: tuple[ReportedDatabase, ...]
    warnings: tuple[str, ...]
    elapsed_ms: int
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a scope or a host has no result. `message` is AWS's or the host's own text, bounded."""

    kind: FailureKind
    message: str


# --- where things are ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """One account in one region: what fails, is retried and is reported together."""

    account_id: str
    region: str


@dataclass(frozen=True, slots=True)
class Host:
    """One EC2 or hybrid instance as AWS lists it."""

    account_id: str
    region: str
    instance_id: str
    coverage: Coverage
    name: str | None = None
    platform: str | None = None
    instance_type: str | None = None
    private_ip: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        """The account and region it is in."""
        return Scope(self.account_id, self.region)


# --- what the inventory holds -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DatabaseRecord:
    """One item of `db-discovery-results`; PK `account_id`, SK `instance_db_id`."""

    account_id: Annotated[
        str, Field(description="AWS account, 12 digits.", examples=["123456789012"])
    ]
    instance_id: Annotated[
        str, Field(description="EC2 or hybrid instance.", examples=["i-0abc123def456"])
    ]
    db_id: Annotated[
        str,
        Field(
            description="Engine and port, unique on the host and stable across scans; "
            "`none` for a host with no known database or whose discovery failed.",
            examples=["mysql-3306"],
        ),
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
            description="The run that wrote this record; sorts by time.",
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
    last_seen: Annotated[
        datetime | None,
        Field(
            description="When this database was last reported, UTC.",
            examples=["2026-02-04T10:00:00Z"],
        ),
    ] = None
    engine: Annotated[str | None, Field(description="Database engine.", examples=["mysql"])] = None
    version: Annotated[
        str | None, Field(description="Version of the server.", examples=["8.0.35"])
    ] = None
    edition: Annotated[
        str | None,
        Field(description="Edition or distribution, where the host tells.", examples=["Community"]),
    ] = None
    status: Annotated[
        DatabaseStatus | None,
        Field(description="running, installed (not running) or gone.", examples=["running"]),
    ] = None
    port: Annotated[
        int | None,
        Field(description="TCP port: listening, or configured when not running.", examples=[3306]),
    ] = None
    listen: Annotated[
        tuple[str, ...],
        Field(description="Addresses it listens on.", examples=[["0.0.0.0:3306"]]),
    ] = ()
    data_dir: Annotated[
        str | None, Field(description="Data directory on the host.", examples=["/var/lib/mysql"])
    ] = None
    data_size_mb: Annotated[
        float | None,
        Field(description="Apparent size of the data directory, MiB.", examples=[2048]),
    ] = None
    data_size_complete: Annotated[
        bool,
        Field(
            description="False when measuring was cut short: the size is at least this.",
            examples=[True],
        ),
    ] = True
    binary: Annotated[
        str | None, Field(description="Server executable.", examples=["/usr/sbin/mysqld"])
    ] = None
    config_file: Annotated[
        str | None,
        Field(description="Configuration file in effect.", examples=["/etc/mysql/my.cnf"]),
    ] = None
    container: Annotated[
        str | None,
        Field(description="Container id, when it runs in one.", examples=["3f4e5d6c7b8a"]),
    ] = None
    image: Annotated[
        str | None,
        Field(
            description="Image of its container, where the runtime's files tell.",
            examples=["mysql:8.0.35"],
        ),
    ] = None
    published_port: Annotated[
        int | None,
        Field(description="Host port that leads to its container's port.", examples=[13306]),
    ] = None
    owner: Annotated[
        str | None, Field(description="User the process runs as.", examples=["mysql"])
    ] = None
    started_at: Annotated[
        datetime | None,
        Field(description="When the process started, UTC.", examples=["2026-01-30T22:14:05Z"]),
    ] = None
    memory_mb: Annotated[
        int | None, Field(description="Resident memory of the process, MiB.", examples=[612])
    ] = None
    disk_free_mb: Annotated[
        int | None,
        Field(description="Free space of the data directory's file system, MiB.", examples=[51200]),
    ] = None
    tls: Annotated[
        bool | None,
        Field(
            description="Whether its configuration turns TLS on; unknown when it says nothing "
            "and there is no plain default.",
            examples=[True],
        ),
    ] = None
    role: Annotated[
        str | None,
        Field(
            description="Role in replication, as configuration or data directory hint.",
            examples=["replica"],
        ),
    ] = None
    clients: Annotated[
        Mapping[str, int] | None,
        Field(
            description="Established client connections by remote address, at most 50 addresses; "
            "only when asked for.",
            examples=[{"10.0.4.21": 12}],
        ),
    ] = None
    clients_total: Annotated[
        int | None,
        Field(description="Established client connections of all addresses.", examples=[12]),
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
    ] = field(default_factory=dict)
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
        Field(description="When a successful scan first missed it, UTC.", examples=[None]),
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
    hostname: Annotated[str | None, Field(description="Host name.", examples=["ip-10-0-1-17"])] = (
        None
    )
    os_name: Annotated[
        str | None, Field(description="Operating system.", examples=["Ubuntu 22.04.4 LTS"])
    ] = None
    kernel: Annotated[
        str | None, Field(description="Kernel release.", examples=["5.15.0-1052-aws"])
    ] = None
    architecture: Annotated[
        str | None, Field(description="Machine architecture.", examples=["x86_64"])
    ] = None
    system_memory_mb: Annotated[
        int | None, Field(description="Memory of the host, MiB.", examples=[4096])
    ] = None
    system_cpu_cores: Annotated[
        int | None, Field(description="Logical processors of the host.", examples=[2])
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


@dataclass(frozen=True, slots=True)
class HostRecord:
    """What is known of one instance's coverage: the newest answer to "was it scanned?"."""

    account_id: str
    region: str
    instance_id: str
    coverage: Coverage
    run_id: str
    checked_at: datetime
    name: str | None = None
    platform: str | None = None
    instance_type: str | None = None
    environment: str | None = None
    last_scanned: datetime | None = None
    databases: int | None = None
    error: str | None = None
    error_kind: FailureKind | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two successful looks at a host; `before` and `after` are short."""

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


# --- runs ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to discover. Empty means everything that settings name."""

    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing was left out."""
        return not (self.accounts or self.regions or self.instances)


@dataclass(frozen=True, slots=True)
class ScopeRecord:
    """How one scope of a run went. `hosts_listed` is None when listing failed."""

    run_id: str
    account_id: str
    region: str
    status: ScopeStatus
    hosts_listed: int | None = None
    hosts_targeted: int = 0
    hosts_scanned: int = 0
    hosts_failed: int = 0
    databases: int = 0
    commands: int = 0
    error: str | None = None
    error_kind: FailureKind | None = None


@dataclass(frozen=True, slots=True)
class RunPart:
    """Some scopes of a run that one process scans, when a run outgrows one.

    `earlier_runs` are those that left commands in flight; `answer_seconds` is what earlier runs
    learned. `round` counts how often the part was cut short and given to another process.
    """

    run_id: str
    scopes: tuple[Scope, ...]
    earlier_runs: tuple[str, ...] = ()
    answer_seconds: float | None = None
    round: int = 0


@dataclass(frozen=True, slots=True)
class OutstandingCommand:
    """A command that was sent and whose answers are not all stored: the next run asks for them."""

    run_id: str
    account_id: str
    region: str
    command_id: str
    sent_at: datetime
    instance_ids: tuple[str, ...]

    @property
    def scope(self) -> Scope:
        """Where it was sent."""
        return Scope(self.account_id, self.region)


@dataclass(frozen=True, slots=True)
class Usage:
    """What AWS was asked for. `calls` and `throttled` are `service:Operation` -> requests; each
    attempt is one. `retries` are the attempts after a call's first. Units are DynamoDB's capacity
    units."""

    calls: Mapping[str, int] = field(default_factory=dict)
    throttled: Mapping[str, int] = field(default_factory=dict)
    retries: int = 0
    read_units: float = 0.0
    write_units: float = 0.0


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run: what was asked, how far it is, what it found and what it cost.

    Its cost counts every request of the run, the heartbeat's too, up to the last writing of this
    record. It is None where an earlier version did not count it.
    """

    run_id: str
    status: RunStatus
    started_at: datetime
    heartbeat_at: datetime
    holder: str
    trigger: str
    request: RunRequest = RunRequest()
    finished_at: datetime | None = None
    scopes_total: int = 0
    scopes_done: int = 0
    scopes_failed: int = 0
    hosts_listed: int = 0
    hosts_targeted: int = 0
    hosts_scanned: int = 0
    hosts_failed: int = 0
    databases: int = 0
    batches: int = 0
    changes: Mapping[str, int] = field(default_factory=dict)
    not_scanned: Mapping[str, int] = field(default_factory=dict)
    """Coverage -> hosts that were listed and got no command, or that the run did not get to."""
    api_calls: Mapping[str, int] = field(default_factory=dict)
    """`service:Operation` -> requests sent, retries included."""
    throttled_calls: Mapping[str, int] | None = None
    """`service:Operation` -> requests that AWS refused as too fast, retried or not."""
    retries: int | None = None
    """Requests that were a call's second attempt or a later one."""
    read_units: float | None = None
    """DynamoDB read capacity units."""
    write_units: float | None = None
    """DynamoDB write capacity units, but for refused conditional writes: those it does not tell."""
    first_scanned_seconds: float | None = None
    """From the start until the first host's report was stored."""
    error: str | None = None
    cancel_requested: bool = False
    accounts_skipped: Mapping[str, str] = field(default_factory=dict)
    """Accounts of the organisation that it left out -> why: suspended, closing, …"""
    cut_short: bool = False
    """Its deadline came before some hosts were reached or had answered."""
    kept: int = 0
    """Entries that DynamoDB did not take, kept until `replay`."""
    answer_seconds: float | None = None
    """Within how long most hosts answered: when the next run looks first."""

    @property
    def hosts_done(self) -> int:
        """Hosts that have a result of this run, good or bad."""
        return self.hosts_scanned + self.hosts_failed

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None

    @property
    def ssm_command_calls(self) -> int:
        """SendCommand + ListCommandInvocations + GetCommandInvocation."""
        return sum(
            self.api_calls.get(f"ssm:{name}", 0)
            for name in ("SendCommand", "ListCommandInvocations", "GetCommandInvocation")
        )


EVERYTHING = RunRequest()
"""The request for all configured accounts and regions."""
