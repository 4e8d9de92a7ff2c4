"""Data directories: files named as each engine names them, sparse, whose sizes add up exactly."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.engines import ENGINES, EstateDatabase
from sandbox.host.tree import Tree

_PAGE = 16384


def write_data(tree: Tree, db: EstateDatabase, folder: str, application: str, pid: int) -> None:
    """Fill `folder`, the database's data directory, with `db.size_bytes` bytes.

    `pid` is that of the running server, 0 for one that is not.
    """
    files = ENGINES[db.engine].data_files(db, application, pid)
    for name, content in files.texts.items():
        tree.text(f"{folder}/{name}", content)
    rest = db.size_bytes - sum(len(content) for content in files.texts.values())
    for name, size in share_out(rest, files.shares).items():
        tree.sparse(f"{folder}/{name}", size)


def share_out(total: int, shares: Mapping[str, tuple[float, int]]) -> dict[str, int]:
    """Divide `total` bytes among files: path -> (weight, most bytes), in whole pages.

    What rounding and the bounds leave over goes to the file with the largest weight, so that the
    sum is exact.
    """
    weights = sum(weight for weight, _ in shares.values())
    sizes = {
        path: min(int(total * weight / weights), most) // _PAGE * _PAGE
        for path, (weight, most) in shares.items()
    }
    largest = max(shares, key=lambda path: shares[path][0])
    sizes[largest] += total - sum(sizes.values())
    return sizes
