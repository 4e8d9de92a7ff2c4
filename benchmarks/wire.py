"""What a run costs the runner's process, by part, over the real AWS wire: the sandbox's.

`python -m benchmarks.wire` scans 5,000 hosts with canned reports in 50 accounts, twice: the second
run compares with what the first one stored. Prints CPU seconds per 1,000 hosts of each part. The
sandbox has a process of its own; its time is not counted. Exit code 1 when a host is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import local
from typing import Any

if __package__ in (None, ""):  # run as a file: this folder must not shadow the product's package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from discovery.artefacts import ROOT
from discovery.aws import hosts, run_command
from discovery.aws.host_writer import HostWriter
from discovery.aws.inventory import Inventory
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.cli.local_aws import clean_environment
from discovery.model import EVERYTHING, RunRecord
from discovery.run import commands, start_run, writes
from discovery.settings import load_settings

# part -> where its functions are looked up when the runner calls them
PARTS: Mapping[str, tuple[tuple[Any, str], ...]] = {
    "AWS client": (
        (hosts, "list_hosts"),
        (run_command, "find_document"),
        (run_command, "send_command"),
        (run_command, "list_invocations"),
        (run_command, "fetch_output"),
        (Aws, "spoke"),
    ),
    "parse": ((commands, "parse_report"),),
    "reconcile": ((writes, "reconcile_host"),),
    "store: hosts": ((HostWriter, "write"),),
    "store: known records": ((Inventory, "account_records"), (RunStore, "scope_hosts")),
    "store: bookkeeping": (
        (RunStore, "put_scope"),
        (RunStore, "put_outstanding"),
        (RunStore, "clear_outstanding"),
        (RunStore, "save_progress"),
    ),
}


class Meter:
    """CPU seconds of each part, in whichever thread. A part inside another counts as the inner."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._thread = local()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, with its CPU time added to `part`; a generator is run to its end."""

        def run(*args: Any, **kwargs: Any) -> Any:
            begun, inner = time.thread_time(), getattr(self._thread, "inner", 0.0)
            self._thread.inner = 0.0
            try:
                answer = function(*args, **kwargs)
                return iter(list(answer)) if isinstance(answer, Iterator) else answer
            finally:
                spent = time.thread_time() - begun
                self.seconds[part] += spent - self._thread.inner
                self._thread.inner = inner + spent

        return run


@contextmanager
def measured(parts: Mapping[str, tuple[tuple[Any, str], ...]]) -> Iterator[Meter]:
    """Time these functions while the body runs."""
    meter = Meter()
    kept = [(at, name, getattr(at, name)) for places in parts.values() for at, name in places]
    for part, places in parts.items():
        for at, name in places:
            setattr(at, name, meter.timed(part, getattr(at, name)))
    try:
        yield meter
    finally:
        for at, name, function in kept:
            setattr(at, name, function)


@contextmanager
def estate(accounts: int, hosts: int) -> Iterator[Mapping[str, str]]:
    """The environment that points at a sandbox with so many hosts."""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "benchmarks.wire_estate", str(accounts), str(hosts)],
        cwd=ROOT,
        env=clean_environment(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("no pipe to the sandbox")
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(60)


def run_once(environment: Mapping[str, str]) -> tuple[RunRecord, float, dict[str, float]]:
    """(record, CPU seconds of the whole run, CPU seconds by part)."""
    with measured(PARTS) as meter:
        begun = time.process_time()
        record = start_run(load_settings(environment), EVERYTHING, trigger="benchmark")
        whole = time.process_time() - begun
    return record, whole, dict(meter.seconds)


def show(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 0 when every host was scanned and stored."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire", description=__doc__)
    parser.add_argument("--hosts", type=int, default=5_000, help="%(default)s")
    parser.add_argument("--accounts", type=int, default=50, help="%(default)s")
    chosen = parser.parse_args(arguments)
    missing = False
    with estate(chosen.accounts, chosen.hosts) as environment:
        os.environ.update(environment)
        for name in ("first", "later"):
            begun = time.monotonic()
            record, whole, parts = run_once(environment)
            lasted = time.monotonic() - begun
            thousands = chosen.hosts / 1000
            show(
                f"{name} run: {record.hosts_scanned:,} of {chosen.hosts:,} hosts in {lasted:.0f} s,"
                f" {whole / thousands:.2f} CPU s per 1,000 hosts"
            )
            parts["rest"] = whole - sum(parts.values())
            for part, seconds in sorted(parts.items(), key=lambda pair: -pair[1]):
                show(f"  {part:22}{seconds / thousands:8.3f} s  {seconds / whole:6.1%}")
            missing = missing or record.hosts_scanned != chosen.hosts
        stored = sum(record.is_database for record in Inventory(Aws(load_settings())).all_records())
    show(f"stored: {stored:,} databases")
    return int(missing or stored != chosen.hosts)


if __name__ == "__main__":
    sys.exit(main())
