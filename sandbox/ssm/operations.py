"""The Systems Manager operations that moto lacks or gets wrong: managed instances, Run Command.

Limits, errors and fields are those of the SSM API reference, 2014-11-06.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.ssm.models import Document, ssm_backends

from sandbox.call import AwsFaultError, Call
from sandbox.ssm.commands import Command, Dispatcher, Invocation, limit
from sandbox.ssm.instances import SandboxHost
from sandbox.ssm.responses import command_response, invocation_response, invocation_result

MAX_INSTANCE_IDS = 50
PAGE_SIZE = 50
_INSTANCE_FIELDS: dict[str, str] = {
    "InstanceIds": "InstanceId",
    "AgentVersion": "AgentVersion",
    "PingStatus": "PingStatus",
    "PlatformTypes": "PlatformType",
    "ResourceType": "ResourceType",
}
_DEFAULT_VERSIONS = (None, "", "$DEFAULT")

Scope = tuple[str, str]
"""Account and region."""


class SystemsManager:
    """Answers calls by account and region of the caller."""

    def __init__(self, hosts: Iterable[SandboxHost], dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._hosts: dict[Scope, dict[str, SandboxHost]] = defaultdict(dict)
        for host in hosts:
            self._hosts[host.account_id, host.region][host.instance_id] = host
        self._commands: dict[Scope, dict[str, Command]] = defaultdict(dict)
        self.operations: dict[str, Callable[[Scope, dict[str, Any]], dict[str, Any]]] = {
            "DescribeInstanceInformation": self._describe_instance_information,
            "SendCommand": self._send_command,
            "ListCommands": self._list_commands,
            "ListCommandInvocations": self._list_command_invocations,
            "GetCommandInvocation": self._get_command_invocation,
            "CancelCommand": self._cancel_command,
        }

    def answer(self, call: Call, account: str) -> dict[str, Any]:
        """The result of one of `operations`. Raises AwsFaultError."""
        with self._dispatcher.lock:
            return self.operations[call.operation]((account, call.region), call.json)

    def _describe_instance_information(
        self, scope: Scope, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        now = datetime.now(UTC).timestamp()
        listed = [
            {**host.information(), "LastPingDateTime": now}
            for host in self._hosts[scope].values()
            if host.is_managed
        ]
        filters = [(one["Key"], one["Values"]) for one in arguments.get("Filters", ())]
        filters += [
            (one["key"], one["valueSet"])
            for one in arguments.get("InstanceInformationFilterList", ())
        ]
        for key, values in filters:
            if key not in _INSTANCE_FIELDS:
                raise AwsFaultError("InvalidFilterKey", f"The filter key {key} is not valid.")
            listed = [one for one in listed if one[_INSTANCE_FIELDS[key]] in values]
        return _page("InstanceInformationList", listed, arguments)

    def _send_command(self, scope: Scope, arguments: dict[str, Any]) -> dict[str, Any]:
        instance_ids: list[str] = arguments.get("InstanceIds", [])
        if not instance_ids or arguments.get("Targets"):
            raise AwsFaultError("ValidationException", "The sandbox takes InstanceIds only.")
        if len(instance_ids) > MAX_INSTANCE_IDS:
            raise AwsFaultError(
                "ValidationException",
                "1 validation error detected: Value at 'instanceIds' failed to satisfy constraint: "
                f"Member must have length less than or equal to {MAX_INSTANCE_IDS}",
            )
        if len(set(instance_ids)) < len(instance_ids):
            raise AwsFaultError("DuplicateInstanceId", "You can't specify an instance ID twice.")
        document = _find_document(scope, arguments)
        parameters = _checked_parameters(document.content_json, arguments.get("Parameters", {}))
        hosts = self._hosts[scope]
        invalid = [id_ for id_ in instance_ids if id_ not in hosts or not hosts[id_].is_managed]
        if invalid:
            raise AwsFaultError(
                "InvalidInstanceId",
                f"Instances [[{', '.join(invalid)}]] not in a valid state for account {scope[0]}",
            )
        command = Command(
            account_id=scope[0],
            region=scope[1],
            document_name=document.name,
            document_version=document.document_version,
            document=document.content_json,
            parameters=parameters,
            request=arguments,
            invocations={id_: Invocation(hosts[id_]) for id_ in instance_ids},
            max_concurrency=limit(
                arguments.get("MaxConcurrency", "50"), len(instance_ids), at_least=1
            ),
            max_errors=limit(arguments.get("MaxErrors", "0"), len(instance_ids), at_least=0),
        )
        self._commands[scope][command.command_id] = command
        self._dispatcher.start(command)
        return {"Command": command_response(command)}

    def _list_commands(self, scope: Scope, arguments: dict[str, Any]) -> dict[str, Any]:
        commands = self._chosen(scope, arguments.get("CommandId"))
        instance_id = arguments.get("InstanceId")
        listed = [
            command_response(one)
            for one in commands
            if not instance_id or instance_id in one.invocations
        ]
        return _page("Commands", listed, arguments)

    def _list_command_invocations(self, scope: Scope, arguments: dict[str, Any]) -> dict[str, Any]:
        instance_id = arguments.get("InstanceId")
        details = bool(arguments.get("Details"))
        listed = [
            invocation_response(command, invocation, details=details)
            for command in self._chosen(scope, arguments.get("CommandId"))
            if command.is_visible
            for invocation in command.invocations.values()
            if instance_id in (None, invocation.host.instance_id)
        ]
        return _page("CommandInvocations", listed, arguments)

    def _get_command_invocation(self, scope: Scope, arguments: dict[str, Any]) -> dict[str, Any]:
        command = self._commands[scope].get(arguments["CommandId"])
        invocation = command and command.invocations.get(arguments["InstanceId"])
        if not command or not invocation or not command.is_visible:
            raise AwsFaultError(
                "InvocationDoesNotExist",
                "The command ID and instance ID you specified didn't match any invocations.",
            )
        names = [step["name"] for step in command.document["mainSteps"]]
        name = arguments.get("PluginName") or (names[0] if len(names) == 1 else None)
        if name is None or name not in names:
            raise AwsFaultError(
                "InvalidPluginName",
                "The plugin name isn't valid: the document has several steps, name one of "
                + ", ".join(names),
            )
        return invocation_result(command, invocation, name)

    def _cancel_command(self, scope: Scope, arguments: dict[str, Any]) -> dict[str, Any]:
        for command in self._chosen(scope, arguments["CommandId"]):
            self._dispatcher.cancel(command, arguments.get("InstanceIds", ()))
        return {}

    def _chosen(self, scope: Scope, command_id: str | None) -> list[Command]:
        commands = self._commands[scope]
        if command_id is None:
            return sorted(commands.values(), key=lambda one: one.requested, reverse=True)
        if command_id not in commands:
            raise AwsFaultError("InvalidCommandId", "The specified command ID isn't valid.")
        return [commands[command_id]]


def _find_document(scope: Scope, arguments: dict[str, Any]) -> Document:
    """moto's record of the document at the version and with the hash that the call pins."""
    account, region = scope
    name = arguments["DocumentName"]
    own = f"arn:aws:ssm:{region}:{account}:document/"
    documents = ssm_backends[account][region]._documents.get(name.removeprefix(own))
    if documents is None:
        raise AwsFaultError("InvalidDocument", f"Document with name {name} does not exist.")
    version = arguments.get("DocumentVersion")
    document: Document | None
    if version in _DEFAULT_VERSIONS:
        document = documents.get_default_version()
    elif version == "$LATEST":
        document = documents.get_latest_version()
    else:
        document = documents.find_by_version(version)
    if document is None:
        raise AwsFaultError(
            "InvalidDocumentVersion", f"Document version {version} of {name} does not exist."
        )
    pinned = arguments.get("DocumentHash")
    if pinned and pinned != document.hash:
        raise AwsFaultError("InvalidDocument", f"document hash {pinned} does not match Sha256.")
    return document


def _checked_parameters(
    document: dict[str, Any], given: dict[str, Sequence[str]]
) -> dict[str, str]:
    known: dict[str, dict[str, Any]] = document.get("parameters", {})
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise AwsFaultError("InvalidParameters", f"Parameters {unknown} are not in the document.")
    values = {name: str(one.get("default", "")) for name, one in known.items()}
    for name, texts in given.items():
        values[name] = ",".join(texts)
        pattern = known[name].get("allowedPattern")
        if pattern and not re.search(pattern, values[name]):
            raise AwsFaultError(
                "InvalidParameters", f"Parameter {name} does not match the pattern {pattern}."
            )
        if values[name] not in known[name].get("allowedValues", [values[name]]):
            raise AwsFaultError("InvalidParameters", f"Parameter {name} is no allowed value.")
    return values


def _page(key: str, items: list[dict[str, Any]], arguments: dict[str, Any]) -> dict[str, Any]:
    size = min(int(arguments.get("MaxResults") or PAGE_SIZE), PAGE_SIZE)
    try:
        start = int(base64.b64decode(arguments.get("NextToken") or "MA==", validate=True))
    except (binascii.Error, ValueError) as error:
        raise AwsFaultError("InvalidNextToken", "The specified token isn't valid.") from error
    answer: dict[str, Any] = {key: items[start : start + size]}
    if start + size < len(items):
        answer["NextToken"] = base64.b64encode(str(start + size).encode()).decode()
    return answer
