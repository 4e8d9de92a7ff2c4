"""What one scope's hosts answered, stored host by host, and the hosts that were not scanned, each
with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from discovery.errors import AwsError, FailureKind
from discovery.inventory.reconcile import HostChanges, environment_of
from discovery.logs import about
from discovery.model import (
    Coverage,
    Failure,
    Host,
    HostRecord,
    HostReport,
    Scope,
    ScopeRecord,
    ScopeStatus,
)
from discovery.run.context import RunContext
from discovery.run.events import HostDone, HostsLeft
from discovery.run.writer import Kept
from discovery.run.writes import NO_CHANGES, HostLook, NotScanned

_COVERAGE_ENTRY = 100
"""Hosts an entry, so that an entry fits an SQS message of 256 KiB."""


Answer = tuple[Host, HostReport | Failure, datetime | None]
"""A host, what it answered, and when, if that was not just now."""


class ScopeResults:
    """Stores the results of one scope's hosts and counts them in `record`.

    `previous` is the newest coverage of each host that earlier runs knew, by instance id.
    """

    def __init__(self, context: RunContext, scope: Scope) -> None:
        self._context = context
        self._clock = context.schedule.clock
        self._scope = scope
        self.previous: Mapping[str, HostRecord] = {}
        self.record = ScopeRecord(
            context.run_id, scope.account_id, scope.region, ScopeStatus.RUNNING
        )

    def load_previous(self) -> None:
        """Read the coverage that earlier runs left, and what this run did here before it was cut
        short in another process. Raises AwsError."""
        self.previous = self._context.ledger.coverage(self._scope)
        mine = [host for host in self.previous.values() if host.run_id == self._context.run_id]
        scanned = [host for host in mine if host.coverage is Coverage.SCANNED]
        begun = self._context.begun.get(self._scope)
        self.record = replace(
            self.record,
            hosts_scanned=len(scanned),
            hosts_failed=sum(host.coverage is Coverage.FAILED for host in mine),
            databases=sum(host.databases or 0 for host in scanned),
            commands=begun.commands if begun else 0,
        )
        if begun:
            self._context.ledger.forget_unreached(self._context.run_id, self._scope)

    def store(self, answers: Iterable[Answer]) -> None:
        """Write the result of each host, or keep it."""
        looks: list[HostLook] = []
        for host, result, seen_at in answers:
            if isinstance(result, Failure) and result.kind is FailureKind.CANCELLED:
                self.leave_unreached([host])
            else:
                looks.append(self._look(host, result, seen_at or self._clock.now()))
        for look, written in zip(looks, self._context.ledger.write_looks(looks), strict=True):
            with about(instance_id=look.host.instance_id):
                self._count(look, written)

    def _look(self, host: Host, result: HostReport | Failure, seen_at: datetime) -> HostLook:
        if isinstance(result, Failure):
            return HostLook(host, result, seen_at, self._failed_record(host, result))
        return HostLook(host, result, seen_at, self._scanned_record(host, result, seen_at))

    def _count(self, look: HostLook, written: HostChanges | Kept) -> None:
        """Count a host that is done and tell of it."""
        failure = look.result if isinstance(look.result, Failure) else None
        if isinstance(written, Kept):
            failure, written = self._not_stored(look.host, written), NO_CHANGES
        if failure:
            self.record = replace(self.record, hosts_failed=self.record.hosts_failed + 1)
            self._context.emit(HostDone(look.host, 0, (), failure))
            return
        found = look.coverage.databases or 0
        self.record = replace(
            self.record,
            hosts_scanned=self.record.hosts_scanned + 1,
            databases=self.record.databases + found,
        )
        self._context.emit(HostDone(look.host, found, written.changes))

    def _not_stored(self, host: Host, kept: Kept) -> Failure:
        """DynamoDB did not take the host's result: say so where that is possible. It is not kept:
        what is kept for this host is its result, and that shall be the last word."""
        message = f"{str(kept.error)[:500]}; {kept.where}"
        failure = Failure(FailureKind.STORE_FAILED, message)
        record = self._failed_record(host, failure)
        newest = host.instance_id not in self.previous
        self._context.ledger.note(NotScanned(record.run_id, (record,), newest=newest))
        return failure

    def _failed_record(self, host: Host, failure: Failure) -> HostRecord:
        return replace(
            self._host_record(host, Coverage.FAILED),
            error=failure.message,
            error_kind=failure.kind,
        )

    def _scanned_record(self, host: Host, report: HostReport, seen_at: datetime) -> HostRecord:
        record = self._host_record(host, Coverage.SCANNED)
        return replace(
            record,
            last_scanned=seen_at,
            databases=len(report.databases),
            warnings=report.warnings,
        )

    def count_command(self) -> None:
        """One command was sent."""
        self.record = replace(self.record, commands=self.record.commands + 1)

    def account_for_untargeted(self, listed: Sequence[Host]) -> None:
        """Store the class of each host that gets no command, and of those no longer listed."""
        untargeted = (host for host in listed if host.coverage is not Coverage.PENDING)
        self._not_scanned([self._host_record(host, host.coverage) for host in untargeted])
        if self._context.request.instances:
            return
        ids = {host.instance_id for host in listed}
        vanished = [
            replace(
                previous,
                coverage=Coverage.TERMINATED,
                run_id=self._context.run_id,
                checked_at=self._clock.now(),
                error=None,
                error_kind=None,
            )
            for previous in self.previous.values()
            if previous.instance_id not in ids and previous.coverage is not Coverage.TERMINATED
        ]
        self._not_scanned(vanished, in_run=False)

    def leave_unreached(self, unreached: Iterable[Host]) -> None:
        """Store that the run did not get to these hosts; what is known of them stays."""
        records = [self._host_record(host, Coverage.NOT_REACHED) for host in unreached]
        new = [record for record in records if record.instance_id not in self.previous]
        known = [record for record in records if record.instance_id in self.previous]
        self._not_scanned(new)
        self._not_scanned(known, newest=False)
        if records:
            self._context.emit(HostsLeft(self._scope, len(records)))

    def _not_scanned(
        self, records: Sequence[HostRecord], *, in_run: bool = True, newest: bool = True
    ) -> None:
        for start in range(0, len(records), _COVERAGE_ENTRY):
            some = tuple(records[start : start + _COVERAGE_ENTRY])
            self._context.ledger.write(NotScanned(self._context.run_id, some, in_run, newest))

    def _host_record(self, host: Host, coverage: Coverage) -> HostRecord:
        """The host's coverage as of now; when it was last scanned stays as it was known."""
        previous = self.previous.get(host.instance_id)
        return HostRecord(
            account_id=host.account_id,
            region=host.region,
            instance_id=host.instance_id,
            coverage=coverage,
            run_id=self._context.run_id,
            checked_at=self._clock.now(),
            name=host.name,
            platform=host.platform,
            instance_type=host.instance_type,
            environment=environment_of(host.tags, self._context.aws.settings.environment_tags),
            last_scanned=previous.last_scanned if previous else None,
            databases=previous.databases if previous else None,
        )

    def note_error(self, kind: FailureKind, message: str) -> None:
        """Something failed that concerns the whole scope."""
        self.record = replace(self.record, error=message[:500], error_kind=kind)

    def refuse(self, batch: Iterable[Host], error: AwsError) -> None:
        """No command could be sent: each host gets a failed record, and the scope the error."""
        self.note_error(error.kind, str(error))
        failure = Failure(error.kind, str(error)[:500])
        self.store((host, failure, None) for host in batch)
