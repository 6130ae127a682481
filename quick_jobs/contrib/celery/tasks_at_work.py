"""The tasks that children of this main process have begun, and how those end that are killed."""

from __future__ import annotations

import itertools
from typing import Callable, Dict, List, NamedTuple, Optional

from quick_jobs.history.record import Record
from quick_jobs.models import JobExecution


class TaskAtWork(NamedTuple):
    """A task in a child, with POSIX times."""

    number: int
    name: str
    began_at: float
    due_at: Optional[float]

    def end(self, outcome: str, error: str, now: float) -> Record:
        """Return the record of its end."""
        return Record(
            self.number,
            self.name,
            self.began_at,
            max(now, self.began_at),
            max(now, self.began_at) - self.began_at,
            None,
            outcome,
            error,
            "",
            self.due_at,
        )


_numbers = itertools.count(1)
_at_work: Dict[int, TaskAtWork] = {}
_put: Optional[Callable[[List[Record]], None]] = None


def next_number() -> int:
    """Return a number that no other task of this worker has."""
    return next(_numbers)


def keep_ends(put: Optional[Callable[[List[Record]], None]]) -> None:
    """Have ends that children cannot write given to ``put``; None where there are no children."""
    global _put
    _put = put


def begin(task: TaskAtWork) -> None:
    """A child has begun it."""
    if _put is not None:
        _at_work[task.number] = task


def end(number: int, outcome: str = "", error: str = "", now: float = 0.0) -> None:
    """It has ended; with an ``outcome``, its child could not say so itself. Once counts."""
    task = _at_work.pop(number, None)
    if task is not None and outcome and _put is not None:
        _put([task.end(outcome, error, now)])


def abandon_all(now: float) -> None:
    """The worker ends, and its children have been killed."""
    for number in list(_at_work):
        end(number, JobExecution.ABANDONED, "the worker stopped before it ended", now)
