"""Empty tables for tests that look at everything a run wrote."""

from __future__ import annotations

from sandbox import Sandbox


def empty_tables(sandbox: Sandbox) -> None:
    """Delete every item of both tables, as their owner."""
    client = sandbox.client("dynamodb")
    for table, keys in (
        (sandbox.settings.results_table, ("account_id", "instance_db_id")),
        (sandbox.settings.runs_table, ("pk", "sk")),
    ):
        for page in client.get_paginator("scan").paginate(TableName=table):
            for item in page["Items"]:
                client.delete_item(TableName=table, Key={name: item[name] for name in keys})
