"""Types of the fixtures that tests of Run Command share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox import SandboxHost

Hosts = list[SandboxHost]
Send = Callable[..., str]
"""Sends a command to hosts; returns its id."""
WaitFor = Callable[[Any, str], dict[str, Any]]
"""Takes a client and a command id, waits for the end, returns the invocations by instance id."""
