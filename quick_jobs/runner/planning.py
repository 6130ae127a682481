"""Keeps the schedule right: by the wall clock, and by the last starts in the history.

Pure, except for its logging: the caller gives the time.
"""

from __future__ import annotations

import datetime as dt
from typing import Callable, List, Mapping, Optional, Sequence

from django.utils import timezone

from quick_jobs.durations import LONGEST, format_duration
from quick_jobs.history.messages import LastStart
from quick_jobs.logs import get_logger
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.clock_job import Notice, StartSkipped
from quick_jobs.runner.enumeration import enumeration
from quick_jobs.runner.plan import Plan
from quick_jobs.runner.resumption import Resumption
from quick_jobs.runner.schedule import Schedule
from quick_jobs.runner.scheduled_job import ScheduledJob

logger = get_logger(__name__, may_wait=False)

# Seconds for which nobody wonders why nothing happens.
_SOON = 60.0

# Seconds that stand for anything longer, even beyond what a timedelta can hold.
_LONG = LONGEST.total_seconds()


class Planning(Plan):
    """Fills ``schedule`` with ``jobs``; those that resume, when their last start is known.

    The clocks are compared every ``heartbeat_interval`` seconds at least, if
    there are clock jobs.
    """

    def __init__(
        self,
        schedule: Schedule,
        jobs: Sequence[RegisteredJob],
        is_history_kept: bool,
        heartbeat_interval: float,
        now: float,
    ) -> None:
        self._schedule = schedule
        self._heartbeat_interval = heartbeat_interval
        resuming = [job for job in jobs if job.resume and is_history_kept]
        self._resumption = Resumption(resuming, now)
        self._forgetful = [job for job in jobs if job.resume and not is_history_kept]
        for job in jobs:
            if not (job.resume and is_history_kept):
                schedule.add(job, now)

    def announce(self, now: float) -> None:
        """Log what people should know when the runner begins."""
        if self._forgetful:
            self._warn_that_they_do_not_resume("no history is kept", self._forgetful)
        self._announce_late_ones(self._schedule.due_after(now + _SOON), now)

    def next_check(self, now: float) -> Optional[float]:
        """Return when to call :meth:`check` next."""
        deadline = self._resumption.next_check() if self._resumption.jobs else None
        if not self._schedule.clock_jobs:
            return deadline
        look = now + self._heartbeat_interval
        return look if deadline is None else min(look, deadline)

    def check(self, now: float, wall_now: float) -> None:
        """Compare the clocks, and stop waiting for a history that does not answer."""
        self._schedule.set_clock(now, wall_now)
        given_up = self._resumption.overdue(now) if self._resumption.jobs else None
        if given_up:
            self._warn_that_they_do_not_resume("the history's database does not answer", given_up)
            self._add(dict.fromkeys(given_up), now)

    def resume(self, last_starts: Mapping[str, LastStart], now: float) -> None:
        """Let the jobs that resume continue from these starts, unless they have begun meanwhile."""
        self._add(self._resumption.take(last_starts), now)

    def _add(self, jobs: Mapping[RegisteredJob, Optional[LastStart]], now: float) -> None:
        added = {self._schedule.add(job, now, last) for job, last in jobs.items()}
        late = self._schedule.due_after(now + _SOON)
        self._announce_late_ones([each for each in late if each in added], now)

    def _warn_that_they_do_not_resume(self, why: str, jobs: Sequence[RegisteredJob]) -> None:
        names = enumeration([job.name for job in jobs], str)
        logger.warning("%s: starting as without resume=True: %s", why, names)

    def _announce_late_ones(self, late: List[ScheduledJob], now: float) -> None:
        """Log which jobs do not start within a minute, and when they do."""
        if late:
            logger.info("first starts: %s", enumeration(late, self._start_text(now), "later"))

    def _start_text(self, now: float) -> Callable[[ScheduledJob], str]:
        def text(scheduled: ScheduledJob) -> str:
            seconds = round(min(scheduled.due - now, _LONG))
            return f"{scheduled.name} in {format_duration(dt.timedelta(seconds=seconds))}"

        return text


def log_notices(notices: Sequence[Notice]) -> None:
    """Log the events of clock jobs that people should know."""
    for notice in notices:
        if isinstance(notice, StartSkipped):
            logger.warning(
                "%s is still running: its start at %s is skipped",
                notice.name,
                _in_the_sites_zone(notice.time),
            )
        else:
            logger.error("%s will not start again: %s", notice.name, notice.error)


def _in_the_sites_zone(time: dt.datetime) -> str:
    local = timezone.localtime(time, timezone.get_default_timezone())
    return f"{local:%Y-%m-%d %H:%M:%S %Z}"
