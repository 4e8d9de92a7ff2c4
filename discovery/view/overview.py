"""The Overview page: what it counts, once a snapshot and day, and the bars that show it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TypeVar

from discovery.inventory.as_of import SupportLookup
from discovery.inventory.lifecycle import SupportState, cycle_of
from discovery.inventory.plausible import Sizes, sum_sizes
from discovery.inventory.query import UNKNOWN, Filter, select
from discovery.model import ENGINE_LABELS, Coverage, DatabaseRecord, DatabaseStatus
from discovery.view import charts
from discovery.view.charts import Bar
from discovery.view.formatting import engine as engine_label
from discovery.view.formatting import number, part_of, plural, share, size, size_notes
from discovery.view.labels import COVERAGE_LABELS, SUPPORT_LABELS, state_of
from discovery.view.snapshot import Snapshot

OTHER_ENGINES_SHOWN = 4
"""Beside those that the probe knows. A host can invent hundreds, and each takes a chart."""
_ACCOUNTS_SHOWN = 12
_VERSIONS_SHOWN = 7
_VERSION_LABEL = 90
"""Pixels."""
_SUPPORT_STATES: tuple[SupportState, ...] = ("ended", "ends_within_year", "supported", "unknown")


@dataclass(frozen=True, eq=False)
class AccountSize:
    """The databases of one account: how many, and how much."""

    databases: int
    sizes: Sizes

    @property
    def size_mb(self) -> float:
        """What of it can be summed."""
        return self.sizes.total_mb


@dataclass(frozen=True, eq=False)
class Summary:
    """Counts of databases that are not gone, and of hosts.

    Versions are release cycles, else versions; None counts those of unknown version.
    `accounts_tried` are those in which discovery was tried, with databases or without.
    """

    databases: int
    running: int
    sizes: Sizes
    engines: Mapping[str, int]
    versions: Mapping[str, Mapping[str | None, int]]
    support: Mapping[SupportState, int]
    accounts: Mapping[str, AccountSize]
    accounts_tried: int
    coverage: Mapping[Coverage, int]


@lru_cache(maxsize=4)
def summarise(snapshot: Snapshot, today: date) -> Summary:
    """The counts of one snapshot."""
    live = select(snapshot.records, Filter())
    supports = SupportLookup(today)
    total = _account_size(live)
    return Summary(
        databases=total.databases,
        running=sum(record.status is DatabaseStatus.RUNNING for record in live),
        sizes=total.sizes,
        engines=Counter(record.engine or "" for record in live),
        versions=_count_versions(live),
        support=Counter(supports.find(record).state for record in live),
        accounts=_account_sizes(live),
        accounts_tried=len({scope.account_id for scope in snapshot.scopes}),
        coverage=Counter(host.coverage for host in snapshot.hosts),
    )


def _count_versions(records: Iterable[DatabaseRecord]) -> Mapping[str, Mapping[str | None, int]]:
    versions: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    for record in records:
        cycle = cycle_of(record.engine, record.version)
        versions[record.engine or ""][cycle.name if cycle else record.version] += 1
    return versions


def _account_sizes(records: Iterable[DatabaseRecord]) -> Mapping[str, AccountSize]:
    accounts: defaultdict[str, list[DatabaseRecord]] = defaultdict(list)
    for record in records:
        accounts[record.account_id].append(record)
    return {account: _account_size(found) for account, found in accounts.items()}


def _account_size(records: Sequence[DatabaseRecord]) -> AccountSize:
    return AccountSize(len(records), sum_sizes(records))


# --- what the page shows of them ------------------------------------------------------------------


def figures(summary: Summary) -> list[tuple[str, str, str]]:
    """The answers that are one number each: (label, value, note)."""
    hosts = sum(summary.coverage.values())
    scanned = summary.coverage.get(Coverage.SCANNED, 0)
    return [
        ("Databases", number(summary.databases), f"{number(summary.running)} running"),
        (
            "Data",
            size(summary.sizes.total_mb if summary.databases else None),
            ", ".join(size_notes(summary.sizes)),
        ),
        ("Hosts scanned", part_of(scanned, hosts), share(scanned, hosts)),
        (
            "Accounts with databases",
            number(len(summary.accounts)),
            f"of {number(summary.accounts_tried)} in discovery",
        ),
    ]


def support_bars(summary: Summary) -> list[Bar]:
    """Databases by state of their support."""
    return [
        Bar(
            SUPPORT_LABELS[state],
            summary.support.get(state, 0),
            charts.STATE_COLOURS[state_of(SUPPORT_LABELS[state])],
            state,
        )
        for state in _SUPPORT_STATES
    ]


def support_sentence(summary: Summary) -> str:
    """`12 databases lose support within a year`."""
    return (
        f"{number(summary.support.get('ends_within_year', 0))} databases lose support within a year"
    )


def engine_bars(summary: Summary) -> list[Bar]:
    """Databases by engine, the most frequent first; what else there is in one bar."""
    shown = _engines_shown(summary)
    others = [engine for engine in summary.engines if engine not in shown]
    rows = [
        Bar(engine_label(engine), summary.engines[engine], charts.engine_colour(engine), engine)
        for engine in (*shown, *others)
    ]
    return charts.most(rows, len(shown))


def _engines_shown(summary: Summary) -> list[str]:
    """The engines that the probe knows and the most frequent others; the most frequent first. No
    host can push an engine that is really there out of sight."""
    ordered = [engine for engine, _ in _largest_first(summary.engines)]
    others = [engine for engine in ordered if engine not in ENGINE_LABELS][:OTHER_ENGINES_SHOWN]
    return [engine for engine in ordered if engine in ENGINE_LABELS or engine in others]


@dataclass(frozen=True, eq=False)
class VersionCharts:
    """The versions of each engine, the most frequent engine first; all charts on one scale."""

    bars: Mapping[str, list[Bar]]
    longest: float
    label_width: int


def version_charts(summary: Summary) -> VersionCharts:
    """One small chart an engine."""
    order = _engines_shown(summary)
    bars = {engine: _version_bars(engine, summary.versions[engine]) for engine in order}
    drawn = [bar for rows in bars.values() for bar in rows]
    width = charts.label_width_of([bar.label for bar in drawn])
    longest = max((bar.value for bar in drawn), default=1)
    return VersionCharts(bars, longest, min(width, _VERSION_LABEL))


def engines_left_out(summary: Summary) -> str | None:
    """How many engines have no chart of versions; None when all have."""
    left = len(summary.engines) - len(_engines_shown(summary))
    return f"{plural(left, 'other engine')} without a chart" if left else None


def _version_bars(engine: str, counts: Mapping[str | None, int]) -> list[Bar]:
    """The most frequent versions, the unknown one after them, and the others in one bar."""
    ordered = sorted(counts.items(), key=lambda item: (item[0] is None, -item[1]))
    colour = charts.engine_colour(engine)
    rows = [Bar(version or "Unknown", n, colour, version or UNKNOWN) for version, n in ordered]
    return charts.most(rows, _VERSIONS_SHOWN)


def account_bars(summary: Summary) -> list[Bar]:
    """The accounts that hold the most data."""
    largest = sorted(summary.accounts.items(), key=lambda item: -item[1].size_mb)[:_ACCOUNTS_SHOWN]
    return [
        Bar(account, held.size_mb, charts.OTHER_COLOUR, account, _account_note(held))
        for account, held in largest
    ]


def accounts_left_out(summary: Summary) -> str | None:
    """Of how many accounts the bars are the largest; None when they are all."""
    accounts = len(summary.accounts)
    if accounts <= _ACCOUNTS_SHOWN:
        return None
    return f"The largest {_ACCOUNTS_SHOWN} of {number(accounts)} accounts"


def _account_note(held: AccountSize) -> str:
    return ", ".join([f"{number(held.databases)} databases", *size_notes(held.sizes)])


def coverage_bars(summary: Summary) -> list[Bar]:
    """Hosts by state of coverage, the most frequent first."""
    return [
        Bar(
            COVERAGE_LABELS[state],
            count,
            charts.STATE_COLOURS[state_of(COVERAGE_LABELS[state])],
            state.value,
        )
        for state, count in _largest_first(summary.coverage)
    ]


_Key = TypeVar("_Key")


def _largest_first(counts: Mapping[_Key, int]) -> list[tuple[_Key, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])
