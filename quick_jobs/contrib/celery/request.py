"""A task in the main process: numbers it, and writes the end if its child cannot."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any, Optional

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.worker import state
from celery.worker.request import Request

from quick_jobs.contrib.celery.ends import write_end
from quick_jobs.models import JobExecution

_HEADER = "quick_jobs_number"

# Beyond the numbers of all main processes: for a task that none of them has received.
_UNCOUNTED = 1 << 62

_numbers = itertools.count(1)


def number_of(context: Any) -> int:
    """Return the execution's number from the task's context."""
    number: Optional[int] = context.get(_HEADER)
    return random.getrandbits(62) | _UNCOUNTED if number is None else number


class JobRequest(Request):
    """A task that the worker has received. A redelivered task has a new number.

    Celery overrides some methods, such as ``on_success``, itself.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.number = next(_numbers)
        self.request_dict[_HEADER] = self.number

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Record that its child is killed at the hard limit."""
        if not soft:
            self.end(JobExecution.TIMED_OUT, f"was killed after {timeout:g} s, past its timeout")
        super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Record how it ended if its child is gone."""
        error = exc_info.exception
        error = getattr(error, "exc", error)
        if isinstance(error, TimeLimitExceeded):
            self.end(JobExecution.TIMED_OUT, _line(error))
        elif isinstance(error, Terminated):
            self.end(JobExecution.ABANDONED, _line(error))
        elif isinstance(error, (WorkerLostError, SystemExit, KeyboardInterrupt)):
            self.end(JobExecution.FAILED, _line(error))
        return super().on_failure(exc_info, *args, **kwargs)

    def end(self, outcome: str, error: str) -> None:
        """Record that it has ended now, unless its child has done so."""
        now = time.time()
        due_at = (self.kwargs or {}).get("due_at")
        began_at = self.time_start or now
        write_end(self.number, self.name, began_at, due_at, outcome, error, now)


def abandon_all() -> None:
    """Record the running executions of children as abandoned: the children have been killed."""
    for request in list(state.active_requests):
        if isinstance(request, JobRequest):
            request.end(JobExecution.ABANDONED, "was still running when the worker stopped")


def _line(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:255]
