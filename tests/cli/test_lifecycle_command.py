"""`python -m discovery lifecycle`: the dates in use, and how a file takes their place."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from discovery.cli.boundary import CommandFailed, Commands, WronglyUsed
from discovery.cli.lifecycle import described, lifecycle, renew
from discovery.inventory import support_file
from discovery.inventory.support_file import TABLE, read_table

TODAY = date(2026, 11, 27)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A copy of the dates that are shipped."""
    copy = tmp_path / "in-use.json"
    copy.write_bytes(TABLE.read_bytes())
    return copy


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], object]], Path]:
    """A file that differs from the dates that are shipped."""

    def make(change: Callable[[dict[str, Any]], object]) -> Path:
        data = json.loads(TABLE.read_bytes())
        change(data)
        file = tmp_path / "new.json"
        file.write_text(json.dumps(data), encoding="utf-8")
        return file

    return make


def _newer(data: dict[str, Any]) -> None:
    data["as_of"] = "2026-11-20"
    cycles = data["engines"]["postgresql"]["cycles"]
    cycles["19"] = {"community": "2031-11-13"}
    cycles["15"]["community"] = "2027-11-12"
    del cycles["6.3"]
    del data["engines"]["edb"]


def test_a_newer_file_is_told_and_takes_the_place(
    target: Path, changed: Callable[..., Path]
) -> None:
    """A line for what is new, changed and gone; then the file is the one in use."""
    source = changed(_newer)
    lines = list(renew(source, target, TODAY, write=True))
    assert "+ postgresql 19: Community support (community) 2031-11-13" in lines
    assert (
        "~ postgresql 15: Community support (community) 2027-11-11 -> "
        "Community support (community) 2027-11-12" in lines
    )
    assert any(line.startswith("- postgresql 6.3:") for line in lines)
    assert any(line.startswith("- edb 16:") for line in lines)
    assert not any("mysql" in line for line in lines[:-1])
    assert "2026-08-22 -> 2026-11-20" in lines[-1]
    assert target.read_bytes() == source.read_bytes()
    assert sorted(file.name for file in target.parent.iterdir()) == ["in-use.json", "new.json"]


def test_a_check_writes_nothing(target: Path, changed: Callable[..., Path]) -> None:
    """It says the same and leaves the dates in use."""
    lines = list(renew(changed(_newer), target, TODAY, write=False))
    assert "+ postgresql 19: Community support (community) 2031-11-13" in lines
    assert "nothing is written" in lines[-1]
    assert target.read_bytes() == TABLE.read_bytes()


@pytest.mark.parametrize("as_of", ["2026-08-21", "2026-11-28"])
def test_a_file_of_an_older_day_or_a_day_to_come_is_refused(
    target: Path, changed: Callable[..., Path], as_of: str
) -> None:
    """Dates in use are not replaced by older ones, nor by a mistyped year."""
    source = changed(lambda data: data.update(as_of=as_of))
    with pytest.raises(WronglyUsed, match=as_of):
        list(renew(source, target, TODAY, write=True))
    assert target.read_bytes() == TABLE.read_bytes()


def test_a_place_that_cannot_be_written_is_told(
    target: Path, changed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dates in use stay, nothing lies beside them, and the hint says where to renew them."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CommandFailed, match="No space left") as failed:
        list(renew(changed(_newer), target, TODAY, write=True))
    assert failed.value.hint
    assert target.read_bytes() == TABLE.read_bytes()
    assert sorted(file.name for file in target.parent.iterdir()) == ["in-use.json", "new.json"]


def test_the_age_is_told() -> None:
    """How old the dates are; of old ones, that they are to be renewed."""
    table = read_table(TABLE)
    assert "2026-08-22 (97 days old): 21 engines" in described(table, TODAY)
    assert "renew" not in described(table, TODAY)
    assert "renew them" in described(table, date(2027, 1, 1))


def test_the_command_checks_and_renews(
    target: Path, changed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a user runs it: a wrong file is exit code 2 with its place, a fit one is taken."""
    monkeypatch.setattr(support_file, "TABLE", target)
    runner, commands = CliRunner(), Commands(commands={"lifecycle": lifecycle})
    wrong = changed(lambda data: data["engines"]["mysql"]["cycles"]["8.0"].update(premier="soon"))
    refused = runner.invoke(commands, ["lifecycle", "--from", str(wrong)])
    assert refused.exit_code == 2
    assert "engines.mysql.cycles.8.0.premier" in refused.output
    same_day = changed(lambda data: data["engines"].pop("etcd"))
    checked = runner.invoke(commands, ["lifecycle", "--from", str(same_day), "--check"])
    assert (checked.exit_code, "- etcd 3.5" in checked.output) == (0, True)
    assert target.read_bytes() == TABLE.read_bytes()
    assert runner.invoke(commands, ["lifecycle", "--from", str(same_day)]).exit_code == 0
    assert target.read_bytes() == same_day.read_bytes()
    assert "20 engines" in runner.invoke(commands, ["lifecycle"]).output
    assert runner.invoke(commands, ["lifecycle", "--check"]).exit_code == 2
