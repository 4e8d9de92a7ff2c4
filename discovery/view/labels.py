"""Words for states, failures and runs, and which states have a colour. One word, everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Literal

from discovery.errors import FailureKind
from discovery.inventory.columns import Format
from discovery.inventory.freshness import Freshness
from discovery.inventory.lifecycle import Support, SupportState, table_is_old
from discovery.inventory.support_table import SUPPORT_WITHOUT_END, SupportDate
from discovery.model import Coverage, RunRecord, RunRequest
from discovery.sanitize import printable
from discovery.view.formatting import DASH, engine, number

State = Literal["good", "warning", "bad", "neutral"]

SUPPORT_LABELS: Mapping[SupportState, str] = {
    "ended": "Ended",
    "ends_within_year": "Ends within a year",
    "supported": "Supported",
    "unknown": "Unknown",
}

COVERAGE_LABELS: Mapping[Coverage, str] = {
    Coverage.SCANNED: "Scanned",
    Coverage.FAILED: "Failed",
    Coverage.AGENT_OFFLINE: "Agent offline",
    Coverage.NOT_MANAGED: "Not managed",
    Coverage.STOPPED: "Stopped",
    Coverage.UNSUPPORTED_PLATFORM: "Unsupported platform",
    Coverage.TERMINATED: "Terminated",
    Coverage.RELEASED: "Released",
    Coverage.NOT_REACHED: "Not reached",
    Coverage.COLLECTED: "Collected",
    Coverage.SUPERSEDED: "Superseded",
    Coverage.PENDING: "Pending",
}

FRESHNESS_LABELS: Mapping[Freshness, str] = {
    Freshness.CURRENT: "Current",
    Freshness.STALE: "Stale",
    Freshness.UNWATCHED: "Unwatched",
    Freshness.GONE: "Gone",
}

_STATES: Mapping[str, State] = {
    "running": "good",
    "scanned": "good",
    "succeeded": "good",
    "supported": "good",
    "partial": "warning",
    "stale": "warning",
    "unwatched": "warning",
    "agent offline": "warning",
    "not managed": "warning",
    "not reached": "warning",
    "ends within a year": "warning",
    "abandoned": "bad",
    "failed": "bad",
    "ended": "bad",
}


def state_of(label: str) -> State:
    """Whether a state's label means good, bad, in between, or none of these."""
    return _STATES.get(label.lower(), "neutral")


def support_sentence(support: Support) -> str:
    """`Ended on 2026-04-30 (Extended Support); Premier Support: 2025-04-30`.

    The date that decides comes first. Dates of support that is bought are marked as paid.
    """
    decisive = support.decisive
    others = [_other_date(each) for each in support.dates if each is not decisive]
    return "; ".join([_decisive_date(support), *others])


def _decisive_date(support: Support) -> str:
    if support.state == "unknown" or support.decisive is None:
        return f"Unknown: {support.reason}"
    marks = [support.decisive.mark, f"of {engine(support.upstream)}" if support.upstream else None]
    name = f"({', '.join([support.decisive.name, *filter(None, marks)])})"
    if not isinstance(support.decisive.ends, date):
        end = SUPPORT_WITHOUT_END[support.decisive.ends]
        return f"Supported on {support.as_of} {name}, {end}"
    return f"{'Ended on' if support.state == 'ended' else 'Until'} {support.ends} {name}"


def support_dates_age(as_of: date, today: date) -> str:
    """`Support dates are of 2026-08-22.`; of old ones, what that means and how to renew them."""
    if not table_is_old(as_of, today):
        return f"Support dates are of {as_of}."
    return (
        f"Support dates are of {as_of}, {(today - as_of).days} days ago: later releases and "
        "changes are not in them. `python -m discovery lifecycle --from FILE` renews them."
    )


def _other_date(each: SupportDate) -> str:
    paid = " (paid)" if each.kind == "paid" else ""
    ends = each.ends if isinstance(each.ends, date) else SUPPORT_WITHOUT_END[each.ends]
    return f"{each.name}{paid}: {ends}"


def failure_label(kind: FailureKind) -> str:
    """`assume_role_denied` -> `Assume role denied`."""
    return kind.value.replace("_", " ").capitalize()


def label_of(value: Any, form: Format) -> str:
    """A known value of a column as words: the label of a state or an engine, a list's items."""
    label = _LABELS.get(form)
    return label(value) if label else str(value)


def _counts(counts: Mapping[str, int]) -> str:
    """`10.0.4.21 (12), 10.0.4.22 (3)`, the largest first."""
    largest_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} ({number(count)})" for name, count in largest_first)


_LABELS: Mapping[Format, Callable[[Any], str]] = {
    "engine": engine,
    "word": lambda word: str(word).replace("_", " ").capitalize(),
    "freshness": lambda freshness: FRESHNESS_LABELS[freshness],
    "support": lambda support: SUPPORT_LABELS[support.state],
    "setting": lambda is_configured: "configured" if is_configured else "not configured",
    "list": ", ".join,
    "counts": _counts,
}


def request_label(request: RunRequest) -> str:
    """What a run was asked to discover, in few words."""
    if request.is_everything:
        return "Everything"
    accounts = request.accounts
    many = [f"{len(accounts)} accounts"] if len(accounts) > 2 else list(accounts)
    return printable(", ".join([*request.instances, *many, *request.regions]), 80)


def changes_found(changes: Mapping[str, int]) -> str:
    """`3 appeared, 1 gone`; a dash for none."""
    return ", ".join(f"{number(count)} {kind}" for kind, count in changes.items() if count) or DASH


def not_scanned(counts: Mapping[str, int]) -> str:
    """`3 stopped, 1 not reached`; a dash for none. `counts` is coverage -> hosts."""
    labels = {COVERAGE_LABELS[Coverage(name)].lower(): count for name, count in counts.items()}
    return ", ".join(f"{number(count)} {label}" for label, count in labels.items() if count) or DASH


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


def clock_off(run: RunRecord) -> str:
    """`300 s ahead of DynamoDB's`: the clock of the machine that began the run."""
    ahead = run.clock_ahead_seconds or 0.0
    return f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} DynamoDB's"
