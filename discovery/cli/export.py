"""`export`: the inventory as a file."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click

from discovery.inventory.as_of import AsOf
from discovery.model import ENGINE_LABELS, DatabaseRecord, DatabaseStatus
from discovery.settings import load_settings


@click.command()
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["csv", "json"]),
    default="csv",
    show_default=True,
    help="CSV for a spreadsheet or a migration tool, JSON with every field.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; stdout without it.",
)
@click.option("--account", "accounts", multiple=True, metavar="ID", help="Only this account.")
@click.option("--region", "regions", multiple=True, metavar="NAME", help="Only this region.")
@click.option(
    "--engine",
    "engines",
    multiple=True,
    metavar="NAME",
    help=f"Only this engine, for example {', '.join(list(ENGINE_LABELS)[:4])}.",
)
@click.option(
    "--version",
    "versions",
    multiple=True,
    metavar="PREFIX",
    help="Only this version; 8.0 takes every 8.0.x.",
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    metavar="STATUS",
    help=f"Only this status: {', '.join(DatabaseStatus)}. Without it, all but gone.",
)
@click.option(
    "--environment", "environments", multiple=True, metavar="TAG", help="Only this environment tag."
)
@click.option("--text", default="", help="Only where all these words occur, as in the dashboard.")
def export(
    file_format: str,
    output: Path | None,
    accounts: tuple[str, ...],
    regions: tuple[str, ...],
    engines: tuple[str, ...],
    versions: tuple[str, ...],
    statuses: tuple[str, ...],
    environments: tuple[str, ...],
    text: str,
) -> None:
    """Write the databases that are known.

    Options may be repeated; the values of one are alternatives. Reads the tables and scans
    nothing.

    \b
    Examples:
      python -m discovery export --output databases.csv
      python -m discovery export --engine mysql --version 5.7 --environment production
      python -m discovery export --format json --status gone
    """
    from discovery.aws.inventory import Inventory
    from discovery.aws.session import Aws
    from discovery.aws.watched import unwatched_scopes
    from discovery.inventory.query import Filter, select, sort

    where = Filter(
        accounts=frozenset(accounts),
        regions=frozenset(regions),
        engines=frozenset(engines),
        versions=frozenset(versions),
        statuses=frozenset(statuses),
        environments=frozenset(environments),
        text=text,
    )
    settings = load_settings()
    aws = Aws(settings)
    as_of = AsOf(datetime.now(UTC), settings.stale_days, unwatched_scopes(aws))
    records = sort(select(Inventory(aws).all_records(), where), "account_id")
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
            sys.stdout.reconfigure(encoding="utf-8")  # a file, or a program that reads one
        _write(file_format, records, sys.stdout, as_of)
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        count = _write(file_format, records, file, as_of)
    click.echo(f"{count:,} databases in {output}", err=True)


def _write(file_format: str, records: Iterable[DatabaseRecord], out: TextIO, as_of: AsOf) -> int:
    from discovery.export.csv import write_databases
    from discovery.export.json import write_json

    if file_format == "csv":
        return write_databases(records, out, as_of)
    return write_json(records, out)
