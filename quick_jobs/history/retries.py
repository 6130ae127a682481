"""When a failed write is tried again. Pure: the caller gives the time and the randomness."""

from __future__ import annotations

from typing import Optional

# Seconds between two tries while the database is away: short at first, as most outages are short,
# and never so long that its return seems unnoticed.
_FIRST_BACKOFF = 0.1
_LONGEST_BACKOFF = 2.0

# Seconds of failures after which a locked database is an outage. Before that, a job is using it.
_LONG_LOCK = 10.0


class Retries:
    """Counts the failures in a row. ``at`` is when to try again; None when all is well."""

    def __init__(self, now: float) -> None:
        self.failures = 0
        self.at: Optional[float] = now  # nothing has succeeded yet
        #: Whether the last failure is the one that makes it an outage.
        self.begins_outage = False
        #: Whether the next success comes after an outage.
        self.was_outage = False
        self._failing_since = now

    def failed(self, now: float, random: float, is_locked: bool = False) -> None:
        """Count a failure ``now``; ``random``, from 0 to 1, spreads the tries of many runners.

        After the first failure, the next try comes at once: a broken connection is not an outage.
        Neither is, for some seconds, a database that a job has locked (``is_locked``).
        """
        self.failures += 1
        if self.failures == 1:
            self._failing_since = now
        is_short_lock = is_locked and now - self._failing_since < _LONG_LOCK
        self.begins_outage = not self.was_outage and self.failures > 1 and not is_short_lock
        self.was_outage = self.was_outage or self.begins_outage
        backoff = 0.0
        if self.failures > 1 and is_locked:
            backoff = _FIRST_BACKOFF  # the try itself waits for the lock
        elif self.failures > 1:
            backoff = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(self.failures - 2, 10))
        self.at = now + backoff * (0.5 + random / 2)

    def at_once(self, now: float) -> None:
        """Try again ``now`` in another way, without counting a failure."""
        self.at = now

    def hurry(self, now: float) -> None:
        """Try again ``now``, if a retry is due at all: there may be no time for a later one."""
        if self.at is not None:
            self.at = now

    def succeeded(self) -> None:
        """Forget the failures."""
        self.failures = 0
        self.begins_outage = self.was_outage = False
        self.at = None

    def is_waiting(self, now: float) -> bool:
        """Return whether it is too early for the next try."""
        return self.at is not None and now < self.at
