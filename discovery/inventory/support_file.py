"""The shape of `lifecycle.json`, and how a file of it is read: checked whole, or refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from discovery.errors import ConfigurationError
from discovery.inventory.support_table import (
    SUPPORT_WITHOUT_END,
    Calendar,
    Cycle,
    Ends,
    Kind,
    Mark,
    SupportDate,
    SupportTable,
)
from discovery.sanitize import printable

TABLE = Path(__file__).with_name("lifecycle.json")
MOST_BYTES = 4 * 1024 * 1024

_NAME = r"^[a-z][a-z0-9_-]{0,39}$"
_RELEASE = r"^[0-9]{1,6}(\.[0-9]{1,6}){0,3}$"
_PROBLEMS_TOLD = 10

_Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[ -~]+$")]
_Link = Annotated[str, Field(max_length=300, pattern=r"^https://[!-~]+$")]
_FIRST_DAY, _LAST_DAY = date(1990, 1, 1), date(2100, 1, 1)


@cache
def known_dates() -> SupportTable:
    """The table that this version ships."""
    return read_table(TABLE)


def read_table(path: Path) -> SupportTable:
    """The table in a file. Raises ConfigurationError, naming what is wrong with its shape."""
    return parse_table(read_content(path), str(path))


def read_content(path: Path) -> bytes:
    """What is in a file. Raises ConfigurationError for one that is not there, or too long."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise ConfigurationError(f"{path}: more than {MOST_BYTES:,} bytes are no table of dates")
    return content


def parse_table(content: bytes, name: str) -> SupportTable:
    """The table that `content` is; `name` is what a message calls it. Raises ConfigurationError."""
    try:
        data = json.loads(content, object_pairs_hook=_without_repeats)
        file = _File.model_validate(data)
    except ValidationError as error:
        raise _malformed(name, _problems(error)) from error
    except (ValueError, RecursionError) as error:
        raise _malformed(name, [str(error)]) from error
    if problems := list(_contradictions(file)):
        raise _malformed(name, problems)
    return SupportTable(
        file.source,
        file.as_of,
        {engine: _calendar(file, entry) for engine, entry in file.engines.items()},
    )


def _malformed(name: str, problems: list[str]) -> ConfigurationError:
    told = [printable(problem, 200) for problem in problems[:_PROBLEMS_TOLD]]
    more = f"; and {len(problems) - len(told):,} more" if len(problems) > len(told) else ""
    return ConfigurationError(
        f"{name}: {'; '.join(told)}{more}",
        hint=f"Its shape is that of {TABLE.name}: EXECUTION_GUIDE.md describes it.",
    )


def _problems(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(map(str, problem['loc'])) or 'the file'}: "
        + ("must be an object" if problem["type"] == "model_type" else problem["msg"])
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ValueError for a name that stands twice, of which one would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated = next(name for name in found if sum(other == name for other, _ in pairs) > 1)
        raise ValueError(f"{repeated!r} stands there twice")
    return found


# --- the file's shape -----------------------------------------------------------------------------


def _day(value: object) -> date:
    """A day as ISO 8601 writes it, and no other way that JSON could hold."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        day = date.fromisoformat(value)
        if _FIRST_DAY <= day <= _LAST_DAY:
            return day
    raise ValueError(f"{str(value)[:40]!r} is no day like 2026-04-30")


def _ends(value: object) -> Ends:
    for without_end in SUPPORT_WITHOUT_END:
        if value == without_end:
            return without_end
    return _day(value)


_Day = Annotated[date, PlainValidator(_day)]
_Ends = Annotated[Ends, PlainValidator(_ends)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Release(_Shape):
    community: _Ends | None = None
    premier: _Ends | None = None
    extended: _Ends | None = None
    paid: _Ends | None = None
    marks: dict[Kind, Mark] = Field(default_factory=dict)
    note: _Text | None = None

    def ends(self) -> dict[Kind, Ends]:
        """Its dates, in the order of `Kind`."""
        found: dict[Kind, Ends | None] = {
            "community": self.community,
            "premier": self.premier,
            "extended": self.extended,
            "paid": self.paid,
        }
        return {kind: ends for kind, ends in found.items() if ends is not None}


class _Engine(_Shape):
    policy: _Link | None = None
    upstream: Annotated[str, Field(pattern=_NAME)] | None = None
    note: _Text | None = None
    dates: dict[Kind, _Text] = Field(default_factory=dict)
    cycles: dict[Annotated[str, Field(pattern=_RELEASE)], _Release] = Field(default_factory=dict)


class _File(_Shape):
    source: _Text
    license: _Text
    as_of: _Day
    engines: dict[Annotated[str, Field(pattern=_NAME)], _Engine] = Field(min_length=1)


def _contradictions(file: _File) -> Iterable[str]:
    """What is well formed and cannot be meant."""
    for engine, entry in file.engines.items():
        if entry.upstream is not None:
            of = file.engines.get(entry.upstream)
            if of is None or of.upstream is not None or entry.cycles or entry.dates:
                yield f"{engine}: upstream must name an engine with cycles, and stand without any"
            continue
        if not entry.cycles:
            yield f"{engine}: has neither cycles nor an upstream"
        numbers = [release_numbers(name) for name in entry.cycles]
        if len(set(numbers)) < len(numbers):
            yield f"{engine}: one release stands there twice"
        for name, release in entry.cycles.items():
            yield from (f"{engine} {name}: {what}" for what in _faults(entry, release))


def _faults(entry: _Engine, release: _Release) -> Iterable[str]:
    ends = release.ends()
    if not ends:
        yield "has no date"
    for kind in (*ends, *release.marks):
        if kind not in entry.dates:
            yield f"`dates` does not say what {kind} is called"
    for kind in release.marks:
        if not isinstance(ends.get(kind), date):
            yield f"the mark of {kind} stands at no day"
    days = [day for day in ends.values() if isinstance(day, date)]
    if days != sorted(days):
        yield "a later kind of support ends first"


def release_numbers(name: str) -> tuple[int, ...]:
    """`8.0` -> (8, 0); `2026.07` -> (2026, 7)."""
    return tuple(map(int, re.findall(r"[0-9]+", name)))


def _calendar(file: _File, entry: _Engine) -> Calendar:
    of = file.engines[entry.upstream] if entry.upstream else entry
    cycles = {
        release_numbers(name): Cycle(name, tuple(_dates(of, release)), release.note)
        for name, release in of.cycles.items()
    }
    return Calendar(of.policy, entry.note, cycles, entry.upstream)


def _dates(entry: _Engine, release: _Release) -> Iterable[SupportDate]:
    for kind, ends in release.ends().items():
        yield SupportDate(kind, entry.dates[kind], ends, release.marks.get(kind))
