"""How many random cases a test plays: a tenth of them, all with `FULL=1` in the environment."""

from __future__ import annotations

import os

IS_FULL = os.environ.get("FULL", "") not in ("", "0")


def cases(full: int) -> int:
    """`full` with `FULL=1`, else a tenth of it."""
    return full if IS_FULL else max(1, full // 10)
