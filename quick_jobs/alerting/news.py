"""Passes events from the runner's loop to the thread that sends alerts. Never waits."""

from __future__ import annotations

import datetime as dt
import functools
import math
import time
from collections import deque
from typing import Callable, Deque, Dict, List, Optional, Sequence, Set

from quick_jobs.alerting.endings import ERRORS
from quick_jobs.alerting.job_news import JobNews
from quick_jobs.alerting.runner_news import RunnerNews
from quick_jobs.alerting.sender import Sender
from quick_jobs.alerting.streaks import TELLING
from quick_jobs.alerts import Alert
from quick_jobs.history.record import Record
from quick_jobs.logs import get_logger
from quick_jobs.models import JobExecution
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.observer import Observer
from quick_jobs.runner.running import RunningExecutions
from quick_jobs.runner.shutdown import REFUSED

# Characters of a traceback that are kept with a waiting event: a mail has only its end.
_TRACEBACK = 8000

# Successes that wait to be judged together.
_MOST_SUCCESSES = 1000

logger = get_logger(__name__)


class Alerts(Observer):
    """Passes on what may be an alert; the thread that sends decides.

    ``tell`` is called there with each alert. ``second_look`` and ``heartbeat_interval`` are in
    seconds. With ``shares``, other runners run the same jobs, each execution in one of them.
    """

    def __init__(
        self,
        sender: Sender,
        jobs: Sequence[RegisteredJob],
        job_news: JobNews,
        runner_news: RunnerNews,
        tell: Callable[[Alert], object],
        second_look: float,
        heartbeat_interval: float,
        shares: bool = False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._sender = sender
        self._jobs = jobs
        self._job_news = job_news
        self._runner_news = runner_news
        self._tell = tell
        self._second_look = second_look
        self._interval = heartbeat_interval
        self._shares = shares
        self._wall_clock = wall_clock
        self._began_at = wall_clock()
        self._next_beat = -math.inf
        self._look_back_at = math.inf
        self._well: Set[str] = set()  # jobs that have succeeded and not failed since
        self._successes: Deque[Record] = deque(maxlen=_MOST_SUCCESSES)
        self._look_at: Dict[int, float] = {}  # long-running executions: when to judge each again
        self._abandoned: List[Record] = []
        self._has_begun = False

    def next_check(self) -> Optional[float]:
        return self._next_beat

    def look(self, now: float, is_stopping: bool, running: RunningExecutions) -> None:
        if now < self._next_beat:
            return
        self._next_beat = now + self._interval
        if not self._has_begun:
            self._has_begun = True
            names = [job.name for job in self._jobs]
            if not self._shares:
                self._sender.put_news(lambda: self._job_news.remember(names, self._began_at))
            self._sender.put_news(lambda: self._send(self._runner_news.look_back()))
            self._look_back_at = now + self._second_look
        elif now >= self._look_back_at and not is_stopping:
            # When the last look was, one that vanished may not yet have been known to be lost.
            self._look_back_at = now + self._second_look if self._shares else math.inf
            self._sender.put_news(lambda: self._send(self._runner_news.look_back()))
        if not is_stopping:
            self._abandoned.clear()  # somebody ended them, and no error
        if self._successes:
            self._sender.put_news(self._judge_successes)  # the queue may have dropped it
        self._look_at_long_ones(now, running.at_work())

    def ended(self, execution: Execution, record: Record) -> None:
        self._look_at.pop(record.number, None)
        if record.outcome == JobExecution.ABANDONED:
            self._abandoned.append(_cut(record))
        if record.outcome not in TELLING:
            return
        if record.outcome != JobExecution.SUCCEEDED:
            self._well.discard(record.job)
        elif self._shares:
            self._successes.append(_cut(record))
            if len(self._successes) == 1:
                self._sender.put_news(self._judge_successes)
            return
        elif record.job in self._well:
            return
        else:
            self._well.add(record.job)
        cut = _cut(record)
        self._sender.put_news(lambda: self._send(self._job_news.ended(cut)))

    def _judge_successes(self) -> None:
        """Judge all that there have been since the last time: after a failure, it recovers."""
        taken: List[Record] = []
        while self._successes:
            taken.append(self._successes.popleft())
        for record in self._job_news.after_failures(taken) if taken else ():
            self._send(self._job_news.ended(record))

    def stopped(self, reason: str, detail: str, exit_status: int) -> None:
        if not self._has_begun or detail == REFUSED:
            return
        at = dt.datetime.fromtimestamp(self._wall_clock(), dt.timezone.utc)
        if reason in ERRORS:
            self._sender.put_news(lambda: self._judge_end(reason, detail, at))

    def _judge_end(self, reason: str, detail: str, at: dt.datetime) -> None:
        if not self._runner_news.is_news(reason, at):
            return
        self._send(self._runner_news.stopped(reason, detail, at))
        for record in self._abandoned:
            self._send(self._job_news.abandoned(record))

    def _look_at_long_ones(self, now: float, executions: List[Execution]) -> None:
        """Let executions be judged that have run for longer than the time between two looks."""
        numbers = {execution.number for execution in executions}
        self._look_at = {each: at for each, at in self._look_at.items() if each in numbers}
        for execution in executions:
            if execution.entered is None:
                continue
            running_for = now - execution.entered
            if running_for < self._look_at.get(execution.number, self._interval):
                continue
            self._look_at[execution.number] = math.inf  # until it has been judged
            self._sender.put_news(
                functools.partial(
                    self._judge_long_one,
                    execution.scheduled.job,
                    execution.record(),
                    running_for,
                )
            )

    def _judge_long_one(self, job: RegisteredJob, record: Record, running_for: float) -> None:
        alert, look_at = self._job_news.runs_long(job, record, running_for)
        self._look_at[record.number] = look_at
        self._send(alert)

    def _send(self, alert: Optional[Alert]) -> None:
        if alert is None:
            return
        try:
            self._tell(alert)
        except BaseException as exc:
            logger.error("the alert %r could not be sent", alert.subject, exc_info=exc)
            self._job_news.not_sent()
        else:
            logger.info("alert: %s", alert.subject)
            self._job_news.sent(alert)


def _cut(record: Record) -> Record:
    return record._replace(traceback=record.traceback[-_TRACEBACK:])
