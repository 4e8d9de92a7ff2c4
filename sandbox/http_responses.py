"""Responses of the AWS endpoint, in each service's own format."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

from discovery.partitions import partition_of
from sandbox.call import AwsFaultError, Call

Response = tuple[int, str, bytes]
"""HTTP status, content type, body."""


def json_response(result: dict[str, Any]) -> Response:
    """A result of a JSON service such as SSM."""
    return 200, "application/x-amz-json-1.1", json.dumps(result).encode()


def regions_response(regions: Iterable[str]) -> Response:
    """`DescribeRegions` of an account that has `regions` enabled."""
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


def identity_response(account: str, arn: str, session: str) -> Response:
    """`GetCallerIdentity` of a session."""
    xml = (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<GetCallerIdentityResult><Arn>{arn}</Arn><UserId>{session}</UserId>"
        f"<Account>{account}</Account></GetCallerIdentityResult>"
        "<ResponseMetadata><RequestId>sandbox</RequestId></ResponseMetadata>"
        "</GetCallerIdentityResponse>"
    )
    return 200, "text/xml", xml.encode()


def fault_response(call: Call, fault: AwsFaultError) -> Response:
    """An error in the format of the called service, so that any SDK reads its code and message."""
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
