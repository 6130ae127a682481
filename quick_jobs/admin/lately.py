"""What the newest executions say of a job or a runner."""

from __future__ import annotations

import datetime as dt
import itertools
import statistics
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from django.db.models import Model
from django.utils.html import format_html
from django.utils.translation import gettext as _

from quick_jobs.admin.badges import BAD_STATES, LOST, execution_state
from quick_jobs.admin.page_clock import PageClock
from quick_jobs.admin.recent import any_of, newest_of_each
from quick_jobs.admin.wording import NOTHING, ago, in_words
from quick_jobs.models import JobExecution

_FIELDS = (
    "job_id",
    "runner_id",
    "pk",
    "outcome",
    "started_at",
    "duration",
    "lateness",
    "runner__stopped_at",
    "runner__last_heartbeat_at",
)

#: No execution is called long for so little more than is typical.
_NOT_WORTH_A_WORD = dt.timedelta(seconds=1)


class Seen(NamedTuple):
    """An execution as it is seen at some moment; ``duration`` is up to then if it is running.

    Of a lost one it is up to the last heartbeat of its runner.
    """

    job_id: int
    runner_id: int
    pk: int
    state: str
    started_at: dt.datetime
    duration: Optional[dt.timedelta]
    lateness: Optional[dt.timedelta]


class Lately(NamedTuple):
    """The newest executions of a job or a runner, the newest first."""

    executions: Sequence[Seen]

    @property
    def last(self) -> Optional[Seen]:
        return self.executions[0] if self.executions else None

    @property
    def ended(self) -> int:
        """How many are not running any more."""
        return sum(seen.state != JobExecution.RUNNING for seen in self.executions)

    @property
    def failures(self) -> int:
        return sum(seen.state in BAD_STATES for seen in self.executions)

    @property
    def last_failure(self) -> Optional[Seen]:
        return next((seen for seen in self.executions if seen.state in BAD_STATES), None)

    @property
    def failing_since(self) -> Optional[dt.datetime]:
        """When the first of the failures started that nothing but failures have followed."""
        ended = (seen for seen in self.executions if seen.state != JobExecution.RUNNING)
        failing = list(itertools.takewhile(lambda seen: seen.state in BAD_STATES, ended))
        return failing[-1].started_at if failing else None

    @property
    def is_last_long(self) -> bool:
        """Whether the last one took, or takes, more than twice as long as is typical."""
        typical, last = self.typical_duration, self.last
        if typical is None or last is None or last.duration is None:
            return False
        return last.duration > max(2 * typical, typical + _NOT_WORTH_A_WORD)

    @property
    def typical_duration(self) -> Optional[dt.timedelta]:
        """The median duration of those that succeeded."""
        return _median(
            seen.duration
            for seen in self.executions
            if seen.state == JobExecution.SUCCEEDED and seen.duration is not None
        )

    @property
    def typical_lateness(self) -> Optional[dt.timedelta]:
        """The median lateness of those for which it is known."""
        return _median(seen.lateness for seen in self.executions if seen.lateness is not None)

    @property
    def worst_lateness(self) -> Optional[dt.timedelta]:
        return max(
            (seen.lateness for seen in self.executions if seen.lateness is not None), default=None
        )


def _median(durations: Any) -> Optional[dt.timedelta]:
    found = sorted(durations)
    return statistics.median_low(found) if found else None


def lately(group: str, rows: List[Model], count: int, clock: PageClock) -> Dict[int, Lately]:
    """Return, by primary key, the newest ``count`` executions of each job or runner in ``rows``.

    ``group`` is "job" or "runner". That takes two queries.
    """
    found: Dict[int, List[Seen]] = {row.pk: [] for row in rows}
    if rows:
        ranges = newest_of_each(group, [row.pk for row in rows], count)
        for seen in see(JobExecution.objects.filter(any_of(group, ranges)), clock):
            found[getattr(seen, f"{group}_id")].append(seen)
    for seen_of_one in found.values():
        seen_of_one.sort(key=lambda seen: (seen.started_at, seen.pk), reverse=True)
        del seen_of_one[count:]
    return {pk: Lately(seen_of_one) for pk, seen_of_one in found.items()}


def see(executions: Any, clock: PageClock, most: Optional[int] = None) -> List[Seen]:
    """Return ``executions``, a query, or the first ``most``, as they are at that time."""
    seen = []
    for row in executions.values_list(*_FIELDS)[:most]:
        job_id, runner_id, pk, outcome, started_at, duration, lateness, stopped_at, beat_at = row
        is_lost = stopped_at is None and beat_at < clock.lost_before
        state = execution_state(outcome, is_lost)
        if state == JobExecution.RUNNING:
            duration = max(dt.timedelta(0), clock.now - started_at)
        elif state == LOST:
            duration = max(dt.timedelta(0), beat_at - started_at)
        seen.append(Seen(job_id, runner_id, pk, state, started_at, duration, lateness))
    return seen


def failures_in_words(lately: Lately, now: dt.datetime) -> str:
    """Return HTML of the share of failures among those that have ended, like "4 % 2 of 50".

    Below it is since when there is nothing but failures, or when the last one was.
    """
    ended, failures = lately.ended, lately.failures
    if not ended:
        return NOTHING
    text = _("%(failures)d of %(ended)d") % {"failures": failures, "ended": ended}
    if not failures:
        return format_html('<span class="qj-quiet">{}</span>', text)
    return format_html(
        '<span class="qj-bad">{} %</span> <span class="qj-quiet qj-nowrap">{}</span>'
        ' <span class="qj-second">{}</span>',
        round(100 * failures / ended) or "<1",
        text,
        _when_it_failed(lately, now),
    )


def _when_it_failed(lately: Lately, now: dt.datetime) -> str:
    since, last = lately.failing_since, lately.last_failure
    if since is not None:
        failing_for = _("failing for %s") % in_words(now - since, parts=1)
        return format_html('<strong class="qj-bad">{}</strong>', failing_for)
    return _("last %s") % ago(last.started_at, now) if last else ""
