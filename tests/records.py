"""Records and jobs for the tests of what writes them."""

import uuid
from datetime import timedelta

from quick_jobs.history.identity import RunnerIdentity
from quick_jobs.history.record import Record
from quick_jobs.models import JobExecution
from quick_jobs.registration import RegisteredJob

NAME = "shop.jobs.work"

#: A moment with microseconds: 2026-01-02 03:04:05.678901 in UTC.
MOMENT = 1767323045.678901


def an_identity(**changes):
    """Return what a new runner says of itself."""
    return RunnerIdentity(uuid.uuid4(), "example.org", 4711, MOMENT)._replace(**changes)


def a_job(name=NAME, interval=60, variance=0, timeout=None, schedule=None, resume=False):
    """Return a job that does nothing, as if it stood in the module that ``name`` says."""

    def work(env):
        pass

    work.__module__, _, work.__name__ = name.rpartition(".")
    return RegisteredJob(
        work,
        timedelta(seconds=interval),
        timedelta(seconds=variance),
        None if timeout is None else timedelta(seconds=timeout),
        schedule=schedule,
        resume=resume,
    )


def a_start(number=1, **changes):
    """Return the record of an execution that has begun."""
    return Record(number, NAME, MOMENT, None, None, None, JobExecution.RUNNING, "", "")._replace(
        **changes
    )


def an_end(number=1, **changes):
    """Return the record of an execution that has ended well after 2.5 seconds."""
    return Record(
        number, NAME, MOMENT, MOMENT + 2.5, 2.5, 0.125, JobExecution.SUCCEEDED, "", ""
    )._replace(**changes)
