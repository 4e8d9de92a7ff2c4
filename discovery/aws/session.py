"""Clients for this account and, through the spoke role, for every other one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, partial
from threading import Lock
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.loaders import Loader, create_loader
from botocore.utils import parse_timestamp

from discovery import artefacts
from discovery.aws.budget import Budgets
from discovery.aws.errors import aws_errors
from discovery.aws.replies import ReplyCheck, ReplyParsers
from discovery.aws.usage import CallCounter
from discovery.clock import Clock
from discovery.errors import AwsError, FailureKind
from discovery.partitions import partition_of
from discovery.settings import Settings

_CONFIG = Config(
    retries={"mode": "adaptive", "total_max_attempts": 8},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=32,
    user_agent_extra="database-discovery",
)
_BUDGETED_CONFIG = _CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 8}))
"""For clients whose requests keep to budgets of their own: see budget.py."""
_BUDGETED = ("ec2", "ssm")


@cache
def _loader() -> Loader:
    """One loader for all sessions: EC2's API model alone takes tenths of a second to parse."""
    return create_loader()


def _session(region: str) -> botocore.session.Session:
    session = botocore.session.get_session()
    session.register_component("data_loader", _loader())
    session.register_component("response_parser_factory", ReplyParsers())
    session.set_config_variable("region", region)
    return session


def _fetch_living(fetcher: AssumeRoleCredentialFetcher) -> Mapping[str, str]:
    """Credentials of a role. Raises AwsError for such as have expired: botocore would raise a bare
    RuntimeError, in whichever call comes next."""
    credentials: Mapping[str, str] = fetcher.fetch_credentials()
    if parse_timestamp(credentials["expiry_time"]) <= datetime.now(UTC):
        raise AwsError(
            FailureKind.NO_CREDENTIALS,
            "AssumeRole",
            "ExpiredToken",
            f"its credentials ended at {credentials['expiry_time']}: is this clock right?",
        )
    return credentials


@cache
def shared_aws(settings: Settings) -> Aws:
    """The clients that a server's pages and routes share for as long as it lives."""
    return Aws(settings)


class Aws:
    """The AWS clients of one run or one server, and the count of calls they made.

    Clients are made once per (account, service, region); making one is not thread-safe in boto3,
    using one is.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.calls = CallCounter()
        self._replies = ReplyCheck()
        self.budgets = Budgets(clock or Clock())
        self._lock = Lock()
        self._home = _session(settings.home_region)
        self._spoke_locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._spokes: dict[str, botocore.session.Session | AwsError] = {}
        self._clients: dict[tuple[str | None, str, str], Any] = {}
        self._dynamodb: Any = None

    def home(self, service: str) -> Any:
        """A client of the account the product runs in, in the home region."""
        return self._client(None, self._home, service, self.settings.home_region)

    def spoke(self, account_id: str, service: str, region: str) -> Any:
        """A client with the spoke role of `account_id`.

        Raises AwsError ASSUME_ROLE_DENIED when the role cannot be assumed.
        """
        return self._client(account_id, self._spoke_session(account_id), service, region)

    def table(self, name: str) -> Any:
        """A boto3 DynamoDB `Table`: Python values in and out."""
        with self._lock:
            if self._dynamodb is None:
                with aws_errors():
                    session = boto3.Session(botocore_session=_session(self.settings.home_region))
                    self._dynamodb = session.resource("dynamodb", config=_CONFIG)
                self._watch(self._dynamodb.meta.client)
            return self._dynamodb.Table(name)

    def _client(
        self,
        account_id: str | None,
        session: botocore.session.Session,
        service: str,
        region: str,
    ) -> Any:
        key = (account_id, service, region)
        with self._lock:
            if key not in self._clients:
                budgeted = account_id is not None and service in _BUDGETED
                config = _BUDGETED_CONFIG if budgeted else _CONFIG
                with aws_errors():
                    client = session.create_client(service, region_name=region, config=config)
                self._watch(client)
                if account_id is not None and budgeted:
                    self.budgets.watch(client, account_id, region)
                self._clients[key] = client
            return self._clients[key]

    def _spoke_session(self, account_id: str) -> botocore.session.Session:
        """Asked for by every scope of an account; its role is assumed, or refused, once."""
        with self._lock:
            lock = self._spoke_locks[account_id]
        with lock:
            if account_id not in self._spokes:
                try:
                    self._spokes[account_id] = self._assume_role(account_id)
                except AwsError as error:
                    self._spokes[account_id] = error
        session = self._spokes[account_id]
        if isinstance(session, AwsError):
            raise session
        return session

    def _assume_role(self, account_id: str) -> botocore.session.Session:
        with aws_errors():
            fetcher = AssumeRoleCredentialFetcher(
                client_creator=self._watched_client,
                source_credentials=self._home.get_credentials(),
                role_arn=self._role_arn(account_id),
                extra_args=self._assume_role_arguments(),
            )
            credentials = DeferredRefreshableCredentials(
                method="assume-role", refresh_using=partial(_fetch_living, fetcher)
            )
            credentials.get_frozen_credentials()
        session = _session(self.settings.home_region)
        # botocore has no public way to give a session credentials that refresh themselves.
        session._credentials = credentials  # type: ignore[attr-defined]
        return session

    def _watched_client(self, service: str, **arguments: Any) -> Any:
        client = self._home.create_client(service, config=_CONFIG, **arguments)
        self._watch(client)
        return client

    def _watch(self, client: Any) -> None:
        """Count its calls, and let only those replies through that can be read."""
        self.calls.watch(client)
        self._replies.watch(client)

    def _role_arn(self, account_id: str) -> str:
        partition = partition_of(self.settings.home_region)
        return f"arn:{partition.name}:iam::{account_id}:role/{self.settings.role_name}"

    def _assume_role_arguments(self) -> dict[str, str]:
        """The session policy repeats the role's own: a role that was widened by mistake gives this
        product no more than what it needs."""
        arguments = {
            "RoleSessionName": "database-discovery",
            "Policy": artefacts.session_policy(self.settings.placeholders()),
        }
        if self.settings.external_id:
            arguments["ExternalId"] = self.settings.external_id
        return arguments
