"""The shape of the sandbox, held by its imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from discovery.artefacts import ROOT

ALLOWED = {
    "platforms": set[str](),
    "call": set[str](),
    "engines": {"platforms"},
    "estate": {"engines", "platforms"},
    "host": {"engines", "estate", "platforms"},
    "iam": {"call"},
    "ssm": {"call", "estate", "host"},
}
"""Room -> the rooms that it may import."""


def imported_rooms(room: str) -> Iterator[str]:
    """The other rooms of the sandbox that the files of `room` import."""
    place = ROOT / "sandbox" / room
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    assert files, room
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sandbox"):
                _, *parts = (node.module or "").split(".")
                yield parts[0] if parts else "__init__"


@pytest.mark.parametrize("room", ALLOWED)
def test_rooms_import_one_way(room: str) -> None:
    """A room imports only those that the sandbox's README names."""
    assert set(imported_rooms(room)) - {room} <= ALLOWED[room]


def test_the_readme_names_every_room() -> None:
    """Each folder of the sandbox is in the README's table."""
    text = (ROOT / "sandbox" / "README.md").read_text(encoding="utf-8")
    folders = [path for path in (ROOT / "sandbox").iterdir() if (path / "__init__.py").exists()]
    assert [path.name for path in folders if f"`{path.name}/`" not in text] == []
