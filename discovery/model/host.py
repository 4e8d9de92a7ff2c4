"""An instance: where it is, how it is covered, what it reported of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from discovery.errors import FailureKind
from discovery.model.bounds import HostMemory, Processors, Reported, Text


class Coverage(StrEnum):
    """Every instance is in exactly one of these: scanned, or not scanned for this reason.

    Collected and superseded are words of one run on a host; its newest coverage is neither.
    """

    SCANNED = "scanned"
    FAILED = "failed"
    AGENT_OFFLINE = "agent_offline"
    NOT_MANAGED = "not_managed"
    STOPPED = "stopped"
    UNSUPPORTED_PLATFORM = "unsupported_platform"
    TERMINATED = "terminated"
    RELEASED = "released"
    NOT_REACHED = "not_reached"
    COLLECTED = "collected"
    SUPERSEDED = "superseded"
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
    Coverage.RELEASED: "Its account or region is no longer scanned, and was released.",
    Coverage.NOT_REACHED: "Listed, but the run ended before its command was done.",
    Coverage.COLLECTED: "Not asked again: its answer to an earlier run was taken.",
    Coverage.SUPERSEDED: "Its answer was not stored: a newer run had reported on it.",
    Coverage.PENDING: "Waiting for its command in the running run.",
}


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
    run_order: int = 0


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """The operating system as the probe saw it.

    It has no slots: a class can inherit slots of one base only, and `DatabaseRecord` has two bases.
    """

    hostname: Annotated[
        str | None,
        Field(description="Host name.", examples=["ip-10-0-1-17"]),
        Reported(Text),
    ] = None
    os_name: Annotated[
        str | None,
        Field(description="Operating system.", examples=["Ubuntu 22.04.4 LTS"]),
        Reported(Text, "os"),
    ] = None
    kernel: Annotated[
        str | None,
        Field(description="Kernel release.", examples=["5.15.0-1052-aws"]),
        Reported(Text),
    ] = None
    architecture: Annotated[
        str | None,
        Field(description="Machine architecture.", examples=["x86_64"]),
        Reported(Text, "arch"),
    ] = None
    system_memory_mb: Annotated[
        int | None,
        Field(description="Memory of the host, MiB.", examples=[4096]),
        Reported(HostMemory, "memory_mb"),
    ] = None
    system_cpu_cores: Annotated[
        int | None,
        Field(description="Logical processors of the host.", examples=[2]),
        Reported(Processors, "cores"),
    ] = None


HOST_FACTS = tuple(fact.name for fact in fields(HostFacts))
"""The names of those fields; a database's record has them too."""
