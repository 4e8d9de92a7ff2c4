"""Host folders built once and shared by every sandbox that only reads them.

Making an estate's folders is quick, but making them anew for each start is not on every file
system: ext4 without a journal leaves inodes alone for minutes after they were freed, and searches
past them for each new file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

from sandbox.estate.model import EstateHost
from sandbox.host.folder import build_host


def private_store() -> Path | None:
    """A folder of this user's that outlives the sandbox; None where somebody else holds its name.

    In the temporary directory, not in the checkout: the hosts' sparse files add up to terabytes for
    a backup or a copy that fills their holes.
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

    A folder's name is a hash of the host's description and of the code that builds it, so that what
    is in the store is never out of date; what is no longer used stays until the store is removed.
    Safe for several processes: a folder appears whole or not at all.
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
    """A hash of the modules that decide what is in a folder."""
    digest = hashlib.sha256()
    sandbox = Path(__file__).parent.parent
    for room in ("engines", "estate", "host"):
        for path in sorted((sandbox / room).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
