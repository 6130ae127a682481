"""The page of an execution: its outcome, progress, output and stack."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Set

from django.contrib.admin.utils import flatten_fieldsets
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from quick_jobs.admin.base import HistoryAdmin, PageLink, column
from quick_jobs.admin.copyable import copyable
from quick_jobs.admin.last_look import last_look, look_in_words, time_of_day
from quick_jobs.admin.neighbours import neighbours
from quick_jobs.admin.progress import Progress, progress_bar
from quick_jobs.admin.releases import release_element
from quick_jobs.admin.static_files import scripts
from quick_jobs.admin.wording import (
    at_least,
    clock_time,
    duration_in_words,
    time_element,
)
from quick_jobs.conf import conf
from quick_jobs.models import Job, JobExecution, JobRunner

if TYPE_CHECKING:
    from quick_jobs.admin.facts import ExecutionRow

_WHERE_IT_IS = gettext_lazy("Where it is")
_WHERE_IT_WAS = gettext_lazy("Where it was")
_TRACEBACK = gettext_lazy("Traceback")

#: Seconds between two reloads of a running execution's page.
_REFRESH = 15


class ExecutionPageAdmin(HistoryAdmin):
    """The lines of an execution's page."""

    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("of_job", "in_runner", "of_release"),
                    ("state", "spent", "late"),
                    ("due", "started", "finished"),
                    "reached",
                    "noted",
                    "error_line",
                    "explanation",
                )
            },
        ),
        (_WHERE_IT_IS, {"fields": ("formatted_stack",)}),
        (_TRACEBACK, {"fields": ("formatted_traceback",)}),
        (gettext_lazy("Log"), {"fields": ("formatted_log",)}),
    )
    tells_of = {Job: ("job_name", "of_job"), JobRunner: ("in_runner", "of_release")}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        hidden = set() if obj is None else _without_content(obj)
        is_running = obj is None or obj.facts.state == JobExecution.RUNNING
        sections = []
        for title, options in self.fieldsets:
            fields = self._permitted(request, options["fields"], hidden)
            if title is _WHERE_IT_IS and not is_running:
                title = _WHERE_IT_WAS
            if title is _TRACEBACK and obj is not None and obj.outcome in JobExecution.HAS_STACK:
                title = _WHERE_IT_WAS
            if fields:
                sections.append((title, {**options, "fields": fields}))
        return sections

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return flatten_fieldsets(self.fieldsets)

    def links_of(self, request: HttpRequest, row: ExecutionRow) -> List[PageLink]:
        previous, following = neighbours(row)
        for other in (previous, following):
            if other is not None:
                other.job = row.job  # without its name if that may not be seen
        found = (
            (_("‹ Previous run"), previous, "prev"),  # noqa: RUF001
            (_("Next run ›"), following, "next"),  # noqa: RUF001
        )
        return [
            PageLink(text, row.facts.links.url(JobExecution, other.pk), rel, str(other))
            for text, other, rel in found
            if other is not None
        ]

    def render_change_form(
        self,
        request: HttpRequest,
        context: Dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None and obj.facts.state == JobExecution.RUNNING:
            context["media"] = context["media"] + scripts("quick_jobs/refresh.js")
        return super().render_change_form(request, context, add, change, form_url, obj)

    @column(gettext_lazy("job"))
    def of_job(self, execution: ExecutionRow) -> Any:
        return execution.facts.links.to(Job, execution.job_id, str(execution.job))

    @column(gettext_lazy("release"))
    def of_release(self, execution: ExecutionRow) -> str:
        return release_element(execution.runner.release)

    @column(gettext_lazy("duration"))
    def spent(self, execution: ExecutionRow) -> str:
        """Return the duration, with the CPU time. While the execution runs, the page reloads."""
        text = duration_so_far(execution)
        if execution.cpu_time is not None:
            text = _("%(duration)s, of which %(cpu)s of CPU") % {
                "duration": text,
                "cpu": duration_in_words(execution.cpu_time),
            }
        if execution.facts.state != JobExecution.RUNNING:
            return text
        return format_html('<span data-qj-refresh="{}">{}</span>', _REFRESH, text)

    @column(gettext_lazy("due"))
    def due(self, execution: ExecutionRow) -> str:
        return time_element(execution.due_at)

    @column(gettext_lazy("finished"))
    def finished(self, execution: ExecutionRow) -> str:
        return time_element(execution.finished_at)

    @column(gettext_lazy("lateness"))
    def late(self, execution: ExecutionRow) -> str:
        return duration_in_words(execution.lateness)

    @column(gettext_lazy("progress"))
    def reached(self, execution: ExecutionRow) -> str:
        progress = _progress_of(execution)
        return progress_bar(progress) if progress else ""

    @column(gettext_lazy("note"))
    def noted(self, execution: ExecutionRow) -> str:
        return execution.note

    @column(gettext_lazy("explanation"))
    def explanation(self, execution: ExecutionRow) -> str:
        seen = execution.facts.seen_until or execution.started_at
        expected = execution.runner.last_heartbeat_at + conf.heartbeat_interval
        text = _(
            "Lost: the process vanished between %(start)s and %(end)s. How it ended is not on"
            " record: the runner was killed, or its machine or the database went away."
        ) % {"start": clock_time(seen), "end": time_of_day(max(seen, expected), seen)}
        if execution.observed_at is not None:
            return text
        unobserved = _(
            "Nothing is on record since its start: what a job says, and where it is, is written"
            " with each heartbeat, every %(interval)s."
        ) % {"interval": duration_in_words(conf.heartbeat_interval)}
        return f"{text} {unobserved}"

    @column(gettext_lazy("stack"))
    def formatted_stack(self, execution: ExecutionRow) -> str:
        look = last_look(
            execution.observed_at, execution.runner.last_heartbeat_at, conf.heartbeat_interval
        )
        words = look_in_words(look, execution.facts.now)
        return format_html('<p class="qj-look">{}</p>{}', words, copyable(execution.stack, "stack"))

    @column(gettext_lazy("traceback"))
    def formatted_traceback(self, execution: ExecutionRow) -> str:
        return copyable(execution.traceback, "traceback")

    @column(gettext_lazy("log"))
    def formatted_log(self, execution: ExecutionRow) -> str:
        return copyable(execution.log, "log")


def duration_so_far(execution: ExecutionRow) -> str:
    """Return how long an execution took, has been running, or took at least if it is lost."""
    if execution.facts.state == JobExecution.RUNNING:
        so_far = execution.facts.now - execution.started_at
        return _("%(duration)s so far") % {"duration": duration_in_words(so_far)}
    if execution.facts.seen_until is not None:
        return at_least(execution.facts.seen_until - execution.started_at)
    return duration_in_words(execution.duration)


def _progress_of(execution: ExecutionRow) -> Optional[Progress]:
    elapsed: Optional[dt.timedelta] = None
    if execution.facts.state == JobExecution.RUNNING:
        elapsed = (execution.observed_at or execution.facts.now) - execution.started_at
    return Progress.of(execution.progress_done, execution.progress_total, elapsed)


def _without_content(execution: ExecutionRow) -> Set[str]:
    """Return the lines that would be empty or meaningless."""
    has_content = {
        "of_release": execution.runner.release,
        "due": execution.due_at,
        "reached": _progress_of(execution),
        "noted": execution.note,
        "error_line": execution.error or execution.facts.state == JobExecution.LOST,
        "explanation": execution.facts.state == JobExecution.LOST,
        "formatted_stack": execution.stack and execution.outcome == JobExecution.RUNNING,
        "formatted_traceback": execution.traceback,
        "formatted_log": execution.log,
    }
    return {name for name, content in has_content.items() if not content}
