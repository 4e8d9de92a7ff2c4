"""The shape of the product, held by its imports: one direction, every library in its place."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from discovery.artefacts import ROOT

FLOORS: tuple[tuple[str, ...], ...] = (
    ("clock", "errors", "partitions", "sanitize"),
    ("model", "settings", "logs", "artefacts"),
    ("inventory", "aws"),
    ("export", "run", "web"),
    ("view",),
    ("cli",),
    ("__main__", "lambda", "pages"),
    ("dashboard",),
)
"""Lowest first. A room imports from its own floor and those below it, never from above."""

ENVIRONMENT_READERS = ("discovery.settings", "discovery.cli", "sandbox")
"""The settings read the environment; cli and sandbox make the environments of processes."""


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, and the names it imports, as far as they are written."""

    name: str
    tree: ast.Module

    @property
    def part(self) -> str:
        """What it belongs to: a module or package of discovery/, or pages, dashboard, lambda."""
        first, *rest = self.name.split(".")
        return rest[0] if first == "discovery" and rest else first

    def imports(self) -> Iterator[str]:
        """Every imported name, wherever in the file. `from a import b` gives `a.b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}: imports are absolute"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def source_files() -> Iterator[tuple[str, Path]]:
    """Every module of the product, the probe aside: that one imports nothing of ours."""
    for folder in ("discovery", "pages", "lambda", "sandbox"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path
    yield "dashboard", ROOT / "dashboard.py"


MODULES = {
    (name := dotted.removesuffix(".__init__")): Module(name, ast.parse(path.read_text("utf-8")))
    for dotted, path in source_files()
}
FLOOR = {part: height for height, parts in enumerate(FLOORS) for part in parts}


def ours(imported: str) -> str | None:
    """The module of ours that `imported` is, or is in; None for anything else."""
    parts = imported.split(".")
    if parts[0] not in ("discovery", "pages", "dashboard", "sandbox"):
        return None
    candidates = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in candidates if name in MODULES), None)


def importers(*libraries: str) -> set[str]:
    """The modules that import one of the outside `libraries`."""
    return {
        module.name
        for module in MODULES.values()
        if any(imported.split(".")[0] in libraries for imported in module.imports())
    }


def within(name: str, *places: str) -> bool:
    """Whether module `name` is one of `places` or inside one."""
    return any(name == place or name.startswith(place + ".") for place in places)


# --- direction ------------------------------------------------------------------------------------


def test_every_module_has_a_layer() -> None:
    """Nothing in discovery/ stands outside the floors; the sandbox is an AWS, and on none."""
    parts = {module.part for module in MODULES.values()} - {"discovery", "sandbox"}
    assert parts - set(FLOOR) == set(), "give it a floor in FLOORS"


def test_imports_run_one_way() -> None:
    """No module imports from a layer above its own."""
    upward = [
        f"{module.name} imports {imported}"
        for module in MODULES.values()
        if module.part in FLOOR
        for imported in module.imports()
        if (target := ours(imported)) is not None
        and (part := MODULES[target].part) in FLOOR
        and FLOOR[part] > FLOOR[module.part]
    ]
    assert upward == []


def test_no_module_imports_itself_by_a_detour() -> None:
    """There are no circles, also inside a layer or a package."""
    graph: dict[str, set[str]] = {}
    for module in MODULES.values():
        targets = {ours(imported) for imported in module.imports()}
        graph[module.name] = {each for each in targets if each not in (None, module.name)}
    TopologicalSorter(graph).prepare()


def test_a_run_is_reached_through_its_door_only() -> None:
    """No module outside discovery/run imports one of its modules."""
    inside = {name for name in MODULES if within(name, "discovery.run")} - {"discovery.run"}
    intruders = [
        f"{module.name} imports {imported}"
        for module in MODULES.values()
        if not within(module.name, "discovery.run")
        for imported in module.imports()
        if ours(imported) in inside
    ]
    assert intruders == []


def test_the_product_does_not_know_the_sandbox() -> None:
    """The product reaches the sandbox as it reaches AWS: through AWS_ENDPOINT_URL. The command line
    starts it as a process."""
    insiders = {
        module.name
        for module in MODULES.values()
        if any(within(imported, "sandbox") for imported in module.imports())
        and not within(module.name, "sandbox")
    }
    assert insiders == set()


def test_the_sandbox_knows_no_product() -> None:
    """The sandbox is what the product is tested against: it shares with it the artefacts and the
    vocabulary only, not the code that it is there to try."""
    allowed = {*FLOORS[0], *FLOORS[1], "sandbox"}
    strangers = [
        f"{module.name} imports {imported}"
        for module in MODULES.values()
        if module.part == "sandbox"
        for imported in module.imports()
        if (target := ours(imported)) is not None and MODULES[target].part not in allowed
    ]
    assert strangers == []


# --- each library in its place --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("libraries", "places"),
    [
        (("boto3", "botocore"), ("discovery.aws", "sandbox")),
        (("moto", "flask", "werkzeug"), ("sandbox",)),
        (
            ("streamlit",),
            (
                *("pages", "dashboard", "discovery.view.server"),
                *("discovery.view.sign_in", "discovery.view.sign_in_cookie"),
                *("discovery.view.page_run", "discovery.view.page_policy"),
                "discovery.view.streamlit_options",
            ),
        ),
        (("pandas", "plotly"), ("discovery.view", "pages")),
        (("click", "rich"), ("discovery.cli", "discovery.__main__")),
        (("aws_lambda_powertools",), ("lambda",)),
        (
            ("starlette", "uvicorn"),
            (
                *("discovery.web.server", "discovery.web.process"),
                *("discovery.view.server", "discovery.view.sign_in_gate"),
                *("discovery.view.sign_in_watch", "discovery.view.page_policy"),
                *("discovery.web.own_names", "discovery.web.busy"),
            ),
        ),
    ],
    ids=lambda value: value[0],
)
def test_a_library_is_imported_in_its_place_only(
    libraries: tuple[str, ...], places: tuple[str, ...]
) -> None:
    """What depends on an outside library is where the design puts it."""
    assert {name for name in importers(*libraries) if not within(name, *places)} == set()


def test_only_the_settings_read_the_environment() -> None:
    """No other module of the product looks at environment variables."""
    readers = set()
    for module in MODULES.values():
        names = {node.attr for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
        names |= {imported.removeprefix("os.") for imported in module.imports()}
        if names & {"environ", "environb", "getenv", "putenv"}:
            readers.add(module.name)
    assert {name for name in readers if not within(name, *ENVIRONMENT_READERS)} == set()


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("import discovery.web.api", {"boto3", "botocore"}),
        ("import discovery.web.server", {"moto"}),
        ("import discovery.run", {"click", "rich"}),
        ("import runpy; runpy.run_path('lambda/api_handler.py')", {"moto"}),
        ("import runpy; runpy.run_path('lambda/discovery_handler.py')", {"moto"}),
    ],
    ids=["api", "server", "runner", "api_handler", "discovery_handler"],
)
def test_nothing_heavy_is_loaded_on_the_way(code: str, more: set[str]) -> None:
    """A fresh interpreter that loads the API, a Lambda function or the runner stays light."""
    unwanted = more | {"pandas", "plotly", "streamlit"}
    script = f"{code}\nimport sys\nprint(*sorted({unwanted!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.stdout.split()) == ("", [])


def test_the_probe_imports_nothing_that_a_host_may_lack() -> None:
    """`ssm/discovery_python.py` needs Python's standard library and nothing else."""
    probe = Module("probe", ast.parse((ROOT / "ssm" / "discovery_python.py").read_text("utf-8")))
    imported = {name.split(".")[0] for name in probe.imports()}
    assert imported <= sys.stdlib_module_names


def test_no_test_module_imports_another() -> None:
    """What several test modules use lies in tests/support."""
    importers_of_tests = [
        f"{path.relative_to(ROOT)} imports {imported}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for imported in Module(path.stem, ast.parse(path.read_text("utf-8"))).imports()
        if imported.startswith("tests.") and ".test_" in imported
    ]
    assert importers_of_tests == []
