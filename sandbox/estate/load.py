"""Reads an estate file and fills in what it leaves to a default."""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from sandbox.engines import ENGINES, EstateDatabase
from sandbox.estate.file_format import (
    AccountSpec,
    DatabaseSpec,
    EstateSpec,
    HostSpec,
    size_in_bytes,
)
from sandbox.estate.instance_types import INSTANCE_TYPES
from sandbox.estate.records import Account, Estate, EstateHost, Scenario, Unit
from sandbox.platforms import PLATFORMS, Platform

DEFAULT_ESTATE = Path(__file__).with_name("estate.toml")


def load_estate(path: Path = DEFAULT_ESTATE) -> Estate:
    """Read an estate file. Raises ValueError that says what is wrong with it, and where."""
    try:
        spec = EstateSpec.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ValueError(f"{path}: {error}") from error
    accounts = tuple(_account(spec, number) for number in range(len(spec.accounts)))
    units = tuple(Unit(unit.id, unit.name, unit.parent) for unit in spec.units)
    hosts = [host for account in accounts for host in account.hosts]
    _check_places(path, units, accounts)
    _check_unique("account id", (account.id for account in accounts))
    _check_unique("host name", (host.name for host in hosts))
    _check_unique("instance id", (host.instance_id for host in hosts))
    return Estate(
        spec.management_account,
        spec.external_id,
        spec.regions,
        accounts,
        _scenarios(spec, hosts),
        units,
    )


def instance_id(account_id: str, name: str) -> str:
    """Seventeen hex digits, as EC2 has them, the same in every sandbox."""
    return "i-0" + hashlib.sha256(f"{account_id}/{name}".encode()).hexdigest()[:16]


def _scenarios(estate: EstateSpec, hosts: Iterable[EstateHost]) -> tuple[Scenario, ...]:
    host_by_name = {host.name: host for host in hosts}
    return tuple(
        Scenario(
            scenario.edge_case,
            host_by_name[scenario.host].account_id,
            host_by_name[scenario.host].instance_id,
            scenario.shows,
        )
        for scenario in estate.scenarios
    )


def _account(estate: EstateSpec, number: int) -> Account:
    spec = estate.accounts[number]
    regions = estate.regions if spec.regions is None else spec.regions
    hosts = []
    for index, host in enumerate(spec.hosts):
        region = host.region or estate.regions[0]
        if region not in regions:
            raise ValueError(f"host {host.name}: region {region} is not one of its account's")
        subnet = 16 * estate.regions.index(region) + index % 3
        hosts.append(_host(spec, host, region, f"10.{20 + number}.{subnet}.{11 + index}"))
    return Account(
        id=spec.id,
        name=spec.name,
        status=spec.status,
        role=spec.role,
        denied_actions=spec.denied_actions,
        edge_case=spec.edge_case,
        hosts=tuple(hosts),
        unit=spec.unit,
        regions=regions,
    )


def _host(account: AccountSpec, spec: HostSpec, region: str, private_ip: str) -> EstateHost:
    platform = PLATFORMS[spec.os]
    memory_mb, cpu_cores = INSTANCE_TYPES[spec.type]
    tags = {"Name": spec.name, **account.tags, **spec.tags}
    databases = [_database(db, platform, private_ip, spec.name) for db in spec.databases]
    return EstateHost(
        account_id=account.id,
        name=spec.name,
        instance_id=instance_id(account.id, spec.name),
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


def _database(spec: DatabaseSpec, os: Platform, private_ip: str, host: str) -> EstateDatabase:
    engine = ENGINES[spec.engine]
    if spec.status == "running" and spec.size is None:
        raise ValueError(f"host {host}: a running {spec.engine} needs a size")
    source = spec.source or engine.default_source(spec.version, os)
    install = engine.install(spec.version, os, source, spec.cluster)
    port = spec.port or engine.default_port
    data_dir = (spec.data_dir or install.data_dir) if spec.size else None
    config_file = engine.config_file(install, os, spec.cluster, data_dir)
    container = None
    if source == "image":
        container = hashlib.sha256(f"{host}/{spec.engine}/{spec.cluster}".encode()).hexdigest()
    return EstateDatabase(
        db_id=f"{spec.engine}-{port}",
        engine=spec.engine,
        version=spec.version,
        port=port,
        status=spec.status,
        data_dir=data_dir,
        size_bytes=size_in_bytes(spec.size) if spec.size else 0,
        edition=install.edition,
        binary=install.binary,
        config_file=None if spec.arguments else config_file,
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
    for db in sorted(databases, key=lambda db: (db.container is not None, db.data_dir or "")):
        db_id = db.db_id
        if db_id in taken:
            told_by = db.data_dir or db.container or db.config_file or ""
            db_id += "-" + hashlib.sha256(told_by.encode()).hexdigest()[:8]
        taken.add(db_id)
        named.append(replace(db, db_id=db_id))
    return tuple(named)


def _check_places(path: Path, units: Sequence[Unit], accounts: Sequence[Account]) -> None:
    known = {unit.id for unit in units}
    for place in [unit.parent for unit in units] + [account.unit for account in accounts]:
        if place and place not in known:
            raise ValueError(f"{path}: {place} is not one of the estate's units")


def _check_unique(what: str, values: Iterable[str]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"{what} given twice: {', '.join(twice)}")
