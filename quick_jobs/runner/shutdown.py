"""The phases in which a runner stops, and the reason. Pure: the caller gives the time."""

from __future__ import annotations

import enum
from typing import Optional

# Seconds that the last writes get, at least: the jobs may have used up the stop timeout.
LAST_WRITES = 1.0


#: The detail of a runner that could not begin; the log has more.
REFUSED = "the history cannot be kept"


class Phase(enum.Enum):
    """What the runner is doing."""

    RUNNING = "running"
    STOPPING = "waiting for jobs to end"
    CLOSING = "waiting for the history"
    OVER = "over"


class Shutdown:
    """The first reason to stop counts, and the worst exit status.

    Jobs have ``stop_timeout`` seconds to end. The history has what is left of
    them, and at least a second.
    """

    def __init__(self, stop_timeout: float) -> None:
        self.phase = Phase.RUNNING
        self.reason = ""
        self.detail = ""
        self.exit_status = 0
        self.deadline: Optional[float] = None
        self._stop_timeout = stop_timeout

    def begin(self, reason: str, detail: str, exit_status: int, now: float) -> bool:
        """Begin to stop; return False if that had begun before."""
        self.exit_status = max(self.exit_status, exit_status)
        if self.phase is not Phase.RUNNING:
            return False
        self.phase = Phase.STOPPING
        self.reason = reason
        self.detail = detail
        self.deadline = now + self._stop_timeout
        return True

    def hurry(self, now: float) -> None:
        """Stop waiting for jobs that have not ended."""
        self.exit_status = 1
        self.deadline = now

    def is_late(self, now: float) -> bool:
        """Return whether the time of this phase is over."""
        return self.deadline is not None and now >= self.deadline

    def close(self, now: float) -> None:
        """All jobs have ended or been given up; the history is next."""
        self.phase = Phase.CLOSING
        self.deadline = max(self.deadline or now, now + LAST_WRITES)

    def finish(self) -> None:
        """There is nothing left to wait for."""
        self.phase = Phase.OVER
