"""A run's sign of life: its lease renewed, its progress stored, a cancellation heard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag

from discovery.aws.lease import Lease
from discovery.clock import Clock
from discovery.errors import AwsError, LeaseLostError
from discovery.model import RunRecord

_log = logging.getLogger(__name__)


class Heartbeat:
    """Beats while a run goes on: every `progress_seconds`, `store` gets what `progress` gives and
    says whether the run's cancellation was asked for.

    When it was, or the lease is lost, `cancelled` is set; when the lease is lost, `taken_over`
    before that. A lease that was not renewed for its length is lost, whatever kept it from that.
    """

    def __init__(
        self,
        lease: Lease,
        store: Callable[[RunRecord], bool],
        clock: Clock,
        progress: Callable[[], RunRecord],
        *,
        progress_seconds: float,
        cancelled: Flag,
    ) -> None:
        self._lease = lease
        self._store = store
        self._clock = clock
        self._progress = progress
        self._renewal = lease.seconds / 3
        self._seconds = min(progress_seconds, self._renewal)
        self._renew_at = clock.monotonic() + self._renewal
        self._cancelled = cancelled
        self._lost: LeaseLostError | None = None
        self.taken_over = Flag()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beat while the body runs. Raises LeaseLostError after it when the lease was lost."""
        with self._clock.every(self._seconds, self._beat):
            yield
        self.check()
        if self._lost:
            raise self._lost

    def check(self) -> None:
        """Notice a lease that may have lapsed. The work itself asks, as a beat can hang in a call
        that is not answered."""
        try:
            self._lease.check()
        except LeaseLostError as error:
            self._lose(error)

    def _beat(self) -> bool:
        """False when there is nothing left to keep alive."""
        try:
            self._renew_and_store()
        except LeaseLostError as error:
            self._lose(error)
        except AwsError as error:
            _log.warning("heartbeat: %s", error)
        except Exception:  # a defect met in one beat, or a reply that makes no sense
            _log.exception("heartbeat failed")
        self.check()
        return self._lost is None

    def _renew_and_store(self) -> None:
        if self._clock.monotonic() >= self._renew_at:
            self._lease.renew()
            self._renew_at = self._clock.monotonic() + self._renewal
        if self._store(self._progress()):
            self._cancelled.set()

    def _lose(self, error: LeaseLostError) -> None:
        if self._lost is None:
            _log.warning("the run stops: %s", error)
            self._lost = error
        self.taken_over.set()
        self._cancelled.set()
