"""What earlier runs leave to the next one: how long hosts took, and commands in flight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from discovery.aws.runs import RunStore
from discovery.model import OutstandingCommand, RunRecord, RunStatus, Scope

_COLLECTED_FOR = timedelta(hours=24)
"""Answers older than this are not worth having: the host is asked again."""


@dataclass(frozen=True, slots=True)
class History:
    """`answer_seconds` is within how long most hosts answered, None when that is not known;
    `outstanding` the commands in flight that are worth collecting."""

    answer_seconds: float | None
    outstanding: Mapping[Scope, Sequence[OutstandingCommand]]


def read_history(runs: RunStore, run_id: str, now: datetime, resumes: str | None = None) -> History:
    """The history that run `run_id` begins with, and which completes the run `resumes`. Raises
    AwsError."""
    earlier = _earlier_runs(runs, run_id, resumes)
    answer_seconds = next((run.answer_seconds for run in earlier if run.answer_seconds), None)
    unfinished = [run for run in earlier if run.status is not RunStatus.SUCCEEDED]
    commands = (command for run in unfinished for command in runs.outstanding(run.run_id))
    return History(answer_seconds, young_by_scope(commands, now))


def _earlier_runs(runs: RunStore, run_id: str, resumes: str | None) -> list[RunRecord]:
    """The newest runs before this one, the one it resumes among them."""
    found = [run for run in runs.recent_runs() if run.run_id != run_id]
    if resumes and all(run.run_id != resumes for run in found):
        resumed = runs.run(resumes)
        found += [resumed] if resumed else []
    return found


def young_by_scope(
    commands: Iterable[OutstandingCommand], now: datetime
) -> dict[Scope, list[OutstandingCommand]]:
    """Those of `commands` whose answers are worth collecting at `now`."""
    found: defaultdict[Scope, list[OutstandingCommand]] = defaultdict(list)
    for command in commands:
        if now - command.sent_at < _COLLECTED_FOR:
            found[command.scope].append(command)
    return dict(found)
