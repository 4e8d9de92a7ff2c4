"""Host folders: each looks like a Linux host's `/` to the probe."""

from sandbox.host.folder import build_host
from sandbox.host.folder_cache import cached_host, private_store

__all__ = ["build_host", "cached_host", "private_store"]
