"""The admin of jobs: the overview."""

from __future__ import annotations

from typing import Any, List

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from quick_jobs.admin.badges import badge, execution_badge
from quick_jobs.admin.base import HistoryAdmin, column
from quick_jobs.admin.filters import JobStateFilter
from quick_jobs.admin.lately import Lately, failures_in_words, lately
from quick_jobs.admin.links import links_for
from quick_jobs.admin.picture import picture
from quick_jobs.admin.present import present_at
from quick_jobs.admin.registered import live_runners, live_runners_by_job, names_in_code
from quick_jobs.admin.wording import (
    NOTHING,
    ago,
    breakable,
    in_words,
    schedule_in_words,
    time_element,
)
from quick_jobs.models import Job, JobExecution, JobRunner

#: What is "lately": so many executions of each job.
LATELY = 50

#: Bars in a picture in the list; on a job's own page it has all of them.
BARS = 20


@admin.register(Job)
class JobAdmin(HistoryAdmin):
    """The jobs that runners have registered, by name, and how they are doing."""

    list_display = (
        "title",
        "schedule",
        "last_execution",
        "picture",
        "typical_duration",
        "failures",
        "liveness",
    )
    list_filter = (JobStateFilter,)
    ordering = ("name",)
    sortable_by = ("title",)
    search_fields = ("name",)
    fields = (
        "name",
        ("schedule", "time_limit"),
        ("last_execution", "typical_duration", "failures"),
        "long_picture",
        ("liveness", "its_runners"),
    )
    group = "job"
    tells_of = {
        JobExecution: (
            "last_execution",
            "picture",
            "long_picture",
            "typical_duration",
            "failures",
        ),
        JobRunner: ("liveness", "its_runners"),
    }

    def add_facts(self, request: HttpRequest, rows: List[Any]) -> None:
        links = links_for(request, self.admin_site)
        present = present_at(request)
        known = names_in_code()
        seen = lately("job", rows, LATELY, present) if links.permits(JobExecution) else {}
        alive = live_runners(request)
        runners = live_runners_by_job(alive, [job.pk for job in rows])
        for job in rows:
            job.links = links
            job.now = present.now
            job.lately = seen.get(job.pk, Lately(()))
            job.live_runners = runners.get(job.pk, 0)
            job.is_gone = not job.live_runners and known is not None and job.name not in known

    @column(gettext_lazy("name"), order="name")
    def title(self, job: Any) -> str:
        return breakable(job.name)

    @column(gettext_lazy("schedule"))
    def schedule(self, job: Any) -> str:
        return schedule_in_words(job)

    @column(gettext_lazy("timeout"))
    def time_limit(self, job: Any) -> str:
        return in_words(job.timeout, parts=4)

    @column(gettext_lazy("last execution"))
    def last_execution(self, job: Any) -> str:
        last = job.lately.last
        if last is None:
            return NOTHING
        return format_html(
            '<a class="qj-plain" href="{}">{}</a> <span class="qj-nowrap">{}</span>'
            ' <span class="qj-quiet qj-nowrap">{}</span>',
            job.links.url(JobExecution, last.pk),
            execution_badge(last.state),
            ago(last.started_at, job.now),
            in_words(last.duration),
        )

    @column(gettext_lazy("last executions"))
    def picture(self, job: Any) -> str:
        return picture(job.lately.executions[:BARS], job.links) or NOTHING

    @column(gettext_lazy("last executions"))
    def long_picture(self, job: Any) -> str:
        return format_html(
            '{}<p><a href="{}">{}</a></p>',
            picture(job.lately.executions, job.links),
            job.links.list_url(JobExecution, job__id__exact=job.pk),
            _("All executions"),
        )

    @column(gettext_lazy("typical duration"))
    def typical_duration(self, job: Any) -> str:
        return in_words(job.lately.typical_duration)

    @column(gettext_lazy("failures lately"))
    def failures(self, job: Any) -> str:
        return failures_in_words(job.lately)

    @column(gettext_lazy("live runners"))
    def liveness(self, job: Any) -> Any:
        if job.live_runners:
            return ngettext("%d runner", "%d runners", job.live_runners) % job.live_runners
        if job.is_gone:
            return format_html(
                '<span title="{}">{}</span>',
                _("No live runner has it, and it is in no installed app's jobs module."),
                badge("gone", _("not in the code")),
            )
        return badge("none", _("no live runner"))

    @column(gettext_lazy("runners"))
    def its_runners(self, job: Any) -> Any:
        runners: QuerySet[JobRunner] = job.runners.order_by("-pk")[:10]
        return (
            format_html_join(
                "",
                "<div>{} {}</div>",
                (
                    (
                        job.links.to(JobRunner, runner.pk, str(runner)),
                        time_element(runner.started_at, job.now),
                    )
                    for runner in runners
                ),
            )
            or NOTHING
        )
