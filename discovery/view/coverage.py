"""The Coverage page: which hosts it shows, and what it says of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from discovery.inventory.as_of import AsOf
from discovery.inventory.columns import Column, in_table
from discovery.inventory.filters import RecordFilter, holds, holds_words
from discovery.model import Coverage, HostRecord
from discovery.view import charts, drawer
from discovery.view.charts import Bar
from discovery.view.formatting import number, part_of, plural
from discovery.view.labels import COVERAGE_LABELS, skipped_accounts, state_of
from discovery.view.snapshot import Snapshot

STATE_ORDER = (
    Coverage.FAILED,
    Coverage.AGENT_OFFLINE,
    Coverage.NOT_MANAGED,
    Coverage.NOT_REACHED,
    Coverage.PENDING,
    Coverage.UNSUPPORTED_PLATFORM,
    Coverage.STOPPED,
    Coverage.TERMINATED,
    Coverage.RELEASED,
    Coverage.SCANNED,
)
"""What needs a hand comes first."""


def _why(host: HostRecord, as_of: AsOf) -> str:
    """That nobody looks any more, else the host's own error, else what its state means."""
    if since := as_of.unwatched_since(host):
        return f"Its account or region is no longer scanned since {since:%Y-%m-%d}."
    return host.error or host.coverage.explanation


_COLUMNS: tuple[Column[HostRecord], ...] = (
    Column(
        "Host",
        value=lambda host, _: host.name or host.instance_id,
        table=0,
        width=160,
        drawer=None,
    ),
    Column("Account", "account_id", format="identifier", table=3, width=115),
    Column("Region", "region", format="identifier", table=4, width=110),
    Column("Instance", "instance_id", format="identifier", table=8, width=170),
    Column(
        "State",
        value=lambda host, _: COVERAGE_LABELS[host.coverage],
        format="state",
        table=1,
        width=135,
        drawer=None,
    ),
    Column("Why", value=_why, table=2, width=330, drawer=None),
    Column("Type", "instance_type"),
    Column("Platform", "platform", table=5),
    Column("Environment", "environment"),
    Column("Checked", "checked_at", format="time"),
    Column("Last scanned", "last_scanned", format="time", table=7, width=100),
    Column("Databases", "databases", format="number", table=6, alignment="right"),
)

HOST_COLUMNS = in_table(_COLUMNS)
"""What the table shows of a host."""


@dataclass(frozen=True, kw_only=True)
class HostFilter(RecordFilter):
    """Which hosts are wanted. `text` is looked for in id, name, platform, environment and error."""

    PARAMETERS: ClassVar[Mapping[str, str]] = {
        "state": "states",
        "account": "accounts",
        "region": "regions",
    }

    states: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()

    def matches(self, host: HostRecord) -> bool:
        """Whether `host` is wanted."""
        searched = (host.instance_id, host.name, host.platform, host.environment, host.error)
        return (
            holds(self.states, host.coverage)
            and holds(self.accounts, host.account_id)
            and holds(self.regions, host.region)
            and holds_words(searched, self.words)
        )


def select_hosts(snapshot: Snapshot, where: HostFilter) -> tuple[HostRecord, ...]:
    """The hosts that `where` selects, those that need a hand first."""
    return tuple(host for host in _ordered(snapshot) if where.matches(host))


@lru_cache(maxsize=4)
def _ordered(snapshot: Snapshot) -> tuple[HostRecord, ...]:
    order = {state: place for place, state in enumerate(STATE_ORDER)}
    return tuple(
        sorted(
            snapshot.hosts,
            key=lambda host: (order[host.coverage], host.account_id, host.region, host.name or ""),
        )
    )


@lru_cache(maxsize=4)
def filter_options(snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """For each filter parameter, the values that occur among the hosts."""
    states = {host.coverage for host in snapshot.hosts}
    return {
        "state": tuple(state for state in STATE_ORDER if state in states),
        "account": tuple(sorted({host.account_id for host in snapshot.hosts})),
        "region": tuple(sorted({host.region for host in snapshot.hosts})),
    }


def state_label(value: str) -> str:
    """The label of a state; a value from the URL that is none, as it is."""
    return next((label for state, label in COVERAGE_LABELS.items() if state == value), value)


def state_bars(snapshot: Snapshot) -> list[Bar]:
    """How many hosts are in each state, the scanned ones first."""
    counts = Counter(host.coverage for host in snapshot.hosts)
    return [
        Bar(
            COVERAGE_LABELS[state],
            counts[state],
            charts.STATE_COLOURS[state_of(COVERAGE_LABELS[state])],
            state.value,
            state.explanation,
        )
        for state in reversed(STATE_ORDER)
        if counts[state]
    ]


def failed_title(snapshot: Snapshot) -> str:
    """`3 of 18 account regions not discovered`."""
    failed = part_of(len(snapshot.failed_scopes), len(snapshot.scopes))
    return f"{failed} account regions not discovered"


def skipped_sentence(snapshot: Snapshot) -> str | None:
    """Which accounts of the organisation were left out, and why; None for none."""
    skipped = snapshot.accounts_skipped
    if not skipped:
        return None
    accounts = plural(len(skipped), "account")
    return f"{accounts} of the organisation skipped: {skipped_accounts(skipped)}."


def unwatched_sentence(snapshot: Snapshot, named: int = 5) -> str | None:
    """Which account regions runs left, since when, and what to do about it; None for none."""
    left = sorted(snapshot.unwatched.items())
    if not left:
        return None
    names = [f"{scope.account_id} {scope.region} since {since:%Y-%m-%d}" for scope, since in left]
    more = f" and {number(len(left) - named)} more" if len(left) > named else ""
    listed = ", ".join(names[:named]) + more
    return (
        f"{plural(len(left), 'account region')} no longer scanned: {listed}. "
        "What was known of them stays, marked as unwatched, until somebody releases it "
        "(`python -m discovery release`)."
    )


def summary(selected: int, snapshot: Snapshot) -> str:
    """Markdown: `**12** of 82 hosts`."""
    return f"**{number(selected)}** of {number(len(snapshot.hosts))} hosts"


def host_facts(host: HostRecord, as_of: AsOf) -> list[tuple[str, str]]:
    """What is known of a host: (name, value)."""
    columns = [column for column in _COLUMNS if column.drawer]
    rows = dict(drawer.facts(columns, host, as_of))
    if host.last_scanned is None:
        rows["Last scanned"] = "Never"
    return list(rows.items())
