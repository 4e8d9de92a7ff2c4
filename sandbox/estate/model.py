"""What an estate is: accounts, their hosts, and each database as a correct report shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sandbox.engines.packaging import Source
from sandbox.estate.platforms import Platform, architecture

Role = Literal["ok", "missing", "untrusting"]
"""The spoke role: usable, not there, or not trusting the management account."""

Behaviour = Literal["run", "hang", "undeliverable", "terminate", "garbage"]
"""What a command sent to the host does: run, never finish, never arrive, lose its instance
half-way, or print something that is no report."""


@dataclass(frozen=True, slots=True)
class EstateDatabase:
    """One database as a correct report shows it.

    `data_dir` is None and `size_bytes` 0 for a server that is installed and has no data directory.
    `arguments` says that port and data directory stand on the command line, not in a file.
    `cluster` is the instance's name where a host has several. `container` is the 64-digit id of the
    container it runs in.
    """

    db_id: str
    engine: str
    version: str
    port: int
    status: Literal["running", "installed"]
    data_dir: str | None
    size_bytes: int
    edition: str | None
    binary: str
    config_file: str | None
    bind: str
    source: Source
    cluster: str = "main"
    arguments: bool = False
    container: str | None = None

    @property
    def size_mb(self) -> float:
        """Apparent size of the data directory in MiB, rounded as the record has it."""
        return round(self.size_bytes / 2**20, 2)


@dataclass(frozen=True, slots=True)
class EstateHost:
    """One EC2 instance.

    `root` is None for a host whose folder `build_host` makes, and "/" for this very machine.
    `runs` names what else runs there (see `host_processes`), `removed` the Debian packages that
    left only their configuration behind. `python` says whether the host has a python3.
    """

    account_id: str
    name: str
    instance_id: str
    region: str
    tags: Mapping[str, str]
    state: Literal["running", "stopped"]
    agent: Literal["online", "offline", "none"]
    platform: Literal["Linux", "Windows"]
    platform_name: str
    platform_version: str
    instance_type: str
    private_ip: str
    memory_mb: int
    cpu_cores: int
    os: Platform
    edge_case: str | None = None
    behaviour: Behaviour = "run"
    delay_seconds: float = 1.0
    root: str | None = None
    python: bool = True
    runs: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    databases: tuple[EstateDatabase, ...] = ()

    @property
    def hostname(self) -> str:
        """The name EC2 gives a host by default: ip-10-20-1-17."""
        return "ip-" + self.private_ip.replace(".", "-")

    @property
    def architecture(self) -> str:
        """As `uname -m` says it: Graviton instance types are aarch64."""
        return architecture(self.instance_type)

    @property
    def deb_architecture(self) -> str:
        """The architecture's Debian name."""
        return "arm64" if self.architecture == "aarch64" else "amd64"

    @property
    def kernel(self) -> str:
        """Kernel release, as `uname -r` says it."""
        return self.os.kernel.format(arch=self.architecture, deb_arch=self.deb_architecture)

    @property
    def is_scannable(self) -> bool:
        """Whether a command sent to this host brings back a report."""
        return (
            self.platform == "Linux"
            and self.state == "running"
            and self.agent == "online"
            and self.behaviour == "run"
            and self.python
        )


@dataclass(frozen=True, slots=True)
class Unit:
    """One organizational unit; `parent` is another's id, or None for the root."""

    id: str
    name: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """One AWS account, in an organizational unit or, for None, in the root.

    `regions` are those it has enabled; `denied_actions` are IAM actions its spoke role lacks:
    "ssm:SendCommand".
    """

    id: str
    name: str
    status: Literal["ACTIVE", "SUSPENDED", "PENDING_CLOSURE"] = "ACTIVE"
    role: Role = "ok"
    denied_actions: tuple[str, ...] = ()
    edge_case: str | None = None
    hosts: tuple[EstateHost, ...] = ()
    unit: str | None = None
    regions: tuple[str, ...] = ()

    @property
    def is_scannable(self) -> bool:
        """Whether the runner can send commands in this account."""
        return self.status == "ACTIVE" and self.role == "ok" and not self.denied_actions


@dataclass(frozen=True, slots=True)
class Scenario:
    """A row of the edge-case matrix that is no host's property, the host that shows it, and how."""

    edge_case: str
    account_id: str
    instance_id: str
    shows: str


@dataclass(frozen=True, slots=True)
class Estate:
    """All of it."""

    management_account: str
    external_id: str
    regions: tuple[str, ...]
    accounts: tuple[Account, ...]
    scenarios: tuple[Scenario, ...] = field(default=())
    units: tuple[Unit, ...] = ()

    def hosts(self) -> Iterator[EstateHost]:
        """Every host of every account."""
        for account in self.accounts:
            yield from account.hosts

    def scannable_hosts(self) -> Iterator[EstateHost]:
        """The hosts whose databases a whole run finds."""
        for account in self.accounts:
            if account.is_scannable:
                yield from (host for host in account.hosts if host.is_scannable)

    def edge_cases(self) -> Mapping[str, tuple[Account | EstateHost | Scenario, ...]]:
        """Each row of the matrix the estate shows, by its name, with what shows it."""
        shown: dict[str, tuple[Account | EstateHost | Scenario, ...]] = {}
        things: list[Account | EstateHost | Scenario] = [*self.accounts, *self.hosts()]
        for thing in (*things, *self.scenarios):
            if thing.edge_case:
                shown[thing.edge_case] = (*shown.get(thing.edge_case, ()), thing)
        return shown
