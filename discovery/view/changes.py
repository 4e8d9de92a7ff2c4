"""The Changes page: which changes it shows, since when, and what it counts."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from discovery.errors import NotFoundError
from discovery.export.csv import write_changes
from discovery.inventory.changes import (
    ACCOUNT,
    AFTER,
    BEFORE,
    DATABASE,
    ENGINE,
    FOUND,
    KIND,
    REGION,
    ChangeFilter,
    is_run_id,
)
from discovery.inventory.columns import Column
from discovery.model import Change, ChangeKind, RunRecord
from discovery.view.formatting import number, plural
from discovery.view.snapshot import ChangeLog, Snapshot, TableReader

DEFAULT_SINCE = "7d"
_RUNS_OFFERED = 20

PERIODS: Mapping[str, str] = {
    "1d": "Yesterday",
    "7d": "7 days ago",
    "30d": "30 days ago",
    "90d": "90 days ago",
    "365d": "A year ago",
}
"""Values of the `since` parameter and their names; a run's id and a date are taken too."""

HISTORY_COLUMNS = (FOUND, KIND, BEFORE, AFTER)
"""What is shown of the changes of one database."""


def change_columns(names: Mapping[tuple[str, str], str]) -> tuple[Column[Change], ...]:
    """What is shown of the changes of any run; `names` are those of (account, instance)."""
    host = Column[Change](
        "Host",
        value=lambda change, _: names.get(
            (change.account_id, change.instance_id), change.instance_id
        ),
        width=160,
    )
    return (FOUND, KIND, host, DATABASE, BEFORE, AFTER, ACCOUNT, REGION, ENGINE)


def since_options(snapshot: Snapshot) -> dict[str, str]:
    """The periods, then the newest runs by the time at which each began."""
    runs = snapshot.runs[:_RUNS_OFFERED]
    return {**PERIODS, **{run.run_id: _run_name(run) for run in runs}}


def _run_name(run: RunRecord) -> str:
    """`Run of 2026-02-04 10:00:00 UTC`; what has no run's id, by what it has."""
    return f"Run of {moment_of(run.run_id)}" if is_run_id(run.run_id) else run.run_id


def moment_of(first: str) -> str:
    """`2026-02-04 10:00:00 UTC`: when the run of this id, or of an id that begins so, began."""
    return f"{datetime.strptime(first[:15], '%Y%m%dT%H%M%S'):%Y-%m-%d %H:%M:%S} UTC"


def read_log(reader: TableReader, since: str) -> ChangeLog:
    """What runs found since then.

    Raises RequestError when `since` is no moment, NotFoundError for an unknown run, AwsError when
    the table cannot be read.
    """
    log = reader.change_log(since)
    is_known = not is_run_id(since) or any(run.run_id == since for run, _ in log.runs)
    if not is_known and reader.runs.run(since) is None:
        raise NotFoundError(f"run {since} does not exist", hint="Choose another one.")
    return log


@lru_cache(maxsize=16)
def select_changes(log: ChangeLog, where: ChangeFilter) -> tuple[Change, ...]:
    """The changes that `where` selects, the newest first. A repeated question costs nothing."""
    names = log.names
    return tuple(
        change
        for change in log.changes
        if where.matches(change, names.get((change.account_id, change.instance_id)))
    )


@lru_cache(maxsize=4)
def filter_options(log: ChangeLog) -> Mapping[str, tuple[str, ...]]:
    """For each filter parameter, the values that occur among the changes."""
    return {
        "kind": tuple(kind.value for kind in ChangeKind),
        "account": tuple(sorted({change.account_id for change in log.changes})),
        "engine": tuple(sorted({change.engine for change in log.changes if change.engine})),
    }


def summary(changes: Sequence[Change], log: ChangeLog) -> str:
    """Markdown: `**3** of 9 changes · 2 databases · 4 runs · since 2026-02-04 10:00:00 UTC`."""
    databases = {(change.account_id, change.instance_id, change.db_id) for change in changes}
    parts = (
        f"**{number(len(changes))}** of {number(len(log.changes))} changes",
        plural(len(databases), "database"),
        plural(len(log.runs), "run"),
        f"since {moment_of(log.first)}",
    )
    return " · ".join(parts)


def csv_text(changes: Sequence[Change]) -> str:
    """These changes as CSV."""
    out = io.StringIO(newline="")
    write_changes(changes, out)
    return out.getvalue()


def record_key(change: Change) -> tuple[str, str]:
    """The key of the database that changed."""
    return (change.account_id, f"{change.instance_id}#{change.db_id}")
