"""The Systems Manager operations that moto lacks or gets wrong: managed instances, Run Command.

Limits, errors and fields are those of the SSM API reference, 2014-11-06.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.call import AwsFaultError, Call
from sandbox.ssm.agent import Agent
from sandbox.ssm.command import Command, Invocation, limit
from sandbox.ssm.dispatcher import Dispatcher
from sandbox.ssm.documents import Scope, check_parameters, find_document
from sandbox.ssm.instances import SandboxHost
from sandbox.ssm.output_upload import OutputUpload
from sandbox.ssm.paging import page
from sandbox.ssm.responses import command_response, invocation_response, step_response

MAX_INSTANCE_IDS = 50
_INSTANCE_FIELDS: dict[str, str] = {
    "InstanceIds": "InstanceId",
    "AgentVersion": "AgentVersion",
    "PingStatus": "PingStatus",
    "PlatformTypes": "PlatformType",
    "ResourceType": "ResourceType",
}
"""Filter key -> field of DescribeInstanceInformation's entries."""


class SystemsManager:
    """Answers calls by account and region of the caller, and runs the commands they send.

    Agents work in folders of `work_folder` and reach S3 with what `s3_client` returns: a client
    with the credentials of an account's instance role. `speed` divides every simulated wait.
    """

    def __init__(
        self,
        hosts: Iterable[SandboxHost],
        work_folder: Path,
        s3_client: Callable[[str], Any],
        speed: float,
    ) -> None:
        self._dispatcher = Dispatcher(
            Agent(work_folder, s3_client), speed, os.cpu_count() or 1, OutputUpload(s3_client)
        )
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

    def call(self, call: Call, account: str) -> dict[str, Any]:
        """The result of one of `operations`. Raises AwsFaultError."""
        with self._dispatcher.lock:
            return self.operations[call.operation]((account, call.region), call.json)

    def close(self) -> None:
        """Stop every command that runs or waits."""
        self._dispatcher.close()

    def _describe_instance_information(
        self, scope: Scope, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        now = datetime.now(UTC).timestamp()
        listed = [
            {**host.information(), "LastPingDateTime": now}
            for host in self._hosts[scope].values()
            if host.is_managed
        ]
        filters = [(wanted["Key"], wanted["Values"]) for wanted in arguments.get("Filters", ())]
        filters += [
            (wanted["key"], wanted["valueSet"])
            for wanted in arguments.get("InstanceInformationFilterList", ())
        ]
        for key, values in filters:
            if key not in _INSTANCE_FIELDS:
                raise AwsFaultError("InvalidFilterKey", f"The filter key {key} is not valid.")
            listed = [entry for entry in listed if entry[_INSTANCE_FIELDS[key]] in values]
        return page("InstanceInformationList", listed, arguments)

    def _send_command(self, scope: Scope, arguments: dict[str, Any]) -> dict[str, Any]:
        instance_ids = _checked_instance_ids(arguments)
        document = find_document(scope, arguments)
        parameters = check_parameters(document.content_json, arguments.get("Parameters", {}))
        hosts = self._managed_hosts(scope, instance_ids)
        command = Command(
            account_id=scope[0],
            region=scope[1],
            document_name=document.name,
            document_version=document.document_version,
            document=document.content_json,
            parameters=parameters,
            request=arguments,
            invocations={host.instance_id: Invocation(host) for host in hosts},
            max_concurrency=limit(
                arguments.get("MaxConcurrency", "50"), len(instance_ids), at_least=1
            ),
            max_errors=limit(arguments.get("MaxErrors", "0"), len(instance_ids), at_least=0),
        )
        self._commands[scope][command.command_id] = command
        self._dispatcher.start(command)
        return {"Command": command_response(command)}

    def _managed_hosts(self, scope: Scope, instance_ids: list[str]) -> list[SandboxHost]:
        hosts = self._hosts[scope]
        invalid = [id_ for id_ in instance_ids if id_ not in hosts or not hosts[id_].is_managed]
        if invalid:
            raise AwsFaultError(
                "InvalidInstanceId",
                f"Instances [[{', '.join(invalid)}]] not in a valid state for account {scope[0]}",
            )
        for id_ in instance_ids:
            if refusal := hosts[id_].refusal:
                raise AwsFaultError(*refusal)
        return [hosts[id_] for id_ in instance_ids]

    def _list_commands(self, scope: Scope, arguments: dict[str, Any]) -> dict[str, Any]:
        instance_id = arguments.get("InstanceId")
        listed = [
            command_response(command)
            for command in self._commands_named(scope, arguments.get("CommandId"))
            if not instance_id or instance_id in command.invocations
        ]
        return page("Commands", listed, arguments)

    def _list_command_invocations(self, scope: Scope, arguments: dict[str, Any]) -> dict[str, Any]:
        instance_id = arguments.get("InstanceId")
        details = bool(arguments.get("Details"))
        listed = [
            invocation_response(command, invocation, details=details)
            for command in self._commands_named(scope, arguments.get("CommandId"))
            if command.is_visible
            for invocation in command.invocations.values()
            if instance_id in (None, invocation.host.instance_id)
        ]
        return page("CommandInvocations", listed, arguments)

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
        return step_response(command, invocation, name)

    def _cancel_command(self, scope: Scope, arguments: dict[str, Any]) -> dict[str, Any]:
        for command in self._commands_named(scope, arguments["CommandId"]):
            self._dispatcher.cancel(command, arguments.get("InstanceIds", ()))
        return {}

    def _commands_named(self, scope: Scope, command_id: str | None) -> list[Command]:
        """The command of that id, or all for None, newest first. Raises AwsFaultError."""
        commands = self._commands[scope]
        if command_id is None:
            return sorted(commands.values(), key=lambda command: command.requested, reverse=True)
        if command_id not in commands:
            raise AwsFaultError("InvalidCommandId", "The specified command ID isn't valid.")
        return [commands[command_id]]


def _checked_instance_ids(arguments: dict[str, Any]) -> list[str]:
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
    return instance_ids
