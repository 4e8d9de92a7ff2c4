"""The runs table: runs, their scopes, the hosts not scanned, the changes, and host coverage.

pk                 sk                         item
RUNS               <run id>                   RunRecord; ids begin with DynamoDB's time
RUN#<run id>       SCOPE#<account>#<region>   ScopeRecord of that run
RUN#<run id>       HOST#<account>#…#<id>      HostRecord of a host that run did not scan
RUN#<run id>       OUTSTANDING#<account>#…    OutstandingCommand, from sending until all is stored
RUN#<run id>       CHANGE#<account>#…         Change; also in the `history` index by database
SCOPES             <account>#<region>         the newest ScopeRecord of that scope
HOSTS#<account>    <region>#<instance>        the newest HostRecord of that host
UNWATCHED          <account>#<region>         see watched.py
LEASE              LEASE                      see lease.py

What has a run in its key, and the run itself, expires by TTL `history_days` after the run began;
the newest state of a scope or a host, and the lease, do not, but for that of a host that is
gone, which expires with its databases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter

from discovery.aws.errors import aws_errors
from discovery.aws.items import (
    UNLESS_NEWER,
    ConditionFailedError,
    conditional_write,
    expires_after,
    expires_with_run,
    from_item,
    is_expired,
    to_item,
)
from discovery.aws.replies import pages
from discovery.aws.session import Aws
from discovery.aws.store_clock import LEASE_KEY
from discovery.errors import LeaseLostError, NotFoundError
from discovery.model import (
    Change,
    Coverage,
    Host,
    HostRecord,
    OutstandingCommand,
    RunRecord,
    RunStatus,
    Scope,
    ScopeRecord,
)

_RUN = TypeAdapter(RunRecord)
_SCOPE = TypeAdapter(ScopeRecord)
_HOST = TypeAdapter(HostRecord)
_CHANGE = TypeAdapter(Change)
_OUTSTANDING = TypeAdapter(OutstandingCommand)
_RUNS = "RUNS"
_SCOPES = "SCOPES"
_WITHOUT_RESULT = (Coverage.NOT_REACHED, Coverage.COLLECTED, Coverage.SUPERSEDED)
_RUNS_READ = 20
"""At the least: those that an early version dated ahead must not hide the newest."""
Record = TypeVar("Record")


class RunStore:
    """Reads and writes the runs table. Every method raises AwsError when DynamoDB refuses."""

    def __init__(self, aws: Aws) -> None:
        self._name = aws.settings.runs_table
        self._days = aws.settings.history_days
        self._table = aws.table(self._name)

    # --- runs ---

    def recent_runs(self, limit: int = 20) -> list[RunRecord]:
        """The newest runs first, the running one included."""
        with aws_errors():
            answer = self._table.query(
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": _RUNS},
                ScanIndexForward=False,
                Limit=max(limit, _RUNS_READ),
                ConsistentRead=True,
            )
        found = [self._decode(_RUN, item) for item in answer["Items"] if not is_expired(item)]
        return _newest_first(found)[:limit]

    def runs_since(self, first: str) -> list[RunRecord]:
        """The runs whose id is `first` or sorts after it, the newest first."""
        return _newest_first(
            self._items(
                _RUN,
                KeyConditionExpression="pk = :pk AND sk >= :first",
                ExpressionAttributeValues={":pk": _RUNS, ":first": first},
                ScanIndexForward=False,
                ConsistentRead=True,
            )
        )

    def run(self, run_id: str) -> RunRecord | None:
        """One run, or None when there is no such run."""
        with aws_errors():
            answer = self._table.get_item(Key=run_key(run_id), ConsistentRead=True)
        item = answer.get("Item")
        return self._decode(_RUN, item) if item and not is_expired(item) else None

    def active_run(self) -> RunRecord | None:
        """The run that holds the lease and is running, from whichever process."""
        with aws_errors():
            lease = self._table.get_item(Key=LEASE_KEY, ConsistentRead=True)
        held_by = lease.get("Item", {}).get("run_id")
        run = self.run(held_by) if held_by else None
        return run if run and run.status is RunStatus.RUNNING else None

    def create_run(self, run: RunRecord) -> None:
        """Store a run that begins."""
        self._put(to_item(_RUN, run) | run_key(run.run_id) | self._expiry(run.run_id))

    def save_progress(self, run: RunRecord) -> bool:
        """Store how far `run` is; whether somebody has asked for its cancellation meanwhile.

        Raises LeaseLostError when the run was closed meanwhile: by a run that took over.
        """
        try:
            answer = self._save(run, ConditionExpression="#status = :running")
        except ConditionFailedError as error:
            raise LeaseLostError(f"run {run.run_id} was closed: another run took over") from error
        return bool(answer["Attributes"].get("cancel_requested", False))

    def close_run(self, run: RunRecord) -> None:
        """Store the end of `run`, in its own words, whatever another run has taken it for."""
        self._save(run)

    def _save(self, run: RunRecord, **condition: str) -> dict[str, Any]:
        values = to_item(_RUN, run)
        for name in ("cancel_requested", "cancelled_by"):
            values.pop(name, None)  # another process may have set them meanwhile
        expected = {":running": RunStatus.RUNNING.value} if condition else {}
        update = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
        if run.error is None:
            update += " REMOVE #error"  # another run may have called this one abandoned
        with conditional_write():
            answer: dict[str, Any] = self._table.update_item(
                Key=run_key(run.run_id),
                UpdateExpression=update,
                ExpressionAttributeNames={f"#{name}": name for name in (*values, "error")},
                ExpressionAttributeValues={f":{name}": value for name, value in values.items()}
                | expected,
                ReturnValues="ALL_NEW",
                **condition,
            )
        return answer

    def request_cancel(self, run_id: str, by: str | None = None) -> None:
        """Ask the process that runs `run_id` to stop, for `by`; it notices within seconds.

        Raises NotFoundError when there is no such run.
        """
        try:
            with conditional_write():
                self._table.update_item(
                    Key=run_key(run_id),
                    UpdateExpression="SET cancel_requested = :yes"
                    + (", cancelled_by = :by" if by else ""),
                    ConditionExpression="attribute_exists(pk)",
                    ExpressionAttributeValues={":yes": True} | ({":by": by} if by else {}),
                )
        except ConditionFailedError as error:
            raise NotFoundError(f"run {run_id!r} does not exist") from error

    def abandon(self, run: RunRecord, now: datetime) -> None:
        """Close the record of a run that is on record as running and has lost its lease."""
        if run.status is not RunStatus.RUNNING:
            return
        abandoned = replace(
            run,
            status=RunStatus.ABANDONED,
            finished_at=now,
            error=f"{run.holder} stopped without finishing; its lease lapsed",
        )
        with suppress(ConditionFailedError):  # it came back and has closed itself
            self._save(abandoned, ConditionExpression="#status = :running")

    # --- scopes ---

    def put_scope(self, scope: ScopeRecord, *, newest: bool) -> None:
        """Store a scope's state in its run and, if `newest` and no newer run has said more, as the
        last word on that scope: a run of chosen instances only says nothing of the
        scope's others."""
        item = to_item(_SCOPE, scope)
        place = f"{scope.account_id}#{scope.region}"
        of_run = {"pk": f"RUN#{scope.run_id}", "sk": f"SCOPE#{place}"}
        self._put(item | of_run | self._expiry(scope.run_id))
        if not newest:
            return
        with suppress(ConditionFailedError), conditional_write():
            self._table.put_item(
                Item=item | {"pk": _SCOPES, "sk": place},
                ConditionExpression=UNLESS_NEWER,
                ExpressionAttributeValues={":order": scope.run_order},
            )

    def scope(self, run_id: str, scope: Scope) -> ScopeRecord | None:
        """One scope of one run, or None when the run has no word on it yet."""
        key = {"pk": f"RUN#{run_id}", "sk": f"SCOPE#{scope.account_id}#{scope.region}"}
        with aws_errors():
            answer = self._table.get_item(Key=key, ConsistentRead=True)
        return self._decode(_SCOPE, answer["Item"]) if "Item" in answer else None

    def scopes(self, run_id: str) -> list[ScopeRecord]:
        """The scopes of one run, by account and region."""
        return list(self._query(_SCOPE, f"RUN#{run_id}", "SCOPE#"))

    def latest_scopes(self) -> list[ScopeRecord]:
        """The newest record of every scope ever tried, by account and region."""
        return list(self._query(_SCOPE, _SCOPES))

    # --- hosts ---

    def host_records(self, account_ids: Iterable[str]) -> Iterator[HostRecord]:
        """The newest record of every host of these accounts."""
        for account_id in account_ids:
            yield from self._query(_HOST, f"HOSTS#{account_id}")

    def scope_hosts(self, scope: Scope) -> dict[str, HostRecord]:
        """The newest record of every host of one scope, by instance id."""
        hosts = self._query(_HOST, f"HOSTS#{scope.account_id}", f"{scope.region}#")
        return {host.instance_id: host for host in hosts}

    def host(self, host: Host) -> HostRecord | None:
        """The newest record of one host, or None when there is none."""
        with aws_errors():
            answer = self._table.get_item(Key=_host_key(host), ConsistentRead=True)
        item = answer.get("Item")
        return self._decode(_HOST, item) if item and not is_expired(item) else None

    def unscanned_hosts(self, run_id: str) -> list[HostRecord]:
        """The hosts that one run listed but did not scan, each with the reason."""
        return list(self._query(_HOST, f"RUN#{run_id}", "HOST#"))

    def clear_unscanned(self, host: HostRecord) -> None:
        """Take a host off the list of those that its run did not scan."""
        item = unscanned_item(host, self._days)
        with aws_errors():
            self._table.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})

    def forget_unreached(self, run_id: str, scope: Scope) -> None:
        """Take the hosts that the run has no result of its own from off its list: it goes on with
        them."""
        prefix = f"HOST#{scope.account_id}#{scope.region}#"
        for host in self._query(_HOST, f"RUN#{run_id}", prefix):
            if host.coverage in _WITHOUT_RESULT:
                self.clear_unscanned(host)

    # --- changes ---

    def changes(self, run_id: str) -> list[Change]:
        """What one run found to be different, by database."""
        return list(self._query(_CHANGE, f"RUN#{run_id}", "CHANGE#"))

    def history(self, account_id: str, instance_db_id: str) -> list[Change]:
        """One database's changes, oldest first."""
        return list(
            self._items(
                _CHANGE,
                IndexName="history",
                KeyConditionExpression="history_pk = :pk",
                ExpressionAttributeValues={":pk": f"DB#{account_id}#{instance_db_id}"},
            )
        )

    # --- commands in flight ---

    def put_outstanding(self, command: OutstandingCommand) -> None:
        """Store that `command` is in flight, so that it survives the process that sent it."""
        key = _outstanding_key(command)
        self._put(to_item(_OUTSTANDING, command) | key | self._expiry(command.run_id))

    def clear_outstanding(self, command: OutstandingCommand) -> None:
        """Everything that `command` answered is stored."""
        with aws_errors():
            self._table.delete_item(Key=_outstanding_key(command))

    def outstanding(self, run_id: str, scope: Scope | None = None) -> list[OutstandingCommand]:
        """The commands that `run_id` left in flight, in `scope` or by account and region."""
        place = f"{scope.account_id}#{scope.region}#" if scope else ""
        return list(self._query(_OUTSTANDING, f"RUN#{run_id}", f"OUTSTANDING#{place}"))

    # --- the table ---

    def _expiry(self, run_id: str) -> dict[str, int]:
        return expires_with_run(run_id, self._days)

    def _put(self, item: Mapping[str, Any]) -> None:
        with aws_errors():
            self._table.put_item(Item=item)

    def _query(self, adapter: TypeAdapter[Record], pk: str, prefix: str = "") -> Iterator[Record]:
        if not prefix:
            return self._items(
                adapter,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": pk},
                ConsistentRead=True,
            )
        return self._items(
            adapter,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues={":pk": pk, ":sk": prefix},
            ConsistentRead=True,
        )

    def _items(self, adapter: TypeAdapter[Record], **query: Any) -> Iterator[Record]:
        client = self._table.meta.client
        with aws_errors():
            for page in pages(client, "query", TableName=self._name, **query):
                for item in page["Items"]:
                    if not is_expired(item):
                        yield self._decode(adapter, item)

    def _decode(self, adapter: TypeAdapter[Record], item: dict[str, Any]) -> Record:
        return from_item(adapter, item, f"{self._name} {item.get('pk')} {item.get('sk')}")


def _newest_first(runs: Iterable[RunRecord]) -> list[RunRecord]:
    """By order; those of an early version, which have none, last and by id."""
    return sorted(runs, key=lambda run: (run.run_order, run.run_id), reverse=True)


def run_key(run_id: str) -> dict[str, str]:
    """Where a run's record is."""
    return {"pk": _RUNS, "sk": run_id}


def _outstanding_key(command: OutstandingCommand) -> dict[str, str]:
    place = f"{command.account_id}#{command.region}#{command.command_id}"
    return {"pk": f"RUN#{command.run_id}", "sk": f"OUTSTANDING#{place}"}


def _host_key(host: Host | HostRecord) -> dict[str, str]:
    return {"pk": f"HOSTS#{host.account_id}", "sk": f"{host.region}#{host.instance_id}"}


def host_item(host: HostRecord, gone_ttl_days: int) -> dict[str, Any]:
    """The item that is the host's newest coverage. That of one that is gone expires, as its
    databases do."""
    item = to_item(_HOST, host) | _host_key(host)
    if host.coverage in (Coverage.TERMINATED, Coverage.RELEASED):
        item |= expires_after(host.checked_at, gone_ttl_days)
    return item


def unscanned_item(host: HostRecord, days: int) -> dict[str, Any]:
    """The item that lists, in its run, a host that was not scanned; kept for `days`."""
    place = f"HOST#{host.account_id}#{host.region}#{host.instance_id}"
    key = {"pk": f"RUN#{host.run_id}", "sk": place}
    return to_item(_HOST, host) | key | expires_with_run(host.run_id, days)


def change_item(change: Change, days: int) -> dict[str, Any]:
    """The item of a change, in its run and, by the index, in its database's history; kept for
    `days` in both."""
    place = f"{change.account_id}#{change.instance_id}#{change.db_id}"
    key = {
        "pk": f"RUN#{change.run_id}",
        "sk": f"CHANGE#{place}#{change.kind}",
        "history_pk": f"DB#{place}",
        "history_sk": f"{change.run_id}#{change.kind}",
    }
    return to_item(_CHANGE, change) | key | expires_with_run(change.run_id, days)
