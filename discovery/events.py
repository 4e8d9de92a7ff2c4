"""What a run tells whoever watches it. Events are facts that have happened, in order per scope.

RunStarted, then per scope ScopeStarted, ScopeListed, BatchSent …, HostDone …, ScopeFinished,
then RunFinished. A watcher is any callable that takes one event; it is called from worker
threads, one call at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from discovery.model import Change, Failure, Host, RunRecord, Scope, ScopeRecord


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
    """`hosts` is how many instances AWS lists, `targeted` how many a command goes to."""

    scope: Scope
    hosts: int
    targeted: int


@dataclass(frozen=True, slots=True)
class BatchSent:
    """One SendCommand was accepted."""

    scope: Scope
    command_id: str
    hosts: int


@dataclass(frozen=True, slots=True)
class HostDone:
    """One host's result is stored. `failure` is None when it was scanned."""

    host: Host
    databases: int
    changes: tuple[Change, ...]
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class ScopeFinished:
    """The scope's record is stored."""

    record: ScopeRecord


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run's record is stored and its lease given back."""

    run: RunRecord


Event = RunStarted | ScopeStarted | ScopeListed | BatchSent | HostDone | ScopeFinished | RunFinished
Watcher = Callable[[Event], None]
