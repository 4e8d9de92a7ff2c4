"""`lifecycle`: the support dates that are known, and how they are renewed from a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import click

from discovery.cli.boundary import CommandFailed, WronglyUsed
from discovery.clock import Clock
from discovery.inventory import support_file
from discovery.inventory.lifecycle import table_is_old
from discovery.inventory.support_file import parse_table, read_content, read_table
from discovery.inventory.support_table import Cycle, SupportTable


@click.command()
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the dates of this file; its shape is that of lifecycle.json.",
)
@click.option("--check", is_flag=True, help="With --from: say what would change, write nothing.")
def lifecycle(source: Path | None, check: bool) -> None:
    """Tell the age of the support dates, or renew them.

    Renewing reads a file and no network. The file is checked before it replaces the dates: its
    shape, that no date contradicts another, and that it is not older than what is there. What
    changes is printed, a line a release: + new, ~ changed, - no longer there.

    Exit codes: 0 done; 2 the file is not fit; 3 the dates could not be written.

    \b
    Examples:
      python -m discovery lifecycle
      python -m discovery lifecycle --from lifecycle.json --check
      python -m discovery lifecycle --from lifecycle.json
    """
    today = Clock().now().date()
    if source is None:
        if check:
            raise WronglyUsed("--check needs a file", hint="Name it: --from FILE.")
        click.echo(described(read_table(support_file.TABLE), today))
        return
    for line in renew(source, support_file.TABLE, today, write=not check):
        click.echo(line)


def described(table: SupportTable, today: date) -> str:
    """`Support dates of 2026-08-22 (97 days old): 21 engines, 377 releases.`"""
    releases = sum(len(calendar.cycles) for calendar in table.calendars.values())
    age = f"{(today - table.as_of).days:,} days old"
    old = " They are old: renew them with --from." if table_is_old(table.as_of, today) else ""
    return (
        f"Support dates of {table.as_of} ({age}): {len(table.calendars):,} engines, "
        f"{releases:,} releases. Source: {table.source}.{old}"
    )


def renew(source: Path, target: Path, today: date, *, write: bool) -> Iterator[str]:
    """Check the dates in `source`, put them in the place of `target`; lines that say what changes.

    Raises ConfigurationError for a file of another shape, WronglyUsed for one that is older than
    `target` or of a day to come, and CommandFailed where it cannot be written.
    """
    content = read_content(source)
    before, after = read_table(target), parse_table(content, str(source))
    if after.as_of < before.as_of:
        raise WronglyUsed(
            f"{source}: its dates are of {after.as_of}, those in use of {before.as_of}",
            hint="A file must not be older than what it replaces: look at its as_of.",
        )
    if after.as_of > today:
        raise WronglyUsed(f"{source}: as_of is {after.as_of}, a day to come")
    changes = list(_changes(before, after))
    yield from changes
    if write:
        _replace(target, content)
    done = "written to" if write else "nothing is written to"
    count = f"{len(changes):,} {'release changes' if len(changes) == 1 else 'releases change'}"
    yield f"{count}; dates of {before.as_of} -> {after.as_of}; {done} {target}"


def _changes(before: SupportTable, after: SupportTable) -> Iterator[str]:
    old, new = _lines(before), _lines(after)
    for name in [*new, *(name for name in old if name not in new)]:
        if name not in old:
            yield f"+ {name}: {new[name]}"
        elif name not in new:
            yield f"- {name}: {old[name]}"
        elif old[name] != new[name]:
            yield f"~ {name}: {old[name]} -> {new[name]}"


def _lines(table: SupportTable) -> dict[str, str]:
    """Engine and release -> its dates in words."""
    return {
        f"{engine} {cycle.name}": _dates(cycle, calendar.upstream)
        for engine, calendar in table.calendars.items()
        for cycle in calendar.cycles.values()
    }


def _dates(cycle: Cycle, upstream: str | None) -> str:
    dates = [
        f"{each.name} ({each.kind}) {each.ends}" + (f" {each.mark}" if each.mark else "")
        for each in cycle.dates
    ]
    of = [f"of {upstream}"] if upstream else []
    return ", ".join([*dates, *of, *([cycle.note] if cycle.note else [])])


def _replace(target: Path, content: bytes) -> None:
    """Put `content` in the place of `target` at once: a reader sees the old or the new."""
    beside: Path | None = None
    try:
        mode = target.stat().st_mode
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            beside = Path(file.name)
            file.write(content)
        beside.chmod(mode)
        beside.replace(target)
    except OSError as error:
        if beside is not None:
            beside.unlink(missing_ok=True)
        raise CommandFailed(
            f"{target}: {error.strerror}",
            hint="Renew the dates where this package can be written, and deploy it from there.",
        ) from error
