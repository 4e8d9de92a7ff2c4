"""The estate's hosts as they were at the beginning, whatever ran before."""

from __future__ import annotations

from discovery.sandbox import Sandbox


def revive_hosts(sandbox: Sandbox) -> None:
    """Start the hosts again that a command, or a test, has terminated or stopped."""
    for host in sandbox.hosts.values():
        if host.spec.state == "running" and host.state != "running":
            host.start()
