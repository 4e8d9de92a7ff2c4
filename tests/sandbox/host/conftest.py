"""The estate's hosts as folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.estate import Estate
from sandbox.host import cached_host


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
