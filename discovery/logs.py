"""Log lines that say where they belong: each carries its run, account, region and instance.

Code logs what happened, with `logging.getLogger(__name__)`. Where it happened is said once, by
`log_context`, around the work that is done there. What a host or AWS wrote is data: one bounded
line.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from discovery.sanitize import printable

CONTEXT_FIELDS = ("run_id", "account_id", "region", "instance_id")
"""The fields that `log_context` takes, named as in the records."""

_MESSAGE_CHARACTERS = 2_000
_VALUE_CHARACTERS = 500
_TRACE_CHARACTERS = 8_000
_STANDARD_ATTRIBUTES = {*vars(logging.makeLogRecord({})), "message", "asctime"}
_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=MappingProxyType({}))


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Lines logged inside, by this thread, carry these `CONTEXT_FIELDS` besides those around."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


class ContextFilter(logging.Filter):
    """For handlers: gives every record its context, as attributes, and bounds what it holds."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Complete `record`; every record passes."""
        for name, value in _context.get().items():
            if not hasattr(record, name):
                setattr(record, name, value)
        record.msg = printable(record.getMessage(), _MESSAGE_CHARACTERS)
        record.args = None
        for name, value in _extra(record).items():
            if isinstance(value, str):
                setattr(record, name, printable(value, _VALUE_CHARACTERS))
        return True


class TextFormatter(logging.Formatter):
    """`WARNING discovery.run.results: what happened [run_id=…]`, then any traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as lines that cannot drive the reader's terminal."""
        context = " ".join(
            f"{name}={getattr(record, name)}" for name in CONTEXT_FIELDS if hasattr(record, name)
        )
        line = f"{record.levelname} {record.name}: {record.getMessage()}"
        lines = [f"{line} [{context}]" if context else line]
        lines += _trace(self, record).splitlines()
        return "\n".join(_indent(line) + printable(line) for line in lines)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, its keys those of AWS Lambda Powertools where both have them."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its context and whatever `extra` gave it."""
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "level": record.levelname,
            "timestamp": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= _extra(record)
        if trace := _trace(self, record):
            line["exception"] = trace
        return json.dumps(line, default=str)


def write_through(handler: logging.Handler, level: int) -> None:
    """Make the product's loggers write through `handler` only: bounded, with their context."""
    handler.addFilter(ContextFilter())
    product = logging.getLogger("discovery")
    product.handlers = [handler]
    product.propagate = False
    product.setLevel(level)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """What `log_context` and `extra` gave the record."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES}


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The end of the traceback, where the cause stands."""
    return (
        formatter.formatException(record.exc_info)[-_TRACE_CHARACTERS:] if record.exc_info else ""
    )


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]
