"""When to look at a command: first when most of its hosts should be done, then ever less often."""

from __future__ import annotations

from collections import deque
from threading import Lock

_UNKNOWN_SECONDS = 3.5
_UNKNOWN_SECONDS_OF_MANY = 12.0
_SHORTEST_SECONDS = 2.0
_MOST = 0.97
_REMEMBERED = 500
_ENOUGH = 20
_GROWTH = 3.0
_LONGEST_DELAY_SECONDS = 30.0
_SETTLED_SECONDS = 3.0
_MANY = 20
_FEW = 0.1
_LONGEST_WAIT_FOR_FEW_SECONDS = 60.0


class Looks:
    """Learns how long hosts take, from this run and what the last one had learned.

    `limit` is the seconds after which Systems Manager ends the command on a host: what is not done
    well before then mostly ends right after it, so one look is kept for that moment. A look at a
    command of many hosts costs as much when only a few are left as when all are: those few are
    worth one look more, not several.
    """

    def __init__(self, learned: float | None, limit: float) -> None:
        self._learned = learned
        self._settled = limit + _SETTLED_SECONDS
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)
        self._lock = Lock()

    def saw(self, seconds: float) -> None:
        """A host has answered `seconds` after its command was sent."""
        with self._lock:
            self._seconds.append(seconds)

    @property
    def learned(self) -> float | None:
        """Seconds within which most hosts answer; None while too few have been seen."""
        with self._lock:
            if len(self._seconds) < _ENOUGH:
                return self._learned
            return sorted(self._seconds)[int(len(self._seconds) * _MOST)]

    def first(self, hosts: int) -> float:
        """Seconds from sending a command to `hosts` hosts to the first look at it."""
        unknown = _UNKNOWN_SECONDS if hosts < _MANY else _UNKNOWN_SECONDS_OF_MANY
        return min(max(self.learned or unknown, _SHORTEST_SECONDS), self._settled)

    def after(self, elapsed: float, hosts: int, waiting: int) -> float:
        """Seconds from sending to the look that follows one at `elapsed` seconds, which left
        `waiting` of the command's `hosts` without an answer."""
        following = elapsed + min(elapsed * (_GROWTH - 1), _LONGEST_DELAY_SECONDS)
        following = max(following, elapsed + _SHORTEST_SECONDS)
        left = self._settled - elapsed
        few_left = hosts >= _MANY and waiting <= hosts * _FEW
        soon = left <= _LONGEST_WAIT_FOR_FEW_SECONDS if few_left else following > self._settled
        return self._settled if left > 1 and soon else following
