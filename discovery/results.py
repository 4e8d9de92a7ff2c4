"""What one scope's hosts answered, stored host by host, and the hosts that were not scanned, each
with its reason."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from discovery.aws.store import HostResult
from discovery.context import RunContext
from discovery.errors import AwsError, FailureKind
from discovery.events import HostDone
from discovery.model import (
    Coverage,
    DatabaseStatus,
    Failure,
    Host,
    HostRecord,
    HostReport,
    Scope,
    ScopeRecord,
    ScopeStatus,
)
from discovery.reconcile import HostChanges, HostOutcome, environment_of, reconcile_host

_log = logging.getLogger(__name__)


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
        self.previous = self._context.runs.scope_hosts(self._scope)
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
            self._context.runs.forget_unreached(self._context.run_id, self._scope)

    def store(
        self, host: Host, result: HostReport | Failure, seen_at: datetime | None = None
    ) -> None:
        """Reconcile and write one host's result; `seen_at`, when it is not from just now."""
        if isinstance(result, Failure) and result.kind is FailureKind.CANCELLED:
            self.leave_unreached([host])
            return
        failure = result if isinstance(result, Failure) else None
        seen_at = seen_at or self._clock.now()
        changes = self._reconcile(host, result, seen_at)
        found = sum(
            record.is_database and record.status is not DatabaseStatus.GONE
            for record in changes.puts
        )
        if isinstance(result, Failure):
            record = self._failed_record(host, result)
        else:
            record = self._scanned_record(host, result, found, seen_at)
        outcome = HostResult(self._context.run_id, changes, record, record if failure else None)
        try:
            self._context.writer.write(outcome)
        except AwsError as error:
            failure = self._keep(host, outcome, error)
        if failure:
            self.record = replace(self.record, hosts_failed=self.record.hosts_failed + 1)
            self._context.emit(HostDone(host, 0, (), failure))
            return
        self.record = replace(
            self.record,
            hosts_scanned=self.record.hosts_scanned + 1,
            databases=self.record.databases + found,
        )
        self._context.emit(HostDone(host, found, changes.changes))

    def _keep(self, host: Host, outcome: HostResult, error: AwsError) -> Failure:
        """DynamoDB did not take it: keep it for `replay`, and say so where that is possible."""
        try:
            where = f"kept for replay in {self._context.spool.keep(outcome)}"
        except OSError as lost:
            where = f"and could not be kept: {lost}"
        failure = Failure(FailureKind.STORE_FAILED, f"{str(error)[:500]}; {where}")
        _log.warning("%s %s: %s", self._scope, host.instance_id, failure.message)
        try:
            self._context.runs.put_unscanned(self._failed_record(host, failure))
        except AwsError as again:
            _log.warning("%s %s: coverage: %s", self._scope, host.instance_id, again)
        return failure

    def _reconcile(
        self, host: Host, result: HostReport | Failure, seen_at: datetime
    ) -> HostChanges:
        settings = self._context.aws.settings
        outcome = (
            HostOutcome(host, None, result)
            if isinstance(result, Failure)
            else HostOutcome(host, result, None)
        )
        return reconcile_host(
            self._context.known.of_host(host),
            outcome,
            run_id=self._context.run_id,
            now=seen_at,
            gone_ttl_days=settings.gone_ttl_days,
            environment_tags=settings.environment_tags,
            growth_percent=settings.growth_percent,
        )

    def _failed_record(self, host: Host, failure: Failure) -> HostRecord:
        return replace(
            self._host_record(host, Coverage.FAILED),
            error=failure.message,
            error_kind=failure.kind,
        )

    def _scanned_record(
        self, host: Host, report: HostReport, found: int, seen_at: datetime
    ) -> HostRecord:
        record = self._host_record(host, Coverage.SCANNED)
        return replace(
            record,
            last_scanned=seen_at,
            databases=found,
            warnings=report.warnings,
        )

    def count_command(self) -> None:
        """One command was sent."""
        self.record = replace(self.record, commands=self.record.commands + 1)

    def account_for_untargeted(self, listed: Sequence[Host]) -> None:
        """Store the class of each host that gets no command, and of those no longer listed."""
        for host in listed:
            if host.coverage is not Coverage.PENDING:
                self._context.runs.put_unscanned(self._host_record(host, host.coverage))
        if self._context.request.instances:
            return
        ids = {host.instance_id for host in listed}
        for previous in self.previous.values():
            if previous.instance_id not in ids and previous.coverage is not Coverage.TERMINATED:
                self._context.runs.put_host(
                    replace(
                        previous,
                        coverage=Coverage.TERMINATED,
                        run_id=self._context.run_id,
                        checked_at=self._clock.now(),
                        error=None,
                        error_kind=None,
                    )
                )

    def leave_unreached(self, unreached: Iterable[Host]) -> None:
        """Store that the run did not get to these hosts; what is known of them stays."""
        for host in unreached:
            self._context.runs.put_unscanned(
                self._host_record(host, Coverage.NOT_REACHED),
                keep_coverage=host.instance_id in self.previous,
            )

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
        for host in batch:
            self.store(host, Failure(error.kind, str(error)[:500]))
