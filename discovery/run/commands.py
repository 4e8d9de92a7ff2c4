"""The commands of one scope: the probe sent to its hosts, 50 at a time, and their answers collected
when most should be there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from discovery.aws import run_command
from discovery.aws.run_command import Document, Invocation
from discovery.errors import AwsError, FailureKind, ReportError
from discovery.inventory.report import parse_report
from discovery.model import Coverage, Failure, Host, HostReport, OutstandingCommand, Scope
from discovery.run.context import RunContext
from discovery.run.events import BatchSent
from discovery.run.results import Answer, ScopeResults
from discovery.run.writes import InFlight

_log = logging.getLogger(__name__)

_DOWNLOAD_SECONDS = 60


@dataclass(slots=True)
class _Command:
    """A sent command and the hosts that have not answered it; times in monotonic seconds."""

    outstanding: OutstandingCommand
    waiting: dict[str, Host]
    sent: float
    due: float


class ScopeCommands:
    """Sends the probe to a scope's hosts and hands each answer to `results`."""

    def __init__(self, context: RunContext, scope: Scope, results: ScopeResults) -> None:
        self._context = context
        self._clock = context.schedule.clock
        self._scope = scope
        self._results = results
        self._open: list[_Command] = []

    # --- sending ---

    def take_up(self, targets: dict[str, Host]) -> None:
        """Collect what an earlier run left in flight; hosts still without answer stay targets,
        unless their command may yet answer."""
        for old in self._context.outstanding.get(self._scope, ()):
            if self._context.request.instances and old.run_id != self._context.run_id:
                continue  # it went to more hosts than are asked for now
            mine = {
                id_: targets[id_]
                for id_ in old.instance_ids
                if id_ in targets and not self._is_answered(id_, old)
            }
            now = self._clock.monotonic()
            sent = now - (self._clock.now() - old.sent_at).total_seconds()
            command = _Command(old, dict(mine), sent, now)
            cancelled: set[str] = set()
            if mine and self._look_at(command, cancelled):
                continue  # it may be readable for the next run; here its hosts are sent to again
            for instance_id in mine.keys() - cancelled:
                if instance_id not in command.waiting or now - sent < self._patience:
                    del targets[instance_id]
            if now - sent < self._patience and command.waiting:
                command.due = self._next_look(command, now - sent)
                self._open.append(command)
            else:
                self._context.ledger.clear(old)

    def _is_answered(self, instance_id: str, command: OutstandingCommand) -> bool:
        """Whether what is stored of a host is this command's answer or newer: not asked for twice,
        since an old answer written by this run would hide what the host holds by now."""
        stored = self._results.previous.get(instance_id)
        return bool(
            stored
            and stored.coverage in (Coverage.SCANNED, Coverage.FAILED)
            and stored.run_id >= command.run_id
        )

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
            late = self._context.is_late(self._context.looks.first(len(batch)))
            if late or self._context.cancelled.is_set():
                self._results.leave_unreached(batch)
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
                self._results.refuse(batch, error)
                return
            failure = Failure(FailureKind.UNDELIVERABLE, str(error)[:500])
            gone = [host for host in batch if host.instance_id in refused]
            self._results.store((host, failure, None) for host in gone)
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
        self._context.ledger.write(InFlight(outstanding))
        self._results.count_command()
        self._context.emit(BatchSent(self._scope, command_id, len(batch)))
        waiting = {host.instance_id: host for host in batch}
        due = sent + self._context.looks.first(len(batch))
        self._open.append(_Command(outstanding, waiting, sent, due))

    # --- collecting ---

    @property
    def _patience(self) -> float:
        """Seconds after which a command is not expected to answer any more."""
        timeout = self._context.aws.settings.command_timeout
        return run_command.DELIVERY_SECONDS + _DOWNLOAD_SECONDS + timeout

    @property
    def due(self) -> float | None:
        """When the next look is worth it, in monotonic seconds; None when nothing is open."""
        if not self._open:
            return None
        due = min(command.due for command in self._open)
        return due if self._context.deadline is None else min(due, self._context.deadline)

    def look(self) -> None:
        """One look at each command that is due; at the deadline, at each, for the last time."""
        late = self._context.is_late(0)
        begun = self._clock.monotonic()
        still_open = []
        for command in self._open:
            if late or command.due <= begun:
                error = self._look_at(command)
                elapsed = self._clock.monotonic() - command.sent
                command.due = self._next_look(command, elapsed)
                if elapsed >= self._patience and error:
                    self._results.note_error(error.kind, str(error))
                    self._leave_in_flight(command)  # its answers may be there all the same
                    continue
                if elapsed >= self._patience:
                    self._give_up(command)
            if command.waiting:
                still_open.append(command)
            else:
                self._context.ledger.clear(command.outstanding)
        self._open = [] if late else still_open
        if late:
            for command in still_open:
                self._leave_in_flight(command)

    def _next_look(self, command: _Command, elapsed: float) -> float:
        hosts, waiting = len(command.outstanding.instance_ids), len(command.waiting)
        return command.sent + self._context.looks.after(elapsed, hosts, waiting)

    def _give_up(self, command: _Command) -> None:
        failure = Failure(FailureKind.TIMED_OUT, f"no answer within {self._patience:.0f} s")
        self._results.store((host, failure, None) for host in command.waiting.values())
        command.waiting.clear()

    def _leave_in_flight(self, command: _Command) -> None:
        """What has not answered is for the next run to collect."""
        left = replace(command.outstanding, instance_ids=tuple(command.waiting))
        self._context.ledger.write(InFlight(left))
        self._results.leave_unreached(command.waiting.values())

    def _look_at(self, command: _Command, cancelled: set[str] | None = None) -> AwsError | None:
        """Store what has finished; why the command could not be looked at, or None.

        With `cancelled`, hosts whose part was cancelled are not stored but added to it.
        """
        try:
            answers = run_command.list_invocations(
                self._context.aws, self._scope, command.outstanding.command_id
            )
        except AwsError as error:
            _log.warning("command %s: %s", command.outstanding.command_id, error)
            return error  # the next look may succeed; patience ends a refusal that lasts
        is_own = command.outstanding.run_id == self._context.run_id
        done: list[Answer] = []
        for answer in answers:
            if answer.is_done and answer.instance_id in command.waiting:
                host = command.waiting.pop(answer.instance_id)
                if cancelled is not None and answer.is_cancelled:
                    cancelled.add(host.instance_id)
                    continue
                if is_own and answer.seconds is not None and not answer.failure:
                    self._context.looks.saw(answer.seconds)
                done.append((host, self._read(answer), None if is_own else answer.finished_at))
        self._results.store(done)
        return None

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

    def cancel(self) -> None:
        """Stop what runs, store what has finished, and leave the rest as it was known."""
        for command in self._open:
            try:
                run_command.cancel_command(
                    self._context.aws, self._scope, command.outstanding.command_id
                )
            except AwsError as error:
                command_id = command.outstanding.command_id
                _log.warning("could not cancel command %s: %s", command_id, error)
            unread = self._look_at(command)
            self._results.leave_unreached(command.waiting.values())
            if not unread:
                self._context.ledger.clear(command.outstanding)

    def leave(self) -> None:
        """Another run has taken over: it collects what is in flight."""
        for command in self._open:
            self._results.leave_unreached(command.waiting.values())
