"""Search among executions, in the names of jobs and the one-line errors, in bounded time.

Names are looked up among the jobs. Errors have no index: they are read in the newest executions
only, which the page says.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import List

from django.db.models import Q

from quick_jobs.admin.recent import any_of, newest_of_each
from quick_jobs.models import Job

#: Jobs whose executions are found by their name.
MOST_JOBS = 50

#: Executions of each of them.
_NEWEST = 500


def matches(words: List[str]) -> Q:
    """Return what finds executions with every one of ``words`` in the error or the job's name."""
    found = _all_in_error(words)
    names = reduce(or_, (Q(name__icontains=word) for word in words))
    jobs = list(Job.objects.filter(names).order_by("name")[:MOST_JOBS])
    if not jobs:
        return found
    spans = newest_of_each("job", [job.pk for job in jobs], _NEWEST)
    for job in jobs:
        other_words = [word for word in words if word.lower() not in job.name.lower()]
        if job.pk in spans:
            found |= any_of("job", {job.pk: spans[job.pk]}) & _all_in_error(other_words)
    return found


def _all_in_error(words: List[str]) -> Q:
    return reduce(lambda found, word: found & Q(error__icontains=word), words, Q())
