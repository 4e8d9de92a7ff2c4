"""The rooms of the sandbox, held by its imports: one direction, few doors, no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from discovery.artefacts import ROOT

MAY_IMPORT: dict[str, set[str]] = {
    "platforms": set(),
    "engines": {"platforms"},
    "estate": {"platforms", "engines"},
    "host": {"platforms", "engines", "estate"},
    "call": set(),
    "http_responses": {"call"},
    "faults": {"call"},
    "iam": {"call"},
    "ssm": {"call", "estate", "host"},
    "transactions": {"call", "http_responses"},
    "app": {"call", "faults", "http_responses", "iam", "ssm", "transactions"},
    "clients": {"iam"},
    "moto_records": {"estate"},
    "provision": {"estate", "iam", "moto_records"},
    "emulator": {
        "app",
        "clients",
        "estate",
        "faults",
        "host",
        "iam",
        "moto_records",
        "provision",
        "ssm",
    },
    "": {"emulator", "ssm"},
    "__main__": {"emulator", "estate"},
}
"""Room -> rooms of the sandbox that it may import. `sandbox/__init__.py` is ""."""

PRODUCT = {"discovery.artefacts", "discovery.partitions", "discovery.settings"}
"""What the sandbox shares with the product: the artefacts, and the words for where it is."""

AWS_CLIENTS = {"boto3", "botocore"}
AWS_SERVER = {"moto", "flask", "werkzeug"}


def imports(path: Path) -> Iterator[str]:
    """Every imported name, wherever in the file. `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    """The room that a file of the sandbox belongs to: a folder, or a module beside the folders."""
    name = path.relative_to(ROOT / "sandbox").with_suffix("").parts[0]
    return "" if name == "__init__" else name


def source_files(*folders: str) -> list[Path]:
    """Every Python file of the top-level `folders`."""
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


SANDBOX = source_files("sandbox")


def imported_rooms(path: Path) -> Iterator[tuple[str, str]]:
    """Pairs of room and name within it, for what a file imports of other rooms."""
    for imported in imports(path):
        first, *rest = imported.split(".")
        if first == "sandbox":
            room = rest[0] if (ROOT / "sandbox" / rest[0]).is_dir() or len(rest) > 1 else ""
            if room != room_of(path):
                yield room, ".".join(rest[1:] if room else rest)


def test_every_room_says_what_it_may_import() -> None:
    """A new folder or module needs a place in the order."""
    assert {room_of(path) for path in SANDBOX} == set(MAY_IMPORT)


def test_imports_run_one_way() -> None:
    """A room imports the rooms that it may, and what it may has no circle."""
    TopologicalSorter(MAY_IMPORT).prepare()
    upward = [
        f"{path.relative_to(ROOT)} imports {room or 'sandbox'}"
        for path in SANDBOX
        for room, _ in imported_rooms(path)
        if room not in MAY_IMPORT[room_of(path)]
    ]
    assert upward == []


def test_there_is_no_circle_between_files() -> None:
    """Nor inside a room, whose `__init__` is its door and nothing that its own files use."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in SANDBOX
    }
    graph = {
        name: {
            target
            for imported in imports(path)
            for target in (imported, imported.rpartition(".")[0])
            if target in modules
        }
        for name, path in modules.items()
    }
    TopologicalSorter(graph).prepare()


def test_a_folder_is_entered_by_its_door() -> None:
    """Other rooms import what a folder's `__init__` offers, not from the files behind it."""
    around = [
        f"{path.relative_to(ROOT)} imports {room}.{name}"
        for path in SANDBOX
        for room, name in imported_rooms(path)
        if room and (ROOT / "sandbox" / room / f"{name.split('.')[0]}.py").is_file()
    ]
    assert around == []


def test_the_product_does_not_know_the_sandbox() -> None:
    """It reaches the sandbox as it reaches AWS: through AWS_ENDPOINT_URL."""
    product = [*source_files("discovery", "lambda", "pages", "ssm"), ROOT / "dashboard.py"]
    insiders = [
        f"{path.relative_to(ROOT)} imports {imported}"
        for path in product
        for imported in imports(path)
        if imported.split(".")[0] == "sandbox"
    ]
    assert insiders == []


def test_the_sandbox_knows_no_product() -> None:
    """It is what the product is tested against, and shares no code with what it is there to try."""
    strangers = [
        f"{path.relative_to(ROOT)} imports {imported}"
        for path in SANDBOX
        for imported in imports(path)
        if imported.split(".")[0] in ("discovery", "pages", "dashboard", "lambda", "tests")
        and not PRODUCT & {imported, imported.rpartition(".")[0]}
    ]
    assert strangers == []


@pytest.mark.parametrize(
    ("libraries", "place"),
    [(AWS_CLIENTS, "discovery/aws"), (AWS_SERVER, None)],
    ids=["clients", "server"],
)
def test_aws_has_two_places(libraries: set[str], place: str | None) -> None:
    """boto3 is imported by `discovery/aws` and the sandbox only, moto by the sandbox only."""
    product = [*source_files("discovery", "lambda", "pages", "ssm"), ROOT / "dashboard.py"]
    importers = {
        path
        for path in product
        for imported in imports(path)
        if imported.split(".")[0] in libraries
    }
    allowed = {path for path in importers if place and path.is_relative_to(ROOT / place)}
    assert importers - allowed == set()


def test_estates_and_host_folders_need_no_server() -> None:
    """What declares and builds hosts imports the standard library and pydantic."""
    heavy = [
        f"{path.relative_to(ROOT)} imports {imported}"
        for path in SANDBOX
        if room_of(path) in ("platforms", "engines", "estate", "host")
        for imported in imports(path)
        if imported.split(".")[0] in AWS_CLIENTS | AWS_SERVER
    ]
    assert heavy == []
