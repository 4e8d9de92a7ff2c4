"""`discovery.inventory.reconcile`: what becomes of what was known when a host reports again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.errors import FailureKind, ReportError
from discovery.inventory.reconcile import environment_of, reconcile_host
from discovery.inventory.report import parse_report
from discovery.model import (
    NO_DATABASE,
    ChangeKind,
    DatabaseRecord,
    DatabaseStatus,
    DiscoveryStatus,
    Failure,
    GoneReason,
    HostChanges,
    HostFacts,
    HostGone,
    HostReport,
    HostResult,
    ReportedDatabase,
)
from tests.support.strategies import (
    EPOCH,
    HOST,
    honest_lines,
    hostile_lines,
    known_record,
    known_records,
)

NOW = EPOCH + timedelta(days=1)
RUN = "20260205T100000Z-00ff00"
FACTS = HostFacts(
    hostname="ip-10-0-1-17",
    os_name="Ubuntu 22.04.4 LTS",
    kernel="5.15.0",
    architecture="x86_64",
    system_memory_mb=4096,
    system_cpu_cores=2,
)
REPORTED = ReportedDatabase(
    db_id="mysql-3306",
    engine="mysql",
    status=DatabaseStatus.RUNNING,
    version="8.0.35",
    port=3306,
    data_dir="/var/lib/mysql",
    data_size_mb=2050.5,
    binary="/usr/sbin/mysqld",
    evidence={"version": "text in /usr/sbin/mysqld"},
)


def reconcile(
    known: Sequence[DatabaseRecord], result: HostResult, run_id: str = RUN, run_order: int = 0
) -> HostChanges:
    """`reconcile_host` with this module's run, time and settings."""
    return reconcile_host(
        known,
        HOST,
        result,
        run_id=run_id,
        run_order=run_order,
        now=NOW,
        gone_ttl_days=90,
        environment_tags=("Environment", "Env"),
    )


def scanned(*databases: ReportedDatabase, complete: bool = True) -> HostReport:
    """A host that reported these databases."""
    return HostReport(FACTS, databases, ("slow disk",), 87, complete)


def failed(kind: FailureKind = FailureKind.TIMED_OUT, message: str = "no answer") -> Failure:
    """A host whose scan failed."""
    return Failure(kind, message)


def after(known: Sequence[DatabaseRecord], changes: HostChanges) -> dict[str, DatabaseRecord]:
    """What the inventory holds once `changes` is written."""
    held = {record.db_id: record for record in known}
    held |= {record.db_id: record for record in changes.puts}
    for record in changes.deletes:
        del held[record.db_id]
    return held


def only(changes: HostChanges) -> DatabaseRecord:
    """The one record that is put."""
    (record,) = changes.puts
    return record


# --- a report -----------------------------------------------------------------------------------


def test_a_new_database_is_stored_with_everything_known_of_it() -> None:
    """It appears with what the host reported, the host's facts, its tags and environment."""
    changes = reconcile([], scanned(REPORTED))
    assert only(changes) == DatabaseRecord(
        account_id=HOST.account_id,
        instance_id=HOST.instance_id,
        db_id="mysql-3306",
        region=HOST.region,
        discovery_timestamp=NOW,
        discovery_status=DiscoveryStatus.SUCCESS,
        run_id=RUN,
        first_seen=NOW,
        last_seen=NOW,
        engine="mysql",
        version="8.0.35",
        status=DatabaseStatus.RUNNING,
        port=3306,
        data_dir="/var/lib/mysql",
        data_size_mb=2050.5,
        binary="/usr/sbin/mysqld",
        evidence={"version": "text in /usr/sbin/mysqld"},
        seen_values={"version text": "8.0.35"},
        warnings=("slow disk",),
        instance_name="orders-db-1",
        hostname="ip-10-0-1-17",
        os_name="Ubuntu 22.04.4 LTS",
        kernel="5.15.0",
        architecture="x86_64",
        system_memory_mb=4096,
        system_cpu_cores=2,
        environment="production",
        tags=HOST.tags,
    )
    (change,) = changes.changes
    assert (change.kind, change.after, change.at) == (ChangeKind.APPEARED, "8.0.35", NOW)


def test_a_database_seen_again_keeps_its_first_day_and_is_no_change() -> None:
    """Seen again unchanged: first seen stays, last seen moves, no change is recorded."""
    known = known_record()
    changes = reconcile([known], scanned(REPORTED))
    assert (only(changes).first_seen, only(changes).last_seen) == (known.first_seen, NOW)
    assert only(changes).data_size_mb == 2050.5
    assert changes.changes == ()


def test_a_database_that_a_complete_report_does_not_name_is_gone_with_a_date() -> None:
    """Gone is a state: the record stays, dated, and expires after the configured time."""
    known = known_record()
    changes = reconcile([known], scanned())
    gone = next(record for record in changes.puts if record.is_database)
    assert (gone.status, gone.gone_at) == (DatabaseStatus.GONE, NOW)
    assert gone.gone_reason is GoneReason.ABSENT
    assert gone.expires_at == int((NOW + timedelta(days=90)).timestamp())
    assert (gone.version, gone.first_seen, gone.last_seen) == (
        known.version,
        known.first_seen,
        known.last_seen,
    )
    assert gone.evidence["status"] == f"not found by run {RUN}"
    (change,) = changes.changes
    assert (change.kind, change.before) == (ChangeKind.GONE, "8.0.35")


def test_a_gone_database_goes_once() -> None:
    """The day it went, and the day it expires, do not move with later scans."""
    gone = known_record(status=DatabaseStatus.GONE, gone_at=EPOCH, expires_at=1)
    changes = reconcile([gone], scanned())
    assert [record.db_id for record in changes.puts] == [NO_DATABASE]
    assert changes.changes == ()


def test_what_ran_on_a_terminated_instance_is_gone_with_the_reason() -> None:
    """Every database of the host is gone, dated, and expires; what was known of it stays."""
    known = [known_record(), known_record("redis-6379", engine="redis", version=None)]
    changes = reconcile(known, HostGone(GoneReason.TERMINATED))
    assert changes.deletes == ()
    for before, now in zip(known, changes.puts, strict=True):
        assert now == replace(
            before,
            run_id=RUN,
            discovery_timestamp=NOW,
            status=DatabaseStatus.GONE,
            gone_at=NOW,
            gone_reason=GoneReason.TERMINATED,
            expires_at=int((NOW + timedelta(days=90)).timestamp()),
            evidence={**before.evidence, "status": f"instance no longer listed in run {RUN}"},
        )
    assert [(change.kind, change.before, change.after) for change in changes.changes] == [
        (ChangeKind.GONE, known[0].version, "terminated"),
        (ChangeKind.GONE, None, "terminated"),
    ]


def test_the_placeholder_of_a_terminated_instance_goes_too() -> None:
    """A host that never had a database, or whose scan failed, leaves no row behind."""
    placeholder = known_record(
        NO_DATABASE, engine=None, status=None, discovery_status=DiscoveryStatus.FAILED
    )
    changes = reconcile([placeholder], HostGone(GoneReason.TERMINATED))
    assert changes == HostChanges((), (placeholder,), ())


def test_a_terminated_instance_is_gone_once() -> None:
    """The date of its going does not move with each listing that lacks it."""
    gone = known_record(status=DatabaseStatus.GONE, gone_at=EPOCH, expires_at=1)
    assert reconcile([gone], HostGone(GoneReason.TERMINATED)) == HostChanges()


def test_an_older_listing_does_not_take_away_what_a_newer_run_met() -> None:
    """A newer run that reached the host, and failed, has proved that the host is there."""
    met = known_record(
        NO_DATABASE,
        engine=None,
        status=None,
        discovery_status=DiscoveryStatus.FAILED,
        run_id=RUN + "9",
    )
    changes = reconcile([known_record(), met], HostGone(GoneReason.TERMINATED))
    assert changes == HostChanges(superseded=True)


def test_an_incomplete_report_makes_nothing_gone() -> None:
    """What a report that was cut short does not name is left exactly as it was."""
    known = [known_record(), known_record("postgresql-5432")]
    changes = reconcile(known, scanned(REPORTED, complete=False))
    assert after(known, changes)["postgresql-5432"] == known[1]
    assert changes.changes == ()


def test_a_gone_database_that_comes_back_appears_again() -> None:
    """It keeps its first day, loses its end, and takes nothing over from its former life."""
    gone = known_record(status=DatabaseStatus.GONE, gone_at=EPOCH, expires_at=1, version="5.7.44")
    changes = reconcile([gone], scanned(replace(REPORTED, version=None)))
    back = only(changes)
    assert (back.status, back.gone_at, back.expires_at) == (DatabaseStatus.RUNNING, None, None)
    assert back.gone_reason is None
    assert (back.first_seen, back.version) == (gone.first_seen, None)
    assert [change.kind for change in changes.changes] == [ChangeKind.APPEARED]


def test_a_record_of_another_region_or_host_is_not_judged() -> None:
    """A host answers for itself in its account and region, not for anything else."""
    known = [
        known_record("mysql-3307", region="us-east-1"),
        known_record("mysql-3308", instance_id="i-other"),
        known_record("mysql-3309", account_id="210987654321"),
    ]
    changes = reconcile(known, scanned(REPORTED))
    assert [record.db_id for record in changes.puts] == ["mysql-3306"]


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        ({"version": "8.0.9"}, {"version": "8.0.35"}, ChangeKind.UPGRADED),
        ({"version": "10.11.6"}, {"version": "10.6.16"}, ChangeKind.DOWNGRADED),
        ({"version": "16rc1"}, {"version": "16"}, ChangeKind.UPGRADED),
        ({"data_dir": "/old"}, {"data_dir": "/new"}, ChangeKind.MOVED),
        ({"status": DatabaseStatus.INSTALLED}, {}, ChangeKind.STARTED),
        ({}, {"status": DatabaseStatus.INSTALLED}, ChangeKind.STOPPED),
    ],
)
def test_a_difference_is_a_change(
    before: dict[str, Any], now: dict[str, Any], kind: ChangeKind
) -> None:
    """Version, place and state: each difference is one change with before and after."""
    changes = reconcile([known_record(**before)], scanned(replace(REPORTED, **now)))
    (change,) = changes.changes
    field = next(iter(before | now))
    was = before.get(field, getattr(known_record(), field))
    assert (change.kind, change.before) == (kind, was)
    assert change.after == getattr(only(changes), field)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"version": None}, {"version": "8.0.35"}),
        ({"version": "8.0"}, {"version": "8.0.35"}),
        ({"version": "8.0.35-27"}, {"version": "8.0.35"}),
        ({"data_dir": None}, {}),
        ({"data_dir": "/var/lib/mysql/"}, {}),
        ({"data_size_mb": 1999.0}, {}),
    ],
)
def test_what_is_only_better_known_is_no_change(
    before: dict[str, Any], now: dict[str, Any]
) -> None:
    """A value found for the first time, or told with another precision, did not change."""
    changes = reconcile([known_record(**before)], scanned(replace(REPORTED, **now)))
    assert changes.changes == ()


# --- what a scan could not determine ------------------------------------------------------------


def test_what_a_scan_could_not_determine_keeps_its_last_known_value() -> None:
    """Version, place and size stay, no change is recorded, and the evidence says from when."""
    unknown = replace(REPORTED, version=None, data_dir=None, data_size_mb=None, evidence={})
    changes = reconcile([known_record(data_size_complete=False)], scanned(unknown))
    record = only(changes)
    assert (record.version, record.data_dir) == ("8.0.35", "/var/lib/mysql")
    assert (record.data_size_mb, record.data_size_complete) == (2048.0, False)
    assert record.evidence == {
        "version": "last known from 2026-02-04T10:00:00Z: dpkg mysql-server-core-8.0",
        "data_dir": "last known from 2026-02-04T10:00:00Z: config /etc/mysql/my.cnf",
        "data_size_mb": "last known from 2026-02-04T10:00:00Z: sum of file sizes",
    }
    assert changes.changes == ()


def test_a_last_known_value_stays_dated_by_the_scan_that_found_it() -> None:
    """Kept over many scans, a value still says when it was really found."""
    unknown = scanned(replace(REPORTED, version=None))
    once = only(reconcile([known_record()], unknown))
    twice = only(reconcile([replace(once, run_id="20260204T")], unknown))
    assert twice.evidence["version"] == once.evidence["version"]


@pytest.mark.parametrize(
    ("before", "now", "field"),
    [
        ({}, {"version": None, "binary": "/opt/mysql-9/bin/mysqld"}, "version"),
        ({}, {"data_size_mb": None, "data_dir": "/new"}, "data_size_mb"),
        (
            {"data_dir": None, "data_size_mb": 0.0},
            {"data_dir": None, "data_size_mb": None},
            "data_size_mb",
        ),
        (
            {},
            {"data_dir": None, "data_size_mb": 0.0, "status": DatabaseStatus.INSTALLED},
            "data_dir",
        ),
    ],
    ids=["another executable", "another directory", "no directory before", "no directory now"],
)
def test_a_value_of_something_else_is_not_kept(
    before: dict[str, Any], now: dict[str, Any], field: str
) -> None:
    """A version belongs to an executable and a size to a directory: they are not carried over."""
    record = only(reconcile([known_record(**before)], scanned(replace(REPORTED, **now))))
    assert getattr(record, field) is None


# --- the placeholder ----------------------------------------------------------------------------


def test_a_host_without_databases_has_a_placeholder() -> None:
    """`none` says that the host was looked at and nothing was found."""
    record = only(reconcile([], scanned()))
    assert (record.db_id, record.discovery_status) == (NO_DATABASE, DiscoveryStatus.SUCCESS)
    assert (record.status, record.last_seen, record.hostname) == (None, None, "ip-10-0-1-17")
    assert (record.error, record.error_kind) == (None, None)


def test_the_placeholder_goes_when_a_database_is_known() -> None:
    """A failed look's placeholder is deleted once the host reports, also incompletely."""
    placeholder = known_record(NO_DATABASE, discovery_status=DiscoveryStatus.FAILED)
    assert reconcile([placeholder], scanned(REPORTED)).deletes == (placeholder,)
    known = [placeholder, known_record()]
    assert reconcile(known, scanned(complete=False)).deletes == (placeholder,)


def test_a_failure_is_told_by_the_placeholder_and_changes_nothing_else() -> None:
    """The host keeps its databases; `none` says what failed, in a bounded printable text."""
    known = [known_record(hostname="ip-10-0-1-17"), known_record("postgresql-5432")]
    changes = reconcile(known, failed(message="no\x1b[31m answer\n" + "x" * 5000))
    record = only(changes)
    assert (record.db_id, record.discovery_status) == (NO_DATABASE, DiscoveryStatus.FAILED)
    assert record.error is not None
    assert record.error.startswith("timed_out: no answer x")
    assert len(record.error) <= 1000
    assert record.error_kind is FailureKind.TIMED_OUT
    assert record.hostname == "ip-10-0-1-17", "what was known of the host is not lost"
    assert (changes.deletes, changes.changes) == ((), ())


def test_an_older_run_changes_nothing_that_a_newer_one_wrote() -> None:
    """A run that was overtaken must not bring back what it saw before."""
    newer = known_record(run_order=7)
    for result in (scanned(), scanned(REPORTED), failed()):
        assert reconcile([newer], result) == HostChanges(superseded=True)


def test_what_a_wrong_clock_wrote_without_an_order_stands_in_nobodys_way() -> None:
    """A record of an early version, dated years ahead in id and times, is older than any run that
    has an order."""
    ahead = datetime(2099, 1, 1, tzinfo=UTC)
    wrong = known_record(run_id="20990101T000000Z-000000", last_seen=ahead)
    assert reconcile([wrong], scanned(REPORTED)) == HostChanges(superseded=True)
    (record,) = reconcile([wrong], scanned(REPORTED), run_order=1).puts
    assert (record.run_order, record.run_id) == (1, RUN)


@pytest.mark.parametrize(
    ("tags", "environment"),
    [
        ({"Environment": "production", "Env": "x"}, "production"),
        ({"Environment": "  ", "Env": "test"}, "test"),
        ({"environment": "production"}, None),
        ({}, None),
    ],
)
def test_the_environment_is_the_first_tag_that_is_set(
    tags: dict[str, str], environment: str | None
) -> None:
    """Tag names count in the configured order, and a blank value is no environment."""
    assert environment_of(tags, ("Environment", "Env")) == environment


# --- anything at all ----------------------------------------------------------------------------


def result_of(line: str) -> HostReport | Failure:
    """What the runner makes of a host's output."""
    try:
        return parse_report(line)
    except ReportError as error:
        return Failure(error.kind, str(error))


@given(known_records(), honest_lines() | hostile_lines())
@settings(max_examples=200, deadline=None)
def test_no_output_of_a_host_loses_a_known_record(known: list[DatabaseRecord], line: str) -> None:
    """Whatever a host prints, every known database is still there, and it is newly gone only when
    the report was complete; only placeholders are deleted; first days never move."""
    result = result_of(line)
    changes = reconcile(known, result)
    held = after(known, changes)
    assert all(record.db_id == NO_DATABASE for record in changes.deletes)
    for record in known:
        if not record.is_database:
            continue
        now = held[record.db_id]
        assert now.first_seen == record.first_seen
        if now.status is DatabaseStatus.GONE and record.status is not DatabaseStatus.GONE:
            assert isinstance(result, HostReport)
            assert result.complete
            assert now.gone_at == NOW
        if isinstance(result, Failure):
            assert now == record


@given(known_records(), honest_lines())
@settings(max_examples=150, deadline=None)
def test_a_report_is_stored_whole_and_consistent(known: list[DatabaseRecord], line: str) -> None:
    """Every reported database is put once; live databases and a placeholder exclude each other;
    a known version or place is never replaced by unknown without a sign that it is another."""
    result = result_of(line)
    assert isinstance(result, HostReport)
    changes = reconcile(known, result)
    held = after(known, changes)
    keys = [record.key for record in changes.puts]
    assert len(set(keys)) == len(keys)
    assert {database.db_id for database in result.databases} <= set(held)
    live = [
        record
        for record in held.values()
        if record.is_database and record.status is not DatabaseStatus.GONE
    ]
    assert (NO_DATABASE in held) == (not live)
    before = {record.db_id: record for record in known}
    for record in changes.puts:
        previous = before.get(record.db_id)
        if previous and previous.is_database and previous.status is not DatabaseStatus.GONE:
            assert record.version or not previous.version or record.binary != previous.binary
            assert record.data_dir or not previous.data_dir or record.data_size_mb is not None


@given(known_records(), honest_lines(), st.integers(1, 1000))
@settings(max_examples=100, deadline=None)
def test_the_same_report_again_changes_nothing(
    known: list[DatabaseRecord], line: str, seconds: int
) -> None:
    """Reconciling twice with the same report finds no further change and the same state."""
    first = after(known, reconcile(known, result_of(line)))
    again = reconcile_host(
        list(first.values()),
        HOST,
        result_of(line),
        run_id=RUN,
        now=NOW + timedelta(seconds=seconds),
        gone_ttl_days=90,
        environment_tags=(),
    )
    assert again.changes == ()
    second = after(list(first.values()), again)
    assert {key: (r.status, r.version, r.data_dir, r.gone_at) for key, r in second.items()} == {
        key: (r.status, r.version, r.data_dir, r.gone_at) for key, r in first.items()
    }


# --- growth and flapping ------------------------------------------------------------------------


def looks(*reported: ReportedDatabase) -> list[list[ChangeKind]]:
    """The kinds of change that each look after the first finds, each look building on the last."""
    known: dict[str, DatabaseRecord] = {}
    found: list[list[ChangeKind]] = []
    for index, database in enumerate(reported):
        changes = reconcile(list(known.values()), scanned(database), f"2026020{index + 1}T100000Z")
        found.append([change.kind for change in changes.changes])
        known = after(list(known.values()), changes)
    return found[1:]


def versioned(version: str, evidence: str) -> ReportedDatabase:
    """The database with this version, found this way."""
    return replace(REPORTED, version=version, evidence={"version": evidence})


@pytest.mark.parametrize(
    ("before", "now", "grew"),
    [
        (10240.0, 12800.0, False),
        (10240.0, 12800.1, True),
        (1000.0, 2023.9, False),
        (1000.0, 2024.0, True),
        (0.0, 1024.0, True),
        (None, 90000.0, False),
        (90000.0, 10.0, False),
    ],
)
def test_growth_by_more_than_the_share_and_a_gib_is_a_change(
    before: float | None, now: float, grew: bool
) -> None:
    """Exactly the share is not yet a change, nor is a large share of little, nor the unknown."""
    found = looks(replace(REPORTED, data_size_mb=before), replace(REPORTED, data_size_mb=now))
    assert found == [[ChangeKind.GREW] if grew else []]


def test_a_size_that_was_cut_short_is_no_growth() -> None:
    """A size that is "at least this" may have been as large before."""
    cut = replace(REPORTED, data_size_mb=10.0, data_size_complete=False)
    assert looks(cut, replace(REPORTED, data_size_mb=90000.0)) == [[]]


def test_a_value_that_alternates_between_two_evidences_is_reported_once_at_most() -> None:
    """The package says 8.0.35, the executable 8.0.36: the first contradiction may be an upgrade,
    every return to what either has said before is none."""
    package, text = versioned("8.0.35", "dpkg mysql-server"), versioned("8.0.36", "text in mysqld")
    found = looks(package, text, package, text, package)
    assert found == [[ChangeKind.UPGRADED], [], [], []]


def test_a_less_exact_evidence_is_no_change() -> None:
    """8.0 from a path and 8.0.35 from the package are one version."""
    exact, path = versioned("8.0.35", "dpkg mysql-server"), versioned("8.0", "path /opt/mysql-8.0")
    assert looks(exact, path, exact) == [[], []]


def test_an_upgrade_is_seen_by_each_evidence_that_flaps() -> None:
    """Flapping hides no upgrade: a value that neither evidence has said before is reported."""
    package, text = versioned("8.0.35", "dpkg mysql-server"), versioned("8.0.36", "text in mysqld")
    newer = versioned("8.4.0", "dpkg mysql-server")
    assert looks(package, text, package, newer)[-1] == [ChangeKind.UPGRADED]


def test_the_same_evidence_going_back_is_a_downgrade() -> None:
    """Only a change of evidence is flapping; one evidence that changes its word is believed."""
    old, new = versioned("8.0.35", "dpkg a"), versioned("8.0.36", "dpkg b")
    assert looks(old, new, old) == [[ChangeKind.UPGRADED], [ChangeKind.DOWNGRADED]]


def test_a_data_directory_that_alternates_between_evidences_does_not_move_each_time() -> None:
    """A link and its target: the configuration names one, the open files the other."""
    link = replace(REPORTED, evidence={"data_dir": "config /etc/mysql/my.cnf"})
    target = replace(REPORTED, data_dir="/data/mysql", evidence={"data_dir": "open file"})
    assert looks(link, target, link, target) == [[ChangeKind.MOVED], [], []]
