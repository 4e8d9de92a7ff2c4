"""AWS Lambda that runs one discovery.

Handler: `discovery_handler.lambda_handler`. The package holds this file at its top, `discovery/`,
`iam/`, `schema/`, `ssm/` and the libraries beside it: Lambda puts that folder on the import path by
itself. Its timeout is best 15 minutes, Lambda's longest.

Event: `{}` for everything that the settings name, or any of
`{"accounts": ["123456789012"], "regions": ["eu-west-1"], "instances": ["i-0abc123def456"]}`.
A scheduled EventBridge event is taken as its `detail`.

Its log is JSON lines that carry run, account, region and instance, and at the end of a run its
metrics, in namespace `DatabaseDiscovery`.

Reply: `{"statusCode": 200, "discovered": <databases recorded>, ...}` with the run's figures;
400 for an event that cannot be used; 409 while another run is in progress. When nothing could be
done at all (a wrong setting, the tables not reachable) the function fails, so that Lambda's own
error metric, alarms and retries see it.

The state machine `deploy/discovery.asl.json`, for what outgrows one function, sends events with a
`step`: `plan`, `scope` and `finish` (`discovery/run/distributed.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_lambda_powertools.utilities.parser import ValidationError, parse
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from discovery.errors import RequestError, RunInProgressError
from discovery.logs import write_through
from discovery.model import RunRecord, RunRequest, ScopeBatch
from discovery.run import (
    NAMESPACE,
    Event,
    Metric,
    RunFinished,
    api_metrics,
    finish_distributed_run,
    plan_distributed_run,
    run_metrics,
    scan_batch,
    start_run,
)
from discovery.sanitize import shown
from discovery.settings import load_settings
from discovery.web.api import error_body

STOP_SECONDS = 20
"""This long before Lambda would kill the function, the run ends itself: it frees its lease and
leaves on record what is in flight, for the next run to collect."""

_NOT_FIGURES = ("request", "holder", "trigger", "heartbeat_at", "cancel_requested")

SERVICE = "database-discovery"
STEPS = ("plan", "scope", "finish")
"""What the state machine may ask for."""

_BATCH = TypeAdapter(ScopeBatch)

logger = Logger(service=SERVICE)
write_through(logger.registered_handler, logger.log_level)


class DiscoveryEvent(BaseModel):
    """What to discover; whether the names are configured is for the runner to say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    accounts: list[str] = []
    regions: list[str] = []
    instances: list[str] = []


class PlanEvent(BaseModel):
    """`execution` is the ARN of the execution, `request` what it was started with."""

    execution: str
    request: Any = None


class ScopeEvent(BaseModel):
    """`batch` is an item of the list that `plan` stored, or what the last try left of one."""

    batch: ScopeBatch


class Caught(BaseModel):
    """An error as the state machine caught it."""

    name: Annotated[str, Field(alias="Error")]
    cause: Annotated[str, Field(alias="Cause")] = ""


class Planned(BaseModel):
    """As much of the reply to `plan` as `finish` needs; a refusal has no run."""

    run_id: str | None = None


class State(BaseModel):
    """The state of the execution: what is missing did not happen."""

    plan: Planned = Planned()
    error: Caught | None = None


class FinishEvent(BaseModel):
    """`state` has the reply to `plan`, and the error that ended the execution early."""

    execution: str
    state: State


@logger.inject_lambda_context
def lambda_handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Run one discovery, or one step of one, and return what it found."""
    seconds = context.get_remaining_time_in_millis() / 1000 - STOP_SECONDS
    deadline = datetime.now(UTC) + timedelta(seconds=max(seconds, 0))
    step = event.get("step") if isinstance(event, dict) else None
    if step == "scope":
        return _scan_batch(event, deadline)
    if step == "finish":
        return _finish(event)
    try:
        if step == "plan":
            return _plan(event)
        record = start_run(
            load_settings(),
            _request(event),
            trigger="lambda",
            watcher=emit_metrics,
            deadline=deadline,
        )
    except ValidationError as error:
        return _refused(400, "invalid_event", _explanation(error))
    except RequestError as error:
        return _refused(400, "invalid_event", str(error))
    except RunInProgressError as error:
        reply = _refused(409, "run_in_progress", str(error))
        reply["error"] |= {
            "holder": error.holder,
            "run_id": error.run_id,
            "since": f"{error.since:%Y-%m-%dT%H:%M:%SZ}",
        }
        return reply
    return _finished(record)


def emit_metrics(event: Event) -> None:
    """At the end of a run its figures as CloudWatch metrics: lines of the log in the embedded
    metric format, of which CloudWatch makes metrics. No dimension but the API: each value of one
    is a metric to pay for; `run_id` is in the line, for Logs Insights."""
    if not isinstance(event, RunFinished):
        return
    _write_metrics(event.run, run_metrics(event.run))
    for api, metrics in api_metrics(event.run).items():
        _write_metrics(event.run, metrics, api=api)


def _write_metrics(run: RunRecord, metrics: Iterable[Metric], **dimensions: str) -> None:
    line = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    for name, value in dimensions.items():
        line.add_dimension(name, value)
    for metric in metrics:
        line.add_metric(metric.name, metric.unit, metric.value)
    line.add_metadata("run_id", run.run_id)
    line.flush_metrics()


def _plan(event: Any) -> dict[str, Any]:
    wanted = parse(event, model=PlanEvent)
    run, key = plan_distributed_run(load_settings(), _request(wanted.request), wanted.execution)
    logger.info("discovery planned", run_id=run.run_id, scopes=run.scopes_total)
    return {"statusCode": 200, "run_id": run.run_id, "batches": key}


def _scan_batch(event: Any, deadline: datetime) -> dict[str, Any]:
    batch = parse(event, model=ScopeEvent).batch
    left: dict[str, Any] = _BATCH.dump_python(
        scan_batch(load_settings(), batch, deadline), mode="json"
    )
    return left


def _finish(event: Any) -> dict[str, Any]:
    ended = parse(event, model=FinishEvent)
    caught = ended.state.error
    error = f"{caught.name}: {caught.cause}"[:500] if caught else None
    run_id = ended.state.plan.run_id
    record = finish_distributed_run(load_settings(), ended.execution, run_id, error)
    if record is None:
        return _refused(404, "no_run", f"{ended.execution} has begun no run")
    emit_metrics(RunFinished(record))
    return _finished(record)


def _finished(record: RunRecord) -> dict[str, Any]:
    return {"statusCode": 200, "discovered": record.databases, **_summary(record)}


def _request(event: Any) -> RunRequest:
    if isinstance(event, dict) and "detail-type" in event:
        event = event.get("detail")
    wanted = parse(event, model=DiscoveryEvent)
    return RunRequest(
        accounts=tuple(wanted.accounts),
        regions=tuple(wanted.regions),
        instances=tuple(wanted.instances),
    )


def _summary(record: RunRecord) -> dict[str, Any]:
    """The run's figures as JSON: times as text, what does not apply left out."""
    return {
        name: f"{value:%Y-%m-%dT%H:%M:%SZ}" if name.endswith("_at") else value
        for name, value in asdict(record).items()
        if name not in _NOT_FIGURES and value is not None
    }


def _explanation(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ""
    for part in first["loc"]:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
    return f"{field or 'event'}={shown(first['input'])}: {first['msg']}."


def _refused(status: int, code: str, message: str) -> dict[str, Any]:
    logger.error(message, code=code)
    return {"statusCode": status, **error_body(code, message)}
