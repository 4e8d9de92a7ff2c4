"""A sandbox in a process of its own, for tests whose product runs in processes too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from discovery.artefacts import ROOT
from discovery.cli.local_aws import clean_environment


@contextmanager
def sandbox_process(*options: str) -> Iterator[dict[str, str]]:
    """Start it with `options`; the environment that points at it. It ends with the body."""
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--stop-with-parent", *options],
        cwd=ROOT,
        env=clean_environment(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(20)
