"""Systems Manager: managed instances, the life of a command, and the agent that executes it."""

from sandbox.ssm.instances import SandboxHost
from sandbox.ssm.systems_manager import SystemsManager

__all__ = ["SandboxHost", "SystemsManager"]
