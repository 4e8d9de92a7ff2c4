"""Writes files below a folder as if it were `/`, with nothing that only Linux has."""

from __future__ import annotations

import os
from pathlib import Path


class Tree:
    """`root` must exist. Paths are absolute as on the host: "/etc/os-release"."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._made: set[str] = {""}

    def folder(self, path: str) -> None:
        """An empty folder, with its parents."""
        self._parent(f"{path}/x")

    def text(self, path: str, content: str) -> None:
        """A small text file."""
        self.binary(path, content.encode(), mode=0o644)

    def binary(self, path: str, content: bytes, mode: int = 0o755) -> None:
        """A small file, executable unless `mode` says otherwise; replaces what is there."""
        with os.fdopen(self._open(path, mode), "wb") as file:
            file.write(content)

    def sparse(self, path: str, size: int) -> None:
        """A file of that apparent size, which takes no space."""
        handle = self._open(path, 0o640)
        try:
            os.ftruncate(handle, size)
        finally:
            os.close(handle)

    def link(self, path: str, target: str) -> None:
        """A symbolic link with that very text."""
        self._parent(path)
        Path(self._root + path).symlink_to(target)

    def exists(self, path: str) -> bool:
        """Whether something was written there."""
        return os.path.lexists(self._root + path)

    def _open(self, path: str, mode: int) -> int:
        self._parent(path)
        return os.open(self._root + path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)

    def _parent(self, path: str) -> None:
        folder = path.rpartition("/")[0]
        if folder not in self._made:
            self._parent(folder)
            Path(self._root + folder).mkdir(exist_ok=True)
            self._made.add(folder)
