"""Host folders that are built once and shared by every sandbox, which only reads them.

Building them anew for each start is slow on some file systems: ext4 without a journal leaves
inodes alone for minutes after they were freed, and searches past them for each new file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

from sandbox.estate import EstateHost
from sandbox.host.folder import build_host

_PACKAGE = Path(__file__).parent.parent
_BUILDERS = ("platforms.py", "engines/*.py", "estate/*.py", "host/*.py")
"""The files that decide what is in a folder."""


def private_store() -> Path | None:
    """A folder of this user's that outlives the sandbox; None where somebody else holds its name.

    It is in the temporary directory, not in the checkout: the hosts' sparse files add up to
    terabytes for a backup or a copy that fills their holes.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    store = Path(tempfile.gettempdir()) / f"database-discovery-hosts-{user}"
    try:
        store.mkdir(mode=0o700)
    except FileExistsError:
        status = store.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != user or status.st_mode & 0o077:
            return None
    return store


def cached_host(host: EstateHost, store: Path) -> Path:
    """The folder of `host` in `store`, built if it is not there yet. To be read only.

    A folder's name is a hash of the host's description and of the code that builds it, so that the
    store is never out of date. Folders that are no longer used stay until the store is removed.
    Several processes may build at once: a folder appears whole or not at all.
    """
    key = hashlib.sha256(f"{_builders()}{host!r}".encode()).hexdigest()[:24]
    folder = store / key
    if folder.is_dir():
        return folder
    store.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix="building-", dir=store))
    try:
        build_host(host, building)
        building.rename(folder)
    except OSError:
        shutil.rmtree(building, ignore_errors=True)
        if not folder.is_dir():
            raise
    return folder


@cache
def _builders() -> str:
    digest = hashlib.sha256()
    for pattern in _BUILDERS:
        for path in sorted(_PACKAGE.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()
