"""What the newest executions say about a job or a runner: pure."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple, Optional, Sequence

from quick_jobs.admin.execution_view import ExecutionView
from quick_jobs.health.streaks import failing_streak, median, typical_duration
from quick_jobs.models import JobExecution

#: An execution that exceeds the typical duration by less than this is not called long.
_NOT_WORTH_A_WORD = dt.timedelta(seconds=1)


class RecentExecutions(NamedTuple):
    """The newest executions of a job or a runner, the newest first."""

    executions: Sequence[ExecutionView]

    @property
    def last(self) -> Optional[ExecutionView]:
        return self.executions[0] if self.executions else None

    @property
    def ended(self) -> int:
        """How many have ended."""
        return sum(execution.state != JobExecution.RUNNING for execution in self.executions)

    @property
    def failures(self) -> int:
        return sum(execution.went_wrong for execution in self.executions)

    @property
    def last_failure(self) -> Optional[ExecutionView]:
        return next(
            (execution for execution in self.executions if execution.went_wrong),
            None,
        )

    @property
    def failing_since(self) -> Optional[dt.datetime]:
        """When the first of the current failures in a row started."""
        streak = failing_streak(self.executions)
        return streak.since if streak else None

    @property
    def seen_until(self) -> Optional[dt.datetime]:
        """The last moment that is known from those that have ended."""
        return max(
            (
                execution.started_at + (execution.duration or dt.timedelta(0))
                for execution in self.executions
                if execution.state != JobExecution.RUNNING
            ),
            default=None,
        )

    @property
    def is_last_long(self) -> bool:
        """Whether the last one took, or has taken so far, more than twice the typical duration."""
        typical, last = self.typical_duration, self.last
        if typical is None or last is None or last.duration is None:
            return False
        return last.duration > max(2 * typical, typical + _NOT_WORTH_A_WORD)

    @property
    def typical_duration(self) -> Optional[dt.timedelta]:
        """The median duration of those that succeeded."""
        return typical_duration(self.executions)

    @property
    def typical_lateness(self) -> Optional[dt.timedelta]:
        """The median lateness of those for which it is known."""
        return median(
            execution.lateness for execution in self.executions if execution.lateness is not None
        )

    @property
    def worst_lateness(self) -> Optional[dt.timedelta]:
        return max(
            (execution.lateness for execution in self.executions if execution.lateness is not None),
            default=None,
        )
