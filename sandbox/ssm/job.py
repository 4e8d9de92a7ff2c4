"""The handle by which a running document is cancelled."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from threading import Lock


class Job:
    """One document that runs on one host. Safe for several threads."""

    def __init__(self) -> None:
        self.is_cancelled = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()

    def cancel(self) -> None:
        """Start no further step; end the running step with everything it started."""
        with self._lock:
            self.is_cancelled = True
            if self._process is not None:
                stop_group(self._process)

    @contextlib.contextmanager
    def running(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """While inside, `cancel` stops `process`."""
        with self._lock:
            self._process = process
            if self.is_cancelled:
                stop_group(process)
        try:
            yield
        finally:
            with self._lock:
                self._process = None


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a step and its children, unless it has just ended by itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
