"""The table of support dates as records: what `support_file` reads of `lifecycle.json`.

A release has up to one date of each kind. A date is a day, `open` (no end was published), or
`next_release` (support ends when a later release comes, and none was known).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

Kind = Literal["community", "premier", "extended", "paid"]
"""Who gets fixes: everyone, as releases of the project; who has the vendor's ordinary licence; the
same people, for security faults only; who buys a further contract. Dates stand in this order."""

Mark = Literal["estimate", "doubtful"]
Ends = date | Literal["open", "next_release"]

SUPPORT_WITHOUT_END: Mapping[Literal["open", "next_release"], str] = {
    "open": "no end published",
    "next_release": "until a later release",
}


@dataclass(frozen=True, slots=True)
class SupportDate:
    """Until when one kind of support lasts, and what the vendor calls it.

    An `estimate` is one at the source; a `doubtful` date is shown and decides nothing.
    """

    kind: Kind
    name: str
    ends: Ends
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Cycle:
    """One release cycle with its dates, in the order of `Kind`, and what to know about them."""

    name: str
    dates: tuple[SupportDate, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """The release cycles of an engine, by their numbers. `upstream` names whose dates they are."""

    policy: str | None
    note: str | None
    cycles: Mapping[tuple[int, ...], Cycle]
    upstream: str | None = None


@dataclass(frozen=True, slots=True)
class SupportTable:
    """All support dates that are known, and the day on which they were taken."""

    source: str
    as_of: date
    calendars: Mapping[str, Calendar]
