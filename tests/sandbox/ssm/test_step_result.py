"""How much of a step's output is shown, and how a cut is marked."""

from __future__ import annotations

import pytest

from sandbox.ssm.step_result import StepResult, listed_output

LONG = "x" * 300
TITLE = "\n----------ERROR-------\n"
OUT = "\n---Output truncated---"
ERR = "\n---Error truncated----"


@pytest.mark.parametrize(
    ("stdout", "stderr", "shown"),
    [
        ("", "", ""),
        ("out", "", "out"),
        ("", "err", TITLE + "err"),
        ("out", "err", "out" + TITLE + "err"),
        (LONG, "", "x" * (100 - len(OUT)) + OUT),
        ("", LONG, TITLE + "x" * (100 - len(TITLE) - len(ERR)) + ERR),
        (LONG, LONG, "x" * 15 + OUT + TITLE + "x" * 15 + ERR),
        (LONG, "err", "x" * (100 - len(TITLE) - len(OUT) - 3) + OUT + TITLE + "err"),
    ],
)
def test_both_streams_share_the_room(stdout: str, stderr: str, shown: str) -> None:
    """The longer stream gives way; what is cut says so; the whole never exceeds the limit."""
    assert listed_output(stdout, stderr, 100) == shown
    assert len(shown) <= 100


def test_single_fetch_cuts_each_stream_by_itself() -> None:
    """24,000 characters of output and 8,000 of errors; exactly that many are not cut."""
    whole = StepResult("runProbe", "aws:runShellScript", "Success", "Success", 0, "o" * 24_000)
    assert whole.fetched_stdout == "o" * 24_000
    cut = StepResult("s", "a", "Success", "Success", 0, "o" * 24_001, "e" * 8_001)
    assert len(cut.fetched_stdout) == 24_000
    assert len(cut.fetched_stderr) == 8_000
    assert cut.fetched_stderr.endswith("e--output truncated--")
