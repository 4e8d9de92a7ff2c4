"""The time by which stored things are dated and ordered: DynamoDB's, not this machine's.

Every reply of DynamoDB has a `Date` header (HTTP, RFC 9110 section 6.6.1), to the second. A run's
clock is this machine's, moved by the least that agrees with what the last reply said; a machine
whose clock is right is not moved at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any

from discovery.aws.errors import aws_errors
from discovery.aws.session import Aws
from discovery.clock import Clock

LEASE_KEY = {"pk": "LEASE", "sk": "LEASE"}
WORTH_SAYING = timedelta(minutes=1)
"""A clock that is off by more is told to whoever looks after the machine."""
_DATE_GRAIN = timedelta(seconds=1)


class StoreClock(Clock):
    """`now` is DynamoDB's time, as far as its replies have told; the rest is `clock`'s.

    Between two replies time goes by the monotonic clock: setting this machine's clock changes
    nothing. Safe across threads.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._lock = Lock()
        self._began = self._clock.now()
        self._began_monotonic = self._clock.monotonic()
        self._offset = timedelta(0)
        self.is_told = False
        """Whether a reply has said the time."""

    def now(self) -> datetime:
        """The date and time by DynamoDB, UTC."""
        with self._lock:
            return self._at(self._clock.monotonic()) + self._offset

    def monotonic(self) -> float:
        """As the clock beneath."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """As the clock beneath."""
        self._clock.sleep(seconds)

    @contextmanager
    def every(self, seconds: float, do: Callable[[], bool]) -> Iterator[None]:
        """As the clock beneath."""
        with self._clock.every(seconds, do):
            yield

    @property
    def machine_now(self) -> datetime:
        """The date and time by this machine: what a deadline given by this machine is held to."""
        return self._clock.now()

    @property
    def machine_off(self) -> timedelta:
        """How far this machine's clock is ahead of DynamoDB's; negative when it is behind."""
        return self._clock.now() - self.now()

    @contextmanager
    def hearing(self) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        """Around one call: the body hands the reply to what this gives."""
        sent = self._clock.monotonic()
        yield lambda reply: self._hear(reply, sent)

    def ask(self, aws: Aws) -> None:
        """Learn the time by one small read of the runs table. Raises AwsError."""
        table = aws.table(aws.settings.runs_table)
        with aws_errors(), self.hearing() as heard:
            heard(table.get_item(Key=LEASE_KEY, ProjectionExpression="pk"))

    def _hear(self, reply: Mapping[str, Any], sent: float) -> None:
        """Move the clock by the least that agrees with `reply`, asked for at `sent`."""
        said = _date_of(reply)
        if said is None:
            return
        with self._lock:
            latest = said + _DATE_GRAIN - self._at(sent)
            earliest = said - self._at(self._clock.monotonic())
            self.is_told = True
            self._offset = max(min(self._offset, latest), earliest)

    def _at(self, monotonic: float) -> datetime:
        return self._began + timedelta(seconds=monotonic - self._began_monotonic)


def clock_warning(off: timedelta) -> str | None:
    """What to say of a machine's clock that is so far ahead; None when it is near enough."""
    if abs(off) <= WORTH_SAYING:
        return None
    way = "ahead of" if off > timedelta(0) else "behind"
    return f"this machine's clock is {abs(off).total_seconds():.0f} s {way} DynamoDB's"


def _date_of(reply: Mapping[str, Any]) -> datetime | None:
    """The reply's date; None when it has none that can be read."""
    metadata = reply.get("ResponseMetadata") or {}
    text = (metadata.get("HTTPHeaders") or {}).get("date")
    if not isinstance(text, str):
        return None
    try:
        said = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return said if said.tzinfo else said.replace(tzinfo=UTC)
