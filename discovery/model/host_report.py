"""What a run learns of one host: its report, why there is none, or that the host is gone."""

from __future__ import annotations

from dataclasses import dataclass

from discovery.errors import FailureKind
from discovery.model.database import GoneReason, ReportedDatabase
from discovery.model.host import HostFacts


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


@dataclass(frozen=True, slots=True)
class HostGone:
    """The host exists no more, or is no longer ours to watch: what ran on it went with it."""

    reason: GoneReason


HostResult = HostReport | Failure | HostGone
