"""A job in the schedule that starts once, now, and again only if it asks to. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Optional

from quick_jobs.runner.scheduled_job import ScheduledJob

if TYPE_CHECKING:
    from quick_jobs.registration import RegisteredJob


class SingleStart(ScheduledJob):
    """``was_due_at`` is when it was due, as POSIX time; without one it is due when it starts."""

    __slots__ = ("_was_due_at",)

    def __init__(
        self, job: RegisteredJob, order: int, now: float, was_due_at: Optional[float] = None
    ) -> None:
        super().__init__(job, order, now)
        self._was_due_at = was_due_at

    def start(self, now: float, offset: float, chance: float) -> bool:
        self.due_at = now + offset if self._was_due_at is None else self._was_due_at
        self._was_due_at = None
        return True

    def end(self, now: float, offset: float, rerun: bool) -> None:
        self.due = now if rerun else math.inf
