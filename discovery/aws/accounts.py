"""Which accounts to discover: a fixed list, or every active account of the organisation."""

from __future__ import annotations

from discovery.aws.calls import aws_errors
from discovery.aws.session import Aws
from discovery.errors import ConfigurationError
from discovery.settings import ORGANIZATION


def list_account_ids(aws: Aws) -> tuple[str, ...]:
    """Account ids, sorted. Suspended accounts are left out: their roles cannot be assumed.

    Raises ConfigurationError when no account is configured, AwsError when Organizations refuses.
    """
    configured = aws.settings.accounts
    if not configured:
        raise ConfigurationError(
            "SPOKE_ACCOUNTS is not set",
            hint="Set SPOKE_ACCOUNTS to account ids separated by commas, or to 'organization'.",
        )
    if configured != (ORGANIZATION,):
        return tuple(sorted(configured))
    with aws_errors():
        pages = aws.home("organizations").get_paginator("list_accounts").paginate()
        accounts = [account for page in pages for account in page["Accounts"]]
    return tuple(sorted(account["Id"] for account in accounts if account["Status"] == "ACTIVE"))
