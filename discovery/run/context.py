"""What the scopes of one run share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Lock

from discovery.aws.inventory import Inventory
from discovery.aws.session import Aws
from discovery.errors import AwsError
from discovery.model import (
    DatabaseRecord,
    Host,
    OutstandingCommand,
    RunRequest,
    Scope,
    ScopeRecord,
)
from discovery.run.events import Event
from discovery.run.polling import Looks
from discovery.run.scheduler import Scheduler
from discovery.run.writer import Ledger


class KnownRecords:
    """What the inventory held when the run came to an account: read once per account, and held of
    each host until that is done. An organisation's records need not fit in memory."""

    def __init__(self, inventory: Inventory, scopes: Iterable[Scope]) -> None:
        self._inventory = inventory
        self._lock = Lock()
        self._accounts = {
            account_id: _Account(scopes=count)
            for account_id, count in Counter(scope.account_id for scope in scopes).items()
        }

    def of_host(self, host: Host) -> Sequence[DatabaseRecord]:
        """The host's records, its placeholder included. Raises AwsError."""
        account = self._accounts[host.account_id]
        with account.lock:
            if account.records is None:
                account.records = self._read(host.account_id)
            if host.instance_id not in account.done:
                return account.records.get(host.instance_id, ())
        return tuple(self._inventory.host_records(host.account_id, host.instance_id))

    def host_done(self, host: Host) -> None:
        """The host's result is stored: what was known of it is out of date."""
        account = self._accounts[host.account_id]
        with account.lock:
            account.done.add(host.instance_id)
            if account.records:
                account.records.pop(host.instance_id, None)

    def scope_ended(self, account_id: str) -> None:
        """One of the account's scopes needs no records any more."""
        account = self._accounts[account_id]
        with account.lock:
            account.scopes -= 1
            if not account.scopes:
                account.records = None
                account.done.clear()

    def _read(self, account_id: str) -> dict[str, list[DatabaseRecord]]:
        by_instance: defaultdict[str, list[DatabaseRecord]] = defaultdict(list)
        for record in self._inventory.account_records(account_id, consistent=True):
            by_instance[record.instance_id].append(record)
        return dict(by_instance)


@dataclass(slots=True)
class _Account:
    """`scopes` is how many have not ended, `done` are the instances with a result."""

    scopes: int
    lock: Lock = field(default_factory=Lock)
    records: dict[str, list[DatabaseRecord]] | None = None
    done: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the scopes of one run share.

    `deadline` is in the clock's monotonic seconds. `outstanding` is what earlier runs left in
    flight; `refused` are the scopes that failed before the run began; `resumes` is the run whose
    scanned hosts need no second scan; `begun` holds the scopes that this very run was cut short in
    before, in another process. `taken_over` is set, with `cancelled`, when another run has taken
    the lease.
    """

    run_id: str
    request: RunRequest
    aws: Aws
    ledger: Ledger
    emit: Callable[[Event], None]
    cancelled: Flag
    taken_over: Flag
    cut_short: Flag
    schedule: Scheduler
    looks: Looks
    outstanding: Mapping[Scope, Sequence[OutstandingCommand]]
    refused: Mapping[Scope, AwsError]
    deadline: float | None = None
    resumes: str | None = None
    begun: Mapping[Scope, ScopeRecord] = field(default_factory=dict)

    def is_late(self, seconds: float) -> bool:
        """Whether the run's deadline comes within `seconds`; if so, the run is cut short."""
        late = self.deadline is not None and (
            self.schedule.clock.monotonic() + seconds >= self.deadline
        )
        if late:
            self.cut_short.set()
        return late
