"""A worker's alerts and pings. Its main process sends them, for its threads and its children."""

from __future__ import annotations

import contextlib
import select
import threading
import time
from collections import deque
from typing import Deque, Optional, Sequence

from quick_jobs import threads
from quick_jobs.contrib.celery.report_line import Reporting, ReportLine
from quick_jobs.contrib.celery.watch import AtWork
from quick_jobs.environment import RunEnv
from quick_jobs.history.identity import RunnerIdentity
from quick_jobs.history.record import Record
from quick_jobs.logs import get_logger
from quick_jobs.management.telling import telling
from quick_jobs.models import JobExecution
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.observer import Observer, Observers
from quick_jobs.runner.running import RunningExecutions
from quick_jobs.runner.scheduled_job import ScheduledJob
from quick_jobs.stop_flag import StopFlag

logger = get_logger(__name__)

# Executions that are known to have ended, of which Celery may say later that they were killed.
_ENDED = 1000


class Telling(Observer):
    """Passes on to a runner's observers, one after the other, what happens in several threads.

    With ``has_children``, these report what they begin and end, and a thread listens to them.
    """

    def __init__(self, jobs: Sequence[RegisteredJob], has_children: bool) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._line = ReportLine() if has_children else None
        self._observer = Observers([])
        self._lock = threading.Lock()  # nobody waits while holding it
        self._ended: Deque[int] = deque(maxlen=_ENDED)
        self._at_work = AtWork()  # in children
        self._stack = contextlib.ExitStack()

    def of_a_child(self) -> Observer:
        """Return what observes the executions of this process, which is a child."""
        assert self._line is not None
        return Reporting(self._line)

    def start(self, identity: RunnerIdentity, is_history_kept: bool) -> None:
        """Begin, after the children were forked."""
        wanted = telling(list(self._jobs.values()), identity, is_history_kept)
        self._observer = Observers(self._stack.enter_context(wanted))
        if self._line is not None:
            threads.start(
                threading.Thread(target=self._listen, name="quick_jobs reports", daemon=True)
            )

    def finish(self) -> None:
        """Give what waits to be sent two seconds."""
        self._stack.close()

    def next_check(self) -> Optional[float]:
        return self._observer.next_check()

    def started(self, execution: Execution) -> None:
        with self._lock:
            self._observer.started(execution)

    def ended(self, execution: Execution, record: Record) -> None:
        with self._lock:
            self._observer.ended(execution, record)

    def killed(self, record: Record) -> None:
        """Pass on how an execution ended whose child could not report that, unless it has."""
        with self._lock:
            self._hear_all()
            if record.number in self._ended:
                return
            execution = self._at_work.get(record.number)
            if execution is not None:
                self._end(execution, record._replace(started_at=execution.started_at))
            elif record.outcome != JobExecution.ABANDONED:  # else it may not have begun
                self._end(self._new_execution(record), record)

    def look(self, now: float, is_stopping: bool, running: RunningExecutions) -> None:
        with self._lock:
            self._hear_all()
            self._observer.look(now, is_stopping, running if self._line is None else self._at_work)

    def stopped(self, reason: str, detail: str, exit_status: int) -> None:
        with self._lock:
            self._hear_all()
            self._observer.stopped(reason, detail, exit_status)

    def _listen(self) -> None:
        assert self._line is not None
        try:
            while True:
                select.select([self._line.descriptor], [], [])
                with self._lock:
                    self._hear_all()
        except BaseException as error:
            logger.critical("the thread that listens to children died", exc_info=error)

    def _hear_all(self) -> None:
        for record in () if self._line is None else self._line.receive():
            execution = self._at_work.get(record.number) or self._new_execution(record)
            if record.is_end:
                self._end(execution, record)
            else:
                self._at_work.add(execution, 0.0)
                self._observer.started(execution)

    def _end(self, execution: Execution, record: Record) -> None:
        self._at_work.end(execution)
        self._ended.append(record.number)
        self._observer.ended(execution, record)

    def _new_execution(self, record: Record) -> Execution:
        """Return an execution that goes on in a child."""
        scheduled = ScheduledJob(self._jobs[record.job], 0, time.monotonic())
        scheduled.due_at = record.due_at or record.started_at
        env = RunEnv(StopFlag(), scheduled.due_at)
        execution = Execution(record.number, scheduled, env, record.started_at)
        execution.entered = time.monotonic()
        return execution
