"""What the tests of sign-in share: an inventory as in production, and an identity provider."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import Sandbox
from tests.support.api_records import ALL_KINDS
from tests.support.empty_tables import empty_tables
from tests.support.identity_provider import IdentityProvider, identity_provider
from tests.support.stored import store_records


@pytest.fixture(scope="module")
def exports(sandbox: Sandbox) -> dict[str, str]:
    """The environment of a server over the example records, as in production: no sandbox."""
    empty_tables(sandbox)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in sandbox.environment.items():
            environment.setenv(name, value)
        store_records(sandbox.settings, *ALL_KINDS)
    return sandbox.environment | {"DISCOVERY_SANDBOX": ""}


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    """The identity provider of all tests."""
    with identity_provider() as running:
        yield running
