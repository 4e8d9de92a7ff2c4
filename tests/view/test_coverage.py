"""The Coverage page: which hosts it shows, and what it says of one."""

from __future__ import annotations

from dataclasses import replace

from discovery.inventory.as_of import AsOf
from discovery.model import Coverage, Scope
from discovery.view import labels
from discovery.view.coverage import (
    HOST_COLUMNS,
    HostFilter,
    filter_options,
    host_facts,
    select_hosts,
    unwatched_sentence,
)
from discovery.view.frames import frame
from tests.support.snapshots import NOW, host, snapshot

WHOLE = snapshot()


def test_hosts_that_failed_come_first() -> None:
    """The Coverage page begins with what needs a hand."""
    states = [host.coverage for host in select_hosts(WHOLE, HostFilter())]
    assert states[0] is Coverage.FAILED
    assert states[-1] is Coverage.SCANNED
    assert len(states) == len(WHOLE.hosts)


def test_hosts_are_filtered() -> None:
    """State, account and words narrow the hosts down together."""
    state = {"state": ["failed"], "q": ["PYTHON"]}
    assert all(
        host.coverage is Coverage.FAILED and host.error == "python3 not found"
        for host in select_hosts(WHOLE, HostFilter.from_params(state))
    )
    assert select_hosts(WHOLE, HostFilter.from_params({"state": ["nothing"]})) == ()
    assert filter_options(WHOLE)["state"][0] == "failed"


def test_hosts_say_why_they_were_not_scanned() -> None:
    """Every instance has a state in words and a reason: its own error, else the state's."""
    hosts = [
        host(coverage=Coverage.FAILED, error="python3 not found"),
        host(coverage=Coverage.NOT_MANAGED, databases=None),
    ]
    shown = frame(HOST_COLUMNS, hosts, AsOf(NOW))
    assert shown["State"].tolist() == ["Failed", "Not managed"]
    assert shown["Why"].tolist() == ["python3 not found", Coverage.NOT_MANAGED.explanation]


def test_every_state_of_coverage_has_a_word() -> None:
    """No state reaches a page as an identifier."""
    assert set(labels.COVERAGE_LABELS) == set(Coverage)


def test_a_host_that_was_never_scanned_says_never() -> None:
    """The drawer of a host has a dash for what is unknown, and a word for what never was."""
    facts = dict(host_facts(host(last_scanned=None, platform=None), AsOf(NOW)))
    assert (facts["Last scanned"], facts["Platform"]) == ("Never", "–")  # noqa: RUF001
    assert dict(host_facts(host(), AsOf(NOW)))["Last scanned"].startswith("4 min ago (")


def test_account_regions_that_runs_left_are_named_with_their_dates() -> None:
    """At most five by name; a left one is no failure that somebody could mend."""
    shown = snapshot()
    assert unwatched_sentence(shown) is None
    failed = shown.failed_scopes[0]
    left = {Scope(failed.account_id, failed.region): NOW}
    left |= {Scope(f"{at:012}", "eu-west-1"): NOW for at in range(1, 7)}
    shown = replace(shown, unwatched=left)
    sentence = unwatched_sentence(shown) or ""
    assert sentence.startswith("7 account regions no longer scanned: 000000000001 eu-west-1 since ")
    assert " and 2 more. " in sentence
    assert failed not in shown.failed_scopes
