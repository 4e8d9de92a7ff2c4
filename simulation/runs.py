"""Runs of the real runner on a simulated AWS."""

from __future__ import annotations

from threading import Event as Flag

from discovery.model import RunRecord
from discovery.run import Watcher, start_run
from discovery.settings import Settings, load_settings
from simulation.aws import REGION, SimulatedAws
from simulation.clock import VirtualScheduler


def settings_for(accounts: int, workers: int) -> Settings:
    """Settings of an organisation of so many accounts of one region."""
    ids = ",".join(f"{number:012d}" for number in range(1, accounts + 1))
    environment = {
        "SPOKE_ACCOUNTS": ids,
        "AWS_REGION": REGION,
        "DISCOVERY_SCRIPT_BUCKET": "scripts",
        "MANAGEMENT_ACCOUNT_ID": "999999999999",
        "DISCOVERY_SCOPE_WORKERS": str(workers),
        "DISCOVERY_HISTORY_DAYS": "36500",  # the simulated clock stands in the past
    }
    return load_settings(environment)


def run_once(aws: SimulatedAws, watcher: Watcher | None = None) -> RunRecord:
    """One run, in virtual time."""
    cancelled = Flag()
    return start_run(
        aws.settings,
        trigger="simulation",
        watcher=watcher,
        cancelled=cancelled,
        aws=aws,  # type: ignore[arg-type]  # the seam
        scheduler=VirtualScheduler(aws.clock, aws.settings.scope_workers, cancelled),
    )
