"""The shape of a page's file: role first, then functions, run by the last line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from discovery.artefacts import ROOT

PAGES = sorted(path for path in (ROOT / "pages").glob("*/*.py") if path.parent.name != "components")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_checks_the_role_first_and_keeps_nothing_global(path: Path) -> None:
    """After its imports a page checks the role; no function reads what is assigned below it, as
    only constants are assigned, and `main()` is all that runs."""
    statements = [
        statement
        for statement in ast.parse(path.read_text("utf-8")).body
        if not isinstance(statement, ast.Import | ast.ImportFrom)
    ]
    assert ast.unparse(statements[0]).startswith("page.require(Role.")
    assert ast.unparse(statements[-1]) == "main()"
    for statement in statements[1:-1]:
        if isinstance(statement, ast.Assign):
            assert all(ast.unparse(target).isupper() for target in statement.targets)
        else:
            assert isinstance(statement, ast.FunctionDef)
