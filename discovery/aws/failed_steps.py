"""Why an invocation has no report: the cause, from what the agent and the document's steps say.

A cause that the text names comes before the step in which it was met: a full disk fails the
download and says nothing about S3. The agent's texts are amazon-ssm-agent's own (docmanager,
pluginutil); those of the disk are the kernel's.
"""

from __future__ import annotations

import re

from discovery.errors import FailureKind
from discovery.model import Failure

DOWNLOAD_STEP = "downloadProbe"
_STDERR_MARK = "\n----------ERROR-------\n"
_MOST_CHARACTERS = 500
_EXIT_KINDS = {
    127: FailureKind.PYTHON_MISSING,
    65: FailureKind.PROBE_MISMATCH,
    66: FailureKind.PROBE_DOWNLOAD,
}
"""The document's own exit codes."""

_NAMED_CAUSES = (
    (
        r"no space left on device|disk quota exceeded|read-only file system",
        FailureKind.HOST_DISK,
    ),
    (
        r"plugin with name \S+ (?:is )?not (?:found|supported)"
        r"|not supported by this version of ssm agent"
        r"|precondition is not supported",
        FailureKind.AGENT_OUTDATED,
    ),
    (
        r"document worker (?:timed out|exited|crashed)|document process failed unexpectedly",
        FailureKind.AGENT_FAILED,
    ),
)


def failure_of(
    status: str, details: str, step: str | None, exit_code: int | None, output: str
) -> Failure:
    """The failure of an invocation that ended without success.

    `status` and `details` are the invocation's; `step` is the first that failed, None where none
    is listed, with its exit code and what the listing shows of its output.
    """
    told = _told(output)
    said = told or _silence(step, exit_code)
    message = f"{details}: {said}" if told or _is_failed(status, details) else details
    return Failure(_kind(status, details, step, exit_code, told), message[:_MOST_CHARACTERS])


def _told(output: str) -> str:
    """What a failed step says for itself: its stderr, else its output unless that is a report."""
    stdout, mark, stderr = output.rpartition(_STDERR_MARK)
    if mark and stderr.strip():
        return stderr.strip()
    text = (stdout if mark else output).strip()
    return "" if text.startswith("{") else text


def _silence(step: str | None, exit_code: int | None) -> str:
    if step is None:
        return "no step of the document was run"
    code = "" if exit_code is None else f", exit code {exit_code}"
    return f"{step} ended without a message{code}"


def _is_failed(status: str, details: str) -> bool:
    return status == "Failed" and details.replace(" ", "") not in _STATUS_KINDS


_STATUS_KINDS = {
    "Undeliverable": FailureKind.UNDELIVERABLE,
    "DeliveryTimedOut": FailureKind.UNDELIVERABLE,
    "Terminated": FailureKind.TERMINATED,
    "ExecutionTimedOut": FailureKind.TIMED_OUT,
}
"""StatusDetails that say why by themselves."""


def _kind(
    status: str, details: str, step: str | None, exit_code: int | None, told: str
) -> FailureKind:
    if kind := _STATUS_KINDS.get(details.replace(" ", "")):
        return kind
    if status == "TimedOut":
        return FailureKind.TIMED_OUT
    if status == "Cancelled":
        return FailureKind.CANCELLED
    for pattern, kind in _NAMED_CAUSES:
        if re.search(pattern, told, re.IGNORECASE):
            return kind
    if not told and (step in (None, DOWNLOAD_STEP) or exit_code in (None, -1, 0, 1)):
        return FailureKind.AGENT_FAILED  # a script that fails says something, or is killed
    if step == DOWNLOAD_STEP:
        return FailureKind.PROBE_DOWNLOAD
    return _EXIT_KINDS.get(exit_code or 0, FailureKind.COMMAND_FAILED)
