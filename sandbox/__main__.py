"""A local AWS. Prints one JSON line of environment variables when it is ready, and serves."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from threading import Event
from types import FrameType

from sandbox.emulator import Sandbox
from sandbox.estate import DEFAULT_ESTATE, load_estate


def main() -> None:
    """Parse the command line and serve until interrupted or terminated.

    With `--stop-with-parent` it also ends when stdin is closed.
    """
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--include-this-host", action="store_true", help="add this very machine")
    parser.add_argument("--stop-with-parent", action="store_true", help="end when stdin closes")
    parser.add_argument("--estate", type=Path, default=DEFAULT_ESTATE, help="an estate.toml")
    options = parser.parse_args()
    stopped = _stop_on_signals(at_once=options.stop_with_parent)
    with Sandbox(
        load_estate(options.estate),
        port=options.port,
        include_this_host=options.include_this_host,
    ) as sandbox:
        sys.stdout.write(json.dumps(sandbox.environment) + "\n")
        sys.stdout.flush()
        if options.stop_with_parent:
            sys.stdin.read()
        else:
            stopped.wait()


def _stop_on_signals(*, at_once: bool) -> Event:
    """The event that SIGINT and SIGTERM set. `at_once` they end a blocking read, too."""
    stopped = Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()
        if at_once:
            raise SystemExit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopped


if __name__ == "__main__":
    main()
