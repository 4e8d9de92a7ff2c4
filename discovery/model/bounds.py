"""What a host may say. It may be compromised: every text, number, list and map in its report is
bounded, so that no record of it passes what a DynamoDB item can hold.

A field that a host reports has `Reported(type)` among its annotations. `type` is what a value in
the report is checked against; it also converts the report's form into the record's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from discovery.sanitize import printable

MAX_TEXT = 300
MAX_PATH = 1024
MAX_CLIENTS = 50
"""Addresses; the probe lists those with the most connections first."""
MAX_ITEMS = 32
"""Elements of a list; those beyond are left out."""
MAX_ADDRESS = 64
MAX_NAME = 64

_BYTES_PER_MIB = 1 << 20
_MAX_CONNECTIONS = 1 << 30
_ZONE = re.compile(r"[A-Za-z0-9_.@:-]{1,15}")
"""An interface's name: Linux has 15 characters for it (IFNAMSIZ in linux/if.h, less the end)."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True, slots=True)
class Reported:
    """A host reports this field, as `type`, under `name`; by default under the field's own name."""

    type: Any
    name: str | None = None


def _cleaned(limit: int) -> BeforeValidator:
    return BeforeValidator(
        lambda value: printable(value, limit) if isinstance(value, str) else value
    )


def _mebibytes(size: int) -> float:
    return round(size / _BYTES_PER_MIB, 2)


def _time(value: object) -> datetime:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("not a time like 2026-02-04T10:00:00Z")
    return datetime.fromisoformat(value)


def _most_clients(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    listed = list(value.items())[:MAX_CLIENTS]
    if not all(type(count) is int and 0 < count <= _MAX_CONNECTIONS for _, count in listed):
        raise ValueError("not a number of connections")
    return {_address(address): count for address, count in listed}


def _address(text: str) -> str:
    """An IP address in its usual form. The zone after `%` is any text to Python."""
    if len(text) > MAX_ADDRESS:
        raise ValueError("not an address")
    address = ip_address(text)
    zone = address.scope_id if isinstance(address, IPv6Address) else None
    if zone is not None and not _ZONE.fullmatch(zone):
        raise ValueError("not an address of an interface")
    return str(address)


Text = Annotated[str, _cleaned(MAX_TEXT), Field(max_length=MAX_TEXT)]
Path = Annotated[str, _cleaned(MAX_PATH), Field(max_length=MAX_PATH)]
Texts = Annotated[list[Text], Field(max_length=MAX_ITEMS)]
EngineId = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$", max_length=32)]
DatabaseId = Annotated[str, Field(pattern=r"^[a-z0-9._-]{1,64}$", max_length=64)]
Version = Annotated[
    str, _cleaned(MAX_TEXT), Field(pattern=r"^[0-9][0-9A-Za-z.+~_-]{0,63}$", max_length=64)
]
LiveStatus = Literal["running", "installed"]
Port = Annotated[int, Field(ge=1, le=65535)]
Time = Annotated[datetime, BeforeValidator(_time)]
Bytes = Annotated[int, Field(ge=0, le=1 << 60), AfterValidator(_mebibytes)]
"""Bytes in the report, MiB with two decimals in the record."""
ProcessMemory = Annotated[int, Field(ge=0, le=1 << 40)]
DiskSpace = Annotated[int, Field(ge=0, le=1 << 60)]
HostMemory = Annotated[int, Field(ge=1, le=1 << 30)]
Processors = Annotated[int, Field(ge=1, le=1 << 20)]
Connections = Annotated[int, Field(ge=0, le=_MAX_CONNECTIONS)]
Clients = Annotated[
    dict[
        Annotated[str, Field(max_length=MAX_ADDRESS)],
        Annotated[int, Field(ge=1, le=_MAX_CONNECTIONS)],
    ],
    BeforeValidator(_most_clients),
    Field(max_length=MAX_CLIENTS),
]
Evidence = Annotated[
    dict[Annotated[str, Field(max_length=MAX_NAME)], Text], Field(max_length=MAX_NAME)
]
"""By name of a field; there are fewer fields than that."""
