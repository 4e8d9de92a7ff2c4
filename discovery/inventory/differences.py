"""What two successive records of one database differ in, as changes that a reader wants to hear of.

Unknown is not a change, and neither is a value that another kind of evidence gave: see
`last_known`.
"""

from __future__ import annotations

from discovery.inventory.last_known import is_flapping, same_place
from discovery.inventory.lifecycle import compare_versions
from discovery.model import Change, ChangeKind, DatabaseRecord, DatabaseStatus

DEFAULT_GROWTH_PERCENT = 25
_LEAST_GROWTH_MB = 1024.0


def find_differences(
    previous: DatabaseRecord | None, record: DatabaseRecord, growth_percent: int
) -> list[Change]:
    """The changes from `previous`, None for a database that was not known or was gone."""
    if previous is None:
        return [Change.from_record(ChangeKind.APPEARED, record, None, record.version)]
    found: list[Change | None] = []
    if record.version != previous.version:
        found.append(_upgraded(previous, record))
    is_elsewhere = _is_elsewhere(previous, record)
    if is_elsewhere and not is_flapping("data_dir", previous, record):
        found.append(
            Change.from_record(ChangeKind.MOVED, record, previous.data_dir, record.data_dir)
        )
    if record.status is not previous.status:
        found.append(_started(previous, record))
    if not is_elsewhere and _grew(previous, record, growth_percent):
        sizes = _mebibytes(previous.data_size_mb), _mebibytes(record.data_size_mb)
        found.append(Change.from_record(ChangeKind.GREW, record, *sizes))
    return [change for change in found if change]


def _upgraded(previous: DatabaseRecord, record: DatabaseRecord) -> Change | None:
    if not previous.version or not record.version:
        return None
    direction = compare_versions(previous.version, record.version)
    if not direction or is_flapping("version", previous, record):
        return None
    kind = ChangeKind.UPGRADED if direction > 0 else ChangeKind.DOWNGRADED
    return Change.from_record(kind, record, previous.version, record.version)


def _is_elsewhere(previous: DatabaseRecord, record: DatabaseRecord) -> bool:
    before, after = previous.data_dir, record.data_dir
    return bool(before and after and before != after and not same_place(before, after))


def _started(previous: DatabaseRecord, record: DatabaseRecord) -> Change | None:
    before, after = previous.status, record.status
    if not before or not after:
        return None
    kind = ChangeKind.STARTED if after is DatabaseStatus.RUNNING else ChangeKind.STOPPED
    return Change.from_record(kind, record, before.value, after.value)


def _grew(previous: DatabaseRecord, record: DatabaseRecord, percent: int) -> bool:
    """Both sizes must be whole: one that was cut short says nothing about growth."""
    before, after = previous.data_size_mb, record.data_size_mb
    if before is None or after is None or after <= before:
        return False
    if not (previous.data_size_complete and record.data_size_complete):
        return False
    grown = after - before
    return grown >= _LEAST_GROWTH_MB and grown * 100 > before * percent


def _mebibytes(size: float | None) -> str | None:
    return None if size is None else f"{size:.2f} MiB"
