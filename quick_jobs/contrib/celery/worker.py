"""A worker: its main process, which is the runner on record."""

from __future__ import annotations

import random
import threading
import time
from typing import List, Optional, Sequence

from quick_jobs import threads
from quick_jobs.contrib.celery import job_process
from quick_jobs.contrib.celery.ends import keep_ends
from quick_jobs.contrib.celery.histories import ChildStorage, ParentStorage, new_history
from quick_jobs.contrib.celery.job_process import JobProcess
from quick_jobs.contrib.celery.recorded_starts import RecordedStarts
from quick_jobs.contrib.celery.request import abandon_all
from quick_jobs.contrib.celery.stop_line import StopLine
from quick_jobs.contrib.celery.telling import Telling
from quick_jobs.contrib.celery.watch import AtWork
from quick_jobs.history import History
from quick_jobs.history.base import StopInfo
from quick_jobs.history.identity import RunnerIdentity
from quick_jobs.history.record import Record
from quick_jobs.history.storage import Storage
from quick_jobs.logs import get_logger
from quick_jobs.management.runner_settings import runner_options
from quick_jobs.management.telling import is_wanted
from quick_jobs.models import JobRunner
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.housekeeping import Housekeeping
from quick_jobs.runner.late_signals import LateSignals
from quick_jobs.runner.observer import NOBODY

logger = get_logger(__name__)

# Seconds that the last writes get when the worker ends.
_LAST_WRITES = 5.0

# Seconds that receivers of ``runner_stopped`` get besides.
_RECEIVERS = 1.0


class Worker:
    """The main process: writes the runner's row, its heartbeat and its end, and prunes.

    With ``has_children``, the children run the jobs and write the executions.
    """

    def __init__(self, jobs: Sequence[RegisteredJob], has_children: bool, is_solo: bool) -> None:
        self.jobs = jobs
        self.identity = RunnerIdentity.of_this_process(JobRunner.CELERY)
        self.options = runner_options({"stop_timeout": _LAST_WRITES})
        self.stop_line = StopLine()
        self.process: Optional[JobProcess] = None
        self._telling = Telling(jobs, has_children) if is_wanted(jobs) else None
        storage = ParentStorage if has_children else Storage
        interval = self.options.heartbeat_interval
        self._history: History = new_history(storage, self.identity, jobs, interval)
        self._at_work = AtWork()  # in this process
        self._housekeeping: Optional[Housekeeping] = None
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._starts = RecordedStarts(0.0, self._fail)
        if not has_children:
            self.process = JobProcess(
                self._history,
                self.options,
                self.stop_line,
                self._at_work,
                limits_time=False,
                housekeeping=self._do_while_jobs_run if is_solo else None,
                observer=self._telling or NOBODY,
            )
            self._starts = self.process.starts

    def start(self) -> None:
        """Begin. Called after the children were forked."""
        if self._history.is_kept:
            self._housekeeping = Housekeeping(
                self._history, self.options, self._at_work, time.monotonic(), random.random
            )
        if self._telling is not None:
            self._telling.start(self.identity, self._history.is_kept)
        if self.process is None:
            keep_ends(self._put_end)
            self._history.start(self._starts.tell)
        else:
            self.process.start()
            job_process.set_current(self.process)

    def new_child(self) -> JobProcess:
        """Return the object that runs the jobs in this process, a child."""
        history = new_history(
            ChildStorage, self.identity, self.jobs, self.options.heartbeat_interval
        )
        options, at_work = self.options._replace(prunes=False), AtWork()
        housekeeping = Housekeeping(history, options, at_work, time.monotonic(), random.random)

        def keep_house(now: float) -> float:
            housekeeping.do(now, is_stopping=False)
            due = housekeeping.next_check(now, is_stopping=False)
            return now + options.heartbeat_interval if due is None else due

        return JobProcess(
            history,
            options,
            self.stop_line,
            at_work,
            limits_time=True,
            housekeeping=keep_house,
            observer=NOBODY if self._telling is None else self._telling.of_a_child(),
        )

    def do(self) -> float:
        """Do what is due, such as the heartbeat; return in how many seconds to call this again."""
        with self._lock:
            now = time.monotonic()
            moments: List[Optional[float]] = [now + self.options.heartbeat_interval]
            if self._telling is not None:
                self._telling.look(now, self.stop_line.is_announced, self._at_work)
                moments.append(self._telling.next_check())
            if self._housekeeping is not None:
                is_stopping = self._finished.is_set()
                self._housekeeping.do(now, is_stopping)
                moments.append(self._housekeeping.next_check(now, is_stopping))
        return max(0.0, min(moment for moment in moments if moment is not None) - now)

    def go_on_by_itself(self) -> None:
        """Do what is due in a thread from now on: the worker is stopping, and its timer has."""

        def run() -> None:
            while not self._finished.wait(self.do()):
                pass

        threads.start(threading.Thread(target=run, name="quick_jobs heartbeat", daemon=True))

    def finish(self) -> int:
        """Record that the worker stops, and why; return its exit status."""
        self._finished.set()
        abandon_all()
        reason, detail = self.stop_line.requested()
        status = 1 if reason in (JobRunner.FATAL_ERROR, JobRunner.CRASHED) else 0
        reason = reason or JobRunner.SIGNAL
        signals = LateSignals()
        signals.send_stopped(reason, detail, status)
        if self._telling is not None and not self._starts.was_refused:
            self._telling.stopped(reason, detail, status)
        self._history.stop(StopInfo(reason, detail, time.time()))
        if not self._starts.closed.wait(_LAST_WRITES):
            self._history.give_up()
        signals.wait(_RECEIVERS)
        if self._telling is not None:
            self._telling.finish()
        return status

    def _put_end(self, record: Record) -> None:
        """Put on record, and pass on, how an execution ended whose child was killed."""
        self._history.put([record])
        if self._telling is not None:
            self._telling.killed(record)

    def _do_while_jobs_run(self, now: float) -> float:
        """Do what is due while a job occupies the main thread."""
        if not self._at_work.at_work():
            return now + self.options.heartbeat_interval / 2
        return now + self.do()

    def _fail(self, why: str) -> None:
        logger.critical("%s", why)
        self.stop_line.request_stop(JobRunner.CRASHED, why)
