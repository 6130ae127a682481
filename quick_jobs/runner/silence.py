"""What to do about a recorder that gets no answer. Pure: the caller gives the time."""

from __future__ import annotations

import enum
from typing import Optional

# Seconds without an answer until a line in the log.
_WARN_AFTER = 10.0

# Seconds without an answer until a connection is considered dead, unless heartbeats are written
# less often.
_BREAK_OFF_AFTER = 30.0

# The same for a stopping runner: half of the usual stop timeout, which leaves time for a new
# connection, or for a database that is only slow.
_BREAK_OFF_AFTER_AT_STOP = 2.5

# A call younger than this, in seconds, may be answered any moment. Checking each such call would
# wake an idle runner.
_NOTICED_AFTER = 0.5


class Action(enum.Enum):
    """What to do now."""

    WARN = "warn"
    BREAK_OFF = "break off"


class Silence:
    """Follows the recorder's calls to its database, each known by when it began.

    A call may take long for a good reason, such as a lock. So each call that is
    broken off doubles the wait for the next one, until the database answers.
    """

    def __init__(self, heartbeat_interval: float) -> None:
        self._first_patience = max(_BREAK_OFF_AFTER, heartbeat_interval)
        self._patience = self._first_patience
        self._patience_at_stop = _BREAK_OFF_AFTER_AT_STOP
        self._call: Optional[float] = None
        self._is_warned = False
        self._is_broken_off = False

    def answered(self) -> None:
        """Start over: the database answers."""
        self._patience = self._first_patience

    def next_check(self, since: Optional[float], now: float, is_stopping: bool) -> Optional[float]:
        """Return when to ask for an :meth:`action`; ``since`` is when the call began, if any."""
        if since is None or (now - since < _NOTICED_AFTER and not is_stopping):
            return None
        self._follow(since)
        moments = []
        if not self._is_warned:
            moments.append(since + _WARN_AFTER)
        if not self._is_broken_off:
            moments.append(since + self._limit(is_stopping))
        return min(moments, default=None)

    def action(self, since: Optional[float], now: float, is_stopping: bool) -> Optional[Action]:
        """Return what to do about the call that began ``since``. Each action comes once."""
        if since is None or now - since < _NOTICED_AFTER:
            return None
        self._follow(since)
        if not self._is_broken_off and now >= since + self._limit(is_stopping):
            self._is_warned = self._is_broken_off = True
            self._patience *= 2
            if is_stopping:
                self._patience_at_stop *= 2
            return Action.BREAK_OFF
        if not self._is_warned and now >= since + _WARN_AFTER:
            self._is_warned = True
            return Action.WARN
        return None

    def _follow(self, since: float) -> None:
        if since != self._call:
            self._call = since
            self._is_warned = self._is_broken_off = False

    def _limit(self, is_stopping: bool) -> float:
        return self._patience_at_stop if is_stopping else self._patience
