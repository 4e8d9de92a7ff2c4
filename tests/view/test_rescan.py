"""The Rescan page: what a run can be asked for, how far one is, what one did and what it cost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from discovery.inventory.as_of import AsOf
from discovery.model import RunRequest
from discovery.settings import Settings
from discovery.view import labels, rescan
from discovery.view.frames import frame
from discovery.view.rescan import RUN_COLUMNS, ApiCalls, api_calls
from tests.support.snapshots import ACCOUNTS, NOW, REGIONS, run, snapshot


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
    assert labels.request_label(request_) == words_


def test_runs_are_rows() -> None:
    """The history shows how long each run took and how much of what was listed it scanned."""
    row = frame(RUN_COLUMNS, [run()], AsOf(NOW)).iloc[0]
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
    assert api_calls(counted) == [
        ApiCalls("dynamodb:PutItem", 1200, 0),
        ApiCalls("ssm:SendCommand", 9, 2),
        ApiCalls("sts:AssumeRole", 1, 0),
    ]
    earlier = run()
    assert labels.requests_sent(earlier) == "27"
    assert labels.units_used(earlier) == labels.not_scanned(earlier.not_scanned) == "–"  # noqa: RUF001
    assert {calls.throttled for calls in api_calls(earlier)} == {None}


def test_a_known_instance_is_looked_for_where_it_is() -> None:
    """One that was seen before is scanned in its account and region, another one everywhere."""
    whole = snapshot()
    host = whole.hosts[0]
    request, place = rescan.instance_request(whole, host.instance_id)
    assert request == RunRequest((host.account_id,), (host.region,), (host.instance_id,))
    assert place == f"{host.name}, account {host.account_id}, region {host.region}"
    request, place = rescan.instance_request(whole, "i-0new")
    assert request == RunRequest(instances=("i-0new",))
    assert "every account" in place


def test_what_is_configured_is_offered_else_what_runs_have_seen() -> None:
    """An organisation's accounts, and the regions that accounts enable, are known from runs."""
    configured = Settings(accounts=("123456789012",), regions=("eu-west-1",))
    whole = Settings(accounts=("organization",), regions=("all",))
    assert rescan.known_accounts(snapshot(), configured) == ("123456789012",)
    assert rescan.known_regions(snapshot(), configured) == ("eu-west-1",)
    assert rescan.known_accounts(snapshot(), whole) == sorted(ACCOUNTS)
    assert rescan.known_regions(snapshot(), whole) == sorted(REGIONS)


def test_a_run_without_a_sign_of_life_is_told() -> None:
    """Longer than its lease without a heartbeat: the page warns, and not before."""
    silent = run(heartbeat_at=NOW - timedelta(seconds=61))
    warning = rescan.silence(silent, NOW, 60)
    assert warning is not None and "1 min 1 s" in warning
    assert rescan.silence(silent, NOW, 61) is None


def test_progress_counts_scopes_and_hosts() -> None:
    """A run that has not listed its scopes yet is at zero, one of all scopes at one."""
    assert rescan.share_done(run(scopes_total=0, scopes_done=0)) == 0.0
    assert rescan.share_done(run()) == 1.0
    assert rescan.progress_text(run()).startswith("10 of 10 account regions · 45 of 48 targeted")
