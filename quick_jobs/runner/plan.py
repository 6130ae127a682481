"""A runner's plan: which jobs start when, and whether the runner ends by itself.

A plan fills the runner's schedule with jobs. :class:`Planning` lasts as long as
the runner; other plans end when all that they started has ended.
"""

from __future__ import annotations

import abc
from typing import Callable, Mapping, NamedTuple, Optional, Sequence

from quick_jobs.history.messages import LastStart
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.schedule import Schedule


class PlanEnd(NamedTuple):
    """Why the runner stops: a reason of :class:`JobRunner`, and a detail."""

    reason: str
    detail: str
    exit_status: int = 0


class Plan(abc.ABC):
    """Fills a schedule. Times are given in monotonic seconds, ``wall_now`` as POSIX time."""

    #: Why the runner has to stop now, or None.
    end: Optional[PlanEnd] = None

    #: The exit status, unless something else gives the runner a worse one.
    exit_status = 0

    @abc.abstractmethod
    def announce(self, now: float) -> None:
        """Log what people should know when the runner begins."""

    @abc.abstractmethod
    def next_check(self, now: float) -> Optional[float]:
        """Return when to call :meth:`check` next."""

    @abc.abstractmethod
    def check(self, now: float, wall_now: float) -> None:
        """Do what is due at this time."""

    @abc.abstractmethod
    def resume(self, last_starts: Mapping[str, LastStart], now: float) -> None:
        """Take the last starts from the history, by the job's name."""

    def ended(self, outcome: str, reruns: bool) -> None:  # noqa: B027
        """Note that an execution has ended; with ``reruns`` its job starts again."""


#: Makes a plan from a schedule, jobs, whether a history is kept, the heartbeat interval, and now.
NewPlan = Callable[[Schedule, Sequence[RegisteredJob], bool, float, float], Plan]
