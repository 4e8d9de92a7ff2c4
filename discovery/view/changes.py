"""Which changes the Changes page shows: the product's filter, and since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from discovery.inventory.changes import ChangeFilter, is_run_id
from discovery.model import Change, ChangeKind, RunRecord
from discovery.view.snapshot import ChangeLog, Snapshot

DEFAULT_SINCE = "7d"

PERIODS: Mapping[str, str] = {
    "1d": "Yesterday",
    "7d": "7 days ago",
    "30d": "30 days ago",
    "90d": "90 days ago",
    "365d": "A year ago",
}
"""Values of the `since` parameter and their names; a run's id and a date are taken too."""


def since_options(runs: Sequence[RunRecord]) -> dict[str, str]:
    """The periods, then the newest runs by the time at which each began."""
    return {**PERIODS, **{run.run_id: run_name(run.run_id) for run in runs}}


def run_name(run_id: str) -> str:
    """`Run of 2026-02-04 10:00:00 UTC`; what is no run's id, as it is."""
    if not is_run_id(run_id):
        return run_id
    return f"Run of {moment_of(run_id)} UTC"


def moment_of(first: str) -> str:
    """`2026-02-04 10:00:00`: when the run of this id began, or the moment that it stands for."""
    return f"{datetime.strptime(first[:15], '%Y%m%dT%H%M%S'):%Y-%m-%d %H:%M:%S}"


def filter_of(params: Mapping[str, Sequence[str]]) -> ChangeFilter:
    """The filter that URL parameters name. Raises RequestError for a kind that is none."""
    kinds, accounts, engines = (
        frozenset(params.get(name, ())) for name in ("kind", "account", "engine")
    )
    return ChangeFilter(kinds, accounts, engines, " ".join(params.get("q", ())))


@lru_cache(maxsize=16)
def chosen_changes(log: ChangeLog, where: ChangeFilter) -> tuple[Change, ...]:
    """The changes that `where` selects, the newest first. A repeated question costs nothing."""
    names = log.names
    return tuple(
        one
        for one in log.changes
        if where.matches(one, names.get((one.account_id, one.instance_id)))
    )


@lru_cache(maxsize=4)
def change_options(log: ChangeLog) -> Mapping[str, tuple[str, ...]]:
    """For each filter parameter, the values that occur among the changes."""
    return {
        "kind": tuple(kind.value for kind in ChangeKind),
        "account": tuple(sorted({one.account_id for one in log.changes})),
        "engine": tuple(sorted({one.engine for one in log.changes if one.engine})),
    }


def databases_of(changes: Sequence[Change]) -> int:
    """How many databases these changes are of."""
    return len({(one.account_id, one.instance_id, one.db_id) for one in changes})


def shown_runs(snapshot: Snapshot) -> tuple[RunRecord, ...]:
    """The runs that a reader may choose to look from."""
    return snapshot.runs[:20]
