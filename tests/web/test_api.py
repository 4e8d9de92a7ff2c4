"""The REST routes over an inventory held in memory: shapes, failures, hostile requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from discovery.artefacts import ROOT
from discovery.errors import AwsError, ConfigurationError, DiscoveryError, FailureKind
from discovery.model import (
    ENGINE_LABELS,
    DatabaseRecord,
    DatabaseStatus,
    Scope,
)
from discovery.web import api
from tests.support.api_records import (
    ACCOUNT,
    LATER,
    OTHER,
    MemoryInventory,
    failure,
    placeholder,
    record,
)


class BrokenInventory:
    """Fails when it is read, as DynamoDB does: not before the first record is asked for."""

    def __init__(self, error: DiscoveryError) -> None:
        self.error = error

    def all_records(self) -> Iterator[DatabaseRecord]:
        """Fails."""
        raise self.error
        yield

    def account_records(self, account_id: str) -> Iterator[DatabaseRecord]:
        """Fails."""
        del account_id
        return self.all_records()

    def unwatched_scopes(self) -> dict[Scope, datetime]:
        """Fails."""
        raise self.error


def get(
    inventory: api.Inventory, path: str, params: Mapping[str, Sequence[str]] = {}
) -> tuple[int, dict[str, Any]]:
    """Status and body of GET `path`."""
    return api.handle(inventory, "GET", path, params)


def refusal(inventory: api.Inventory, path: str, **params: str) -> tuple[int, str, str]:
    """Status, code and message of a GET that is answered with an error."""
    status, body = get(inventory, path, {name: [value] for name, value in params.items()})
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message"]
    return status, body["error"]["code"], body["error"]["message"]


# --- the source's shapes --------------------------------------------------------------------------


def test_health_counts_every_item() -> None:
    """/health counts all items of the table, placeholders and gone databases among them."""
    gone = record(db_id="mysql-3307", status=DatabaseStatus.GONE)
    inventory = MemoryInventory(record(), gone, placeholder(instance_id="i-0bbb"))
    assert get(inventory, "/health") == (200, {"status": "ok", "total_records": 3})


def test_accounts_are_named_once_and_sorted() -> None:
    """/accounts names each account of the inventory once."""
    inventory = MemoryInventory(record(account_id=OTHER), record(), record(db_id="mysql-3307"))
    assert get(inventory, "/accounts") == (200, {"accounts": [ACCOUNT, OTHER]})


def test_an_empty_inventory_answers() -> None:
    """Before the first discovery the lists are empty, and it is no error."""
    assert get(MemoryInventory(), "/health") == (200, {"status": "ok", "total_records": 0})
    assert get(MemoryInventory(), "/accounts") == (200, {"accounts": []})
    assert get(MemoryInventory(), "/databases") == (200, {"databases": []})


def test_instances_have_exactly_the_source_s_shape() -> None:
    """/accounts/{id}/instances is, character for character, the source's example."""
    reply = api.respond(
        lambda: MemoryInventory(record()), "GET", f"/accounts/{ACCOUNT}/instances", {}
    )
    assert reply.body == (
        '{"account_id": "123456789012", "instances": [{"instance_id": "i-0abc123def456", '
        '"discovery_timestamp": "2025-02-04T10:00:00Z", "discovery_status": "success", '
        '"system_memory_mb": 4096, "system_cpu_cores": 2, "databases": [{"db_id": "mysql-3306", '
        '"engine": "mysql", "version": "8.0.35", "status": "running", "port": 3306, '
        '"data_size_mb": 2048}]}]}'
    )


def test_databases_have_exactly_the_source_s_shape() -> None:
    """/databases is, character for character, the source's example."""
    reply = api.respond(
        lambda: MemoryInventory(record(instance_id="i-0abc123"), record(account_id=OTHER)),
        "GET",
        "/databases",
        {"engine": ["mysql"], "account_id": [ACCOUNT]},
    )
    assert reply.body == (
        '{"databases": [{"account_id": "123456789012", "instance_id": "i-0abc123", '
        '"db_id": "mysql-3306", "engine": "mysql", "version": "8.0.35", "status": "running", '
        '"port": 3306, "data_size_mb": 2048}]}'
    )


def test_sizes_keep_their_fraction() -> None:
    """A whole size is written without a point, another one with it."""
    inventory = MemoryInventory(record(data_size_mb=0.25), record(db_id="x-1", data_size_mb=0.0))
    _, body = get(inventory, "/databases")
    assert json.dumps([each["data_size_mb"] for each in body["databases"]]) == "[0.25, 0]"


def test_what_is_unknown_is_null() -> None:
    """An unknown version, port or size is null: the key stays, and it is never zero."""
    unknown = record(version=None, port=None, data_size_mb=None)
    _, body = get(MemoryInventory(unknown), "/databases")
    [database] = body["databases"]
    assert (database["version"], database["port"], database["data_size_mb"]) == (None, None, None)


# --- the edge cases -------------------------------------------------------------------------------


def test_a_failed_instance_is_shown_with_its_error() -> None:
    """A host whose discovery failed is listed as failed, with why, and without databases."""
    _, body = get(MemoryInventory(failure()), f"/accounts/{ACCOUNT}/instances")
    assert body["instances"] == [
        {
            "instance_id": "i-0abc123def456",
            "discovery_timestamp": "2025-02-05T10:00:00Z",
            "discovery_status": "failed",
            "error": "access_denied: ssm:SendCommand is not allowed",
            "system_memory_mb": None,
            "system_cpu_cores": None,
            "databases": [],
        }
    ]


def test_a_host_that_fails_keeps_its_databases() -> None:
    """A failed look makes the instance failed; databases and size known before stay."""
    _, body = get(MemoryInventory(record(), failure()), f"/accounts/{ACCOUNT}/instances")
    [instance] = body["instances"]
    assert instance["discovery_status"] == "failed"
    assert instance["error"] == "access_denied: ssm:SendCommand is not allowed"
    assert instance["discovery_timestamp"] == "2025-02-05T10:00:00Z"
    assert (instance["system_memory_mb"], instance["system_cpu_cores"]) == (4096, 2)
    assert [each["db_id"] for each in instance["databases"]] == ["mysql-3306"]


def test_a_newer_success_outdoes_an_old_failure() -> None:
    """The newest record decides an instance's status."""
    rescanned = record(
        discovery_timestamp=LATER.replace(day=6), run_id="20250206T100000.000Z-000000"
    )
    _, body = get(MemoryInventory(failure(), rescanned), f"/accounts/{ACCOUNT}/instances")
    [instance] = body["instances"]
    assert instance["discovery_status"] == "success"
    assert "error" not in instance


def test_a_host_without_databases_has_an_empty_list() -> None:
    """A host with no known database is listed, with `databases: []`; /databases has no trace."""
    inventory = MemoryInventory(placeholder())
    _, body = get(inventory, f"/accounts/{ACCOUNT}/instances")
    [instance] = body["instances"]
    assert (instance["discovery_status"], instance["databases"]) == ("success", [])
    assert get(inventory, "/databases") == (200, {"databases": []})


def test_gone_databases_are_left_out() -> None:
    """A database that is gone is in neither list."""
    gone = record(db_id="mysql-3307", status=DatabaseStatus.GONE, gone_at=LATER)
    inventory = MemoryInventory(record(), gone)
    _, body = get(inventory, f"/accounts/{ACCOUNT}/instances")
    assert [each["db_id"] for each in body["instances"][0]["databases"]] == ["mysql-3306"]
    _, body = get(inventory, "/databases")
    assert [each["db_id"] for each in body["databases"]] == ["mysql-3306"]


def test_a_stopped_database_is_installed() -> None:
    """A stopped database is listed as installed, with the size that was found."""
    stopped = record(status=DatabaseStatus.INSTALLED, data_size_mb=0.0)
    _, body = get(MemoryInventory(stopped), "/databases")
    [database] = body["databases"]
    assert (database["status"], database["data_size_mb"]) == ("installed", 0)


def test_several_databases_on_one_host_are_grouped() -> None:
    """All databases of a host are in its one entry; hosts and databases come sorted."""
    inventory = MemoryInventory(
        record(instance_id="i-0b"),
        record(instance_id="i-0a", db_id="postgresql-5432", engine="postgresql"),
        record(instance_id="i-0a"),
        record(account_id=OTHER, instance_id="i-0c"),
    )
    _, body = get(inventory, f"/accounts/{ACCOUNT}/instances")
    found = [
        (each["instance_id"], [database["db_id"] for database in each["databases"]])
        for each in body["instances"]
    ]
    assert found == [("i-0a", ["mysql-3306", "postgresql-5432"]), ("i-0b", ["mysql-3306"])]


def test_databases_are_filtered_by_either_parameter() -> None:
    """engine and account_id narrow the list, alone and together; no match is an empty list."""
    inventory = MemoryInventory(
        record(),
        record(db_id="postgresql-5432", engine="postgresql"),
        record(account_id=OTHER, db_id="mysql-3307"),
    )

    def ids(**params: str) -> list[str]:
        _, body = get(inventory, "/databases", {name: [value] for name, value in params.items()})
        return [each["db_id"] for each in body["databases"]]

    assert ids(engine="mysql") == ["mysql-3306", "mysql-3307"]
    assert ids(account_id=OTHER) == ["mysql-3307"]
    assert ids(engine="postgresql", account_id=ACCOUNT) == ["postgresql-5432"]
    assert ids(engine="postgresql", account_id=OTHER) == []
    assert ids(engine="mongodb") == []


def test_an_engine_is_known_when_the_inventory_holds_one() -> None:
    """An engine this version has no name for can be asked for, in any account."""
    inventory = MemoryInventory(
        record(), record(account_id=OTHER, db_id="oracle-1521", engine="oracle")
    )
    status, body = get(inventory, "/databases", {"engine": ["oracle"], "account_id": [ACCOUNT]})
    assert (status, body) == (200, {"databases": []})


# --- requests that cannot be answered -------------------------------------------------------------


def test_an_unknown_account_is_not_found() -> None:
    """An account without a record is a 404 that names it, in the path and as a parameter."""
    inventory = MemoryInventory(record())
    expected = (404, "unknown_account", f"account_id='{OTHER}' is not in the inventory.")
    assert refusal(inventory, f"/accounts/{OTHER}/instances") == expected
    assert refusal(inventory, "/databases", account_id=OTHER) == expected


@pytest.mark.parametrize("account_id", ["12345", "abc", "", "1234567890123", "१२३४५६७८९०१२", " "])
def test_a_malformed_account_id_is_a_bad_request(account_id: str) -> None:
    """What cannot be an account id is a 400 that shows it."""
    for path, params in (
        (f"/accounts/{account_id}/instances", {}),
        ("/databases", {"account_id": account_id}),
    ):
        status, code, message = refusal(MemoryInventory(record()), path, **params)
        assert (status, code) == (400, "invalid_account_id")
        assert "12 digits" in message
        assert account_id.strip() in message


def test_an_unknown_engine_is_a_bad_request() -> None:
    """An engine nobody knows is a 400 that lists the known ones, those in the inventory too."""
    inventory = MemoryInventory(record(db_id="teradata-1025", engine="teradata"))
    status, code, message = refusal(inventory, "/databases", engine="mysqll")
    assert (status, code) == (400, "unknown_engine")
    assert message == (
        "engine='mysqll' is not known. "
        f"Known engines: {', '.join(sorted({*ENGINE_LABELS, 'teradata'}))}."
    )


def test_an_unknown_parameter_is_a_bad_request() -> None:
    """A misspelt parameter is a 400 that names it: ignored, it would look like no filter."""
    status, code, message = refusal(MemoryInventory(record()), "/databases", enigne="mysql")
    assert (status, code) == (400, "unknown_parameter")
    assert message == "'/databases' has no parameter 'enigne'. It takes engine, account_id, detail."
    _, _, message = refusal(MemoryInventory(), "/health", verbose="1")
    assert message == "'/health' has no parameter 'verbose'. It takes none."


def test_a_repeated_parameter_is_a_bad_request() -> None:
    """Two engines in one request are refused: answering for one of them would mislead."""
    status, body = get(MemoryInventory(record()), "/databases", {"engine": ["mysql", "mariadb"]})
    assert (status, body["error"]["code"]) == (400, "repeated_parameter")
    assert body["error"]["message"] == "engine is given 2 times. It is taken once."


@pytest.mark.parametrize(
    "path", ["/", "", "/nope", "/accounts/123456789012", "/accounts/123456789012/instances/i-0a"]
)
def test_an_unknown_path_is_not_found(path: str) -> None:
    """A path that is no route is a 404 that names the routes."""
    status, code, message = refusal(MemoryInventory(record()), path)
    assert (status, code) == (404, "unknown_path")
    assert all(route in message for route in api.ROUTES)


def test_a_trailing_slash_does_not_matter() -> None:
    """/accounts/ is /accounts."""
    assert get(MemoryInventory(record()), "/accounts/") == (200, {"accounts": [ACCOUNT]})


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_wrong_method_is_refused(method: str) -> None:
    """The routes only read: any other method is a 405 that says which ones there are."""
    reply = api.respond(lambda: MemoryInventory(record()), method, "/databases", {})
    assert reply.status == 405
    assert reply.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert json.loads(reply.body)["error"] == {
        "code": "method_not_allowed",
        "message": f"'/databases' does not take '{method}'. It takes GET, HEAD, OPTIONS.",
    }


def test_head_and_options_are_answered() -> None:
    """HEAD has GET's status and headers and no body; OPTIONS names the methods."""
    inventory = MemoryInventory(record())
    head = api.respond(lambda: inventory, "HEAD", "/health", {})
    whole = api.respond(lambda: inventory, "GET", "/health", {})
    assert (head.status, head.body, head.headers) == (200, "", whole.headers)
    options = api.respond(lambda: inventory, "OPTIONS", "/health", {})
    assert (options.status, options.headers) == (204, {"Allow": "GET, HEAD, OPTIONS"})


def test_what_was_sent_is_shown_but_cannot_act() -> None:
    """A hostile value comes back quoted, bounded and without control characters, as JSON only."""
    hostile = "<script>alert(1)</script>\x1b[31m\r\nSet-Cookie: a=b" + "x" * 10_000
    reply = api.respond(
        lambda: MemoryInventory(record()), "GET", "/databases", {"engine": [hostile]}
    )
    assert reply.status == 400
    assert "<script>alert(1)</script>" in json.loads(reply.body)["error"]["message"]
    assert len(reply.body) < 500
    assert not re.search(r"[\x00-\x1f]|\\u00", reply.body)
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Cache-Control"] == "no-store"


# --- the documentation ----------------------------------------------------------------------------

EXAMPLE = re.compile(r"```bash\n((?:curl [^\n]*\n)+)```\n```json\n(.*?)```", re.DOTALL)
LOCAL = re.compile(r'curl "http://127\.0\.0\.1:8501/api(/[^"]*)"')
IN_AWS = re.compile(r'curl "https://API_ID\.execute-api\.eu-west-1\.amazonaws\.com/prod(/[^"]*)"')


def test_every_example_of_the_documentation_is_true() -> None:
    """Each curl of api-gateway-config.md, local or in AWS, gets exactly the reply shown with it."""
    inventory = MemoryInventory(
        record(), failure(instance_id="i-0bcd234efa567"), record(account_id=OTHER)
    )
    text = (ROOT / "api" / "api-gateway-config.md").read_text(encoding="utf-8")
    examples = EXAMPLE.findall(text)
    assert len(examples) == text.count("```json") >= 5
    for calls, reply in examples:
        [target] = LOCAL.findall(calls)
        assert IN_AWS.findall(calls) == [target]
        address = urlsplit(target)
        _, body = get(inventory, address.path, parse_qs(address.query))
        assert body == json.loads(reply)


def test_every_error_code_is_documented() -> None:
    """api-gateway-config.md lists every code of a refusal, and none that does not exist."""
    text = (ROOT / "api" / "api-gateway-config.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| \d{3} \| `(\w+)` \|", text, re.MULTILINE))
    sources = (*(ROOT / "discovery" / "web").glob("*.py"), ROOT / "lambda" / "api_handler.py")
    words = set(re.findall(r'"(\w+)"', "".join(source.read_text() for source in sources)))
    assert documented <= words
    for path, params in (
        ("/nope", {}),
        ("/databases", {"engine": ["x"]}),
        ("/databases", {"account_id": [OTHER]}),
        ("/databases", {"account_id": ["x"]}),
        ("/databases", {"limit": ["1"]}),
        ("/databases", {"engine": ["mysql", "mysql"]}),
    ):
        _, body = get(MemoryInventory(record()), path, params)
        assert body["error"]["code"] in documented


# --- failures behind the routes -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status"), [(FailureKind.THROTTLED, 503), (FailureKind.ACCESS_DENIED, 502)]
)
def test_an_unreadable_table_is_said_without_its_details(kind: FailureKind, status: int) -> None:
    """AWS's refusal is named by operation and code; its text, which has ARNs, stays in the log."""
    arn = "arn:aws:sts::123456789012:assumed-role/x"
    error = AwsError(kind, "dynamodb:Scan", "SomeException", f"User: {arn} is not authorized")
    reply = api.respond(lambda: BrokenInventory(error), "GET", "/accounts", {})
    assert reply.status == status
    assert json.loads(reply.body)["error"] == {
        "code": "inventory_unavailable",
        "message": "The inventory cannot be read: dynamodb:Scan answered SomeException.",
    }


def test_a_foreign_item_is_named() -> None:
    """An item that is no record of ours is a 500 that says which one."""
    error = DiscoveryError("db-discovery-results 1 2: port='x': not a number")
    reply = api.respond(lambda: BrokenInventory(error), "GET", f"/accounts/{ACCOUNT}/instances", {})
    assert reply.status == 500
    assert json.loads(reply.body)["error"]["code"] == "inventory_invalid"


def test_a_wrong_setting_is_named() -> None:
    """A server with a wrong setting answers with which one it is."""

    def misconfigured() -> api.Inventory:
        raise ConfigurationError("COMMAND_TIMEOUT='x': Input should be a valid integer")

    reply = api.respond(misconfigured, "GET", "/health", {})
    assert reply.status == 500
    assert json.loads(reply.body)["error"] == {
        "code": "configuration",
        "message": "COMMAND_TIMEOUT='x': Input should be a valid integer",
    }
