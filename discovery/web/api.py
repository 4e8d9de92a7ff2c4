"""The REST routes: a request in, a reply out. Knows neither AWS Lambda nor a web server.

    GET /health                                 {"status": "ok", "total_records": 42}
    GET /accounts                               {"accounts": ["123456789012", ...]}
    GET /accounts/{account_id}/instances        {"account_id": ..., "instances": [...]}
    GET /databases?engine=...&account_id=...    {"databases": [...]}

`?detail=full` on the last two adds `first_seen`, `last_seen`, `stale`, `gone_at` and `expires_at`,
and the databases that are gone; without it, the shapes are exactly the documented ones.

`api/api-gateway-config.md` shows every shape. What is unknown is null, never zero or left out.
"""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol

from discovery.errors import AwsError, ConfigurationError, DiscoveryError, FailureKind
from discovery.inventory.freshness import DEFAULT_STALE_DAYS, Freshness, Staleness
from discovery.inventory.query import Filter, select
from discovery.model import ENGINE_LABELS, DatabaseRecord, DatabaseStatus, DiscoveryStatus
from discovery.sanitize import shown

_log = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "OPTIONS")
ROUTES = ("/health", "/accounts", "/accounts/{account_id}/instances", "/databases")

_DETAIL = "detail"
_ACCOUNT_ID = re.compile(r"[0-9]{12}")

Params = Mapping[str, Sequence[str]]
"""Query parameters, each with every value it was given."""


class Inventory(Protocol):
    """What the routes read. Both methods may raise DiscoveryError while they are read."""

    def all_records(self) -> Iterator[DatabaseRecord]:
        """Every record, placeholders and gone ones included, in any order."""

    def account_records(self, account_id: str) -> Iterator[DatabaseRecord]:
        """The records of one account, in any order; none for an unknown account."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply, ready to send. `body` is JSON, or empty."""

    status: int
    body: str
    headers: Mapping[str, str]


def respond(
    connect: Callable[[], Inventory],
    method: str,
    path: str,
    params: Params,
    stale_days: Callable[[], int] = lambda: DEFAULT_STALE_DAYS,
) -> Reply:
    """The whole HTTP reply: `handle`, with HEAD, OPTIONS, headers and failures around it.

    `connect` gives the inventory, `stale_days` the age of a stale database; both, like the
    inventory, may raise DiscoveryError.
    """
    allow = {"Allow": ", ".join(METHODS)}
    if method == "OPTIONS":
        return Reply(HTTPStatus.NO_CONTENT, "", allow)
    try:
        asked = "GET" if method == "HEAD" else method
        status, body = handle(connect(), asked, path, params, stale_days())
    except DiscoveryError as error:
        _log.error("%s %s: %s", method, shown(path), error)
        status, body = _failure(error)
    reply = json_reply(status, body, allow if status == HTTPStatus.METHOD_NOT_ALLOWED else {})
    return replace(reply, body="") if method == "HEAD" else reply


def handle(
    inventory: Inventory,
    method: str,
    path: str,
    params: Params,
    stale_days: int = DEFAULT_STALE_DAYS,
) -> tuple[int, dict[str, Any]]:
    """Status and body of one request; what is wrong with it is an `error_body`.

    Raises DiscoveryError when the inventory cannot be read.
    """
    try:
        staleness = Staleness(datetime.now(UTC), stale_days)
        return HTTPStatus.OK, _route(inventory, method, path, params, staleness)
    except _Refused as refused:
        return refused.status, error_body(refused.code, refused.message)


def json_reply(status: int, body: Mapping[str, Any], headers: Mapping[str, str] = {}) -> Reply:
    """`body` as JSON that no browser takes for a page and no cache keeps."""
    fixed = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Reply(status, json.dumps(body, ensure_ascii=False), fixed | dict(headers))


def error_body(code: str, message: str) -> dict[str, Any]:
    """The shape of every error: `code` is for programs, `message` for people."""
    return {"error": {"code": code, "message": message}}


def _failure(error: DiscoveryError) -> tuple[int, dict[str, Any]]:
    if isinstance(error, AwsError):
        throttled = error.kind is FailureKind.THROTTLED
        status = HTTPStatus.SERVICE_UNAVAILABLE if throttled else HTTPStatus.BAD_GATEWAY
        # AWS's own message may hold the ARN of our role: it stays in the log.
        message = f"The inventory cannot be read: {error.operation} answered {error.code}."
        return status, error_body("inventory_unavailable", message)
    code = "configuration" if isinstance(error, ConfigurationError) else "inventory_invalid"
    return HTTPStatus.INTERNAL_SERVER_ERROR, error_body(code, str(error))


class _Refused(Exception):  # noqa: N818 - a reply, not a fault
    """The request is answered with an error."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


# --- routes -------------------------------------------------------------------------------------


def _route(
    inventory: Inventory, method: str, path: str, params: Params, staleness: Staleness
) -> dict[str, Any]:
    match path.strip("/").split("/"):
        case ["health"]:
            _accept(method, path, params)
            return {"status": "ok", "total_records": sum(1 for _ in inventory.all_records())}
        case ["accounts"]:
            _accept(method, path, params)
            return {"accounts": sorted({each.account_id for each in inventory.all_records()})}
        case ["accounts", account_id, "instances"]:
            _accept(method, path, params, _DETAIL)
            form = _form(params, staleness)
            records = _account_records(inventory, account_id)
            return {"account_id": account_id, "instances": _instances(records, form)}
        case ["databases"]:
            _accept(method, path, params, "engine", "account_id", _DETAIL)
            return {"databases": _databases(inventory, params, _form(params, staleness))}
    routes = ", ".join(ROUTES)
    raise _Refused(
        HTTPStatus.NOT_FOUND, "unknown_path", f"No path {shown(path)}. Known paths: {routes}."
    )


def _accept(method: str, path: str, params: Params, *known: str) -> None:
    """Refuse a method or parameter that the route does not have: ignored, it would mislead."""
    if method != "GET":
        raise _Refused(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "method_not_allowed",
            f"{shown(path)} does not take {shown(method)}. It takes {', '.join(METHODS)}.",
        )
    for name, values in params.items():
        if name not in known:
            takes = f"It takes {', '.join(known)}." if known else "It takes none."
            raise _Refused(
                HTTPStatus.BAD_REQUEST,
                "unknown_parameter",
                f"{shown(path)} has no parameter {shown(name)}. {takes}",
            )
        if len(values) != 1:
            raise _Refused(
                HTTPStatus.BAD_REQUEST,
                "repeated_parameter",
                f"{name} is given {len(values)} times. It is taken once.",
            )


def _account_records(inventory: Inventory, account_id: str) -> list[DatabaseRecord]:
    """The records of a known account."""
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise _Refused(
            HTTPStatus.BAD_REQUEST,
            "invalid_account_id",
            f"account_id={shown(account_id)} is not an AWS account id, which has 12 digits.",
        )
    records = list(inventory.account_records(account_id))
    if not records:
        raise _Refused(
            HTTPStatus.NOT_FOUND,
            "unknown_account",
            f"account_id={shown(account_id)} is not in the inventory.",
        )
    return records


@dataclass(frozen=True, slots=True)
class _Form:
    """How databases are shown. In full: with their freshness, and those that are gone too."""

    full: bool
    staleness: Staleness

    def where(self, engines: frozenset[str] = frozenset()) -> Filter:
        return Filter(
            engines=engines, statuses=frozenset(DatabaseStatus) if self.full else frozenset()
        )

    def database(self, record: DatabaseRecord) -> dict[str, Any]:
        values = _database(record)
        return values | self._freshness(record) if self.full else values

    def _freshness(self, record: DatabaseRecord) -> dict[str, Any]:
        expires = record.expires_at
        return {
            "first_seen": _timestamp(record.first_seen),
            "last_seen": _known_timestamp(record.last_seen),
            "stale": self.staleness.of(record) is Freshness.STALE,
            "gone_at": _known_timestamp(record.gone_at),
            "expires_at": None if expires is None else _timestamp(_from_epoch(expires)),
        }


def _form(params: Params, staleness: Staleness) -> _Form:
    detail = params.get(_DETAIL, [None])[0]
    if detail not in (None, "full"):
        raise _Refused(
            HTTPStatus.BAD_REQUEST,
            "invalid_detail",
            f"detail={shown(detail)} is not known. It is full, or left out.",
        )
    return _Form(detail == "full", staleness)


def _instances(records: Iterable[DatabaseRecord], form: _Form) -> list[dict[str, Any]]:
    hosts: dict[str, list[DatabaseRecord]] = defaultdict(list)
    for record in records:
        hosts[record.instance_id].append(record)
    return [_instance(instance_id, hosts[instance_id], form) for instance_id in sorted(hosts)]


def _instance(instance_id: str, records: list[DatabaseRecord], form: _Form) -> dict[str, Any]:
    """One host, as its newest record tells. A host whose last look failed keeps its databases,
    and its size from the look before."""
    newest_first = sorted(
        records, key=lambda each: (each.discovery_timestamp, each.run_id), reverse=True
    )
    newest = newest_first[0]
    failed = newest.discovery_status is DiscoveryStatus.FAILED
    memory = (each.system_memory_mb for each in newest_first if each.system_memory_mb is not None)
    cores = (each.system_cpu_cores for each in newest_first if each.system_cpu_cores is not None)
    return {
        "instance_id": instance_id,
        "discovery_timestamp": _timestamp(newest.discovery_timestamp),
        "discovery_status": newest.discovery_status.value,
        **({"error": newest.error} if failed else {}),
        "system_memory_mb": next(memory, None),
        "system_cpu_cores": next(cores, None),
        "databases": [form.database(each) for each in _sorted(select(records, form.where()))],
    }


def _databases(inventory: Inventory, params: Params, form: _Form) -> list[dict[str, Any]]:
    account_id = params.get("account_id", [None])[0]
    engine = params.get("engine", [None])[0]
    if account_id is None:
        records = list(inventory.all_records())
    else:
        records = _account_records(inventory, account_id)
    if engine is not None and engine not in ENGINE_LABELS:
        everywhere = records if account_id is None else inventory.all_records()
        _check_engine(engine, everywhere)
    wanted = form.where(engines=frozenset() if engine is None else frozenset({engine}))
    return [
        {"account_id": each.account_id, "instance_id": each.instance_id, **form.database(each)}
        for each in _sorted(select(records, wanted))
    ]


def _check_engine(engine: str, records: Iterable[DatabaseRecord]) -> None:
    """An engine this version has no name for is known when the inventory holds one."""
    known = set(ENGINE_LABELS) | {each.engine for each in records if each.engine is not None}
    if engine not in known:
        raise _Refused(
            HTTPStatus.BAD_REQUEST,
            "unknown_engine",
            f"engine={shown(engine)} is not known. Known engines: {', '.join(sorted(known))}.",
        )


# --- values -------------------------------------------------------------------------------------


def _sorted(records: Iterable[DatabaseRecord]) -> list[DatabaseRecord]:
    return sorted(records, key=lambda each: each.key)


def _database(record: DatabaseRecord) -> dict[str, Any]:
    return {
        "db_id": record.db_id,
        "engine": record.engine,
        "version": record.version,
        "status": None if record.status is None else record.status.value,
        "port": record.port,
        "data_size_mb": _number(record.data_size_mb),
    }


def _number(value: float | None) -> float | None:
    """2048.0 is written 2048."""
    return int(value) if value is not None and float(value).is_integer() else value


def _known_timestamp(moment: datetime | None) -> str | None:
    return None if moment is None else _timestamp(moment)


def _from_epoch(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
