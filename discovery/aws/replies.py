"""Whether a reply of AWS can be read: decided here, for every client, before anyone reads it.

What answers is not always AWS: a proxy cuts a reply short, or puts a page of its own in its place.
`ReplyCheck.watch` holds each reply to botocore's model of it and to `NEEDED`, the members without
which its operation has said nothing. What passes can be indexed by those names. What does not is an
`UnreadableReplyError`, after a few tries of what may be asked twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from botocore.model import OperationModel, Shape
from botocore.parsers import ResponseParserError, ResponseParserFactory

from discovery.errors import UnreadableReplyError

NEEDED: Mapping[str, Sequence[str]] = {
    "AssumeRole": (
        "Credentials.AccessKeyId",
        "Credentials.SecretAccessKey",
        "Credentials.SessionToken",
        "Credentials.Expiration",
    ),
    "GetCallerIdentity": ("Account", "Arn"),
    "ListAccounts": ("Accounts[].Id", "Accounts[].State|Status"),
    "ListAccountsForParent": ("Accounts[].Id", "Accounts[].State|Status"),
    "ListOrganizationalUnitsForParent": ("OrganizationalUnits[].Id",),
    "DescribeRegions": ("Regions[].RegionName",),
    "DescribeInstances": (
        "Reservations[].Instances[].InstanceId",
        "Reservations[].Instances[].Tags?[].Key",
        "Reservations[].Instances[].Tags?[].Value",
    ),
    "DescribeInstanceInformation": ("InstanceInformationList[].InstanceId",),
    "DescribeDocument": ("Document.Hash", "Document.DocumentVersion"),
    "SendCommand": ("Command.CommandId",),
    "ListCommandInvocations": (
        "CommandInvocations[].CommandId",
        "CommandInvocations[].InstanceId",
        "CommandInvocations[].Status",
        "CommandInvocations[].StatusDetails",
        "CommandInvocations[].CommandPlugins?[].Name",
        "CommandInvocations[].CommandPlugins?[].Status",
    ),
    "GetCommandInvocation": ("StandardOutputContent",),
    "CancelCommand": (),
    "Query": ("Items[]",),
    "Scan": ("Items[]",),
    "GetItem": (),
    "PutItem": (),
    "UpdateItem": (),
    "DeleteItem": (),
    "TransactWriteItems": (),
    "GetObject": ("Body",),
    "PutObject": (),
    "ListObjectsV2": ("Name",),
    "SendMessage": ("MessageId",),
    "ReceiveMessage": ("Messages?[].ReceiptHandle", "Messages?[].Body"),
    "DeleteMessage": (),
}
"""Operation -> what its reply must have, as the service API references promise it. `a[]`: in each
element of a list; `a?`: when it is there; `a|b`: one of the two."""

_NEVER_TWICE = frozenset({"SendCommand"})
"""A second command would run the probe once more on each host. A batch whose reply cannot be read
counts as failed, and the next run asks its hosts."""

_TRIES = 3
_FIRST_DELAY_SECONDS = 0.1
_MAX_PAGES = 100_000
_UNREADABLE = "UnreadableReply"
_ASKED = "discovery_asked"
_NUMBER = re.compile(r"-?(?=.{1,60}$)[0-9]{1,38}(\.[0-9]{1,38})?([eE][+-]?[0-9]{1,3})?")

_MISREAD = (
    ResponseParserError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What botocore's parsers raise when a reply is not what the model says: they do not check it."""

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (datetime,),
}


class ReplyParsers(ResponseParserFactory):
    """botocore's parsers, which cannot fail: a reply that they cannot read is marked."""

    def create_parser(self, protocol_name: str) -> Any:
        """The parser of a protocol."""
        return _MarkingParser(super().create_parser(protocol_name))


class _MarkingParser:
    def __init__(self, parser: Any) -> None:
        self._parser = parser

    def parse(self, response: Mapping[str, Any], shape: Shape | None) -> Any:
        """As botocore's; raises nothing."""
        try:
            parsed = self._parser.parse(response, shape)
        except _MISREAD as error:
            return _marked(response, shape, f"{type(error).__name__}: {error}"[:200])
        return parsed if isinstance(parsed, dict) else _marked(response, shape, "an empty reply")


def _marked(response: Mapping[str, Any], shape: Shape | None, problem: str) -> dict[str, Any]:
    if shape is not None and shape.metadata.get("exception"):
        return {}  # the second reading of an error, for what only some errors have
    status = response["status_code"]
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": dict(response["headers"])}
    marked: dict[str, Any] = {"ResponseMetadata": metadata, _UNREADABLE: problem}
    if status >= 300:
        marked["Error"] = {"Code": str(status), "Message": problem}
    return marked


class ReplyCheck:
    """Reads no reply, but lets only those through that can be read."""

    def watch(self, client: Any) -> None:
        """Check every reply to `client`, a client of any service, from now on."""
        events = client.meta.events
        events.register("before-parameter-build", self._remember)
        events.register("needs-retry", self._answered)

    def _remember(
        self, params: Mapping[str, Any], context: dict[str, Any], **_call: object
    ) -> None:
        context[_ASKED] = params

    def _answered(
        self,
        response: tuple[Any, dict[str, Any]] | None,
        attempts: int,
        operation: OperationModel,
        request_dict: Mapping[str, Any],
        **_attempt: object,
    ) -> float | None:
        """Seconds after which the call is tried again; None when its reply can be read, or is no
        success. Raises UnreadableReplyError."""
        if response is None:
            return None
        context = request_dict.get("context", {})
        problem = _problem(operation, *response, context.get(_ASKED, {}))
        if problem is None:
            return None
        if operation.name not in _NEVER_TWICE and attempts < _TRIES:
            return float(_FIRST_DELAY_SECONDS * 2**attempts)
        raise UnreadableReplyError(
            operation.service_model.service_name,
            operation.name,
            str(context.get("client_region", "")),
            problem,
        )


def pages(client: Any, operation: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """The pages of a listing, such as "describe_instances".

    Raises UnreadableReplyError when it comes to a page a second time: it would not end.
    """
    seen: set[str] = set()
    for page in client.get_paginator(operation).paginate(**arguments):
        yield page
        token = page.get("NextToken") or page.get("LastEvaluatedKey")
        if token is None:
            continue
        mark = repr(token)
        if mark in seen or len(seen) >= _MAX_PAGES:
            name = "".join(word.capitalize() for word in operation.split("_"))
            service = client.meta.service_model.service_name
            problem = f"the pages do not end: token {mark[:60]} came twice"
            raise UnreadableReplyError(service, name, client.meta.region_name, problem)
        seen.add(mark)


# --- what is wrong with a reply -------------------------------------------------------------------


def _problem(
    operation: OperationModel, http: Any, parsed: Mapping[str, Any], asked: Mapping[str, Any]
) -> str | None:
    """Why the reply cannot be read; None when it can, or is an error that AWS tells."""
    if http.status_code >= 300:
        reasons = parsed.get("CancellationReasons")
        if reasons is None or len(reasons) == len(asked.get("TransactItems", reasons)):
            return None
        return f"{len(reasons)} reasons for {len(asked['TransactItems'])} actions"
    if _UNREADABLE in parsed:
        return str(parsed[_UNREADABLE])
    if operation.output_shape is None:
        return None
    if operation.service_model.resolved_protocol == "json":
        if parsed.keys() <= {"ResponseMetadata"} and not _is_object(http.content):
            return "not a JSON object"
        if wrong := _mistyped(operation.output_shape, parsed, ""):
            return wrong
    needed = [*NEEDED.get(operation.name, ()), *_asked_for(operation.name, asked)]
    return next(filter(None, (_missing(parsed, path.split(".")) for path in needed)), None)


def _asked_for(operation: str, asked: Mapping[str, Any]) -> Iterator[str]:
    """What the reply must have because the request asks for it."""
    if operation == "GetItem" and asked.get("ReturnConsumedCapacity", "NONE") != "NONE":
        yield "ConsumedCapacity"  # a reply without it is not "there is no such item"
    if asked.get("ReturnValues", "NONE") in ("ALL_NEW", "UPDATED_NEW"):
        yield "Attributes"


def _is_object(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content), dict)
    except ValueError:
        return False


def _mistyped(shape: Any, value: Any, path: str) -> str | None:
    """The first value in a reply whose type is not the model's."""
    types = _PYTHON_TYPES.get(shape.type_name)
    if types is None:
        return None
    kind = type(value)
    if kind not in types:
        return f"{path or 'the reply'} is a {kind.__name__}"
    if shape.type_name == "structure":
        members = shape.members
        if shape.is_tagged_union and not (len(value) == 1 and value.keys() <= members.keys()):
            return f"{path} is no {shape.name}"
        for name, member in value.items():
            if name in members and (wrong := _mistyped(members[name], member, f"{path}.{name}")):
                return wrong
    elif shape.name == "NumberAttributeValue" and not _NUMBER.fullmatch(value):
        return f"{path} is no number"
    elif shape.type_name == "list":
        for item in value:
            if wrong := _mistyped(shape.member, item, f"{path}[]"):
                return wrong
    elif shape.type_name == "map":
        for item in value.values():
            if wrong := _mistyped(shape.value, item, f"{path}[]"):
                return wrong
    return None


def _missing(value: Any, path: Sequence[str], at: str = "") -> str | None:
    """What is not there of `path`, such as `Instances[].InstanceId`; None when all is."""
    if not path:
        return None
    part, rest = path[0], path[1:]
    is_list, part = part.endswith("[]"), part.removesuffix("[]")
    is_optional, names = part.endswith("?"), part.removesuffix("?").split("|")
    where = f"{at}.{names[0]}".lstrip(".")
    if not isinstance(value, Mapping):
        return f"{at or 'the reply'} is a {type(value).__name__}"
    found = next((value[name] for name in names if value.get(name) is not None), None)
    if found is None:
        return None if is_optional else f"{where} is missing"
    if not is_list:
        return _missing(found, rest, where)
    if not isinstance(found, list):
        return f"{where} is a {type(found).__name__}"
    problems = (_missing(item, rest, f"{where}[]") for item in found)
    return next(filter(None, problems), None)
