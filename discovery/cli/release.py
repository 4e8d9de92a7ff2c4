"""`release`: give up what is known of accounts and regions that runs no longer scan."""

from __future__ import annotations

import click

from discovery.errors import RequestError
from discovery.settings import load_settings


@click.command()
@click.option(
    "--account", "accounts", multiple=True, required=True, metavar="ID", help="This account."
)
@click.option("--region", "regions", multiple=True, metavar="NAME", help="Only in this region.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def release(accounts: tuple[str, ...], regions: tuple[str, ...], yes: bool) -> None:
    """Give up databases of accounts that are no longer scanned.

    An account that left the settings, or a region, is unwatched: what was known of it stays, with
    the date. This says that it is not to be kept: its databases become gone, with the reason
    "released", and are removed after DISCOVERY_GONE_TTL_DAYS. What runs still scan is refused.

    \b
    Examples:
      python -m discovery release --account 111122223333
      python -m discovery release --account 111122223333 --region us-east-1 --yes
    """
    from discovery.aws.session import Aws
    from discovery.aws.watched import unwatched_scopes
    from discovery.run import release_scopes

    settings = load_settings()
    left = unwatched_scopes(Aws(settings))
    scopes = [
        scope
        for scope in sorted(left)
        if scope.account_id in accounts and (not regions or scope.region in regions)
    ]
    for account in sorted(set(accounts) - {scope.account_id for scope in scopes}):
        raise RequestError(
            f"account={account}: no region of it is unwatched",
            hint="An account is unwatched once a run over all that the settings name left it out.",
        )
    for scope in scopes:
        click.echo(f"{scope.account_id} {scope.region}, unwatched since {left[scope]:%Y-%m-%d}")
    if not yes:
        click.confirm(f"Make all databases of these {len(scopes)} gone?", abort=True, err=True)
    run = release_scopes(settings, scopes, trigger="release")
    click.echo(f"{run.changes.get('gone', 0):,} databases released in run {run.run_id}")
