"""The commands of one scope: the probe sent to its hosts, 50 at a time, and polled when most of
their answers should be there."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from discovery.aws import run_command
from discovery.aws.errors import TARGET_CODES
from discovery.aws.run_command import Document, Invocation
from discovery.errors import AwsError, FailureKind, ReportError
from discovery.inventory.report import parse_report
from discovery.model import Coverage, Failure, Host, HostReport, OutstandingCommand, Scope
from discovery.run.context import RunContext
from discovery.run.events import BatchSent
from discovery.run.results import HostAnswer, HostReported, ScopeResults
from discovery.run.writes import CommandInFlight

_log = logging.getLogger(__name__)

_DOWNLOAD_SECONDS = 60
_MAX_ERROR = 500


@dataclass(slots=True)
class _Command:
    """A sent command and the hosts that have not answered it; times in monotonic seconds.

    `bystanders` are hosts that this run sends no command to: what they have answered is collected,
    and nothing is expected of them.
    """

    outstanding: OutstandingCommand
    waiting: dict[str, Host]
    sent: float
    poll_at: float
    bystanders: dict[str, Host] = field(default_factory=dict)
    is_adopted: bool = False


@dataclass(slots=True)
class _Answers:
    """What a poll brought: results of this run; reports to an earlier one, of hosts that are `done`
    by that and of `others`; and the hosts to ask again."""

    own: list[HostAnswer] = field(default_factory=list)
    done: list[HostReported] = field(default_factory=list)
    others: list[HostReported] = field(default_factory=list)
    ask_again: list[Host] = field(default_factory=list)


class ScopeCommands:
    """Sends the probe to a scope's hosts and hands each answer to `results`."""

    def __init__(self, context: RunContext, scope: Scope, results: ScopeResults) -> None:
        self._context = context
        self._clock = context.clock
        self._scope = scope
        self._results = results
        self._in_flight: list[_Command] = []

    # --- commands of earlier runs ---

    @property
    def hosts_in_flight(self) -> set[str]:
        """The instances that earlier runs have sent commands to which are on record."""
        commands = self._context.outstanding.get(self._scope, ())
        return {instance_id for command in commands for instance_id in command.instance_ids}

    def adopt_in_flight(self, targets: dict[str, Host], listed: Sequence[Host]) -> None:
        """Collect what earlier runs left in flight, from hosts that are gone by now too.

        Hosts whose answer is new enough, and those whose command may yet answer, leave `targets`.
        """
        by_id = {host.instance_id: host for host in listed}
        for outstanding in self._context.outstanding.get(self._scope, ()):
            if self._context.request.instances and outstanding.run_id != self._context.run_id:
                continue  # it went to more hosts than are asked for now
            self._adopt(outstanding, targets, by_id)

    def _adopt(
        self, outstanding: OutstandingCommand, targets: dict[str, Host], listed: Mapping[str, Host]
    ) -> None:
        open_ids = [
            instance_id
            for instance_id in outstanding.instance_ids
            if not self._is_answered(instance_id, outstanding)
        ]
        waiting = {id_: targets[id_] for id_ in open_ids if id_ in targets}
        bystanders = {
            id_: listed.get(id_) or self._results.unlisted(id_)
            for id_ in open_ids
            if id_ not in listed or listed[id_].coverage is not Coverage.PENDING
        }
        now = self._clock.monotonic()
        elapsed = (self._clock.now() - outstanding.sent_at).total_seconds()
        command = _Command(
            outstanding, dict(waiting), now - elapsed, now, bystanders, is_adopted=True
        )
        again: list[Host] = []
        if (waiting or bystanders) and self._poll_command(command, again):
            return  # the next run may be able to read it; here its hosts are sent to again
        may_answer = elapsed < self._patience
        for instance_id in waiting.keys() - {host.instance_id for host in again}:
            if may_answer or instance_id not in command.waiting:
                del targets[instance_id]
        if may_answer and command.waiting:
            command.poll_at = self._next_poll(command, elapsed)
            self._in_flight.append(command)
        elif not (may_answer and command.bystanders):
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
            and (stored.run_order, stored.run_id) >= (command.run_order, command.run_id)
        )

    def _is_fresh(self, command: OutstandingCommand, seen_at: datetime) -> bool:
        """Whether an answer to an earlier run, given at `seen_at`, stands for one to this run.

        A resumed run takes those that the run which it completes has asked for, and no others.
        """
        if self._context.resumes not in (None, command.run_id):
            return False
        age = (self._clock.now() - seen_at).total_seconds()
        return age <= self._context.aws.settings.answer_seconds

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
            self._context.run_order,
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
        self._results.store(HostAnswer(host, failure) for host in refused)
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
        again: list[Host] = []
        for command in self._in_flight:
            is_due = late or command.poll_at <= began
            if is_due and not self._poll_due(command, again):
                continue
            if command.waiting:
                waiting.append(command)
            else:
                self._context.writer.clear_command(command.outstanding)
        self._in_flight = [] if late else waiting
        if late:
            for command in waiting:
                self._leave_in_flight(command)
        self.send(again)

    def _poll_due(self, command: _Command, again: list[Host]) -> bool:
        """Poll `command`; False when it is left in flight for the next run, because it cannot be
        read and its time is over: its answers may be there all the same."""
        error = self._poll_command(command, again)
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
        self._results.store(HostAnswer(host, failure) for host in command.waiting.values())
        command.waiting.clear()

    def _leave_in_flight(self, command: _Command) -> None:
        """What has not answered is for the next run to collect."""
        left = replace(command.outstanding, instance_ids=tuple(command.waiting))
        self._context.writer.write(CommandInFlight(left))
        self._results.store_unreached(command.waiting.values())

    def _poll_command(self, command: _Command, again: list[Host]) -> AwsError | None:
        """Store what has finished; why the command could not be read, or None.

        Hosts whose answer to an earlier run is of no use to this one are added to `again`.
        """
        try:
            invocations = run_command.list_invocations(
                self._context.aws, self._scope, command.outstanding.command_id
            )
        except AwsError as error:
            _log.warning("command %s: %s", command.outstanding.command_id, error)
            return error  # the next poll may succeed; patience ends a refusal that lasts
        answers = _Answers(ask_again=again)
        for invocation in invocations:
            if invocation.is_done:
                self._sort_answer(command, invocation, answers)
        self._results.store(answers.own)
        self._results.collect(command.outstanding, answers.done, count=True)
        self._results.collect(command.outstanding, answers.others, count=False)
        return None

    def _sort_answer(self, command: _Command, invocation: Invocation, answers: _Answers) -> None:
        """Add what one host has answered to where it belongs; no host twice."""
        host = command.waiting.pop(invocation.instance_id, None)
        if command.outstanding.run_id == self._context.run_id and host:
            if command.is_adopted and invocation.is_cancelled:
                answers.ask_again.append(host)
                return
            if invocation.seconds is not None and not invocation.failure:
                self._context.poll_times.record_answer(invocation.seconds)
            seen_at = invocation.finished_at if command.is_adopted else None
            answers.own.append(HostAnswer(host, self._read(invocation), seen_at))
            return
        target, host = host, host or command.bystanders.pop(invocation.instance_id, None)
        result = self._read(invocation) if host else None
        seen_at = invocation.finished_at or command.outstanding.sent_at
        is_kept = isinstance(result, HostReport) and self._is_fresh(command.outstanding, seen_at)
        if target and not is_kept:
            answers.ask_again.append(target)
        if host and isinstance(result, HostReport):
            reported = HostReported(host, result, seen_at)
            (answers.done if target and is_kept else answers.others).append(reported)

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
            again: list[Host] = []
            unread = self._poll_command(command, again)
            self._results.store_unreached([*command.waiting.values(), *again])
            # Another run's command, some of whose answers were not seen, stays for the next run.
            is_ours = command.outstanding.run_id == self._context.run_id
            if not unread and (is_ours or not command.waiting):
                self._context.writer.clear_command(command.outstanding)

    def detach(self) -> None:
        """Another run has taken over: it collects what is in flight."""
        for command in self._in_flight:
            self._results.store_unreached(command.waiting.values())
