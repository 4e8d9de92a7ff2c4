"""The result of one step of a document, and how much of its output the API shows.

The numbers and texts are amazon-ssm-agent's (`pluginutil`, `iohandler`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

LISTED_CHARACTERS = 2500
STDOUT_CHARACTERS = 24000
STDERR_CHARACTERS = 8000
STOPPED_CODE = 137
"""Exit code of a step that the agent stopped: out of time, or cancelled."""
NOT_RUN_CODE = -1

_ERROR_TITLE = "\n----------ERROR-------\n"
_CUT_OUTPUT = "\n---Output truncated---"
_CUT_ERROR = "\n---Error truncated----"
_CUT_FETCHED = "--output truncated--"


@dataclass(frozen=True)
class StepResult:
    """How one step went. `status` and `details` are a plugin's Status and StatusDetails."""

    name: str
    action: str
    status: str
    details: str
    code: int
    stdout: str = ""
    stderr: str = ""
    started: datetime | None = None
    finished: datetime | None = None

    @property
    def listed_output(self) -> str:
        """`Output` of a plugin in ListCommandInvocations."""
        return listed_output(self.stdout, self.stderr, LISTED_CHARACTERS)

    @property
    def fetched_stdout(self) -> str:
        """`StandardOutputContent` of GetCommandInvocation."""
        return _cut(self.stdout, STDOUT_CHARACTERS)

    @property
    def fetched_stderr(self) -> str:
        """`StandardErrorContent` of GetCommandInvocation."""
        return _cut(self.stderr, STDERR_CHARACTERS)

    @property
    def output_key(self) -> str:
        """The last part of its outputs' S3 key, below prefix, command and instance."""
        return f"{self.action.replace(':', '')}/{self.name}"


def listed_output(stdout: str, stderr: str, capacity: int) -> str:
    """Both streams in one text of at most `capacity` characters; what is left out is marked."""
    title = _ERROR_TITLE if stderr else ""
    room = capacity - len(title)
    if len(stdout) + len(stderr) < room:
        return stdout + title + stderr
    half = room // 2
    if len(stdout) > half and len(stderr) > half:
        share = (room - len(_CUT_OUTPUT) - len(_CUT_ERROR)) // 2
        return stdout[:share] + _CUT_OUTPUT + title + stderr[:share] + _CUT_ERROR
    if len(stdout) < half:
        return stdout + title + stderr[: room - len(_CUT_ERROR) - len(stdout)] + _CUT_ERROR
    return stdout[: room - len(_CUT_OUTPUT) - len(stderr)] + _CUT_OUTPUT + title + stderr


def _cut(text: str, capacity: int) -> str:
    if len(text) <= capacity:
        return text
    return text[: capacity - len(_CUT_FETCHED)] + _CUT_FETCHED
