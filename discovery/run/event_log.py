"""A run's events as log lines, for whoever reads logs instead of watching."""

from __future__ import annotations

import logging

from discovery.model import Failure
from discovery.run.events import (
    BatchSent,
    Event,
    HostCollected,
    HostDone,
    HostEnded,
    HostsUnreached,
    RunFinished,
    RunStarted,
    ScopeFinished,
    ScopeListed,
)

_log = logging.getLogger(__name__)


def log_event(event: Event) -> None:
    """Log `event`: at INFO what one reads to follow a run, at DEBUG what there is of every host.

    Nothing is a warning: whoever started the run is told by its summary and its record.
    """
    match event:
        case RunStarted(run=run):
            fields = {"trigger": run.trigger, "scopes": run.scopes_total}
            if run.started_by:
                fields["started_by"] = run.started_by
            _log.info("run started", extra=fields)
        case ScopeListed():
            fields = {"hosts": event.hosts, "targeted": event.targeted}
            _log.info("scope listed", extra=fields)
        case BatchSent():
            _log.info("command sent", extra={"command_id": event.command_id, "hosts": event.hosts})
        case HostDone(failure=Failure() as failure):
            _log.info("host failed: %s", failure.message, extra={"error_kind": failure.kind.value})
        case HostDone(superseded=True):
            _log.info("host superseded: a newer run has reported on it")
        case HostCollected():
            fields = {"databases": event.databases, "asked_again": not event.is_done}
            _log.debug("answer to run %s collected", event.run_id, extra=fields)
        case HostDone():
            _log.debug("host scanned", extra={"databases": event.databases})
        case HostEnded():
            _log.info("instance no longer listed", extra={"gone": len(event.changes)})
        case HostsUnreached():
            _log.info("hosts not reached", extra={"hosts": event.hosts})
        case ScopeFinished(record=scope):
            fields = {
                "status": scope.status.value,
                "scanned": scope.hosts_scanned,
                "collected": scope.hosts_collected,
                "superseded": scope.hosts_superseded,
                "failed": scope.hosts_failed,
                "databases": scope.databases,
            }
            if scope.error:
                _log.info("scope finished: %s", scope.error, extra=fields)
            else:
                _log.info("scope finished", extra=fields)
        case RunFinished(run=run):
            fields = {
                "status": run.status.value,
                "scanned": run.hosts_scanned,
                "collected": run.hosts_collected,
                "superseded": run.hosts_superseded,
                "failed": run.hosts_failed,
                "databases": run.databases,
                "seconds": run.seconds,
            }
            if run.error:
                _log.info("run finished: %s", run.error, extra=fields)
            else:
                _log.info("run finished", extra=fields)
