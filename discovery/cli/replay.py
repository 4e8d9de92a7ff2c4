"""`replay`: bring in what DynamoDB did not take."""

from __future__ import annotations

import click

from discovery.cli.boundary import EXIT_FAILED
from discovery.sanitize import printable
from discovery.settings import load_settings


@click.command()
@click.pass_context
def replay(ctx: click.Context) -> None:
    """Store what DynamoDB did not take of earlier runs.

    Those are results, and the records of the runs themselves. Reads the folder DISCOVERY_SPOOL_DIR
    and the queue DISCOVERY_DLQ_URL. What is stored is removed from there. Nothing overwrites what a
    newer run has found; repeating does no harm.

    Exit codes: 0 nothing is left; 3 something could not be stored and is kept.

    \b
    Example:
      python -m discovery replay
    """
    from discovery.run import replay_spooled

    done = replay_spooled(load_settings())
    click.echo(f"{done.written:,} stored, {len(done.problems):,} kept")
    for note in done.replaced:
        click.echo(f"warning: {printable(note, 500)}", err=True)
    for problem in done.problems:
        click.echo(f"error: {printable(problem, 500)}", err=True)
    ctx.exit(EXIT_FAILED if done.problems else 0)
