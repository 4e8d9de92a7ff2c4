"""What a run scans: its scopes, worked out from the settings, the request and AWS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from discovery.aws.accounts import Accounts, list_accounts
from discovery.aws.regions import enabled_regions
from discovery.aws.session import Aws
from discovery.errors import AwsError, RequestError
from discovery.model import RunRequest, Scope
from discovery.settings import check_region

_INSTANCE = re.compile(r"(i|mi)-[0-9a-f]{6,32}")


@dataclass(frozen=True, slots=True)
class Plan:
    """The scopes of a run, by account and region.

    `refused` are those among them that stand for an account which did not tell its regions, each
    with AWS's refusal; the scope has the home region, where it was asked. `skipped` are the
    accounts left out, each with the reason.
    """

    scopes: tuple[Scope, ...]
    refused: Mapping[Scope, AwsError] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)


def plan_run(aws: Aws, request: RunRequest) -> Plan:
    """Ask AWS, as far as the settings leave it to AWS, what there is to discover of `request`.

    Raises RequestError as `check_request`, ConfigurationError when no account is configured,
    AwsError when Organizations refuses.
    """
    accounts = list_accounts(aws)
    check_request(aws, request, accounts)
    wanted = request.accounts or accounts.active
    skipped = {} if request.accounts else accounts.skipped
    if request.regions or not aws.settings.all_regions:
        regions = request.regions or aws.settings.scan_regions
        return Plan(
            tuple(Scope(account, region) for account in wanted for region in regions),
            skipped=skipped,
        )
    found: list[Scope] = []
    refused: dict[Scope, AwsError] = {}
    for account, answer in _regions_of(aws, wanted):
        if isinstance(answer, AwsError):
            scope = Scope(account, aws.settings.home_region)
            refused[scope] = answer
            found.append(scope)
        else:
            found += [Scope(account, region) for region in answer]
    return Plan(tuple(found), refused, skipped)


def check_request(aws: Aws, request: RunRequest, accounts: Accounts) -> None:
    """Raises RequestError naming an account, region or instance that is malformed, not configured
    or cannot be discovered."""
    for account in request.accounts:
        if account in accounts.skipped:
            raise RequestError(
                f"account {account!r} is {accounts.skipped[account]}",
                hint="Its role cannot be assumed. Leave it out.",
            )
        if account not in accounts.active:
            raise RequestError(f"account {account!r} is not configured", hint="See SPOKE_ACCOUNTS.")
    for region in request.regions:
        if aws.settings.all_regions:
            try:
                check_region(region, aws.settings.home_region)
            except ValueError as error:
                raise RequestError(f"region {error}", hint="See AWS_REGION.") from error
        elif region not in aws.settings.scan_regions:
            raise RequestError(
                f"region {region!r} is not configured", hint="See DISCOVERY_REGIONS."
            )
    for instance in request.instances:
        if not _INSTANCE.fullmatch(instance):
            raise RequestError(f"instance {instance!r} is not an instance id (i-… or mi-…)")


def _regions_of(
    aws: Aws, accounts: Sequence[str]
) -> Iterator[tuple[str, tuple[str, ...] | AwsError]]:
    """Each account with its regions or what kept it from telling them, side by side."""

    def ask(account: str) -> tuple[str, ...] | AwsError:
        try:
            return enabled_regions(aws, account)
        except AwsError as error:
            return error

    with ThreadPoolExecutor(aws.settings.scope_workers) as pool:
        yield from zip(accounts, pool.map(ask, accounts), strict=True)
