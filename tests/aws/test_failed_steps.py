"""Why a host has no report: the cause that the agent names, not the step in which it was met."""

from __future__ import annotations

import pytest

from discovery.aws.run_command import Invocation
from discovery.errors import FailureKind
from discovery.model import Failure

DOWNLOAD, RUN = "downloadProbe", "runProbe"
MARK = "\n----------ERROR-------\n"
REPORT = '{"schema":1,"databases":[{"db_id":"mysql-3306","data_dir":"/no space left on device"}'


def failure(
    step: str | None,
    output: str,
    code: int | None = 1,
    status: str = "Failed",
    details: str = "Failed",
) -> Failure:
    """The failure of a host whose command ended so."""
    found = Invocation("c", "i-1", status, details, step, code, output).failure
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("step", "output", "code", "kind"),
    [
        (
            DOWNLOAD,
            "failed to download files: mkdir /var/lib/amazon/ssm/i-1: no space left on device",
            1,
            FailureKind.HOST_DISK,
        ),
        (
            DOWNLOAD,
            f"{MARK}open /var/lib/amazon/ssm/x/discovery_python.py: read-only file system",
            1,
            FailureKind.HOST_DISK,
        ),
        (RUN, f"{MARK}_script.sh: 7: cannot create temp: No space left on device", 2, "host_disk"),
        (RUN, f"{MARK}write: Disk quota exceeded", 1, "host_disk"),
        (
            DOWNLOAD,
            "Plugin with name aws:downloadContent not found. Step name: downloadProbe",
            1,
            FailureKind.AGENT_OUTDATED,
        ),
        (
            DOWNLOAD,
            "Precondition is not supported for document schema version prior to 2.2. Step name: x",
            1,
            FailureKind.AGENT_OUTDATED,
        ),
        (
            DOWNLOAD,
            "document process failed unexpectedly: document worker timed out, check "
            "[ssm-document-worker]/[ssm-session-worker] log for crash reason",
            1,
            FailureKind.AGENT_FAILED,
        ),
        (RUN, f"{MARK}document process failed unexpectedly: x", -1, FailureKind.AGENT_FAILED),
        (DOWNLOAD, "", 1, FailureKind.AGENT_FAILED),
        (DOWNLOAD, "", None, FailureKind.AGENT_FAILED),
        (RUN, "", -1, FailureKind.AGENT_FAILED),
        (RUN, " \n", 1, FailureKind.AGENT_FAILED),
        (None, "", None, FailureKind.AGENT_FAILED),
        (DOWNLOAD, f"{MARK}failed to download content: 403 Forbidden", 1, "probe_download"),
        (DOWNLOAD, "failed to download content: dial tcp: i/o timeout", 1, "probe_download"),
        (RUN, f"{MARK}probe not downloaded", 66, FailureKind.PROBE_DOWNLOAD),
        (RUN, f"{MARK}python3 not found", 127, FailureKind.PYTHON_MISSING),
        (RUN, f"{MARK}probe hash mismatch", 65, FailureKind.PROBE_MISMATCH),
        (RUN, f"{MARK}Traceback: boom", 1, FailureKind.COMMAND_FAILED),
        (RUN, "", 137, FailureKind.COMMAND_FAILED),
        (RUN, REPORT, 3, FailureKind.COMMAND_FAILED),
    ],
)
def test_the_cause_is_what_the_text_names(
    step: str | None, output: str, code: int | None, kind: FailureKind | str
) -> None:
    """A full disk, an old or broken agent are named, whatever step they broke; S3 is only named
    for what S3 does."""
    found = failure(step, output, code)
    assert found.kind == kind
    assert found.message.startswith("Failed: ")


@pytest.mark.parametrize(
    "output", [REPORT, f"{REPORT}{MARK}", f'  {{"schema":1}}{MARK}  '], ids=["cut", "mark", "space"]
)
def test_a_report_is_never_the_error(output: str) -> None:
    """A step that failed without stderr says so, with its exit code; what a host put into its
    report is neither shown nor taken for the cause."""
    found = failure(RUN, output, 3)
    assert found.message == "Failed: runProbe ended without a message, exit code 3"
    assert found.kind is FailureKind.COMMAND_FAILED


def test_what_a_report_holds_is_no_cause_beside_stderr() -> None:
    """Only stderr is read for the cause: a folder's name cannot fill a disk."""
    assert failure(RUN, f"{REPORT}{MARK}boom").kind is FailureKind.COMMAND_FAILED
    assert failure(RUN, f"{REPORT}{MARK}boom").message == "Failed: boom"


@pytest.mark.parametrize(
    ("status", "details", "kind"),
    [
        ("Failed", "Undeliverable", FailureKind.UNDELIVERABLE),
        ("TimedOut", "Delivery Timed Out", FailureKind.UNDELIVERABLE),
        ("TimedOut", "Execution Timed Out", FailureKind.TIMED_OUT),
        ("Failed", "Terminated", FailureKind.TERMINATED),
        ("Cancelled", "Cancelled", FailureKind.CANCELLED),
    ],
)
def test_a_status_that_says_why_stands_alone(status: str, details: str, kind: FailureKind) -> None:
    """An invocation that never reached a step is not blamed on one."""
    found = failure(None, "", None, status, details)
    assert (found.kind, found.message) == (kind, details)


@pytest.mark.parametrize("kind", ["host_disk", "agent_outdated", "agent_failed"])
def test_what_is_not_s3_s_hint_does_not_send_people_there(kind: str) -> None:
    """The hint is about the host's disk or agent."""
    hint = FailureKind(kind).hint
    assert "S3" not in hint
    assert "disk" in hint or "agent" in hint


def test_a_long_message_is_cut() -> None:
    """It fits its field."""
    assert len(failure(RUN, MARK + "x" * 5000).message) == 500
