"""A local AWS for the demo, the tests and the curious. `README.md` in this folder describes it."""

from sandbox.emulator import Sandbox
from sandbox.ssm import SandboxHost

__all__ = ["Sandbox", "SandboxHost"]
