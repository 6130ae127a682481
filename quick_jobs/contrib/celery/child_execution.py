"""An execution in a child, which Celery may terminate when its worker stops."""

from __future__ import annotations

import signal

from quick_jobs.models import JobExecution
from quick_jobs.runner.execution import Execution

# What billiard raises in a child's main thread at these signals.
_TERMINATIONS = [f"SystemExit: {number - 256:d}" for number in (signal.SIGTERM, signal.SIGQUIT)]


class ChildExecution(Execution):
    """An execution that has not failed, but was abandoned, if its process was terminated."""

    __slots__ = ()

    def end(self, outcome: str, duration: float, error: str = "", traceback: str = "") -> None:
        """Settle how it ended."""
        if outcome == JobExecution.FAILED and error in _TERMINATIONS:
            outcome, self.fingerprint = JobExecution.ABANDONED, ""
            error = "was still running when its process was terminated"
        super().end(outcome, duration, error, traceback)
