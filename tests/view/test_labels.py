"""Words for states of support."""

from __future__ import annotations

from datetime import date

import pytest

from discovery.inventory.as_of import AsOf
from discovery.inventory.lifecycle import support
from discovery.view.drawer import database_facts
from discovery.view.labels import support_dates_age, support_sentence
from tests.support.snapshots import NOW, database

TODAY = date(2026, 11, 27)


@pytest.mark.parametrize(
    ("engine", "version", "sentence"),
    [
        (
            "mysql",
            "8.0.35",
            "Ended on 2026-04-30 (Extended Support); Premier Support: 2025-04-30",
        ),
        (
            "mysql",
            "9.7.0",
            "Until 2034-04-21 (Extended Support, estimate); Premier Support: no end published",
        ),
        ("percona", "8.0.35", "Ended on 2026-04-30 (Extended Support, of MySQL); Premier Support"),
        (
            "mariadb",
            "10.6.1",
            "Ended on 2026-07-06 (Community support); Enterprise support (paid): 2029-08-23",
        ),
        (
            "cassandra",
            "4.1.2",
            "Supported on 2026-08-22 (Community support), no end published",
        ),
        ("mongodb", "8.3.0", "Unknown: the source's date, 2029-10-31, is doubtful"),
        ("keydb", "6.3", "Unknown: no support dates are known for KeyDB"),
        ("postgresql", "19.1", "Unknown: newer than 18"),
    ],
)
def test_the_sentence_names_every_date(engine: str, version: str, sentence: str) -> None:
    """The date that decides comes first, with its name and mark; then the others with theirs."""
    assert support_sentence(support(engine, version, TODAY)).startswith(sentence)


def test_old_dates_ask_to_be_renewed() -> None:
    """The day of the dates is always told; after 120 days what that means, too."""
    taken = date(2026, 8, 22)
    assert support_dates_age(taken, TODAY) == "Support dates are of 2026-08-22."
    old = support_dates_age(taken, date(2026, 12, 21))
    assert "2026-08-22, 121 days ago" in old
    assert "lifecycle --from FILE" in old


def test_the_drawer_tells_what_to_know_about_the_dates() -> None:
    """A note stands with its source; a version without one has no row for it."""
    record = database(engine="percona", version="8.0.35-27")
    rows = {row[0]: row[1:] for row in database_facts(record, AsOf(NOW))}
    assert rows["Support notes"][0].startswith("Dates of MySQL.")
    plain = database(engine="postgresql", version="16.1")
    assert "Support notes" not in {row[0] for row in database_facts(plain, AsOf(NOW))}
