"""`doctor`: is everything there that a run needs? Checked in the order in which a run needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import click

from discovery.cli.boundary import EXIT_FAILED
from discovery.errors import AwsError, DiscoveryError, FailureKind
from discovery.model import Scope
from discovery.sanitize import printable
from discovery.settings import Settings, load_settings
from discovery.view.labels import skipped_accounts

if TYPE_CHECKING:
    from discovery.aws.session import Aws


@click.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check each permission and resource a run needs.

    Says how to mend what is missing. Changes nothing and sends no command to any host.

    Exit codes: 0 all is well; 3 something is not.

    \b
    Example:
      python -m discovery doctor
    """
    failed = total = 0
    for finding in examine(load_settings()):
        total += 1
        failed += not finding.ok
        state = "ok  " if finding.ok else "fail"
        click.echo(f"{state}  {finding.subject}: {printable(finding.detail)}")
        if finding.fix:
            click.echo(f"      {printable(finding.fix)}")
    click.echo(f"{total - failed} ok, {failed} failed")
    ctx.exit(EXIT_FAILED if failed else 0)


# --- the checks ---------------------------------------------------------------------------------

_GUIDE = "(EXECUTION_GUIDE.md, part 2)"
_FIX_CREDENTIALS = (
    "Sign in, for example with `aws sso login`, and set AWS_PROFILE; or check AWS_ENDPOINT_URL."
)
_FIX_RESULTS = (
    f"Create it from schema/dynamodb-table.json {_GUIDE}; the permissions are those of "
    "iam/management-discovery-lambda-policy.json."
)
_FIX_RUNS = _FIX_RESULTS.replace("dynamodb-table", "dynamodb-runs-table")
_FIX_PROBE = f"Upload the probe {_GUIDE}."
_FIX_OUTPUT = f"Create the bucket {_GUIDE}, or unset DISCOVERY_OUTPUT_BUCKET."
_FIX_ACCOUNTS = (
    "Allow organizations:ListAccounts (with DISCOVERY_OUS, ListAccountsForParent and "
    "ListOrganizationalUnitsForParent) in the organisation's management account or a delegated "
    "administrator's, or list account ids in SPOKE_ACCOUNTS."
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was checked, what was found, and how to mend it when it is not `ok`."""

    subject: str
    ok: bool
    detail: str
    fix: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Check one thing after the other; accounts side by side, told in their order.

    What cannot be checked because something before it failed is left out: the credentials stand
    for all the rest, an account's role for its regions.
    """
    from discovery.aws import checks
    from discovery.aws.session import Aws

    aws = Aws(settings)
    credentials = _check("credentials", partial(checks.identity, aws), _FIX_CREDENTIALS)
    yield credentials
    if not credentials.ok:
        return
    tables = {"results": "schema/dynamodb-table.json", "runs": "schema/dynamodb-runs-table.json"}
    yield _check("results table", partial(checks.table, aws, tables["results"]), _FIX_RESULTS)
    yield _check("runs table", partial(checks.table, aws, tables["runs"]), _FIX_RUNS)
    yield _check("clock", partial(checks.clock, aws))
    yield _check("probe", partial(checks.probe_object, aws), _FIX_PROBE)
    yield _check("output bucket", partial(checks.output_bucket, aws), _FIX_OUTPUT)
    accounts: list[str] = []
    yield _check("accounts", partial(_list_accounts, aws, accounts), _FIX_ACCOUNTS)
    with ThreadPoolExecutor(settings.scope_workers) as pool:
        for findings in pool.map(lambda account: list(_account(aws, account)), accounts):
            yield from findings


def _list_accounts(aws: Aws, found: list[str]) -> str:
    """Adds the accounts to discover to `found`."""
    from discovery.aws.accounts import list_accounts

    accounts = list_accounts(aws)
    found += accounts.active
    regions = ", ".join(aws.settings.scan_regions)
    if aws.settings.all_regions:
        regions = "the regions that each has enabled"
    skipped = f"; skipped: {skipped_accounts(accounts.skipped)}" if accounts.skipped else ""
    return f"{len(found)} to discover, in {regions}{skipped}"


def _list_regions(aws: Aws, account_id: str, found: list[str]) -> str:
    """Adds the regions that the account has enabled to `found`."""
    from discovery.aws.regions import enabled_regions

    found += enabled_regions(aws, account_id)
    return f"{len(found)} enabled: {', '.join(found)}"


def _account(aws: Aws, account_id: str) -> Iterator[Finding]:
    from discovery.aws import checks

    role = _check(f"{account_id} role", partial(checks.spoke_role, aws, account_id))
    yield role
    if not role.ok:
        return
    checks_of_scope = {
        "instances": checks.instances,
        "managed instances": checks.managed_instances,
        "document": checks.document,
    }
    regions = list(aws.settings.scan_regions)
    if aws.settings.all_regions:
        regions = []
        yield _check(f"{account_id} regions", partial(_list_regions, aws, account_id, regions))
    for region in regions:
        for name, check in checks_of_scope.items():
            scope = Scope(account_id, region)
            yield _check(f"{account_id} {region} {name}", partial(_explained, check, aws, scope))


def _explained(check: Callable[[Aws, Scope], str], aws: Aws, scope: Scope) -> str:
    """What `check` finds; a refusal is told as a run tells it."""
    from discovery.aws.regions import refusals_explained

    with refusals_explained(aws, scope):
        return check(aws, scope)


def _check(subject: str, check: Callable[[], str], fix: str = "") -> Finding:
    """`fix` says what to do when AWS refuses; without it, and where the refusal is of the caller
    and not of what is checked, the kind of the refusal does."""
    try:
        return Finding(subject, True, check())
    except AwsError as error:
        named = error.kind in (FailureKind.NO_CREDENTIALS, FailureKind.STS_DISABLED)
        return Finding(subject, False, str(error), error.hint if named else fix or error.hint)
    except DiscoveryError as error:
        return Finding(subject, False, str(error), error.hint)
