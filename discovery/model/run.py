"""A run, its scopes, and what it leaves in flight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from discovery.errors import FailureKind
from discovery.model.host import Scope


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
    run_order: int = 0
    hosts_collected: int = 0
    hosts_superseded: int = 0

    @property
    def hosts_done(self) -> int:
        """Hosts that the run has come to an end with, good or bad."""
        return self.hosts_scanned + self.hosts_collected + self.hosts_superseded + self.hosts_failed


@dataclass(frozen=True, slots=True)
class ScopeBatch:
    """Some scopes of a run that one process scans, when a run outgrows one.

    `earlier_runs` are those that left commands in flight; `answer_seconds` is what earlier runs
    learned. `round` counts how often the batch was cut short and given to another process.
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
    run_order: int = 0

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

    Its id begins with DynamoDB's time when it began; `run_order` is its number among all runs, 0
    for those of a version that gave none. Each targeted host counts once: as scanned, collected,
    superseded or failed, or under `not_scanned` as not reached.

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
    started_by: str | None = None
    """Who pressed the button, and in which role; None where a program began it."""
    cancelled_by: str | None = None
    """Likewise, of the cancellation."""
    accounts_skipped: Mapping[str, str] = field(default_factory=dict)
    """Accounts of the organisation that it left out -> why: suspended, closing, …"""
    cut_short: bool = False
    """Its deadline came before some hosts were reached or had answered."""
    kept: int = 0
    """Entries that DynamoDB did not take, kept until `replay`."""
    answer_seconds: float | None = None
    """Within how long most hosts answered: when the next run polls first."""
    run_order: int = 0
    hosts_collected: int = 0
    """Hosts whose answer to an earlier run, given before this one began, was taken."""
    hosts_superseded: int = 0
    """Hosts whose answer was not stored, as a newer run had reported on them."""
    clock_ahead_seconds: float | None = None
    """How far its machine's clock was off from DynamoDB's, when that was over a minute; negative
    for one that was behind."""

    @property
    def hosts_done(self) -> int:
        """Hosts that this run has come to an end with, good or bad."""
        return self.hosts_scanned + self.hosts_collected + self.hosts_superseded + self.hosts_failed

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

RUN_COUNTS = (
    "scopes_done",
    "scopes_failed",
    "hosts_listed",
    "hosts_targeted",
    "hosts_scanned",
    "hosts_collected",
    "hosts_superseded",
    "hosts_failed",
    "databases",
    "batches",
    "kept",
)
"""What a run found, in figures that only grow, as its record names them."""
RUN_COSTS = ("retries", "read_units", "write_units")
"""What it took, likewise."""
RUN_COUNTS_BY_KIND = ("changes", "not_scanned", "api_calls", "throttled_calls")
"""Those that are counted by kind."""
