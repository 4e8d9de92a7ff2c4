"""Probe stdout -> `HostReport`, or a `ReportError`. Pure; hostile input is expected.

A report is one line of compact JSON; a long one is packed: `{"schema":1,"packed":"<base64 of its
zlib form>","count":N,"end":true}`. The whole report is refused only when it is not one (cut
short, not JSON, another schema, a count that does not hold). A bad value becomes unknown, and a bad
database entry is left out, each with a warning that names the field and its value.

Absence is proof only in a flawless list of databases. The report's `complete` is false when an
entry is left out, an identity is doubtful, or the probe does not say that it searched everything.
Then no known record is taken for gone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, NoReturn, get_type_hints

from pydantic import Field, ValidationError, ValidationInfo, create_model, field_validator

from discovery.errors import FailureKind, ReportError
from discovery.inventory.lenient import ForeignModel, describe
from discovery.model import (
    FACTS,
    NO_DATABASE,
    DatabaseFacts,
    DatabaseStatus,
    HostFacts,
    HostReport,
    ReportedDatabase,
)
from discovery.model.bounds import MAX_TEXT, Reported, Texts
from discovery.sanitize import printable, shown

SCHEMA = 1
MAX_CHARACTERS = 1 << 20
MAX_DATABASES = 500
MAX_WARNINGS = 20

_SSM_CUT = re.compile(r"-{2,4}\s*(?:output|error) truncated\s*-{2,4}", re.IGNORECASE)
"""What the SSM agent and service write where they cut an output."""

_LONGEST_TOKEN = len("\\uXXXX")
"""A JSON parser that meets the end inside a token complains at most this far before the end."""

_EVIDENCE_FIELDS = frozenset(FACTS) - {"evidence"}
_EVIDENCE_NAMES = {"data_size": "data_size_mb"}


# --- what the probe may say ---------------------------------------------------------------------


class _Envelope(ForeignModel):
    """Without these a text is no report."""

    schema_version: Annotated[int, Field(alias="schema", ge=SCHEMA, le=SCHEMA)]
    databases: Annotated[list[Any], Field(max_length=MAX_CHARACTERS)]
    count: Annotated[int, Field(ge=0, le=MAX_CHARACTERS)]
    end: bool


class _Rest(ForeignModel):
    """What a report can do without."""

    warnings: Texts = Field(default_factory=list)
    complete: bool | None = None
    elapsed_ms: Annotated[int, Field(ge=0, le=86_400_000)] = 0


class _DatabaseRules(ForeignModel):
    """What the bounds of single fields cannot say."""

    @field_validator("db_id", check_fields=False)
    @classmethod
    def _belongs_to_engine(cls, db_id: str, info: ValidationInfo) -> str:
        engine = info.data.get("engine")
        if db_id == NO_DATABASE or (engine and not db_id.startswith(f"{engine}-")):
            raise ValueError(f"not <engine>-<port> of {engine}")
        return db_id

    @field_validator("evidence", mode="before", check_fields=False)
    @classmethod
    def _of_known_fields(cls, evidence: object) -> object:
        if not isinstance(evidence, dict):
            return evidence
        named = {_EVIDENCE_NAMES.get(name, name): text for name, text in evidence.items()}
        return {name: text for name, text in named.items() if name in _EVIDENCE_FIELDS}


def _names_and_types(facts: type) -> dict[str, Reported]:
    """Each field of `facts` that a host reports, with its name in the report and its type."""
    found: dict[str, Reported] = {}
    for name, hint in get_type_hints(facts, include_extras=True).items():
        for reported in hint.__metadata__:
            if isinstance(reported, Reported):
                found[name] = replace(reported, name=reported.name or name)
    return found


def _model(
    base: type[ForeignModel], reported: Mapping[str, Reported], required: Sequence[str] = ()
) -> type[ForeignModel]:
    """The model of these fields under their names in the report; what is absent is None."""
    fields: dict[str, Any] = {
        str(reported[name].name): (reported[name].type, ... if name in required else None)
        for name in (*required, *reported)
    }
    return create_model(base.__name__, __base__=base, **fields)


def _known_values(model: ForeignModel, reported: Mapping[str, Reported]) -> dict[str, Any]:
    """What `model` holds, under the record's names, without what is unknown: an empty text too."""
    values = {name: getattr(model, str(form.name)) for name, form in reported.items()}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None and value != ""
    }


_HOST = _names_and_types(HostFacts)
_DATABASE = _names_and_types(DatabaseFacts)
_HostModel = _model(ForeignModel, _HOST)
# The engine comes first: `db_id` is checked against it.
_DatabaseModel = _model(_DatabaseRules, _DATABASE, required=("engine", "db_id", "status"))


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
    rest = _Rest.admit(raw, "", notes) or _Rest()
    if rest.complete is None:
        notes.append("complete: not told; what is absent is not taken for gone")
    host = _HostModel.admit(raw.get("host"), "host", notes) or _HostModel()
    return HostReport(
        host=HostFacts(**_known_values(host, _HOST)),
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
        problem = error.errors(include_url=False, include_context=False)[0]
        _refuse(describe("", problem), error)
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
        database = _DatabaseModel.admit(entry, f"databases[{index}]", notes)
        if database is not None:
            reported = _reported(database, entry)
            by_id[reported.db_id].append(reported)
            usable += 1
    unique = _unique(by_id, notes)
    return unique, usable == len(entries) == len(by_id)


def _reported(database: ForeignModel, entry: dict[str, Any]) -> ReportedDatabase:
    values = _known_values(database, _DATABASE)
    # A flag that is no boolean says nothing: the size is then "at least this".
    if not isinstance(entry.get("data_size_complete", True), bool):
        values["data_size_complete"] = False
    return ReportedDatabase(**values | {"status": DatabaseStatus(values["status"])})


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
