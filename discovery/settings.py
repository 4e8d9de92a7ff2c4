"""Environment -> frozen `Settings`. The only reader of the environment in the product."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from discovery.errors import ConfigurationError
from discovery.partitions import partition_of

ORGANIZATION = "organization"
ALL_REGIONS = "all"
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_PARENT = re.compile(r"r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}")
"""A root or an organizational unit (Organizations API reference, ListAccountsForParent)."""


class Settings(BaseModel):
    """Each field's `alias` is its environment variable.

    `accounts` is a tuple of 12-digit account ids, or `("organization",)` for every active account
    of the organisation, of which `units`, if any, are the roots and organizational units to take.
    `regions` is a tuple of region names, or `("all",)` for those that each account has enabled.
    Times are seconds.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    accounts: Annotated[tuple[str, ...], Field(alias="SPOKE_ACCOUNTS")] = ()
    units: Annotated[tuple[str, ...], Field(alias="DISCOVERY_OUS")] = ()
    home_region: Annotated[str, Field(alias="AWS_REGION")] = "eu-west-1"
    regions: Annotated[tuple[str, ...], Field(alias="DISCOVERY_REGIONS")] = ()
    role_name: Annotated[str, Field(alias="SPOKE_ROLE_NAME")] = "DBDiscoverySpokeRole"
    external_id: Annotated[str | None, Field(alias="DISCOVERY_EXTERNAL_ID")] = None
    results_table: Annotated[str, Field(alias="DISCOVERY_RESULTS_TABLE")] = "db-discovery-results"
    runs_table: Annotated[str, Field(alias="DISCOVERY_RUNS_TABLE")] = "db-discovery-runs"
    document_name: Annotated[str, Field(alias="DISCOVERY_DOCUMENT")] = "DBDiscovery-Probe"
    script_bucket: Annotated[str | None, Field(alias="DISCOVERY_SCRIPT_BUCKET")] = None
    output_bucket: Annotated[str | None, Field(alias="DISCOVERY_OUTPUT_BUCKET")] = None
    command_timeout: Annotated[int, Field(alias="COMMAND_TIMEOUT", ge=30, le=3600)] = 60
    scope_workers: Annotated[int, Field(alias="DISCOVERY_SCOPE_WORKERS", ge=1, le=64)] = 16
    answer_seconds: Annotated[int, Field(alias="DISCOVERY_ANSWER_SECONDS", ge=0, le=86400)] = 600
    lease_seconds: Annotated[int, Field(alias="DISCOVERY_LEASE_SECONDS", ge=2, le=3600)] = 60
    history_days: Annotated[int, Field(alias="DISCOVERY_HISTORY_DAYS", ge=1, le=36500)] = 400
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
    host_names: Annotated[tuple[str, ...], Field(alias="DISCOVERY_HOST_NAMES")] = ()
    require_sign_in: Annotated[bool | None, Field(alias="DISCOVERY_REQUIRE_SIGN_IN")] = None

    @field_validator(
        "accounts", "units", "regions", "environment_tags", "host_names", mode="before"
    )
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

    @field_validator("units")
    @classmethod
    def _check_units(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for unit in value:
            if not _PARENT.fullmatch(unit):
                raise ValueError(f"{unit!r} is not the id of an organizational unit or a root")
        if value and info.data.get("accounts", (ORGANIZATION,)) != (ORGANIZATION,):
            raise ValueError(
                "it chooses among the organisation's accounts, and SPOKE_ACCOUNTS "
                "is not 'organization'"
            )
        return tuple(dict.fromkeys(value))

    @field_validator("regions")
    @classmethod
    def _check_regions(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value == (ALL_REGIONS,):
            return value
        for region in value:
            check_region(region, info.data.get("home_region", region))
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
        """The regions to discover: those configured, else the home region; `("all",)` for those
        that each account has enabled."""
        return self.regions or (self.home_region,)

    @property
    def all_regions(self) -> bool:
        """Whether each account says itself which regions to discover."""
        return self.regions == (ALL_REGIONS,)

    def placeholders(self, **more: str) -> dict[str, str]:
        """What the settings say about the placeholders of the deployable artefacts.

        `more` adds the rest, such as `MANAGEMENT_ACCOUNT_ID` and `SPOKE_ACCOUNT_ID`.
        """
        partition = partition_of(self.home_region)
        return {
            "PARTITION": partition.name,
            "DNS_SUFFIX": partition.dns_suffix,
            "HOME_REGION": self.home_region,
            "EXTERNAL_ID": self.external_id or "",
            "SCRIPT_BUCKET": self.script_bucket or "",
            "OUTPUT_BUCKET": self.output_bucket or "",
            "RESULTS_TABLE": self.results_table,
            "RUNS_TABLE": self.runs_table,
            "DOCUMENT_NAME": self.document_name,
            "SPOKE_ROLE_NAME": self.role_name,
            "SPOKE_ACCOUNTS": ",".join(self.accounts),
            "DISCOVERY_REGIONS": ",".join(self.scan_regions),
            **more,
        }


def check_region(region: str, home_region: str) -> None:
    """Raises ValueError for what is no region's name, or is in another partition than the home
    region: no role of one partition can be assumed from another."""
    if not _REGION.fullmatch(region):
        alone = ": 'all' stands alone" if region == ALL_REGIONS else ""
        raise ValueError(f"{region!r} is not an AWS region name{alone}")
    home, other = partition_of(home_region).name, partition_of(region).name
    if other != home:
        raise ValueError(
            f"{region!r} is in partition {other}, and the home region {home_region!r} in {home}: "
            "a run lives in one partition"
        )


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
