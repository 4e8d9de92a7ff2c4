"""Words for states, and the colour class that may stand beside each. One word, everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from discovery.errors import FailureKind
from discovery.inventory.freshness import Freshness
from discovery.inventory.lifecycle import Support, SupportState
from discovery.model import Coverage, RunRecord
from discovery.sanitize import printable
from discovery.view.formatting import DASH, number

State = Literal["good", "warning", "bad", "neutral"]

SUPPORT_WORDS: Mapping[SupportState, str] = {
    "ended": "Ended",
    "ends_within_year": "Ends within a year",
    "supported": "Supported",
    "unknown": "Unknown",
}

COVERAGE_WORDS: Mapping[Coverage, str] = {
    Coverage.SCANNED: "Scanned",
    Coverage.FAILED: "Failed",
    Coverage.AGENT_OFFLINE: "Agent offline",
    Coverage.NOT_MANAGED: "Not managed",
    Coverage.STOPPED: "Stopped",
    Coverage.UNSUPPORTED_PLATFORM: "Unsupported platform",
    Coverage.TERMINATED: "Terminated",
    Coverage.NOT_REACHED: "Not reached",
    Coverage.PENDING: "Pending",
}

FRESHNESS_WORDS: Mapping[Freshness, str] = {
    Freshness.CURRENT: "Current",
    Freshness.STALE: "Stale",
    Freshness.GONE: "Gone",
}

_STATES: Mapping[str, State] = {
    "running": "good",
    "scanned": "good",
    "succeeded": "good",
    "supported": "good",
    "partial": "warning",
    "stale": "warning",
    "agent offline": "warning",
    "not managed": "warning",
    "not reached": "warning",
    "ends within a year": "warning",
    "abandoned": "bad",
    "failed": "bad",
    "ended": "bad",
}


def state_of(word: str) -> State:
    """Whether the word for a state means good, bad, in between, or none of these."""
    return _STATES.get(word.lower(), "neutral")


def support_sentence(known: Support) -> str:
    """`Ended on 2025-04-30; extended until 2026-04-30`."""
    if known.state == "unknown":
        return "Unknown: no schedule is known for this version"
    if known.ends is None:
        return f"{SUPPORT_WORDS[known.state]}; extended support until {known.extended_ends}"
    verb = "Ended on" if known.state == "ended" else "Until"
    extended = f"; extended until {known.extended_ends}" if known.extended_ends else ""
    return f"{verb} {known.ends}{extended}"


def support_source(known: Support) -> str:
    """Where the support dates come from, and as of when."""
    return f"{known.source.split(',')[0]}, as of {known.as_of}"


def failure_words(kind: FailureKind | None) -> str:
    """`assume_role_denied` -> `Assume role denied`."""
    return kind.value.replace("_", " ").capitalize() if kind else DASH


def asked_for(run: RunRecord) -> str:
    """What a run was asked to discover, in few words."""
    request = run.request
    if request.is_everything:
        return "Everything"
    accounts = request.accounts
    many = [f"{len(accounts)} accounts"] if len(accounts) > 2 else list(accounts)
    return printable(", ".join([*request.instances, *many, *request.regions]), 80)


def changes_found(changes: Mapping[str, int]) -> str:
    """`3 appeared, 1 gone`; a dash for none."""
    return ", ".join(f"{number(count)} {kind}" for kind, count in changes.items() if count) or DASH


def not_scanned(counts: Mapping[str, int]) -> str:
    """`3 stopped, 1 not reached`; a dash for none."""
    words = {COVERAGE_WORDS[Coverage(name)].lower(): count for name, count in counts.items()}
    return ", ".join(f"{number(count)} {word}" for word, count in words.items() if count) or DASH


def requests_sent(run: RunRecord) -> str:
    """`295, 4 of them retries, 3 throttled`; without what an earlier version did not count."""
    parts = [number(sum(run.api_calls.values()))]
    if run.retries is not None:
        parts.append(f"{number(run.retries)} of them retries")
    if run.throttled_calls is not None:
        parts.append(f"{number(sum(run.throttled_calls.values()))} throttled")
    return ", ".join(parts)


def units_used(run: RunRecord) -> str:
    """`24 read, 749.5 write`; a dash where they were not counted."""
    if run.read_units is None or run.write_units is None:
        return DASH
    return f"{_units(run.read_units)} read, {_units(run.write_units)} write"


def _units(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def skipped_accounts(skipped: Mapping[str, str], named: int = 5) -> str:
    """Accounts left out, by reason: `2 suspended (111122223333, 222233334444), 1 closing (…)`."""
    by_reason: dict[str, list[str]] = {}
    for account, reason in skipped.items():
        by_reason.setdefault(reason, []).append(account)
    return ", ".join(
        f"{len(accounts):,} {reason} ({', '.join(accounts[:named])}"
        + (f" and {len(accounts) - named:,} more)" if len(accounts) > named else ")")
        for reason, accounts in by_reason.items()
    )
