from __future__ import annotations

import io
from collections.abc import Sequence

import streamlit as st

from discovery.errors import RequestError
from discovery.export.csv import write_csv
from discovery.inventory.query import Filter, paginate
from discovery.model import DatabaseRecord
from discovery.view import formatting as fmt
from discovery.view import frames, snapshot
from discovery.view.access import Role
from discovery.view.databases import ORDERS, Choice, chosen, options, version_options
from discovery.view.labels import SUPPORT_WORDS
from discovery.view.snapshot import Snapshot
from pages.components import drawer, page, tables
from pages.components.filters import UrlFilters

page.require(Role.VIEWER)

_SEVERAL = (
    "account",
    "region",
    "engine",
    "version",
    "status",
    "support",
    "freshness",
    "environment",
)
_HIDDEN = ("Instance id",)


def filter_bar(shown: Snapshot, filters: UrlFilters) -> dict[str, list[str]]:
    """The filters; what they are set to."""
    values = options(shown)
    engines = frozenset(filters.chosen("engine"))
    first = st.columns((1.5, 1, 1, 1, 1), gap="small")
    second = st.columns((1.5, 1, 1, 1, 1), gap="small")
    with first[0]:
        filters.search("q", "Search", placeholder="Name, path, tag, version")
    with first[1]:
        filters.choose("engine", "Engine", values["engine"], shown=fmt.engine)
    with first[2]:
        filters.choose("version", "Version", version_options(shown, engines))
    with first[3]:
        filters.choose("support", "Support", values["support"], shown=support_word)
    with first[4]:
        filters.choose("status", "Status", values["status"])
    with second[0]:
        filters.choose_one("sort", "Order", ORDERS)
    with second[1]:
        filters.choose("account", "Account", values["account"])
    with second[2]:
        filters.choose("region", "Region", values["region"])
    with second[3]:
        filters.choose("environment", "Environment", values["environment"])
    with second[4]:
        filters.choose("freshness", "Freshness", values["freshness"], shown=str.capitalize)
    return filters.values()


def support_word(state: str) -> str:
    """The word for a support state; a value from the URL that is none, as it is."""
    return next((word for known, word in SUPPORT_WORDS.items() if known == state), state)


def csv_of(records: Sequence[DatabaseRecord]) -> str:
    """What the table shows, and all of it, as CSV."""
    out = io.StringIO(newline="")
    write_csv(records, out, page.staleness())
    return out.getvalue()


def count_line(records: Sequence[DatabaseRecord], shown: Snapshot, filters: UrlFilters) -> None:
    """How many of how many, how much, and what can be done with them.

    Buttons stand left: the table's own ones appear over its right corner.
    """
    total = len(select_all(shown))
    size = sum(record.data_size_mb or 0 for record in records)
    unknown = sum(record.data_size_mb is None for record in records)
    hosts = len({record.instance_id for record in records})
    parts = [
        f"**{fmt.number(len(records))}** of {fmt.number(total)} databases",
        f"{fmt.number(hosts)} host" + ("" if hosts == 1 else "s"),
        fmt.size(size) + (f" and {fmt.number(unknown)} of unknown size" if unknown else ""),
    ]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(" · ".join(parts), width="content")
        st.download_button(
            "Download CSV",
            lambda: csv_of(records),
            file_name=f"databases-{page.now():%Y%m%d-%H%M}.csv",
            mime="text/csv",
            on_click="ignore",
            disabled=not records,
        )
        st.button(
            "Reset filters", on_click=filters.reset, type="tertiary", disabled=not is_filtered
        )


def select_all(shown: Snapshot) -> Sequence[DatabaseRecord]:
    """Every database that is not gone."""
    return chosen(shown, Choice(Filter()), page.now().date())


def table_of(records: Sequence[DatabaseRecord], shown: Snapshot, filters: UrlFilters) -> None:
    """The table, a part at a time when there are more than a browser should hold."""
    pages = paginate(records, 1, tables.ROWS_SHOWN).pages
    number = 1
    if pages > 1:
        number = st.pagination(pages, key=f"page-{filters.generation}-{len(records)}")
    part = paginate(records, number, tables.ROWS_SHOWN).items
    frame = frames.databases(part, frames.Supports(page.now().date()), page.staleness())
    view = f"{filters.generation}-{hash((choice, shown.loaded_at, number))}"
    row = tables.table(
        frame,
        key=f"databases-{view}",
        alt="Databases",
        rows=18,
        selectable=True,
        hidden=_HIDDEN,
    )
    if row is not None:
        drawer.name(part[row].key)


shown = page.current_snapshot()
page.header("Databases", shown)
filters = UrlFilters("databases", several=_SEVERAL, single={"sort": next(iter(ORDERS))})
values = filter_bar(shown, filters)
is_filtered = bool(values)
try:
    choice = Choice.from_params(values)
except RequestError as error:
    page.show_error(error)
    st.button("Reset filters", on_click=filters.reset)
    st.stop()
records = chosen(shown, choice, page.now().date(), snapshot.settings().stale_days)
count_line(records, shown, filters)
if records:
    table_of(records, shown, filters)
    drawer.show_named(shown, filters)
elif is_filtered:
    st.info("No database matches these filters.")
    st.button("Reset all filters", on_click=filters.reset, type="primary")
else:
    st.info("No database has been found yet.")
