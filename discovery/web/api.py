"""The REST routes: a request in, a reply out. Knows neither AWS Lambda nor a web server.

    GET /health                                 {"status": "ok", "total_records": 42}
    GET /accounts                               {"accounts": ["123456789012", ...]}
    GET /accounts/{account_id}/instances        {"account_id": ..., "instances": [...]}
    GET /databases?engine=...&account_id=...    {"databases": [...]}

`?detail=full` on the last two adds `first_seen`, `last_seen`, `stale`, `gone_at`, `gone_reason`,
`expires_at` and the databases that are gone; without it, the shapes are exactly the documented
ones.

`api/api-gateway-config.md` shows every shape. What is unknown is null, never zero or left out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol

from discovery.errors import DiscoveryError
from discovery.inventory.as_of import AsOf
from discovery.inventory.freshness import DEFAULT_STALE_DAYS
from discovery.model import ENGINE_LABELS, DatabaseRecord, Scope
from discovery.sanitize import shown
from discovery.web.replies import Refused, Reply, error_body, failure, json_reply
from discovery.web.shapes import Shapes

__all__ = [
    "METHODS",
    "ROUTES",
    "Inventory",
    "Params",
    "Reply",
    "error_body",
    "handle",
    "json_reply",
    "respond",
]

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

    def unwatched_scopes(self) -> Mapping[Scope, datetime]:
        """The scopes that runs no longer scan, each since when."""


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
        handled_as = "GET" if method == "HEAD" else method
        status, body = handle(connect(), handled_as, path, params, stale_days())
    except DiscoveryError as error:
        _log.error("%s %s: %s", method, shown(path), error)
        status, body = failure(error)
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
        unwatched = inventory.unwatched_scopes() if params.get(_DETAIL) else {}
        as_of = AsOf(datetime.now(UTC), stale_days, unwatched)
        return HTTPStatus.OK, _route(inventory, method, path, params, as_of)
    except Refused as refused:
        return refused.status, error_body(refused.code, refused.message)


def _route(
    inventory: Inventory, method: str, path: str, params: Params, as_of: AsOf
) -> dict[str, Any]:
    match path.strip("/").split("/"):
        case ["health"]:
            _accept(method, path, params)
            return {"status": "ok", "total_records": sum(1 for _ in inventory.all_records())}
        case ["accounts"]:
            _accept(method, path, params)
            return {"accounts": sorted({found.account_id for found in inventory.all_records()})}
        case ["accounts", account_id, "instances"]:
            _accept(method, path, params, _DETAIL)
            shapes = _shapes(params, as_of)
            records = _account_records(inventory, account_id)
            return {"account_id": account_id, "instances": shapes.instances(records)}
        case ["databases"]:
            _accept(method, path, params, "engine", "account_id", _DETAIL)
            return {"databases": _databases(inventory, params, _shapes(params, as_of))}
    routes = ", ".join(ROUTES)
    raise Refused(
        HTTPStatus.NOT_FOUND, "unknown_path", f"No path {shown(path)}. Known paths: {routes}."
    )


def _databases(inventory: Inventory, params: Params, shapes: Shapes) -> list[dict[str, Any]]:
    account_id, engine = _parameter(params, "account_id"), _parameter(params, "engine")
    if account_id is None:
        records = list(inventory.all_records())
    else:
        records = _account_records(inventory, account_id)
    if engine is not None and engine not in ENGINE_LABELS:
        everywhere = records if account_id is None else inventory.all_records()
        _check_engine(engine, everywhere)
    return shapes.databases(records, engine)


# --- what a request may ask for -------------------------------------------------------------------


def _accept(method: str, path: str, params: Params, *known: str) -> None:
    """Refuse a method or parameter that the route does not have: ignored, it would mislead."""
    if method != "GET":
        raise Refused(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "method_not_allowed",
            f"{shown(path)} does not take {shown(method)}. It takes {', '.join(METHODS)}.",
        )
    for name, values in params.items():
        if name not in known:
            takes = f"It takes {', '.join(known)}." if known else "It takes none."
            raise Refused(
                HTTPStatus.BAD_REQUEST,
                "unknown_parameter",
                f"{shown(path)} has no parameter {shown(name)}. {takes}",
            )
        if len(values) != 1:
            raise Refused(
                HTTPStatus.BAD_REQUEST,
                "repeated_parameter",
                f"{name} is given {len(values)} times. It is taken once.",
            )


def _parameter(params: Params, name: str) -> str | None:
    """The value of a parameter that is given at most once."""
    return next(iter(params.get(name, ())), None)


def _shapes(params: Params, as_of: AsOf) -> Shapes:
    detail = _parameter(params, _DETAIL)
    if detail not in (None, "full"):
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            "invalid_detail",
            f"detail={shown(detail)} is not known. It is full, or left out.",
        )
    return Shapes(detail == "full", as_of)


def _account_records(inventory: Inventory, account_id: str) -> list[DatabaseRecord]:
    """The records of a known account."""
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            "invalid_account_id",
            f"account_id={shown(account_id)} is not an AWS account id, which has 12 digits.",
        )
    records = list(inventory.account_records(account_id))
    if not records:
        raise Refused(
            HTTPStatus.NOT_FOUND,
            "unknown_account",
            f"account_id={shown(account_id)} is not in the inventory.",
        )
    return records


def _check_engine(engine: str, records: Iterable[DatabaseRecord]) -> None:
    """Refuse an engine that neither has a name nor is in the inventory."""
    known = set(ENGINE_LABELS) | {record.engine for record in records if record.engine is not None}
    if engine not in known:
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            "unknown_engine",
            f"engine={shown(engine)} is not known. Known engines: {', '.join(sorted(known))}.",
        )
