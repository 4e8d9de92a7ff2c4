"""The deployable artefacts: complete, least privilege, and within AWS's limits."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any, get_type_hints

import botocore.session
import pytest
from botocore.validate import ParamValidator
from pydantic import TypeAdapter

from discovery import artefacts
from discovery.artefacts import ROOT
from discovery.errors import ConfigurationError
from discovery.model import DatabaseRecord
from discovery.settings import Settings, load_settings

PROBE = b"print('a probe')\n"
SETTINGS = Settings(
    accounts=("444455556666",),
    home_region="eu-west-1",
    external_id="external-id-for-tests",
    script_bucket="scripts",
    output_bucket="output",
)
TABLES = ["schema/dynamodb-table.json", "schema/dynamodb-runs-table.json"]
POLICIES = sorted(f"iam/{path.name}" for path in (ROOT / "iam").glob("*.json"))
DEPLOYED = sorted(f"deploy/{path.name}" for path in (ROOT / "deploy").glob("*.json"))
FUNCTION, QUEUE = "deploy/discovery-function.json", "deploy/unwritten-queue.json"
STATE_MACHINE_POLICY = "deploy/state-machine-role-policy.json"
VALUES = SETTINGS.placeholders(
    MANAGEMENT_ACCOUNT_ID="111122223333",
    SPOKE_ACCOUNT_ID="444455556666",
    PROBE_KEY="probe/abc/discovery_python.py",
    PROBE_SHA256="abc",
)


@pytest.fixture(autouse=True)
def probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe whose hash the tests know."""
    monkeypatch.setattr(artefacts, "probe_source", lambda: PROBE)


def statements(path: str) -> list[dict[str, Any]]:
    """A rendered policy's statements."""
    found: list[dict[str, Any]] = artefacts.render(path, VALUES)["Statement"]
    return found


def as_list(value: Any) -> list[str]:
    """A policy element that may be one string or several."""
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("path", [*POLICIES, *TABLES, *DEPLOYED, artefacts.DOCUMENT])
def test_every_placeholder_is_filled(path: str) -> None:
    """Rendering with all values leaves no placeholder behind."""
    assert not re.search(r"\$\{[A-Z]", artefacts.render_text(path, VALUES))


def test_missing_value_is_named() -> None:
    """An unfilled placeholder is an error that names it and its file, never an empty string."""
    values = {name: value for name, value in VALUES.items() if name != "EXTERNAL_ID"}
    with pytest.raises(
        ConfigurationError, match=r"trust-policy\.json: no value for \$\{EXTERNAL_ID"
    ):
        artefacts.render("iam/spoke-account-trust-policy.json", values)
    with pytest.raises(ConfigurationError, match="EXTERNAL_ID"):
        artefacts.render("iam/spoke-account-trust-policy.json", {**VALUES, "EXTERNAL_ID": ""})


def test_there_are_the_five_policies_of_the_design() -> None:
    """The policies a deployment needs are all there."""
    assert POLICIES == [
        "iam/api-lambda-policy.json",
        "iam/ec2-instance-ssm-policy.json",
        "iam/management-discovery-lambda-policy.json",
        "iam/spoke-account-role-policy.json",
        "iam/spoke-account-trust-policy.json",
    ]


@pytest.mark.parametrize("path", [*POLICIES, STATE_MACHINE_POLICY])
def test_no_action_is_a_wildcard(path: str) -> None:
    """Each policy names every action it allows."""
    actions = [one for statement in statements(path) for one in as_list(statement["Action"])]
    assert actions
    assert not [one for one in actions if "*" in one]


def test_commands_go_to_own_document_and_instances_only() -> None:
    """SendCommand is allowed for the one document and for the account's own instances: a document
    of the same name that another account shares is not it."""
    resources = [
        resource
        for statement in statements("iam/spoke-account-role-policy.json")
        if "ssm:SendCommand" in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]
    assert sorted(resources) == [
        "arn:aws:ec2:*:444455556666:instance/*",
        "arn:aws:ssm:*:444455556666:document/DBDiscovery-Probe",
        "arn:aws:ssm:*:444455556666:managed-instance/*",
    ]


def test_trust_needs_the_runner_and_the_external_id() -> None:
    """Only the runner's role, and only with the ExternalId, can assume the spoke role."""
    (statement,) = statements("iam/spoke-account-trust-policy.json")
    assert statement["Principal"] == {"AWS": "arn:aws:iam::111122223333:role/DBDiscoveryLambdaRole"}
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "external-id-for-tests"}}


def test_api_reads_only() -> None:
    """The API's role can change nothing in the tables."""
    actions = {
        one
        for statement in statements("iam/api-lambda-policy.json")
        for one in as_list(statement["Action"])
        if one.startswith("dynamodb:")
    }
    assert actions == {
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "dynamodb:Query",
        "dynamodb:Scan",
    }


def test_session_policy_fits_with_the_longest_names() -> None:
    """AssumeRole takes 2,048 characters; document names have up to 128."""
    settings = SETTINGS.model_copy(update={"document_name": "D" * 128})
    text = artefacts.session_policy(settings.placeholders(), "444455556666")
    assert len(text) < artefacts.MAX_SESSION_POLICY
    assert "\n" not in text
    assert json.loads(artefacts.session_policy(SETTINGS.placeholders()))["Statement"]


@pytest.mark.parametrize("path", TABLES)
def test_tables_are_arguments_of_create_table(path: str) -> None:
    """The SDK's own validator takes each part for the call it is made for."""
    schema = artefacts.render(path, VALUES)
    model = botocore.session.get_session().get_service_model("dynamodb")
    name = schema["Table"]["TableName"]
    for operation, arguments in (
        ("CreateTable", schema["Table"]),
        (
            "UpdateTimeToLive",
            {"TableName": name, "TimeToLiveSpecification": schema["TimeToLive"]},
        ),
        (
            "UpdateContinuousBackups",
            {"TableName": name, "PointInTimeRecoverySpecification": schema["PointInTimeRecovery"]},
        ),
    ):
        shape = model.operation_model(operation).input_shape
        assert shape is not None
        report = ParamValidator().validate(arguments, shape)
        assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize(
    ("path", "service", "operation", "more"),
    [
        (FUNCTION, "lambda", "CreateFunction", {"Code": {"ZipFile": b"zip"}}),
        (QUEUE, "sqs", "CreateQueue", {}),
    ],
)
def test_function_and_queue_are_arguments_of_their_calls(
    path: str, service: str, operation: str, more: dict[str, Any]
) -> None:
    """The SDK's own validator takes each."""
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    report = ParamValidator().validate(artefacts.render(path, VALUES) | more, shape)
    assert not report.has_errors(), report.generate_report()


def test_what_is_deployed_fits_together() -> None:
    """The function has settings that exist, its log group and its queue are those that its role may
    write to, and the state machine's role may call it and read what it lists."""
    function, queue = artefacts.render(FUNCTION, VALUES), artefacts.render(QUEUE, VALUES)
    variables = function["Environment"]["Variables"]
    assert set(variables) <= {field.alias for field in Settings.model_fields.values()}
    runner = load_settings(variables)
    assert runner.model_copy(update={"dead_letter_queue": None}) == SETTINGS.model_copy(
        update={"regions": ("eu-west-1",)}
    )
    assert runner.dead_letter_queue is not None
    assert runner.dead_letter_queue.endswith(f"/111122223333/{queue['QueueName']}")
    allowed = {
        one["Sid"]: one["Resource"]
        for one in statements("iam/management-discovery-lambda-policy.json")
        + statements(STATE_MACHINE_POLICY)
    }
    arn = "eu-west-1:111122223333"
    assert allowed["WriteOwnLogs"] == (
        f"arn:aws:logs:{arn}:log-group:/aws/lambda/{function['FunctionName']}:*"
    )
    assert allowed["KeepUnwrittenResults"] == f"arn:aws:sqs:{arn}:{queue['QueueName']}"
    assert allowed["CallDiscovery"] == f"arn:aws:lambda:{arn}:function:{function['FunctionName']}"
    assert allowed["ShareParts"] == allowed["ReadParts"] == "arn:aws:s3:::output/runs/*"
    assert queue["Attributes"]["MessageRetentionPeriod"] == str(14 * 24 * 3600)
    assert queue["Attributes"]["SqsManagedSseEnabled"] == "true"


def example_record() -> dict[str, Any]:
    """The examples of DatabaseRecord's annotations, and the sort key made of two of them."""
    hints = get_type_hints(DatabaseRecord, include_extras=True)
    values = {name: hint.__metadata__[0].examples[0] for name, hint in hints.items()}
    key = f"{values['instance_id']}#{values['db_id']}"
    return {"account_id": values["account_id"], "instance_db_id": key} | values


def test_example_record_is_made_of_the_fields_examples() -> None:
    """`schema/example-record.json` shows every attribute, as the model documents it."""
    stored = json.loads((ROOT / "schema/example-record.json").read_text(encoding="utf-8"))
    assert stored == example_record()
    record = TypeAdapter(DatabaseRecord).validate_python(stored)
    assert record.instance_db_id == stored["instance_db_id"]


def test_document_hash_is_that_of_the_uploaded_text() -> None:
    """What SendCommand pins is the SHA-256 of the very text that is uploaded."""
    text = artefacts.document_text(SETTINGS.placeholders())
    assert (
        artefacts.document_hash(SETTINGS.placeholders())
        == hashlib.sha256(text.encode()).hexdigest()
    )
    assert hashlib.sha256(PROBE).hexdigest() in text


def test_document_needs_a_script_bucket() -> None:
    """Without a bucket there is no document; the message names the setting."""
    with pytest.raises(ConfigurationError, match="DISCOVERY_SCRIPT_BUCKET"):
        artefacts.document_text(Settings().placeholders())


def test_document_has_two_parameters_that_take_no_shell_text() -> None:
    """Nothing that a caller passes becomes shell text; bucket and probe are no parameters."""
    document = artefacts.render(artefacts.DOCUMENT, VALUES)
    assert list(document["parameters"]) == ["executionTimeout", "connections"]
    assert document["parameters"]["connections"]["allowedValues"] == ["false", "true"]
    pattern = re.compile(document["parameters"]["executionTimeout"]["allowedPattern"])
    assert pattern.search("60")
    assert not any(pattern.search(text) for text in ("60; id", "$(id)", "060", "", "6", "60 "))


def test_document_steps_run_on_linux_only_and_stop_at_a_failed_download() -> None:
    """The steps are those the runner knows; a failed download ends the document."""
    document = artefacts.render(artefacts.DOCUMENT, VALUES)
    download, run = document["mainSteps"]
    assert (download["name"], run["name"]) == ("downloadProbe", "runProbe")
    assert download["inputs"]["onFailure"] == "exit"
    assert run["inputs"]["timeoutSeconds"] == "{{ executionTimeout }}"
    for step in (download, run):
        assert step["precondition"] == {"StringEquals": ["platformType", "Linux"]}
    source = json.loads(download["inputs"]["sourceInfo"])
    assert source == {
        "path": "https://s3.eu-west-1.amazonaws.com/scripts/probe/abc/discovery_python.py"
    }


def test_document_script_is_posix_shell() -> None:
    """`sh` parses the commands; nothing in them is for bash alone."""
    _, run = artefacts.render(artefacts.DOCUMENT, VALUES)["mainSteps"]
    script = "\n".join(run["inputs"]["runCommand"]).replace("{{ executionTimeout }}", "60")
    done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (3, 3), (127, 127), (194, 1), (195, 195)])
def test_the_document_never_ends_with_194(tmp_path: Path, code: int, ends: int) -> None:
    """The agent reboots the host after 194, whatever ended so; any other code is passed on."""
    _, run = artefacts.render(artefacts.DOCUMENT, VALUES)["mainSteps"]
    script = "\n".join(run["inputs"]["runCommand"]).replace("{{ executionTimeout }}", "60")
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\necho ran\nexit {code}\n", encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "discovery_python.py").touch()
    done = subprocess.run(
        ["sh"],
        input=script,
        text=True,
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert (done.returncode, done.stdout) == (ends, "ran\n"), done.stderr
    assert ("194" in done.stderr) == (code == 194)


def test_other_partitions_have_their_own_arns_and_addresses() -> None:
    """In China, ARNs and S3's host name differ."""
    settings = SETTINGS.model_copy(update={"home_region": "cn-north-1"})
    assert "arn:aws-cn:" in artefacts.session_policy(settings.placeholders())
    assert "https://s3.cn-north-1.amazonaws.com.cn/scripts/" in artefacts.document_text(
        settings.placeholders()
    )
