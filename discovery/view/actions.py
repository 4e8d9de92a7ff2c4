"""What changes something, for a visitor: his role is checked here, at that moment, and it is told.

A page hides what a visitor may not do; this is what refuses it. What was done, by whom and in which
role, goes into the run's record and the log; what was refused, into the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from discovery.errors import NotAllowedError
from discovery.model import RunRequest
from discovery.run import cancel_run, start_run_in_background
from discovery.settings import Settings
from discovery.view.access import Role
from discovery.view.labels import request_label

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for something, as sign-in has it: a name, and a role or none."""

    name: str
    role: Role | None


WhoAsks = Callable[[], Actor]
"""Answers afresh at each call: a token may have expired since the page was shown."""


def start_run_as(asking: WhoAsks, settings: Settings, request: RunRequest) -> str:
    """Begin a run of `request` and return its id while it goes on.

    Raises NotAllowedError unless an admin asks, and as `start_run`.
    """
    by = _allowed(asking(), f"start a run: {request_label(request)}")
    run_id = start_run_in_background(settings, request, trigger="dashboard", started_by=by)
    _log.info("run started", extra={"run_id": run_id, "by": by})
    return run_id


def cancel_run_as(asking: WhoAsks, settings: Settings, run_id: str) -> None:
    """Ask for the end of a run.

    Raises NotAllowedError unless an admin asks, and NotFoundError for an unknown run.
    """
    by = _allowed(asking(), f"cancel run {run_id}")
    cancel_run(settings, run_id, by=by)
    _log.info("run cancelled", extra={"run_id": run_id, "by": by})


def _allowed(actor: Actor, what: str) -> str:
    """How the audit names `actor`, who may do `what`."""
    if actor.role is None or not actor.role.covers(Role.ADMIN):
        held = f"the role {actor.role}" if actor.role else "no role"
        _log.warning("refused to %s: %s has %s", what, actor.name, held)
        raise NotAllowedError(
            f"Only an admin may start or cancel a run; you have {held} now.",
            hint="Sign in again if your sign-in has expired.",
        )
    return f"{actor.name} ({actor.role})"
