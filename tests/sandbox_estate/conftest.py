"""The demo estate, and its hosts as folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from discovery.sandbox.estate import Estate, load_estate
from discovery.sandbox.host_cache import cached_host


@pytest.fixture(scope="session")
def estate() -> Estate:
    """The estate that ships."""
    return load_estate()


@pytest.fixture(scope="session")
def folders(
    estate: Estate, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Mapping[str, Path]:
    """Host name -> its folder, for each Linux host of the estate; parallel workers share them."""
    base = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        base = base.parent
    linux = [host for host in estate.hosts() if host.platform == "Linux"]
    return {host.name: cached_host(host, base / "hosts") for host in linux}
