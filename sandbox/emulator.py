"""A running sandbox: the endpoint, the environment that points at it, and a test's controls."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from threading import Lock, Thread
from typing import Any, ClassVar, Self

from discovery.partitions import partition_of
from discovery.settings import Settings, load_settings
from sandbox.app import App, http_server
from sandbox.clients import SECRET_KEY, SESSION_TOKEN, Clients
from sandbox.estate import Estate, load_estate, with_this_machine
from sandbox.faults import Fault
from sandbox.host import private_store
from sandbox.iam import INSTANCE_ROLE, MANAGEMENT_ROLE, Access
from sandbox.moto_records import reset_moto
from sandbox.provision import provision
from sandbox.ssm import SandboxHost, SystemsManager

SCRIPT_BUCKET = "db-discovery-scripts"
OUTPUT_BUCKET = "db-discovery-output"


class Sandbox:
    """Use as a context manager. At most one at a time in a process: moto's records are global.

    `port` 0 takes a free one. `include_this_host` adds this very machine to the first account.
    `speed` divides simulated waits, such as a hung host's time-out. Raises RuntimeError when
    another one is running.
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
            self.estate = with_this_machine(self.estate)
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

    # --- where it is ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The endpoint, for every service."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point any AWS client, and the product, at this sandbox."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self._clients.access_key(
                self.estate.management_account, MANAGEMENT_ROLE
            ),
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
    def work_folder(self) -> Path:
        """The folder where the agents work; each command has its own in there while it runs."""
        return Path(self._scratch.name) / "work"

    # --- a test's controls ----------------------------------------------------------------------

    @property
    def calls(self) -> Counter[str]:
        """Requests received since the sandbox was ready, as `service:Operation`."""
        return self._app.calls

    @property
    def hosts(self) -> Mapping[str, SandboxHost]:
        """Every host by instance id."""
        return self._hosts

    def host(self, instance_id: str) -> SandboxHost:
        """The host of that id. Its attributes say how it behaves."""
        return self._hosts[instance_id]

    def host_named(self, name: str) -> SandboxHost:
        """The host of that name."""
        (found,) = (host for host in self._hosts.values() if host.spec.name == name)
        return found

    def fail_next(
        self,
        operation: str,
        code: str,
        times: int = 1,
        *,
        skip: int = 0,
        account: str | None = None,
        message: str | None = None,
    ) -> None:
        """Answer the next `times` calls of `operation` with an error, after `skip` more good ones.

        `operation` is "SendCommand" or "ssm:SendCommand". With `account`, only calls of that
        account's callers fail.
        """
        self._app.faults.add(Fault(operation, code, times, skip, account, message=message))

    def garble_next(self, operation: str, body: bytes, times: int = 1, *, skip: int = 0) -> None:
        """Do the next `times` calls of `operation`, after `skip` more good ones, and answer each
        with `body` as a success."""
        self._app.faults.add(Fault(operation, "", times, skip, body=body))

    def forget_faults(self) -> None:
        """Fail and garble nothing more."""
        self._app.faults.clear()

    def client(
        self,
        service: str,
        account: str | None = None,
        region: str | None = None,
        role: str | None = None,
    ) -> Any:
        """A boto3 client of a role of an account, or of its owner, who may do everything there."""
        return self._clients.client(
            service,
            account or self.estate.management_account,
            region or self.estate.regions[0],
            role,
        )

    # --- life -----------------------------------------------------------------------------------

    def _start(self) -> None:
        reset_moto()
        self._scratch = tempfile.TemporaryDirectory(prefix="discovery-sandbox-")
        self.work_folder.mkdir()
        store = private_store() or Path(self._scratch.name) / "hosts"
        self._hosts = {host.instance_id: SandboxHost(host, store) for host in self.estate.hosts()}
        self._systems_manager = SystemsManager(
            self._hosts.values(), self.work_folder, self._instance_s3, self._speed
        )
        access = self._make_access()
        enabled_regions = {account.id: account.regions for account in self.estate.accounts}
        self._app = App(access, self._systems_manager, enabled_regions)
        self._server = http_server(self._app, self._port)
        self._clients = Clients(access, self.url)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        try:
            provision(self.estate, self.settings, self.client)
        except BaseException:
            self._stop()
            raise
        self.calls.clear()

    def _make_access(self) -> Access:
        accounts = {account.id for account in self.estate.accounts}
        suspended = [account.id for account in self.estate.accounts if account.status != "ACTIVE"]
        partition = partition_of(self.estate.regions[0]).name
        return Access(accounts | {self.estate.management_account}, suspended, partition)

    def _instance_s3(self, account: str) -> Any:
        """The client by which agents in `account` reach S3."""
        return self._clients.client("s3", account, self.estate.regions[0], INSTANCE_ROLE)

    def _stop(self) -> None:
        self._systems_manager.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._scratch.cleanup()
        reset_moto()
