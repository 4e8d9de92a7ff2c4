"""One request at the AWS endpoint, and the answers that AWS gives in each service's own format."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import uuid4
from xml.sax.saxutils import escape

from discovery.partitions import partition_of

_SCOPE = re.compile(r"Credential=([^/,]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_S3_OPERATIONS = {
    ("GET", True): "GetObject",
    ("HEAD", True): "HeadObject",
    ("PUT", True): "PutObject",
    ("DELETE", True): "DeleteObject",
    ("GET", False): "ListObjectsV2",
    ("HEAD", False): "HeadBucket",
    ("PUT", False): "CreateBucket",
    ("DELETE", False): "DeleteBucket",
}

Response = tuple[int, str, bytes]
"""HTTP status, content type, body."""


class AwsFaultError(Exception):
    """An error that the endpoint answers with; `code` as the service's API reference has it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Call:
    """What a request asks for. `service` is the signing name, such as "ssm"; `access_key` is empty
    when the request is not signed."""

    method: str
    path: str
    query: str
    access_key: str
    region: str
    service: str
    target: str
    token: str
    body: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """`ssm:SendCommand`."""
        return f"{self.service}:{self.operation}"

    @cached_property
    def operation(self) -> str:
        """`SendCommand`; for S3, which has no such names on the wire, the SDK's."""
        if self.target:
            return self.target.rpartition(".")[2]
        if self.service == "s3":
            return _S3_OPERATIONS.get((self.method, bool(self.s3_key)), self.method.title())
        return self.form.get("Action", self.method.title())

    @cached_property
    def json(self) -> dict[str, Any]:
        """The arguments of a JSON service."""
        arguments: dict[str, Any] = json.loads(self.body or b"{}")
        return arguments

    @cached_property
    def form(self) -> dict[str, str]:
        """The arguments of a query service, or of the URL."""
        text = self.query or self.body.decode("utf-8", "replace")
        return {key: values[0] for key, values in parse_qs(text, keep_blank_values=True).items()}

    @property
    def s3_bucket(self) -> str:
        """The bucket of a path-style request."""
        return self.path.lstrip("/").partition("/")[0]

    @property
    def s3_key(self) -> str:
        """The object's key; empty for a request about the bucket."""
        return self.path.lstrip("/").partition("/")[2]


def read_call(environ: dict[str, Any]) -> Call:
    """The call in a WSGI environment, which stays readable: its body is put back."""
    length = environ.get("CONTENT_LENGTH")
    stream = environ["wsgi.input"]
    body = stream.read() if environ.get("wsgi.input_terminated") else stream.read(int(length or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ.pop("wsgi.input_terminated", None)
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    access_key, region, service = scope.groups() if scope else ("", "", "")
    return Call(
        method=environ["REQUEST_METHOD"],
        path=unquote(environ.get("PATH_INFO", "/")),
        query=environ.get("QUERY_STRING", ""),
        access_key=access_key,
        region=region,
        service=service,
        target=environ.get("HTTP_X_AMZ_TARGET", ""),
        token=environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""),
        body=body,
    )


def json_answer(result: dict[str, Any]) -> Response:
    """A result of a JSON service such as SSM."""
    return 200, "application/x-amz-json-1.1", json.dumps(result).encode()


def regions_answer(regions: Iterable[str]) -> Response:
    """`DescribeRegions` of an account that has these enabled."""
    items = "".join(
        f"<item><regionName>{region}</regionName><optInStatus>opt-in-not-required</optInStatus>"
        f"<regionEndpoint>ec2.{region}.{partition_of(region).dns_suffix}</regionEndpoint></item>"
        for region in regions
    )
    xml = (
        '<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>{uuid4()}</requestId><regionInfo>{items}</regionInfo>"
        "</DescribeRegionsResponse>"
    )
    return 200, "text/xml", xml.encode()


def fault_answer(call: Call, fault: AwsFaultError) -> Response:
    """`fault` in the format of the called service, so that any SDK reads its code and message."""
    if call.target:
        content = json.dumps({"__type": fault.code, "message": fault.message})
        return fault.status, "application/x-amz-json-1.1", content.encode()
    error = f"<Code>{escape(fault.code)}</Code><Message>{escape(fault.message)}</Message>"
    request_id = uuid4()
    if call.service == "s3":
        xml = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
    elif call.service == "ec2":
        xml = (
            f"<Response><Errors><Error>{error}</Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    else:
        xml = (
            f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return fault.status, "text/xml", b'<?xml version="1.0"?>' + xml.encode()


def status_line(status: int) -> str:
    """`400 Bad Request`."""
    return f"{status} {HTTPStatus(status).phrase}"
