"""Probe stdout -> `HostReport`, or a `ReportError`. Pure; hostile input is expected.

A report is one line of compact JSON; a long one is packed: `{"schema":1,"packed":"<base64 of its
zlib form>","count":N,"end":true}`. The whole report is refused only when it is not one (cut
short, not JSON, another schema, a count that does not hold). A bad value becomes unknown, and a bad
database entry is left out, each with a warning that names the field and its value.

Absence is proof only in a flawless list of databases: whenever an entry is left out, an identity is
doubtful, or the probe does not say that it looked everywhere, the report's `complete` is false, so
that no known record is taken for gone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Any, Literal, NoReturn

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from discovery.errors import FailureKind, ReportError
from discovery.inventory.lenient import Wire, admit, told
from discovery.model import NO_DATABASE, DatabaseStatus, HostFacts, HostReport, ReportedDatabase
from discovery.sanitize import printable, shown

SCHEMA = 1
MAX_CHARACTERS = 1 << 20
MAX_DATABASES = 500
MAX_WARNINGS = 20
MAX_CLIENTS = 50
MAX_TEXT = 300
MAX_PATH = 1024
_BYTES_PER_MIB = 1 << 20

_SSM_CUT = re.compile(r"-{2,4}\s*(?:output|error) truncated\s*-{2,4}", re.IGNORECASE)
"""What the SSM agent and service write where they cut an output."""

_LONGEST_TOKEN = len("\\uXXXX")
"""A JSON parser that meets the end inside a token complains at most this far before the end."""

_EVIDENCE_FIELDS = frozenset(ReportedDatabase.__dataclass_fields__) - {"evidence"}
_EVIDENCE_NAMES = {"data_size": "data_size_mb"}


# --- what the probe may say ---------------------------------------------------------------------


def _cleaned(limit: int) -> BeforeValidator:
    return BeforeValidator(
        lambda value: printable(value, limit) if isinstance(value, str) else value
    )


_Text = Annotated[str | None, _cleaned(MAX_TEXT)]
_Path = Annotated[str | None, _cleaned(MAX_PATH)]
_Item = Annotated[str, _cleaned(MAX_TEXT)]


def _known_evidence(value: object) -> object:
    if not isinstance(value, dict):
        return value
    named = {_EVIDENCE_NAMES.get(name, name): text for name, text in value.items()}
    return {name: text for name, text in named.items() if name in _EVIDENCE_FIELDS}


def _most_clients(value: object) -> object:
    """The first of the addresses, which the probe lists by their number of connections."""
    if not isinstance(value, dict):
        return value
    listed = list(value.items())[:MAX_CLIENTS]
    if not all(type(count) is int and 0 < count <= 1 << 30 for _, count in listed):
        raise ValueError("not a number of connections")
    return {str(ip_address(address)): count for address, count in listed}


class _Envelope(Wire):
    """Without these a text is no report."""

    schema_version: Annotated[int, Field(alias="schema", ge=SCHEMA, le=SCHEMA)]
    databases: list[Any]
    count: int
    end: bool


class _Rest(Wire):
    """What a report can do without."""

    warnings: list[_Item] = Field(default_factory=list)
    complete: bool | None = None
    elapsed_ms: Annotated[int, Field(ge=0, le=86_400_000)] = 0


class _Host(Wire):
    hostname: _Text = None
    os: _Text = None
    kernel: _Text = None
    arch: _Text = None
    memory_mb: Annotated[int | None, Field(ge=1, le=1 << 30)] = None
    cores: Annotated[int | None, Field(ge=1, le=1 << 20)] = None


class _Database(Wire):
    engine: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]
    db_id: Annotated[str, Field(pattern=r"^[a-z0-9._-]{1,64}$")]
    status: Literal["running", "installed"]
    version: Annotated[
        str | None, _cleaned(MAX_TEXT), Field(pattern=r"^[0-9][0-9A-Za-z.+~_-]{0,63}$")
    ] = None
    edition: _Text = None
    port: Annotated[int | None, Field(ge=1, le=65535)] = None
    listen: list[_Item] = Field(default_factory=list)
    data_dir: _Path = None
    data_size_bytes: Annotated[int | None, Field(ge=0, le=1 << 60)] = None
    data_size_complete: bool = True
    binary: _Path = None
    config_file: _Path = None
    container: _Text = None
    image: _Text = None
    published_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    owner: _Text = None
    started_at: Annotated[str | None, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")] = None
    memory_mb: Annotated[int | None, Field(ge=0, le=1 << 40)] = None
    disk_free_mb: Annotated[int | None, Field(ge=0, le=1 << 60)] = None
    tls: bool | None = None
    role: _Text = None
    clients: Annotated[dict[str, int], BeforeValidator(_most_clients)] | None = None
    clients_total: Annotated[int | None, Field(ge=0, le=1 << 30)] = None
    evidence: Annotated[dict[str, _Item], BeforeValidator(_known_evidence)] = Field(
        default_factory=dict
    )

    @field_validator("db_id")
    @classmethod
    def _belongs_to_engine(cls, db_id: str, info: ValidationInfo) -> str:
        engine = info.data.get("engine")
        if db_id == NO_DATABASE or (engine and not db_id.startswith(f"{engine}-")):
            raise ValueError(f"not <engine>-<port> of {engine}")
        return db_id

    @field_validator("started_at")
    @classmethod
    def _is_a_time(cls, text: str | None) -> str | None:
        if text is not None:
            datetime.fromisoformat(text)
        return text


# --- from text to report ------------------------------------------------------------------------


def parse_report(stdout: str) -> HostReport:
    """The report in `stdout`: its first line that is not blank; what follows is ignored.

    Raises ReportError with OUTPUT_TRUNCATED when the line stops in the middle, OUTPUT_INVALID when
    it is anything else than a report, and nothing else whatever the text.
    """
    if len(stdout) > MAX_CHARACTERS:
        _refuse(f"output of {len(stdout):,} characters: at most {MAX_CHARACTERS:,} are read")
    raw = _decode(stdout.lstrip("\ufeff \t\r\n").partition("\n")[0].rstrip())
    if "packed" in raw:
        raw = _unpacked(raw)
    envelope = _envelope(raw)
    notes: list[str] = []
    databases, complete = _databases(envelope.databases, notes)
    rest = admit(_Rest, raw, "", notes) or _Rest()
    if rest.complete is None:
        notes.append("complete: not told; what is absent is not taken for gone")
    host = admit(_Host, raw.get("host"), "host", notes) or _Host()
    return HostReport(
        host=HostFacts(
            hostname=host.hostname or None,
            os_name=host.os or None,
            kernel=host.kernel or None,
            architecture=host.arch or None,
            memory_mb=host.memory_mb,
            cpu_cores=host.cores,
        ),
        databases=databases,
        warnings=_bounded([*notes, *rest.warnings]),
        elapsed_ms=rest.elapsed_ms,
        complete=complete and rest.complete is True,
    )


def _decode(line: str) -> dict[str, Any]:
    """The JSON object in `line`."""
    if not line.startswith("{"):
        _refuse(f"output={shown(line, 200)}: not a report" if line else "output is empty")
    try:
        raw: dict[str, Any] = json.loads(line, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        cut = _SSM_CUT.search(line)
        end = cut.start() if cut else len(line)
        if cut or error.msg.startswith("Unterminated") or error.pos >= end - _LONGEST_TOKEN:
            _refuse(
                f"output stops after {end:,} characters, at {shown(line[max(0, end - 40) : end])}",
                error,
                FailureKind.OUTPUT_TRUNCATED,
            )
        near = shown(line[max(0, error.pos - 20) : error.pos + 20])
        _refuse(f"output is not JSON at character {error.pos:,}, near {near}: {error.msg}", error)
    except (ValueError, RecursionError) as error:
        # No JSON number, more digits than Python reads, or nested too deep.
        _refuse(f"output is not JSON that can be read: {printable(str(error), 100)}", error)
    return raw


def _unpacked(raw: dict[str, Any]) -> dict[str, Any]:
    """The report inside a packed one; never more than MAX_CHARACTERS of it."""
    packed = raw["packed"]
    try:
        stream = zlib.decompressobj()
        text = stream.decompress(base64.b64decode(packed, validate=True), MAX_CHARACTERS)
        line = text.decode("ascii")
    except (TypeError, ValueError, zlib.error) as error:
        _refuse(f"packed={shown(packed)}: cannot be unpacked", error)
    if not stream.eof:
        _refuse(f"packed report: cut short, or more than {MAX_CHARACTERS:,} characters")
    inner = _decode(line)
    if (inner.get("count"), inner.get("end")) != (raw.get("count"), raw.get("end")):
        _refuse(f"count={shown(raw.get('count'))}: not that of the packed report")
    return inner


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _envelope(raw: dict[str, Any]) -> _Envelope:
    try:
        envelope = _Envelope.model_validate(raw)
    except ValidationError as error:
        _refuse(told("", error.errors(include_url=False, include_context=False)[0]), error)
    if not envelope.end:
        _refuse("end=False: the end mark is wrong")
    if envelope.count != len(envelope.databases):
        _refuse(f"count={shown(envelope.count)}: {len(envelope.databases)} databases are listed")
    return envelope


def _refuse(
    message: str,
    cause: Exception | None = None,
    kind: FailureKind = FailureKind.OUTPUT_INVALID,
) -> NoReturn:
    raise ReportError(kind, message) from cause


# --- databases ----------------------------------------------------------------------------------


def _databases(entries: list[Any], notes: list[str]) -> tuple[tuple[ReportedDatabase, ...], bool]:
    """The usable entries under unique ids, and whether they are all of them, beyond doubt."""
    if len(entries) > MAX_DATABASES:
        notes.append(f"databases: {len(entries)} listed, the first {MAX_DATABASES} are read")
    by_id: dict[str, list[ReportedDatabase]] = defaultdict(list)
    usable = 0
    for index, entry in enumerate(entries[:MAX_DATABASES]):
        database = admit(_Database, entry, f"databases[{index}]", notes)
        if database is not None:
            reported = _reported(database, entry)
            by_id[reported.db_id].append(reported)
            usable += 1
    unique = _unique(by_id, notes)
    return unique, usable == len(entries) == len(by_id)


def _reported(database: _Database, entry: dict[str, Any]) -> ReportedDatabase:
    size = database.data_size_bytes
    return ReportedDatabase(
        db_id=database.db_id,
        engine=database.engine,
        status=DatabaseStatus(database.status),
        version=database.version or None,
        edition=database.edition or None,
        port=database.port,
        listen=tuple(database.listen),
        data_dir=database.data_dir or None,
        data_size_mb=None if size is None else round(size / _BYTES_PER_MIB, 2),
        # A flag that is no boolean says nothing: the size is then "at least this".
        data_size_complete=database.data_size_complete
        and isinstance(entry.get("data_size_complete", True), bool),
        binary=database.binary or None,
        config_file=database.config_file or None,
        container=database.container or None,
        image=database.image or None,
        published_port=database.published_port,
        owner=database.owner or None,
        started_at=datetime.fromisoformat(database.started_at) if database.started_at else None,
        memory_mb=database.memory_mb,
        disk_free_mb=database.disk_free_mb,
        tls=database.tls,
        role=database.role or None,
        clients=database.clients,
        clients_total=database.clients_total,
        evidence=database.evidence,
    )


def _unique(
    by_id: dict[str, list[ReportedDatabase]], notes: list[str]
) -> tuple[ReportedDatabase, ...]:
    """Every database under an id of its own, whatever the order they were reported in.

    As the probe does it: outside a container and first by data directory keeps the plain id, the
    others get a hash of where they are. Entries that are alike in everything are one database.
    """
    taken = set(by_id)
    unique: list[ReportedDatabase] = []
    for db_id, group in by_id.items():
        alike = {repr(database): database for database in group}
        plain, *others = sorted(alike.values(), key=_order)
        if len(group) > 1:
            notes.append(f"db_id={shown(db_id)}: reported {len(group)} times")
        unique.append(plain)
        for other in others:
            name = _other_id(other, taken)
            taken.add(name)
            unique.append(replace(other, db_id=name))
    return tuple(unique)


def _order(database: ReportedDatabase) -> tuple[bool, str, str]:
    return (database.container is not None, database.data_dir or "", repr(database))


def _other_id(database: ReportedDatabase, taken: set[str]) -> str:
    place = database.data_dir or database.container or database.config_file or ""
    digest = hashlib.sha256(place.encode()).hexdigest()[:8]
    candidate, number = f"{database.db_id}-{digest}", 1
    while candidate in taken:
        number += 1
        candidate = f"{database.db_id}-{digest}-{number}"
    return candidate


def _bounded(warnings: list[str]) -> tuple[str, ...]:
    distinct = list(dict.fromkeys(filter(None, (printable(text, MAX_TEXT) for text in warnings))))
    if len(distinct) <= MAX_WARNINGS:
        return tuple(distinct)
    kept = distinct[: MAX_WARNINGS - 1]
    return (*kept, f"… and {len(distinct) - len(kept)} more warnings")
