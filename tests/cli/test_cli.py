"""The command line, run as a user runs it: processes, exit codes, stdout and stderr."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from discovery import artefacts
from discovery.artefacts import ROOT
from discovery.aws.runs import RunStore
from discovery.aws.session import Aws
from discovery.cli import main
from discovery.cli.local_aws import clean_environment, export_lines
from discovery.model import RunStatus
from discovery.settings import Settings
from sandbox import Sandbox
from tests.support.processes import children_of, is_alive

pytestmark = pytest.mark.server

ACCOUNT, REGION = "210000000001", "eu-west-1"
UNTRUSTING = "760000000001"
FAILING = "320000000001"
_SECONDS = 120


def run(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`python -m discovery ARGUMENTS` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "discovery", *arguments],
        cwd=ROOT,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


@contextmanager
def started(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """`python -m discovery ARGUMENTS`, killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "discovery", *arguments],
        cwd=ROOT,
        env=os.environ | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


# --- help, usage and errors ---------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    """`--help` loads neither AWS's client, nor the dashboard's packages, nor the sandbox."""
    script = (
        "import sys\nsys.argv = ['discovery', '--help']\n"
        "from discovery.cli import main\n"
        "main(standalone_mode=False)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(finished.stdout.splitlines()[-1].split())
    assert not loaded & {"streamlit", "pandas", "plotly", "moto", "boto3", "botocore", "rich"}


@pytest.mark.parametrize("name", main.commands)
def test_every_command_has_help_with_an_example(name: str) -> None:
    """A first-time user can copy a command from each command's help."""
    finished = run(name, "--help")
    assert finished.returncode == 0
    assert f"python -m discovery {name}" in re.split("Examples?:", finished.stdout)[1]
    assert "..." not in main.commands[name].get_short_help_str(60)


@pytest.mark.parametrize(
    ("arguments", "changes", "named"),
    [
        (("scan", "--bogus"), {}, "--bogus"),
        (("nonsense",), {}, "nonsense"),
        (("scan",), {"COMMAND_TIMEOUT": "soon"}, "COMMAND_TIMEOUT='soon'"),
        (("scan",), {}, "is not set"),
        (("scan",), {"DISCOVERY_SCRIPT_BUCKET": "scripts"}, "SPOKE_ACCOUNTS is not set"),
        (("doctor",), {"SPOKE_ACCOUNTS": "12"}, "SPOKE_ACCOUNTS='12'"),
        (("export", "--status", "dead"), {}, "status='dead'"),
        (("render", "--management-account", "1" * 12), {}, "no account to discover"),
        (("serve", "--port", "99999"), {}, "99999"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_or_configuration(
    arguments: tuple[str, ...], changes: Mapping[str, str], named: str
) -> None:
    """Exit code 2, and one message on stderr that names what is wrong; no traceback."""
    finished = run(*arguments, environment=changes)
    assert finished.returncode == 2
    assert named in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not finished.stdout


def test_aws_out_of_reach_is_a_failure_with_a_hint() -> None:
    """Exit code 3, the operation and the endpoint named; no traceback."""
    finished = run("export")
    assert finished.returncode == 3
    assert finished.stderr.startswith("error: ")
    assert "127.0.0.1:9" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_defect_is_one_line_and_a_log() -> None:
    """An unexpected exception ends in exit code 3, its name, and a file with the traceback; with
    --debug the traceback is shown."""
    script = (
        "import sys\nfrom discovery.cli import main\n"
        "def broken():\n    raise ZeroDivisionError('on purpose')\n"
        "sys.modules['discovery.cli.scan'].load_settings = broken\n"
        "main(sys.argv[1:])\n"
    )

    def attempt(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    plain = attempt("scan")
    assert plain.returncode == 3
    assert "error: unexpected ZeroDivisionError: on purpose" in plain.stderr
    assert "Traceback" not in plain.stderr
    log = Path(plain.stderr.strip().rpartition("report it with ")[2])
    assert "Traceback" in log.read_text()
    log.unlink()
    assert "Traceback" in attempt("--debug", "scan").stderr


def test_nothing_of_a_real_account_survives_the_clean_environment() -> None:
    """Profiles, credentials and service endpoints go, and no proxy stands before the sandbox."""
    real = {
        "AWS_PROFILE": "production",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_ENDPOINT_URL_SSM": "https://ssm.example.com",
        "SPOKE_ACCOUNTS": "organization",
        "DISCOVERY_RESULTS_TABLE": "production",
        "HTTPS_PROXY": "http://proxy.example.com",
        "NO_PROXY": "example.org",
        "HOME": "/home/user",
    }
    assert clean_environment(real) == {
        "HOME": "/home/user",
        "HTTPS_PROXY": "http://proxy.example.com",
        "NO_PROXY": "example.org,127.0.0.1,localhost",
        "no_proxy": "example.org,127.0.0.1,localhost",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_export_lines_are_shell() -> None:
    """A value with spaces and quotes comes through a shell unchanged."""
    lines = export_lines({"DISCOVERY_ODD": "it's $HOME; ok"})
    shell = subprocess.run(
        ["sh", "-c", f'{lines}\nprintf %s "$DISCOVERY_ODD"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == "it's $HOME; ok"


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_the_exports_leave_no_variable_that_points_elsewhere(shell: str) -> None:
    """Whatever the shell exported before: an endpoint of one service, the switch that ignores
    endpoints, a file that names them, a queue, units, a proxy without exceptions."""
    if which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    exports = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "DISCOVERY_SANDBOX": "1"}
    elsewhere = {
        "AWS_ENDPOINT_URL_DYNAMODB": "https://dynamodb.example.com",
        "AWS_ENDPOINT_URL_S3": "two\nlines=1",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_CONFIG_FILE": "/home/user/config",
        "AWS_PROFILE": "production",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/production",
        "DISCOVERY_DLQ_URL": "https://sqs.example.com/production",
        "DISCOVERY_OUS": "ou-production",
        "SPOKE_ROLE_NAME": "production",
        "COMMAND_TIMEOUT": "1",
        "no_proxy": "example.org",
    }
    for before in (elsewhere, {}):
        seen = subprocess.run(
            [shell, "-c", f"set -eu\n{export_lines(exports)}\nenv"],
            env={"PATH": os.environ["PATH"]} | before,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        after = dict(line.split("=", 1) for line in seen)
        bypass = ",".join(filter(None, [before.get("no_proxy"), "127.0.0.1,localhost"]))
        assert after == {name: after[name] for name in after if name in _SHELL_S_OWN} | exports | {
            "NO_PROXY": bypass,
            "no_proxy": bypass,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


_SHELL_S_OWN = ("PATH", "PWD", "OLDPWD", "SHLVL", "_", "LOGNAME", "HOME")


# --- against the sandbox ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scanned(sandbox: Sandbox) -> subprocess.CompletedProcess[str]:
    """A scan of everything, as JSON."""
    return run("scan", "--json", environment=sandbox.environment)


def test_scan_of_everything(scanned: subprocess.CompletedProcess[str]) -> None:
    """Exit code 3, as one account of the estate refuses; the others are scanned all the same. The
    JSON tells the run, its scopes and its failed hosts; stderr has a line per scope."""
    assert scanned.returncode == 3, scanned.stderr
    result = json.loads(scanned.stdout)
    refused = {scope["account_id"] for scope in result["scopes"] if scope["status"] == "failed"}
    assert UNTRUSTING in refused
    assert ACCOUNT not in refused
    assert result["run"]["status"] == "partial"
    assert result["run"]["hosts_scanned"] > 50
    assert result["run"]["databases"] >= 90
    assert len(scanned.stderr.splitlines()) == len(result["scopes"])
    assert all(host["error_kind"] and host["error"] for host in result["failed_hosts"])


def test_scan_takes_few_command_calls(scanned: subprocess.CompletedProcess[str]) -> None:
    """At most four SSM command calls a batch of up to 50 hosts, those that AWS refuses included."""
    result = json.loads(scanned.stdout)["run"]
    calls = result["api_calls"]
    assert result["batches"] > 0
    assert result["ssm_command_calls"] <= 4 * calls["ssm:SendCommand"], calls


def test_scan_of_one_scope(sandbox: Sandbox) -> None:
    """Exit code 0 and a summary with the counts, the SSM command calls a batch among them."""
    finished = run(
        *("scan", "--account", ACCOUNT, "--region", REGION), environment=sandbox.environment
    )
    assert finished.returncode == 0, finished.stderr
    assert re.search(r"^  scopes +1 of 1 done, 0 failed$", finished.stdout, re.MULTILINE)
    assert re.search(
        r"^  API calls +\d+, 0 of them retries; throttled: none$", finished.stdout, re.M
    )
    assert re.search(r"^  DynamoDB +\d+\.\d read and \d+\.\d write units$", finished.stdout, re.M)
    assert re.search(r"command calls for 1 batch \(\d\.\d a batch\)", finished.stdout)
    assert re.fullmatch(rf"{ACCOUNT} {REGION}: .* databases\n", finished.stderr)


def test_scan_logs_json(sandbox: Sandbox) -> None:
    """With JSON logs every line on stderr is an object that carries the run and, where they apply,
    account, region and instance; the result stays on stdout."""
    finished = run(
        *("scan", "--json", "--account", FAILING, "--region", REGION),
        environment={**sandbox.environment, "DISCOVERY_LOG": "json"},
    )
    assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout)
    lines = [json.loads(line) for line in finished.stderr.splitlines()]
    assert {line["run_id"] for line in lines} == {result["run"]["run_id"]}
    messages = [line["message"] for line in lines]
    assert (messages[0], messages[-1]) == ("run started", "run finished")
    inside = lines[1:-1]
    assert {(line["account_id"], line["region"]) for line in inside} == {(FAILING, REGION)}
    failed = {line["instance_id"]: line["error_kind"] for line in inside if "error_kind" in line}
    assert failed == {one["instance_id"]: one["error_kind"] for one in result["failed_hosts"]}
    assert failed, "the estate has hosts that fail in this account"


def test_a_failure_is_json_too(sandbox: Sandbox) -> None:
    """With JSON logs the error that ends a command is such a line, with its hint; in both forms
    the exit code is the same."""
    finished = run("--log", "json", "scan", "--account", "1", environment=sandbox.environment)
    assert finished.returncode == 2
    (line,) = map(json.loads, finished.stderr.splitlines())
    assert (line["level"], line["message"]) == ("ERROR", "account '1' is not configured")
    assert "SPOKE_ACCOUNTS" in line["hint"]


def test_scan_of_a_strange_account_is_wrong_usage(sandbox: Sandbox) -> None:
    """An account that is not configured is refused by name, before anything is scanned."""
    finished = run("scan", "--account", "999999999999", environment=sandbox.environment)
    assert finished.returncode == 2
    assert "999999999999" in finished.stderr


def test_interrupted_scan_is_recorded_as_cancelled(sandbox: Sandbox, settings: Settings) -> None:
    """Ctrl-C ends a scan with exit code 130 and a summary; its record says cancelled, and the next
    scan can start."""
    with started("scan", environment=sandbox.environment) as process:
        while RunStore(Aws(settings)).active_run() is None:
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=_SECONDS)
    assert process.returncode == 130, stderr
    assert "cancelling" in stderr
    assert "Traceback" not in stderr
    newest = RunStore(Aws(settings)).recent_runs(1)[0]
    assert newest.status is RunStatus.CANCELLED
    assert newest.run_id in stdout
    assert RunStore(Aws(settings)).active_run() is None


def test_export_filters_as_the_dashboard_does(
    scanned: subprocess.CompletedProcess[str], sandbox: Sandbox, tmp_path: Path
) -> None:
    """CSV to a file, JSON to stdout, both with the filters."""
    assert scanned.stdout
    filters = ("--engine", "mysql", "--account", ACCOUNT)
    target = tmp_path / "databases.csv"
    to_file = run("export", *filters, "--output", str(target), environment=sandbox.environment)
    assert to_file.returncode == 0
    assert not to_file.stdout
    with target.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    to_stdout = run("export", *filters, "--format", "json", environment=sandbox.environment)
    records = json.loads(to_stdout.stdout)
    assert [row["Instance"] for row in rows] == [record["instance_id"] for record in records]
    assert {(record["engine"], record["account_id"]) for record in records} == {("mysql", ACCOUNT)}

    everything = run("export", environment=sandbox.environment)
    assert len(list(csv.DictReader(io.StringIO(everything.stdout)))) > len(rows)


def test_doctor_names_what_is_wrong(sandbox: Sandbox) -> None:
    """In the estate: the account that does not trust is told, with a fix; all else of a good one
    is ok, with no more permissions than the runner's role has."""
    finished = run("doctor", environment=sandbox.environment)
    assert finished.returncode == 3, finished.stderr
    found = re.findall(r"^(ok|fail) +([^:]+):", finished.stdout, re.MULTILINE)
    states = {subject: state for state, subject in found}
    shared = ("credentials", "results table", "runs table", "probe", "output bucket", "accounts")
    assert [states[subject] for subject in shared] == ["ok"] * len(shared)
    assert {state for subject, state in states.items() if ACCOUNT in subject} == {"ok"}
    assert states[f"{UNTRUSTING} role"] == "fail"
    assert "iam/spoke-account-trust-policy.json" in finished.stdout


def test_doctor_tells_what_is_not_deployed(sandbox: Sandbox) -> None:
    """Buckets and tables that are not there, and a document that names another bucket: each is a
    failure with the part of the guide that mends it."""
    wrong = {
        "DISCOVERY_SCRIPT_BUCKET": "another-bucket",
        "DISCOVERY_RESULTS_TABLE": "another-table",
    }
    finished = run("doctor", environment=sandbox.environment | wrong)
    assert finished.returncode == 3
    failed = re.findall(r"^fail +([^:]+):", finished.stdout, re.MULTILINE)
    assert "results table" in failed
    assert f"{ACCOUNT} {REGION} document" in failed  # its hash holds the bucket's name
    assert "EXECUTION_GUIDE.md" in finished.stdout


def test_render_writes_the_very_text_that_is_pinned(sandbox: Sandbox, tmp_path: Path) -> None:
    """The written document has the hash that the runner asks for; nothing is left to fill in."""
    finished = run(
        *("render", "--management-account", sandbox.estate.management_account),
        *("--spoke-account", ACCOUNT, "--output", str(tmp_path)),
        environment=sandbox.environment,
    )
    assert finished.returncode == 0, finished.stderr
    document = (tmp_path / artefacts.DOCUMENT).read_bytes()
    assert hashlib.sha256(document).hexdigest() == artefacts.document_hash(
        sandbox.settings.placeholders()
    )
    assert (tmp_path / artefacts.probe_key()).read_bytes() == artefacts.probe_source()
    written = [Path(line) for line in finished.stdout.splitlines()]
    assert written == sorted(written, key=written.index)
    assert all("${" not in path.read_text() for path in written if path.suffix == ".json")


def test_probe_on_a_folder(sandbox: Sandbox) -> None:
    """A host of the estate, looked at directly: the table and the JSON show its databases."""
    host = sandbox.host_named("pricing-db-1")
    root = str(host.folder)
    table = run("probe", "--root", root)
    assert table.returncode == 0, table.stderr
    assert "/data01/pricing/mysql" in table.stdout
    assert "13306" in table.stdout
    report = json.loads(run("probe", "--root", root, "--json").stdout)
    assert report["databases"][0]["port"] == 13306


# --- the long-running ones ----------------------------------------------------------------------


def test_sandbox_prints_exports_and_ends_with_a_signal() -> None:
    """Its exports point a scan at it; SIGTERM ends it at once and cleanly."""
    with started("sandbox") as process:
        assert process.stdout
        exports: dict[str, str] = {}
        for line in process.stdout:
            name, _, value = line.strip().removeprefix("export ").partition("=")
            exports[name] = value
            if name == "NO_PROXY":
                break
        del exports["NO_PROXY"]
        finished = run(
            *("scan", "--account", ACCOUNT, "--region", REGION, "--json"),
            environment={name: value for name, value in exports.items() if " " not in name},
        )
        assert finished.returncode == 0, finished.stderr
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr


def test_demo_is_ready_and_leaves_nothing_behind() -> None:
    """`ready:` comes when the first discovery is stored and the page answers; SIGTERM then ends
    the server and the sandbox."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    began = time.monotonic()
    with started("demo", "--no-browser", "--port", str(port)) as process:
        assert process.stdout
        line = process.stdout.readline()
        seconds = time.monotonic() - began
        url = f"http://127.0.0.1:{port}"
        assert line == f"ready: {url}\n"
        assert seconds < 60  # of 20 on a machine that does nothing else
        assert _get(f"{url}/api/health")["total_records"] >= 90
        with urllib.request.urlopen(url, timeout=20) as page:
            assert page.status == 200
        children = children_of(process.pid)
        assert children
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    assert not [pid for pid in children if is_alive(pid)]


def test_demo_that_is_stopped_early_ends_cleanly() -> None:
    """SIGTERM during the first discovery: exit code 0, no traceback, no sandbox left."""
    with started("demo", "--no-browser", "--port", "0") as process:
        assert process.stderr
        assert any("discovering" in line for line in process.stderr)
        children = children_of(process.pid)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=40)
    assert process.returncode == 0, stderr
    assert not stdout
    assert "Traceback" not in stderr
    assert children
    assert not [pid for pid in children if is_alive(pid)]


def test_demo_ends_when_its_sandbox_dies() -> None:
    """A demo whose AWS is gone has nothing to show: it says so, and ends with an error."""
    with started("demo", "--no-browser", "--port", "0") as process:
        assert process.stdout
        assert process.stdout.readline().startswith("ready: ")
        (sandbox,) = children_of(process.pid)
        os.kill(sandbox, signal.SIGKILL)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode not in (0, None), stderr
    assert "the sandbox ended with exit code -9" in stderr
    assert "Traceback" not in stderr


def test_demo_that_is_killed_takes_its_sandbox_with_it() -> None:
    """The sandbox does not outlive a demo that had no chance to stop it."""
    with started("demo", "--no-browser", "--port", "0") as process:
        assert process.stderr
        assert any("discovering" in line for line in process.stderr)
        children = children_of(process.pid)
        process.kill()
        process.wait(10)
    deadline = time.monotonic() + 20
    while any(map(is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert children
    assert not [pid for pid in children if is_alive(pid)]


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310
        value: dict[str, Any] = json.load(answer)
        return value
