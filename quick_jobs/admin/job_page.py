"""The page of a job: its last executions, its last error in full, and where it is defined."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from quick_jobs.admin.badges import execution_badge
from quick_jobs.admin.base import HistoryAdmin, column
from quick_jobs.admin.copyable import copyable
from quick_jobs.admin.definitions import definition_of
from quick_jobs.admin.execution_view import ExecutionView
from quick_jobs.admin.links import link
from quick_jobs.admin.recent.queries import newest_of
from quick_jobs.admin.releases import short_release
from quick_jobs.admin.search import MOST_READ
from quick_jobs.admin.wording import NOTHING, error_in_words, spent_in_words, time_element
from quick_jobs.models import JobExecution, JobRunner

if TYPE_CHECKING:
    from quick_jobs.admin.facts import JobRow

#: Executions in the table.
_SHOWN = 10

#: Lines of the log below the last error. The execution's page has all.
_LAST_LINES = 20


class JobPageFacts(NamedTuple):
    """``said`` are the notes and errors of the last executions, by primary key.

    ``failing_release`` is the one in which the job began to fail, if its success had another.
    """

    last_error: Optional[JobExecution]
    said: Dict[int, Tuple[str, str]]
    failing_release: str


class JobPageAdmin(HistoryAdmin):
    """What the page of a job shows besides the columns of the list."""

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        more = [
            (gettext_lazy("Last error"), {"fields": ("last_error",)}),
            (gettext_lazy("History"), {"fields": ("last_ten",)}),
        ]
        if obj is not None and not self._shows_executions(request):
            more = []
        elif obj is not None and self._facts_of_page(obj).last_error is None:
            del more[0]
        return [*super().get_fieldsets(request, obj), *more]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "last_error", "last_ten"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        if obj is None:
            return fields
        has_content = {
            "description": obj.description,
            "written": definition_of(obj.name),
            "by_hand": not obj.facts.is_gone,
        }
        return [line for line in fields if line not in has_content or has_content[line]]

    def _shows_executions(self, request: HttpRequest) -> bool:
        return bool(self._permitted(request, ["last_ten"]))

    def _facts_of_page(self, job: JobRow) -> JobPageFacts:
        """Return the facts that only the page needs, read once."""
        found: Optional[JobPageFacts] = getattr(job, "page_facts", None)
        if found is None:
            found = JobPageFacts(
                _last_error(job),
                _said([one.pk for one in job.facts.recent.executions[:_SHOWN]]),
                _failing_release(job.facts.recent.executions)
                if job.facts.links.permits(JobRunner)
                else "",
            )
            job.page_facts = found  # type: ignore[attr-defined]
        return found

    @column(gettext_lazy("defined in"))
    def written(self, job: JobRow) -> str:
        return definition_of(job.name)

    @column(gettext_lazy("run it once, by hand"))
    def by_hand(self, job: JobRow) -> str:
        return copyable(f"python manage.py run_job {job.name}", "command")

    @column(gettext_lazy("last error"))
    def last_error(self, job: JobRow) -> str:
        facts = self._facts_of_page(job)
        execution = facts.last_error
        if execution is None:
            return NOTHING
        log = "\n".join(execution.log.splitlines()[-_LAST_LINES:])
        return format_html(
            '<p class="qj-look">{} {} {} {}</p>{}{}',
            link(job.facts.links.url(JobExecution, execution.pk), str(_("Execution"))),
            time_element(execution.started_at, job.facts.now),
            format_html('<span class="qj-error">{}</span>', _error_of(execution)),
            _failing_since(facts.failing_release),
            copyable(execution.traceback, "traceback") if execution.traceback else "",
            format_html("<h3>{}</h3>{}", _("The end of its log"), copyable(log, "log"))
            if log
            else "",
        )

    @column(gettext_lazy("history"))
    def last_ten(self, job: JobRow) -> str:
        said = self._facts_of_page(job).said
        rows = [
            (
                link(
                    job.facts.links.url(JobExecution, one.pk),
                    execution_badge(one.state),
                    "qj-plain",
                ),
                time_element(one.started_at),
                spent_in_words(one.state, one.duration),
                _note_and_error(*said.get(one.pk, ("", "")), one.state),
            )
            for one in job.facts.recent.executions[:_SHOWN]
        ]
        if not rows:
            return NOTHING
        titles, cells = [_("State"), _("Start"), _("Duration")], "<td>{}</td><td>{}</td><td>{}</td>"
        if any(row[3] for row in rows):
            titles.append(_("Note and error"))
            cells += '<td class="qj-error">{}</td>'
        return format_html(
            '<div class="qj-wide"><table class="qj-table"><thead><tr>{}</tr></thead>'
            "<tbody>{}</tbody></table></div>",
            format_html_join("", '<th scope="col">{}</th>', ((title,) for title in titles)),
            format_html_join("", f"<tr>{cells}</tr>", rows),
        )


def _note_and_error(note: str, error: str, state: str) -> str:
    error = error_in_words(error, state)
    if not error:
        return note
    return format_html('{} <span class="qj-quiet">{}</span>', note, error)


def _last_error(job: JobRow) -> Optional[JobExecution]:
    """Return the last execution that went wrong, among those that a search reads."""
    executions = JobExecution.objects.filter(job=job.pk)
    newest = newest_of(executions, MOST_READ)
    if newest is not None:
        executions = executions.filter(started_at__gte=newest.start, started_at__lte=newest.end)
    found: Optional[JobExecution] = executions.went_wrong().order_by("-started_at").first()
    return found


def _error_of(execution: JobExecution) -> str:
    """Return the error of one that went wrong: of those that run, only lost ones did."""
    is_lost = execution.outcome == JobExecution.RUNNING
    return error_in_words(execution.error, JobExecution.state_of(execution.outcome, is_lost))


def _said(pks: List[int]) -> Dict[int, Tuple[str, str]]:
    rows = JobExecution.objects.filter(pk__in=pks).values_list("pk", "note", "error")
    return {pk: (note, error) for pk, note, error in rows}


def _failing_release(executions: Any) -> str:
    """Return the release in which the current failures began, "" if no other one succeeded."""
    telling = [one for one in executions if one.state not in JobExecution.TELLS_NOTHING]
    failing: List[ExecutionView] = list(itertools.takewhile(lambda one: one.went_wrong, telling))
    if not failing or len(failing) == len(telling):
        return ""
    began, succeeded = failing[-1].runner_id, telling[len(failing)].runner_id
    runners = JobRunner.objects.filter(pk__in={began, succeeded})
    releases = dict(runners.values_list("pk", "release"))
    release, before = releases.get(began, ""), releases.get(succeeded, "")
    return release if release and before and release != before else ""


def _failing_since(release: str) -> str:
    if not release:
        return ""
    return format_html(
        '<strong class="qj-bad" title="{}">{}</strong>',
        release,
        _("failing since release %s") % short_release(release),
    )
