"""The regular tasks of a runner for its history."""

from __future__ import annotations

import datetime as dt
from typing import Callable, Optional

from quick_jobs.durations import format_duration
from quick_jobs.history import History
from quick_jobs.logs import get_logger
from quick_jobs.runner.maintenance import Maintenance
from quick_jobs.runner.observing import Observing
from quick_jobs.runner.options import RunnerOptions
from quick_jobs.runner.running import RunningExecutions
from quick_jobs.runner.silence import Action, Silence

logger = get_logger(__name__, may_wait=False)


class Housekeeping:
    """Sends heartbeats with observations of running executions, and starts pruning.

    It also watches for a recorder that gets no answer. Without a history it does nothing.
    """

    def __init__(
        self,
        history: History,
        options: RunnerOptions,
        running: RunningExecutions,
        now: float,
        random: Callable[[], float],
    ) -> None:
        self._history = history
        self._maintenance = Maintenance(options.heartbeat_interval, options.prunes, now, random)
        self._observing = Observing(running)
        self._silence = Silence(options.heartbeat_interval)

    def next_check(self, now: float, is_stopping: bool) -> Optional[float]:
        """Return when to call :meth:`do` next, None if there is nothing to do."""
        if not self._history.is_kept:
            return None
        due = self._maintenance.next_due
        check = self._silence.next_check(self._history.waits_since, now, is_stopping)
        return due if check is None else min(due, check)

    def do(self, now: float, is_stopping: bool) -> None:
        """Do what is due."""
        if not self._history.is_kept:
            return
        if now >= self._maintenance.next_due:
            if self._maintenance.beat_is_due(now):
                self._history.beat(now, self._observing.look())
            if self._maintenance.pruning_is_due(now):
                self._history.prune()
        since = self._history.waits_since
        action = self._silence.action(since, now, is_stopping)
        if action is not None and since is not None:
            self._react(action, now - since, is_stopping)

    def database_answered(self) -> None:
        """Note that the database answers."""
        self._silence.answered()

    def _react(self, action: Action, seconds: float, is_stopping: bool) -> None:
        """Warn about a database that does not answer; later drop its connection for a new one."""
        waited = format_duration(dt.timedelta(seconds=round(seconds)))
        if action is Action.WARN:
            logger.warning("the history's database has not answered for %s", waited)
        elif self._history.break_off():
            logger.warning(
                "the history's database has not answered for %s: its connection is broken off, "
                "and what it has not confirmed is written again",
                waited,
            )
        elif not is_stopping:
            logger.warning("the history's database has not answered for %s", waited)
