"""boto3 clients of the sandbox's own endpoint, with credentials of an account's owner or role."""

from __future__ import annotations

from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

from sandbox.iam import Access

SECRET_KEY = "sandbox-secret-key"  # noqa: S105 - opens nothing but the sandbox
SESSION_TOKEN = "sandbox-session-token"  # noqa: S105 - the same
_CONFIG = Config(retries={"total_max_attempts": 1}, max_pool_connections=16)


class Clients:
    """Makes each access key and each client once. Safe for several threads."""

    def __init__(self, access: Access, url: str) -> None:
        self._access = access
        self._url = url
        self._session: Any = boto3.Session()  # its typed overloads want a literal service name
        self._keys: dict[tuple[str, str | None], str] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._lock = Lock()  # using a client is thread-safe, making one is not

    def access_key(self, account: str, role: str | None = None) -> str:
        """The access key of a role of `account`, or of its owner for None."""
        with self._lock:
            if (account, role) not in self._keys:
                self._keys[account, role] = self._access.issue_key(account, role)
            return self._keys[account, role]

    def client(self, service: str, account: str, region: str, role: str | None = None) -> Any:
        """A boto3 client of a role of `account`, or of its owner for None."""
        access_key = self.access_key(account, role)
        with self._lock:
            key = (service, access_key, region)
            if key not in self._clients:
                self._clients[key] = self._session.client(
                    service,
                    endpoint_url=self._url,
                    region_name=region,
                    aws_access_key_id=access_key,
                    aws_secret_access_key=SECRET_KEY,
                    aws_session_token=SESSION_TOKEN,
                    config=_CONFIG,
                )
            return self._clients[key]
