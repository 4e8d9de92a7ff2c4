"""One request at the AWS endpoint: who signed it, and which operation of which service it calls."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote

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


class AwsFaultError(Exception):
    """An error of the endpoint. `code` is the error code of the service's API reference."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Call:
    """One request. `service` is the signing name, such as "ssm".

    `access_key`, `region` and `service` are empty when the request is not signed.
    """

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
        """`SendCommand`. S3 sends no operation names; its operations are named as in the SDK."""
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
    """The call in a WSGI environment. The body is put back, so that moto can read it again."""
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
