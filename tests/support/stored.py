"""Puts records straight into the tables, as they would be stored by a run."""

from __future__ import annotations

from discovery.aws.inventory import record_item, record_key
from discovery.aws.runs import RunStore, change_item
from discovery.aws.session import Aws
from discovery.model import Change, DatabaseRecord
from discovery.settings import Settings


def store_records(settings: Settings, *records: DatabaseRecord) -> None:
    """Put `records` into the results table, whatever is there."""
    table = Aws(settings).table(settings.results_table)
    for record in records:
        table.put_item(Item=record_item(record))


def remove_record(settings: Settings, record: DatabaseRecord) -> None:
    """Take `record` out of the results table."""
    Aws(settings).table(settings.results_table).delete_item(Key=record_key(record))


def store_changes(runs: RunStore, *changes: Change) -> None:
    """Put `changes` into the runs table."""
    for change in changes:
        runs._table.put_item(Item=change_item(change, runs._days))
