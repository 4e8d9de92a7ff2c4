"""Request budgets: how often each API may be called in one account and region, learned from AWS.

EC2 and Systems Manager throttle each API for itself, by account and region (EC2 developer guide,
"Request throttling for the Amazon EC2 API": describing refills at 20 requests a second; Systems
Manager publishes no figures). Keeping to a budget wastes no request on a refusal and leaves room
for the account's other users. botocore's own rate limiter knows clients only: one throttled API
would slow the others that a client serves.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial
from threading import Lock
from typing import Any

from discovery.aws.errors import is_throttle
from discovery.clock import Clock

FIRST_RATE = 10.0
HIGHEST_RATE = 20.0
LOWEST_RATE = 0.5
"""Requests a second."""
BURST_SECONDS = 1.0
_RISE = 0.1
_CUT = 0.5


class Budget:
    """A token bucket for one API of one account and region. Safe across threads.

    Each throttled request halves the rate, at most once a second: requests in flight together are
    refused together. Each served one raises it a little.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._rate = FIRST_RATE
        self._next = clock.monotonic() - BURST_SECONDS
        self._cut_again = clock.monotonic()

    @property
    def rate(self) -> float:
        """Requests a second that are sent at most."""
        return self._rate

    def spend(self) -> None:
        """Wait until one more request may be sent; a little longer at random, so that processes
        that were refused together do not come back together."""
        with self._lock:
            now = self._clock.monotonic()
            start = max(self._next, now - BURST_SECONDS)
            self._next = start + 1 / self._rate
            wait = start - now
        if wait > 0:
            self._clock.sleep(wait + random.uniform(0, 0.1) * wait)  # noqa: S311 - spreads only

    def served(self) -> None:
        """A request was answered."""
        with self._lock:
            self._rate = min(self._rate + _RISE, HIGHEST_RATE)

    def throttled(self) -> None:
        """A request was refused for being one too many."""
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._cut_again:
                self._rate = max(self._rate * _CUT, LOWEST_RATE)
                self._next = max(self._next, now + 1 / self._rate)
                self._cut_again = now + 1


class Budgets:
    """The budgets of one run or server. Safe across threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._budgets: dict[tuple[str, str, str], Budget] = {}

    def budget_for(self, account_id: str, region: str, api: str) -> Budget:
        """The budget of an API, such as "ssm:SendCommand", in an account and region."""
        key = (account_id, region, api)
        with self._lock:
            if key not in self._budgets:
                self._budgets[key] = Budget(self._clock)
            return self._budgets[key]

    def watch(self, client: Any, account_id: str, region: str) -> None:
        """Hold every request of `client` to its API's budget, retries included."""
        events = client.meta.events
        events.register("before-send", partial(self._before_send, account_id, region))
        events.register("response-received", partial(self._response, account_id, region))

    def _before_send(
        self, account_id: str, region: str, event_name: str, **_request: object
    ) -> None:
        self.budget_for(account_id, region, _api(event_name)).spend()

    def _response(
        self,
        account_id: str,
        region: str,
        event_name: str,
        parsed_response: Mapping[str, Any] | None,
        **_response: object,
    ) -> None:
        """`parsed_response` is None when no answer came: that says nothing of the budget."""
        if parsed_response is None:
            return
        budget = self.budget_for(account_id, region, _api(event_name))
        if is_throttle(parsed_response.get("Error", {}).get("Code", "")):
            budget.throttled()
        else:
            budget.served()


def _api(event_name: str) -> str:
    """`before-send.ssm.SendCommand` -> `ssm:SendCommand`."""
    _, service, operation = event_name.split(".", 2)
    return f"{service}:{operation}"
