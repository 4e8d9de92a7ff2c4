"""Where errors become what a user reads: one line, a hint, an exit code."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
import tempfile
import traceback
from types import FrameType
from typing import IO, Any, TextIO

import click

from discovery.errors import ConfigurationError, DiscoveryError, RequestError
from discovery.logs import ContextFilter, JsonFormatter, TextFormatter
from discovery.sanitize import printable

_log = logging.getLogger(__name__)

EXIT_USAGE = 2
EXIT_FAILED = 3
EXIT_INTERRUPTED = 130


class CommandFailed(click.ClickException):
    """Ends the command with a message, a hint and exit code 3."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message and the hint on stderr; where lines are JSON, as one of them."""
        if logs_are_json():
            _log.error(self.message, extra={"hint": self.hint} if self.hint else {})
            return
        click.echo(f"error: {printable(self.message)}", file=file, err=file is None)
        if self.hint:
            click.echo(f"  {printable(self.hint)}", file=file, err=file is None)


class WronglyUsed(CommandFailed):
    """Ends the command with a message, a hint and exit code 2."""

    exit_code = EXIT_USAGE


EXTRAS = {
    "streamlit": "dashboard",
    "pandas": "dashboard",
    "plotly": "dashboard",
    "uvicorn": "dashboard",
    "starlette": "dashboard",
    "moto": "sandbox",
    "flask": "sandbox",
}
"""Package -> the extra of pyproject.toml that brings it."""


def not_installed(package: str) -> WronglyUsed:
    """The error for a command that needs a package of an extra."""
    return WronglyUsed(
        f"{package} is not installed",
        hint=f"Install it: python -m pip install 'database-discovery[{EXTRAS[package]}]'",
    )


class Commands(click.Group):
    """The group of all commands. Lists them in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """The order in which a new user meets them, instead of the alphabet's."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; every failure leaves as an exit code and text that a user can read."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            ctx.exit(EXIT_INTERRUPTED)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            raise _failed(error) from error


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def _failed(error: Exception) -> CommandFailed:
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        if package in EXTRAS:
            return not_installed(package)
    if isinstance(error, ConfigurationError | RequestError):
        return WronglyUsed(str(error), hint=error.hint)
    if isinstance(error, DiscoveryError):
        return CommandFailed(str(error), hint=error.hint)
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return CommandFailed(f"output could not be written: {error}", hint="Make room for it.")
    with tempfile.NamedTemporaryFile(
        "w", prefix="database-discovery-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        traceback.print_exception(error, file=log)
    return CommandFailed(
        f"unexpected {type(error).__name__}: {error}",
        hint=f"This is a defect: please report it with {log.name}",
    )


def set_up(*, debug: bool, log: str) -> None:
    """Log to stderr, and let SIGTERM end a command the way Ctrl-C does: with its cleaning up.

    `log` is "text" for a reader, who is told of warnings; or "json", where stderr is lines for a
    log collector, who is told what the run does instead of being shown progress.
    """
    level = logging.INFO if log == "json" else logging.WARNING
    _write_all_characters()
    handler = _Stderr()
    handler.setFormatter(JsonFormatter() if log == "json" else TextFormatter())
    handler.addFilter(ContextFilter())
    logging.basicConfig(handlers=[handler])
    logging.getLogger("discovery").setLevel(logging.DEBUG if debug else level)
    if not debug:  # what it logs, with tracebacks, is raised too, and told in the product's words
        logging.getLogger("botocore").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, _interrupt)


def logs_are_json() -> bool:
    """Whether stderr is for JSON lines only."""
    handlers = logging.getLogger().handlers
    return any(isinstance(handler.formatter, JsonFormatter) for handler in handlers)


def tell(message: str) -> None:
    """Say something on stderr that is neither a result nor a failure."""
    if logs_are_json():
        _log.info(message)
    else:
        say(message, err=True)


def say(text: str, *, err: bool = False) -> None:
    """Print `text`, on stderr with `err`. Once nobody reads any more, as in `scan | head`, what is
    printed is dropped: a run goes on without its reader."""
    try:
        click.echo(text, err=err)
    except BrokenPipeError:
        _drop(sys.stderr if err else sys.stdout)


def _drop(stream: TextIO) -> None:
    """Let what is written to `stream` from now on, and what waits in it, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _write_all_characters() -> None:
    """What the terminal's encoding cannot hold, such as a tag's arrow, is written as `\\u2192`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  signal's signature
    raise KeyboardInterrupt


class _Stderr(logging.Handler):
    """Writes to what stderr is at that moment: a live progress display puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except BrokenPipeError:
            _drop(sys.stderr)
