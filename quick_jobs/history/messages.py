"""The messages from the history to the runner's loop."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Union


class StartsRecorded(NamedTuple):
    """These executions are on record; the database answers."""

    numbers: List[int]


class LastStart(NamedTuple):
    """The last recorded start of a job, in POSIX times."""

    started_at: float
    due_at: Optional[float]
    is_unfinished: bool  # it was interrupted or abandoned


class LastStarts(NamedTuple):
    """The last start of each job that resumes and has one, by the job's name."""

    by_name: Dict[str, LastStart]


class HistoryAway(NamedTuple):
    """The database does not answer: starts need not wait for their record."""


class HistoryRefused(NamedTuple):
    """The history cannot be kept in the database's present state. The runner must not begin."""

    why: str


class HistoryClosed(NamedTuple):
    """The recorder has ended, and writes no more."""


class ThreadDied(NamedTuple):
    """An error in the runner itself has ended one of its threads."""

    name: str
    error: BaseException


HistoryMessage = Union[
    StartsRecorded, LastStarts, HistoryAway, HistoryRefused, HistoryClosed, ThreadDied
]
