"""What a run does, while it does it: a live line on a terminal, a line per scope elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from discovery.cli.boundary import logs_are_json, say
from discovery.model import Failure, Host, ScopeRecord, ScopeStatus
from discovery.run import Event, HostDone, RunFinished, ScopeFinished, ScopeListed
from discovery.sanitize import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_ERROR_CHARACTERS = 120


class Progress:
    """A watcher for a run; shows on stderr and keeps what the summary needs.

    Use as a context manager: the live line ends with it.
    """

    def __init__(self) -> None:
        self.scopes: list[ScopeRecord] = []
        self.failed_hosts: list[tuple[Host, Failure]] = []
        self._databases = 0
        self._is_shown = not logs_are_json()
        is_live = self._is_shown and sys.stderr.isatty()
        self._bar: Bar | None = _live_bar() if is_live else None

    @property
    def failed_scopes(self) -> list[ScopeRecord]:
        """The scopes that could not be listed or commanded."""
        return [scope for scope in self.scopes if scope.status is ScopeStatus.FAILED]

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            self._bar.add_task("listing hosts", total=None, found="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Take one event of the run."""
        match event:
            case HostDone(failure=None):
                self._databases += event.databases
            case HostDone(host=host, failure=Failure() as failure):
                self.failed_hosts.append((host, failure))
            case ScopeFinished(record=record):
                self.scopes.append(record)
        if self._bar:
            self._move(self._bar, event)
        elif self._is_shown and isinstance(event, ScopeFinished):
            say(scope_line(event.record), err=True)

    def _move(self, bar: Bar, event: Event) -> None:
        task = bar.tasks[0]
        match event:
            case ScopeListed(targeted=targeted):
                bar.update(task.id, total=(task.total or 0) + targeted, description="hosts")
            case HostDone():
                failed = f", {len(self.failed_hosts):,} failed" if self.failed_hosts else ""
                bar.update(task.id, advance=1, found=f"{self._databases:,} databases{failed}")
            case RunFinished():
                bar.update(task.id, total=task.completed)


def _live_bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[found]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def scope_line(scope: ScopeRecord) -> str:
    """One finished scope in one line."""
    where = f"{scope.account_id} {scope.region}:"
    if scope.status is ScopeStatus.FAILED:
        return f"{where} failed: {printable(scope.error or '', _ERROR_CHARACTERS)}"
    others = {
        "collected": scope.hosts_collected,
        "superseded": scope.hosts_superseded,
        "failed": scope.hosts_failed,
    }
    failed = "".join(f", {count:,} {name}" for name, count in others.items() if count)
    return (
        f"{where} {scope.hosts_listed or 0:,} hosts, {scope.hosts_scanned:,} scanned{failed}, "
        f"{scope.databases:,} databases"
    )
