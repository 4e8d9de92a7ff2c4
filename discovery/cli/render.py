"""`render`: the deployable artefacts, filled in and ready for the AWS CLI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from discovery import artefacts
from discovery.artefacts import ROOT
from discovery.errors import ConfigurationError
from discovery.settings import ORGANIZATION, Settings, load_settings


@click.command()
@click.option("--management-account", required=True, metavar="ID", help="Where discovery runs.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build"),
    show_default=True,
    help="Folder to write to.",
)
@click.option(
    "--spoke-account",
    "spokes",
    multiple=True,
    metavar="ID",
    help="An account to discover; repeat it. By default those of SPOKE_ACCOUNTS.",
)
def render(management_account: str, output: Path, spokes: tuple[str, ...]) -> None:
    """Write the deployable files, filled in.

    They are iam/, schema/, deploy/, the SSM document and the probe. The names in them come from
    the settings: set at least DISCOVERY_EXTERNAL_ID, DISCOVERY_SCRIPT_BUCKET and
    DISCOVERY_OUTPUT_BUCKET. EXECUTION_GUIDE.md says what to do with each file.

    \b
    Example:
      python -m discovery render --management-account 111122223333 --output build
    """
    settings = load_settings()
    accounts = spokes or settings.accounts
    if not accounts or accounts == (ORGANIZATION,):
        raise ConfigurationError(
            "no account to discover is named",
            hint="Name each with --spoke-account, or set SPOKE_ACCOUNTS to account ids.",
        )
    for path, text in _files(settings, management_account, accounts):
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        (output / path).write_bytes(text.encode())  # as it is: the SSM document's hash counts
        click.echo(output / path)


def _files(
    settings: Settings, management_account: str, accounts: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    values = settings.placeholders(MANAGEMENT_ACCOUNT_ID=management_account)
    for name in sorted(path.name for path in (ROOT / "iam").glob("*.json")):
        policy = f"iam/{name}"
        if policy != artefacts.SPOKE_ROLE_POLICY:
            yield policy, artefacts.render_text(policy, values)
            continue
        for account in accounts:
            of_account = values | {"SPOKE_ACCOUNT_ID": account}
            yield f"iam/{account}/{name}", artefacts.render_text(policy, of_account)
    for table in ("dynamodb-table", "dynamodb-runs-table"):
        for part, content in artefacts.render(f"schema/{table}.json", values).items():
            suffix = "" if part == "Table" else f".{part}"
            yield f"schema/{table}{suffix}.json", json.dumps(content, indent=2)
    of_function = values | {"SPOKE_ACCOUNTS": ",".join(settings.accounts or accounts)}
    for name in sorted(path.name for path in (ROOT / "deploy").glob("*.json")):
        yield f"deploy/{name}", artefacts.render_text(f"deploy/{name}", of_function)
    yield artefacts.DOCUMENT, artefacts.document_text(settings.placeholders())
    yield artefacts.probe_key(), artefacts.probe_source().decode()
