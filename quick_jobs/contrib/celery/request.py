"""What the main process knows of a task: its number, and an end that its child cannot write."""

from __future__ import annotations

import random
import time
from typing import Any, Optional

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request

from quick_jobs.contrib.celery import tasks_at_work
from quick_jobs.contrib.celery.tasks_at_work import TaskAtWork
from quick_jobs.models import JobExecution

_HEADER = "quick_jobs_number"

# Beyond all that main processes count to: for a task that none of them has received.
_UNCOUNTED = 1 << 62


def number_of(context: Any) -> int:
    """Return the number of the execution of this task, in the task's context."""
    number: Optional[int] = context.get(_HEADER)
    return random.getrandbits(62) | _UNCOUNTED if number is None else number


class JobRequest(Request):
    """A task that the worker has received: what the broker delivers again has a new number."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.number = tasks_at_work.next_number()
        self.request_dict[_HEADER] = self.number

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Note that a child runs it."""
        super().on_accepted(pid, time_accepted)
        due_at = (self.kwargs or {}).get("due_at")
        tasks_at_work.begin(TaskAtWork(self.number, self.name, self.time_start, due_at))

    def on_success(self, failed__retval__runtime: Any, **kwargs: Any) -> Any:
        """Note that its child has put its end on record."""
        tasks_at_work.end(self.number)
        return super().on_success(failed__retval__runtime, **kwargs)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Put on record that its child is killed, at the hard limit."""
        if not soft:
            tasks_at_work.end(
                self.number,
                JobExecution.TIMED_OUT,
                f"was killed after {timeout:g} s, some time after its timeout",
                time.time(),
            )
        super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Put on record how it ended if its child is gone."""
        error = exc_info.exception
        error = getattr(error, "exc", error)
        if isinstance(error, TimeLimitExceeded):
            tasks_at_work.end(self.number, JobExecution.TIMED_OUT, _line(error), time.time())
        elif isinstance(error, Terminated):
            tasks_at_work.end(self.number, JobExecution.ABANDONED, _line(error), time.time())
        elif isinstance(error, (WorkerLostError, SystemExit, KeyboardInterrupt)):
            tasks_at_work.end(self.number, JobExecution.FAILED, _line(error), time.time())
        else:
            tasks_at_work.end(self.number)
        return super().on_failure(exc_info, *args, **kwargs)


def _line(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:255]
