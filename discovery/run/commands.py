"""The commands of one scope: the probe sent to its hosts, 50 at a time, and polled when most of
their answers should be there."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from discovery.aws import run_command
from discovery.aws.errors import TARGET_CODES
from discovery.aws.run_command import Document, Invocation
from discovery.errors import AwsError, FailureKind, ReportError
from discovery.inventory.report import parse_report
from discovery.model import Coverage, Failure, Host, HostReport, OutstandingCommand, Scope
from discovery.run.context import RunContext
from discovery.run.events import BatchSent
from discovery.run.results import HostRows, ScopeResults
from discovery.run.writes import CommandInFlight

_log = logging.getLogger(__name__)

_DOWNLOAD_SECONDS = 60
_MAX_ERROR = 500


@dataclass(slots=True)
class _Command:
    """A sent command and the hosts that have not answered it; times in monotonic seconds."""

    outstanding: OutstandingCommand
    waiting: dict[str, Host]
    sent: float
    poll_at: float


class ScopeCommands:
    """Sends the probe to a scope's hosts and hands each answer to `results`."""

    def __init__(self, context: RunContext, scope: Scope, results: ScopeResults) -> None:
        self._context = context
        self._clock = context.clock
        self._scope = scope
        self._results = results
        self._in_flight: list[_Command] = []

    # --- commands of earlier runs ---

    def adopt_in_flight(self, targets: dict[str, Host]) -> None:
        """Collect what earlier runs left in flight.

        Hosts that have answered, and those whose command may yet answer, leave `targets`.
        """
        for outstanding in self._context.outstanding.get(self._scope, ()):
            if self._context.request.instances and outstanding.run_id != self._context.run_id:
                continue  # it went to more hosts than are asked for now
            self._adopt(outstanding, targets)

    def _adopt(self, outstanding: OutstandingCommand, targets: dict[str, Host]) -> None:
        waiting = {
            instance_id: targets[instance_id]
            for instance_id in outstanding.instance_ids
            if instance_id in targets and not self._is_answered(instance_id, outstanding)
        }
        now = self._clock.monotonic()
        elapsed = (self._clock.now() - outstanding.sent_at).total_seconds()
        command = _Command(outstanding, dict(waiting), sent=now - elapsed, poll_at=now)
        cancelled: set[str] = set()
        if waiting and self._poll_command(command, cancelled):
            return  # the next run may be able to read it; here its hosts are sent to again
        may_answer = elapsed < self._patience
        for instance_id in waiting.keys() - cancelled:
            if may_answer or instance_id not in command.waiting:
                del targets[instance_id]
        if may_answer and command.waiting:
            command.poll_at = self._next_poll(command, elapsed)
            self._in_flight.append(command)
        else:
            self._context.writer.clear_command(outstanding)

    def _is_answered(self, instance_id: str, command: OutstandingCommand) -> bool:
        """Whether what is stored of a host is this command's answer or newer.

        Such a host is not asked for twice: an old answer written by this run would hide what the
        host holds by now.
        """
        stored = self._results.previous.get(instance_id)
        return bool(
            stored
            and stored.coverage in (Coverage.SCANNED, Coverage.FAILED)
            and stored.run_id >= command.run_id
        )

    # --- sending ---

    def send(self, targets: Sequence[Host]) -> None:
        """Send the probe to `targets`; those that it cannot be sent to are stored as failed."""
        if not targets:
            return
        try:
            document = run_command.find_document(self._context.aws, self._scope)
        except AwsError as error:
            self._results.refuse(targets, error)
            return
        for start in range(0, len(targets), run_command.MAX_HOSTS):
            batch = targets[start : start + run_command.MAX_HOSTS]
            late = self._context.is_late(self._context.poll_times.first_poll(len(batch)))
            if late or self._context.cancelled.is_set():
                self._results.store_unreached(batch)
            else:
                self._send_batch(document, batch)

    def _send_batch(
        self, document: Document, batch: Sequence[Host], refusals: Counter[str] | None = None
    ) -> None:
        """One command, or several: a host that Systems Manager refuses the command for must not
        cost the 49 others. Hosts that the refusal names are left out; while it names none the batch
        is halved, until the host stands alone. `refusals` counts, for one batch, what that took.
        """
        refusals = Counter() if refusals is None else refusals
        ids = [host.instance_id for host in batch]
        try:
            command_id = run_command.send_command(self._context.aws, self._scope, document, ids)
        except AwsError as error:
            refusals[error.code] += 1
            for part in self._parts_left(batch, error, refusals.total()):
                self._send_batch(document, part, refusals)
            return
        sent = self._clock.monotonic()
        outstanding = OutstandingCommand(
            self._context.run_id,
            self._scope.account_id,
            self._scope.region,
            command_id,
            self._clock.now(),
            tuple(ids),
        )
        self._context.writer.write(CommandInFlight(outstanding))
        self._results.count_command()
        self._context.emit(BatchSent(self._scope, command_id, len(batch)))
        waiting = {host.instance_id: host for host in batch}
        poll_at = sent + self._context.poll_times.first_poll(len(batch))
        self._in_flight.append(_Command(outstanding, waiting, sent, poll_at))

    def _parts_left(
        self, batch: Sequence[Host], error: AwsError, refusals: int
    ) -> list[Sequence[Host]]:
        """What is still to be sent of a batch whose command was refused; the hosts that it was
        refused for are stored as failed."""
        if error.code not in TARGET_CODES or refusals > run_command.MAX_HOSTS:
            self._results.refuse(batch, error)
            return []
        named = run_command.refused_instances(error, [host.instance_id for host in batch])
        refused = batch if len(batch) == 1 else [one for one in batch if one.instance_id in named]
        if not refused:
            middle = len(batch) // 2
            return [batch[:middle], batch[middle:]]
        failure = Failure(FailureKind.UNDELIVERABLE, str(error)[:_MAX_ERROR])
        self._results.store(HostRows(host, failure) for host in refused)
        left = [host for host in batch if host not in refused]
        return [left] if left else []

    # --- polling ---

    @property
    def _patience(self) -> float:
        """Seconds after which a command is not expected to answer any more."""
        timeout = self._context.aws.settings.command_timeout
        return run_command.DELIVERY_SECONDS + _DOWNLOAD_SECONDS + timeout

    @property
    def poll_at(self) -> float | None:
        """When the next poll is worth it, in monotonic seconds; None when nothing is in flight."""
        if not self._in_flight:
            return None
        earliest = min(command.poll_at for command in self._in_flight)
        deadline = self._context.deadline
        return earliest if deadline is None else min(earliest, deadline)

    def poll(self) -> None:
        """Poll each command that is due; at the deadline each command, for the last time."""
        late = self._context.is_late(0)
        began = self._clock.monotonic()
        waiting: list[_Command] = []
        for command in self._in_flight:
            is_due = late or command.poll_at <= began
            if is_due and not self._poll_due(command):
                continue
            if command.waiting:
                waiting.append(command)
            else:
                self._context.writer.clear_command(command.outstanding)
        self._in_flight = [] if late else waiting
        if late:
            for command in waiting:
                self._leave_in_flight(command)

    def _poll_due(self, command: _Command) -> bool:
        """Poll `command`; False when it is left in flight for the next run, because it cannot be
        read and its time is over: its answers may be there all the same."""
        error = self._poll_command(command)
        elapsed = self._clock.monotonic() - command.sent
        command.poll_at = self._next_poll(command, elapsed)
        if elapsed < self._patience:
            return True
        if error:
            self._results.note_error(error.kind, str(error))
            self._leave_in_flight(command)
            return False
        self._give_up(command)
        return True

    def _next_poll(self, command: _Command, elapsed: float) -> float:
        hosts, waiting = len(command.outstanding.instance_ids), len(command.waiting)
        return command.sent + self._context.poll_times.next_poll(elapsed, hosts, waiting)

    def _give_up(self, command: _Command) -> None:
        failure = Failure(FailureKind.TIMED_OUT, f"no answer within {self._patience:.0f} s")
        self._results.store(HostRows(host, failure) for host in command.waiting.values())
        command.waiting.clear()

    def _leave_in_flight(self, command: _Command) -> None:
        """What has not answered is for the next run to collect."""
        left = replace(command.outstanding, instance_ids=tuple(command.waiting))
        self._context.writer.write(CommandInFlight(left))
        self._results.store_unreached(command.waiting.values())

    def _poll_command(
        self, command: _Command, cancelled: set[str] | None = None
    ) -> AwsError | None:
        """Store what has finished; why the command could not be read, or None.

        With `cancelled`, hosts whose part was cancelled are not stored but added to it.
        """
        try:
            invocations = run_command.list_invocations(
                self._context.aws, self._scope, command.outstanding.command_id
            )
        except AwsError as error:
            _log.warning("command %s: %s", command.outstanding.command_id, error)
            return error  # the next poll may succeed; patience ends a refusal that lasts
        is_own = command.outstanding.run_id == self._context.run_id
        results: list[HostRows] = []
        for invocation in invocations:
            if not invocation.is_done or invocation.instance_id not in command.waiting:
                continue
            host = command.waiting.pop(invocation.instance_id)
            if cancelled is not None and invocation.is_cancelled:
                cancelled.add(host.instance_id)
                continue
            if is_own and invocation.seconds is not None and not invocation.failure:
                self._context.poll_times.record_answer(invocation.seconds)
            seen_at = None if is_own else invocation.finished_at
            results.append(HostRows(host, self._read(invocation), seen_at))
        self._results.store(results)
        return None

    def _read(self, invocation: Invocation) -> HostReport | Failure:
        if invocation.failure:
            return invocation.failure
        try:
            try:
                return parse_report(invocation.output)
            except ReportError as error:
                if error.kind is not FailureKind.OUTPUT_TRUNCATED:
                    raise
                whole = run_command.fetch_output(self._context.aws, self._scope, invocation)
                return parse_report(whole)
        except (ReportError, AwsError) as error:
            return Failure(error.kind, str(error)[:_MAX_ERROR])

    # --- ending early ---

    def cancel(self) -> None:
        """Stop what runs, store what has finished, and leave the rest as it was known."""
        for command in self._in_flight:
            command_id = command.outstanding.command_id
            try:
                run_command.cancel_command(self._context.aws, self._scope, command_id)
            except AwsError as error:
                _log.warning("could not cancel command %s: %s", command_id, error)
            unread = self._poll_command(command)
            self._results.store_unreached(command.waiting.values())
            if not unread:
                self._context.writer.clear_command(command.outstanding)

    def detach(self) -> None:
        """Another run has taken over: it collects what is in flight."""
        for command in self._in_flight:
            self._results.store_unreached(command.waiting.values())
