"""One scope of a run: list its hosts, send the probe to them, store each answer as it comes.

Nothing that fails here reaches another scope, and every listed host ends as scanned, as failed, or
as not scanned for a named reason.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, repeat
from threading import Event as Flag
from threading import Lock

from discovery.aws import hosts, run_command
from discovery.aws.inventory import Inventory
from discovery.aws.run_command import Document, Invocation
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.aws.store import HostResult, HostWriter
from discovery.errors import AwsError, FailureKind, ReportError
from discovery.events import BatchSent, Event, HostDone, ScopeFinished, ScopeListed, ScopeStarted
from discovery.model import (
    Coverage,
    DatabaseRecord,
    DatabaseStatus,
    Failure,
    Host,
    HostRecord,
    HostReport,
    RunRequest,
    Scope,
    ScopeRecord,
    ScopeStatus,
)
from discovery.reconcile import HostChanges, HostOutcome, environment_of, reconcile_host
from discovery.report import parse_report
from discovery.spool import Spool

_log = logging.getLogger(__name__)

_FIRST_LOOKS_SECONDS = (3.0, 5.0, 8.0, 12.0)
_LATER_LOOKS_SECONDS = 15.0
_DOWNLOAD_SECONDS = 60


class KnownRecords:
    """What the inventory held when the run began, read once per account."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._lock = Lock()
        self._account_locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._accounts: dict[str, dict[str, list[DatabaseRecord]]] = {}

    def of_host(self, host: Host) -> Sequence[DatabaseRecord]:
        """The host's records, its placeholder included."""
        with self._lock:
            account_lock = self._account_locks[host.account_id]
        with account_lock:
            if host.account_id not in self._accounts:
                by_instance: defaultdict[str, list[DatabaseRecord]] = defaultdict(list)
                for record in self._inventory.account_records(host.account_id):
                    by_instance[record.instance_id].append(record)
                self._accounts[host.account_id] = by_instance
            return self._accounts[host.account_id].get(host.instance_id, ())


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the scopes of one run share."""

    run_id: str
    request: RunRequest
    aws: Aws
    inventory: Inventory
    runs: RunStore
    known: KnownRecords
    writer: HostWriter
    spool: Spool
    emit: Callable[[Event], None]
    cancelled: Flag


@dataclass(slots=True)
class _Command:
    """A sent command and the hosts that have not answered it."""

    command_id: str
    waiting: dict[str, Host]


class ScopeScan:
    """The scan of one scope; `run` does it."""

    def __init__(self, context: RunContext, scope: Scope) -> None:
        self._context = context
        self._scope = scope
        self._previous: dict[str, HostRecord] = {}
        self._record = ScopeRecord(
            context.run_id, scope.account_id, scope.region, ScopeStatus.RUNNING
        )

    def run(self) -> ScopeRecord:
        """Scan the scope to its end; its stored record. A failure of AWS ends up in the record.

        Raises AwsError only when the runs table itself cannot be written.
        """
        self._context.emit(ScopeStarted(self._scope))
        if self._context.cancelled.is_set():
            return self._finish(ScopeStatus.CANCELLED)
        try:
            listed = hosts.list_hosts(
                self._context.aws, self._scope, self._context.request.instances
            )
        except AwsError as error:
            return self.fail(error.kind, str(error))
        self._previous = self._context.runs.scope_hosts(self._scope)
        targets = [host for host in listed if host.coverage is Coverage.PENDING]
        self._record = replace(self._record, hosts_listed=len(listed), hosts_targeted=len(targets))
        self._context.emit(ScopeListed(self._scope, len(listed), len(targets)))
        self._account_for_untargeted(listed)
        self._collect(self._send(targets))
        return self._finish(self._status())

    def fail(self, kind: FailureKind, message: str) -> ScopeRecord:
        """Record that the whole scope failed. What is known of its hosts stays as it was."""
        self._record = replace(self._record, error=message[:500], error_kind=kind)
        return self._finish(ScopeStatus.FAILED)

    # --- sending ---

    def _send(self, targets: Sequence[Host]) -> list[_Command]:
        if not targets:
            return []
        try:
            document = run_command.find_document(self._context.aws, self._scope)
        except AwsError as error:
            self._refuse(targets, error)
            return []
        commands: list[_Command] = []
        for start in range(0, len(targets), run_command.MAX_HOSTS):
            batch = targets[start : start + run_command.MAX_HOSTS]
            if self._context.cancelled.is_set():
                self._leave_unreached(batch)
            else:
                commands.extend(self._send_batch(document, batch))
        return commands

    def _send_batch(self, document: Document, batch: Sequence[Host]) -> Iterator[_Command]:
        """One command. When Systems Manager refuses it for some of its hosts, those are failed and
        the others sent again: one host that went away since the listing must not cost 49 others."""
        ids = [host.instance_id for host in batch]
        try:
            command_id = run_command.send_command(self._context.aws, self._scope, document, ids)
        except AwsError as error:
            refused = run_command.refused_instances(error, ids)
            if error.code != "InvalidInstanceId" or not refused:
                self._refuse(batch, error)
                return
            for host in batch:
                if host.instance_id in refused:
                    self._store(host, Failure(FailureKind.UNDELIVERABLE, str(error)[:500]))
            rest = [host for host in batch if host.instance_id not in refused]
            if rest:
                yield from self._send_batch(document, rest)
            return
        self._record = replace(self._record, commands=self._record.commands + 1)
        self._context.emit(BatchSent(self._scope, command_id, len(batch)))
        yield _Command(command_id, {host.instance_id: host for host in batch})

    def _refuse(self, batch: Iterable[Host], error: AwsError) -> None:
        """No command could be sent: each host gets a failed record, and the scope the error."""
        self._record = replace(self._record, error=str(error)[:500], error_kind=error.kind)
        for host in batch:
            self._store(host, Failure(error.kind, str(error)[:500]))

    # --- collecting ---

    def _collect(self, commands: list[_Command]) -> None:
        """Look at the commands less and less often until every host has answered or time is up."""
        seconds = (
            run_command.DELIVERY_SECONDS
            + _DOWNLOAD_SECONDS
            + self._context.aws.settings.command_timeout
        )
        deadline = time.monotonic() + seconds
        delays = chain(_FIRST_LOOKS_SECONDS, repeat(_LATER_LOOKS_SECONDS))
        while commands and time.monotonic() < deadline:
            if self._context.cancelled.wait(next(delays)):
                self._cancel(commands)
                return
            for command in commands:
                self._look_at(command)
            commands = [command for command in commands if command.waiting]
        for command in commands:
            for host in command.waiting.values():
                self._store(host, Failure(FailureKind.TIMED_OUT, f"no answer within {seconds} s"))

    def _look_at(self, command: _Command) -> None:
        try:
            answers = run_command.list_invocations(
                self._context.aws, self._scope, command.command_id
            )
        except AwsError as error:
            _log.warning("%s: command %s: %s", self._scope, command.command_id, error)
            return  # the next look may succeed; the deadline ends a refusal that lasts
        for answer in answers:
            if answer.is_done and answer.instance_id in command.waiting:
                host = command.waiting.pop(answer.instance_id)
                self._store(host, self._read(answer))

    def _read(self, answer: Invocation) -> HostReport | Failure:
        if answer.failure:
            return answer.failure
        try:
            try:
                return parse_report(answer.output)
            except ReportError as error:
                if error.kind is not FailureKind.OUTPUT_TRUNCATED:
                    raise
                whole = run_command.fetch_output(self._context.aws, self._scope, answer)
                return parse_report(whole)
        except (ReportError, AwsError) as error:
            return Failure(error.kind, str(error)[:500])

    def _cancel(self, commands: Iterable[_Command]) -> None:
        """Stop what runs, store what has finished, and leave the rest as it was known."""
        for command in commands:
            try:
                run_command.cancel_command(self._context.aws, self._scope, command.command_id)
            except AwsError as error:
                _log.warning("%s: could not cancel %s: %s", self._scope, command.command_id, error)
            self._look_at(command)
            self._leave_unreached(command.waiting.values())

    # --- storing ---

    def _store(self, host: Host, result: HostReport | Failure) -> None:
        if isinstance(result, Failure) and result.kind is FailureKind.CANCELLED:
            self._leave_unreached([host])
            return
        failure = result if isinstance(result, Failure) else None
        changes = self._reconcile(host, result)
        found = sum(
            record.is_database and record.status is not DatabaseStatus.GONE
            for record in changes.puts
        )
        if isinstance(result, Failure):
            record = self._failed_record(host, result)
        else:
            record = self._scanned_record(host, result, found)
        outcome = HostResult(self._context.run_id, changes, record, record if failure else None)
        try:
            self._context.writer.write(outcome)
        except AwsError as error:
            failure = self._keep(host, outcome, error)
        if failure:
            self._record = replace(self._record, hosts_failed=self._record.hosts_failed + 1)
            self._context.emit(HostDone(host, 0, (), failure))
            return
        self._record = replace(
            self._record,
            hosts_scanned=self._record.hosts_scanned + 1,
            databases=self._record.databases + found,
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

    def _reconcile(self, host: Host, result: HostReport | Failure) -> HostChanges:
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
            now=datetime.now(UTC),
            gone_ttl_days=settings.gone_ttl_days,
            environment_tags=settings.environment_tags,
        )

    def _failed_record(self, host: Host, failure: Failure) -> HostRecord:
        return replace(
            self._host_record(host, Coverage.FAILED),
            error=failure.message,
            error_kind=failure.kind,
        )

    def _scanned_record(self, host: Host, report: HostReport, found: int) -> HostRecord:
        record = self._host_record(host, Coverage.SCANNED)
        return replace(
            record,
            last_scanned=record.checked_at,
            databases=found,
            warnings=report.warnings,
        )

    def _account_for_untargeted(self, listed: Sequence[Host]) -> None:
        """Store the class of each host that gets no command, and of those no longer listed."""
        for host in listed:
            if host.coverage is not Coverage.PENDING:
                self._context.runs.put_unscanned(self._host_record(host, host.coverage))
        if self._context.request.instances:
            return
        ids = {host.instance_id for host in listed}
        for previous in self._previous.values():
            if previous.instance_id not in ids and previous.coverage is not Coverage.TERMINATED:
                self._context.runs.put_host(
                    replace(
                        previous,
                        coverage=Coverage.TERMINATED,
                        run_id=self._context.run_id,
                        checked_at=datetime.now(UTC),
                        error=None,
                        error_kind=None,
                    )
                )

    def _leave_unreached(self, unreached: Iterable[Host]) -> None:
        for host in unreached:
            self._context.runs.put_unscanned(
                self._host_record(host, Coverage.NOT_REACHED),
                keep_coverage=host.instance_id in self._previous,
            )

    def _host_record(self, host: Host, coverage: Coverage) -> HostRecord:
        """The host's coverage as of now; when it was last scanned stays as it was known."""
        previous = self._previous.get(host.instance_id)
        return HostRecord(
            account_id=host.account_id,
            region=host.region,
            instance_id=host.instance_id,
            coverage=coverage,
            run_id=self._context.run_id,
            checked_at=datetime.now(UTC),
            name=host.name,
            platform=host.platform,
            instance_type=host.instance_type,
            environment=environment_of(host.tags, self._context.aws.settings.environment_tags),
            last_scanned=previous.last_scanned if previous else None,
            databases=previous.databases if previous else None,
        )

    def _status(self) -> ScopeStatus:
        if self._context.cancelled.is_set():
            return ScopeStatus.CANCELLED
        if self._record.error:
            return ScopeStatus.FAILED
        return ScopeStatus.PARTIAL if self._record.hosts_failed else ScopeStatus.SUCCEEDED

    def _finish(self, status: ScopeStatus) -> ScopeRecord:
        self._record = replace(self._record, status=status)
        newest = not self._context.request.instances and status is not ScopeStatus.CANCELLED
        self._context.runs.put_scope(self._record, newest=newest)
        self._context.emit(ScopeFinished(self._record))
        return self._record
