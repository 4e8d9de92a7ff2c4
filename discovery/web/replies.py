"""What the REST routes answer with: a reply, and the two ways in which there is none to give."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from discovery.errors import AwsError, ConfigurationError, DiscoveryError, FailureKind

_HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply, ready to send. `body` is JSON, or empty."""

    status: int
    body: str
    headers: Mapping[str, str]


class Refused(Exception):  # noqa: N818 - a reply, not a fault
    """The request is answered with an error: there is something wrong with it."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def json_reply(status: int, body: Mapping[str, Any], headers: Mapping[str, str] = {}) -> Reply:
    """`body` as JSON that no browser takes for a page and no cache keeps."""
    return Reply(status, json.dumps(body, ensure_ascii=False), _HEADERS | dict(headers))


def error_body(code: str, message: str) -> dict[str, Any]:
    """The shape of every error: `code` is for programs, `message` for people."""
    return {"error": {"code": code, "message": message}}


def failure(error: DiscoveryError) -> tuple[int, dict[str, Any]]:
    """Status and body for an inventory that cannot be read."""
    if isinstance(error, AwsError):
        throttled = error.kind is FailureKind.THROTTLED
        status = HTTPStatus.SERVICE_UNAVAILABLE if throttled else HTTPStatus.BAD_GATEWAY
        # AWS's own message may hold the ARN of our role: it stays in the log.
        message = f"The inventory cannot be read: {error.operation} answered {error.code}."
        return status, error_body("inventory_unavailable", message)
    code = "configuration" if isinstance(error, ConfigurationError) else "inventory_invalid"
    return HTTPStatus.INTERNAL_SERVER_ERROR, error_body(code, str(error))
