"""`doctor`: is everything there that a run needs?"""

from __future__ import annotations

import click

from discovery.cli.boundary import EXIT_FAILED
from discovery.settings import load_settings
from discovery.text import printable


@click.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check each permission and resource a run needs.

    Says how to mend what is missing. Changes nothing and sends no command to any host.

    Exit codes: 0 all is well; 3 something is not.

    \b
    Example:
      python -m discovery doctor
    """
    from discovery.doctor import examine

    failed = total = 0
    for finding in examine(load_settings()):
        total += 1
        failed += not finding.ok
        state = "ok  " if finding.ok else "fail"
        click.echo(f"{state}  {finding.subject}: {printable(finding.detail)}")
        if finding.fix:
            click.echo(f"      {printable(finding.fix)}")
    click.echo(f"{total - failed} ok, {failed} failed")
    ctx.exit(EXIT_FAILED if failed else 0)
