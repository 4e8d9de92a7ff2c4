"""One scope of a run: list its hosts, send the probe to them, store each answer as it comes.

Nothing that fails here reaches another scope, and every listed host ends as scanned, as failed, or
as not scanned for a named reason.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
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
    OutstandingCommand,
    RunRequest,
    Scope,
    ScopeRecord,
    ScopeStatus,
)
from discovery.pacing import Looks
from discovery.reconcile import HostChanges, HostOutcome, environment_of, reconcile_host
from discovery.report import parse_report
from discovery.schedule import Schedule
from discovery.spool import Spool

_log = logging.getLogger(__name__)

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
    """What the scopes of one run share.

    `deadline` is in the clock's monotonic seconds. `outstanding` is what earlier runs left in
    flight; `resumes` is the run whose scanned hosts need no second scan.
    """

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
    cut_short: Flag
    schedule: Schedule
    looks: Looks
    outstanding: Mapping[Scope, Sequence[OutstandingCommand]]
    deadline: float | None = None
    resumes: str | None = None


@dataclass(slots=True)
class _Command:
    """A sent command and the hosts that have not answered it; times in monotonic seconds."""

    outstanding: OutstandingCommand
    waiting: dict[str, Host]
    sent: float
    due: float


class ScopeScan:
    """The scan of one scope, in jobs: `begin` lists and sends, then each look adds the next."""

    def __init__(self, context: RunContext, scope: Scope) -> None:
        self._context = context
        self._clock = context.schedule.clock
        self._scope = scope
        self._previous: dict[str, HostRecord] = {}
        self._commands: list[_Command] = []
        self._record = ScopeRecord(
            context.run_id, scope.account_id, scope.region, ScopeStatus.RUNNING
        )

    def begin(self) -> None:
        """Scan the scope, of which a failure of AWS ends up in its record.

        Raises AwsError only when the runs table itself cannot be written.
        """
        self._guard(self._begin)

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            step()
        except AwsError:
            raise  # the tables cannot be written: the schedule stops the other scopes too
        except Exception as error:  # a defect met in one scope must not cost the others theirs
            _log.exception("scope %s failed", self._scope)
            self.fail(FailureKind.INTERNAL, f"{type(error).__name__}: {error}")

    def _begin(self) -> None:
        self._context.emit(ScopeStarted(self._scope))
        if self._context.cancelled.is_set() or self._is_late(0):
            self._finish(ScopeStatus.CANCELLED)
            return
        try:
            listed = hosts.list_hosts(
                self._context.aws, self._scope, self._context.request.instances
            )
        except AwsError as error:
            self.fail(error.kind, str(error))
            return
        self._previous = self._context.runs.scope_hosts(self._scope)
        targets = {
            host.instance_id: host
            for host in listed
            if host.coverage is Coverage.PENDING and not self._is_done_before(host)
        }
        self._record = replace(self._record, hosts_listed=len(listed), hosts_targeted=len(targets))
        self._context.emit(ScopeListed(self._scope, len(listed), len(targets)))
        self._account_for_untargeted(listed)
        self._take_up(targets)
        self._send(list(targets.values()))
        self._wait()

    def _is_done_before(self, host: Host) -> bool:
        """Whether the run that this one resumes has scanned it."""
        previous = self._previous.get(host.instance_id)
        return bool(
            previous
            and previous.coverage is Coverage.SCANNED
            and previous.run_id == self._context.resumes
        )

    def _is_late(self, seconds: float) -> bool:
        """Whether the run's deadline comes within `seconds`; if so, the run is cut short."""
        deadline = self._context.deadline
        late = deadline is not None and self._clock.monotonic() + seconds >= deadline
        if late:
            self._context.cut_short.set()
        return late

    def fail(self, kind: FailureKind, message: str) -> None:
        """Record that the whole scope failed. What is known of its hosts stays as it was."""
        self._record = replace(self._record, error=message[:500], error_kind=kind)
        self._finish(ScopeStatus.FAILED)

    # --- sending ---

    def _take_up(self, targets: dict[str, Host]) -> None:
        """Collect what an earlier run left in flight; hosts still without answer stay targets,
        unless their command may yet answer."""
        if self._context.request.instances:
            return
        for old in self._context.outstanding.get(self._scope, ()):
            mine = {id_: targets[id_] for id_ in old.instance_ids if id_ in targets}
            now = self._clock.monotonic()
            sent = now - (self._clock.now() - old.sent_at).total_seconds()
            command = _Command(old, dict(mine), sent, now)
            if mine and not self._look_at(command):
                continue  # it may be readable for the next run; here its hosts are sent to again
            for instance_id in mine:
                if instance_id not in command.waiting or now - sent < self._patience:
                    del targets[instance_id]
            if now - sent < self._patience and command.waiting:
                command.due = sent + self._context.looks.after(now - sent)
                self._commands.append(command)
            else:
                self._context.runs.clear_outstanding(old)

    def _send(self, targets: Sequence[Host]) -> None:
        if not targets:
            return
        try:
            document = run_command.find_document(self._context.aws, self._scope)
        except AwsError as error:
            self._refuse(targets, error)
            return
        for start in range(0, len(targets), run_command.MAX_HOSTS):
            batch = targets[start : start + run_command.MAX_HOSTS]
            stop = self._context.cancelled.is_set() or self._is_late(self._context.looks.first())
            if stop:
                self._leave_unreached(batch)
            else:
                self._send_batch(document, batch)

    def _send_batch(self, document: Document, batch: Sequence[Host]) -> None:
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
                self._send_batch(document, rest)
            return
        scope, sent = self._scope, self._clock.monotonic()
        outstanding = OutstandingCommand(
            self._context.run_id,
            scope.account_id,
            scope.region,
            command_id,
            self._clock.now(),
            tuple(ids),
        )
        self._context.runs.put_outstanding(outstanding)
        self._record = replace(self._record, commands=self._record.commands + 1)
        self._context.emit(BatchSent(self._scope, command_id, len(batch)))
        waiting = {host.instance_id: host for host in batch}
        self._commands.append(
            _Command(outstanding, waiting, sent, sent + self._context.looks.first())
        )

    def _refuse(self, batch: Iterable[Host], error: AwsError) -> None:
        """No command could be sent: each host gets a failed record, and the scope the error."""
        self._record = replace(self._record, error=str(error)[:500], error_kind=error.kind)
        for host in batch:
            self._store(host, Failure(error.kind, str(error)[:500]))

    # --- collecting ---

    @property
    def _patience(self) -> float:
        """Seconds after which a command is not expected to answer any more."""
        timeout = self._context.aws.settings.command_timeout
        return run_command.DELIVERY_SECONDS + _DOWNLOAD_SECONDS + timeout

    def _wait(self) -> None:
        """Look again when the next command is worth it, or end the scope."""
        if not self._commands:
            self._finish(self._status())
            return
        due = min(command.due for command in self._commands)
        if self._context.deadline is not None:
            due = min(due, self._context.deadline)
        self._context.schedule.add(lambda: self._guard(self._look), due)

    def _look(self) -> None:
        """One look at each command that is due; at the deadline, at each, for the last time."""
        if self._context.cancelled.is_set():
            self._cancel(self._commands)
            self._finish(ScopeStatus.CANCELLED)
            return
        late = self._is_late(0)
        begun = self._clock.monotonic()
        open_commands = []
        for command in self._commands:
            if late or command.due <= begun:
                self._look_at(command)
                elapsed = self._clock.monotonic() - command.sent
                command.due = command.sent + self._context.looks.after(elapsed)
                if elapsed >= self._patience:
                    self._give_up(command)
            if command.waiting:
                open_commands.append(command)
            else:
                self._context.runs.clear_outstanding(command.outstanding)
        self._commands = [] if late else open_commands
        if late:
            for command in open_commands:
                self._leave_in_flight(command)
        self._wait()

    def _give_up(self, command: _Command) -> None:
        for host in command.waiting.values():
            message = f"no answer within {self._patience:.0f} s"
            self._store(host, Failure(FailureKind.TIMED_OUT, message))
        command.waiting.clear()

    def _leave_in_flight(self, command: _Command) -> None:
        """What has not answered is for the next run to collect."""
        left = replace(command.outstanding, instance_ids=tuple(command.waiting))
        self._context.runs.put_outstanding(left)
        self._leave_unreached(command.waiting.values())

    def _look_at(self, command: _Command) -> bool:
        """Store what has finished; False when the command could not be looked at."""
        try:
            answers = run_command.list_invocations(
                self._context.aws, self._scope, command.outstanding.command_id
            )
        except AwsError as error:
            _log.warning("%s: %s: %s", self._scope, command.outstanding.command_id, error)
            return False  # the next look may succeed; patience ends a refusal that lasts
        is_own = command.outstanding.run_id == self._context.run_id
        for answer in answers:
            if answer.is_done and answer.instance_id in command.waiting:
                host = command.waiting.pop(answer.instance_id)
                if is_own and answer.seconds is not None and not answer.failure:
                    self._context.looks.saw(answer.seconds)
                self._store(host, self._read(answer), None if is_own else answer.finished_at)
        return True

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
                run_command.cancel_command(
                    self._context.aws, self._scope, command.outstanding.command_id
                )
            except AwsError as error:
                command_id = command.outstanding.command_id
                _log.warning("%s: could not cancel %s: %s", self._scope, command_id, error)
            self._look_at(command)
            self._leave_unreached(command.waiting.values())
            self._context.runs.clear_outstanding(command.outstanding)

    # --- storing ---

    def _store(
        self, host: Host, result: HostReport | Failure, seen_at: datetime | None = None
    ) -> None:
        """Reconcile and write one host's result; `seen_at`, when it is not from just now."""
        if isinstance(result, Failure) and result.kind is FailureKind.CANCELLED:
            self._leave_unreached([host])
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
                        checked_at=self._clock.now(),
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
            checked_at=self._clock.now(),
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
        done = self._record.hosts_scanned == self._record.hosts_targeted
        return ScopeStatus.SUCCEEDED if done else ScopeStatus.PARTIAL

    def _finish(self, status: ScopeStatus) -> None:
        self._record = replace(self._record, status=status)
        newest = not self._context.request.instances and status is not ScopeStatus.CANCELLED
        self._context.runs.put_scope(self._record, newest=newest)
        self._context.emit(ScopeFinished(self._record))
