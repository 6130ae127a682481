"""Django signals that tell of executions, for example to report failures.

They are sent by the thread that runs the job, in the context of the job; the
``sender`` is the job, so that a receiver can be connected for one job alone.
An error in a receiver is logged and changes nothing. Receivers are waited
for, and their time is not the job's: it counts neither for its duration nor
for its timeout.

``execution_started`` is sent before the job's function is entered, with

- ``job_name``: the job's dotted path.

``execution_finished`` is sent when the function has ended, with

- ``job_name``: the job's dotted path;
- ``outcome``: one of ``JobExecution``'s: ``"succeeded"``, ``"failed"``,
  ``"interrupted"``, or ``"timed_out"`` if it ended, but too late;
- ``duration``: how long the function ran, a ``timedelta``;
- ``exception``: what it raised, or None; also None when it was interrupted.

A function that does not end before its runner has to leave sends no
``execution_finished``: that it timed out or was abandoned is logged at ERROR,
under ``quick_jobs``, and stands in the history.
"""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal

from quick_jobs.logs import get_logger
from quick_jobs.tracebacks import presentable

__all__ = ["execution_finished", "execution_started"]

logger = get_logger(__name__)

execution_started = Signal()
execution_finished = Signal()


def send(signal: Signal, sender: object, **facts: Any) -> None:
    """Send ``signal``; what receivers raise is logged."""
    try:
        for receiver, response in signal.send_robust(sender, **facts):
            if issubclass(type(response), Exception):  # isinstance() would ask the response
                logger.error("the receiver %r failed", receiver, exc_info=presentable(response))
    except BaseException as exc:  # SystemExit and its like, for which Django is not robust
        logger.error("a receiver failed, those after it were not called", exc_info=presentable(exc))
