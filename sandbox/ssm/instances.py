"""Managed instances of a running sandbox: agents run on them, tests change them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from moto.ec2.models import ec2_backends

from sandbox.estate import Behaviour, EstateHost
from sandbox.host import cached_host

AGENT_VERSION = "3.3.1611.0"


class SandboxHost:
    """One instance of the estate. Set its attributes to change how it behaves from now on.

    `agent` is "online", "offline" or "none". `delay_seconds` is simulated time before a command
    starts. `output`, unless it is None, replaces what the probe step prints; `error_output` and
    `exit_code` go with it. `refusal` is the code and the message of the error that every command
    which names the host is refused with.
    """

    def __init__(self, spec: EstateHost, store: Path) -> None:
        self.spec = spec
        self.account_id = spec.account_id
        self.region = spec.region
        self.instance_id = spec.instance_id
        self.agent: str = spec.agent
        self.behaviour: Behaviour = spec.behaviour
        self.delay_seconds = spec.delay_seconds
        self.output: str | None = None
        self.error_output = ""
        self.exit_code = 0
        self.refusal: tuple[str, str] | None = None
        self._store = store

    @property
    def is_this_machine(self) -> bool:
        """Whether its folder is the real `/`."""
        return self.spec.root == "/"

    @property
    def folder(self) -> Path:
        """The folder that looks like its `/`, to be read only; built when it is first asked for."""
        if self.spec.root is not None:
            return Path(self.spec.root)
        return cached_host(self.spec, self._store)

    @property
    def has_python(self) -> bool:
        """Whether the host has a python3. The folder only shows it: the sandbox's own runs."""
        return self.is_this_machine or os.path.lexists(self.folder / "usr/bin/python3")

    def rebuild(self, spec: EstateHost) -> None:
        """Make it look as another description of the same host says, from now on."""
        self.spec = spec

    @property
    def state(self) -> str:
        """EC2's name of its state: "terminated" also when EC2 has forgotten it."""
        instance = self._instance()
        return instance.state if instance else "terminated"

    @property
    def is_managed(self) -> bool:
        """Whether Systems Manager lists it: registered once, and not gone."""
        return self.agent != "none" and self.state != "terminated"

    @property
    def is_reachable(self) -> bool:
        """Whether the agent takes commands."""
        return self.agent == "online" and self.state == "running"

    def start(self) -> None:
        """Start the instance again, even a terminated one, so that a test can undo what it did."""
        self._instance().start()

    def stop(self) -> None:
        """Stop the instance."""
        self._instance().stop()

    def terminate(self) -> None:
        """Terminate the instance; EC2 lists it as terminated, Systems Manager no longer."""
        self._instance().terminate()

    def information(self) -> dict[str, Any]:
        """Its entry in `DescribeInstanceInformation`, without the times."""
        return {
            "InstanceId": self.instance_id,
            "PingStatus": "Online" if self.is_reachable else "ConnectionLost",
            "AgentVersion": AGENT_VERSION,
            "IsLatestVersion": True,
            "PlatformType": self.spec.platform,
            "PlatformName": self.spec.platform_name,
            "PlatformVersion": self.spec.platform_version,
            "ResourceType": "EC2Instance",
            "IPAddress": self.spec.private_ip,
            "ComputerName": self.spec.hostname,
        }

    def _instance(self) -> Any:
        backend = ec2_backends[self.account_id][self.region]
        return next(
            (instance for instance in backend.all_instances() if instance.id == self.instance_id),
            None,
        )
