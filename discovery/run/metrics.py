"""A run's figures as metrics, from its record. Pure: who emits them, and how, is not said here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from discovery.model import Coverage, RunRecord, RunStatus

NAMESPACE = "DatabaseDiscovery"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure; `unit` is one of CloudWatch's."""

    name: str
    value: float
    unit: Literal["Count", "Seconds"] = "Count"


def run_metrics(run: RunRecord) -> list[Metric]:
    """The run as a whole. What is zero is among them, so that an alarm has data; what is unknown is
    not."""
    hosts = {
        **{coverage.value: run.not_scanned.get(coverage, 0) for coverage in Coverage},
        Coverage.SCANNED: run.hosts_scanned,
        Coverage.FAILED: run.hosts_failed,
    }
    del hosts[Coverage.PENDING]
    figures: dict[str, float | None] = {
        "RunFailed": int(run.status is RunStatus.FAILED),
        "ScopesFailed": run.scopes_failed,
        **{f"Hosts{_camel(outcome)}": count for outcome, count in hosts.items()},
        "Databases": run.databases,
        "Changes": sum(run.changes.values()),
        "Calls": sum(run.api_calls.values()),
        "Throttles": None if run.throttled_calls is None else sum(run.throttled_calls.values()),
        "Retries": run.retries,
        "ReadUnits": run.read_units,
        "WriteUnits": run.write_units,
    }
    seconds = {"RunSeconds": run.seconds, "FirstScannedSeconds": run.first_scanned_seconds}
    return [
        *(Metric(name, value) for name, value in figures.items() if value is not None),
        *(Metric(name, value, "Seconds") for name, value in seconds.items() if value is not None),
    ]


def api_metrics(run: RunRecord) -> dict[str, list[Metric]]:
    """By API, as `service:Operation`: its calls, and its throttles when there were any."""
    throttled = run.throttled_calls or {}
    return {
        api: [
            Metric("Calls", calls),
            *([Metric("Throttles", throttled[api])] if api in throttled else []),
        ]
        for api, calls in run.api_calls.items()
    }


def _camel(name: str) -> str:
    """`agent_offline` -> `AgentOffline`."""
    return name.title().replace("_", "")
