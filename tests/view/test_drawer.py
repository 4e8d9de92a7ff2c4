"""One record in full."""

from __future__ import annotations

from datetime import timedelta

from discovery.inventory.as_of import AsOf
from discovery.view.drawer import database_facts, host_facts
from tests.support.snapshots import NOW, database

AS_OF = AsOf(NOW)


def test_a_record_in_full_tells_how_each_value_was_found() -> None:
    """Each field of a record stands beside its evidence."""
    record = database()
    rows = {row[0]: row[1:] for row in database_facts(record, AS_OF)}
    assert rows["Version"] == ("8.0.35", record.evidence["version"])
    assert rows["Data size"] == ("2.0 GiB (2,048.00 MiB)", "sum of file sizes")
    assert rows["Support"] == (
        "Until 2026-04-30 (Extended Support); Premier Support: 2025-04-30",
        "endoflife.date, as of 2026-08-22",
    )
    assert rows["Container"] == ("–", "–")  # noqa: RUF001


def test_the_host_of_a_record_shows_its_tags() -> None:
    """All tags of the instance are part of the record in full."""
    assert ("Tag Owner", "orders") in host_facts(database(), AS_OF)


def test_what_only_some_databases_have_is_shown_where_it_is_known() -> None:
    """A database outside a container has no row for its image; one with clients names them, the
    most connected first."""
    plain = {name for name, _, _ in database_facts(database(), AS_OF)}
    assert plain.isdisjoint({"Container image", "TLS", "Clients", "Gone since", "Started"})
    record = database(
        image="mysql:8.0.35",
        tls=False,
        clients={"10.0.4.21": 3, "10.0.4.22": 12},
        clients_total=15,
        started_at=NOW - timedelta(days=2),
        disk_free_mb=51200,
    )
    rows = {name: value for name, value, _ in database_facts(record, AS_OF)}
    assert rows["Container image"] == "mysql:8.0.35"
    assert rows["TLS"] == "not configured"
    assert rows["Client connections"] == "15"
    assert rows["Clients"] == "10.0.4.22 (12), 10.0.4.21 (3)"
    assert rows["Started"] == "2 d ago (2026-02-28 12:00:00 UTC)"
    assert rows["Disk free"] == "50.0 GiB"


def test_a_size_cut_short_is_a_lower_bound() -> None:
    """An incomplete size reads "at least", and is the same number in exact."""
    rows = {row[0]: row[1] for row in database_facts(database(data_size_complete=False), AS_OF)}
    assert rows["Data size"] == "≥ 2.0 GiB (2,048.00 MiB)"
