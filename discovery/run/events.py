"""What a run tells whoever watches it. Events are facts that have happened, in order per scope.

RunStarted, then per scope ScopeStarted, ScopeListed, HostEnded …, BatchSent …, HostDone …,
HostsUnreached …, ScopeFinished, then RunFinished. A watcher is any callable that takes one event;
it is called from worker threads, one call at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from discovery.model import Change, Coverage, Failure, Host, RunRecord, Scope, ScopeRecord


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run holds the lease and its scopes are known."""

    run: RunRecord


@dataclass(frozen=True, slots=True)
class ScopeStarted:
    """A worker has taken up this scope."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class ScopeListed:
    """`hosts` is how many instances AWS lists, `targeted` how many a command goes to, and
    `untargeted` how many of each other class there are."""

    scope: Scope
    hosts: int
    targeted: int
    untargeted: Mapping[Coverage, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchSent:
    """One SendCommand was accepted."""

    scope: Scope
    command_id: str
    hosts: int


@dataclass(frozen=True, slots=True)
class HostDone:
    """The run has a host's result. `failure` is None when it was scanned, or `superseded`: its
    answer was not stored, as a newer run had reported on the host."""

    host: Host
    databases: int
    changes: tuple[Change, ...]
    failure: Failure | None = None
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class HostCollected:
    """What a host answered to the command of an earlier run was read, and stored as that run's.
    `is_done` when the host is not asked again."""

    host: Host
    run_id: str
    databases: int
    is_done: bool


@dataclass(frozen=True, slots=True)
class HostEnded:
    """The host exists no more: what was known of it is gone, which is stored."""

    host: Host
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class HostsUnreached:
    """The run did not get to these many targeted hosts: what is known of them stays."""

    scope: Scope
    hosts: int


@dataclass(frozen=True, slots=True)
class ScopeFinished:
    """The scope's record is stored."""

    record: ScopeRecord


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run has ended, well or badly: its record is stored and its lease given back, unless it
    failed because the tables cannot be written."""

    run: RunRecord


Event = (
    RunStarted
    | ScopeStarted
    | ScopeListed
    | BatchSent
    | HostDone
    | HostEnded
    | HostCollected
    | HostsUnreached
    | ScopeFinished
    | RunFinished
)
Watcher = Callable[[Event], None]
