"""The Lambda functions, on the events that AWS sends them, over real tables in a local AWS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from discovery.artefacts import ROOT
from discovery.aws.lease import Lease
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.errors import AwsError, ConfigurationError
from sandbox import Sandbox
from tests.support.api_records import ACCOUNT, ALL_KINDS, OTHER
from tests.support.docs import GUIDE, blocks
from tests.support.empty_tables import empty_tables
from tests.support.handlers import Context, api_handler, discovery_handler
from tests.support.stored import store_records


@pytest.fixture
def local_aws(sandbox: Sandbox, environment: Mapping[str, str]) -> Sandbox:
    """The demo estate with empty tables, which this process's environment points at."""
    assert environment
    empty_tables(sandbox)
    return sandbox


@pytest.fixture
def stored(local_aws: Sandbox) -> Sandbox:
    """Tables that hold two accounts, one of them with a failed host."""
    store_records(local_aws.settings, *ALL_KINDS)
    return local_aws


def proxy_event(
    path: str, query: str = "", *, method: str = "GET", domain_is_ours: bool = False
) -> dict[str, Any]:
    """A REST API proxy event as API Gateway sends it: what is not there is null.

    `requestContext.path` holds the stage, unless the API has a domain name of its own.
    """
    pairs = [part.split("=", 1) for part in query.split("&") if part]
    single = dict(pairs) or None
    multiple: dict[str, list[str]] = {}
    for name, value in pairs:
        multiple.setdefault(name, []).append(value)
    host = "inventory.example.com" if domain_is_ours else "a1b2.execute-api.eu-west-1.amazonaws.com"
    headers = {"Accept": "*/*", "Host": host, "User-Agent": "curl/8.5.0"}
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": single,
        "multiValueQueryStringParameters": multiple or None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourceId": "abc123",
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": path if domain_is_ours else f"/prod{path}",
            "accountId": ACCOUNT,
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "domainName": host,
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "requestTimeEpoch": 1738663200000,
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "curl/8.5.0"},
            "apiId": "a1b2",
        },
        "body": None,
        "isBase64Encoded": False,
    }


def call(path: str, query: str = "", **options: Any) -> tuple[int, Any, dict[str, Any]]:
    """Status, decoded body and headers of one request through the API function."""
    answer = api_handler.lambda_handler(proxy_event(path, query, **options), Context())
    headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    body = json.loads(answer["body"]) if answer["body"] else None
    return answer["statusCode"], body, headers


# --- API ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain_is_ours", [False, True])
def test_the_source_s_calls_answer_in_its_shapes(stored: Sandbox, domain_is_ours: bool) -> None:
    """The four example calls answer through API Gateway, with a stage in the path or without."""
    assert stored
    status, body, headers = call("/health", domain_is_ours=domain_is_ours)
    assert (status, body) == (200, {"status": "ok", "total_records": 3})
    assert headers["Content-Type"] == "application/json"
    assert call("/accounts")[:2] == (200, {"accounts": [ACCOUNT, OTHER]})

    status, body, _ = call(f"/accounts/{ACCOUNT}/instances", domain_is_ours=domain_is_ours)
    assert status == 200
    assert body == {
        "account_id": ACCOUNT,
        "instances": [
            {
                "instance_id": "i-0abc123def456",
                "discovery_timestamp": "2025-02-04T10:00:00Z",
                "discovery_status": "success",
                "system_memory_mb": 4096,
                "system_cpu_cores": 2,
                "databases": [
                    {
                        "db_id": "mysql-3306",
                        "engine": "mysql",
                        "version": "8.0.35",
                        "status": "running",
                        "port": 3306,
                        "data_size_mb": 2048,
                    }
                ],
            },
            {
                "instance_id": "i-0bad",
                "discovery_timestamp": "2025-02-05T10:00:00Z",
                "discovery_status": "failed",
                "error": "access_denied: ssm:SendCommand is not allowed",
                "system_memory_mb": None,
                "system_cpu_cores": None,
                "databases": [],
            },
        ],
    }

    status, body, _ = call("/databases", f"engine=mysql&account_id={ACCOUNT}")
    assert status == 200
    assert body == {
        "databases": [
            {
                "account_id": ACCOUNT,
                "instance_id": "i-0abc123def456",
                "db_id": "mysql-3306",
                "engine": "mysql",
                "version": "8.0.35",
                "status": "running",
                "port": 3306,
                "data_size_mb": 2048,
            }
        ]
    }


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/accounts/111111111111/instances", "", 404, "unknown_account"),
        ("/accounts/12/instances", "", 400, "invalid_account_id"),
        ("/databases", "engine=access", 400, "unknown_engine"),
        ("/databases", "engine=mysql&engine=mariadb", 400, "repeated_parameter"),
        ("/databases", "limit=5", 400, "unknown_parameter"),
        ("/database", "", 404, "unknown_path"),
        ("/", "", 404, "unknown_path"),
    ],
)
def test_what_cannot_be_answered_gets_a_clear_4xx(
    stored: Sandbox, path: str, query: str, status: int, code: str
) -> None:
    """Unknown accounts, engines, parameters and paths are refused through API Gateway too."""
    assert stored
    answered, body, headers = call(path, query)
    assert (answered, body["error"]["code"]) == (status, code)
    assert headers["Content-Type"] == "application/json"


def test_other_methods_through_the_gateway(stored: Sandbox) -> None:
    """A writing method is a 405 with Allow; HEAD and OPTIONS have no body."""
    assert stored
    status, body, headers = call("/databases", method="DELETE")
    assert (status, body["error"]["code"]) == (405, "method_not_allowed")
    assert headers["Allow"] == "GET, HEAD, OPTIONS"
    assert call("/databases", method="HEAD")[:2] == (200, None)
    assert call("/databases", method="OPTIONS")[:2] == (204, None)


def test_a_reply_too_large_for_lambda_says_so(
    stored: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda would turn it into an error without a reason; the function says what to do instead."""
    assert stored
    monkeypatch.setattr(api_handler, "MAX_REPLY_BYTES", 100)
    status, body, _ = call("/databases")
    assert (status, body["error"]["code"]) == (413, "reply_too_large")
    assert call("/health")[0] == 200


def test_a_wrong_setting_of_the_api_is_named(
    local_aws: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API function answers 500 with the variable that is wrong."""
    assert local_aws
    monkeypatch.setenv("COMMAND_TIMEOUT", "soon")
    status, body, _ = call("/health")
    assert (status, body["error"]["code"]) == (500, "configuration")
    assert "COMMAND_TIMEOUT='soon'" in body["error"]["message"]


def test_a_table_that_cannot_be_read_is_said(
    local_aws: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API function answers 502 with the error code, and keeps role and table to its log."""
    assert local_aws
    monkeypatch.setenv("DISCOVERY_RESULTS_TABLE", "another-table")
    status, body, _ = call("/accounts")
    assert (status, body["error"]["code"]) == (502, "inventory_unavailable")
    assert "answered AccessDeniedException" in body["error"]["message"]
    assert "arn:" not in body["error"]["message"]


# --- discovery ------------------------------------------------------------------------------------


def discover(event: Any, remaining_ms: int = 900_000) -> dict[str, Any]:
    """One invocation of the discovery function; its reply must be JSON."""
    reply = discovery_handler.lambda_handler(event, Context(remaining_ms))
    decoded: dict[str, Any] = json.loads(json.dumps(reply))
    return decoded


def small_scope(sandbox: Sandbox) -> tuple[dict[str, list[str]], set[tuple[str, str]]]:
    """An event for the smallest account with databases, in one region; and the (instance, db_id)
    pairs that the estate has there."""
    region = sandbox.estate.regions[0]
    found: list[tuple[int, str, set[tuple[str, str]]]] = []
    for account in sandbox.estate.accounts:
        hosts = [host for host in account.hosts if host.region == region]
        databases = {
            (host.instance_id, database.db_id)
            for host in hosts
            if host.is_scannable
            for database in host.databases
        }
        if account.is_scannable and databases:
            found.append((len(hosts), account.id, databases))
    _, account_id, databases = min(found, key=lambda each: each[:2])
    return {"accounts": [account_id], "regions": [region]}, databases


def test_a_run_is_summed_up_and_its_databases_answer(local_aws: Sandbox) -> None:
    """Discovering one account returns how many databases were recorded; the API then has them."""
    event, expected = small_scope(local_aws)
    reply = discover(event)
    assert (reply["statusCode"], reply["discovered"]) == (200, len(expected))
    assert (reply["scopes_total"], reply["scopes_done"], reply["scopes_failed"]) == (1, 1, 0)
    assert reply["started_at"] <= reply["finished_at"]
    _, body, _ = call("/databases", f"account_id={event['accounts'][0]}")
    assert {(each["instance_id"], each["db_id"]) for each in body["databases"]} == expected
    assert call("/accounts")[1] == {"accounts": event["accounts"]}


def test_a_schedule_s_own_event_starts_a_run(
    local_aws: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What EventBridge sends on a schedule asks for everything that the settings name."""
    event, expected = small_scope(local_aws)
    monkeypatch.setenv("SPOKE_ACCOUNTS", event["accounts"][0])
    monkeypatch.setenv("DISCOVERY_REGIONS", event["regions"][0])
    scheduled = {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": "2025-02-04T02:00:00Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:events:eu-west-1:123456789012:rule/db-discovery"],
        "detail": {},
    }
    assert discover(scheduled)["discovered"] == len(expected)


def test_a_run_whose_account_fails_is_reported_and_loses_nothing(stored: Sandbox) -> None:
    """An account that cannot be entered does not fail the function: its figures tell. What the
    API answered before, it answers after."""
    [closed] = [each.id for each in stored.estate.accounts if each.role == "untrusting"]
    before = call(f"/accounts/{ACCOUNT}/instances")
    reply = discover({"accounts": [closed], "regions": [stored.estate.regions[0]]})
    assert (reply["statusCode"], reply["discovered"], reply["status"]) == (200, 0, "failed")
    assert (reply["scopes_total"], reply["scopes_failed"]) == (1, 1)
    assert call(f"/accounts/{ACCOUNT}/instances") == before
    assert call(f"/accounts/{closed}/instances")[0] == 404


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({"account": [ACCOUNT]}, "account="),
        ({"accounts": ACCOUNT}, f"accounts='{ACCOUNT}'"),
        ({"accounts": [12]}, "accounts[0]=12"),
        ({"accounts": [OTHER]}, f"account '{OTHER}' is not configured"),
        ({"regions": ["mars-1"]}, "region 'mars-1' is not configured"),
        ({"instances": ["db-host"]}, "instance 'db-host' is not an instance id"),
        ({"detail-type": "Scheduled Event", "detail": "all"}, "event='all'"),
        ([], "event=a list of 0"),
        (None, "event=None"),
    ],
)
def test_an_event_that_cannot_be_used_is_refused(
    local_aws: Sandbox, event: Any, named: str
) -> None:
    """A wrong event is a 400 that names the field and its value, and starts nothing."""
    reply = discover(event)
    assert (reply["statusCode"], reply["error"]["code"]) == (400, "invalid_event")
    assert named in reply["error"]["message"]
    assert RunStore(Aws(local_aws.settings)).recent_runs(1) == []


def test_a_second_run_is_refused_with_its_holder(local_aws: Sandbox) -> None:
    """While another run holds the lease the function answers 409 with who holds it, since when."""
    lease = Lease(Aws(local_aws.settings), "20250204T100000.000Z-aaaaaa", "host-1:42")
    lease.acquire()
    reply = discover({})
    assert (reply["statusCode"], reply["error"]["code"]) == (409, "run_in_progress")
    assert reply["error"]["holder"] == "host-1:42"
    assert reply["error"]["run_id"] == "20250204T100000.000Z-aaaaaa"
    assert reply["error"]["since"].endswith("Z")


def test_a_run_ends_itself_before_lambda_would(local_aws: Sandbox) -> None:
    """With too little time left the run ends in order, and the next one can start."""
    event, expected = small_scope(local_aws)
    reply = discover(event, remaining_ms=1_000)
    assert (reply["statusCode"], reply["status"]) == (200, "partial")
    assert reply["discovered"] < len(expected)
    assert discover(event)["discovered"] == len(expected)


def metric_lines(output: str) -> list[dict[str, Any]]:
    """The lines in CloudWatch's embedded metric format, each of which must be valid: a declared
    metric and dimension is in the root, and no metric is declared twice."""
    lines = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    for line in lines:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "DatabaseDiscovery"
        names = [metric["Name"] for metric in directive["Metrics"]]
        assert 0 < len(names) == len(set(names)) <= 100
        assert {metric["Unit"] for metric in directive["Metrics"]} <= {"Count", "Seconds"}
        assert all(len(line[name]) == 1 and line[name][0] >= 0 for name in names)
        assert all(
            isinstance(line[name], str) for group in directive["Dimensions"] for name in group
        )
        assert isinstance(line["_aws"]["Timestamp"], int)
    return lines


def test_the_log_of_a_run_is_json_that_says_where(local_aws: Sandbox) -> None:
    """In a process as Lambda starts it, each line of the log is JSON; the library's lines go
    through the same formatter, with run, account, region and instance; its metrics are the run's
    record."""
    event, _ = small_scope(local_aws)
    (account,), (region,) = event["accounts"], event["regions"]
    host = next(
        host
        for host in local_aws.hosts.values()
        if (host.account_id, host.region) == (account, region) and host.spec.is_scannable
    )
    host.output = "no report\x1b[2J\nat all"
    script = (
        "import discovery_handler\n"
        "from tests.support.handlers import Context\n"
        f"discovery_handler.lambda_handler({event!r}, Context())\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT / 'lambda'}{os.pathsep}{ROOT}"},
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        host.output = None
    assert done.stderr == ""
    (run,) = RunStore(Aws(local_aws.settings)).recent_runs(1)
    logged = [line for line in map(json.loads, done.stdout.splitlines()) if "_aws" not in line]
    assert {line["run_id"] for line in logged} == {run.run_id}
    assert {line["function_request_id"] for line in logged} == {Context.aws_request_id}
    (failed,) = [line for line in logged if line.get("instance_id") == host.instance_id]
    assert (failed["account_id"], failed["region"]) == (account, region)
    assert failed["error_kind"] == "output_invalid"
    assert failed["message"].isprintable()

    whole, *by_api = metric_lines(done.stdout)
    assert whole["run_id"] == run.run_id
    figures = {name: value[0] for name, value in whole.items() if isinstance(value, list)}
    assert figures["HostsScanned"] == run.hosts_scanned
    assert figures["HostsFailed"] == run.hosts_failed >= 1
    assert sum(n for name, n in figures.items() if name.startswith("Hosts")) == run.hosts_listed
    assert figures["Databases"] == run.databases
    assert figures["Changes"] == sum(run.changes.values())
    assert figures["Calls"] == sum(run.api_calls.values())
    assert (figures["Throttles"], figures["Retries"]) == (0, 0)
    assert (figures["ReadUnits"], figures["WriteUnits"]) == (run.read_units, run.write_units)
    assert figures["RunSeconds"] == run.seconds
    assert figures["FirstScannedSeconds"] == run.first_scanned_seconds
    assert {line["api"]: line["Calls"] for line in by_api} == {
        api: [calls] for api, calls in run.api_calls.items()
    }


def test_a_failed_run_has_its_metrics_too(
    local_aws: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that ends with an error counts as failed, with what it had asked of AWS by then."""
    event, _ = small_scope(local_aws)
    local_aws.fail_next("dynamodb:Query", "ThrottlingException", 1)
    local_aws.fail_next("dynamodb:Query", "ValidationException", 1, skip=1)
    with pytest.raises(AwsError):
        discover(event)
    whole, *by_api = metric_lines(capsys.readouterr().out)
    assert (whole["RunFailed"], whole["HostsScanned"]) == ([1], [0])
    assert (whole["Throttles"], whole["Retries"]) == ([1], [1])
    (query,) = [line for line in by_api if line["api"] == "dynamodb:Query"]
    assert (query["Calls"], query["Throttles"]) == ([3], [1])


def test_a_function_that_can_do_nothing_fails(
    local_aws: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong setting fails the invocation itself, so that alarms and retries see it."""
    assert local_aws
    monkeypatch.setenv("COMMAND_TIMEOUT", "soon")
    with pytest.raises(ConfigurationError, match="COMMAND_TIMEOUT='soon'"):
        discover({})


# --- the deployment package -----------------------------------------------------------------------


def package_commands() -> tuple[list[str], str]:
    """The packages that the guide has pip install for the function, and its other commands."""
    (block,) = (one.text for one in blocks(GUIDE) if "build/package" in one.text)
    pip, *others = block.replace("\\\n", " ").splitlines()
    assert pip.startswith("python -m pip install")
    packages = pip.partition(":all:")[2].split()
    return packages, "\n".join(line for line in others if not line.startswith(("aws ", " ")))


def with_requirements(packages: list[str]) -> set[str]:
    """`packages` and everything that they need."""
    found: set[str] = set()
    to_see = {canonicalize_name(name) for name in packages}
    while to_see:
        name = to_see.pop()
        found.add(name)
        needed = [Requirement(text) for text in metadata.requires(name) or ()]
        wanted = (one for one in needed if not one.marker or one.marker.evaluate({"extra": ""}))
        to_see |= {canonicalize_name(one.name) for one in wanted} - found
    return found


def test_the_guide_s_package_is_whole(tmp_path: Path) -> None:
    """The function loads from the zip that the guide makes, from any working directory, and uses no
    library but those that the guide installs; the API's function loads in its place, too."""
    packages, commands = package_commands()
    for folder in ("discovery", "iam", "schema", "ssm", "lambda"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    (tmp_path / "build" / "package").mkdir(parents=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-euc", commands], cwd=tmp_path, check=True, env=os.environ | {"PATH": path}
    )
    package, elsewhere = tmp_path / "unzipped", tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.unpack_archive(tmp_path / "build" / "discovery.zip", package)
    assert not (package / "discovery" / "view").exists()
    shutil.copy(ROOT / "lambda" / "api_handler.py", package)
    script = (
        "import sys, api_handler, discovery_handler\n"
        "from importlib.metadata import packages_distributions\n"
        "from discovery import artefacts\n"
        "from discovery.settings import load_settings\n"
        "print(artefacts.__file__, artefacts.document_hash(load_settings()), sep='\\n')\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "owners = packages_distributions()\n"
        "print(*{one for name in names for one in owners.get(name, ())})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=elsewhere,
        env=os.environ | {"PYTHONPATH": str(package), "DISCOVERY_SCRIPT_BUCKET": "scripts"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    loaded, document_hash, names = done.stdout.splitlines()
    libraries = names.split()
    assert Path(loaded).is_relative_to(package)
    assert len(document_hash) == 64
    not_needed = {"certifi", "setuptools"}  # botocore tries the one, Python's start the other
    used = {canonicalize_name(name) for name in libraries} - not_needed
    assert {"boto3", "pydantic"} <= used <= with_requirements(packages)
