"""When to poll a command: first when most of its hosts should be done, then ever less often."""

from __future__ import annotations

from collections import deque
from threading import Lock

_MANY_HOSTS = 20
"""Hosts of a command from which on it counts as one of many."""
_FIRST_POLL_SECONDS = 3.5
_FIRST_POLL_SECONDS_OF_MANY = 12.0
"""While nothing is known of how long hosts take."""
_SHORTEST_INTERVAL_SECONDS = 2.0
_LONGEST_INTERVAL_SECONDS = 30.0
_INTERVAL_GROWTH = 3.0
"""Each poll is so many times as late after sending as the one before it."""
_ANSWERS_REMEMBERED = 500
_ANSWERS_NEEDED = 20
_TYPICAL_SHARE = 0.97
"""The typical time is that within which this share of the hosts answers."""
_AFTER_TIME_LIMIT_SECONDS = 3.0
_FEW_SHARE = 0.1
_LONGEST_WAIT_FOR_FEW_SECONDS = 60.0


class PollTimes:
    """Learns how long hosts take, from this run and from what the last one had learned.

    `time_limit` is the seconds after which Systems Manager ends the command on a host. A host that
    is not done well before then mostly ends right after it, so one poll is kept for that moment. A
    poll of a command of many hosts costs as much when only a few are left as when all are: those
    few are worth one poll more, not several. Safe across threads.
    """

    def __init__(self, typical_seconds: float | None, time_limit: float) -> None:
        self._earlier_typical = typical_seconds
        self._settled = time_limit + _AFTER_TIME_LIMIT_SECONDS
        self._answers: deque[float] = deque(maxlen=_ANSWERS_REMEMBERED)
        self._lock = Lock()

    def record_answer(self, seconds: float) -> None:
        """A host has answered `seconds` after its command was sent."""
        with self._lock:
            self._answers.append(seconds)

    @property
    def typical_seconds(self) -> float | None:
        """Seconds within which most hosts answer; None while too few have answered."""
        with self._lock:
            if len(self._answers) < _ANSWERS_NEEDED:
                return self._earlier_typical
            return sorted(self._answers)[int(len(self._answers) * _TYPICAL_SHARE)]

    def first_poll(self, hosts: int) -> float:
        """Seconds from sending a command to `hosts` hosts to its first poll."""
        unknown = _FIRST_POLL_SECONDS if hosts < _MANY_HOSTS else _FIRST_POLL_SECONDS_OF_MANY
        seconds = self.typical_seconds or unknown
        return min(max(seconds, _SHORTEST_INTERVAL_SECONDS), self._settled)

    def next_poll(self, elapsed: float, hosts: int, waiting: int) -> float:
        """Seconds from sending to the poll that follows one at `elapsed` seconds, which left
        `waiting` of the command's `hosts` without an answer."""
        interval = min(elapsed * (_INTERVAL_GROWTH - 1), _LONGEST_INTERVAL_SECONDS)
        following = elapsed + max(interval, _SHORTEST_INTERVAL_SECONDS)
        left = self._settled - elapsed
        few_left = hosts >= _MANY_HOSTS and waiting <= hosts * _FEW_SHARE
        if few_left:
            wait_until_settled = left <= _LONGEST_WAIT_FOR_FEW_SECONDS
        else:
            wait_until_settled = following > self._settled
        return self._settled if left > 1 and wait_until_settled else following
