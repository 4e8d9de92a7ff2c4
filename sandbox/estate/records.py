"""Records of the estate: accounts, their hosts and databases, and the scenarios they show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sandbox.engines import EstateDatabase
from sandbox.estate.instance_types import architecture
from sandbox.platforms import Platform

Role = Literal["ok", "missing", "untrusting"]
"""The spoke role: usable, not there, or not trusting the management account."""

Behaviour = Literal["run", "hang", "undeliverable", "terminate", "garbage"]
"""What a command sent to the host does: it runs, never finishes, never arrives, loses its instance
half-way, or prints something that is no report."""


@dataclass(frozen=True, slots=True)
class EstateHost:
    """One EC2 instance.

    `root` is None for a host whose folder is built, and "/" for this very machine. `runs` names
    what else runs there (rows of `sandbox/host/extras.py`). `removed` names Debian packages that
    left only their configuration behind. `python` says whether the host has a python3.
    `delay_seconds` is simulated time before a command starts.
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
        """The name that EC2 gives a host by default: ip-10-20-1-17."""
        return "ip-" + self.private_ip.replace(".", "-")

    @property
    def architecture(self) -> str:
        """As `uname -m` prints it: Graviton instance types are aarch64."""
        return architecture(self.instance_type)

    @property
    def application(self) -> str:
        """What the host is for, by its tag."""
        return self.tags.get("Application", "app")

    @property
    def deb_architecture(self) -> str:
        """The architecture's Debian name."""
        return "arm64" if self.architecture == "aarch64" else "amd64"

    @property
    def kernel(self) -> str:
        """Kernel release, as `uname -r` prints it."""
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
    """One AWS account. `unit` is the id of its organizational unit, or None for the root.

    `regions` are those it has enabled. `denied_actions` are IAM actions that its spoke role lacks,
    such as "ssm:SendCommand".
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
    """A row of the edge-case matrix that is no property of a host, and how a host shows it."""

    edge_case: str
    account_id: str
    instance_id: str
    shows: str


@dataclass(frozen=True, slots=True)
class Estate:
    """An organisation and the edge cases it shows. The first of `regions` is the home region."""

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
        """Row of the edge-case matrix -> the accounts, hosts and scenarios that show it."""
        shown: dict[str, tuple[Account | EstateHost | Scenario, ...]] = {}
        things: list[Account | EstateHost | Scenario] = [*self.accounts, *self.hosts()]
        for thing in (*things, *self.scenarios):
            if thing.edge_case:
                shown[thing.edge_case] = (*shown.get(thing.edge_case, ()), thing)
        return shown
