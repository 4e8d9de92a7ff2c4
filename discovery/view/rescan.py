"""What went wrong in a run, grouped by cause: one hint for all that share it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from discovery.errors import FailureKind
from discovery.model import HostRecord, ScopeRecord
from discovery.sanitize import printable


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """All failures of one kind: (account, region, instance or None, message)."""

    kind: FailureKind
    rows: tuple[tuple[str, str, str | None, str | None], ...]

    def frame(self) -> pd.DataFrame:
        """One row a failure."""
        return pd.DataFrame(self.rows, columns=["Account", "Region", "Instance", "Message"])


def grouped(scopes: Iterable[ScopeRecord], hosts: Iterable[HostRecord]) -> list[FailureGroup]:
    """The failures of these scopes and hosts, the most frequent kind first."""
    rows: defaultdict[FailureKind, list[tuple[str, str, str | None, str | None]]]
    rows = defaultdict(list)
    for scope in scopes:
        if scope.error_kind:
            message = printable(scope.error or "", 300) or None
            rows[scope.error_kind].append((scope.account_id, scope.region, None, message))
    for host in hosts:
        if host.error_kind:
            message = printable(host.error or "", 300) or None
            name = f"{host.instance_id} {printable(host.name or '', 60)}".strip()
            rows[host.error_kind].append((host.account_id, host.region, name, message))
    groups = [FailureGroup(kind, tuple(found)) for kind, found in rows.items()]
    return sorted(groups, key=lambda group: (-len(group.rows), group.kind))
