"""`scan`: one discovery run, from the terminal."""

from __future__ import annotations

import json
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event as Flag
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from discovery.cli.boundary import EXIT_FAILED, EXIT_INTERRUPTED, say, tell
from discovery.model import Coverage, RunRecord, RunRequest, RunStatus
from discovery.sanitize import printable
from discovery.settings import load_settings
from discovery.view.labels import clock_off, skipped_accounts

if TYPE_CHECKING:
    from discovery.cli.progress import Progress

_NAMED_HOSTS = 5
_MESSAGE_CHARACTERS = 300


@click.command()
@click.option("--account", "accounts", multiple=True, metavar="ID", help="Only this account.")
@click.option("--region", "regions", multiple=True, metavar="NAME", help="Only this region.")
@click.option("--instance", "instances", multiple=True, metavar="ID", help="Only this instance.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MINUTES",
    help="End after this time; what is in flight then, the next scan collects.",
)
@click.option(
    "--resume",
    metavar="RUN",
    help="Complete this run: collect what it left in flight, scan what it did not reach.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the run as JSON.")
@click.pass_context
def scan(
    ctx: click.Context,
    accounts: tuple[str, ...],
    regions: tuple[str, ...],
    instances: tuple[str, ...],
    deadline: float | None,
    resume: str | None,
    as_json: bool,
) -> None:
    """Discover databases now and store what is found.

    Without options, every account and region that the settings name. Options may be repeated.
    Ctrl-C cancels the run: what was found until then is kept.

    Exit codes: 0 every account and region was scanned (single hosts may have failed); 3 some
    could not be, the deadline came first, or DynamoDB did not take all; 2 wrong usage or
    configuration; 130 cancelled.

    \b
    Examples:
      python -m discovery scan
      python -m discovery scan --account 111122223333 --region eu-west-1 --region eu-central-1
      python -m discovery scan --instance i-0abc123def4567890 --json
      python -m discovery scan --deadline 10
      python -m discovery scan --resume 20260204T101500.000Z-a1b2c3
    """
    from discovery.cli.progress import Progress
    from discovery.run import resume_run, start_run

    settings = load_settings()
    request = RunRequest(accounts, regions, instances)
    if resume and not request.is_everything:
        raise click.UsageError("--resume takes what to scan from the run that it completes")
    ends_at = datetime.now(UTC) + timedelta(minutes=deadline) if deadline else None
    with _cancel_on_interrupt() as cancelled, Progress() as progress:
        begin = partial(start_run, settings, request)
        if resume:
            begin = partial(resume_run, settings, resume)
        run = begin(trigger="cli", watcher=progress, cancelled=cancelled, deadline=ends_at)
    if as_json:
        say(json.dumps(_as_json(run, progress), indent=2))
    else:
        say(_summary(run, progress))
    ctx.exit(exit_code(run))


def exit_code(run: RunRecord) -> int:
    """0 when every scope was listed, commanded and heard; failed hosts are results."""
    if run.status is RunStatus.CANCELLED:
        return EXIT_INTERRUPTED
    incomplete = run.scopes_failed or run.cut_short or run.kept or run.hosts_superseded
    incomplete = incomplete or run.status is RunStatus.FAILED
    return EXIT_FAILED if incomplete else 0


@contextmanager
def _cancel_on_interrupt() -> Iterator[Flag]:
    """A flag that the first Ctrl-C or SIGTERM sets; the second ends the command at once."""
    cancelled = Flag()

    def cancel(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  signal's signature
        if cancelled.is_set():
            raise KeyboardInterrupt
        tell("cancelling; once more to stop at once")
        cancelled.set()

    before = {number: signal.signal(number, cancel) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancelled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --- what is printed ----------------------------------------------------------------------------


def _summary(run: RunRecord, progress: Progress) -> str:
    not_targeted = run.hosts_listed - run.hosts_targeted
    per_batch = run.ssm_command_calls / run.batches if run.batches else 0.0
    changes = ", ".join(f"{count:,} {kind}" for kind, count in sorted(run.changes.items()))
    throttled = ", ".join(
        f"{count:,} {api}" for api, count in sorted((run.throttled_calls or {}).items())
    )
    rows = {
        "scopes": f"{run.scopes_done:,} of {run.scopes_total:,} done, {run.scopes_failed:,} failed",
        "hosts": (
            f"{run.hosts_listed:,} listed, {run.hosts_scanned:,} scanned, "
            f"{run.hosts_collected:,} collected, {run.hosts_superseded:,} superseded, "
            f"{run.hosts_failed:,} failed, {run.not_scanned.get(Coverage.NOT_REACHED, 0):,} not "
            f"reached, {not_targeted:,} not reachable by a command"
        ),
        "databases": f"{run.databases:,}",
        "changes": changes or "none",
        "SSM calls": (
            f"{run.ssm_command_calls:,} command calls for {run.batches:,} "
            f"{'batch' if run.batches == 1 else 'batches'} "
            f"({per_batch:.1f} a batch)"
        ),
        "API calls": (
            f"{sum(run.api_calls.values()):,}, {run.retries or 0:,} of them retries; "
            f"throttled: {throttled or 'none'}"
        ),
        "DynamoDB": f"{run.read_units or 0:,.1f} read and {run.write_units or 0:,.1f} write units",
    }
    if run.accounts_skipped:
        rows["skipped"] = f"accounts: {skipped_accounts(run.accounts_skipped)}"
    first = run.first_scanned_seconds
    lines = [
        f"run {run.run_id} {run.status.value} in {run.seconds or 0:.1f} s"
        + (f", first host after {first:.1f} s" if first is not None else "")
    ]
    lines += [f"  {name:<10} {text}" for name, text in rows.items()]
    if run.cut_short:
        lines += ["", f"The deadline came first. To complete it: scan --resume {run.run_id}"]
    if run.kept:
        lines += [
            "",
            f"DynamoDB did not take {run.kept:,} entries; they are kept. When it answers again: "
            f"replay, then scan --resume {run.run_id}",
        ]
    if run.hosts_collected:
        lines += [
            "",
            f"Collected: {run.hosts_collected:,} answers to an earlier run, stored as that run's. "
            "To ask these hosts now: scan.",
        ]
    if run.hosts_superseded:
        lines += ["", f"Superseded: a newer run has reported on {run.hosts_superseded:,} hosts."]
    if run.clock_ahead_seconds:
        lines += ["", f"Set this machine's clock: it is {clock_off(run)}."]
    return "\n".join(lines + _failure_lines(progress))


def _failure_lines(progress: Progress) -> list[str]:
    """What failed, once per cause: whole scopes first, then the hosts of the others."""
    scopes = defaultdict(list)
    for scope in progress.failed_scopes:
        scopes[scope.account_id, scope.error_kind, scope.error].append(scope.region)
    lines = []
    for (account, scope_kind, error), regions in sorted(scopes.items(), key=str):
        lines += ["", f"{account} {', '.join(sorted(regions))}: {_short(error or '')}"]
        lines += [f"  {scope_kind.hint}"] if scope_kind else []
    refused = {(scope.account_id, scope.region) for scope in progress.failed_scopes}
    hosts = defaultdict(list)
    for host, failure in progress.failed_hosts:
        if (host.account_id, host.region) not in refused:
            hosts[failure.kind].append((host, failure))
    for kind, failures in sorted(hosts.items()):
        lines += ["", f"{kind.value}: {len(failures):,} host{'s' if len(failures) > 1 else ''}"]
        lines += [f"  {kind.hint}"]
        for host, failure in failures[:_NAMED_HOSTS]:
            where = f"{host.account_id} {host.region} {host.instance_id} {host.name or ''}".rstrip()
            lines.append(f"  {printable(where)}: {_short(failure.message)}")
        if len(failures) > _NAMED_HOSTS:
            lines.append(f"  and {len(failures) - _NAMED_HOSTS:,} more")
    return lines


def _short(message: str) -> str:
    return printable(message, _MESSAGE_CHARACTERS)


def _as_json(run: RunRecord, progress: Progress) -> dict[str, Any]:
    from pydantic import TypeAdapter

    from discovery.model import ScopeRecord

    return {
        "run": TypeAdapter(RunRecord).dump_python(run, mode="json")
        | {"ssm_command_calls": run.ssm_command_calls},
        "scopes": TypeAdapter(list[ScopeRecord]).dump_python(progress.scopes, mode="json"),
        "failed_hosts": [
            {
                "account_id": host.account_id,
                "region": host.region,
                "instance_id": host.instance_id,
                "name": host.name,
                "error_kind": failure.kind.value,
                "error": failure.message,
            }
            for host, failure in progress.failed_hosts
        ],
    }
