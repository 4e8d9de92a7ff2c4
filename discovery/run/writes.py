"""What a run stores, as writes: applied at once, or kept by the spool and applied by `replay`.

Each is applied whole or not at all, harmlessly twice, in any order, and never over what a newer run
has written. That is what makes it safe to keep one for as long as DynamoDB does not take it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from discovery.aws.host_writer import HostRows, HostWriter
from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.inventory.reconcile import reconcile_host
from discovery.model import (
    Coverage,
    DatabaseRecord,
    GoneReason,
    Host,
    HostChanges,
    HostGone,
    HostRecord,
    HostReport,
    HostResult,
    OutstandingCommand,
    RunRecord,
    ScopeRecord,
)


@dataclass(frozen=True, slots=True)
class HostObservation:
    """What a run learned of one host at `seen_at`, and the host's coverage from then on.

    It is not yet compared with the inventory. That may not be readable when the observation is
    spooled, and may have moved on when it is replayed.
    """

    host: Host
    result: HostResult
    seen_at: datetime
    coverage: HostRecord
    kind: Literal["observation"] = "observation"

    @property
    def run_id(self) -> str:
        """The run that scanned the host."""
        return self.coverage.run_id


@dataclass(frozen=True, slots=True)
class NotScanned:
    """Hosts of one run without an observation, each with the reason; see
    `HostWriter.write_coverage`."""

    run_id: str
    hosts: tuple[HostRecord, ...]
    newest: bool = True
    kind: Literal["not-scanned"] = "not-scanned"


@dataclass(frozen=True, slots=True)
class ScopeEnd:
    """How a scope of a run ended; `newest` as in `RunStore.put_scope`."""

    record: ScopeRecord
    newest: bool
    kind: Literal["scope"] = "scope"

    @property
    def run_id(self) -> str:
        """The scope's run."""
        return self.record.run_id


@dataclass(frozen=True, slots=True)
class CommandInFlight:
    """A command that was sent. Applying it late does no harm: what is stored of its hosts by then
    is newer than it."""

    command: OutstandingCommand
    kind: Literal["in-flight"] = "in-flight"

    @property
    def run_id(self) -> str:
        """The run that sent it."""
        return self.command.run_id


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended."""

    run: RunRecord
    kind: Literal["run"] = "run"

    @property
    def run_id(self) -> str:
        """The run."""
        return self.run.run_id


Write = HostObservation | NotScanned | ScopeEnd | CommandInFlight | RunEnd
WRITE: TypeAdapter[Write] = TypeAdapter(Annotated[Write, Field(discriminator="kind")])


class WriteApplier:
    """Applies writes to the two tables. Safe across threads.

    `known_records` gives the inventory's records of a host; when left out they are read for each
    observation.
    """

    def __init__(
        self,
        aws: Aws,
        known_records: Callable[[Host], Iterable[DatabaseRecord]] | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = aws.settings
        self._inventory = Inventory(aws)
        self._known_records = known_records or self._read_records
        self._runs = RunStore(aws)
        self._hosts = HostWriter(aws, sleep=sleep)

    def apply(self, write: Write) -> HostChanges:
        """Store `write`; what it changed in the inventory. Raises AwsError."""
        match write:
            case HostObservation():
                return self.apply_observations([write])[0]
            case NotScanned():
                self._hosts.write_coverage(write.hosts, newest=write.newest)
            case ScopeEnd():
                self._runs.put_scope(write.record, newest=write.newest)
            case CommandInFlight():
                self._runs.put_outstanding(write.command)
            case RunEnd():
                self._runs.close_run(write.run)
        return HostChanges()

    def apply_observations(self, observations: Sequence[HostObservation]) -> list[HostChanges]:
        """Store `observations`, few transactions for many; what each changed in the inventory.

        Raises AwsError. Some of them may be stored then; storing them again does no harm.
        """
        changes = [self._reconcile(observation) for observation in observations]
        coverage = [observation.coverage for observation in observations]
        superseded = self._hosts.write(*map(HostRows, changes, coverage))
        return [
            replace(host_changes, superseded=True, changes=())
            if host_changes.superseded or observation.coverage in superseded
            else host_changes
            for observation, host_changes in zip(observations, changes, strict=True)
        ]

    def replay(self, write: Write) -> None:
        """Store a write that was spooled. Raises AwsError."""
        self.apply(write)
        if isinstance(write, HostObservation) and isinstance(write.result, HostReport):
            # Its run had to list the host as not scanned, since it could not be stored.
            self._runs.clear_unscanned(write.coverage)
            self._end_again(write.host)

    def _end_again(self, host: Host) -> None:
        """What was kept of a host that has ended since is gone too."""
        newest = self._runs.host(host)
        if newest and newest.coverage is Coverage.TERMINATED:
            ended = HostGone(GoneReason.TERMINATED)
            self.apply(HostObservation(host, ended, newest.checked_at, newest))

    def _reconcile(self, observation: HostObservation) -> HostChanges:
        return reconcile_host(
            tuple(self._known_records(observation.host)),
            observation.host,
            observation.result,
            run_id=observation.run_id,
            run_order=observation.coverage.run_order,
            now=observation.seen_at,
            gone_ttl_days=self._settings.gone_ttl_days,
            environment_tags=self._settings.environment_tags,
            growth_percent=self._settings.growth_percent,
        )

    def _read_records(self, host: Host) -> Iterable[DatabaseRecord]:
        return self._inventory.host_records(host.account_id, host.instance_id)
