"""Which jobs are due, and when next. Pure: the caller gives the time and the randomness."""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING, Callable, Iterable, List, Optional, Set, Tuple

from quick_jobs.runner.clock_job import ClockJob, Notice
from quick_jobs.runner.scheduled_job import ScheduledJob

if TYPE_CHECKING:
    from quick_jobs.history.messages import LastStart
    from quick_jobs.registration import RegisteredJob

# Seconds by which the wall clock may move against the monotonic one without effect on clock jobs.
_DRIFT = 1.0


class Schedule:
    """The jobs that wait for their next start, the soonest first.

    Monotonic seconds plus ``offset`` are POSIX time.
    """

    def __init__(
        self,
        jobs: Iterable[RegisteredJob],
        now: float,
        random: Callable[[], float],
        offset: float = 0.0,
    ) -> None:
        self._random = random
        self._offset = self._offset_of_dues = offset
        self._waiting: List[Tuple[float, int, ScheduledJob]] = []
        self.clock_jobs: List[ClockJob] = []
        # When clock jobs are woken, with their orders: reruns ask for the same ones repeatedly.
        self._wakes: Set[Tuple[float, int]] = set()
        #: Events that people should know.
        self.notices: List[Notice] = []
        self._orders = itertools.count()
        for job in jobs:
            self.add(job, now)

    def add(self, job: RegisteredJob, now: float, last: Optional[LastStart] = None) -> ScheduledJob:
        """Let ``job`` wait for its first start, or for the one after the ``last`` on record."""
        scheduled = self._scheduled(job, now)
        if last is None:
            scheduled.begin(now, self._offset, self._random())
        else:
            scheduled.resume(last, now, self._offset, self._random())
        self._wait(scheduled)
        return scheduled

    def put(self, scheduled: ScheduledJob) -> None:
        """Let a job wait that was made elsewhere."""
        self._wait(scheduled)

    def _scheduled(self, job: RegisteredJob, now: float) -> ScheduledJob:
        order = next(self._orders)
        if job.schedule is None:
            return ScheduledJob(job, order, now)
        clock_job = ClockJob(job, order, job.schedule, self.notices.append)
        self.clock_jobs.append(clock_job)
        return clock_job

    def next_due(self) -> Optional[float]:
        """Return when :meth:`start_due` has something to do, or None while all jobs are running."""
        if self.clock_jobs:
            self._drop_outdated()
        return self._waiting[0][0] if self._waiting else None

    def due_after(self, moment: float) -> List[ScheduledJob]:
        """Return the jobs whose next start is later than ``moment``, the soonest first."""
        return [scheduled for due, _, scheduled in sorted(self._waiting) if moment < due < math.inf]

    def set_clock(self, now: float, wall_now: float) -> None:
        """Compare the wall clock: clock jobs wait again if it was set, or after a sleep."""
        self._offset = offset = wall_now - now
        if not self.clock_jobs:
            self._offset_of_dues = offset
            return
        drift = offset - self._offset_of_dues
        if abs(drift) <= _DRIFT:
            return
        self._offset_of_dues = offset
        for clock_job in self.clock_jobs:
            clock_job.clock_was_set(now, offset, back=drift < 0)
        self._waiting = [entry for entry in self._waiting if not entry[2].is_clock_job]
        heapq.heapify(self._waiting)
        self._wakes.clear()
        for clock_job in self.clock_jobs:
            self._wait(clock_job)

    def start_due(self, now: float, at_most: float = math.inf) -> List[ScheduledJob]:
        """Remove and return the first jobs that are due; each comes back with :meth:`ended`."""
        due: List[ScheduledJob] = []
        while self._waiting and self._waiting[0][0] <= now and len(due) < at_most:
            moment, order, scheduled = heapq.heappop(self._waiting)
            if scheduled.is_clock_job:
                self._wakes.discard((moment, order))
                if moment != scheduled.wake:
                    continue  # it now waits for another moment
            if scheduled.start(now, self._offset, self._random()):
                due.append(scheduled)
            if scheduled.is_clock_job:
                self._wait(scheduled)
        return due

    def ended(self, scheduled: ScheduledJob, now: float, rerun: bool) -> None:
        """Let a job wait again until it is due; with ``rerun`` it is due at once."""
        scheduled.end(now, self._offset, rerun)
        self._wait(scheduled)

    def take_notices(self) -> List[Notice]:
        """Remove and return the notices."""
        notices, self.notices[:] = list(self.notices), []
        return notices

    def _wait(self, scheduled: ScheduledJob) -> None:
        if not scheduled.is_clock_job:
            heapq.heappush(self._waiting, (scheduled.due, scheduled.order, scheduled))
            return
        wake = (scheduled.wake, scheduled.order)
        if wake not in self._wakes:
            self._wakes.add(wake)
            heapq.heappush(self._waiting, (*wake, scheduled))

    def _drop_outdated(self) -> None:
        """Remove the first entries of jobs that now wait for another moment."""
        while self._waiting and self._waiting[0][0] != self._waiting[0][2].wake:
            moment, order, _ = heapq.heappop(self._waiting)
            self._wakes.discard((moment, order))
