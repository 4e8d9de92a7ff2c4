"""What the scopes of one run share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Lock

from discovery.aws.inventory import Inventory
from discovery.aws.session import Aws
from discovery.errors import AwsError
from discovery.events import Event
from discovery.ledger import Ledger
from discovery.model import (
    DatabaseRecord,
    Host,
    OutstandingCommand,
    RunRequest,
    Scope,
    ScopeRecord,
)
from discovery.pacing import Looks
from discovery.schedule import Schedule


class KnownRecords:
    """What the inventory held when the run began, read once per account."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._lock = Lock()
        self._account_locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._accounts: dict[str, dict[str, list[DatabaseRecord]]] = {}

    def of_host(self, host: Host) -> Sequence[DatabaseRecord]:
        """The host's records, its placeholder included. Raises AwsError."""
        with self._lock:
            account_lock = self._account_locks[host.account_id]
        with account_lock:
            if host.account_id not in self._accounts:
                by_instance: defaultdict[str, list[DatabaseRecord]] = defaultdict(list)
                records = self._inventory.account_records(host.account_id, consistent=True)
                for record in records:
                    by_instance[record.instance_id].append(record)
                self._accounts[host.account_id] = by_instance
            return self._accounts[host.account_id].get(host.instance_id, ())


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
    schedule: Schedule
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
