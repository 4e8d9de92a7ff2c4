"""`discovery.inventory.report`: what a host may print, and what becomes of it."""

from __future__ import annotations

import base64
import json
import unicodedata
import zlib
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings

from discovery.errors import FailureKind, ReportError
from discovery.inventory.report import MAX_DATABASES, MAX_WARNINGS, parse_report
from discovery.model import DatabaseStatus, HostFacts, HostReport
from tests.support.strategies import (
    ATTACKS,
    database_entry,
    honest_lines,
    hostile_lines,
    json_values,
    report_line,
    report_object,
    texts,
)


def refusal(stdout: str) -> ReportError:
    """The error with which `stdout` is refused."""
    with pytest.raises(ReportError) as caught:
        parse_report(stdout)
    return caught.value


def texts_of(value: object) -> list[str]:
    """Every text anywhere in `value`."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts_of(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in texts_of(part)]
    return []


def is_clean(text: str) -> bool:
    """No control, format, surrogate or line separator character."""
    return not any(unicodedata.category(mark) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for mark in text)


# --- a report as it should be -------------------------------------------------------------------


def test_a_report_is_read_with_every_value() -> None:
    """Each value of the line arrives under the record's name, the size in MiB."""
    report = parse_report(report_line(database_entry(), warnings=["a file could not be read"]))
    assert report.host == HostFacts(
        hostname="ip-10-0-1-17",
        os_name="Ubuntu 22.04.4 LTS",
        kernel="5.15.0-1052-aws",
        architecture="x86_64",
        system_memory_mb=4096,
        system_cpu_cores=2,
    )
    assert (report.complete, report.elapsed_ms) == (True, 87)
    assert report.warnings == ("a file could not be read",)
    (database,) = report.databases
    assert asdict(database) == {
        "db_id": "mysql-3306",
        "engine": "mysql",
        "status": DatabaseStatus.RUNNING,
        "version": "8.0.35",
        "edition": "Community",
        "port": 3306,
        "listen": ("0.0.0.0:3306",),
        "data_dir": "/var/lib/mysql",
        "data_size_mb": 2048.0,
        "data_size_complete": True,
        "binary": "/usr/sbin/mysqld",
        "config_file": "/etc/mysql/my.cnf",
        "container": None,
        "image": None,
        "published_port": None,
        "owner": None,
        "started_at": None,
        "memory_mb": None,
        "disk_free_mb": None,
        "tls": None,
        "role": None,
        "clients": None,
        "clients_total": None,
        "evidence": {
            "status": "process 812",
            "version": "dpkg mysql-server-core-8.0 8.0.35-0ubuntu0.22.04.1",
            "port": "listening socket",
            "data_dir": "config /etc/mysql/my.cnf",
            "data_size_mb": "sum of file sizes",
        },
    }


def test_values_for_planners_are_read() -> None:
    """Owner, start, memory, free space, TLS, role and container arrive as they were told."""
    told = {
        "image": "mysql:8.0",
        "published_port": 13306,
        "owner": "mysql",
        "memory_mb": 612,
        "disk_free_mb": 51200,
        "tls": False,
        "role": "replica",
    }
    entry = {**database_entry(), **told, "started_at": "2026-01-30T22:14:05Z"}
    (database,) = parse_report(report_line(entry)).databases
    assert {name: getattr(database, name) for name in told} == told
    assert database.started_at == datetime(2026, 1, 30, 22, 14, 5, tzinfo=UTC)
    for wrong in ("2026-13-30T22:14:05Z", "yesterday", 5):
        report = parse_report(report_line({**entry, "started_at": wrong}))
        assert report.databases[0].started_at is None
        assert "started_at" in report.warnings[0]


def test_clients_are_bounded_addresses() -> None:
    """Connections by remote address: at most 50, and what is no address or no count is unknown."""
    many = {f"10.0.0.{number}": 1 for number in range(200)}
    entry = {**database_entry(), "clients": many, "clients_total": 200}
    (database,) = parse_report(report_line(entry)).databases
    assert database.clients is not None
    assert (len(database.clients), database.clients_total) == (50, 200)
    for wrong in ({"<script>": 1}, {"10.0.0.1": -1}, {"10.0.0.1": "x"}, [1], "10.0.0.1"):
        report = parse_report(report_line({**entry, "clients": wrong}))
        assert report.databases[0].clients is None
        assert "clients" in report.warnings[0]


def packed(line: str, **other: object) -> str:
    """A line as the probe packs it."""
    data = base64.b64encode(zlib.compress(line.encode())).decode()
    count = json.loads(line)["count"] if line.endswith("}") else 0
    return json.dumps({"schema": 1, "packed": data, "count": count, "end": True, **other})


def test_a_packed_report_is_the_same_report() -> None:
    """Packing changes nothing but the length."""
    line = report_line(database_entry(), database_entry("postgresql", 5432))
    assert parse_report(packed(line)) == parse_report(line)


@pytest.mark.parametrize(
    "other",
    [
        {"packed": 5},
        {"packed": "?"},
        {"packed": "AAAA"},
        {"packed": base64.b64encode(zlib.compress(b"x" * 50_000_000)).decode()},
        {"packed": base64.b64encode(zlib.compress(b"{}")[:-3]).decode()},
        {"packed": base64.b64encode(zlib.compress(b"\xff")).decode()},
        {"count": 7},
        {"end": False},
    ],
)
def test_a_wrong_packed_report_is_refused(other: dict[str, object]) -> None:
    """What cannot be unpacked, unpacks to too much, or does not agree with its cover is refused."""
    error = refusal(packed(report_line(database_entry()), **other))
    assert error.kind is FailureKind.OUTPUT_INVALID


def test_a_packed_report_that_was_cut_is_truncated() -> None:
    """A packed line that stops in the middle is told from a wrong one."""
    error = refusal(packed(report_line(database_entry()))[:200])
    assert error.kind is FailureKind.OUTPUT_TRUNCATED


@pytest.mark.parametrize(
    "wrap",
    ["{}", "\n\n  {}", "{}\r\n", "\ufeff{}", "{}\n----------ERROR-------\nnice: no", "{}\nmore{{"],
)
def test_only_the_first_line_counts(wrap: str) -> None:
    """Blank lines before the report and anything after its line change nothing."""
    line = report_line(database_entry())
    assert parse_report(wrap.format(line)) == parse_report(line)


def test_unknown_values_are_none_and_never_zero() -> None:
    """A value that the probe left out or gave as null is unknown."""
    entry = {"db_id": "mysql-unknown", "engine": "mysql", "status": "running", "port": None}
    (database,) = parse_report(report_line(entry)).databases
    assert (database.port, database.data_size_mb, database.version) == (None, None, None)


def test_an_engine_of_the_future_is_kept() -> None:
    """An engine that this version has no name for is a database like any other."""
    report = parse_report(report_line(database_entry("cockroach-db", 26257)))
    assert [database.engine for database in report.databases] == ["cockroach-db"]
    assert report.complete


@given(honest_lines())
@settings(max_examples=100)
def test_an_honest_report_is_read_without_loss(line: str) -> None:
    """What an unharmed probe prints comes through whole: no warning, no entry left out."""
    report = parse_report(line)
    raw = json.loads(line)
    assert [database.db_id for database in report.databases] == [
        entry["db_id"] for entry in raw["databases"]
    ]
    assert (report.warnings, report.complete) == ((), raw["complete"])


# --- not a report -------------------------------------------------------------------------------


def test_every_cut_of_a_report_is_called_truncated() -> None:
    """Wherever the line stops, with or without the mark of SSM, the reason is the truncation."""
    line = report_line(
        database_entry(data_dir='/srv/"data"\\x', edition="Größe 💾", data_size_bytes=12345.5e3)
    )
    for length in range(1, len(line)):
        for mark in ("", "---Output truncated---", "\n--output truncated--"):
            error = refusal(line[:length] + mark)
            assert error.kind is FailureKind.OUTPUT_TRUNCATED, line[:length] + mark
            assert "output stops after" in str(error)


def test_a_report_may_contain_the_words_of_a_truncation() -> None:
    """A whole report whose text looks like SSM's mark is not taken for a cut one."""
    report = parse_report(report_line(database_entry(data_dir="/--output truncated--")))
    assert report.databases[0].data_dir == "/--output truncated--"


@pytest.mark.parametrize(
    ("stdout", "message"),
    [
        ("", "output is empty"),
        (" \n\n ", "output is empty"),
        ("Traceback (most recent call last):", "not a report"),
        ("\n----------ERROR-------\npython3 not found", "ERROR"),
        ("[1]", "not a report"),
        ("x" * 10_000_000, "10,000,000 characters"),
        (report_line(database_entry(data_dir="x" * 10_000_000)), "at most 1,048,576"),
        ('{"schema":1 "databases":[' + '"x",' * 50 + "]}", "character 12"),
        ('{"schema":' + "[" * 100_000 + "]" * 100_000 + "}", "not JSON that can be read"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "not JSON that can be read"),
        ('{"elapsed_ms":' + "9" * 5000 + "}", "not JSON that can be read"),
        (report_line().replace("87", "NaN"), "NaN"),
        (report_line().replace("87", "-Infinity"), "Infinity"),
        (report_line(schema=2), "schema=2"),
        (report_line(schema=True), "schema=True"),
        (report_line(schema="1"), "schema='1'"),
        (report_line(databases=None), "databases=None"),
        (report_line(databases={"a": 1}), "databases=an object of 1"),
        (report_line(count=3), "count=3"),
        (report_line(count="0"), "count='0'"),
        (report_line(end=False), "end=False"),
        (report_line(end=1), "end=1"),
        ("{}", "schema: missing"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_no_report_is_refused_with_the_reason(stdout: str, message: str) -> None:
    """The error says which field, which value, in a short printable line."""
    error = refusal(stdout)
    assert error.kind is FailureKind.OUTPUT_INVALID
    assert message in str(error)
    assert len(str(error)) < 400
    assert is_clean(str(error))


# --- a report with defects ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("port", -1),
        ("port", "3306"),
        ("port", 3306.0),
        ("port", True),
        ("data_size_bytes", -1),
        ("data_size_bytes", 10**30),
        ("data_size_bytes", 1e3),
        ("data_size_bytes", False),
        ("version", "latest"),
        ("version", ["8.0.35"]),
        ("version", "8.0.35 <script>"),
        ("data_dir", {"a": 1}),
        ("edition", 7),
    ],
)
def test_a_bad_value_becomes_unknown_with_a_warning(field: str, value: Any) -> None:
    """One bad value costs that value, not the database; the warning names field and value."""
    report = parse_report(report_line(database_entry(**{"db_id": "mysql-3306", field: value})))
    (database,) = report.databases
    name = "data_size_mb" if field == "data_size_bytes" else field
    assert getattr(database, name) is None
    (warning,) = report.warnings
    assert warning.startswith(f"databases[0].{field}=")
    assert "taken as unknown" in warning
    assert report.complete, "every database of the host is still named"


def test_one_bad_element_costs_that_element() -> None:
    """The good addresses and evidence beside a bad one are kept."""
    entry = database_entry(listen=["0.0.0.0:1", 2, "[::]:1"], evidence={"port": 1, "status": "x"})
    report = parse_report(report_line(entry))
    assert report.databases[0].listen == ("0.0.0.0:1", "[::]:1")
    assert report.databases[0].evidence == {"status": "x"}
    assert len(report.warnings) == 2


def test_a_size_with_a_senseless_completeness_is_a_lower_bound() -> None:
    """A completeness flag that is no boolean is not read as "complete"."""
    (database,) = parse_report(report_line(database_entry(data_size_complete="yes"))).databases
    assert (database.data_size_mb, database.data_size_complete) == (2048.0, False)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "mysql-3306",
        [],
        {},
        database_entry(engine="MySQL; rm -rf /"),
        database_entry(engine=""),
        database_entry(engine="x" * 33),
        database_entry(db_id="none"),
        database_entry(db_id="postgresql-3306"),
        database_entry(db_id="mysql-3306#x"),
        database_entry(db_id="mysql-3306\n"),
        database_entry(status="gone"),
        database_entry(status=1),
    ],
    ids=str,
)
def test_an_unusable_entry_is_left_out_and_the_report_is_incomplete(entry: Any) -> None:
    """The other databases stay; and as one is missing, absence proves nothing any more."""
    good = database_entry("postgresql", 5432)
    report = parse_report(report_line(entry, good))
    assert [database.db_id for database in report.databases] == ["postgresql-5432"]
    assert any(text.startswith("databases[0]") for text in report.warnings)
    assert not report.complete


def test_more_databases_than_the_limit_are_cut_and_incomplete() -> None:
    """A host can make the inventory grow by a bounded number of records only."""
    entries = [database_entry(port=1 + number) for number in range(MAX_DATABASES + 1)]
    report = parse_report(report_line(*entries))
    assert len(report.databases) == MAX_DATABASES
    assert not report.complete


@pytest.mark.parametrize("complete", [None, 1, "true", []])
def test_a_report_that_does_not_say_it_is_complete_is_not(complete: Any) -> None:
    """Only a clear true makes absence a proof."""
    report = parse_report(report_line(database_entry(), complete=complete))
    assert not report.complete
    assert any(text.startswith("complete") for text in report.warnings)


def test_duplicate_ids_are_made_unique_whatever_their_order() -> None:
    """The one outside a container keeps the id; the rest get a hash of their place; all warn."""
    entries = [
        database_entry(container="3f4e5d6c7b8a", data_dir="/a"),
        database_entry(data_dir="/var/lib/mysql"),
        database_entry(data_dir="/data"),
    ]
    forward = parse_report(report_line(*entries))
    backward = parse_report(report_line(*reversed(entries)))
    places = {database.data_dir: database.db_id for database in forward.databases}
    assert places == {database.data_dir: database.db_id for database in backward.databases}
    assert places["/data"] == "mysql-3306"
    assert len(set(places.values())) == 3
    assert forward.warnings == ("db_id='mysql-3306': reported 3 times",)
    assert not forward.complete


def test_an_entry_reported_twice_is_one_database() -> None:
    """Two entries alike in everything are not counted as two databases."""
    report = parse_report(report_line(database_entry(), database_entry()))
    assert len(report.databases) == 1
    assert not report.complete


def test_a_bad_host_costs_the_host_facts_only() -> None:
    """Facts of the host that make no sense become unknown; its databases stay."""
    report = parse_report(
        report_line(database_entry(), host={"hostname": "a\x1b[31mb", "memory_mb": -1, "cores": 2})
    )
    assert report.host == HostFacts(hostname="ab", system_cpu_cores=2)
    assert report.complete
    assert parse_report(report_line(host=[])).host == HostFacts()


def test_warnings_are_few_short_and_distinct() -> None:
    """Thousands of warnings do not fill the record that carries them."""
    many = [f"{number} " + "x" * 1000 for number in range(900)]
    warnings = parse_report(report_line(warnings=many)).warnings
    assert len(warnings) == MAX_WARNINGS
    assert warnings[-1].endswith("more warnings")
    assert all(len(text) <= 300 for text in warnings)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_of_a_host_arrives_raw(attack: str) -> None:
    """Control characters, escapes, bidi overrides and lone surrogates go, in every text."""
    entry = database_entry(
        edition=attack, data_dir=attack, listen=[attack], evidence={"port": attack}
    )
    report = parse_report(report_line(entry, host={"hostname": attack}, warnings=[attack]))
    assert all(is_clean(text) for text in texts_of(asdict(report)))
    assert len(report.databases) == 1


# --- anything at all ----------------------------------------------------------------------------


def check_report(report: HostReport) -> None:
    """What holds for every report that leaves `parse_report`."""
    ids = [database.db_id for database in report.databases]
    assert len(set(ids)) == len(ids)
    assert "none" not in ids
    assert not any("#" in db_id for db_id in ids)
    assert len(report.warnings) <= MAX_WARNINGS
    assert all(is_clean(text) for text in texts_of(asdict(report)))
    for database in report.databases:
        assert database.status in {DatabaseStatus.RUNNING, DatabaseStatus.INSTALLED}
        assert database.port is None or 1 <= database.port <= 65535
        assert database.data_size_mb is None or 0 <= database.data_size_mb < 2**41


@given(hostile_lines())
@example(report_line(database_entry(), database_entry(container="x"), database_entry(port=0)))
@settings(max_examples=150, deadline=None)
def test_hostile_output_gives_a_sound_report_or_a_named_failure(line: str) -> None:
    """Whatever a host prints, nothing but ReportError leaves, and a report that does is sound."""
    try:
        report = parse_report(line)
    except ReportError as error:
        assert error.kind in {FailureKind.OUTPUT_INVALID, FailureKind.OUTPUT_TRUNCATED}
        assert is_clean(str(error))
        assert len(str(error)) < 600
    else:
        check_report(report)


@given(hostile_lines())
@settings(max_examples=150, deadline=None)
def test_a_complete_report_has_every_entry_it_listed(line: str) -> None:
    """`complete` is never true of a report from which an entry was left out or renamed."""
    try:
        report = parse_report(line)
    except ReportError:
        return
    if report.complete:
        raw = json.loads(line.strip().partition("\n")[0])
        listed = [entry["db_id"] for entry in raw["databases"]]
        assert [database.db_id for database in report.databases] == listed


@given(json_values)
@settings(max_examples=100, deadline=None)
def test_any_json_in_place_of_a_report_is_refused(value: Any) -> None:
    """JSON that is not an object with the right frame is refused, not half read."""
    assert refusal(json.dumps(value)).kind in {
        FailureKind.OUTPUT_INVALID,
        FailureKind.OUTPUT_TRUNCATED,
    }


@given(texts)
@settings(max_examples=100, deadline=None)
def test_any_text_is_refused_with_a_reason(text: str) -> None:
    """Noise is an invalid report."""
    assert str(refusal(text))


@given(json_values)
@settings(max_examples=100, deadline=None)
def test_unknown_keys_are_ignored(value: Any) -> None:
    """A newer probe may say more: what this version does not know changes nothing."""
    report = report_object(database_entry(news=value), news=value)
    assert parse_report(json.dumps(report)) == parse_report(report_line(database_entry()))
