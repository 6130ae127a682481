"""Which failures an alert was sent about: on record, and in this runner's memory."""

from __future__ import annotations

import contextlib
import time
from typing import Callable, Dict, Optional, Sequence, Tuple

from quick_jobs.alerting.asking import Asker, NoAnswer
from quick_jobs.alerting.backoff import Backoff
from quick_jobs.alerting.streaks import is_told


class Told:
    """Remembers for each job the last failure that an alert was sent about.

    What could not be sent is an alert again at the job's next failure, after the
    :class:`Backoff`. What could not be put on record comes again after a restart.
    """

    def __init__(self, asker: Asker, clock: Callable[[], float] = time.monotonic) -> None:
        self._asker = asker
        self._clock = clock
        self._backoff = Backoff()
        self._alerted_at: Dict[str, float] = {}

    def is_quiet(self, name: str) -> bool:
        """Return whether a job's failures make no alert again: one was sent, or cannot be now."""
        return name in self._alerted_at or self._backoff.is_waiting(self._clock())

    def forget(self, name: str) -> None:
        """Forget the alerts of a job, as it has succeeded since."""
        self._alerted_at.pop(name, None)

    def learn(
        self, name: str, ends: Sequence[Tuple[str, float]], alerted_at: Optional[float]
    ) -> None:
        """Take in what the history knows of a job."""
        remembered = self._alerted_at.pop(name, None)
        known = [at for at in (alerted_at, remembered) if at is not None]
        if known and is_told(ends, max(known)):
            self._alerted_at[name] = max(known)

    def sent(self, name: str, at: float) -> None:
        """Put on record that an alert of the failure that ended ``at`` has been sent."""
        self._alerted_at[name] = at
        with contextlib.suppress(NoAnswer):
            self._asker.ask(lambda past: past.put_alert_on_record(name, at))

    def can_send(self, is_so: bool) -> None:
        """Note whether the last alert, of whatever kind, could be sent."""
        if is_so:
            self._backoff.succeeded()
        else:
            self._backoff.failed(self._clock())
