"""What the documents tell a reader to type works, and what they list is what there is."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name
from botocore.model import OperationModel

from discovery.artefacts import ROOT
from discovery.cli import main
from discovery.settings import Settings
from tests.support.docs import GUIDE, blocks

pytestmark = pytest.mark.server

README = ROOT / "README.md"
DOCUMENTS = (
    GUIDE,
    README,
    *(
        ROOT / name
        for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
    ),
    ROOT / "api/api-gateway-config.md",
    ROOT / "sandbox/README.md",
    ROOT / "ssm/README.md",
)

_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
_MINUTES = 5
_AWS_CLI_OWN = {"s3 sync", "configure set"}
_AWS_CLI_OPTIONS = {"--region", "--query", "--output", "--cli-input-json", "--zip-file"}


# --- the sandbox part of the guide is run -------------------------------------------------------


def test_guide_runs_in_the_sandbox(tmp_path: Path) -> None:
    """Every block marked for it, typed one after the other into one shell, ends as the guide
    says, and leaves what it says."""
    script = ["set -u"]
    for block in blocks(GUIDE):
        if block.exit_code is not None:
            script += [f"set +e\n(exit 0)\n{block.text}", f"check $? {block.exit_code} <<'BLOCK'"]
            script += [f"{block.text}BLOCK"]
    check = (
        'check() { [ "$1" = "$2" ] || { echo "exit code $1, not $2, of:"; cat; exit 99; } >&2; }'
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    text = "\n".join([check, *script]).replace("8600", str(port))
    finished, output = _bash(text, tmp_path)

    assert finished == 0, output
    assert '"status": "ok"' in output
    assert (tmp_path / "databases.csv").read_text().startswith("Account,Region,")
    assert (tmp_path / "build/ssm/ssm-document.json").exists()


def _bash(script: str, folder: Path) -> tuple[int, str]:
    """Run `script` in `folder`; its exit code and all it printed. Ends what it left running."""
    tools = [str(Path(sys.executable).parent), os.environ["PATH"], str(_stand_ins(folder))]
    environment = os.environ | {
        "PATH": os.pathsep.join(tools),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "120",
    }
    log = folder / "output.log"
    with log.open("wb") as output:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = shell.wait(_MINUTES * 60)
        finally:
            os.killpg(shell.pid, signal.SIGTERM)
            shell.wait(10)
    return code, log.read_text(errors="replace")


def _stand_ins(folder: Path) -> Path:
    """A folder with a `curl` for machines that have none: found last, so the real one counts."""
    tools = folder / "stand-ins"
    tools.mkdir()
    curl = tools / "curl"
    curl.write_text(
        f"#!{sys.executable}\n"
        "import sys, urllib.request\n"
        "with urllib.request.urlopen(sys.argv[-1]) as reply:\n"
        "    sys.stdout.write(reply.read().decode())\n",
        encoding="utf-8",
    )
    curl.chmod(0o755)
    return tools


# --- the AWS part is compared with AWS's own API models -----------------------------------------


def aws_commands() -> list[list[str]]:
    """Each `aws …` command of the guide, as the shell splits it."""
    lines = (line for block in blocks(GUIDE) for line in _logical_lines(block.text))
    return [shlex.split(line) for line in lines if line.startswith("aws ")]


def _logical_lines(script: str) -> list[str]:
    """The lines of `script`, where a backslash or an open quote continues one."""
    lines = [""]
    quote = ""
    for character in script.replace("\\\n", " "):
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        if character == "\n" and not quote:
            lines.append("")
        else:
            lines[-1] += character
    return lines


@pytest.mark.parametrize("command", aws_commands(), ids=lambda command: " ".join(command[1:3]))
def test_aws_commands_of_the_guide_exist(command: list[str]) -> None:
    """Each has a service, an operation and parameters that AWS's API has, and names none twice."""
    service, operation = command[1:3]
    given = [word for word in command[3:] if word.startswith("--")]
    assert len(given) == len(set(given))
    if f"{service} {operation}" in _AWS_CLI_OWN:
        return
    session = botocore.session.get_session()
    model = session.get_service_model("s3" if service == "s3api" else service)
    if operation == "wait":
        waiters = session.get_waiter_model(model.service_name)
        assert command[3] in {xform_name(name, "-") for name in waiters.waiter_names}
        return
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    _check_parameters(model.operation_model(operations[operation]), given)


def _check_parameters(operation: OperationModel, given: list[str]) -> None:
    shape = operation.input_shape
    assert shape
    members = {f"--{xform_name(name, '-')}": name for name in shape.members} | {
        "--instance-id": "InstanceId"
    }
    assert set(given) - _AWS_CLI_OPTIONS <= set(members)
    if "--cli-input-json" not in given:
        assert set(shape.required_members) <= {members[name] for name in given if name in members}


def test_files_of_the_guide_are_those_that_render_writes(tmp_path: Path) -> None:
    """Each `file://build/…` is written by `render`, and each file that it writes is used."""
    names = dict(
        line.removeprefix("export ").split("=", 1)
        for block in blocks(GUIDE)
        for line in block.text.splitlines()
        if line.startswith("export ") and "$" not in line
    )
    buckets = {"DISCOVERY_SCRIPT_BUCKET": "scripts", "DISCOVERY_OUTPUT_BUCKET": "output"}
    subprocess.run(
        [
            *(sys.executable, "-m", "discovery", "render"),
            *("--management-account", names["MANAGEMENT_ACCOUNT"], "--output", str(tmp_path)),
        ],
        cwd=ROOT,
        env=os.environ | names | buckets,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    written = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    text = GUIDE.read_text(encoding="utf-8").replace("$ACCOUNT", names["ACCOUNT"])
    used = set(re.findall(r"file://build/([\w/.-]+)", text))
    not_by_file = {"iam/api-lambda-policy.json"} | {
        path for path in written if path.startswith("probe/")
    }
    assert used == written - not_by_file


# --- lists and links ----------------------------------------------------------------------------


def test_readme_lists_every_setting_with_its_default() -> None:
    """The table has each environment variable of `Settings`, in order, and its default."""
    table = README.read_text(encoding="utf-8").split("<!-- settings -->")[1]
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\| (.+) \|$", table, re.MULTILINE)
    expected = []
    for field in Settings.model_fields.values():
        default = field.default
        shown = ",".join(default) if isinstance(default, tuple) else default
        expected.append((field.alias, "" if shown is None else str(shown)))
    assert [(name, default) for name, default, _ in rows] == expected


def test_readme_and_changelog_list_every_command() -> None:
    """A command that is added or renamed is so in both."""
    table = README.read_text(encoding="utf-8").split("## Command line")[1].split("Exit codes")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(main.commands)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in changelog for name in main.commands)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Each relative link names a file of the checkout, each anchor a heading of its document."""
    text = document.read_text(encoding="utf-8")
    for target, _ in _LINK.findall(text):
        if "://" not in target:
            assert (document.parent / target).exists(), target
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


_NAMED_FILE = re.compile(r"`([\w./-]+\.(?:py|json|md|toml|sh))`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_a_document_names_are_there(document: Path) -> None:
    """A file in backticks exists: from the project's root, beside the document, or by its name."""
    elsewhere = ("build/", "secrets.toml", "/etc/", "daemon.json")  # a reader's, or a host's
    missing = [
        name
        for name in _NAMED_FILE.findall(document.read_text(encoding="utf-8"))
        if not any(part in name for part in elsewhere)
        and not (ROOT / name).exists()
        and not (document.parent / name).exists()
        and not any(
            path.as_posix().endswith(f"/{name}")
            for folder in ("discovery", "lambda", "pages", "sandbox", "tests", "ssm")
            for path in (ROOT / folder).rglob(Path(name).name)
        )
    ]
    assert missing == []


def test_every_attack_that_the_security_page_names_is_a_test() -> None:
    """A door whose test was renamed or lost is found here, and its guard's file is there."""
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 20
    for file, name in named:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"
    for guard in re.findall(r"`(discovery/[\w/]+\.py)`", text):
        assert (ROOT / guard).is_file(), guard
