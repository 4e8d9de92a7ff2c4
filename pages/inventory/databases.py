from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from discovery.errors import RequestError
from discovery.inventory.columns import in_table
from discovery.inventory.database_columns import DATABASE_COLUMNS
from discovery.model import DatabaseRecord
from discovery.view import databases
from discovery.view import formatting as fmt
from discovery.view.access import Role
from discovery.view.databases import DatabaseQuery, select_databases
from discovery.view.snapshot import Snapshot, settings
from pages.components import drawer, page, tables
from pages.components.errors import show_error
from pages.components.filters import UrlFilters

page.require(Role.VIEWER)

_COLUMNS = in_table(DATABASE_COLUMNS)
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


def main() -> None:
    """Which databases run where."""
    snapshot = page.current_snapshot()
    page.header("Databases", snapshot)
    filters = UrlFilters("databases", several=_SEVERAL, single={"sort": databases.USUAL_ORDER})
    params = show_filters(snapshot, filters)
    query = read_query(params, filters)
    records = select_databases(snapshot, query, page.now().date(), settings().stale_days)
    show_count(records, snapshot, filters, is_filtered=bool(params))
    if records:
        view = (query, snapshot.loaded_at)
        record = tables.paged_table(
            _COLUMNS, records, filters, key="databases", alt="Databases", view=view
        )
        if record is not None:
            drawer.name_record(record.key)
        drawer.show_named(snapshot, filters)
    elif params:
        st.info("No database matches these filters.")
        st.button("Reset all filters", on_click=filters.reset, type="primary")
    else:
        st.info("No database has been found yet.")


def show_filters(snapshot: Snapshot, filters: UrlFilters) -> Mapping[str, Sequence[str]]:
    """The filters; the URL parameters they are set to."""
    options = databases.filter_options(snapshot)
    engines = frozenset(filters.chosen("engine"))
    first = st.columns((1.5, 1, 1, 1, 1), gap="small")
    second = st.columns((1.5, 1, 1, 1, 1), gap="small")
    with first[0]:
        filters.search("q", "Search", placeholder="Name, path, tag, version")
    with first[1]:
        filters.choose("engine", "Engine", options["engine"], name=fmt.engine)
    with first[2]:
        filters.choose("version", "Version", databases.version_options(snapshot, engines))
    with first[3]:
        filters.choose("support", "Support", options["support"], name=databases.support_label)
    with first[4]:
        filters.choose("status", "Status", options["status"])
    with second[0]:
        filters.choose_one("sort", "Order", databases.ORDERS)
    with second[1]:
        filters.choose("account", "Account", options["account"])
    with second[2]:
        filters.choose("region", "Region", options["region"])
    with second[3]:
        filters.choose("environment", "Environment", options["environment"])
    with second[4]:
        filters.choose("freshness", "Freshness", options["freshness"], name=str.capitalize)
    return filters.values()


def read_query(params: Mapping[str, Sequence[str]], filters: UrlFilters) -> DatabaseQuery:
    """What the parameters ask for. Says what is wrong, and stops the page, when a value is none."""
    try:
        return DatabaseQuery.from_params(params)
    except RequestError as error:
        show_error(error)
        st.button("Reset filters", on_click=filters.reset)
        st.stop()


def show_count(
    records: Sequence[DatabaseRecord],
    snapshot: Snapshot,
    filters: UrlFilters,
    *,
    is_filtered: bool,
) -> None:
    """How many of how many, how much, and what can be done with them.

    Buttons stand left: the table's own ones appear over its right corner.
    """
    total = databases.count_databases(snapshot)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(databases.summary(records, total), width="content")
        st.download_button(
            "Download CSV",
            lambda: databases.csv_text(records, page.as_of()),
            file_name=f"databases-{page.now():%Y%m%d-%H%M}.csv",
            mime="text/csv",
            on_click="ignore",
            disabled=not records,
        )
        st.button(
            "Reset filters", on_click=filters.reset, type="tertiary", disabled=not is_filtered
        )


main()
