"""Environment -> frozen `Settings`. The only reader of the environment in the product."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from discovery.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: `iam/`, `ssm/` and `schema/` are read from here."""

ORGANIZATION = "organization"
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


class Settings(BaseModel):
    """Each field's `alias` is its environment variable.

    `accounts` is a tuple of 12-digit account ids, or `("organization",)` for every active account
    of the organisation. Times are seconds.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    accounts: Annotated[tuple[str, ...], Field(alias="SPOKE_ACCOUNTS")] = ()
    regions: Annotated[tuple[str, ...], Field(alias="DISCOVERY_REGIONS")] = ()
    home_region: Annotated[str, Field(alias="AWS_REGION")] = "eu-west-1"
    role_name: Annotated[str, Field(alias="SPOKE_ROLE_NAME")] = "DBDiscoverySpokeRole"
    external_id: Annotated[str | None, Field(alias="DISCOVERY_EXTERNAL_ID")] = None
    results_table: Annotated[str, Field(alias="DISCOVERY_RESULTS_TABLE")] = "db-discovery-results"
    runs_table: Annotated[str, Field(alias="DISCOVERY_RUNS_TABLE")] = "db-discovery-runs"
    document_name: Annotated[str, Field(alias="DISCOVERY_DOCUMENT")] = "DBDiscovery-Probe"
    script_bucket: Annotated[str | None, Field(alias="DISCOVERY_SCRIPT_BUCKET")] = None
    output_bucket: Annotated[str | None, Field(alias="DISCOVERY_OUTPUT_BUCKET")] = None
    command_timeout: Annotated[int, Field(alias="COMMAND_TIMEOUT", ge=30, le=3600)] = 60
    scope_workers: Annotated[int, Field(alias="DISCOVERY_SCOPE_WORKERS", ge=1, le=64)] = 16
    lease_seconds: Annotated[int, Field(alias="DISCOVERY_LEASE_SECONDS", ge=2, le=3600)] = 60
    gone_ttl_days: Annotated[int, Field(alias="DISCOVERY_GONE_TTL_DAYS", ge=1, le=3650)] = 90
    stale_days: Annotated[int, Field(alias="DISCOVERY_STALE_DAYS", ge=1, le=3650)] = 7
    connections: Annotated[bool, Field(alias="DISCOVERY_CONNECTIONS")] = False
    growth_percent: Annotated[int, Field(alias="DISCOVERY_GROWTH_PERCENT", ge=1, le=10000)] = 25
    environment_tags: Annotated[tuple[str, ...], Field(alias="DISCOVERY_ENVIRONMENT_TAGS")] = (
        "Environment",
        "environment",
        "Env",
        "env",
        "Stage",
    )
    spool_dir: Annotated[Path | None, Field(alias="DISCOVERY_SPOOL_DIR")] = None
    dead_letter_queue: Annotated[str | None, Field(alias="DISCOVERY_DLQ_URL")] = None
    endpoint_url: Annotated[str | None, Field(alias="AWS_ENDPOINT_URL")] = None
    sandbox: Annotated[bool, Field(alias="DISCOVERY_SANDBOX")] = False

    @field_validator("accounts", "regions", "environment_tags", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("accounts")
    @classmethod
    def _check_accounts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value == (ORGANIZATION,):
            return value
        for account in value:
            if not _ACCOUNT.fullmatch(account):
                raise ValueError(f"{account!r} is not a 12-digit account id, nor 'organization'")
        return tuple(dict.fromkeys(value))

    @field_validator("regions")
    @classmethod
    def _check_regions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for region in value:
            if not _REGION.fullmatch(region):
                raise ValueError(f"{region!r} is not an AWS region name")
        return tuple(dict.fromkeys(value))

    @property
    def spool_folder(self) -> Path:
        """Where results go that DynamoDB does not take: `spool_dir`, else the user's state folder,
        else, where there is no home to write to (Lambda), the temporary folder."""
        if self.spool_dir:
            return self.spool_dir
        try:
            folder = Path.home() / ".local" / "state" / "database-discovery"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except (OSError, RuntimeError):
            return Path(tempfile.gettempdir()) / "database-discovery"
        return folder

    @property
    def scan_regions(self) -> tuple[str, ...]:
        """The regions to discover: those configured, else the home region."""
        return self.regions or (self.home_region,)


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environment`, by default the process's; an empty variable counts as unset.

    Raises ConfigurationError naming the variable and its value.
    """
    values = os.environ if environment is None else environment
    try:
        return Settings.model_validate({name: value for name, value in values.items() if value})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise ConfigurationError(
            f"{name}={first['input']!r}: {first['msg'].removeprefix('Value error, ')}",
            hint=f"Correct the environment variable {name}.",
        ) from error
