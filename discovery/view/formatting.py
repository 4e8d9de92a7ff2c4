"""Values as people read them: one form for each kind of value, on every page and in every chart.

Unknown is a dash, never 0. Text that a host or a tag supplied goes through `markdown_safe` where
the page interprets Markdown, and through `chart_safe` where a chart interprets HTML.
"""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta

from discovery.inventory.plausible import Sizes, is_plausible
from discovery.model import ENGINE_LABELS
from discovery.sanitize import printable

DASH = "–"  # noqa: RUF001  an en dash on purpose

_LONG_AGO = timedelta(days=60)
_CLOCK_SKEW = timedelta(minutes=1)
"""A time that is ahead by no more than this was taken by another clock, and is now."""

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_LINKED_BY_MARKDOWN = re.compile(r"https?:|www\.|@", re.IGNORECASE)
_BACKTICKS = re.compile(r"`+")


def number(value: int | None) -> str:
    """`12430` -> `12,430`."""
    return DASH if value is None else f"{value:,}"


def size(mebibytes: float | None, *, complete: bool = True) -> str:
    """`2048` -> `2.0 GiB`; a size whose measuring was cut short is `≥ 2.0 GiB`."""
    if mebibytes is None or mebibytes != mebibytes:  # a NaN is pandas' unknown
        return DASH
    value, unit = mebibytes, "MiB"
    for larger in ("GiB", "TiB", "PiB"):
        if abs(value) < 1024:
            break
        value, unit = value / 1024, larger
    decimals = 0 if unit == "MiB" and value >= 10 else 1
    text = f"{value:,.{decimals}f}"
    if value and text == "0.0":
        return "< 0.1 MiB"
    return f"{'' if complete else '≥ '}{text} {unit}"


def data_size(mebibytes: float | None, *, complete: bool = True) -> str:
    """The size of one database; one that no host can hold is `1,024.0 PiB (implausible)`."""
    text = size(mebibytes, complete=complete)
    if mebibytes is None or mebibytes != mebibytes or is_plausible(mebibytes):
        return text
    return f"{text} (implausible)"


def size_notes(sizes: Sizes) -> list[str]:
    """What a sum of sizes leaves out: `2 of unknown size`, `1 of implausible size`."""
    left_out = {"unknown": sizes.unknown, "implausible": sizes.implausible}
    return [f"{number(count)} of {why} size" for why, count in left_out.items() if count]


def plural(count: int, noun: str) -> str:
    """`(1, "host")` -> `1 host`; `(1200, "host")` -> `1,200 hosts`."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def part_of(part: int, whole: int) -> str:
    """`3 of 10`."""
    return f"{number(part)} of {number(whole)}"


def share(part: int, whole: int) -> str:
    """`(3, 4)` -> `75%`; never rounded up to 100% nor down to 0%."""
    if not whole:
        return DASH
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "< 1%"
    if 99 < percent < 100:
        return "> 99%"
    return f"{percent:.0f}%"


def ago(at: datetime | None, now: datetime) -> str:
    """`5 min ago`, `3 h ago`, `12 d ago`; further back, the date."""
    if at is None:
        return DASH
    past = now - at
    if past < timedelta(seconds=10):
        return "just now"
    if past < timedelta(minutes=1):
        return f"{past.seconds} s ago"
    if past < timedelta(hours=1):
        return f"{past.seconds // 60} min ago"
    if past < timedelta(days=2):
        return f"{int(past.total_seconds() // 3600)} h ago"
    if past < _LONG_AGO:
        return f"{past.days} d ago"
    return f"{at:%Y-%m-%d}"


def exact(at: datetime | None) -> str:
    """`2026-02-04 10:00:00 UTC`."""
    return DASH if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def when(at: datetime | None, now: datetime) -> str:
    """`4 min ago (2026-02-04 10:00:00 UTC)`; far back or in the future, the exact time alone."""
    if at is None or at > now + _CLOCK_SKEW or now - at >= _LONG_AGO:
        return exact(at)
    return f"{ago(at, now)} ({exact(at)})"


def lasted(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def engine(engine_id: str | None) -> str:
    """The name people use for an engine; the id itself for one that has no other name."""
    return DASH if engine_id is None else ENGINE_LABELS.get(engine_id, engine_id)


def markdown_safe(value: str) -> str:
    """`value` such that Markdown shows it as it is: no markup, no HTML, no link, no directive.

    A page makes a link of an address even when it is escaped: text with an address becomes code.
    """
    value = printable(value)
    if _LINKED_BY_MARKDOWN.search(value):
        longest = max((len(run) for run in _BACKTICKS.findall(value)), default=0)
        fence = "`" * (longest + 1)
        return f"{fence} {value} {fence}"
    return _PUNCTUATION.sub(r"\\\1", value)


def chart_safe(value: str, limit: int = 48) -> str:
    """`value`, cut at `limit` characters, such that Plotly, whose labels are a part of HTML, shows
    it as it is."""
    return html.escape(printable(value, limit), quote=False)
