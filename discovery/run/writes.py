"""What a run stores, as entries: written at once, or kept by the spool and written by `replay`.

Each is written whole or not at all, harmlessly twice, in any order, and never over what a newer run
has written. That is what makes it safe to keep one for as long as DynamoDB does not take it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from discovery.aws.host_writer import HostResult, HostWriter
from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.inventory.reconcile import HostChanges, HostOutcome, reconcile_host
from discovery.model import (
    DatabaseRecord,
    Failure,
    Host,
    HostRecord,
    HostReport,
    OutstandingCommand,
    RunRecord,
    ScopeRecord,
)

NO_CHANGES = HostChanges((), (), ())


@dataclass(frozen=True, slots=True)
class HostLook:
    """What a run saw of one host: not yet compared with the inventory, which may not be readable
    when the look is kept, and may have moved on when it is replayed."""

    host: Host
    result: HostReport | Failure
    seen_at: datetime
    coverage: HostRecord
    entry: Literal["look"] = "look"

    @property
    def run_id(self) -> str:
        """The run that looked."""
        return self.coverage.run_id


@dataclass(frozen=True, slots=True)
class NotScanned:
    """Hosts of one run without a look, each with the reason; see `HostWriter.write_coverage`."""

    run_id: str
    hosts: tuple[HostRecord, ...]
    in_run: bool = True
    newest: bool = True
    entry: Literal["not-scanned"] = "not-scanned"


@dataclass(frozen=True, slots=True)
class ScopeEnd:
    """How a scope of a run ended; `newest` as in `RunStore.put_scope`."""

    record: ScopeRecord
    newest: bool
    entry: Literal["scope"] = "scope"

    @property
    def run_id(self) -> str:
        """The scope's run."""
        return self.record.run_id


@dataclass(frozen=True, slots=True)
class InFlight:
    """A command that was sent. One that has been collected since does no harm: what is stored of
    its hosts is newer than it."""

    command: OutstandingCommand
    entry: Literal["in-flight"] = "in-flight"

    @property
    def run_id(self) -> str:
        """The run that sent it."""
        return self.command.run_id


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended."""

    run: RunRecord
    entry: Literal["run"] = "run"

    @property
    def run_id(self) -> str:
        """The run."""
        return self.run.run_id


Entry = HostLook | NotScanned | ScopeEnd | InFlight | RunEnd
ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="entry")])


class EntryWriter:
    """Writes entries to the two tables. Safe across threads.

    `known` gives the inventory's records of a host; when left out they are read for each look.
    """

    def __init__(
        self,
        aws: Aws,
        known: Callable[[Host], Iterable[DatabaseRecord]] | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = aws.settings
        self._inventory = Inventory(aws)
        self._known = known
        self._runs = RunStore(aws)
        self._hosts = HostWriter(aws, sleep=sleep)

    def write(self, entry: Entry) -> HostChanges:
        """Store `entry`; what it changed in the inventory. Raises AwsError."""
        match entry:
            case HostLook():
                return self.write_looks([entry])[0]
            case NotScanned():
                self._hosts.write_coverage(entry.hosts, in_run=entry.in_run, newest=entry.newest)
            case ScopeEnd():
                self._runs.put_scope(entry.record, newest=entry.newest)
            case InFlight():
                self._runs.put_outstanding(entry.command)
            case RunEnd():
                self._runs.close_run(entry.run)
        return NO_CHANGES

    def replay(self, entry: Entry) -> None:
        """Store an entry that was kept. Raises AwsError."""
        self.write(entry)
        if isinstance(entry, HostLook) and isinstance(entry.result, HostReport):
            self._runs.clear_unscanned(entry.coverage)  # its run had to say that it was not stored

    def write_looks(self, looks: Sequence[HostLook]) -> list[HostChanges]:
        """Store `looks`, few transactions for many; what each changed in the inventory. Raises
        AwsError; some of them may be stored then, and storing them again does no harm."""
        results = [self._result(look) for look in looks]
        self._hosts.write(*results)
        return [result.changes for result in results]

    def _result(self, look: HostLook) -> HostResult:
        host, result, settings = look.host, look.result, self._settings
        failure = result if isinstance(result, Failure) else None
        report = result if isinstance(result, HostReport) else None
        changes = reconcile_host(
            tuple(self._known_records(host)),
            HostOutcome(host, report, failure),
            run_id=look.run_id,
            now=look.seen_at,
            gone_ttl_days=settings.gone_ttl_days,
            environment_tags=settings.environment_tags,
            growth_percent=settings.growth_percent,
        )
        unscanned = look.coverage if failure else None
        return HostResult(look.run_id, changes, look.coverage, unscanned)

    def _known_records(self, host: Host) -> Iterable[DatabaseRecord]:
        if self._known:
            return self._known(host)
        return self._inventory.host_records(host.account_id, host.instance_id)
