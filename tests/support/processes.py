"""Processes as `/proc` tells of them: no program need be installed to list them."""

from __future__ import annotations

from pathlib import Path


def children_of(pid: int) -> list[int]:
    """The processes that `pid` has started."""
    parents = {process: _status(process) for process in _processes()}
    return [process for process, (_, parent) in parents.items() if parent == pid]


def is_alive(pid: int) -> bool:
    """Whether `pid` runs; one that has ended and waits for its parent to notice does not."""
    state, _ = _status(pid)
    return state not in ("", "Z")


def _processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _status(pid: int) -> tuple[str, int]:
    """State and parent; an empty state for a process that is gone (proc(5), /proc/pid/stat)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", 0
    state, parent, *_ = stat.rpartition(")")[2].split()
    return state, int(parent)
