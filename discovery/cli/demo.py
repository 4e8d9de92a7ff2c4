"""`demo`: sandbox, first discovery and dashboard, in one command."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import webbrowser

import click

from discovery.cli.local_aws import LocalAws, enter
from discovery.model import RunRecord, RunStatus
from discovery.settings import load_settings

_USUAL_PORT = 8501
_CANCEL_SECONDS = 10


@click.command()
@click.option(
    "--port",
    type=int,
    show_default=f"{_USUAL_PORT}, or a free one",
    help="Port of the dashboard; 0: a free one.",
)
@click.option("--browser/--no-browser", default=True, help="Open the dashboard in a browser.")
@click.option("--reload", is_flag=True, help="Reload pages when a file of theirs is saved.")
def demo(port: int | None, browser: bool, reload: bool) -> None:
    """Show the whole product on a local AWS estate.

    Starts a local AWS, discovers the databases of its hosts with the real runner and probe, and
    serves the dashboard. Prints `ready: URL` once the first discovery is stored. Needs no AWS
    account and reaches none. Ctrl-C ends it, and so does the end of its AWS.

    \b
    Examples:
      python -m discovery demo
      python -m discovery demo --port 8600 --no-browser
    """
    began = time.monotonic()
    _say("starting a local AWS")
    with LocalAws() as local_aws:
        from discovery.view.server import serve  # takes seconds, in which the sandbox starts

        enter(local_aws.environment())
        first = _FirstDiscovery()

        def announce(url: str) -> None:
            run = first.finished()
            if run is None:
                if first.failed:
                    _end()  # the error is raised below
                return
            _say(
                f"found {run.databases:,} databases on {run.hosts_scanned:,} of "
                f"{run.hosts_listed:,} hosts; {time.monotonic() - began:.1f} s in all"
            )
            _say(f"REST routes at {url}/api; Ctrl-C stops all of it")
            click.echo(f"ready: {url}")
            if browser:
                webbrowser.open(url)

        try:
            local_aws.watch(_end)
            serve(_usual_or_free() if port is None else port, on_ready=announce, reload=reload)
        finally:
            first.stop()
            local_aws.raise_if_died()
        first.raise_error()


def _end() -> None:
    """End `serve`, as Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGINT)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _usual_or_free() -> int:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", _USUAL_PORT))
        except OSError:
            return 0
    return _USUAL_PORT


class _FirstDiscovery:
    """The demo's first run, in a thread beside the server. Starts at once."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._stopped_early = False
        self._run: RunRecord | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._discover, name="first discovery", daemon=True)
        self._thread.start()

    def _discover(self) -> None:
        from discovery.run import start_run

        _say("discovering databases")
        try:
            self._run = start_run(load_settings(), trigger="demo", cancelled=self._cancelled)
        except Exception as error:  # told by the main thread: see `raise_error`
            self._error = error

    @property
    def failed(self) -> bool:
        """Whether the run ended with an error, other than one of being stopped."""
        return self._error is not None and not self._cancelled.is_set()

    def finished(self) -> RunRecord | None:
        """The run once it is stored; None when it failed or was cancelled."""
        self._thread.join()
        cancelled = self._run is not None and self._run.status is RunStatus.CANCELLED
        return None if cancelled else self._run

    def stop(self) -> None:
        """Cancel the run if it goes on, and give it time to say so while its AWS still answers."""
        self._stopped_early = self._thread.is_alive()
        self._cancelled.set()
        self._thread.join(_CANCEL_SECONDS)

    def raise_error(self) -> None:
        """Raise what ended the run, if anything but `stop` did. Call after `stop`."""
        if self._error and not self._stopped_early:
            raise self._error
