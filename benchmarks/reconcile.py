"""CPU of reconciling 100,000 known records with a report each, nothing failing, few changing.

`python -m benchmarks.reconcile` prints the seconds and, as the peer in the same run, those of
copying each record once with `dataclasses.replace`: the least that writing a new one takes.
Exit code 1 when it takes more than one and a half times as long; about 2 s are the aim.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

if __package__ in (None, ""):  # run as a file: this folder must not shadow the product's package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from discovery.inventory.reconcile import reconcile_host
from discovery.inventory.report import parse_report
from discovery.model import Coverage, Host, HostChanges, HostReport
from simulation.aws import REGION, REPORT

RECORDS = 100_000
MOST_RATIO = 1.5
_BATCH = 1_000
_TAGS = ("Environment", "environment", "Env", "env", "Stage")


def scan(hosts: list[Host], known: list[HostChanges], report: HostReport, day: int) -> float:
    """Reconcile one report a host, replacing `known`; CPU seconds."""
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    run_id = f"{now:%Y%m%dT%H%M%S}"
    begun = time.process_time()
    for at, host in enumerate(hosts):
        known[at] = reconcile_host(
            known[at].puts,
            host,
            report,
            run_id=run_id,
            now=now,
            gone_ttl_days=90,
            environment_tags=_TAGS,
        )
    return time.process_time() - begun


def main() -> int:
    """Measure and print."""
    first = parse_report(REPORT)
    upgraded = parse_report(REPORT.replace("8.0.35", "8.0.36"))
    reconciling = copying = 0.0
    for start in range(0, RECORDS, _BATCH):
        hosts = [
            Host("111122223333", REGION, f"i-{n:08x}", Coverage.PENDING, tags={"Env": "prod"})
            for n in range(start, start + _BATCH)
        ]
        known = [HostChanges()] * _BATCH
        scan(hosts, known, first, 1)
        rare = _BATCH // 100
        reconciling += scan(hosts[rare:], known[rare:], first, 2)
        reconciling += scan(hosts[:rare], known[:rare], upgraded, 2)
        begun = time.process_time()
        for changes in known:
            replace(changes.puts[0], run_id="later")
        copying += time.process_time() - begun
    sys.stdout.write(
        f"reconcile {RECORDS:,} records: {reconciling:.2f} CPU s, {reconciling / copying:.2f} of "
        f"copying each once ({copying:.2f} s)\n"
    )
    return int(reconciling > copying * MOST_RATIO)


if __name__ == "__main__":
    sys.exit(main())
