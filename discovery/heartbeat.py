"""A run's sign of life: its lease renewed, its progress stored, a cancellation heard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag

from discovery.aws.lease import Lease
from discovery.aws.runs import RunStore
from discovery.errors import AwsError, LeaseLostError
from discovery.model import RunRecord
from discovery.schedule import Clock

_log = logging.getLogger(__name__)
_PROGRESS_SECONDS = 1.0


class Heartbeat:
    """Beats while a run goes on. When the run is cancelled from outside, or its lease is lost, it
    sets `cancelled`; when the lease is lost, `taken_over` before that."""

    def __init__(
        self,
        lease: Lease,
        runs: RunStore,
        clock: Clock,
        progress: Callable[[], RunRecord],
        *,
        lease_seconds: float,
        cancelled: Flag,
    ) -> None:
        self._lease = lease
        self._runs = runs
        self._clock = clock
        self._progress = progress
        self._renewal = lease_seconds / 3
        self._renew_at = clock.monotonic() + self._renewal
        self._cancelled = cancelled
        self._lost: LeaseLostError | None = None
        self.taken_over = Flag()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beat while the body runs. Raises LeaseLostError after it when the lease was lost."""
        with self._clock.every(min(_PROGRESS_SECONDS, self._renewal), self._beat):
            yield
        if self._lost:
            raise self._lost

    def _beat(self) -> bool:
        """False when there is nothing left to keep alive."""
        try:
            if self._clock.monotonic() >= self._renew_at:
                self._lease.renew()
                self._renew_at = self._clock.monotonic() + self._renewal
            if self._runs.save_progress(self._progress()):
                self._cancelled.set()
        except LeaseLostError as error:
            self._lost = error
            self.taken_over.set()
            self._cancelled.set()
            return False
        except AwsError as error:
            _log.warning("heartbeat: %s", error)
        return True
