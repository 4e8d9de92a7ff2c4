"""A sandbox with a large, plain estate in a process of its own: every host has the same report.

`python -m benchmarks.wire_estate ACCOUNTS HOSTS` prints the environment that points at it, as JSON,
and ends when its standard input does.
"""

from __future__ import annotations

import json
import sys

from sandbox import Sandbox
from sandbox.estate import Account, Estate, this_machine
from simulation.aws import REGION, REPORT


def large_estate(accounts: int, hosts: int) -> Estate:
    """`hosts` hosts in `accounts` accounts of one region."""
    ids = [f"{510000000000 + number:012d}" for number in range(accounts)]
    return Estate(
        management_account="500000000000",
        external_id="benchmark",
        regions=(REGION,),
        accounts=tuple(
            Account(
                id_,
                f"account-{id_}",
                hosts=tuple(
                    this_machine(id_, REGION, f"host-{n}") for n in range(hosts // accounts)
                ),
            )
            for id_ in ids
        ),
    )


def main(accounts: int, hosts: int) -> None:
    """Serve until standard input ends."""
    with Sandbox(large_estate(accounts, hosts), speed=1000.0) as sandbox:
        for host in sandbox.hosts.values():
            host.output = REPORT  # nothing runs on this machine
        sys.stdout.write(json.dumps(sandbox.environment) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
