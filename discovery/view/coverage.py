"""Which hosts the Coverage page shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from discovery.model import Coverage, HostRecord
from discovery.view.snapshot import Snapshot

# What needs a hand comes first.
STATE_ORDER = (
    Coverage.FAILED,
    Coverage.AGENT_OFFLINE,
    Coverage.NOT_MANAGED,
    Coverage.NOT_REACHED,
    Coverage.PENDING,
    Coverage.UNSUPPORTED_PLATFORM,
    Coverage.STOPPED,
    Coverage.TERMINATED,
    Coverage.SCANNED,
)


def chosen_hosts(snapshot: Snapshot, params: Mapping[str, Sequence[str]]) -> tuple[HostRecord, ...]:
    """The hosts that URL parameters select, those that were not scanned first.

    `state`, `account` and `region` hold alternatives; `q` words that must all occur.
    """
    words = " ".join(params.get("q", ())).casefold().split()
    states, accounts, regions = (frozenset(params.get(name, ())) for name in _PARAMS)
    return tuple(
        host
        for host in _ordered(snapshot)
        if _in(host.coverage.value, states)
        and _in(host.account_id, accounts)
        and _in(host.region, regions)
        and (not words or _holds_all(host, words))
    )


_PARAMS = ("state", "account", "region")


def _in(value: str, wanted: Collection[str]) -> bool:
    return not wanted or value in wanted


def _holds_all(host: HostRecord, words: Sequence[str]) -> bool:
    values = (host.instance_id, host.name, host.platform, host.environment, host.error)
    text = "\n".join(value for value in values if value).casefold()
    return all(word in text for word in words)


@lru_cache(maxsize=4)
def _ordered(snapshot: Snapshot) -> tuple[HostRecord, ...]:
    order = {state: place for place, state in enumerate(STATE_ORDER)}
    return tuple(
        sorted(
            snapshot.hosts,
            key=lambda host: (order[host.coverage], host.account_id, host.region, host.name or ""),
        )
    )


@lru_cache(maxsize=4)
def host_options(snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """For each filter parameter, the values that occur among the hosts."""
    return {
        "state": tuple(
            state for state in STATE_ORDER if any(host.coverage is state for host in snapshot.hosts)
        ),
        "account": tuple(sorted({host.account_id for host in snapshot.hosts})),
        "region": tuple(sorted({host.region for host in snapshot.hosts})),
    }
