"""Fixtures of the AWS layer's tests."""

from __future__ import annotations

import pytest

from discovery.aws.session import Aws
from discovery.sandbox import Sandbox
from discovery.settings import Settings
from tests.tables import empty_tables


@pytest.fixture
def aws(sandbox: Sandbox, settings: Settings) -> Aws:
    """Clients on the sandbox, whose tables are empty."""
    empty_tables(sandbox)
    return Aws(settings)
