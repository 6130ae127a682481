"""A process of a worker that runs jobs: a child, or the main process where there are none."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import sys
import time
from typing import Callable, Dict, NamedTuple, Optional

from celery.utils.log import LoggingProxy

from quick_jobs.capture import installed
from quick_jobs.contrib.celery import overlap
from quick_jobs.contrib.celery.child_execution import ChildExecution
from quick_jobs.contrib.celery.limits import limits_of
from quick_jobs.contrib.celery.recorded_starts import RecordedStarts
from quick_jobs.contrib.celery.stop_line import StopLine
from quick_jobs.contrib.celery.watch import AtWork, Watch
from quick_jobs.environment import RunEnv
from quick_jobs.history import History
from quick_jobs.history.base import StopInfo
from quick_jobs.logs import get_logger
from quick_jobs.models import JobExecution, JobRunner
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner import RunnerOptions
from quick_jobs.runner.execution import Execution, execute
from quick_jobs.runner.observer import Observer
from quick_jobs.runner.outbox import Outbox
from quick_jobs.runner.scheduled_job import ScheduledJob
from quick_jobs.stop_flag import StopFlag
from quick_jobs.text_filter import filtered

logger = get_logger(__name__)

# Seconds that the last writes of a child get when it ends: they only wait for the database.
_LAST_WRITES = 5.0


class Due(NamedTuple):
    """The start of an execution, in POSIX times; ``number`` is its number in the worker."""

    number: int
    due: float
    due_at: float


class JobProcess:
    """Runs jobs, one or several at a time, and records their executions in ``history``.

    With ``limits_time``, Celery interrupts executions that take too long. The watching thread does
    the ``housekeeping``, if there is any.
    """

    def __init__(
        self,
        history: History,
        options: RunnerOptions,
        stop_line: StopLine,
        at_work: AtWork,
        limits_time: bool,
        housekeeping: Optional[Callable[[float], float]],
        observer: Observer,
    ) -> None:
        self._observer = observer
        self._history = history
        self._options = options
        self._stop_line = stop_line
        self._limits_time = limits_time
        self._stopping = StopFlag()
        timeout = options.start_record_timeout if history.is_kept else 0.0
        self.starts = RecordedStarts(timeout, functools.partial(self._stop, JobRunner.CRASHED))
        self._capturing = contextlib.ExitStack()
        self._last_successes: Dict[str, float] = {}
        self._context = contextvars.copy_context()
        self.watch = Watch(
            stop_line.descriptor,
            at_work,
            options.heartbeat_interval,
            self._stopping.set,
            self._put_overdue,
            housekeeping,
        )

    def start(self) -> None:
        if self._history.is_kept:
            # Output that Celery turns into log records is captured as these.
            is_redirected = isinstance(sys.stdout, LoggingProxy)
            streams = () if is_redirected else ("stdout", "stderr")
            self._capturing.enter_context(installed(streams))
        self._history.start(self.starts.tell)
        self.watch.start()

    def close(self) -> None:
        """Write what waits, as far as the database takes it in time, and log the rest."""
        self._history.stop(StopInfo(JobRunner.DONE, "", time.time()))
        if not self.starts.closed.wait(_LAST_WRITES):
            self._history.give_up()
        self.watch.close()

    def run(self, job: RegisteredJob, due: Due, waits: bool) -> Optional[Execution]:
        """Run the job; return None without doing so if an execution of it runs already.

        With ``waits``, that is expected and not logged.
        """
        try:
            lock = overlap.take(job.name)
        except Exception as error:
            logger.error(
                "%s does not start: the cache, which has the locks, fails: %s", job.name, error
            )
            return None
        if lock is None:
            if not waits:
                logger.warning("%s is still running: this start is skipped", job.name)
            return None
        try:
            execution = self._new_execution(job, due)
            limits = limits_of(job) if self._limits_time else None
            with self.watch.over(execution, lock, limits and limits.soft):
                self._run(execution)
        finally:
            lock.release()
        return execution

    def _run(self, execution: Execution) -> None:
        self.starts.expect(execution.number)
        self._history.put([execution.record()])
        self.starts.wait(execution.number)
        self._observer.started(execution)
        try:
            execute(execution, self._context.copy(), self._options.max_traceback)
        finally:
            if execution.duration is None:  # a time limit came between
                execution.end(JobExecution.TIMED_OUT, 0.0, execution.overrun)
            record = execution.record()
            self._history.put([record])
            self._observer.ended(execution, record)
        if execution.outcome == JobExecution.SUCCEEDED:
            self._last_successes[execution.name] = execution.started_at
        env = execution.env
        if env.fatal_errors_requested and execution.outcome == JobExecution.FAILED:
            self._stop(JobRunner.FATAL_ERROR, f"{execution.name}: {execution.error}")
        elif env.stop_requested:
            self._stop(JobRunner.REQUESTED, execution.name)

    def _stop(self, reason: str, detail: str) -> None:
        self._stop_line.request_stop(reason, filtered(detail))

    def _new_execution(self, job: RegisteredJob, due: Due) -> Execution:
        now = time.time()
        scheduled = ScheduledJob(job, 0, time.monotonic() - max(0.0, now - due.due))
        scheduled.due_at = due.due_at
        previous_success = functools.partial(
            self._history.previous_success, job.name, self._last_successes.get(job.name)
        )
        env = RunEnv(self._stopping, due.due_at, previous_success)
        execution_class = ChildExecution if self._limits_time else Execution
        return execution_class(due.number, scheduled, env, now)

    def _put_overdue(self, execution: Execution) -> None:
        """Record the stack of an execution that goes on after its soft time limit."""
        outbox = Outbox(self._history, self._options.max_traceback)
        outbox.put_given_up(execution, JobExecution.TIMED_OUT, execution.overrun, time.monotonic())
        outbox.send()


_current: Optional[JobProcess] = None


def set_current(process: Optional[JobProcess]) -> None:
    """Let ``process`` run the tasks in this process."""
    global _current
    _current = process


def current() -> Optional[JobProcess]:
    """Return what runs the tasks in this process, or None outside of workers."""
    return _current
