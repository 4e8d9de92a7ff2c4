"""The probe's source can be read, whole, by the people who have to allow it; and it starts fast."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

import pytest

from tests.support.hostfolder import PROBE

pytestmark = pytest.mark.slow

ROOT = PROBE.parents[1]
SOURCE = PROBE.read_text(encoding="utf-8")
TREE = ast.parse(SOURCE)

MOST_LINES_OF_A_SECTION = 250
MOST_LINES_OF_A_FUNCTION = 45
MOST_BRANCHES = 15  # cyclomatic complexity
MOST_START_UP = 8  # times that of a Python that does nothing
ROUNDS = 11

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = [node for node in ast.walk(TREE) if isinstance(node, Function)]


def sections() -> dict[str, int]:
    """Section -> its lines, in the order of the file."""
    heads = list(re.finditer(r"(?m)^# --- (.+?) -+$", SOURCE))
    ends = [head.start() for head in heads[1:]] + [len(SOURCE)]
    return {
        head.group(1): SOURCE[head.start() : end].count("\n")
        for head, end in zip(heads, ends, strict=True)
    }


def branches(function: ast.AST) -> int:
    """Cyclomatic complexity as radon counts it, with lambdas and inner functions besides."""
    count = 1
    for node in ast.walk(function):
        if isinstance(node, ast.If | ast.IfExp | ast.Assert | ast.Lambda | ast.ExceptHandler):
            count += 1
        elif isinstance(node, ast.For | ast.AsyncFor | ast.While):
            count += 1 + bool(node.orelse)
        elif isinstance(node, ast.Try):
            count += bool(node.orelse)
        elif isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            count += 1 + len(node.ifs)
        elif isinstance(node, Function) and node is not function:
            count += 1
    return count


def audited() -> Iterator[tuple[str, str]]:
    """(section, file::test) of each promise in the module's docstring."""
    text = ast.get_docstring(TREE, clean=False) or ""
    return iter(re.findall(r"(?m)^  (\S.*?)  +\S.*\n    (\S+::\S+)$", text))


def test_it_needs_the_standard_library_only() -> None:
    """No import, wherever it stands, is of something that a host may lack."""
    imported: set[str] = set()
    for node in ast.walk(TREE):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").split(".")[0])
    assert imported - sys.stdlib_module_names == set()
    assert "__import__" not in SOURCE
    assert "importlib" not in SOURCE


def test_no_section_is_long() -> None:
    """Each section is read in one sitting; the engine table is as long as there are engines."""
    lines = sections()
    assert len(lines) > 10
    del lines["engine table"]
    assert {name: count for name, count in lines.items() if count > MOST_LINES_OF_A_SECTION} == {}


def test_no_function_is_long() -> None:
    """Each function fits on a screen."""
    lines = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in FUNCTIONS}
    assert {name: n for name, n in lines.items() if n > MOST_LINES_OF_A_FUNCTION} == {}


def test_no_function_has_many_branches() -> None:
    """Each function can be followed in the head."""
    counts = {node.name: branches(node) for node in FUNCTIONS}
    assert {name: n for name, n in counts.items() if n > MOST_BRANCHES} == {}


@pytest.mark.parametrize(
    ("code", "complexity"),
    [
        ("def f():\n    return 1", 1),
        ("def f(a, b):\n    if a and b or a:\n        return 1\n    return 2 if b else 3", 5),
        ("def f(a):\n    for x in a:\n        pass\n    else:\n        pass\n    assert a", 4),
        ("def f(a):\n    return [x for y in a for x in y if x if y]", 5),
        ("def f(a):\n    try:\n        pass\n    except (A, B):\n        pass\n    except C:\n"
         "        pass\n    else:\n        pass", 4),
        ("def f(a):\n    with a:\n        return max(a, key=lambda b: b)", 2),
        ("def f(a):\n    def g():\n        while a:\n            pass", 3),
    ],
)  # fmt: skip
def test_how_branches_are_counted(code: str, complexity: int) -> None:
    """One, and one for each branch; a `with` and an `else` of an `if` are none."""
    assert branches(ast.parse(code).body[0]) == complexity


def test_every_promise_names_a_section_and_a_test_that_exist() -> None:
    """An auditor finds each section, in the order of the file, and the test that proves it."""
    promises = list(audited())
    assert len(promises) >= 12
    names = list(sections())
    places = [names.index(section) for section, _ in promises]
    assert places == sorted(set(places))
    for _, test in promises:
        path, _, name = test.partition("::")
        module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_every_class_and_function_says_what_it_is_for() -> None:
    """Constructors aside: their class does."""
    kinds = ast.FunctionDef | ast.ClassDef
    mute = [
        node.name
        for node in ast.walk(TREE)
        if isinstance(node, kinds) and not ast.get_docstring(node)
    ]
    nested = {inner.name for node in FUNCTIONS for inner in node.body if isinstance(inner, kinds)}
    assert set(mute) - nested - {"__init__", "__del__"} == set()


def cpu_seconds(*arguments: str) -> float:
    """What a fresh Python with these arguments costs."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        started = subprocess.Popen([sys.executable, "-I", "-S", *arguments], stdout=null)
        _, status, usage = os.wait4(started.pid, 0)
    finally:
        os.close(null)
    started.returncode = os.waitstatus_to_exitcode(status)
    assert started.returncode == 0
    return usage.ru_utime + usage.ru_stime


def test_it_starts_fast() -> None:
    """To start and compile the probe costs at most eight times the CPU of a Python that does
    nothing. The two are run in turns, so that a busy machine slows both."""
    ratios = []
    for _ in range(ROUNDS):
        nothing = cpu_seconds("-c", "pass")
        ratios.append(cpu_seconds(str(PROBE), "--help") / nothing)
    assert median(ratios) <= MOST_START_UP, sorted(ratios)
