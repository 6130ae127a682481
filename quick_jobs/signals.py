"""Django signals about executions and runners, for example to report failures.

An error in a receiver is logged and changes nothing.

``execution_started`` is sent before the job's function is entered, with

- ``job_name``: the job's dotted path.

``execution_finished`` is sent once for each execution: when the function has
ended, or when its runner no longer waits for it. It is sent with

- ``job_name``: the job's dotted path;
- ``outcome``: one of ``JobExecution``'s: ``"succeeded"``, ``"failed"``,
  ``"interrupted"``, ``"timed_out"`` or ``"abandoned"``;
- ``duration``: how long the function ran, or has run so far, a ``timedelta``;
- ``exception``: the exception that it raised; None if there is none, if it was
  interrupted, or while it runs.

Both are sent by the thread that runs the job, in the context of the job. The
``sender`` is the job, so a receiver can be connected for one job alone. The
runner waits for receivers, but their time counts neither for the job's
duration nor for its timeout.

A function that does not end keeps its thread. Therefore the signal that it
timed out or was abandoned is sent by a separate thread, and so is
``runner_stopped``. Their receivers have what is left of the stop timeout, and
at least a second; then the process ends without them.

``runner_stopped`` is sent at the end of ``run_jobs``, ``run_jobs --once``,
``run_job`` and the main process of a Celery worker, with ``JobRunner`` as ``sender``, and with

- ``reason``: one of ``JobRunner.STOP_REASONS``, like ``"signal"`` or ``"timed_out"``;
- ``detail``: further information, like ``"SIGTERM"``;
- ``exit_status``: that of the process.

A runner that is killed, or told to stop a third time, sends none.
"""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal

from quick_jobs.logs import get_logger
from quick_jobs.tracebacks import presentable

__all__ = ["execution_finished", "execution_started", "runner_stopped"]

logger = get_logger(__name__)

execution_started = Signal()
execution_finished = Signal()
runner_stopped = Signal()


def send(signal: Signal, sender: object, **facts: Any) -> None:
    """Send ``signal``. Exceptions of receivers are logged."""
    try:
        for receiver, response in signal.send_robust(sender, **facts):
            if issubclass(type(response), Exception):  # isinstance() would ask the response
                logger.error("the receiver %r failed", receiver, exc_info=presentable(response))
    except BaseException as exc:  # SystemExit and the like, which Django does not catch
        logger.error("a receiver failed, those after it were not called", exc_info=presentable(exc))
