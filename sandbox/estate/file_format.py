"""The form of an estate file. What is not declared here is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sandbox.engines import ENGINES, Source, Status
from sandbox.estate.instance_types import INSTANCE_TYPES
from sandbox.estate.records import Behaviour, Role
from sandbox.platforms import PLATFORMS

_SIZE = re.compile(r"(\d+(?:\.\d+)?) (MiB|GiB|TiB)")
_BYTES = {"MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def _key_of(table: Mapping[str, object], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if value not in table:
            raise ValueError(f"{value} is no known {what}")
        return value

    return AfterValidator(check)


def _is_size(text: str) -> str:
    if _SIZE.fullmatch(text) is None:
        raise ValueError(f"size {text!r} is not like '1.2 TiB'")
    return text


def size_in_bytes(text: str) -> int:
    """`1.2 TiB` in bytes, whole KiB."""
    match = _SIZE.fullmatch(text)
    assert match is not None  # noqa: S101 - for the type checker: the file was validated
    return int(float(match[1]) * _BYTES[match[2]]) // 1024 * 1024


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSpec(_Spec):
    """One database. Port, paths and package follow from engine, version and operating system.

    `size` is left out for an installed server that has no data directory.
    """

    engine: Annotated[str, _key_of(ENGINES, "engine")]
    version: str
    size: Annotated[str, AfterValidator(_is_size)] | None = None
    status: Status = "running"
    port: int | None = None
    data_dir: str | None = None
    bind: str = "0.0.0.0"  # noqa: S104 - what the estate's servers are configured with
    source: Source | None = None
    cluster: str = "main"
    arguments: bool = False


class HostSpec(_Spec):
    """One host. `os` is a key of PLATFORMS, `type` one of INSTANCE_TYPES."""

    name: str
    os: Annotated[str, _key_of(PLATFORMS, "platform")]
    type: Annotated[str, _key_of(INSTANCE_TYPES, "instance type")]
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
    databases: tuple[DatabaseSpec, ...] = ()


class AccountSpec(_Spec):
    """One account. `regions` are those it has enabled: all of the estate's when it is left out.

    `tags` go to each host that does not say otherwise; a tag set to "" there is left out.
    """

    id: str
    name: str
    unit: str | None = None
    regions: tuple[str, ...] | None = None
    status: Literal["ACTIVE", "SUSPENDED", "PENDING_CLOSURE"] = "ACTIVE"
    role: Role = "ok"
    denied_actions: tuple[str, ...] = ()
    edge_case: str | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)
    hosts: tuple[HostSpec, ...] = ()


class UnitSpec(_Spec):
    """One organizational unit, in the root unless it has a parent."""

    id: str
    name: str
    parent: str | None = None


class ScenarioSpec(_Spec):
    """A row of the edge-case matrix, the name of the host that shows it, and how it does."""

    edge_case: str
    host: str
    shows: str


class EstateSpec(_Spec):
    """The whole file."""

    management_account: str
    external_id: str
    regions: tuple[str, ...]
    accounts: tuple[AccountSpec, ...]
    units: tuple[UnitSpec, ...] = ()
    scenarios: tuple[ScenarioSpec, ...] = ()
