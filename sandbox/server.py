"""A local AWS with the estate in it: the endpoint, its environment, and a test's hold on it."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock, Thread
from typing import Any, ClassVar, Self

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from discovery.partitions import partition_of
from discovery.settings import Settings, load_settings
from sandbox.app import App, Fault
from sandbox.estate.load import load_estate, this_machine
from sandbox.estate.model import Estate
from sandbox.host.cache import private_store
from sandbox.iam.access import INSTANCE_ROLE, MANAGEMENT_ROLE, Access
from sandbox.provision import provision, reset_moto
from sandbox.ssm.agent import Agent
from sandbox.ssm.commands import Command, Dispatcher, Invocation
from sandbox.ssm.instances import SandboxHost
from sandbox.ssm.operations import SystemsManager
from sandbox.ssm.responses import output_prefix

SECRET_KEY = "sandbox-secret-key"  # noqa: S105 - opens nothing but the sandbox
SESSION_TOKEN = "sandbox-session-token"  # noqa: S105 - the same
SCRIPT_BUCKET = "db-discovery-scripts"
OUTPUT_BUCKET = "db-discovery-output"
_CLIENT_CONFIG = Config(retries={"total_max_attempts": 1}, max_pool_connections=16)


class Sandbox:
    """Use as a context manager. At most one at a time in a process: moto's records are global.

    `port` 0 takes a free one. `include_this_host` adds this very machine to the first account.
    `speed` divides simulated waits, such as a hung host's time-out.
    """

    _one_at_a_time: ClassVar[Lock] = Lock()

    def __init__(
        self,
        estate: Estate | None = None,
        *,
        port: int = 0,
        include_this_host: bool = False,
        speed: float = 20.0,
    ) -> None:
        self.estate = estate or load_estate()
        if include_this_host:
            self.estate = with_this_host(self.estate)
        self._port = port
        self._speed = speed
        self._hosts: dict[str, SandboxHost] = {}

    def __enter__(self) -> Self:
        if not self._one_at_a_time.acquire(blocking=False):
            raise RuntimeError("a sandbox is running in this process already")
        try:
            self._start()
        except BaseException:
            self._one_at_a_time.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop()
        finally:
            self._one_at_a_time.release()

    # --- what a test may ask and do -------------------------------------------------------------

    @property
    def url(self) -> str:
        """The endpoint, for every service."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What points any AWS client, and the product, at this sandbox."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self._key(self.estate.management_account, MANAGEMENT_ROLE),
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_SESSION_TOKEN": SESSION_TOKEN,
            "AWS_REGION": self.estate.regions[0],
            "AWS_DEFAULT_REGION": self.estate.regions[0],
            "AWS_EC2_METADATA_DISABLED": "true",
            "SPOKE_ACCOUNTS": "organization",
            "DISCOVERY_REGIONS": ",".join(self.estate.regions),
            "DISCOVERY_EXTERNAL_ID": self.estate.external_id,
            "DISCOVERY_SCRIPT_BUCKET": SCRIPT_BUCKET,
            "DISCOVERY_OUTPUT_BUCKET": OUTPUT_BUCKET,
            # never the user's own: what is kept there would be replayed into a real table
            "DISCOVERY_SPOOL_DIR": str(Path(self._scratch.name) / "spool"),
            # all of it ends with the sandbox; runs of any date can be stored and read until then
            "DISCOVERY_HISTORY_DAYS": "36500",
            "DISCOVERY_SANDBOX": "1",
        }

    @property
    def settings(self) -> Settings:
        """The settings that `environment` makes."""
        return load_settings(self.environment)

    @property
    def calls(self) -> Counter[str]:
        """Requests received since the sandbox was ready, as `service:Operation`."""
        return self._app.calls

    @property
    def work_folder(self) -> Path:
        """Where the agents work; each command's folder is there while it runs."""
        return Path(self._scratch.name) / "work"

    @property
    def hosts(self) -> Mapping[str, SandboxHost]:
        """Every host by instance id."""
        return self._hosts

    def host(self, instance_id: str) -> SandboxHost:
        """One host; its attributes say how it behaves."""
        return self._hosts[instance_id]

    def host_named(self, name: str) -> SandboxHost:
        """The one host with this name."""
        (host,) = (one for one in self._hosts.values() if one.spec.name == name)
        return host

    def fail_next(
        self,
        operation: str,
        code: str,
        times: int = 1,
        *,
        skip: int = 0,
        account: str | None = None,
    ) -> None:
        """Answer the next `times` calls of `operation` ("SendCommand" or "ssm:SendCommand") with an
        error, after `skip` more good ones; only those of `account`, when given."""
        self._app.add_fault(Fault(operation, code, times, skip, account))

    def client(self, service: str, account: str | None = None, region: str | None = None) -> Any:
        """A boto3 client of an account's owner, who may do everything there."""
        account = account or self.estate.management_account
        return self._client(service, self._key(account), region or self.estate.regions[0])

    def _key(self, account: str, role: str | None = None) -> str:
        with self._clients_lock:
            if (account, role) not in self._keys:
                self._keys[account, role] = self._access.issue_key(account, role)
            return self._keys[account, role]

    def _instance_s3(self, account: str) -> Any:
        """What the agent in `account` reaches S3 with: the instance role's credentials."""
        return self._client("s3", self._key(account, INSTANCE_ROLE), self.estate.regions[0])

    def _client(self, service: str, access_key: str, region: str) -> Any:
        """Made once each, and one at a time: making a client is not thread-safe, using it is."""
        with self._clients_lock:
            key = (service, access_key, region)
            if key not in self._clients:
                self._clients[key] = self._boto3.client(
                    service,
                    endpoint_url=self.url,
                    region_name=region,
                    aws_access_key_id=access_key,
                    aws_secret_access_key=SECRET_KEY,
                    aws_session_token=SESSION_TOKEN,
                    config=_CLIENT_CONFIG,
                )
            return self._clients[key]

    # --- life -----------------------------------------------------------------------------------

    def _start(self) -> None:
        reset_moto()
        self._scratch = tempfile.TemporaryDirectory(prefix="discovery-sandbox-")
        self._boto3: Any = boto3.Session()  # its typed overloads want a literal service name
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._clients_lock = Lock()
        self._keys: dict[tuple[str, str | None], str] = {}
        self.work_folder.mkdir()
        store = private_store() or Path(self._scratch.name) / "hosts"
        self._hosts = {one.instance_id: SandboxHost(one, store) for one in self.estate.hosts()}
        agent = Agent(self.work_folder, self._instance_s3)
        self._dispatcher = Dispatcher(agent, self._speed, os.cpu_count() or 1, self._upload)
        accounts = {one.id for one in self.estate.accounts} | {self.estate.management_account}
        suspended = [one.id for one in self.estate.accounts if one.status != "ACTIVE"]
        systems_manager = SystemsManager(self._hosts.values(), self._dispatcher)
        self._access = Access(accounts, suspended, partition_of(self.estate.regions[0]).name)
        regions = {one.id: one.regions for one in self.estate.accounts}
        self._app = App(self._access, systems_manager, regions)
        self._server = make_server(
            "127.0.0.1", self._port, self._app, threaded=True, request_handler=_Handler
        )
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        try:
            provision(self.estate, self.settings, self.client)
        except BaseException:
            self._stop()
            raise
        self._app.calls.clear()

    def _stop(self) -> None:
        self._dispatcher.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._scratch.cleanup()
        reset_moto()

    def _upload(self, command: Command, invocation: Invocation) -> None:
        """The agent's upload of whole outputs to the command's output bucket."""
        s3 = self._instance_s3(command.account_id)
        bucket = command.request["OutputS3BucketName"]
        for step in invocation.results:
            prefix = output_prefix(command, invocation, step)
            for name, text in (("stdout", step.stdout), ("stderr", step.stderr)):
                if text:
                    s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=text.encode())


def with_this_host(estate: Estate) -> Estate:
    """`estate` with this very machine as one more host of its first account."""
    first, *others = estate.accounts
    machine = this_machine(first.id, estate.regions[0])
    return replace(estate, accounts=(replace(first, hosts=(*first.hosts, machine)), *others))


class _Handler(MotoRequestHandler):
    """Keeps connections open, as AWS does, and logs no requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: `Sandbox.calls` counts them."""
