"""The endpoint itself: each request is counted, may be made to fail, is judged, and is answered.

Systems Manager's Run Command, DynamoDB's transactions and the regions that an account has enabled
(moto enables all for everybody) are answered here, the rest by moto.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox.call import (
    AwsFaultError,
    Call,
    fault_answer,
    json_answer,
    read_call,
    regions_answer,
    status_line,
)
from sandbox.iam.access import Access, identity_response
from sandbox.iam.policy import Principal
from sandbox.ssm.operations import SystemsManager
from sandbox.transactions import transact_write

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

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


@dataclass
class Fault:
    """An error that the next calls of one operation get, after `skip` good ones."""

    operation: str
    code: str
    times: int
    skip: int
    account: str | None

    def strikes(self, call: Call, principal: Principal) -> bool:
        """Whether `call` is one of those; counts it."""
        if self.operation not in (call.operation, call.name):
            return False
        if self.times <= 0 or (self.account and self.account != principal.account):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class App:
    """The WSGI application. `calls` counts requests as `service:Operation`; `regions` are those
    that each account has enabled."""

    def __init__(
        self,
        access: Access,
        systems_manager: SystemsManager,
        regions: Mapping[str, Sequence[str]],
    ) -> None:
        self.calls: Counter[str] = Counter()
        self._access = access
        self._systems_manager = systems_manager
        self._regions = regions
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._faults: list[Fault] = []
        self._lock = Lock()
        # moto's records are plain dicts that it iterates while others write: one call of a service
        # at a time.
        self._service_locks: defaultdict[str, Lock] = defaultdict(Lock)

    def add_fault(self, fault: Fault) -> None:
        """Make coming calls fail."""
        with self._lock:
            self._faults.append(fault)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        call = read_call(environ)
        try:
            principal = self._admit(call)
            if call.name == "sts:GetCallerIdentity":
                answer = identity_response(principal)
            elif call.name == "ec2:DescribeRegions":
                answer = regions_answer(self._regions.get(principal.account, ()))
            elif call.service == "ssm" and call.operation in self._systems_manager.operations:
                answer = json_answer(self._systems_manager.answer(call, principal.account))
            elif call.name == "dynamodb:TransactWriteItems":
                with self._lock:
                    lock = self._service_locks[call.service]
                with lock:
                    answer = transact_write(call, principal.account)
            else:
                return self._ask_moto(call, principal, environ, start_response)
        except AwsFaultError as fault:
            answer = fault_answer(call, fault)
        status, content_type, body = answer
        headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        start_response(status_line(status), headers)
        return [] if call.method == "HEAD" else [body]

    def _admit(self, call: Call) -> Principal:
        principal = self._access.caller(call)
        with self._lock:
            self.calls[call.name] += 1
            fault = next((one for one in self._faults if one.strikes(call, principal)), None)
        if fault:
            message = _MESSAGES.get(fault.code, "A fault that the sandbox was told to make.")
            raise AwsFaultError(fault.code, message, _STATUS_BY_CODE.get(fault.code, 400))
        self._access.check(principal, call)
        return principal

    def _ask_moto(
        self,
        call: Call,
        principal: Principal,
        environ: dict[str, Any],
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = principal.account
        with self._lock:
            lock = self._service_locks[call.service]
        with lock:
            return list(self._moto(environ, start_response))
