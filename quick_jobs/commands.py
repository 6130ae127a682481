"""Which management command is running."""

from __future__ import annotations

import inspect
from typing import Optional

from django.core.management.base import BaseCommand

#: The commands that serve a site, run its jobs, or are there to say what is wrong with it. Any
#: other may make the tables that a module reads, as migrate does and what calls it.
_NEEDING_JOBS = frozenset(("check", "run_job", "run_jobs", "runserver", "test", "testserver"))


def running_command() -> Optional[BaseCommand]:
    """Return the management command that has led here, the innermost of several; None if none has.

    The command line does not say: ``call_command()`` has none, and commands call others.
    """
    frame = inspect.currentframe()
    while frame is not None:
        command = frame.f_locals.get("self")
        if issubclass(type(command), BaseCommand):  # isinstance() would evaluate a lazy object
            return command
        frame = frame.f_back
    return None


def needs_jobs(command: Optional[BaseCommand]) -> bool:
    """Return whether a site whose jobs cannot be imported is wrong for this command.

    So it is for one derived from these, and where no command is running, as in a server.
    """
    names = (cls.__module__.rpartition(".")[2] for cls in type(command).__mro__)
    return command is None or not _NEEDING_JOBS.isdisjoint(names)
