"""Search among executions, in bounded time.

An index serves one of job, runner and outcome, in the order of starting. Two of them together, a
duration, or words in errors need rows to be read. To limit the time, only the newest executions
that the index finds are read, and the page says so. Names of jobs are searched among the jobs.
"""

from __future__ import annotations

import datetime as dt
from functools import reduce
from operator import or_
from typing import Any, List, Mapping, Optional

from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict

from quick_jobs.admin.badges import EXECUTION_STATES
from quick_jobs.admin.page_clock import page_clock
from quick_jobs.admin.recent.queries import Newest, any_of, newest_of, newest_of_each
from quick_jobs.admin.time_range import TimeRange, whole_number
from quick_jobs.models import Job, JobExecution

#: Executions that are read.
MOST_READ = 5_000

#: Parameters that no index serves.
_READ = ("took", "kind")

#: Parameters, in the order of how few rows they leave.
_INDEXED = ("job__id__exact", "runner__id__exact", "outcome__exact")

#: The choice of all executions that went wrong.
WENT_WRONG = "went_wrong"

#: The outcomes of which there may be many.
_MANY_THAT_WENT_WRONG = (JobExecution.FAILED, JobExecution.TIMED_OUT)

#: How far a runner's clock may be ahead.
_AHEAD = dt.timedelta(hours=1)

#: There are never many executions with these: all are read.
_FEW = (JobExecution.RUNNING, JobExecution.LOST)

#: Jobs whose executions a search for a name finds.
MOST_JOBS = 50

#: Executions of each such job.
_NEWEST = 500


def searched_for(request: HttpRequest) -> Optional[Newest]:
    """Return the executions that are read for the list of ``request``, determined once."""
    if not hasattr(request, "_quick_jobs_searched"):
        params, words = request.GET, request.GET.get("q", "")
        if "term" in params:  # Django's autocomplete, which has no filters
            params, words = QueryDict(), params["term"]
        found = searched(params, bool(words.split()), page_clock(request).now)
        request._quick_jobs_searched = found  # type: ignore[attr-defined]
    newest: Optional[Newest] = request._quick_jobs_searched  # type: ignore[attr-defined]
    return newest


def searched(params: Mapping[str, str], has_words: bool, now: dt.datetime) -> Optional[Newest]:
    """Return the executions that are read for a list with these ``params``; None means all."""
    chosen = [name for name in _INDEXED if _is_sound(name, params.get(name, ""))]
    went_wrong = chosen == ["outcome__exact"] and params["outcome__exact"] == WENT_WRONG
    must_read = len(chosen) > 1 or has_words or any(params.get(name) for name in _READ)
    if not (must_read or went_wrong) or params.get("outcome__exact") in _FEW:
        return None
    executions = JobExecution.objects.all()
    time_range = TimeRange.parse(params.get("since"), now)
    end = None if time_range is None else time_range.end
    if end is not None:
        executions = executions.filter(started_at__lte=end)
    if went_wrong:
        return _newest_that_went_wrong(executions, end or now + _AHEAD)
    if chosen:
        executions = executions.filter(**{chosen[0]: params[chosen[0]]})
    return newest_of(executions, MOST_READ)


def _newest_that_went_wrong(executions: QuerySet[Any], end: dt.datetime) -> Optional[Newest]:
    """Return the time range until ``end`` with no more executions of any outcome than are read.

    An index has the newest of one outcome, but not those of several.
    """
    ranges = [
        newest_of(executions.filter(outcome=outcome), MOST_READ)
        for outcome in _MANY_THAT_WENT_WRONG
    ]
    starts = [one.start for one in ranges if one is not None]
    return Newest(max(starts), end, True) if starts else None


def _is_sound(name: str, value: str) -> bool:
    if name == "outcome__exact":
        return value in dict(EXECUTION_STATES) or value == WENT_WRONG
    return whole_number(value) is not None


def matches(words: List[str], has_names: bool) -> Q:
    """Return the condition for executions with all ``words`` in the error or the job's name.

    Names are searched only with ``has_names``: otherwise the results would reveal them.
    """
    found = _all_in_error(words)
    if not has_names:
        return found
    names = reduce(or_, (Q(name__icontains=word) for word in words))
    jobs = list(Job.objects.filter(names).order_by("name")[:MOST_JOBS])
    if not jobs:
        return found
    ranges = newest_of_each("job", [job.pk for job in jobs], _NEWEST)
    for job in jobs:
        other_words = [word for word in words if word.lower() not in job.name.lower()]
        if job.pk in ranges:
            found |= any_of("job", {job.pk: ranges[job.pk]}) & _all_in_error(other_words)
    return found


def _all_in_error(words: List[str]) -> Q:
    return reduce(lambda found, word: found & Q(error__icontains=word), words, Q())
