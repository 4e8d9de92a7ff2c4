"""The documents, and the blocks of shell that they tell a reader to type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from discovery.artefacts import ROOT

GUIDE = ROOT / "EXECUTION_GUIDE.md"

_BLOCK = re.compile(r"(?:<!-- run(?:: exit (?P<exit>\d+))? -->\n)?```bash\n(?P<text>.*?)```", re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block of bash. `exit_code` is None for one that is not for the sandbox."""

    text: str
    exit_code: int | None


def blocks(document: Path) -> list[Block]:
    """All bash blocks of `document`."""
    found = []
    for match in _BLOCK.finditer(document.read_text(encoding="utf-8")):
        marked = match[0].startswith("<!-- run")
        found.append(Block(match["text"], int(match["exit"] or 0) if marked else None))
    return found
