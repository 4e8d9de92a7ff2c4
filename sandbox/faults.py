"""Errors that a test orders: the next calls of an operation fail as it says, or are done and
answered with something that is no reply of AWS."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from sandbox.call import AwsFaultError, Call

_STATUS_BY_CODE = {
    "InternalServerError": 500,
    "InternalError": 500,
    "InternalFailure": 500,
    "ServiceUnavailable": 503,
    "RequestLimitExceeded": 503,
    "SlowDown": 503,
}
_MESSAGES = {
    "ThrottlingException": "Rate exceeded",
    "AccessDeniedException": "User is not authorized to perform this action",
}


@dataclass
class Fault:
    """An error for the next `times` calls of one operation, after `skip` good ones.

    `operation` is "SendCommand" or "ssm:SendCommand"; `account` limits it to one caller's account.
    With `body` the call is done, and answered with that, as a success. `message` is the error's.
    """

    operation: str
    code: str
    times: int = 1
    skip: int = 0
    account: str | None = None
    body: bytes | None = None
    message: str | None = None

    def hits(self, call: Call, account: str) -> bool:
        """Whether this call of `account` gets the error. Counts the call."""
        if self.operation not in (call.operation, call.name):
            return False
        if self.times <= 0 or (self.account and self.account != account):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class Faults:
    """The ordered errors of one sandbox. Safe for several threads."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()

    def add(self, fault: Fault) -> None:
        """Order an error."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Order nothing more."""
        with self._lock:
            self._faults.clear()

    def check(self, call: Call, account: str) -> bytes | None:
        """What the call is answered with instead of its reply; None when with that.

        Raises AwsFaultError when one of the errors is for this call.
        """
        with self._lock:
            fault = next((fault for fault in self._faults if fault.hits(call, account)), None)
        if fault is None or fault.body is not None:
            return fault.body if fault else None
        message = fault.message
        if message is None:
            message = _MESSAGES.get(fault.code, "A fault that the sandbox was told to make.")
        raise AwsFaultError(fault.code, message, _STATUS_BY_CODE.get(fault.code, 400))
