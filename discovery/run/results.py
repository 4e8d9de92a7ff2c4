"""One scope's results: each host that answered or failed, and each that was not scanned, with the
reason. Stored host by host, and counted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from discovery.errors import AwsError, FailureKind
from discovery.inventory.reconcile import environment_of
from discovery.logs import log_context
from discovery.model import (
    Coverage,
    Failure,
    GoneReason,
    Host,
    HostChanges,
    HostGone,
    HostRecord,
    HostReport,
    OutstandingCommand,
    Scope,
    ScopeRecord,
    ScopeStatus,
)
from discovery.run.context import RunContext
from discovery.run.events import HostCollected, HostDone, HostEnded, HostsUnreached
from discovery.run.writer import Spooled
from discovery.run.writes import HostObservation, NotScanned

_HOSTS_A_WRITE = 100
"""So that a write of coverage fits an SQS message of 256 KiB."""
_MAX_ERROR = 500


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """What one host answered to a command. `seen_at` is None for what it answered just now."""

    host: Host
    result: HostReport | Failure
    seen_at: datetime | None = None


class HostReported(NamedTuple):
    """What one host reported, and when."""

    host: Host
    report: HostReport
    seen_at: datetime


class ScopeResults:
    """Stores the results of one scope's hosts and counts them in `record`.

    `previous` is the newest coverage of each host that earlier runs knew, by instance id.
    """

    def __init__(self, context: RunContext, scope: Scope) -> None:
        self._context = context
        self._scope = scope
        self.previous: Mapping[str, HostRecord] = {}
        self._gone_but_asked: dict[str, HostRecord] = {}
        self.record = ScopeRecord(
            context.run_id,
            scope.account_id,
            scope.region,
            ScopeStatus.RUNNING,
            run_order=context.run_order,
        )

    def load_previous(self) -> None:
        """Read the coverage that earlier runs left, and what this run did here before it was cut
        short in another process. Raises AwsError."""
        self.previous = self._context.writer.coverage(self._scope)
        mine = [host for host in self.previous.values() if host.run_id == self._context.run_id]
        scanned = [host for host in mine if host.coverage is Coverage.SCANNED]
        earlier = self._context.earlier_attempts.get(self._scope)
        self.record = replace(
            self.record,
            hosts_scanned=len(scanned),
            hosts_failed=sum(host.coverage is Coverage.FAILED for host in mine),
            databases=sum(host.databases or 0 for host in scanned),
            commands=earlier.commands if earlier else 0,
        )
        if earlier:
            self._context.writer.forget_unreached(self._context.run_id, self._scope)

    # --- hosts with a result ---

    def store(self, results: Iterable[HostAnswer]) -> None:
        """Write the result of each host, or spool it. A cancelled host counts as not reached."""
        answered: list[HostAnswer] = []
        for answer in results:
            if _is_cancelled(answer.result):
                self.store_unreached([answer.host])
            else:
                answered.append(answer)
        written = self._context.writer.write_observations(list(map(self._observation, answered)))
        for answer, outcome in zip(answered, written, strict=True):
            with log_context(instance_id=answer.host.instance_id):
                self._count(answer, outcome)

    def collect(
        self, command: OutstandingCommand, reports: Iterable[HostReported], *, count: bool
    ) -> None:
        """Write what hosts reported to the command of an earlier run, as that run's. With `count`,
        they are done by that."""
        observations = []
        for host, report, seen_at in reports:
            coverage = replace(
                self._scanned_record(host, report, seen_at),
                run_id=command.run_id,
                run_order=command.run_order,
                checked_at=seen_at,
            )
            observations.append(HostObservation(host, report, seen_at, coverage))
        written = self._context.writer.write_observations(observations)
        for observation, outcome in zip(observations, written, strict=True):
            with log_context(instance_id=observation.host.instance_id):
                self._count_collected(observation, outcome, count=count)
            if observation.host.instance_id in self._gone_but_asked:
                self._gone_but_asked[observation.host.instance_id] = observation.coverage

    def _count_collected(
        self, observation: HostObservation, outcome: HostChanges | Spooled, *, count: bool
    ) -> None:
        host, databases = observation.host, observation.coverage.databases or 0
        if count and isinstance(outcome, Spooled):
            failure = self._note_spooled(host, outcome)
            # What is kept is another run's: its replay says nothing of this one.
            self._not_scanned([self._failed_record(host, failure)], newest=False)
            self._count_failed(host, failure)
            return
        if count and isinstance(outcome, HostChanges) and outcome.superseded:
            self._count_superseded(host)
            return
        if count:
            seen = replace(
                self._host_record(host, Coverage.COLLECTED),
                last_scanned=observation.seen_at,
                databases=databases,
            )
            self._not_scanned([seen], newest=False)
            self.record = replace(
                self.record,
                hosts_collected=self.record.hosts_collected + 1,
                databases=self.record.databases + databases,
            )
        self._context.emit(HostCollected(host, observation.run_id, databases, is_done=count))

    def _observation(self, answered: HostAnswer) -> HostObservation:
        host, result = answered.host, answered.result
        seen_at = answered.seen_at or self._context.clock.now()
        if isinstance(result, Failure):
            coverage = self._failed_record(host, result)
        else:
            coverage = self._scanned_record(host, result, seen_at)
        return HostObservation(host, result, seen_at, coverage)

    def _count(self, answered: HostAnswer, outcome: HostChanges | Spooled) -> None:
        """Count a host that is done and tell of it."""
        host, result = answered.host, answered.result
        if isinstance(outcome, HostChanges) and outcome.superseded:
            self._count_superseded(host)
        elif isinstance(result, Failure):
            self._count_failed(host, result)
        elif isinstance(outcome, Spooled):
            self._count_failed(host, self._note_spooled(host, outcome))
        else:
            databases = len(result.databases)
            self.record = replace(
                self.record,
                hosts_scanned=self.record.hosts_scanned + 1,
                databases=self.record.databases + databases,
            )
            self._context.emit(HostDone(host, databases, outcome.changes))

    def _count_failed(self, host: Host, failure: Failure) -> None:
        self.record = replace(self.record, hosts_failed=self.record.hosts_failed + 1)
        self._context.emit(HostDone(host, 0, (), failure))

    def _count_superseded(self, host: Host) -> None:
        """The run's word on a host is not stored; that it had one is."""
        self._not_scanned([self._host_record(host, Coverage.SUPERSEDED)], newest=False)
        self.record = replace(self.record, hosts_superseded=self.record.hosts_superseded + 1)
        self._context.emit(HostDone(host, 0, (), superseded=True))

    def _note_spooled(self, host: Host, spooled: Spooled) -> Failure:
        """DynamoDB did not take the host's result: store that where it is possible.

        It is not spooled too. What is spooled for this host is its result, and that shall be the
        last word.
        """
        message = f"{str(spooled.error)[:_MAX_ERROR]}; {spooled.where}"
        failure = Failure(FailureKind.STORE_FAILED, message)
        record = self._failed_record(host, failure)
        newest = host.instance_id not in self.previous
        self._context.writer.write_if_possible(NotScanned(record.run_id, (record,), newest=newest))
        return failure

    # --- hosts without one ---

    def store_untargeted(self, listed: Sequence[Host], in_flight: Iterable[str] = ()) -> None:
        """Store the class of each host that gets no command, and the end of those that are gone:
        hosts that are known, and those of commands that earlier runs have left `in_flight`."""
        untargeted = (host for host in listed if host.coverage is not Coverage.PENDING)
        self._not_scanned([self._host_record(host, host.coverage) for host in untargeted])
        asked = set(in_flight)
        gone = {known.instance_id: known for known in self._gone(listed, asked)}
        self._store_ends(known for id_, known in gone.items() if id_ not in asked)
        self._gone_but_asked = {id_: known for id_, known in gone.items() if id_ in asked}

    def end_asked(self) -> None:
        """Store the end of gone hosts whose answers to earlier runs were waited for: those come
        first, as what was last known of the host."""
        self._store_ends(self._gone_but_asked.values())
        self._gone_but_asked = {}

    def _gone(self, listed: Sequence[Host], in_flight: Collection[str]) -> Iterator[HostRecord]:
        """The hosts that this listing, which is complete, proves to be gone, and of which
        something may still be on record."""
        here = {host.instance_id for host in listed if host.coverage is not Coverage.TERMINATED}
        named = {host.instance_id for host in listed}
        for instance_id, known in sorted(self.previous.items()):
            was_asked_for = not self._context.request.instances or instance_id in named
            is_done = known.coverage is Coverage.TERMINATED and known.databases == 0
            if was_asked_for and instance_id not in here and not is_done:
                yield known
        if not self._context.request.instances:
            for instance_id in sorted(set(in_flight) - named - self.previous.keys()):
                yield self._host_record(self.unlisted(instance_id), Coverage.TERMINATED)

    def _store_ends(self, gone: Iterable[HostRecord]) -> None:
        """Store that these hosts are gone, and what ran on them with them."""
        ends = [self._end(known) for known in gone]
        for end, outcome in zip(ends, self._context.writer.write_observations(ends), strict=True):
            if isinstance(outcome, HostChanges):
                self._context.emit(HostEnded(end.host, outcome.changes))

    def _end(self, known: HostRecord) -> HostObservation:
        now = self._context.clock.now()
        coverage = replace(
            known,
            coverage=Coverage.TERMINATED,
            run_id=self._context.run_id,
            run_order=self._context.run_order,
            checked_at=now,
            databases=0,
            error=None,
            error_kind=None,
        )
        host = self.unlisted(known.instance_id)
        return HostObservation(host, HostGone(GoneReason.TERMINATED), now, coverage)

    def unlisted(self, instance_id: str) -> Host:
        """A host that is not there any more, as it was known."""
        previous = self.previous.get(instance_id)
        return Host(
            self._scope.account_id,
            self._scope.region,
            instance_id,
            Coverage.TERMINATED,
            name=previous.name if previous else None,
            platform=previous.platform if previous else None,
            instance_type=previous.instance_type if previous else None,
        )

    def store_unreached(self, unreached: Iterable[Host]) -> None:
        """Store that the run did not get to these hosts; what is known of them stays."""
        records = [self._host_record(host, Coverage.NOT_REACHED) for host in unreached]
        new = [record for record in records if record.instance_id not in self.previous]
        known = [record for record in records if record.instance_id in self.previous]
        self._not_scanned(new)
        self._not_scanned(known, newest=False)
        if records:
            self._context.emit(HostsUnreached(self._scope, len(records)))

    def refuse(self, batch: Iterable[Host], error: AwsError) -> None:
        """No command could be sent: each host gets a failed record, and the scope the error."""
        self.note_error(error.kind, str(error))
        failure = Failure(error.kind, str(error)[:_MAX_ERROR])
        self.store(HostAnswer(host, failure) for host in batch)

    def _not_scanned(self, records: Sequence[HostRecord], *, newest: bool = True) -> None:
        for start in range(0, len(records), _HOSTS_A_WRITE):
            some = tuple(records[start : start + _HOSTS_A_WRITE])
            self._context.writer.write(NotScanned(self._context.run_id, some, newest))

    # --- the scope ---

    def count_command(self) -> None:
        """One command was sent."""
        self.record = replace(self.record, commands=self.record.commands + 1)

    def note_error(self, kind: FailureKind, message: str) -> None:
        """Something failed that concerns the whole scope."""
        self.record = replace(self.record, error=message[:_MAX_ERROR], error_kind=kind)

    # --- records of hosts ---

    def _failed_record(self, host: Host, failure: Failure) -> HostRecord:
        return replace(
            self._host_record(host, Coverage.FAILED),
            error=failure.message,
            error_kind=failure.kind,
        )

    def _scanned_record(self, host: Host, report: HostReport, seen_at: datetime) -> HostRecord:
        return replace(
            self._host_record(host, Coverage.SCANNED),
            last_scanned=seen_at,
            databases=len(report.databases),
            warnings=report.warnings,
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
            run_order=self._context.run_order,
            checked_at=self._context.clock.now(),
            name=host.name,
            platform=host.platform,
            instance_type=host.instance_type,
            environment=environment_of(host.tags, self._context.aws.settings.environment_tags),
            last_scanned=previous.last_scanned if previous else None,
            databases=previous.databases if previous else None,
        )


def _is_cancelled(result: HostReport | Failure) -> bool:
    return isinstance(result, Failure) and result.kind is FailureKind.CANCELLED
