"""Records as tables."""

from __future__ import annotations

import re
from datetime import date

import pandas as pd
import pytest

from discovery.errors import FailureKind
from discovery.inventory.freshness import Staleness
from discovery.inventory.lifecycle import support
from discovery.model import Coverage, RunRequest
from discovery.view import frames, labels
from discovery.view.frames import Supports, owner_of, styled
from discovery.view.labels import State
from discovery.view.record import facts, host_facts
from discovery.view.rescan import grouped
from tests.support.snapshots import ACCOUNTS, NOW, database, host, run, snapshot

TODAY = date(2026, 3, 2)
FRESH = Staleness(NOW)
COLOURS: dict[State, str] = {"good": "", "warning": "#8a5a00", "bad": "#ad2c2c", "neutral": ""}


def shown(frame: pd.DataFrame) -> list[list[str]]:
    """The texts a reader sees."""
    lines = styled(frame, NOW, COLOURS).hide(axis="index").to_string(delimiter="\t").splitlines()
    return [line.split("\t") for line in lines[1:]]


def test_a_database_is_one_row_with_sortable_values() -> None:
    """Sizes and times stay numbers and times: a column sorts by value, not by its text."""
    frame = frames.databases([database(), database(data_size_mb=None)], Supports(TODAY), FRESH)
    assert frame["Size"].tolist()[0] == 2048.0
    assert frame["Last seen"].dtype.kind == "M"
    assert frame["Support"].tolist() == ["Ended", "Ended"]


def test_unknown_values_read_as_a_dash() -> None:
    """A value that is not known is a dash in the table, never 0 and never "None"."""
    unknown = database(version=None, data_size_mb=None, port=None, environment=None, tags={})
    row = shown(frames.databases([unknown], Supports(TODAY), FRESH))[0]
    assert row.count("–") == 7  # noqa: RUF001
    assert "None" not in row
    assert "0" not in row


def test_values_read_with_units() -> None:
    """The table shows a size with its unit, and a time relative to now."""
    row = shown(frames.databases([database()], Supports(TODAY), FRESH))[0]
    assert "2.0 GiB" in row
    assert "4 min ago" in row


def test_only_states_that_need_a_look_have_a_colour() -> None:
    """Ended support is red, supported has no colour, and the word is there either way."""
    frame = frames.databases([database(), database(version="8.4.3")], Supports(TODAY), FRESH)
    page = styled(frame, NOW, COLOURS).set_uuid("t").to_html()
    column = list(frame.columns).index("Support")
    assert re.search(rf"#T_t_row0_col{column}[^{{]*{{\s*color: #ad2c2c", page)
    assert f"#T_t_row1_col{column}" not in page
    assert ">Supported<" in page


@pytest.mark.parametrize(
    ("tags", "owner"),
    [
        ({"Owner": "orders"}, "orders"),
        ({"owner": "a", "Team": "b"}, "a"),
        ({"TEAM": "b"}, "b"),
        ({"Owner": ""}, None),
        ({"Name": "x"}, None),
    ],
)
def test_the_owner_is_a_tag(tags: dict[str, str], owner: str | None) -> None:
    """Whose a database is comes from the instance's tags, whatever their capitals."""
    assert owner_of(tags) == owner


def test_hosts_say_why_they_were_not_scanned() -> None:
    """Every instance has a state in words and a reason: its own error, else the state's."""
    frame = frames.hosts(
        [
            host(coverage=Coverage.FAILED, error="python3 not found"),
            host(coverage=Coverage.NOT_MANAGED, databases=None),
        ]
    )
    assert frame["State"].tolist() == ["Failed", "Not managed"]
    assert frame["Why"].tolist() == ["python3 not found", Coverage.NOT_MANAGED.explanation]


def test_every_state_of_coverage_has_a_word() -> None:
    """No state reaches a page as an identifier."""
    assert set(labels.COVERAGE_WORDS) == set(Coverage)


def test_a_record_in_full_tells_how_each_value_was_found() -> None:
    """Each field of a record stands beside its evidence."""
    record = database()
    rows = {row[0]: row[1:] for row in facts(record, support("mysql", "8.0.35", TODAY), FRESH)}
    assert rows["Version"] == ("8.0.35", record.evidence["version"])
    assert rows["Data size"] == ("2.0 GiB (2,048.00 MiB)", "sum of file sizes")
    assert rows["Support"][0] == "Ended on 2025-04-30; extended until 2026-04-30"
    assert rows["Container"] == ("–", "–")  # noqa: RUF001


def test_the_host_of_a_record_shows_its_tags() -> None:
    """All tags of the instance are part of the record in full."""
    assert ("Tag Owner", "orders") in host_facts(database())


def test_failures_are_grouped_by_cause() -> None:
    """Failures of one kind stand together, scopes and hosts alike, the most frequent first."""
    whole = snapshot()
    failed = [host for host in whole.hosts if host.error_kind]
    groups = grouped(whole.scopes, failed)
    assert sum(len(group.rows) for group in groups) == len(failed) + 2
    denied = next(group for group in groups if group.kind is FailureKind.ASSUME_ROLE_DENIED)
    assert {row[0] for row in denied.rows} == {ACCOUNTS[4]}
    assert [len(group.rows) for group in groups] == sorted(
        (len(group.rows) for group in groups), reverse=True
    )


@pytest.mark.parametrize(
    ("request_", "words_"),
    [
        (RunRequest(), "Everything"),
        (RunRequest(accounts=("1", "2", "3")), "3 accounts"),
        (RunRequest(("1",), ("eu-west-1",), ("i-0abc",)), "i-0abc, 1, eu-west-1"),
    ],
)
def test_a_run_says_what_it_was_asked(request_: RunRequest, words_: str) -> None:
    """The history tells what each run was to discover."""
    assert labels.asked_for(run(request=request_)) == words_


def test_runs_are_rows() -> None:
    """The history shows how long each run took and how much of what was listed it scanned."""
    row = frames.runs([run()], NOW).iloc[0]
    assert (row["Took"], row["Scanned"], row["Scopes failed"]) == (
        "1 min 0 s",
        "45 of 60",
        "2 of 10",
    )


def test_the_cost_of_a_run_is_told_as_far_as_it_was_counted() -> None:
    """Requests by API, the most frequent first; what an earlier version did not count is a dash."""
    counted = run(
        api_calls={"ssm:SendCommand": 9, "sts:AssumeRole": 1, "dynamodb:PutItem": 1200},
        throttled_calls={"ssm:SendCommand": 2},
        retries=3,
        read_units=24.0,
        write_units=1749.5,
        not_scanned={"stopped": 2, "agent_offline": 1, "not_reached": 0},
    )
    assert labels.requests_sent(counted) == "1,210, 3 of them retries, 2 throttled"
    assert labels.units_used(counted) == "24 read, 1,749.5 write"
    assert labels.not_scanned(counted.not_scanned) == "2 stopped, 1 agent offline"
    assert frames.api_calls(counted).values.tolist() == [
        ["dynamodb:PutItem", 1200, 0],
        ["ssm:SendCommand", 9, 2],
        ["sts:AssumeRole", 1, 0],
    ]
    earlier = run()
    assert labels.requests_sent(earlier) == "27"
    assert labels.units_used(earlier) == labels.not_scanned(earlier.not_scanned) == "–"  # noqa: RUF001
    assert frames.api_calls(earlier)["Throttled"].isna().all()
