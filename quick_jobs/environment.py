"""What a job is given: ``RunEnv``, its way to talk to the runner."""

from __future__ import annotations

import threading

from quick_jobs.durations import Duration, to_timedelta
from quick_jobs.stop_flag import StopFlag, sleep_until_set
from quick_jobs.tracebacks import members_of

# Exceptions of a group that are looked at: a group might be a member of itself.
_MOST_MEMBERS = 100_000


class RunInterrupted(Exception):
    """Raised inside a job when the runner is stopping; let it pass, and the job ends well."""


def is_interruption(error: BaseException) -> bool:
    """Return whether ``error`` is :exc:`RunInterrupted`, or an exception group of nothing else.

    What it is counts, not what it says it is; and whatever its own code does, this does not raise.
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

    Its requests take effect when the execution ends.
    """

    __slots__ = ("_stopping", "fatal_errors_requested", "rerun_requested", "stop_requested")

    def __init__(self, stopping: StopFlag) -> None:
        self._stopping = stopping
        self.rerun_requested = False
        self.stop_requested = False
        self.fatal_errors_requested = False

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

        The other tasks of the event loop go on meanwhile.
        """
        self.raise_if_stopping()
        await sleep_until_set(self._stopping, to_timedelta(time, "time").total_seconds())
        self.raise_if_stopping()

    def request_rerun(self) -> None:
        """Have this job started again at once, without delay, when this execution ends."""
        self.rerun_requested = True

    def request_stop(self) -> None:
        """Have the runner, with all its jobs, stop cleanly when this execution ends."""
        self.stop_requested = True

    def request_fatal_errors(self) -> None:
        """Have an error in this execution stop the runner with exit status 1."""
        self.fatal_errors_requested = True
