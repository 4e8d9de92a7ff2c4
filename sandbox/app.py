"""The WSGI application behind the endpoint: each request is counted, authorized and answered.

Systems Manager's Run Command, DynamoDB's transactions and the regions that an account has enabled
(moto enables all for everybody) are answered by the sandbox, everything else by moto.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from sandbox.call import AwsFaultError, Call, read_call
from sandbox.faults import Faults
from sandbox.http_responses import (
    Response,
    fault_response,
    identity_response,
    json_response,
    regions_response,
    status_line,
)
from sandbox.iam import Access, Principal
from sandbox.ssm import SystemsManager
from sandbox.transactions import transact_write

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class App:
    """The WSGI application. `regions` are those that each account has enabled.

    `calls` counts requests as `service:Operation`; `faults` are errors that a test orders.
    """

    def __init__(
        self,
        access: Access,
        systems_manager: SystemsManager,
        regions: Mapping[str, Sequence[str]],
    ) -> None:
        self.calls: Counter[str] = Counter()
        self.faults = Faults()
        self._access = access
        self._systems_manager = systems_manager
        self._regions = regions
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = Lock()
        # moto's records are plain dicts that it iterates while others write: one call of a service
        # at a time.
        self._service_locks: defaultdict[str, Lock] = defaultdict(Lock)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        call = read_call(environ)
        try:
            principal, garbled = self._admit(call)
            response = self._own_response(call, principal)
        except AwsFaultError as fault:
            response, garbled = fault_response(call, fault), None
        if response is None:
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = principal.account
            with self._service_lock(call):
                if garbled is None:
                    return list(self._moto(environ, start_response))
                list(self._moto(environ, lambda _status, _headers: None))
            response = 200, "text/html", b""
        if garbled is not None:
            response = 200, "text/html", garbled
        status, content_type, body = response
        headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        start_response(status_line(status), headers)
        return [] if call.method == "HEAD" else [body]

    def _admit(self, call: Call) -> tuple[Principal, bytes | None]:
        """The caller, and what it gets for a reply if a test has ordered that.

        Raises AwsFaultError unless it is known and may make the call.
        """
        principal = self._access.caller(call)
        with self._lock:
            self.calls[call.name] += 1
        garbled = self.faults.check(call, principal.account)
        self._access.check(principal, call)
        return principal, garbled

    def _own_response(self, call: Call, principal: Principal) -> Response | None:
        """The response to a call that moto does not answer; None for all others."""
        if call.name == "sts:GetCallerIdentity":  # moto does not know the sandbox's own sessions
            return identity_response(principal.account, principal.arn, principal.session)
        if call.name == "ec2:DescribeRegions":
            return regions_response(self._regions.get(principal.account, ()))
        if call.service == "ssm" and call.operation in self._systems_manager.operations:
            return json_response(self._systems_manager.call(call, principal.account))
        if call.name == "dynamodb:TransactWriteItems":
            with self._service_lock(call):
                return transact_write(call, principal.account)
        return None

    def _service_lock(self, call: Call) -> Lock:
        with self._lock:
            return self._service_locks[call.service]


def http_server(app: App, port: int) -> BaseWSGIServer:
    """A server of `app` on 127.0.0.1; port 0 takes a free one."""
    return make_server("127.0.0.1", port, app, threaded=True, request_handler=_Handler)


class _Handler(MotoRequestHandler):
    """Keeps connections open, as AWS does, and logs no requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: `App.calls` counts the requests."""
