"""Commands and invocations in the SSM API's shapes: Command, CommandInvocation, CommandPlugin.

Times are epoch seconds, as in the JSON protocol, or ISO 8601 where the API wants a string.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.ssm.command import Command, Invocation
from sandbox.ssm.step_result import NOT_RUN_CODE, StepResult


def command_response(command: Command) -> dict[str, Any]:
    """`Command`, as SendCommand and ListCommands give it."""
    status, details = command.status
    invocations = command.invocations.values()
    request = command.request
    response = {
        "CommandId": command.command_id,
        "DocumentName": command.document_name,
        "DocumentVersion": command.document_version,
        "Comment": request.get("Comment", ""),
        "ExpiresAfter": command.requested.timestamp() + command.delivery_seconds,
        "Parameters": request.get("Parameters", {}),
        "InstanceIds": list(command.invocations),
        "Targets": [],
        "RequestedDateTime": command.requested.timestamp(),
        "Status": status,
        "StatusDetails": details,
        "MaxConcurrency": request.get("MaxConcurrency", "50"),
        "MaxErrors": request.get("MaxErrors", "0"),
        "TargetCount": len(invocations),
        "CompletedCount": sum(invocation.is_done for invocation in invocations),
        "ErrorCount": command.errors,
        "DeliveryTimedOutCount": sum(
            invocation.details == "DeliveryTimedOut" for invocation in invocations
        ),
        "TimeoutSeconds": int(command.delivery_seconds),
    }
    for name in ("OutputS3BucketName", "OutputS3KeyPrefix", "OutputS3Region"):
        if name in request:
            response[name] = request[name]
    return response


def invocation_response(
    command: Command, invocation: Invocation, *, details: bool
) -> dict[str, Any]:
    """`CommandInvocation`. With `details` it has each step's plugin entry and output."""
    response: dict[str, Any] = {
        "CommandId": command.command_id,
        "InstanceId": invocation.host.instance_id,
        "InstanceName": "",
        "Comment": command.request.get("Comment", ""),
        "DocumentName": command.document_name,
        "DocumentVersion": command.document_version,
        "RequestedDateTime": command.requested.timestamp(),
        "Status": invocation.status,
        "StatusDetails": invocation.details,
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
        "CommandPlugins": [],
    }
    if details:
        response["CommandPlugins"] = [
            _plugin(command, invocation, step) for step in _steps(command, invocation)
        ]
    return response


def step_response(command: Command, invocation: Invocation, name: str) -> dict[str, Any]:
    """`GetCommandInvocationResult` for the step called `name`."""
    step = next((step for step in _steps(command, invocation) if step.name == name), None)
    if step is None:  # an earlier step failed, so that this one was not reached
        step = StepResult(name, "", invocation.status, invocation.details, NOT_RUN_CODE)
    response = {
        "CommandId": command.command_id,
        "InstanceId": invocation.host.instance_id,
        "Comment": command.request.get("Comment", ""),
        "DocumentName": command.document_name,
        "DocumentVersion": command.document_version,
        "PluginName": name,
        "ResponseCode": step.code,
        "ExecutionStartDateTime": _iso(step.started),
        "ExecutionElapsedTime": "",
        "ExecutionEndDateTime": _iso(step.finished),
        "Status": step.status,
        "StatusDetails": step.details,
        "StandardOutputContent": step.fetched_stdout,
        "StandardErrorContent": step.fetched_stderr,
    }
    if step.started and step.finished:
        response["ExecutionElapsedTime"] = (
            f"PT{(step.finished - step.started).total_seconds():.3f}S"
        )
    return response | _urls(command, invocation, step)


def output_prefix(command: Command, invocation: Invocation, step: StepResult) -> str:
    """S3 key prefix of one step's `stdout` and `stderr`."""
    parts = (
        command.request.get("OutputS3KeyPrefix", ""),
        command.command_id,
        invocation.host.instance_id,
        step.output_key,
    )
    return "/".join(part for part in parts if part)


def _plugin(command: Command, invocation: Invocation, step: StepResult) -> dict[str, Any]:
    response: dict[str, Any] = {
        "Name": step.name,
        "Status": step.status,
        "StatusDetails": step.details,
        "ResponseCode": step.code,
        "Output": step.listed_output,
        "OutputS3Region": command.region,
        "OutputS3BucketName": command.request.get("OutputS3BucketName", ""),
        "OutputS3KeyPrefix": command.request.get("OutputS3KeyPrefix", ""),
    }
    for key, at in (
        ("ResponseStartDateTime", step.started),
        ("ResponseFinishDateTime", step.finished),
    ):
        if at:
            response[key] = at.timestamp()
    return response | _urls(command, invocation, step)


def _urls(command: Command, invocation: Invocation, step: StepResult) -> dict[str, str]:
    bucket = command.request.get("OutputS3BucketName")
    if not bucket:
        return {"StandardOutputUrl": "", "StandardErrorUrl": ""}
    region = command.request.get("OutputS3Region", command.region)
    base = f"https://s3.{region}.amazonaws.com/{bucket}/{output_prefix(command, invocation, step)}"
    return {"StandardOutputUrl": f"{base}/stdout", "StandardErrorUrl": f"{base}/stderr"}


def _steps(command: Command, invocation: Invocation) -> list[StepResult]:
    """The steps' results. Until the host has finished, each has the invocation's status."""
    if invocation.is_done:
        return invocation.results
    return [
        StepResult(
            step["name"], step["action"], invocation.status, invocation.details, NOT_RUN_CODE
        )
        for step in command.document["mainSteps"]
    ]


def _iso(at: datetime | None) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else ""
