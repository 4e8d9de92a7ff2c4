"""One run in the background of this process. Its progress and cancellation go through the runs
table, so that every session, tab and process sees and can stop the same run."""

from __future__ import annotations

import logging
from threading import Event as Flag
from threading import Thread

from discovery.aws.runs import RunStore
from discovery.aws.session import shared_aws
from discovery.errors import DiscoveryError
from discovery.logs import log_context
from discovery.model import RunRequest
from discovery.run.runner import DiscoveryRun
from discovery.settings import Settings

_log = logging.getLogger(__name__)
_cancel_flags: dict[str, Flag] = {}


def start_run_in_background(
    settings: Settings, request: RunRequest, *, trigger: str, started_by: str | None = None
) -> str:
    """Begin a run and return its id while it goes on. Raises as `start_run`, at once.

    `started_by` goes into its record.
    """
    run = DiscoveryRun.begin(settings, request, trigger=trigger, started_by=started_by)
    cancelled = _cancel_flags.setdefault(run.run_id, Flag())
    Thread(target=_execute, args=(run, cancelled), name="discovery", daemon=True).start()
    return run.run_id


def _execute(run: DiscoveryRun, cancelled: Flag) -> None:
    try:
        run.execute(cancelled=cancelled)
    except DiscoveryError as error:
        with log_context(run_id=run.run_id):
            _log.error("run failed: %s", error)  # its record says so too
    finally:
        _cancel_flags.pop(run.run_id, None)


def cancel_run(settings: Settings, run_id: str, *, by: str | None = None) -> None:
    """Ask for the end of a run, of whichever process, for `by`, which goes into its record.

    Raises NotFoundError for an unknown id.
    """
    RunStore(shared_aws(settings)).request_cancel(run_id, by)
    if flag := _cancel_flags.get(run_id):
        flag.set()
