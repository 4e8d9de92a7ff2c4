"""How long the tables keep an item: DynamoDB's time to live, by the attribute `expires_at`.

DynamoDB removes an expired item within days (Developer Guide, "Using time to live"); until then it
is passed over wherever it is read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

ATTRIBUTE = "expires_at"
"""Epoch seconds, as the tables' schemas name it."""


@lru_cache(maxsize=64)
def expires_with_run(run_id: str, days: int) -> dict[str, int]:
    """The attribute of everything that belongs to run `run_id`: all of it expires at one moment,
    `days` after the run began. Nothing for an id that does not begin with a time."""
    try:
        began = datetime.strptime(run_id[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return {}
    return {ATTRIBUTE: int((began + timedelta(days=days)).timestamp())}


def is_expired(item: Mapping[str, Any]) -> bool:
    """Whether the item's time is past."""
    expires = item.get(ATTRIBUTE)
    return expires is not None and expires <= time.time()
