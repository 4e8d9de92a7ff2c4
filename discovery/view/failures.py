"""What went wrong in a run, grouped by cause: one hint for all that share it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from discovery.errors import FailureKind
from discovery.inventory.columns import Column
from discovery.model import HostRecord, ScopeRecord
from discovery.sanitize import printable
from discovery.view.labels import failure_label


@dataclass(frozen=True, slots=True)
class FailureRow:
    """One scope or host without a result; `instance` is None for a scope."""

    kind: FailureKind
    account_id: str
    region: str
    instance: str | None
    message: str | None


_ACCOUNT = Column[FailureRow]("Account", "account_id", format="identifier", width=115)
_REGION = Column[FailureRow]("Region", "region", format="identifier", width=110)
_INSTANCE = Column[FailureRow]("Instance", "instance", width=160)
_MESSAGE = Column[FailureRow]("Message", "message", width=700)

FAILURE_COLUMNS = (_ACCOUNT, _REGION, _INSTANCE, _MESSAGE)
SCOPE_FAILURE_COLUMNS = (_ACCOUNT, _REGION, _MESSAGE)


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """All failures of one kind."""

    kind: FailureKind
    rows: tuple[FailureRow, ...]

    @property
    def label(self) -> str:
        """The kind in words."""
        return failure_label(self.kind)


def group_failures(
    scopes: Iterable[ScopeRecord], hosts: Iterable[HostRecord] = ()
) -> list[FailureGroup]:
    """The failures of these scopes and hosts, the most frequent kind first."""
    by_kind: defaultdict[FailureKind, list[FailureRow]] = defaultdict(list)
    for row in (*_scope_failures(scopes), *_host_failures(hosts)):
        by_kind[row.kind].append(row)
    groups = [FailureGroup(kind, tuple(rows)) for kind, rows in by_kind.items()]
    return sorted(groups, key=lambda group: (-len(group.rows), group.kind))


def _scope_failures(scopes: Iterable[ScopeRecord]) -> Iterator[FailureRow]:
    for scope in scopes:
        if scope.error_kind:
            message = _message(scope.error)
            yield FailureRow(scope.error_kind, scope.account_id, scope.region, None, message)


def _host_failures(hosts: Iterable[HostRecord]) -> Iterator[FailureRow]:
    for host in hosts:
        if host.error_kind:
            name = f"{host.instance_id} {printable(host.name or '', 60)}".strip()
            message = _message(host.error)
            yield FailureRow(host.error_kind, host.account_id, host.region, name, message)


def _message(error: str | None) -> str | None:
    return printable(error or "", 300) or None
