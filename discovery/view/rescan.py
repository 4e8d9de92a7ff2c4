"""The Rescan page: what a run can be asked for, how far one is, what one did and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from discovery.inventory.as_of import AsOf
from discovery.inventory.changes import ACCOUNT, AFTER, BEFORE, ENGINE, INSTANCE, KIND, REGION
from discovery.inventory.columns import Column
from discovery.model import RunRecord, RunRequest, ScopeRecord
from discovery.settings import ORGANIZATION, Settings
from discovery.view.formatting import DASH, lasted, number, part_of
from discovery.view.labels import (
    changes_found,
    clock_off,
    not_scanned,
    request_label,
    requests_sent,
    skipped_accounts,
    units_used,
)
from discovery.view.snapshot import Snapshot

# --- what is shown of scopes, runs and their requests ---------------------------------------------

SCOPE_COLUMNS: tuple[Column[ScopeRecord], ...] = (
    Column("Account", "account_id", format="identifier", width=115),
    Column("Region", "region", format="identifier", width=110),
    Column(
        "State",
        value=lambda scope, _: scope.status.value.capitalize(),
        format="state",
        width=135,
    ),
    Column("Listed", "hosts_listed", format="number", alignment="right"),
    Column("Targeted", "hosts_targeted", format="number", alignment="right"),
    Column("Scanned", "hosts_scanned", format="number", alignment="right"),
    Column("Collected", "hosts_collected", format="number", alignment="right"),
    Column("Superseded", "hosts_superseded", format="number", alignment="right"),
    Column("Failed", "hosts_failed", format="number", alignment="right"),
    Column("Databases", "databases", format="number", alignment="right"),
    Column("Failure", "error_kind", format="word"),
)
"""Of a scope of the run in progress: how far it is."""


def _took_so_far(run: RunRecord, as_of: AsOf) -> str:
    return lasted(((run.finished_at or as_of.now) - run.started_at).total_seconds())


def started_by(run: RunRecord) -> str:
    """What started it and, if a person had it started, who and in which role."""
    return f"{run.trigger} for {run.started_by}" if run.started_by else run.trigger


RUN_COLUMNS: tuple[Column[RunRecord], ...] = (
    Column("Started", "started_at", format="time", width=95),
    Column("Result", value=lambda run, _: run.status.value.capitalize(), format="state", width=90),
    Column("Scope", value=lambda run, _: request_label(run.request), width=160),
    Column("Started by", "trigger", width=90),
    Column("Took", value=_took_so_far, alignment="right"),
    Column(
        "Scanned",
        value=lambda run, _: part_of(run.hosts_scanned, run.hosts_listed),
        alignment="right",
    ),
    Column("Collected", "hosts_collected", format="number", alignment="right"),
    Column("Superseded", "hosts_superseded", format="number", alignment="right"),
    Column("Failed", "hosts_failed", format="number", alignment="right"),
    Column(
        "Scopes failed",
        value=lambda run, _: part_of(run.scopes_failed, run.scopes_total),
        alignment="right",
    ),
    Column("Databases", "databases", format="number", alignment="right"),
    Column("Changes", value=lambda run, _: changes_found(run.changes)),
)

RUN_CHANGE_COLUMNS = (KIND, ACCOUNT, REGION, INSTANCE, ENGINE, BEFORE, AFTER)
"""Of a change that one run found."""


@dataclass(frozen=True, slots=True)
class ApiCalls:
    """How often a run called one API; `throttled` is None where it was not counted."""

    api: str
    requests: int
    throttled: int | None


API_CALL_COLUMNS: tuple[Column[ApiCalls], ...] = (
    Column("API", "api", format="identifier"),
    Column("Requests", "requests", format="number", alignment="right"),
    Column("Throttled", "throttled", format="number", alignment="right"),
)


def api_calls(run: RunRecord) -> list[ApiCalls]:
    """The APIs that a run called, the most called first."""
    throttled = run.throttled_calls
    most_called = sorted(run.api_calls.items(), key=lambda item: (-item[1], item[0]))
    return [
        ApiCalls(api, requests, None if throttled is None else throttled.get(api, 0))
        for api, requests in most_called
    ]


# --- what a run can be asked for ------------------------------------------------------------------


def known_accounts(snapshot: Snapshot, settings: Settings) -> Sequence[str]:
    """The accounts that are configured; of an organisation, those that runs have seen."""
    configured = settings.accounts
    if configured and configured != (ORGANIZATION,):
        return configured
    return sorted({scope.account_id for scope in snapshot.scopes})


def known_regions(snapshot: Snapshot, settings: Settings) -> Sequence[str]:
    """The regions that are configured; where each account has its own, those that runs have
    seen."""
    if not settings.all_regions:
        return settings.scan_regions
    return sorted({scope.region for scope in snapshot.scopes})


def instance_request(snapshot: Snapshot, instance_id: str) -> tuple[RunRequest, str]:
    """A request for one instance, and where it will be looked for: in its account and region when
    they are known, else everywhere."""
    host = next((host for host in snapshot.hosts if host.instance_id == instance_id), None)
    if host is None:
        everywhere = "Not seen before: it is looked for in every account and region."
        return RunRequest(instances=(instance_id,)), everywhere
    name = f"{host.name}, " if host.name else ""
    place = f"{name}account {host.account_id}, region {host.region}"
    return RunRequest((host.account_id,), (host.region,), (instance_id,)), place


# --- the run in progress --------------------------------------------------------------------------


def origin(run: RunRecord, now: datetime) -> str:
    """`Everything, started by cli 8 s ago on discovery-1:4711`."""
    elapsed = lasted((now - run.started_at).total_seconds())
    return (
        f"{request_label(run.request)}, started by {started_by(run)} {elapsed} ago on {run.holder}"
    )


def share_done(run: RunRecord) -> float:
    """How much of the run is done, 0 to 1, by its scopes."""
    return min(run.scopes_done / run.scopes_total, 1.0) if run.scopes_total else 0.0


def progress_text(run: RunRecord) -> str:
    """How many of its scopes and hosts are done."""
    return (
        f"{part_of(run.scopes_done, run.scopes_total)} account regions · "
        f"{part_of(run.hosts_scanned, run.hosts_targeted)} targeted hosts scanned, "
        f"{number(run.hosts_failed)} failed · {number(run.databases)} databases"
    )


def silence(run: RunRecord, now: datetime, lease_seconds: int) -> str | None:
    """A warning when the run's process has given no sign of life for longer than its lease."""
    silent = (now - run.heartbeat_at).total_seconds()
    if silent <= lease_seconds:
        return None
    return (
        f"No sign of life for {lasted(silent)}. A run whose process died is closed when the next "
        "one starts."
    )


# --- one run in full ------------------------------------------------------------------------------


def run_facts(run: RunRecord) -> list[tuple[str, str]]:
    """What a run did and what it cost: (count, value)."""
    skipped = skipped_accounts(run.accounts_skipped)
    targeted = part_of(run.hosts_scanned, run.hosts_targeted)
    calls = f"{number(run.ssm_command_calls)} for {number(run.batches)} batches"
    return [
        ("Account regions", part_of(run.scopes_done - run.scopes_failed, run.scopes_total)),
        *([("Accounts skipped", skipped)] if skipped else []),
        ("Hosts scanned", f"{targeted} targeted, {number(run.hosts_listed)} listed"),
        ("Hosts collected", _collected(run)),
        ("Hosts superseded", number(run.hosts_superseded)),
        ("Hosts failed", number(run.hosts_failed)),
        ("Hosts not scanned", not_scanned(run.not_scanned)),
        ("Databases", number(run.databases)),
        ("Changes", changes_found(run.changes)),
        ("SSM command calls", calls),
        ("API requests", requests_sent(run)),
        ("DynamoDB units", units_used(run)),
        ("Took", _took(run)),
        *([("Clock of its machine", clock_off(run))] if run.clock_ahead_seconds else []),
    ]


def _collected(run: RunRecord) -> str:
    """`3, answered to an earlier run`."""
    count = number(run.hosts_collected)
    return f"{count}, answered to an earlier run" if run.hosts_collected else count


def _took(run: RunRecord) -> str:
    """`3 min 20 s, first host after 12 s`."""
    if run.seconds is None:
        return DASH
    first = run.first_scanned_seconds
    after = "" if first is None else f", first host after {lasted(first)}"
    return f"{lasted(run.seconds)}{after}"
