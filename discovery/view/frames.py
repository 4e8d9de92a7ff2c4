"""Records as tables: one row a record, one column a value, unknown as None/NaT (never 0).

Frames keep numbers as numbers and times as times, so that sorting by a column is right; how a value
reads is `styled`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from discovery.inventory.freshness import Staleness
from discovery.inventory.lifecycle import Support, support
from discovery.model import Change, DatabaseRecord, HostRecord, RunRecord, ScopeRecord
from discovery.sanitize import printable
from discovery.view.formatting import DASH, ago, engine, lasted, number, size
from discovery.view.labels import (
    COVERAGE_WORDS,
    FRESHNESS_WORDS,
    SUPPORT_WORDS,
    State,
    asked_for,
    changes_found,
    failure_words,
    state_of,
)

_OWNER_TAGS = ("owner", "team", "contact")


def owner_of(tags: Mapping[str, str]) -> str | None:
    """The value of the tag that says whose the instance is, whatever its capitals."""
    by_name = {name.lower(): value for name, value in tags.items()}
    return next((by_name[name] for name in _OWNER_TAGS if by_name.get(name)), None)


class Supports:
    """The support of each (engine, version), looked up once a day."""

    def __init__(self, today: date) -> None:
        self._today = today
        self._known: dict[tuple[str | None, str | None], Support] = {}

    def of(self, record: DatabaseRecord) -> Support:
        """The support of the record's version today."""
        key = (record.engine, record.version)
        if key not in self._known:
            self._known[key] = support(*key, self._today)
        return self._known[key]


def databases(
    records: Iterable[DatabaseRecord], supports: Supports, staleness: Staleness
) -> pd.DataFrame:
    """One row a database. `Size` is MiB; times are UTC."""
    rows = []
    for record in records:
        known = supports.of(record)
        rows.append(
            (
                _text(record.instance_name or record.instance_id),
                engine(record.engine),
                _text(record.version),
                record.status.value if record.status else None,
                FRESHNESS_WORDS[staleness.of(record)],
                SUPPORT_WORDS[known.state],
                known.ends or known.extended_ends,
                record.data_size_mb,
                _text(record.environment),
                _text(owner_of(record.tags)),
                record.account_id,
                record.region,
                record.port,
                record.first_seen,
                record.last_seen,
                record.gone_at,
                record.instance_id,
            )
        )
    frame = pd.DataFrame(
        rows,
        columns=[
            "Instance",
            "Engine",
            "Version",
            "Status",
            "Freshness",
            "Support",
            "Support ends",
            "Size",
            "Environment",
            "Owner",
            "Account",
            "Region",
            "Port",
            "First seen",
            "Last seen",
            "Gone since",
            "Instance id",
        ],
    )
    return frame.astype({"Port": "Int64", "Size": "Float64"})


def hosts(records: Iterable[HostRecord]) -> pd.DataFrame:
    """One row an instance: whether it was scanned, and why not."""
    return pd.DataFrame(
        [
            (
                _text(record.name or record.instance_id),
                COVERAGE_WORDS[record.coverage],
                _text(record.error) if record.error else record.coverage.explanation,
                record.account_id,
                record.region,
                _text(record.platform),
                record.databases,
                record.last_scanned,
                record.instance_id,
            )
            for record in records
        ],
        columns=[
            "Instance",
            "State",
            "Why",
            "Account",
            "Region",
            "Platform",
            "Databases",
            "Last scanned",
            "Instance id",
        ],
    ).astype({"Databases": "Int64"})


def scopes(records: Iterable[ScopeRecord]) -> pd.DataFrame:
    """One row a scope of one run, with how far it is."""
    return pd.DataFrame(
        [
            (
                scope.account_id,
                scope.region,
                scope.status.value.capitalize(),
                scope.hosts_listed,
                scope.hosts_targeted,
                scope.hosts_scanned,
                scope.hosts_failed,
                scope.databases,
                failure_words(scope.error_kind) if scope.error_kind else None,
            )
            for scope in records
        ],
        columns=[
            "Account",
            "Region",
            "State",
            "Listed",
            "Targeted",
            "Scanned",
            "Failed",
            "Databases",
            "Failure",
        ],
    ).astype({"Listed": "Int64"})


def runs(records: Iterable[RunRecord], now: datetime) -> pd.DataFrame:
    """One row a run, the newest first as they come."""
    return pd.DataFrame(
        [
            (
                run.started_at,
                run.status.value.capitalize(),
                asked_for(run),
                run.trigger,
                lasted(((run.finished_at or now) - run.started_at).total_seconds()),
                f"{number(run.hosts_scanned)} of {number(run.hosts_listed)}",
                run.hosts_failed,
                f"{number(run.scopes_failed)} of {number(run.scopes_total)}",
                run.databases,
                changes_found(run.changes),
            )
            for run in records
        ],
        columns=[
            "Started",
            "Result",
            "Scope",
            "Started by",
            "Took",
            "Scanned",
            "Failed",
            "Scopes failed",
            "Databases",
            "Changes",
        ],
    )


def change_log(records: Iterable[Change], names: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """One row a change of any run; `names` are those of (account, instance)."""
    return pd.DataFrame(
        [
            (
                change.at,
                change.kind.value.capitalize(),
                _text(names.get((change.account_id, change.instance_id), change.instance_id)),
                _text(change.db_id),
                _text(change.before),
                _text(change.after),
                change.account_id,
                change.region,
                engine(change.engine),
            )
            for change in records
        ],
        columns=[
            "When",
            "Change",
            "Instance",
            "Database",
            "Before",
            "After",
            "Account",
            "Region",
            "Engine",
        ],
    )


def changes(records: Iterable[Change]) -> pd.DataFrame:
    """One row a change that a run found."""
    return pd.DataFrame(
        [
            (
                change.kind.value.capitalize(),
                change.account_id,
                change.region,
                change.instance_id,
                engine(change.engine),
                _text(change.before),
                _text(change.after),
            )
            for change in records
        ],
        columns=["Change", "Account", "Region", "Instance", "Engine", "Before", "After"],
    )


def api_calls(run: RunRecord) -> pd.DataFrame:
    """One row an API that a run called, the most called first."""
    throttled = run.throttled_calls
    return pd.DataFrame(
        [
            (api, calls, None if throttled is None else throttled.get(api, 0))
            for api, calls in sorted(run.api_calls.items(), key=lambda item: (-item[1], item[0]))
        ],
        columns=["API", "Requests", "Throttled"],
    )


def history(changes: Iterable[Change]) -> pd.DataFrame:
    """One row a change of one database."""
    return pd.DataFrame(
        [
            (change.at, change.kind.value.capitalize(), _text(change.before), _text(change.after))
            for change in changes
        ],
        columns=["When", "Change", "Before", "After"],
    )


def _text(value: str | None) -> str | None:
    return None if value is None else printable(value, 200) or None


# --- how values read ----------------------------------------------------------------------------

_STATE_COLUMNS = ("Status", "Support", "State", "Result", "Failed", "Freshness")
_TIME_COLUMNS = ("First seen", "Last seen", "Gone since", "Last scanned", "Started", "When")
_SIZE_COLUMNS = ("Size",)
_NUMBER_COLUMNS = ("Databases", "Listed", "Targeted", "Scanned", "Requests", "Throttled")


def styled(frame: pd.DataFrame, now: datetime, colours: Mapping[State, str]) -> Styler:
    """`frame` with its values as people read them and its states in colour.

    Takes about 0.15 ms a row: meant for what fits on a page, not for the whole inventory.
    """
    forms: dict[Hashable, str | Callable[[object], str] | None] = {}
    for column in frame.columns:
        if column in _SIZE_COLUMNS:
            forms[column] = _known(size)
        elif column in _TIME_COLUMNS:
            forms[column] = _known(lambda at: ago(at, now))
        elif column in _NUMBER_COLUMNS and pd.api.types.is_numeric_dtype(frame[column]):
            forms[column] = _known(lambda value: number(int(value)))
        else:
            forms[column] = _known(str)
    style = frame.style.format(forms)
    states: list[Hashable] = [column for column in _STATE_COLUMNS if column in frame.columns]
    return style.map(lambda word: _colour(word, colours), subset=states)


def _known(form: Callable[..., str]) -> Callable[[object], str]:
    def write(value: Any) -> str:
        return DASH if value is None or pd.isna(value) else form(value)

    return write


def _colour(word: object, colours: Mapping[State, str]) -> str:
    if not isinstance(word, str):
        return ""
    colour = colours[state_of(word)]
    return f"color: {colour}" if colour else ""
