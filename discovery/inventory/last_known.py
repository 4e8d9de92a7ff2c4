"""What a scan could not determine keeps its last known value: unknown is not a change.

A version, data directory or size that this scan could not determine keeps what was known, and its
evidence says `last known from <time>: <how it was found>`. It does not when there is a sign that
the value belonged to something else: another executable for the version, another data directory
for the size. What is known not to exist is no unknown: a stopped server without a data directory
has no directory and size 0.

A value can come from several kinds of evidence (the package, the text in the executable …). Each
record remembers what each kind last said, so that a value which differs only because another kind
spoke is told from one that changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from discovery.clock import iso
from discovery.model import DatabaseFacts, DatabaseRecord, ReportedDatabase

_LAST_KNOWN = "last known from "
_REMEMBERED_FIELDS = ("version", "data_dir")
_MAX_REMEMBERED = 12


def keep_last_known(reported: ReportedDatabase, previous: DatabaseRecord) -> ReportedDatabase:
    """`reported` with the values of `previous` that it leaves unknown and nothing contradicts."""
    if None not in (reported.version, reported.data_dir, reported.data_size_mb):
        return reported
    kept: dict[str, Any] = {}
    same_binary = None in (reported.binary, previous.binary) or reported.binary == previous.binary
    if reported.version is None and same_binary:
        kept["version"] = previous.version
    # A measured size (0 where there is no directory) means that the directory was looked for.
    if reported.data_dir is None and reported.data_size_mb is None:
        kept["data_dir"] = data_dir = previous.data_dir
    else:
        data_dir = reported.data_dir
    if reported.data_size_mb is None and data_dir and same_place(data_dir, previous.data_dir):
        kept["data_size_mb"] = previous.data_size_mb
    kept = {name: value for name, value in kept.items() if value is not None}
    if not kept:
        return reported
    evidence = {name: _last_known_evidence(previous, name) for name in kept}
    if "data_size_mb" in kept:
        kept["data_size_complete"] = previous.data_size_complete
    return replace(reported, **kept, evidence={**reported.evidence, **evidence})


def _last_known_evidence(previous: DatabaseRecord, name: str) -> str:
    found_by = previous.evidence.get(name, "")
    if found_by.startswith(_LAST_KNOWN):
        return found_by
    seen = iso(previous.last_seen or previous.discovery_timestamp)
    return f"{_LAST_KNOWN}{seen}: {found_by}" if found_by else f"{_LAST_KNOWN}{seen}"


def remember_evidence(facts: DatabaseFacts, previous: DatabaseRecord | None) -> Mapping[str, str]:
    """`seen_values` of a record with these `facts`: what each kind of evidence last said.

    The newest comes last; the oldest are dropped where there are too many.
    """
    if previous and previous.seen_values and _says_the_same(facts, previous):
        return previous.seen_values
    seen = dict(previous.seen_values) if previous else {}
    for name in _REMEMBERED_FIELDS:
        value, key = getattr(facts, name), _evidence_key(facts.evidence, name)
        if value and key:
            seen.pop(key, None)
            seen[key] = value
    if len(seen) <= _MAX_REMEMBERED:
        return seen
    return dict(list(seen.items())[-_MAX_REMEMBERED:])


def _says_the_same(facts: DatabaseFacts, previous: DatabaseRecord) -> bool:
    return (
        facts.evidence == previous.evidence
        and facts.version == previous.version
        and facts.data_dir == previous.data_dir
    )


def is_flapping(name: str, previous: DatabaseRecord, record: DatabaseRecord) -> bool:
    """Whether the field `name` differs only because another kind of evidence spoke.

    That kind must say what it said when it last spoke. One that speaks for the first time and
    contradicts may tell of a real upgrade.
    """
    key = _evidence_key(record.evidence, name)
    if key is None or key == _evidence_key(previous.evidence, name):
        return False
    value: str | None = getattr(record, name)
    return previous.seen_values.get(key) == value


def _evidence_key(evidence: Mapping[str, str], name: str) -> str | None:
    """`version dpkg`: a field and a kind of evidence. None for a value that this scan did not
    find."""
    kind = evidence.get(name, "").split(maxsplit=1)
    if not kind or evidence[name].startswith(_LAST_KNOWN):
        return None
    return f"{name} {kind[0][:32]}"


def same_place(path: str, other: str | None) -> bool:
    """Whether two paths name one place but for a slash at the end."""
    return other is not None and path.rstrip("/") == other.rstrip("/")
