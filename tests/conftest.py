"""Fixtures of all tests, and the wall that keeps every test away from real AWS."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from discovery.cli.local_aws import clean_environment
from discovery.settings import Settings, load_settings

if TYPE_CHECKING:
    from sandbox import Sandbox

_NOBODY_LISTENS = "http://127.0.0.1:9"


def _wall() -> None:
    """Leave no credentials, profile or endpoint in the environment through which a test, or a
    process it starts, could reach an AWS account."""
    walled = clean_environment(os.environ) | {
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_ENDPOINT_URL": _NOBODY_LISTENS,
        "AWS_MAX_ATTEMPTS": "1",
    }
    os.environ.clear()
    os.environ.update(walled)


_wall()  # before any test module is imported

_MARK_BY_FOLDER = {"browser": "browser", "zoo": "zoo"}
_SERVERS = frozenset({"sandbox", "aws", "local_aws", "server"})
"""Fixtures that are, or start, a server."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by what it needs, so that `make test-fast` can leave it out."""
    for item in items:
        for folder, mark in _MARK_BY_FOLDER.items():
            if folder in item.path.parts:
                item.add_marker(mark)
        if _SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("server")


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with the demo estate, one for each test process."""
    from sandbox import Sandbox

    with Sandbox() as local:
        yield local


@pytest.fixture
def environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The sandbox's exports, set in this process until the end of the test."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    return sandbox.environment


@pytest.fixture
def settings(environment: Mapping[str, str]) -> Settings:
    """The settings that point at the sandbox. What a test stores stays for the next one."""
    return load_settings(environment)
