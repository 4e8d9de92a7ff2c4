"""`probe`: what discovery would see on this host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from discovery.artefacts import PROBE, ROOT
from discovery.cli.boundary import CommandFailed
from discovery.cli.tables import cell_text, print_table
from discovery.model import ENGINE_LABELS, HostReport
from discovery.view.formatting import size as size_text

_HEADINGS = (
    *("DATABASE", "ENGINE", "VERSION", "STATUS", "PORT", "SIZE", "DATA DIRECTORY"),
    "VERSION KNOWN FROM",
)


@click.command()
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("/"),
    show_default=True,
    help="Look at this folder as if it were the host's /.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the probe's own report.")
def probe(root: Path, as_json: bool) -> None:
    """Show what discovery would see on this host.

    Runs the same probe here. It reads only: no database is connected to and nothing is written. As
    another user than root it sees less, and says what.

    \b
    Examples:
      sudo python -m discovery probe
      python -m discovery probe --json
    """
    from discovery.inventory.report import parse_report

    finished = subprocess.run(  # noqa: S603  this product's own probe
        [sys.executable, "-I", str(ROOT / PROBE), "--root", str(root)],
        capture_output=True,
        check=False,
    )
    if finished.returncode:
        message = finished.stderr.decode("utf-8", "replace").strip()
        raise CommandFailed(f"the probe ended with exit code {finished.returncode}: {message}")
    output = finished.stdout.decode("utf-8", "replace")
    report = parse_report(output)
    if as_json:
        click.echo(output, nl=False)
    else:
        _print_report(report)


def _print_report(report: HostReport) -> None:
    host = report.host
    memory = f"{host.system_memory_mb:,} MiB memory" if host.system_memory_mb else None
    cores = f"{host.system_cpu_cores} cores" if host.system_cpu_cores else None
    facts = (host.hostname, host.os_name, host.kernel, host.architecture, memory, cores)
    click.echo(", ".join(fact for fact in facts if fact))
    click.echo(f"{len(report.databases)} databases, {report.elapsed_ms} ms")
    if report.databases:
        click.echo()
        print_table(
            _HEADINGS,
            (
                (
                    database.db_id,
                    ENGINE_LABELS.get(database.engine, database.engine),
                    database.version,
                    database.status.value,
                    str(database.port) if database.port else None,
                    size_text(database.data_size_mb, complete=database.data_size_complete),
                    database.data_dir,
                    database.evidence.get("version"),
                )
                for database in report.databases
            ),
        )
    for warning in report.warnings:
        click.echo(f"warning: {cell_text(warning)}", err=True)
