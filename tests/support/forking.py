"""Runs the probe's file many times without starting Python each time: one process that forks."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.support.hostfolder import PROBE, Ran, checked

# The file is compiled once and run as a script in a child for each case, as the document does it.
_DRIVER = """
import os, resource, sys
path, memory = sys.argv[1], int(sys.argv[2])
with open(path, "rb") as file:
    code = compile(file.read(), path, "exec")
for line in sys.stdin:
    out, err, *arguments = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if not child:
        for number, name in ((1, out), (2, err)):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        sys.argv = [path] + arguments
        exec(code, {"__name__": "__main__", "__file__": path})
        os._exit(99)
    sys.stdout.write("%d\\n" % os.waitpid(child, 0)[1])
    sys.stdout.flush()
"""


class Forking:
    """The probe, ready to be run. Each run gets at most `memory` bytes of address space."""

    def __init__(self, memory: int = 1 << 30) -> None:
        self._driver = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _DRIVER, str(PROBE), str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Forking:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.killpg(self._driver.pid, signal.SIGKILL)
        self._driver.communicate()

    def probe(self, scratch: Path, *arguments: str | Path, timeout: float = 30) -> Ran:
        """Run it once. Its output goes through files in `scratch`. Raises TimeoutError."""
        out, err = scratch / "out", scratch / "err"
        inlet, outlet = self._driver.stdin, self._driver.stdout
        assert inlet is not None
        assert outlet is not None
        inlet.write("\t".join(map(str, (out, err, *arguments))) + "\n")
        inlet.flush()
        if not select.select([outlet], [], [], timeout)[0]:
            raise TimeoutError(f"the probe did not end within {timeout} s")
        code = os.waitstatus_to_exitcode(int(outlet.readline()))
        return checked(Ran(code, out.read_text(), err.read_text()))
