"""What a version number means: its order, the release cycle it belongs to, its support dates.

The dates stand in `lifecycle.json`, with their source and the day they were taken. An engine or
version that is not there is `unknown`: no schedule is guessed from another engine's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

SupportState = Literal["supported", "ends_within_year", "ended", "unknown"]
VersionPart = tuple[int, int, str]
VersionKey = tuple[VersionPart, ...]

_DATA = Path(__file__).with_name("lifecycle.json")
_YEAR = timedelta(days=365)

_TOKEN = re.compile(r"[0-9]{1,18}|[a-z]+")
_PRE_RELEASE = frozenset({"alpha", "beta", "dev", "devel", "preview", "rc", "snapshot"})
_PRE, _END, _WORD, _NUMBER = range(4)
"""How the parts of a version sort where they meet: 16rc1 < 16 < 16-log < 16.1."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """One release cycle. Dates are the last day of support; None when none is published."""

    name: str
    ends: date | None
    extended_ends: date | None


@dataclass(frozen=True, slots=True)
class Support:
    """What is known about the support of one version on one day.

    `ends` is the last day of the engine's `standard` support and decides `state`; `extended_ends`
    that of its `extended` support, usually paid. `policy` is the vendor's own page.
    """

    state: SupportState
    cycle: str | None
    ends: date | None
    extended_ends: date | None
    source: str
    as_of: date
    standard: str | None = None
    extended: str | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class _SupportCalendar:
    policy: str | None
    standard: str | None
    extended: str | None
    cycles: Mapping[str, Cycle]


@dataclass(frozen=True, slots=True)
class _Lifecycle:
    source: str
    as_of: date
    calendars: Mapping[str, _SupportCalendar]


def support(engine: str | None, version: str | None, today: date) -> Support:
    """The support of `engine` at `version` as of `today`.

    `ended` means that standard support is over, whether or not extended support can be bought;
    `ends_within_year` that it ends in the coming 365 days. A cycle whose standard support has no
    published end counts as supported until its extended support ends.
    """
    facts = _lifecycle()
    calendar = facts.calendars.get(engine or "")
    cycle = cycle_of(engine, version)
    if calendar is None or cycle is None:
        return Support("unknown", None, None, None, facts.source, facts.as_of)
    return Support(
        state=_state(cycle, today),
        cycle=cycle.name,
        ends=cycle.ends,
        extended_ends=cycle.extended_ends,
        source=facts.source,
        as_of=facts.as_of,
        standard=calendar.standard,
        extended=calendar.extended if cycle.extended_ends else None,
        policy=calendar.policy,
    )


@lru_cache(maxsize=4096)
def cycle_of(engine: str | None, version: str | None) -> Cycle | None:
    """The release cycle of a version: 8.0 for MySQL 8.0.35, 15 for PostgreSQL 15.4.

    None for a pre-release, which has no support, and for a version too short to tell ("8").
    """
    calendar = _lifecycle().calendars.get(engine or "")
    if calendar is None or version is None:
        return None
    key = version_key(version)
    if any(_is_pre_release(token) for token in key):
        return None
    numbers = [str(number) for kind, number, _ in key[:2] if kind == _NUMBER]
    return calendar.cycles.get(".".join(numbers)) or calendar.cycles.get(".".join(numbers[:1]))


def _state(cycle: Cycle, today: date) -> SupportState:
    decisive = cycle.ends or cycle.extended_ends
    if decisive is None:
        return "unknown"
    if today > decisive:
        return "ended"
    return "ends_within_year" if decisive <= today + _YEAR else "supported"


@cache
def _lifecycle() -> _Lifecycle:
    data = json.loads(_DATA.read_text(encoding="utf-8"))
    return _Lifecycle(
        source=data["source"],
        as_of=date.fromisoformat(data["as_of"]),
        calendars={
            engine: _SupportCalendar(
                policy=entry["policy"],
                standard=entry["standard"],
                extended=entry["extended"],
                cycles={
                    name: Cycle(name, _date(ends), _date(extended_ends))
                    for name, (ends, extended_ends) in entry["cycles"].items()
                },
            )
            for engine, entry in data["engines"].items()
        },
    )


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


# --- the order of versions ----------------------------------------------------------------------


@lru_cache(maxsize=4096)
def version_key(version: str) -> VersionKey:
    """A sort key: numbers by value, a pre-release before its release (10.2 < 10.11rc1 < 10.11)."""
    return (*(_part(text) for text in _TOKEN.findall(version.lower())), (_END, 0, ""))


def _part(text: str) -> VersionPart:
    if text.isdigit():
        return (_NUMBER, int(text), "")
    return (_PRE if text in _PRE_RELEASE else _WORD, 0, text)


def _is_pre_release(part: VersionPart) -> bool:
    return part[0] == _PRE


def compare_versions(before: str, after: str) -> int:
    """1 for an upgrade, -1 for a downgrade, 0 for no difference that can be told.

    A version told with less precision (15 and 15.4, 8.0.35 and 8.0.35-27) is no difference: which
    digits a scan sees depends on where it found them.
    """
    old, new = version_key(before), version_key(after)
    shorter, longer = sorted((old[:-1], new[:-1]), key=len)
    more = longer[len(shorter) :]
    if longer[: len(shorter)] == shorter and not (more and _is_pre_release(more[0])):
        return 0
    return (new > old) - (new < old)


def version_matches(version: str, wanted: str) -> bool:
    """Whether a version is `wanted` or below it: 8.0.35 is in 8.0, and 8.01 is not."""
    prefix = wanted.rstrip(".")
    if not prefix or not version.startswith(prefix):
        return False
    following = version[len(prefix) : len(prefix) + 1]
    if prefix[-1].isdigit():
        return not following.isdigit()
    return not following.isalnum()
