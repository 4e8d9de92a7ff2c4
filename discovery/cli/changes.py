"""`changes`: what runs found to be different."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

import click

from discovery.clock import iso
from discovery.errors import NotFoundError
from discovery.inventory.changes import ChangeFilter, first_run_id, is_run_id
from discovery.model import Change, ChangeKind
from discovery.settings import load_settings

_HEADINGS = ("Found", "Change", "Account", "Region", "Instance", "Database", "Before", "After")


@click.command()
@click.option(
    "--since",
    required=True,
    metavar="RUN|DATE",
    help="From this run on, from this UTC date or time on (2026-02-04, 2026-02-04T10:00), or from "
    "so many days ago on (7d).",
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(list(ChangeKind)),
    help="Only this kind of change.",
)
@click.option("--account", "accounts", multiple=True, metavar="ID", help="Only this account.")
@click.option("--engine", "engines", multiple=True, metavar="NAME", help="Only this engine.")
@click.option("--text", default="", help="Only where all these words occur.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def changes(
    since: str,
    kinds: tuple[str, ...],
    accounts: tuple[str, ...],
    engines: tuple[str, ...],
    text: str,
    as_json: bool,
) -> None:
    """What runs found to be different, oldest run first.

    Databases that appeared, were upgraded or downgraded, moved, started, stopped, grew or went.
    Options may be repeated; the values of one are alternatives. Reads the tables and scans
    nothing.

    \b
    Examples:
      python -m discovery changes --since 2026-02-01
      python -m discovery changes --since 7d --kind upgraded --kind downgraded
      python -m discovery changes --since 20260204T100000.000Z-4f1c2a --json
    """
    from discovery.aws.runs import RunStore
    from discovery.aws.session import Aws
    from discovery.cli.tables import print_table

    first = first_run_id(since, datetime.now(UTC))
    where = ChangeFilter(
        kinds=frozenset(kinds),
        accounts=frozenset(accounts),
        engines=frozenset(engines),
        text=text,
    )
    store = RunStore(Aws(load_settings()))
    if is_run_id(since) and store.run(since) is None:
        raise NotFoundError(f"run {since} does not exist")
    runs = store.runs_since(first)[::-1]
    found = [change for run in runs for change in store.changes(run.run_id)]
    wanted = [change for change in found if where.matches(change)]
    if as_json:
        for change in wanted:
            click.echo(json.dumps(change_object(change)))
        return
    print_table(_HEADINGS, map(_row, wanted))
    click.echo(f"{len(wanted):,} change(s) in {len(runs):,} run(s)", err=True)


def _row(change: Change) -> tuple[object, ...]:
    return (
        iso(change.at),
        change.kind.value,
        change.account_id,
        change.region,
        change.instance_id,
        change.db_id,
        change.before,
        change.after,
    )


def change_object(change: Change) -> dict[str, object]:
    """Every field of `change` as JSON has it."""
    return dataclasses.asdict(change) | {"at": iso(change.at), "kind": change.kind.value}
