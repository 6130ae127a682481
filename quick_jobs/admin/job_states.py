"""The states of jobs in a list: as a badge with a sentence, and as an order."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _

from quick_jobs.admin.badges import badge, job_badge
from quick_jobs.admin.changelists import HistoryChangeList
from quick_jobs.admin.facts import JobFacts
from quick_jobs.admin.site_health import MOST_JOBS, site_health
from quick_jobs.admin.wording import NOTHING
from quick_jobs.health import OK, STATES, advice_on, sentence_of
from quick_jobs.health.words import sentence_of_state
from quick_jobs.models import JobExecution, JobRunner

#: The order of a list of jobs: the worst state has the lowest rank.
RANK = "quick_jobs_rank"

_RANKS = {state: number for number, (state, _name) in enumerate(STATES)}


class JobChangeList(HistoryChangeList):
    """A page of jobs. Those that need attention come first, unless the list is sorted."""

    def get_ordering(self, request: HttpRequest, queryset: Any) -> Any:
        ordering = super().get_ordering(request, queryset)
        if ORDER_VAR in self.params or RANK not in queryset.query.annotations:
            return ordering
        return [RANK, *ordering]


def ranked(request: HttpRequest, jobs: Any, may_see: bool) -> Any:
    """Return ``jobs``, a query, with the rank of their states, for sorting.

    All have the same rank for people who may not see how they are doing.
    """
    by_rank: Any = {}
    for job in site_health(request).jobs[:MOST_JOBS] if may_see else ():
        if job.state != OK and job.facts.pk is not None:
            by_rank.setdefault(_RANKS[job.state], []).append(job.facts.pk)
    whens = [When(pk__in=pks, then=Value(rank)) for rank, pks in sorted(by_rank.items())]
    if not whens:
        rank: Any = Value(_RANKS[OK], output_field=IntegerField())
    else:
        rank = Case(*whens, default=Value(_RANKS[OK]), output_field=IntegerField())
    return jobs.annotate(**{RANK: rank})


def state_in_words(facts: JobFacts) -> str:
    """Return HTML of a job's state, if it may be seen, with a sentence for each finding."""
    if not facts.links.permits(JobExecution):
        if facts.links.permits(JobRunner) and not facts.live_runners:
            return badge("none", _("no live runner"))
        return NOTHING
    health = facts.health
    shown = job_badge(health.state)
    findings = list(health.findings)
    for finding in findings:
        shown = format_html(
            '{} <span class="qj-second" title="{}">{}</span>',
            shown,
            advice_on(finding),
            sentence_of(finding),
        )
    sentence = sentence_of_state(health.state)
    if sentence:
        shown = format_html('{} <span class="qj-second">{}</span>', shown, sentence)
    if _has_no_runner(facts):
        shown = format_html(
            '{} <span class="qj-second">{}</span>', shown, badge("none", _("no live runner"))
        )
    return shown


def _has_no_runner(facts: JobFacts) -> bool:
    """Return whether a job has no live runner, and its state does not say so."""
    return (
        facts.links.permits(JobRunner)
        and not facts.live_runners
        and not facts.is_gone
        and not facts.is_on_timer
        and not facts.health.is_("late")
    )
