"""What a version number means: its order, the release cycle it belongs to, its support dates.

The dates stand in `lifecycle.json` (`support_file` reads it), with their source and the day they
were taken. What is not there is `unknown`, with the reason: no date is guessed from another
engine's, nor from the release beside it.

Which date decides. A release can have several: of the community's releases, of the vendor's
ordinary support, of security fixes after it, of support that is bought. The last one that needs no
further contract decides: until then a host gets fixes by updating, after it money or an upgrade is
needed. The others are shown beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from discovery.inventory.support_file import known_dates
from discovery.inventory.support_table import Calendar, Cycle, Ends, SupportDate
from discovery.model import ENGINE_LABELS

SupportState = Literal["supported", "ends_within_year", "ended", "unknown"]
VersionPart = tuple[int, int, str]
VersionKey = tuple[VersionPart, ...]

OLD_AFTER = timedelta(days=120)
"""From this age on, people are told that the table is old."""

_YEAR = timedelta(days=365)
_BELIEVED = {"open": OLD_AFTER, "next_release": timedelta(days=30)}
"""For how long after the table was taken a release without an end still counts as supported: one
whose end was not published, and one that a later release ends."""

_OTHER_BUILDS = frozenset(
    {
        "amzn",
        "aurora",
        "azure",
        "cluster",
        "cloudsql",
        "dse",
        "greenplum",
        "gpdb",
        "ndb",
        "rds",
        "yb",
    }
)
"""Words in a version that name another vendor's build, whose support is another's."""

_TOKEN = re.compile(r"[0-9]{1,18}|[a-z]+")
_PRE_RELEASE = frozenset({"alpha", "beta", "dev", "devel", "dmr", "preview", "rc", "snapshot"})
_PRE, _END, _WORD, _NUMBER = range(4)
"""How the parts of a version sort where they meet: 16rc1 < 16 < 16-log < 16.1."""


@dataclass(frozen=True, slots=True)
class Support:
    """What is known about the support of one version on one day.

    `dates` are all that are known of its cycle, and `decisive` the one of them that gives `state`.
    `reason` says why the state is unknown. `upstream` is the engine whose dates they are, where the
    engine's own are not known. `policy` is the vendor's own page.
    """

    state: SupportState
    source: str
    as_of: date
    reason: str = ""
    cycle: str | None = None
    dates: tuple[SupportDate, ...] = ()
    decisive: SupportDate | None = None
    notes: tuple[str, ...] = ()
    upstream: str | None = None
    policy: str | None = None

    @property
    def ends(self) -> date | None:
        """The last day of the support that decides; None where none is published."""
        return _day(self.decisive)


def support(engine: str | None, version: str | None, today: date) -> Support:
    """The support of `engine` at `version` as of `today`.

    `ended` means that the decisive date is over, whether or not more can be bought;
    `ends_within_year` that it comes in the next 365 days.
    """
    table = known_dates()
    cycle, reason = _find(engine, version)
    calendar = table.calendars.get(engine or "")
    if calendar is None or cycle is None:
        return Support("unknown", table.source, table.as_of, reason)
    decisive = _decisive(cycle)
    state, reason = _state(decisive, today, table.as_of)
    return Support(
        state=state,
        source=table.source,
        as_of=table.as_of,
        reason=reason,
        cycle=cycle.name,
        dates=cycle.dates,
        decisive=decisive,
        notes=tuple(note for note in (calendar.note, cycle.note) if note),
        upstream=calendar.upstream,
        policy=calendar.policy,
    )


def table_is_old(as_of: date, today: date) -> bool:
    """Whether dates taken on `as_of` are too old to be shown without a word on it."""
    return today - as_of > OLD_AFTER


def cycle_of(engine: str | None, version: str | None) -> Cycle | None:
    """The release cycle of a version: 8.0 for MySQL 8.0.35, 15 for PostgreSQL 15.4.

    None for a pre-release, which has no support, for another vendor's build, and for a version too
    short to tell ("8").
    """
    return _find(engine, version)[0]


@lru_cache(maxsize=4096)
def _find(engine: str | None, version: str | None) -> tuple[Cycle | None, str]:
    """The cycle of a version; else why there is none."""
    if engine is None:
        return None, "the engine is not known"
    calendar = known_dates().calendars.get(engine)
    if calendar is None:
        return None, f"no support dates are known for {ENGINE_LABELS.get(engine, engine)}"
    if version is None:
        return None, "the version is not known"
    key = version_key(version)
    if any(_is_pre_release(part) for part in key):
        return None, "a pre-release has no support"
    if other := _other_build(engine, key):
        return None, f"this is a build of another product ({other}), whose dates are not known"
    numbers = _leading_numbers(key)
    for count in range(len(numbers), 0, -1):
        if cycle := calendar.cycles.get(numbers[:count]):
            return cycle, ""
    return None, _why_no_cycle(calendar, numbers)


def _other_build(engine: str, key: VersionKey) -> str | None:
    words = [word for kind, _, word in key if kind == _WORD]
    others = _OTHER_BUILDS | (ENGINE_LABELS.keys() - {engine})
    if engine == "mariadb":
        others |= {"enterprise"}  # a series of its own, with dates of its own
    return next((word for word in words if word in others), None)


def _leading_numbers(key: VersionKey) -> tuple[int, ...]:
    numbers: list[int] = []
    for kind, number, _ in key[:4]:
        if kind != _NUMBER:
            break
        numbers.append(number)
    return tuple(numbers)


def _why_no_cycle(calendar: Calendar, numbers: tuple[int, ...]) -> str:
    if not numbers:
        return "the version does not begin with a number"
    if any(known[: len(numbers)] == numbers for known in calendar.cycles):
        return "the version is too short to tell its release"
    oldest, newest = min(calendar.cycles), max(calendar.cycles)
    taken = f"in the dates of {known_dates().as_of}"
    if numbers > newest:
        return f"newer than {calendar.cycles[newest].name}, the newest release {taken}"
    if numbers < oldest:
        return f"older than {calendar.cycles[oldest].name}, the oldest release {taken}"
    return f"there is no such release {taken}"


def _decisive(cycle: Cycle) -> SupportDate | None:
    free = [each for each in cycle.dates if each.kind != "paid"]
    return free[-1] if free else None


def _day(decisive: SupportDate | None) -> date | None:
    return decisive.ends if decisive and isinstance(decisive.ends, date) else None


def _state(decisive: SupportDate | None, today: date, as_of: date) -> tuple[SupportState, str]:
    """The state on a day; for `unknown`, why."""
    if decisive is None:
        return "unknown", "only a date of support that is bought is known"
    if decisive.mark == "doubtful":
        return "unknown", f"the source's date, {decisive.ends}, is doubtful"
    if not isinstance(decisive.ends, date):
        return _state_without_end(decisive.ends, today, as_of)
    if today > decisive.ends:
        return "ended", ""
    return ("ends_within_year" if decisive.ends <= today + _YEAR else "supported"), ""


def _state_without_end(ends: Ends, today: date, as_of: date) -> tuple[SupportState, str]:
    if today - as_of <= _BELIEVED[str(ends)]:
        return "supported", ""
    if ends == "next_release":
        return "unknown", f"a later release ends its support, and none was known on {as_of}"
    return "unknown", f"no end was published by {as_of}, and these dates are old"


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
