"""What a runner asks of its plan: which jobs start when, and whether it comes to an end by itself.

A plan fills the runner's schedule with jobs. :class:`Planning` goes on for as
long as the runner does; others are over when all that they started has ended.
"""

from __future__ import annotations

import abc
from typing import Callable, Mapping, NamedTuple, Optional, Sequence

from quick_jobs.history.messages import LastStart
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.schedule import Schedule


class PlanEnd(NamedTuple):
    """Why the runner stops: a reason of :class:`JobRunner`, and what more there is to say."""

    reason: str
    detail: str
    exit_status: int = 0


class Plan(abc.ABC):
    """Fills a schedule. Times are given in monotonic seconds, ``wall_now`` as POSIX time."""

    #: Why the runner is to stop now, or None.
    end: Optional[PlanEnd] = None

    #: The exit status of a runner that nothing else gives a worse one.
    exit_status = 0

    @abc.abstractmethod
    def announce(self, now: float) -> None:
        """Log what people should know as the runner begins."""

    @abc.abstractmethod
    def next_check(self, now: float) -> Optional[float]:
        """Return when :meth:`check` is to be called next."""

    @abc.abstractmethod
    def check(self, now: float, wall_now: float) -> None:
        """Take note of the time."""

    @abc.abstractmethod
    def resume(self, last_starts: Mapping[str, LastStart], now: float) -> None:
        """Take note of what the history says of last starts, by the job's name."""

    def ended(self, outcome: str, reruns: bool) -> None:  # noqa: B027
        """Take note of an execution that has ended; with ``reruns`` its job starts again."""


#: Makes a plan from a schedule, jobs, whether a history is kept, the heartbeat interval, and now.
NewPlan = Callable[[Schedule, Sequence[RegisteredJob], bool, float, float], Plan]
