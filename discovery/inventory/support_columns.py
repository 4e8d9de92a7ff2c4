"""What is shown of a database's support: the date that decides, which one it is, the others."""

from __future__ import annotations

from datetime import date

from discovery.inventory.as_of import AsOf
from discovery.inventory.columns import Column
from discovery.inventory.lifecycle import Support
from discovery.inventory.support_table import SUPPORT_WITHOUT_END, SupportDate
from discovery.model import ENGINE_LABELS, DatabaseRecord


def support_source(record: DatabaseRecord, as_of: AsOf) -> str:
    """The name of the schedule, and the day it was taken."""
    found = as_of.support(record)
    return f"{found.source.split(',')[0]}, as of {found.as_of}"


def support_ends(record: DatabaseRecord, as_of: AsOf) -> str | None:
    """`2026-04-30, Extended Support`: the date that decides, and which one it is."""
    found = as_of.support(record)
    if found.decisive is None:
        return None
    words = [str(_end(found.decisive)), found.decisive.name, *_marks(found)]
    return ", ".join(words)


def _support_date_is(record: DatabaseRecord, as_of: AsOf) -> list[str] | None:
    """`Extended Support`, `extended`, `estimate`, `upstream`: the date that decides, in words."""
    found = as_of.support(record)
    if found.decisive is None:
        return None
    return [found.decisive.name, found.decisive.kind, *_marks(found)]


def _marks(found: Support) -> list[str]:
    mark = found.decisive.mark if found.decisive else None
    return [*([mark] if mark else []), *(["upstream"] if found.upstream else [])]


def _support_dates(record: DatabaseRecord, as_of: AsOf) -> list[str]:
    """All dates of a release: `Premier Support (premier) 2025-04-30`."""
    return [f"{each.name} ({each.kind}) {_end(each)}" for each in as_of.support(record).dates]


def _end(each: SupportDate) -> date | str:
    return each.ends if isinstance(each.ends, date) else SUPPORT_WITHOUT_END[each.ends]


def _support_notes(record: DatabaseRecord, as_of: AsOf) -> list[str] | None:
    """Whose dates they are, why there is none, and what else to know."""
    found = as_of.support(record)
    upstream = [f"Dates of {ENGINE_LABELS[found.upstream]}."] if found.upstream else []
    reason = [f"{found.reason[:1].upper()}{found.reason[1:]}."] if found.reason else []
    return [*upstream, *reason, *found.notes] or None


def first_support_ends(record: DatabaseRecord, as_of: AsOf) -> date | None:
    """The last day of Premier, mainstream or community support."""
    first = next(iter(as_of.support(record).dates), None)
    return first.ends if first and first.kind != "paid" and isinstance(first.ends, date) else None


SUPPORT_COLUMNS: tuple[Column[DatabaseRecord], ...] = (
    Column(
        "Support state",
        value=lambda record, as_of: as_of.support(record).state,
        help="supported, ends_within_year, ended or unknown, by the day in `Support ends on`.",
        drawer=None,
    ),
    Column(
        "Support ends on",
        value=lambda record, as_of: as_of.support(record).ends,
        format="date",
        help="Last day on which the version gets fixes without a further contract.",
        drawer=None,
    ),
    Column(
        "Support date is",
        value=_support_date_is,
        format="list",
        help="Which date `Support ends on` is: its name; community, premier or extended; whether "
        "it is an estimate or doubtful; upstream, where it is another product's.",
        drawer=None,
    ),
    Column(
        "Support dates",
        value=_support_dates,
        format="list",
        help="All dates of the version, also of support that is bought (paid).",
        drawer=None,
    ),
    Column(
        "Support notes",
        value=_support_notes,
        format="list",
        help="Why no date is known, and what to know about those that are.",
        optional=True,
        found_by=support_source,
    ),
    Column(
        "Support dates as of",
        value=lambda record, as_of: as_of.support(record).as_of,
        format="date",
        help="The day on which the support dates were taken.",
        drawer=None,
    ),
)
"""The last columns of the CSV, and a row of the drawer."""
