"""How far back executions are read for what no index has.

An index serves one of job, runner and outcome, in the order of starting. Two of them together, a
duration, or words in errors take reading; so that this ends in time, only the newest executions
that the index finds are read.
"""

from __future__ import annotations

import datetime as dt
from typing import Mapping, Optional

from quick_jobs.admin.badges import LOST
from quick_jobs.admin.recent import start_of_newest
from quick_jobs.admin.spans import Span
from quick_jobs.models import JobExecution

#: Executions that are read.
MOST_READ = 10_000

#: By how well they narrow things down.
_INDEXED = ("job__id__exact", "runner__id__exact", "outcome__exact")

#: There are never many of these: they are found, and then looked at one by one.
_FEW = (JobExecution.RUNNING, LOST)


def searched_since(
    params: Mapping[str, str], has_words: bool, now: dt.datetime
) -> Optional[dt.datetime]:
    """Return since when executions are read for a list with these ``params``; None is ever."""
    chosen = [name for name in _INDEXED if params.get(name)]
    must_read = len(chosen) > 1 or has_words or bool(params.get("took"))
    if not must_read or params.get("outcome__exact") in _FEW:
        return None
    executions = JobExecution.objects.all()
    if chosen:
        value = params[chosen[0]]
        if chosen[0] != "outcome__exact" and not value.isdigit():
            return None
        executions = executions.filter(**{chosen[0]: value})
    span = Span.parse(params.get("since"), now)
    if span is not None and span.end is not None:
        executions = executions.filter(started_at__lte=span.end)
    return start_of_newest(executions, MOST_READ)
