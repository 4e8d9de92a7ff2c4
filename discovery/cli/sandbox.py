"""`sandbox`: the local AWS alone, for any AWS client."""

from __future__ import annotations

from collections.abc import Mapping

import click

from discovery.cli.local_aws import enter, export_lines


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
    enter({})  # the sandbox too is an AWS client: of itself only
    from discovery.sandbox import serve

    serve(_announce, port=port, include_this_host=this_host)


def _announce(exports: Mapping[str, str]) -> None:
    click.echo(export_lines(exports))
    click.echo(f"local AWS at {exports['AWS_ENDPOINT_URL']}; Ctrl-C stops it", err=True)
