"""Handles Celery's signals to a worker and its children: they begin, stop and end."""

from __future__ import annotations

import contextlib
import os
from typing import Any, List, Optional

from celery import bootsteps, signals
from celery.concurrency.prefork import TaskPool as PreforkPool

from quick_jobs.contrib.celery import job_process
from quick_jobs.contrib.celery.checks import limits_fault, overlap_fault, pool_fault
from quick_jobs.contrib.celery.ends import keep_ends
from quick_jobs.contrib.celery.task import JobTask
from quick_jobs.contrib.celery.worker import Worker
from quick_jobs.databases.write_lock import immediate_transactions
from quick_jobs.logs import get_logger
from quick_jobs.registration import RegisteredJob

logger = get_logger(__name__)

#: The jobs of this process, when they are installed.
jobs: List[RegisteredJob] = []

_worker: Optional[Worker] = None


class RunnerStep(bootsteps.StartStopStep):
    """Makes a worker of Celery a runner."""

    requires = (
        "celery.worker.components:Pool",
        "celery.worker.components:Timer",
    )

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        global _worker
        pool = parent.pool_cls.__module__.rpartition(".")[2]
        fault = pool_fault(pool)
        if fault is not None:
            raise SystemExit(fault)
        self._notices = [limits_fault(pool, jobs), overlap_fault()]
        has_children = issubclass(parent.pool_cls, PreforkPool)
        # Made before the children are forked, which share the stop line.
        _worker = Worker(jobs, has_children, is_solo=pool == "solo")
        self._worker = _worker
        self._transactions = contextlib.ExitStack()
        self._transactions.enter_context(immediate_transactions())
        self._stopped = parent.blueprint.on_stopped
        parent.blueprint.on_stopped = lambda: self._finish(parent)

    def start(self, parent: Any) -> None:
        """Begin, and let the worker's own timer send the heartbeat."""
        for notice in filter(None, self._notices):
            logger.warning("%s", notice)
        self._worker.start()

        def tick() -> None:
            parent.timer.call_after(max(0.05, self._worker.do()), tick)

        tick()

    def stop(self, parent: Any) -> None:
        self._worker.go_on_by_itself()

    terminate = stop

    def _finish(self, parent: Any) -> None:
        if self._stopped is not None:
            self._stopped()
        status = self._worker.finish()
        if status:
            parent.exitcode = status


def on_shutting_down(**_: Any) -> None:
    """Tell the jobs that the worker stops. Called in a signal handler of the main process."""
    if _worker is not None:
        _worker.stop_line.announce_stop()


def on_child_init(**_: Any) -> None:
    """Begin in a child that was just forked."""
    if _worker is None or os.getpid() == _worker.stop_line.main_pid:
        return
    _worker.stop_line.announce_stop()  # closes the child's copy: only the main process keeps one
    keep_ends(None)
    process = _worker.new_child()
    process.start()
    job_process.set_current(process)


def on_child_shutdown(**_: Any) -> None:
    """Write the rest of a child's records before it ends."""
    process = job_process.current()
    if process is not None and _worker is not None and os.getpid() != _worker.stop_line.main_pid:
        job_process.set_current(None)
        process.close()


def on_revoked(sender: Any = None, expired: bool = False, **_: Any) -> None:
    """Log that a start was skipped."""
    if expired and isinstance(sender, JobTask):
        logger.warning("%s expired before a worker had time for it", sender.name)


def connect() -> None:
    """Receive the signals of workers and their children."""
    signals.worker_shutting_down.connect(on_shutting_down)
    signals.worker_process_init.connect(on_child_init)
    signals.worker_process_shutdown.connect(on_child_shutdown)
    signals.task_revoked.connect(on_revoked)
