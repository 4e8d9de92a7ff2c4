"""What a run costs at size: calls, time and memory of the real runner on a simulated AWS.

`python -m benchmarks.discovery` prints one row a size beside the way of the first design, played
on the same AWS: one account after another, one GetCommandInvocation loop per instance, 2 s apart.
Exit code 1 when a bound does not hold. Time is virtual, apart from the CPU column.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import tracemalloc
from dataclasses import dataclass, fields
from pathlib import Path

if __package__ in (None, ""):  # run as a file: this folder must not shadow the product's package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from discovery.run import BatchSent, Event, HostDone, RunFinished
from simulation.aws import REGION, Limits, SimulatedAws
from simulation.clock import VirtualClock
from simulation.runs import run_once, settings_for

MOST_CALLS_PER_HOST = 0.10
LEAST_SPEEDUP = 20.0
MOST_BYTES_IN_FLIGHT = 2048
MOST_BYTES_FINISHED = 100
_HOSTS_PER_ACCOUNT = 100


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took; `calls` are SSM command calls, `all_ssm` those and the listings. The table
    shows both per host; the bound is on all of them."""

    hosts: int
    scanned: int
    seconds: float
    calls: int
    all_ssm: int
    cpu: float = 0.0


def measure(hosts: int, workers: int, limits: Limits, *, runs: int) -> list[Cost]:
    """`runs` runs one after another; the first has nothing to learn from."""
    accounts = max(1, hosts // _HOSTS_PER_ACCOUNT)
    aws = SimulatedAws(settings_for(accounts, workers), hosts, limits, VirtualClock())
    costs = []
    for _ in range(runs):
        before, begun, cpu = aws.counts.copy(), aws.clock.seconds, time.process_time()
        record = run_once(aws)
        spent = aws.counts - before
        if record.hosts_done != hosts:
            raise RuntimeError(f"not every host is accounted for: {record}")
        calls = sum(
            spent[f"ssm:{name}"]
            for name in ("SendCommand", "ListCommandInvocations", "GetCommandInvocation")
        )
        all_ssm = sum(count for name, count in spent.items() if name.startswith("ssm:"))
        seconds, cpu = aws.clock.seconds - begun, time.process_time() - cpu
        costs.append(Cost(hosts, record.hosts_scanned, seconds, calls, all_ssm, cpu))
    return costs


def measure_first_design(hosts: int, limits: Limits) -> Cost:
    """One account after another, one instance after another, looked at every 2 s."""
    accounts = max(1, hosts // _HOSTS_PER_ACCOUNT)
    aws = SimulatedAws(settings_for(accounts, 1), hosts, limits, VirtualClock())
    scanned = 0
    for account, ids in aws.hosts.items():
        client = aws.spoke(account, "ssm", REGION)
        for start in range(0, len(ids), 50):
            batch = ids[start : start + 50]
            command_id = client.send_command(InstanceIds=batch)["Command"]["CommandId"]
            for instance in batch:
                while True:
                    answer = client.get_command_invocation(command_id, instance)
                    if answer["Status"] != "InProgress":
                        scanned += answer["Status"] == "Success"
                        break
                    aws.clock.sleep(2)
    calls = sum(aws.counts.values())
    return Cost(hosts, scanned, aws.clock.seconds, calls, calls)


def bytes_per_host(hosts: int, limits: Limits) -> tuple[float, float]:
    """What the product's own code holds at most, per host in flight, while all hosts run at once
    and answer; and what it still holds per host at the end, when all are done.

    Measured in a second run, in which each host has a known record. Hosts here take long enough
    that all commands are sent before the first answer comes. The simulated AWS's own memory is
    left out: only what `discovery/` allocated counts.
    """
    slow = Limits(**{limit.name: getattr(limits, limit.name) for limit in fields(Limits)} | SLOW)
    aws = SimulatedAws(settings_for(hosts // 100, 16), hosts, slow, VirtualClock())
    sent = done = most_in_flight = most_bytes = last_bytes = 0

    def watch(event: Event) -> None:
        nonlocal sent, done, most_in_flight, most_bytes, last_bytes
        if isinstance(event, BatchSent):
            sent += event.hosts
        elif isinstance(event, HostDone):
            done += 1
        if not isinstance(event, (BatchSent, HostDone, RunFinished)):
            return
        if (sent + done) % (hosts // 10) == 0 or isinstance(event, RunFinished):
            gc.collect()
            last_bytes = _product_bytes() - empty
            most_bytes = max(most_bytes, last_bytes)
        most_in_flight = max(most_in_flight, sent - done)

    run_once(aws)  # so that the run that is measured has records to compare with
    gc.collect()
    tracemalloc.start()
    empty = _product_bytes()
    run_once(aws, watch)
    tracemalloc.stop()
    if most_in_flight < hosts // 2:
        raise RuntimeError(f"too few hosts were in flight at once: {most_in_flight}")
    return most_bytes / most_in_flight, last_bytes / hosts


SLOW = {"median_seconds": 55.0, "spread": 0.01, "tail": 0.0, "latency_seconds": 0.01}


def _product_bytes() -> int:
    own = tracemalloc.Filter(True, "*/discovery/*")
    statistics = tracemalloc.take_snapshot().filter_traces([own]).statistics("filename")
    return sum(statistic.size for statistic in statistics)


def show(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 0 when every bound holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.discovery", description=__doc__)
    parser.add_argument(
        "--hosts", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="%(default)s"
    )
    parser.add_argument("--workers", type=int, default=16, help="scopes at a time (%(default)s)")
    for limit in fields(Limits):
        flag = f"--{limit.name.replace('_', '-')}"
        parser.add_argument(flag, type=float, default=limit.default, help="%(default)s")
    chosen = parser.parse_args(arguments)
    limits = Limits(**{limit.name: getattr(chosen, limit.name) for limit in fields(Limits)})
    failed = []
    show(
        f"{'hosts':>8} {'run':>6} {'commands':>9} {'all SSM':>9} {'makespan':>10} "
        f"{'scanned':>8} {'CPU ms/host':>11} {'first design':>13} {'its calls':>9} {'faster':>7}"
    )
    for hosts in chosen.hosts:
        design = measure_first_design(hosts, limits)
        for name, cost in zip(
            ("first", "later"), measure(hosts, chosen.workers, limits, runs=2), strict=True
        ):
            faster = design.seconds / cost.seconds
            show(
                f"{hosts:>8,} {name:>6} {cost.calls / hosts:>9.3f} {cost.all_ssm / hosts:>9.3f} "
                f"{cost.seconds:>8.0f} s {cost.scanned:>8,} {cost.cpu / hosts * 1000:>11.2f} "
                f"{design.seconds:>11,.0f} s {design.calls / hosts:>9.2f} {faster:>6.0f}x",
            )
            if cost.all_ssm / hosts > MOST_CALLS_PER_HOST:
                failed.append(f"{hosts:,} hosts: more than {MOST_CALLS_PER_HOST} SSM calls a host")
            if hosts >= 10_000 and faster < LEAST_SPEEDUP:
                failed.append(f"{hosts:,} hosts: less than {LEAST_SPEEDUP:.0f}x faster")
    in_flight, finished = bytes_per_host(5_000, limits)
    show(f"memory: {in_flight:,.0f} bytes per host in flight, {finished:,.0f} per host finished")
    if in_flight > MOST_BYTES_IN_FLIGHT:
        failed.append(f"more than {MOST_BYTES_IN_FLIGHT} bytes a host in flight")
    if finished > MOST_BYTES_FINISHED:
        failed.append(f"more than {MOST_BYTES_FINISHED} bytes a host finished")
    for line in failed:
        show(f"FAILED: {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
