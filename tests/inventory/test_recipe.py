"""The recipe of ARCHITECTURE.md for a field of a database, followed on a copy of the product."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from discovery.artefacts import ROOT

DECLARATION = """
    character_set: Annotated[
        str | None,
        Field(description="Character set of new tables.", examples=["utf8mb4"]),
        Reported(Text),
    ] = None
"""
COLUMN = '    Column("Character set", "character_set"),\n'
FOLLOWED = """
import json, sys
from datetime import UTC, datetime
from discovery.export.csv import write_databases
from discovery.export.json import record_object
from discovery.inventory.as_of import AsOf
from discovery.inventory.reconcile import reconcile_host
from discovery.inventory.report import parse_report
from discovery.model import Coverage, Host
import io

now = datetime(2026, 2, 4, tzinfo=UTC)
host = Host("123456789012", "eu-west-1", "i-0abc123def456", Coverage.PENDING)
report = parse_report(sys.stdin.read())
changes = reconcile_host(
    (), host, report, run_id="r", now=now, gone_ttl_days=1, environment_tags=()
)
out = io.StringIO(newline="")
write_databases(changes.puts, out, AsOf(now))
print(json.dumps({"json": record_object(changes.puts[0]), "csv": out.getvalue()}))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The product's package, for a change to it."""
    shutil.copytree(
        ROOT / "discovery", tmp_path / "discovery", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


def insert(path: Path, before: str, text: str) -> None:
    """Put `text` into the file in front of the one place where `before` stands."""
    content = path.read_text(encoding="utf-8")
    assert content.count(before) == 1, f"{path.name}: {before!r}"
    path.write_text(content.replace(before, text + before), encoding="utf-8")


def test_a_new_field_needs_a_declaration_and_a_column(copy: Path) -> None:
    """Declared in the model and given a column, what the probe prints arrives in JSON and CSV,
    with no other change."""
    model = copy / "discovery/model/database.py"
    insert(model, "    clients: Annotated[\n", DECLARATION.lstrip("\n"))
    columns = copy / "discovery/inventory/database_columns.py"
    insert(columns, '    Column("Clients"', COLUMN)
    database = {
        "db_id": "mysql-3306",
        "engine": "mysql",
        "status": "running",
        "character_set": "utf8mb4",
        "evidence": {"character_set": "config /etc/my.cnf"},
    }
    report = {"schema": 1, "databases": [database], "count": 1, "complete": True, "end": True}
    finished = subprocess.run(
        [sys.executable, "-c", FOLLOWED],
        cwd=copy,
        input=json.dumps(report),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    shown = json.loads(finished.stdout)
    assert shown["json"]["character_set"] == "utf8mb4"
    assert shown["json"]["evidence"] == {"character_set": "config /etc/my.cnf"}
    (row,) = csv.DictReader(io.StringIO(shown["csv"]))
    assert row["Character set"] == "utf8mb4"
