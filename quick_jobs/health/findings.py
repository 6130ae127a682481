"""The states of jobs and sites, and findings: problems that somebody should look into."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple, Optional

from django.utils.translation import pgettext_lazy

from quick_jobs.health.facts import RunnerFacts
from quick_jobs.next_starts import LocalStart

#: The states of a job.
STUCK = "stuck"
LATE = "late"
FAILING = "failing"
OK = "ok"
NEVER_RUN = "never_run"
GONE = "gone"

#: With their names: first those that need attention, the worst first.
STATES = (
    (STUCK, pgettext_lazy("job", "stuck")),
    (LATE, pgettext_lazy("job", "late")),
    (FAILING, pgettext_lazy("job", "failing")),
    (OK, pgettext_lazy("job", "ok")),
    (NEVER_RUN, pgettext_lazy("job", "never run")),
    (GONE, pgettext_lazy("job", "gone")),
)

#: What a site may be.
DOWN = "down"
RESTARTING = "restarting"
DUPLICATES = "duplicates"

#: Why a job is late or stuck.
OVERDUE = "overdue"
NO_RUNNER = "no_runner"
OVER_TIMEOUT = "over_timeout"
UNUSUALLY_LONG = "unusually_long"
NEVER_SUCCEEDED = "never_succeeded"
#: Why a site is down.
NO_RUNS_ON_TIMER = "no_runs_on_timer"
NEVER_A_RUNNER = "never_a_runner"


class Finding(NamedTuple):
    """Something that is wrong; ``words`` has the sentences.

    ``since`` is None if it is not known. ``number`` counts the executions that failed in a row
    (``at_least`` that many if all that were read did), the runners that ended with an error, or
    the runners with the same ``jobs``. ``took`` is how long an execution has been running, and
    ``limit`` what it was expected to take at most. ``lost_at`` is when the last execution was
    lost, if it was, and ``next_start`` when a job is due that no live runner has. ``runner`` is
    the last one, ``execution`` a primary key.
    """

    kind: str
    now: dt.datetime
    job: Optional[str] = None
    since: Optional[dt.datetime] = None
    reason: str = ""
    number: int = 0
    at_least: bool = False
    jobs: int = 0
    took: Optional[dt.timedelta] = None
    limit: Optional[dt.timedelta] = None
    lost_at: Optional[dt.datetime] = None
    next_start: Optional[LocalStart] = None
    runner: Optional[RunnerFacts] = None
    execution: Optional[int] = None
    is_anybody_alive: bool = True

    @property
    def is_warning(self) -> bool:
        """Whether it may be intended: it is shown, but is no reason to wake somebody."""
        return self.kind == DUPLICATES

    def without_details(self) -> Finding:
        """Return the finding for readers who may see neither runners nor errors."""
        return self if self.runner is None else self._replace(runner=None)

    def without_errors(self) -> Finding:
        """Return the finding without the text that says why a runner ended."""
        if self.runner is None:
            return self
        return self._replace(runner=self.runner._replace(stop_detail=""))
