"""The next starts of a job, as the admin's pages show them."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import List, NamedTuple, Optional

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from quick_jobs.admin.badges import badge
from quick_jobs.admin.execution_view import ExecutionView
from quick_jobs.admin.recent.statistics import RecentExecutions
from quick_jobs.admin.wording import NOTHING, ago, ahead
from quick_jobs.databases.timestamps import as_aware
from quick_jobs.models import Job, JobExecution, JobRunner
from quick_jobs.next_starts import (
    AFTER,
    DUE,
    OVERDUE,
    WAITING,
    LastExecution,
    LocalStart,
    NextStart,
    Plan,
    local_start,
    next_due,
    plan_of_row,
    upcoming,
)

#: Starts on a job's page.
SHOWN = 5


class Following(NamedTuple):
    """The next starts of a job by its ``plan``; ``now`` is aware."""

    plan: Plan
    start: NextStart
    now: dt.datetime

    def upcoming(self) -> List[LocalStart]:
        """Return the first starts to come."""
        moments = itertools.islice(upcoming(self.plan, self.start, self.now), SHOWN)
        return [local_start(self.plan, moment) for moment in moments]

    def upcoming_until(self, end: dt.datetime, least: dt.timedelta) -> List[LocalStart]:
        """Return the starts until ``end``, without those less than ``least`` after one.

        There are none if no live runner has the job.
        """
        if self.start.state == OVERDUE:
            return []
        moments = upcoming(self.plan, self.start, self.now, least)
        until = itertools.takewhile(lambda moment: moment <= end, moments)
        return [local_start(self.plan, moment) for moment in until]


def following_of(
    job: Job,
    recent: RecentExecutions,
    runner: Optional[JobRunner],
    is_on_timer: bool,
    now: dt.datetime,
) -> Optional[Following]:
    """Return the next starts, None if they cannot be known.

    ``runner`` is the newest live one with the job, if any. With ``is_on_timer``
    a job without one is not overdue: the next run of ``run_jobs --once`` starts it.
    """
    plan = plan_of_row(job.name, job.schedule, job.interval, job.variance)
    if plan is None:
        return None
    last, began_at = recent.last, None if runner is None else as_aware(runner.started_at)
    if runner is not None and runner.kind != JobRunner.CELERY:
        # Each runner counts from its own executions.
        its_own = (one for one in recent.executions if one.runner_id == runner.pk)
        last = next(its_own, last)
    elif began_at is not None and last is not None:  # beat may be older than the newest worker
        began_at = min(began_at, as_aware(last.started_at))
    start = next_due(
        plan,
        None if last is None else _as_last(last),
        began_at,
        None if job.registered_at is None else as_aware(job.registered_at),
        as_aware(now),
    )
    if start is None:
        return None
    if start.state == OVERDUE and is_on_timer:
        start = start._replace(state=DUE)
    return Following(plan, start, as_aware(now))


def _as_last(execution: ExecutionView) -> LastExecution:
    started_at = as_aware(execution.started_at)
    return LastExecution(
        started_at,
        None if execution.due_at is None else as_aware(execution.due_at),
        None
        if execution.state == JobExecution.RUNNING
        else started_at + (execution.duration or dt.timedelta(0)),
        execution.state in JobExecution.UNFINISHED,
    )


def next_in_words(following: Optional[Following]) -> str:
    """Return HTML like "in 4 min", which has the exact time as its title."""
    if following is None:
        return NOTHING
    (due_at, state), now = following.start, following.now
    title = local_start(following.plan, due_at)
    if state == WAITING:
        return format_html(
            '<span class="qj-nowrap" title="{}">{}</span>', title, ahead(due_at, now)
        )
    due = _("due %(when)s") % {"when": ago(due_at, now)}
    if state == AFTER:
        return format_html('<span title="{}, {}">{}</span>', title, due, _("when it has ended"))
    if state == OVERDUE:
        return format_html(
            '{} <span class="qj-nowrap" title="{}">{}</span>',
            badge("none", _("overdue")),
            title,
            due,
        )
    return format_html('<span class="qj-nowrap" title="{}">{}</span>', title, due)


def upcoming_in_words(following: Optional[Following]) -> str:
    """Return HTML of the next starts in local time, with a mark where the clock is changed."""
    if following is None:
        return NOTHING
    starts = following.upcoming()
    before = local_start(following.plan, following.now).utc_offset
    rows = []
    for start in starts:
        rows.append((start.moment.isoformat(), start, _change(before, start.utc_offset)))
        before = start.utc_offset
    shown = format_html_join(
        "", '<div><time class="qj-time" datetime="{}">{}</time> {}</div>', rows
    )
    if not rows:
        return NOTHING
    if following.plan.schedule is None and following.plan.variance and len(rows) > 1:
        note = _("Or later, as the variance adds up.")
        return format_html('{}<div class="qj-quiet">{}</div>', shown, note)
    return shown


def _change(before: dt.timedelta, after: dt.timedelta) -> str:
    if before == after:
        return ""
    return format_html(
        '<span class="qj-long qj-nowrap">{}</span>',
        _("clock change: UTC%(before)s → UTC%(after)s")
        % {"before": _offset(before), "after": _offset(after)},
    )


def _offset(offset: dt.timedelta) -> str:
    minutes = abs(offset) // dt.timedelta(minutes=1)
    sign = "-" if offset < dt.timedelta(0) else "+"
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"
