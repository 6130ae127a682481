"""Stops the runner, in the steps of :class:`Shutdown`."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Callable, Optional

from quick_jobs.durations import format_duration
from quick_jobs.history import History, StopInfo
from quick_jobs.logs import get_logger
from quick_jobs.models import JobExecution, JobRunner
from quick_jobs.runner.enumeration import enumeration
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.outbox import Outbox
from quick_jobs.runner.running import RunningExecutions
from quick_jobs.runner.shutdown import LAST_WRITES, REFUSED, Phase, Shutdown
from quick_jobs.runner.starts import Starts
from quick_jobs.runner.workers import WorkerPool
from quick_jobs.text_filter import filtered

logger = get_logger(__name__, may_wait=False)


class Stopping:
    """Ends first the starts that wait, then the jobs, the threads, and the history.

    ``is_stopping`` tells the jobs. ``stop_after`` is in seconds, counted from ``now``.
    """

    def __init__(
        self,
        shutdown: Shutdown,
        is_stopping: threading.Event,
        starts: Starts,
        running: RunningExecutions,
        pool: WorkerPool[Execution],
        outbox: Outbox,
        history: History,
        wall_clock: Callable[[], float],
        stop_after: Optional[float],
        now: float,
    ) -> None:
        self.has_abandoned = False
        self.history_is_closed = False
        self._shutdown = shutdown
        self._is_stopping = is_stopping
        self._starts = starts
        self._running = running
        self._pool = pool
        self._outbox = outbox
        self._history = history
        self._wall_clock = wall_clock
        self._told_at = now
        self._stop_after = stop_after or 0.0
        self._stop_at = None if stop_after is None else now + stop_after

    def begin(self, reason: str, detail: str, exit_status: int, now: float) -> None:
        """Begin to stop. After that, only the exit status can become worse."""
        if not self._shutdown.begin(reason, detail, exit_status, now):
            return
        self._told_at = now
        self._announce(detail, exit_status, now)
        self._is_stopping.set()
        self._outbox.send()
        for execution in self._starts.take_all():
            if not self._history.forget(execution.number):
                self._outbox.put_never_begun(execution, now)

    def _announce(self, detail: str, exit_status: int, now: float) -> None:
        names = self._running.names()
        if detail == REFUSED and not names:
            return  # the command ends at once, and says what to do
        if exit_status:
            logger.error("stopping: %s; the exit status will be %d", detail, exit_status)
        else:
            logger.info("stopping: %s", detail)
        if names:
            time_left = dt.timedelta(seconds=(self._shutdown.deadline or now) - now)
            logger.info(
                "waiting up to %s for %s", format_duration(time_left), enumeration(names, str)
            )

    def next_check(self) -> Optional[float]:
        """Return when to call :meth:`proceed` next at the latest."""
        shutdown = self._shutdown
        return self._stop_at if shutdown.phase is Phase.RUNNING else shutdown.deadline

    def proceed(self, now: float) -> None:
        """Take the next step, if it is time."""
        shutdown = self._shutdown
        stop_at = self._stop_at
        if stop_at is not None and shutdown.phase is Phase.RUNNING and now >= stop_at:
            lifetime = format_duration(dt.timedelta(seconds=self._stop_after))
            self.begin(JobRunner.STOP_AFTER, f"after {lifetime}", 0, now)
        if shutdown.phase is Phase.STOPPING and shutdown.is_late(now):
            self.abandon_running(now)
        if shutdown.phase is Phase.STOPPING and not self._running:
            self.close(now)
        if shutdown.phase is Phase.CLOSING and (self.history_is_closed or shutdown.is_late(now)):
            if self._history.give_up():
                shutdown.exit_status = 1
            shutdown.finish()

    def abandon_running(self, now: float) -> None:
        """Stop waiting for the jobs that do not end."""
        self.has_abandoned = bool(self._running)
        running, timed_out = self._running.give_up_on_all()
        waited = format_duration(dt.timedelta(seconds=round(max(0.1, now - self._told_at), 1)))
        error = f"was still running {waited} after the runner was told to stop"
        for execution in running:
            if execution.entered is None:
                self._outbox.put_never_begun(execution, now)
            else:
                self._shutdown.exit_status = 1
                self._outbox.put_given_up(execution, JobExecution.ABANDONED, error, now)
        for execution in timed_out:
            logger.error("%s, which ran over its timeout, has not ended since", execution.name)

    def close(self, now: float) -> None:
        """Close the history, which takes until everything is written."""
        shutdown = self._shutdown
        shutdown.close(now)
        self._pool.stop()
        self._outbox.send()
        self._history.stop(StopInfo(shutdown.reason, filtered(shutdown.detail), self._wall_clock()))

    def end(self, exit_status: int, now: float) -> int:
        """End the threads and send ``runner_stopped``; return the exit status.

        It is ``exit_status`` unless there is a worse one. Receivers have what is left of the stop
        timeout, and at least a second.
        """
        shutdown = self._shutdown
        if not self.has_abandoned:
            self._pool.join(LAST_WRITES)
        status = shutdown.exit_status or exit_status
        patience = max(LAST_WRITES, (shutdown.deadline or now) - now)
        self._outbox.put_stopped(shutdown.reason, filtered(shutdown.detail), status, patience)
        return status
