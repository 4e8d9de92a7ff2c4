"""Every value that a host may say is bounded, and so is the largest record that it can make."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from discovery.aws.inventory import record_item
from discovery.aws.runs import host_item
from discovery.inventory import report
from discovery.inventory.reconcile import reconcile_host
from discovery.inventory.report import parse_report
from discovery.model import Coverage, DatabaseFacts, Host, HostFacts, HostRecord
from discovery.model.bounds import Reported

MAX_ITEM = 400 * 1024
"""Bytes of a DynamoDB item."""
WIDE = "\U0001f600"
"""A character of four bytes."""
NOW = datetime(2026, 2, 4, 10, tzinfo=UTC)


def unbounded(kind: Any, where: str, limits: Mapping[str, Any] | None = None) -> Iterator[str]:
    """The parts of a type that have no bound: texts without a length, numbers without a range,
    lists and maps without a size."""
    limits = limits or {}
    origin = get_origin(kind)
    if origin is Annotated:
        base, *metadata = get_args(kind)
        found = {
            name: getattr(rule, name)
            for field in metadata
            for rule in (*getattr(field, "metadata", ()), field)
            for name in ("max_length", "ge", "le")
            if getattr(rule, name, None) is not None
        }
        yield from unbounded(base, where, found)
    elif origin is Literal or kind in (bool, datetime, type(None), Any):
        pass
    elif origin in (Union, types.UnionType):
        for part in get_args(kind):
            yield from unbounded(part, where, limits)
    elif kind is str:
        if "max_length" not in limits:
            yield f"{where}: a text without a length"
    elif kind in (int, float):
        if not {"ge", "le"} <= limits.keys():
            yield f"{where}: a number without a range"
    elif origin in (list, tuple, dict):
        if "max_length" not in limits:
            yield f"{where}: {origin.__name__} without a size"
        for part in get_args(kind):
            yield from unbounded(part, f"{where}[]")
    else:
        yield f"{where}: {kind} is not known to have bounds"


def reported_types() -> dict[str, Any]:
    """Each value of a report, by its name, with its type."""
    found: dict[str, Any] = {}
    for model in (report._Envelope, report._Rest):
        for name, hint in get_type_hints(model, include_extras=True).items():
            if name in model.model_fields:
                field = model.model_fields[name]
                found[name] = Annotated[hint, *field.metadata] if field.metadata else hint
    for facts in (HostFacts, DatabaseFacts):
        for name, hint in get_type_hints(facts, include_extras=True).items():
            for mark in getattr(hint, "__metadata__", ()):
                if isinstance(mark, Reported):
                    found[f"{facts.__name__}.{name}"] = mark.type
    return found


def test_every_value_of_a_report_is_bounded() -> None:
    """No text without a length, no number without a range, no list or map without a size: a field
    that is added without a bound fails here."""
    types_ = reported_types()
    assert len(types_) > 30
    assert [gap for name, kind in types_.items() for gap in unbounded(kind, name)] == []


@pytest.mark.parametrize(
    "kind", [str, int, list[int], dict[str, int], Annotated[list[str], None]], ids=str
)
def test_what_is_unbounded_is_found(kind: Any) -> None:
    """The test above can fail."""
    assert list(unbounded(kind, "x"))


def largest_report(databases: int = 1) -> str:
    """The most that one database of a host can say, in characters of four bytes."""
    text, path = WIDE * 400, "/" + WIDE * 2_000
    entry = {
        "engine": "e" * 32,
        "status": "running",
        "version": "8" + "0" * 63,
        "port": 65535,
        "listen": [f"{n}{text}" for n in range(100)],
        "data_size_bytes": 1 << 60,
        "clients": {f"2001:db8::{n:x}%{'z' * 15}": 1 << 30 for n in range(60)},
        "clients_total": 1 << 30,
        "evidence": dict.fromkeys(report._EVIDENCE_FIELDS, text),
        "disk_free_mb": 1 << 60,
        **dict.fromkeys(("edition", "container", "image", "owner", "role"), text),
        **dict.fromkeys(("data_dir", "binary", "config_file"), path),
    }
    listed = [{**entry, "db_id": f"{'e' * 32}-{n}"} for n in range(databases)]
    host = dict.fromkeys(("hostname", "os", "kernel", "arch"), text)
    return json.dumps(
        {
            "schema": 1,
            "host": host,
            "databases": listed,
            "warnings": [f"{n}{text}" for n in range(100)],
            "complete": True,
            "count": databases,
            "end": True,
        },
        ensure_ascii=False,
    )


def test_the_largest_record_is_an_item_that_dynamodb_takes() -> None:
    """A host that fills every field to its bound, with every tag there can be, makes items within
    400 KB: its database's and its own."""
    stdout = largest_report()
    assert len(stdout) < report.MAX_CHARACTERS
    result = parse_report(stdout)
    assert len(result.databases) == 1
    host = Host(
        "1" * 12,
        "ap-southeast-99",
        "i-" + "0" * 17,
        Coverage.PENDING,
        name=WIDE * 256,
        tags={f"{n:03d}{WIDE * 125}": WIDE * 256 for n in range(50)},
    )
    changes = reconcile_host(
        (), host, result, run_id="r" * 30, now=NOW, gone_ttl_days=30, environment_tags=("x",)
    )
    (record,) = changes.puts
    seen = {f"{n} {'k' * 40}": WIDE * 1024 for n in range(12)}
    item = record_item(record) | {"seen_values": seen}
    assert len(json.dumps(item, default=str, ensure_ascii=False).encode()) < MAX_ITEM
    covered = HostRecord(
        "1" * 12, "r", "i", Coverage.SCANNED, "r", NOW, warnings=result.warnings, error=WIDE * 1000
    )
    item = host_item(covered, 30)
    assert len(json.dumps(item, default=str, ensure_ascii=False).encode()) < MAX_ITEM


@pytest.mark.parametrize(
    "address", ["fe80::1%" + "x" * 500_000, "fe80::1%a b", "fe80::1%\x1b[2J", "1" * 500_000]
)
def test_the_zone_of_an_address_is_no_place_for_any_text(address: str) -> None:
    """What follows `%` in an IPv6 address is an interface's name, or the clients are unknown."""
    raw = json.loads(largest_report())
    raw["databases"][0]["clients"] = {address: 1}
    raw["databases"][0]["listen"] = []
    (database,) = parse_report(json.dumps(raw, ensure_ascii=False)).databases
    assert database.clients is None
