"""Who wants to know how a runner is doing. The runner's loop calls these, and waits for none."""

from __future__ import annotations

from typing import Optional

from quick_jobs.runner.running import RunningExecutions


class Observer:
    """Is told of nothing, and costs nothing; others do something about it. Nothing may raise.

    Times are in monotonic seconds.
    """

    def next_check(self) -> Optional[float]:
        """Return when :meth:`look` is to be called next, whatever happens."""
        return None

    def look(self, now: float, is_stopping: bool, running: RunningExecutions) -> None:
        """Take note of a step of the loop."""


NOBODY = Observer()
