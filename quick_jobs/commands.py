"""Which management command is running."""

from __future__ import annotations

import inspect
from typing import Optional

from django.core.management.base import BaseCommand

#: The commands that serve a site, run its jobs, or report what is wrong with it. Any other one may
#: create the tables that a module reads, as migrate and its callers do.
_NEEDING_JOBS = frozenset(("check", "run_job", "run_jobs", "runserver", "test", "testserver"))


def running_command() -> Optional[BaseCommand]:
    """Return the management command that is running, the innermost of several, or None.

    The command line does not tell: ``call_command()`` has none, and commands call others.
    """
    frame = inspect.currentframe()
    while frame is not None:
        command = frame.f_locals.get("self")
        if issubclass(type(command), BaseCommand):  # isinstance() would evaluate a lazy object
            return command
        frame = frame.f_back
    return None


def needs_jobs(command: Optional[BaseCommand]) -> bool:
    """Return whether jobs that cannot be imported are an error for this command.

    They are for subclasses of these commands too, and without a command, as in a server.
    """
    names = (cls.__module__.rpartition(".")[2] for cls in type(command).__mro__)
    return command is None or not _NEEDING_JOBS.isdisjoint(names)
