"""When what could not be sent may be sent again. Pure: the caller gives the times."""

from __future__ import annotations

import math

# Seconds after a failure, doubled with each in a row: a mail server that restarts is soon back, and
# one that hangs takes 30 s each time.
_FIRST = 60.0
_LONGEST = 3600.0


class Backoff:
    """Counts the failures in a row, of all that is sent."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = -math.inf

    def is_waiting(self, now: float) -> bool:
        """Return whether it is too early to send again what could not be sent."""
        return now < self._until

    def failed(self, now: float) -> None:
        self._until = now + min(_LONGEST, _FIRST * 2 ** min(self._failures, 10))
        self._failures += 1

    def succeeded(self) -> None:
        self._failures = 0
        self._until = -math.inf
