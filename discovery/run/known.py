"""What the inventory held when the run came to an account."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from discovery.aws.inventory import Inventory
from discovery.model import DatabaseRecord, Host, Scope


class KnownRecords:
    """The records of the accounts that a run scans.

    An account is read once. A host's records are held until the host is done, an account's until
    all of its scopes have ended: an organisation's records need not fit in memory. Safe across
    threads.
    """

    def __init__(self, inventory: Inventory, scopes: Iterable[Scope]) -> None:
        self._inventory = inventory
        self._lock = Lock()
        self._accounts = {
            account_id: _Account(scopes=count)
            for account_id, count in Counter(scope.account_id for scope in scopes).items()
        }

    def records_of(self, host: Host) -> Sequence[DatabaseRecord]:
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
    """`scopes` is how many have not ended; `done` are the instances with a result."""

    scopes: int
    lock: Lock = field(default_factory=Lock)
    records: dict[str, list[DatabaseRecord]] | None = None
    done: set[str] = field(default_factory=set)
