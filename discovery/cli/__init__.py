"""The command line: `python -m discovery …`. One file a command.

Commands import what is heavy (boto3, pandas, streamlit, moto) when they run, so that `--help` is
instant. Results go to stdout; progress, messages and errors go to stderr.
"""

from __future__ import annotations

import click

from discovery import __version__
from discovery.cli.boundary import Commands, set_up
from discovery.cli.changes import changes
from discovery.cli.demo import demo
from discovery.cli.doctor import doctor
from discovery.cli.export import export
from discovery.cli.lifecycle import lifecycle
from discovery.cli.probe import probe
from discovery.cli.release import release
from discovery.cli.render import render
from discovery.cli.replay import replay
from discovery.cli.sandbox import sandbox
from discovery.cli.scan import scan
from discovery.cli.serve import serve


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Log what happens, and show tracebacks.")
@click.option(
    "--log",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    envvar="DISCOVERY_LOG",
    show_envvar=True,
    help="How stderr is written; json: a line for each thing that happens, no progress.",
)
@click.version_option(__version__, prog_name="database-discovery")
def main(debug: bool, log: str) -> None:
    """Find every database on the EC2 hosts of an AWS organisation.

    Settings come from environment variables: see the table in README.md. Without an AWS account,
    start with `demo`.

    Exit codes: 0 done; 2 wrong usage or configuration; 3 something failed; 130 interrupted.
    """
    set_up(debug=debug, log=log)


for command in (
    demo,
    sandbox,
    scan,
    replay,
    release,
    changes,
    export,
    serve,
    probe,
    doctor,
    render,
    lifecycle,
):
    main.add_command(command)
