"""One scope of a run: list its hosts, send the probe to them, store each answer as it comes.

Nothing that fails here reaches another scope, and every listed host ends as scanned, as failed, or
as not scanned for a named reason.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from discovery.aws import hosts
from discovery.aws.regions import refusals_explained
from discovery.errors import AwsError, FailureKind
from discovery.logs import log_context
from discovery.model import Coverage, Host, Scope, ScopeStatus
from discovery.run.commands import ScopeCommands
from discovery.run.context import RunContext
from discovery.run.events import ScopeFinished, ScopeListed, ScopeStarted
from discovery.run.results import ScopeResults
from discovery.run.writes import ScopeEnd

_log = logging.getLogger(__name__)
_STORE_PATIENCE_SECONDS = 600.0
"""How long a scope waits to begin while DynamoDB does not answer."""
_SHORTEST_REST_SECONDS = 1.0


class ScopeScan:
    """The scan of one scope, in jobs: `begin` lists and sends, then each poll adds the next."""

    def __init__(self, context: RunContext, scope: Scope) -> None:
        self._context = context
        self._scope = scope
        self._results = ScopeResults(context, scope)
        self._commands = ScopeCommands(context, scope, self._results)
        self._give_up_at: float | None = None

    def begin(self) -> None:
        """Scan the scope, of which a failure ends up in its record."""
        self._context.emit(ScopeStarted(self._scope))
        self._guard(self._begin)

    def _guard(self, step: Callable[[], None]) -> None:
        scope, run_id = self._scope, self._context.run_id
        with log_context(run_id=run_id, account_id=scope.account_id, region=scope.region):
            try:
                self._context.check_lease()
                step()
            except Exception as error:  # a defect met in one scope must not cost the others theirs
                _log.exception("scope failed")
                self._fail(FailureKind.INTERNAL, f"{type(error).__name__}: {error}")

    def _begin(self) -> None:
        if self._context.cancelled.is_set() or self._context.is_late(0):
            self._finish(ScopeStatus.CANCELLED)
            return
        if refusal := self._context.refused.get(self._scope):
            self._fail(refusal.kind, str(refusal))
            return
        try:
            self._results.load_previous()
        except AwsError as error:  # nothing is sent that could not be compared with what is known
            if not self._postpone():
                self._fail(FailureKind.STORE_FAILED, str(error))
            return
        self._list_and_send()

    def _list_and_send(self) -> None:
        try:
            with refusals_explained(self._context.aws, self._scope):
                listed = hosts.list_hosts(
                    self._context.aws, self._scope, self._context.request.instances
                )
        except AwsError as error:
            self._fail(error.kind, str(error))
            return
        targets = {
            host.instance_id: host
            for host in listed
            if host.coverage is Coverage.PENDING and not self._is_done_before(host)
        }
        record = self._results.record
        targeted = len(targets) + record.hosts_done
        self._results.record = replace(record, hosts_listed=len(listed), hosts_targeted=targeted)
        untargeted = Counter(host.coverage for host in listed)
        del untargeted[Coverage.PENDING]
        self._context.emit(ScopeListed(self._scope, len(listed), targeted, untargeted))
        self._results.store_untargeted(listed, self._commands.hosts_in_flight)
        self._commands.adopt_in_flight(targets, listed)
        self._commands.send(list(targets.values()))
        self._wait()

    def _postpone(self) -> bool:
        """Begin when DynamoDB is tried again; False once it has been away for too long."""
        rest = self._context.writer.retry_in()
        now = self._context.clock.monotonic()
        self._give_up_at = self._give_up_at or now + _STORE_PATIENCE_SECONDS
        if rest is None or now + rest >= self._give_up_at:
            return False
        due = now + max(rest, _SHORTEST_REST_SECONDS)
        self._context.scheduler.add(lambda: self._guard(self._begin), due)
        return True

    def _is_done_before(self, host: Host) -> bool:
        """Whether this run has its result already, or the run that it resumes has scanned it."""
        previous = self._results.previous.get(host.instance_id)
        if previous is None:
            return False
        if previous.run_id == self._context.run_id:
            return previous.coverage in (Coverage.SCANNED, Coverage.FAILED)
        return previous.coverage is Coverage.SCANNED and previous.run_id == self._context.resumes

    def _wait(self) -> None:
        """Poll again when the next command is worth it, or end the scope."""
        poll_at = self._commands.poll_at
        if poll_at is None:
            self._finish(self._status())
        else:
            self._context.scheduler.add(lambda: self._guard(self._poll), poll_at)

    def _poll(self) -> None:
        if self._context.cancelled.is_set():
            if self._context.taken_over.is_set():
                self._commands.detach()
            else:
                self._commands.cancel()
            self._finish(ScopeStatus.CANCELLED)
            return
        self._commands.poll()
        self._wait()

    def _status(self) -> ScopeStatus:
        record = self._results.record
        if self._context.cancelled.is_set():
            return ScopeStatus.CANCELLED
        if record.error:
            return ScopeStatus.FAILED
        collected = record.hosts_collected if self._context.resumes else 0
        done = record.hosts_scanned + collected == record.hosts_targeted
        return ScopeStatus.SUCCEEDED if done else ScopeStatus.PARTIAL

    def _fail(self, kind: FailureKind, message: str) -> None:
        """Record that the whole scope failed. What is known of its hosts stays as it was."""
        self._results.note_error(kind, message)
        self._finish(ScopeStatus.FAILED)

    def _finish(self, status: ScopeStatus) -> None:
        self._results.end_asked()
        record = replace(self._results.record, status=status)
        newest = not self._context.request.instances and status is not ScopeStatus.CANCELLED
        self._context.writer.write(ScopeEnd(record, newest))
        self._context.emit(ScopeFinished(record))
