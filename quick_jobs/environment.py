"""``RunEnv``, the object with which a job talks to the runner."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Callable, Iterable, Iterator, Optional, TypeVar, Union

from quick_jobs.durations import Duration, to_timedelta
from quick_jobs.progress import Reached, amount, as_note, length_of
from quick_jobs.stop_flag import StopFlag, sleep_until_set
from quick_jobs.tracebacks import members_of

Item = TypeVar("Item")

# Exceptions of a group that are checked: a group might contain itself.
_MOST_MEMBERS = 100_000


class RunInterrupted(Exception):
    """Raised in a job when the runner is stopping. Do not catch it: the job then ends cleanly."""


def is_interruption(error: BaseException) -> bool:
    """Return whether ``error`` is :exc:`RunInterrupted`, or an exception group of nothing else.

    Its real class counts, not what it claims to be. This never raises, whatever the exception's
    own code does.
    """
    errors, seen = [error], 0
    while errors:
        error, seen = errors.pop(), seen + 1
        try:
            members = members_of(error)
        except BaseException:
            return False
        if members and seen < _MOST_MEMBERS:
            errors += members
        elif not issubclass(type(error), RunInterrupted):
            return False
    return True


class RunEnv:
    """The environment of one execution of a job.

    Its requests take effect when the execution ends. Notes and progress stay in memory, and are
    recorded with the next heartbeat and at the end. Any thread may call its methods.

    ``noted`` is the last note, or "". ``reached`` is the last progress, or None: how much is done,
    and the total, if that is known.
    """

    __slots__ = (
        "_due_at",
        "_previous_success",
        "_stopping",
        "fatal_errors_requested",
        "noted",
        "reached",
        "rerun_requested",
        "stop_requested",
    )

    def __init__(
        self,
        stopping: StopFlag,
        due_at: float,
        previous_success: Union[dt.datetime, Callable[[], Optional[dt.datetime]], None] = None,
    ) -> None:
        self._stopping = stopping
        self._due_at = due_at
        self._previous_success = previous_success
        self.rerun_requested = False
        self.stop_requested = False
        self.fatal_errors_requested = False
        self.noted = ""
        self.reached: Optional[Reached] = None

    @property
    def due_at(self) -> dt.datetime:
        """When this execution was due, without the variance; aware, in UTC.

        For a start that makes up for a missed time, it is that time. A run by
        hand and a rerun are due when they start.
        """
        return dt.datetime.fromtimestamp(self._due_at, dt.timezone.utc)

    @property
    def previous_success(self) -> Optional[dt.datetime]:
        """When the last execution of this job that succeeded started; aware, in UTC.

        None if there is none on record, or no history is kept. The first access
        queries the database, and raises its errors.
        """
        if callable(self._previous_success):
            self._previous_success = self._previous_success()
        return self._previous_success

    @property
    def is_stopping(self) -> bool:
        """Whether the runner is stopping; a job should then end soon."""
        return self._stopping.is_set()

    def raise_if_stopping(self) -> None:
        """Raise :exc:`RunInterrupted` if the runner is stopping."""
        if self._stopping.is_set():
            raise RunInterrupted("the runner is stopping")

    def sleep(self, time: Duration) -> None:
        """Sleep for ``time``, in seconds or as a ``timedelta``.

        Raises :exc:`RunInterrupted` as soon as the runner is stopping.
        """
        seconds = to_timedelta(time, "time").total_seconds()
        if self._stopping.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise RunInterrupted("the runner is stopping")

    async def asleep(self, time: Duration) -> None:
        """Sleep for ``time`` as :meth:`sleep` does, in an ``async def`` job: ``await`` it.

        Other tasks of the event loop go on meanwhile.
        """
        self.raise_if_stopping()
        await sleep_until_set(self._stopping, to_timedelta(time, "time").total_seconds())
        self.raise_if_stopping()

    def note(self, text: object) -> None:
        """Set the note of this execution, such as "14 sent, 2 refused". It replaces the last one.

        It is ``str(text)`` on one line; 255 characters are stored.
        """
        self.noted = as_note(text)

    def progress(self, done: float, total: Optional[float] = None) -> None:
        """Report that ``done`` is done, of ``total`` if that is known. Takes next to no time.

        Raises TypeError for a value that is not a number, and ValueError if it is negative or not
        finite.
        """
        if type(done) is not int or done < 0:
            done = amount(done, "done")
        if total is not None and (type(total) is not int or total < 0):
            total = amount(total, "total")
        self.reached = (done, total)  # at once, so that the two belong together

    def track(self, iterable: Iterable[Item], total: Optional[float] = None) -> Iterator[Item]:
        """Iterate over ``iterable``, and report progress after each item.

        ``total`` is by default its ``len()``, if it has one. A queryset has one, and fetches all
        rows for it, as it does for iteration. With its ``iterator()``, pass
        ``total=queryset.count()``.

        If the runner is stopping, :exc:`RunInterrupted` is raised between two items, before the
        next one is taken.
        """
        if total is None:
            total = length_of(iterable)
        self.progress(0, total)
        return self._tracked(iter(iterable), total)

    def _tracked(self, items: Iterator[Item], total: Optional[float]) -> Iterator[Item]:
        done = 0
        while True:
            if done != total:  # else that was the last one
                self.raise_if_stopping()
            try:
                item = next(items)
            except StopIteration:
                return
            yield item
            done += 1
            self.progress(done, total)

    def request_rerun(self) -> None:
        """Start this job again at once, without delay, when this execution ends."""
        self.rerun_requested = True

    def request_stop(self) -> None:
        """Stop the runner, with all its jobs, cleanly when this execution ends."""
        self.stop_requested = True

    def request_fatal_errors(self) -> None:
        """Let an error in this execution stop the runner with exit status 1."""
        self.fatal_errors_requested = True
