"""One discovery run. This is the room's only door: nothing outside imports its modules.

    plan        which accounts and regions           -> Plan
    runner      the lease and the run's record       -> DiscoveryRun
    execution   all scopes side by side, a heartbeat
    scope       one scope: list, send, poll
    commands    its commands: sent, polled, read     -> HostAnswer
    results     its results: stored and counted      -> HostObservation
    writer      to the tables, or to the spool while DynamoDB does not take it
    writes      what is written: compared with the inventory when it is applied

`distributed` is the same run over many processes, `background` in a thread of a server.
"""

from __future__ import annotations

from discovery.run.background import cancel_run, start_run_in_background
from discovery.run.distributed import (
    finish_distributed_run,
    plan_distributed_run,
    scan_batch,
)
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
    ScopeStarted,
    Watcher,
)
from discovery.run.metrics import NAMESPACE, Metric, api_metrics, run_metrics
from discovery.run.release import release_scopes
from discovery.run.runner import resume_run, start_run
from discovery.run.scheduler import Scheduler
from discovery.run.spool import Replayed, replay_spooled

__all__ = [
    "NAMESPACE",
    "BatchSent",
    "Event",
    "HostCollected",
    "HostDone",
    "HostEnded",
    "HostsUnreached",
    "Metric",
    "Replayed",
    "RunFinished",
    "RunStarted",
    "Scheduler",
    "ScopeFinished",
    "ScopeListed",
    "ScopeStarted",
    "Watcher",
    "api_metrics",
    "cancel_run",
    "finish_distributed_run",
    "plan_distributed_run",
    "release_scopes",
    "replay_spooled",
    "resume_run",
    "run_metrics",
    "scan_batch",
    "start_run",
    "start_run_in_background",
]
