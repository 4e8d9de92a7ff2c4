"""`changes`: what runs found to be different."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime

import click

from discovery.errors import NotFoundError, RequestError
from discovery.model import Change
from discovery.settings import load_settings
from discovery.text import iso, shown

_RUN_ID = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{6}")
_RUNS_READ = 1000


@click.command()
@click.option(
    "--since",
    required=True,
    metavar="RUN|DATE",
    help="From this run on, or from this UTC date or time on (2026-02-04, 2026-02-04T10:00).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def changes(since: str, as_json: bool) -> None:
    """What runs found to be different, oldest run first.

    Databases that appeared, were upgraded or downgraded, moved, started, stopped, grew or went.
    Reads the tables and scans nothing.

    \b
    Examples:
      python -m discovery changes --since 2026-02-01
      python -m discovery changes --since 20260204T100000.000Z-4f1c2a --json
    """
    from discovery.aws.runs import RunStore
    from discovery.aws.session import Aws
    from discovery.cli.tables import print_table

    first = first_run_id(since)
    store = RunStore(Aws(load_settings()))
    if first == since and store.run(since) is None:
        raise NotFoundError(f"run {since} does not exist")
    runs = sorted(run.run_id for run in store.recent_runs(_RUNS_READ) if run.run_id >= first)
    found = [change for run_id in runs for change in store.changes(run_id)]
    if as_json:
        for change in found:
            click.echo(json.dumps(change_object(change)))
        return
    rows = [
        (
            iso(change.at),
            change.kind.value,
            change.account_id,
            change.region,
            change.instance_id,
            change.db_id,
            change.before,
            change.after,
        )
        for change in found
    ]
    headings = ("When", "Change", "Account", "Region", "Instance", "Database", "Before", "After")
    print_table(headings, rows)
    click.echo(f"{len(rows):,} change(s) in {len(runs):,} run(s)", err=True)


def first_run_id(since: str) -> str:
    """The run id that the first run from `since` on is not below: ids sort by time.

    Raises RequestError for what is neither a run id nor a date.
    """
    if _RUN_ID.fullmatch(since):
        return since
    try:
        at = datetime.fromisoformat(since)
    except ValueError as error:
        raise RequestError(
            f"--since {shown(since)} is neither a run id nor a date",
            hint="Use 2026-02-04, 2026-02-04T10:00 or a run's id.",
        ) from error
    at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    return f"{at:%Y%m%dT%H%M%S}"


def change_object(change: Change) -> dict[str, object]:
    """Every field of `change` as JSON has it."""
    return dataclasses.asdict(change) | {"at": iso(change.at), "kind": change.kind.value}
