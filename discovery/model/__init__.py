"""Every record of the product, and one declaration of each field. Records are frozen.

Sizes are MiB in `_mb` fields; times are timezone-aware UTC. `None` means unknown, never zero.

host        where an instance is, how it is covered, what it reports of itself
database    what a host reports of a database, and the inventory's record of it
host_report one host's whole report, or why there is none
change      what differs between two scans of a database
run         a run, its scopes and its cost
bounds      what a value that a host reports may be
"""

from __future__ import annotations

from discovery.model.change import Change, ChangeKind, HostChanges
from discovery.model.database import (
    ENGINE_LABELS,
    FACTS,
    NO_DATABASE,
    DatabaseFacts,
    DatabaseRecord,
    DatabaseStatus,
    DiscoveryStatus,
    GoneReason,
    ReportedDatabase,
)
from discovery.model.host import HOST_FACTS, Coverage, Host, HostFacts, HostRecord, Scope
from discovery.model.host_report import Failure, HostGone, HostReport, HostResult
from discovery.model.run import (
    EVERYTHING,
    RUN_COSTS,
    RUN_COUNTS,
    RUN_COUNTS_BY_KIND,
    OutstandingCommand,
    RunRecord,
    RunRequest,
    RunStatus,
    ScopeBatch,
    ScopeRecord,
    ScopeStatus,
    Usage,
)

__all__ = [
    "ENGINE_LABELS",
    "EVERYTHING",
    "FACTS",
    "HOST_FACTS",
    "NO_DATABASE",
    "RUN_COSTS",
    "RUN_COUNTS",
    "RUN_COUNTS_BY_KIND",
    "Change",
    "ChangeKind",
    "Coverage",
    "DatabaseFacts",
    "DatabaseRecord",
    "DatabaseStatus",
    "DiscoveryStatus",
    "Failure",
    "GoneReason",
    "Host",
    "HostChanges",
    "HostFacts",
    "HostGone",
    "HostRecord",
    "HostReport",
    "HostResult",
    "OutstandingCommand",
    "ReportedDatabase",
    "RunRecord",
    "RunRequest",
    "RunStatus",
    "Scope",
    "ScopeBatch",
    "ScopeRecord",
    "ScopeStatus",
    "Usage",
]
