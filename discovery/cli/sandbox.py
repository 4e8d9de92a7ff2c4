"""`sandbox`: the local AWS alone, for any AWS client."""

from __future__ import annotations

import contextlib

import click

from discovery.cli.local_aws import LocalAws, export_lines


@click.command()
@click.option("--port", default=0, show_default="a free one", help="Port on 127.0.0.1.")
@click.option("--this-host", is_flag=True, help="Add this very machine to the estate as a host.")
def sandbox(port: int, this_host: bool) -> None:
    """Run a local AWS with a demo estate.

    Prints the exports that point any AWS client at it. Ctrl-C ends it; nothing
    of it is kept.

    \b
    Example:
      python -m discovery sandbox > sandbox.env &
      source sandbox.env
      python -m discovery scan
      aws ec2 describe-instances
    """
    options = ["--port", str(port), *(["--include-this-host"] if this_host else [])]
    with contextlib.suppress(KeyboardInterrupt), LocalAws(*options) as local_aws:
        exports = local_aws.environment()
        click.echo(export_lines(exports))
        click.echo(f"local AWS at {exports['AWS_ENDPOINT_URL']}; Ctrl-C stops it", err=True)
        local_aws.wait()
