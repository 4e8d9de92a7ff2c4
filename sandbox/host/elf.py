"""Executables of the estate's hosts: an ELF header, and texts."""

from __future__ import annotations

import struct

_MACHINES = {"x86_64": 62, "aarch64": 183}


def elf(architecture: str, *texts: str) -> bytes:
    """A 64-bit ELF header and the texts, each ended by NUL."""
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01" + bytes(9), 3, _MACHINES[architecture], 1,
        0x1040, 64, 0, 0, 64, 56, 0, 64, 0, 0,
    )  # fmt: skip
    return header + b"\x00".join(text.encode() for text in ("", *texts, ""))
