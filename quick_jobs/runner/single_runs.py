"""Plans that come to an end: one for jobs run by hand, one for jobs due on a timer.

Pure, except for their logging: the caller gives the time.
"""

from __future__ import annotations

from typing import List, Mapping, Optional, Sequence

from quick_jobs.history.messages import LastStart
from quick_jobs.logs import get_logger
from quick_jobs.models import JobExecution, JobRunner
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.clock_job import Notice
from quick_jobs.runner.due_now import due_since
from quick_jobs.runner.enumeration import enumeration
from quick_jobs.runner.plan import Plan, PlanEnd
from quick_jobs.runner.planning import log_notices
from quick_jobs.runner.resumption import Resumption
from quick_jobs.runner.schedule import Schedule
from quick_jobs.runner.single_start import SingleStart

logger = get_logger(__name__, may_wait=False)

#: The exit status if not everything that had to run has ended, and nothing has failed.
INTERRUPTED = 3

_ALL_ENDED = PlanEnd(JobRunner.DONE, "all runs have ended")
_NOTHING_DUE = PlanEnd(JobRunner.DONE, "nothing is due")


class RunNow(Plan):
    """Starts each job at once, and again as long as it asks to, then ends."""

    _interrupted_status = INTERRUPTED

    def __init__(
        self,
        schedule: Schedule,
        jobs: Sequence[RegisteredJob],
        is_history_kept: bool,
        heartbeat_interval: float,
        now: float,
    ) -> None:
        self._schedule = schedule
        self._open = 0  # jobs that will start, or run
        self._has_failed = self._was_interrupted = False
        self._begin(jobs, now)

    def _begin(self, jobs: Sequence[RegisteredJob], now: float) -> None:
        for job in jobs:
            self._start(job, now)

    def _start(self, job: RegisteredJob, now: float, was_due_at: Optional[float] = None) -> None:
        self._schedule.put(SingleStart(job, self._open, now, was_due_at))
        self._open += 1

    def announce(self, now: float) -> None:
        """Log nothing: each start is logged by itself."""

    def next_check(self, now: float) -> Optional[float]:
        return None

    def check(self, now: float, wall_now: float) -> None:
        self._schedule.set_clock(now, wall_now)

    def resume(self, last_starts: Mapping[str, LastStart], now: float) -> None:
        """Ignore them: a job that is run by hand starts now."""

    def ended(self, outcome: str, reruns: bool) -> None:
        self._has_failed |= outcome in (JobExecution.FAILED, JobExecution.TIMED_OUT)
        self._was_interrupted |= outcome in JobExecution.UNFINISHED
        if not reruns:
            self._open -= 1
            if not self._open:
                self.end = _ALL_ENDED

    @property
    def exit_status(self) -> int:  # type: ignore[override]
        """1 if an execution failed; 3 for runs by hand if one that had to run has not ended."""
        if self._has_failed:
            return 1
        return self._interrupted_status if self._open or self._was_interrupted else 0


class RunDue(RunNow):
    """Starts each job that is due as soon as the history answers, then ends.

    If the history does not answer within a minute, the exit status is 1.
    """

    _interrupted_status = 0

    def _begin(self, jobs: Sequence[RegisteredJob], now: float) -> None:
        self._resumption = Resumption(jobs, now)
        self._last_starts: Optional[Mapping[str, LastStart]] = None

    def next_check(self, now: float) -> Optional[float]:
        return self._resumption.next_check()

    def resume(self, last_starts: Mapping[str, LastStart], now: float) -> None:
        self._last_starts = last_starts

    def check(self, now: float, wall_now: float) -> None:
        super().check(now, wall_now)
        if self._last_starts is not None:
            last_starts, self._last_starts = self._last_starts, None
            self._start_due(self._resumption.take(last_starts), now, wall_now)
        elif self._resumption.overdue(now):
            why = "the history's database does not answer, so it is not known what is due"
            self.end = PlanEnd(JobRunner.CRASHED, why, 1)

    def _start_due(
        self, jobs: Mapping[RegisteredJob, Optional[LastStart]], now: float, wall_now: float
    ) -> None:
        notices: List[Notice] = []
        due: List[str] = []
        for job, last in jobs.items():
            since = due_since(job, last, wall_now, notices.append)
            if since is not None:
                self._start(job, now, since)
                due.append(job.name)
        log_notices(notices)
        self._has_failed = bool(notices)  # a schedule without a next time is never due
        if due:
            logger.info("due now: %s", enumeration(due, str))
        else:
            self.end = _NOTHING_DUE
