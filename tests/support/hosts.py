"""Hosts of the sandbox's estate, for runs of just a few of them."""

from __future__ import annotations

from discovery.model import RunRequest
from sandbox import Sandbox
from sandbox.estate import Estate, EstateHost
from sandbox.ssm import SandboxHost


def revive_hosts(sandbox: Sandbox) -> None:
    """Start the hosts again that a command, or a test, has terminated or stopped."""
    for host in sandbox.hosts.values():
        if host.spec.state == "running" and host.state != "running":
            host.start()


def hosts_of(sandbox: Sandbox, count: int, account: int = 0) -> list[SandboxHost]:
    """Hosts of one account and region that answer."""
    wanted = sandbox.estate.accounts[account]
    found = [
        host
        for host in sandbox.hosts.values()
        if host.account_id == wanted.id
        and host.region == sandbox.estate.regions[0]
        and host.spec.is_scannable
    ]
    return found[:count]


def request_for(*hosts: SandboxHost) -> RunRequest:
    """A run of just these hosts."""
    return RunRequest(
        tuple(sorted({host.account_id for host in hosts})),
        tuple(sorted({host.region for host in hosts})),
        tuple(host.instance_id for host in hosts),
    )


def host_named(estate: Estate, name: str) -> EstateHost:
    """The host of that name."""
    return next(host for host in estate.hosts() if host.name == name)
