"""The demo estate: every account, host and database of the sandbox.

`estate.toml` beside this file declares it and is the truth that tests compare with. `load_estate`
reads it and fills in what it leaves to a default. How a host becomes a folder that the probe can
look at is `hostfolder`'s business.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.engines.packaging import DEFAULT_PORTS, Source, default_source, install_of
from sandbox.estate.model import (
    Account,
    Behaviour,
    Estate,
    EstateDatabase,
    EstateHost,
    Role,
    Scenario,
    Unit,
)
from sandbox.estate.platforms import INSTANCE_TYPES, PLATFORMS, Platform

__all__ = [
    "DEFAULT_ESTATE",
    "Account",
    "Behaviour",
    "Estate",
    "EstateDatabase",
    "EstateHost",
    "Role",
    "Scenario",
    "load_estate",
    "this_machine",
]

DEFAULT_ESTATE = Path(__file__).with_name("estate.toml")


def load_estate(path: Path = DEFAULT_ESTATE) -> Estate:
    """Read an estate file. Raises ValueError saying what is wrong with it, and where."""
    try:
        spec = _EstateSpec.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ValueError(f"{path}: {error}") from error
    accounts = tuple(_account(spec, number) for number in range(len(spec.accounts)))
    hosts = {host.name: host for account in accounts for host in account.hosts}
    scenarios = tuple(
        Scenario(
            each.edge_case, hosts[each.host].account_id, hosts[each.host].instance_id, each.shows
        )
        for each in spec.scenarios
    )
    units = tuple(Unit(each.id, each.name, each.parent) for each in spec.units)
    estate = Estate(
        spec.management_account, spec.external_id, spec.regions, accounts, scenarios, units
    )
    known = {unit.id for unit in units}
    for place in [unit.parent for unit in units] + [account.unit for account in accounts]:
        if place and place not in known:
            raise ValueError(f"{path}: {place} is not one of the estate's units")
    _refuse_twins("account id", (account.id for account in accounts))
    _refuse_twins("host name", (host.name for host in estate.hosts()))
    _refuse_twins("instance id", (host.instance_id for host in estate.hosts()))
    return estate


def this_machine(account_id: str, region: str, name: str = "this-machine") -> EstateHost:
    """A host whose root is `/`: commands sent to it run the probe on the machine itself."""
    platform = PLATFORMS["debian-12"]
    return EstateHost(
        account_id=account_id,
        name=name,
        instance_id=_instance_id(account_id, name),
        region=region,
        tags={"Name": name},
        state="running",
        agent="online",
        platform="Linux",
        platform_name=platform.platform_name,
        platform_version=platform.platform_version,
        instance_type="m6i.large",
        private_ip="127.0.0.1",
        memory_mb=INSTANCE_TYPES["m6i.large"][0],
        cpu_cores=INSTANCE_TYPES["m6i.large"][1],
        os=platform,
        root="/",
    )


# --- the file's form ------------------------------------------------------------------------------


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _DatabaseSpec(_Spec):
    """`size` is left out for an installed server that has no data directory."""

    engine: Literal["mysql", "mariadb", "percona", "postgresql", "mongodb"]
    version: str
    size: str | None = None
    status: Literal["running", "installed"] = "running"
    port: int | None = None
    data_dir: str | None = None
    bind: str = "0.0.0.0"  # noqa: S104 - what the estate's servers are configured with
    source: Source | None = None
    cluster: str = "main"
    arguments: bool = False


class _HostSpec(_Spec):
    """`os` and `type` are keys of PLATFORMS and INSTANCE_TYPES."""

    name: str
    os: str
    type: str
    region: str | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)
    state: Literal["running", "stopped"] = "running"
    agent: Literal["online", "offline", "none"] = "online"
    edge_case: str | None = None
    behaviour: Behaviour = "run"
    delay: float = 1.0
    python: bool = True
    runs: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    databases: tuple[_DatabaseSpec, ...] = ()


class _AccountSpec(_Spec):
    """`regions` are those that are enabled, all of the estate's when it is left out. `tags` go to
    each host that does not say otherwise; a tag set to "" there is left out."""

    id: str
    name: str
    unit: str | None = None
    regions: tuple[str, ...] | None = None
    status: Literal["ACTIVE", "SUSPENDED", "PENDING_CLOSURE"] = "ACTIVE"
    role: Role = "ok"
    denied_actions: tuple[str, ...] = ()
    edge_case: str | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)
    hosts: tuple[_HostSpec, ...] = ()


class _UnitSpec(_Spec):
    id: str
    name: str
    parent: str | None = None


class _ScenarioSpec(_Spec):
    edge_case: str
    host: str
    shows: str


class _EstateSpec(_Spec):
    management_account: str
    external_id: str
    regions: tuple[str, ...]
    accounts: tuple[_AccountSpec, ...]
    units: tuple[_UnitSpec, ...] = ()
    scenarios: tuple[_ScenarioSpec, ...] = ()


# --- from the file's form to the estate -----------------------------------------------------------


def _account(estate: _EstateSpec, number: int) -> Account:
    spec = estate.accounts[number]
    regions = estate.regions if spec.regions is None else spec.regions
    hosts = []
    for index, entry in enumerate(spec.hosts):
        region = entry.region or estate.regions[0]
        if region not in regions:
            raise ValueError(f"host {entry.name}: region {region} is not one of its account's")
        subnet = 16 * estate.regions.index(region) + index % 3
        hosts.append(_host(spec, entry, region, f"10.{20 + number}.{subnet}.{11 + index}"))
    return Account(
        spec.id,
        spec.name,
        spec.status,
        spec.role,
        spec.denied_actions,
        spec.edge_case,
        tuple(hosts),
        spec.unit,
        regions,
    )


def _host(account: _AccountSpec, spec: _HostSpec, region: str, private_ip: str) -> EstateHost:
    try:
        platform = PLATFORMS[spec.os]
        memory_mb, cpu_cores = INSTANCE_TYPES[spec.type]
    except KeyError as error:
        raise ValueError(f"host {spec.name}: {error} is no known platform or type") from None
    tags = {"Name": spec.name, **account.tags, **spec.tags}
    databases = [_database(each, platform, private_ip, spec.name) for each in spec.databases]
    return EstateHost(
        account_id=account.id,
        name=spec.name,
        instance_id=_instance_id(account.id, spec.name),
        region=region,
        tags={key: value for key, value in tags.items() if value},
        state=spec.state,
        agent=spec.agent,
        platform="Windows" if platform.family == "windows" else "Linux",
        platform_name=platform.platform_name,
        platform_version=platform.platform_version,
        instance_type=spec.type,
        private_ip=private_ip,
        memory_mb=memory_mb,
        cpu_cores=cpu_cores,
        os=platform,
        edge_case=spec.edge_case,
        behaviour=spec.behaviour,
        delay_seconds=spec.delay,
        python=spec.python,
        runs=spec.runs,
        removed=spec.removed,
        databases=_with_unique_ids(databases),
    )


def _database(spec: _DatabaseSpec, os: Platform, private_ip: str, host: str) -> EstateDatabase:
    source = spec.source or default_source(spec.engine, spec.version, os)
    install = install_of(spec.engine, spec.version, os, source, spec.cluster)
    if spec.status == "running" and spec.size is None:
        raise ValueError(f"host {host}: a running {spec.engine} needs a size")
    port = spec.port or DEFAULT_PORTS[spec.engine]
    config_file: str | None = install.config_file
    data_dir = spec.data_dir or install.data_dir
    if spec.engine == "postgresql" and spec.size is None:
        config_file = None
    elif spec.engine == "postgresql" and not os.is_deb:
        config_file = f"{data_dir}/postgresql.conf"
    elif spec.engine == "mongodb" and spec.cluster != "main":
        config_file = f"/etc/mongod-{spec.cluster}.conf"
    elif spec.engine != "postgresql" and spec.cluster != "main" and os.is_deb:
        config_file = f"/etc/mysql/{spec.cluster}.cnf"
    if spec.arguments or (spec.engine == "mongodb" and source == "image"):
        config_file = None
    container = None
    if source == "image":
        container = hashlib.sha256(f"{host}/{spec.engine}/{spec.cluster}".encode()).hexdigest()
    return EstateDatabase(
        db_id=f"{spec.engine}-{port}",
        engine=spec.engine,
        version=spec.version,
        port=port,
        status=spec.status,
        data_dir=data_dir if spec.size else None,
        size_bytes=_bytes(spec.size) if spec.size else 0,
        edition=install.edition,
        binary=install.binary,
        config_file=config_file,
        bind=private_ip if spec.bind == "private" else spec.bind,
        source=source,
        cluster=spec.cluster,
        arguments=spec.arguments,
        container=container,
    )


def _with_unique_ids(databases: Iterable[EstateDatabase]) -> tuple[EstateDatabase, ...]:
    """Where engine and port are not enough, the first by place keeps the plain id.

    The others get the start of a hash of what tells them apart, so that an id depends neither on
    the order of a scan nor on process ids.
    """
    taken: set[str] = set()
    named = []
    for each in sorted(databases, key=lambda db: (db.container is not None, db.data_dir or "")):
        db_id = each.db_id
        if db_id in taken:
            told_by = each.data_dir or each.container or each.config_file or ""
            db_id += "-" + hashlib.sha256(told_by.encode()).hexdigest()[:8]
        taken.add(db_id)
        named.append(replace(each, db_id=db_id))
    return tuple(named)


def _instance_id(account_id: str, name: str) -> str:
    """Seventeen hex digits, as EC2 has them, the same in every sandbox."""
    return "i-0" + hashlib.sha256(f"{account_id}/{name}".encode()).hexdigest()[:16]


def _bytes(size: str) -> int:
    """`1.2 TiB` in bytes, whole KiB."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) (MiB|GiB|TiB)", size)
    if match is None:
        raise ValueError(f"size {size!r} is not like '1.2 TiB'")
    unit = {"MiB": 2**20, "GiB": 2**30, "TiB": 2**40}[match[2]]
    return int(float(match[1]) * unit) // 1024 * 1024


def _refuse_twins(what: str, values: Iterable[str]) -> None:
    twins = [value for value, count in Counter(values).items() if count > 1]
    if twins:
        raise ValueError(f"{what} given twice: {', '.join(twins)}")
