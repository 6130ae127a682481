"""What a job is given: ``RunEnv``, its way to talk to the runner."""

from __future__ import annotations

import threading

from quick_jobs.durations import Duration, to_timedelta


class RunInterrupted(Exception):
    """Raised inside a job when the runner is stopping; let it pass, and the job ends well."""


def is_interruption(error: BaseException) -> bool:
    """Return whether ``error`` is :exc:`RunInterrupted`, or an exception group of nothing else."""
    errors = [error]
    while errors:
        error = errors.pop()
        members = getattr(error, "exceptions", None) if _is_group(error) else None
        if members:
            errors += members
        elif not isinstance(error, RunInterrupted):
            return False
    return True


def _is_group(error: BaseException) -> bool:
    # By name, as Python has them from 3.11 on, and the package exceptiongroup before.
    return any(each.__name__ == "BaseExceptionGroup" for each in type(error).__mro__)


class RunEnv:
    """The environment of one execution of a job.

    Its requests take effect when the execution ends.
    """

    __slots__ = ("_stopping", "fatal_errors_requested", "rerun_requested", "stop_requested")

    def __init__(self, stopping: threading.Event) -> None:
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

    def request_rerun(self) -> None:
        """Have this job started again at once, without delay, when this execution ends."""
        self.rerun_requested = True

    def request_stop(self) -> None:
        """Have the runner, with all its jobs, stop cleanly when this execution ends."""
        self.stop_requested = True

    def request_fatal_errors(self) -> None:
        """Have an error in this execution stop the runner with exit status 1."""
        self.fatal_errors_requested = True
