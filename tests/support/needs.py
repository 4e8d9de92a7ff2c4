"""What a test needs of the machine it runs on."""

from __future__ import annotations

import os

import pytest


def missing(reason: str) -> None:
    """Skip, but fail in continuous integration, where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
