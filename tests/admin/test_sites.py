"""The admin in sites that have put admins of their own in the place of ours."""

import contextlib
import re
from urllib.parse import urljoin

import pytest
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.test.utils import isolate_apps
from django.urls import NoReverseMatch, path, reverse

from quick_jobs.admin import JobAdmin, JobExecutionAdmin, JobRunnerAdmin
from quick_jobs.models import Job, JobExecution, JobRunner
from tests.admin_pages import log_in, make_executions, make_job, make_runner

OURS = {Job: JobAdmin, JobRunner: JobRunnerAdmin, JobExecution: JobExecutionAdmin}


class Plain(admin.ModelAdmin):
    """What django-unfold's documentation asks for, and others'."""


class Elaborate(admin.ModelAdmin):
    search_fields = ("pk",)
    list_filter = ("id",)
    list_per_page = 1


class OwnList(JobExecutionAdmin):
    """A subclass whose list is made by another package's class."""

    def get_changelist(self, request, **kwargs):
        return ChangeList


class OwnJobList(JobAdmin):
    def get_changelist(self, request, **kwargs):
        return ChangeList


class OwnRunnerList(JobRunnerAdmin):
    def get_changelist(self, request, **kwargs):
        return ChangeList


class NoTimeline(JobExecutionAdmin):
    """A subclass that replaces the addresses, and forgets ours."""

    def get_urls(self):
        return admin.ModelAdmin.get_urls(self)


def same(model):
    """Return a proxy of a model, which nothing but these tests knows."""

    class Meta:
        proxy = True
        app_label = "quick_jobs"

    with isolate_apps("quick_jobs"):
        attributes = {"__module__": __name__, "Meta": Meta}
        return type(f"Same{model.__name__}", (model,), attributes)


SITES = {
    "a plain admin of executions": {**OURS, JobExecution: Plain},
    "a plain admin of jobs": {**OURS, Job: Plain},
    "a plain admin of runners": {**OURS, JobRunner: Plain},
    "plain admins": dict.fromkeys(OURS, Plain),
    "elaborate admins": dict.fromkeys(OURS, Elaborate),
    "no admin of executions": {Job: JobAdmin, JobRunner: JobRunnerAdmin},
    "jobs alone": {Job: JobAdmin},
    "runners alone": {JobRunner: JobRunnerAdmin},
    "executions alone": {JobExecution: JobExecutionAdmin},
    "lists of other classes": {
        Job: OwnJobList,
        JobRunner: OwnRunnerList,
        JobExecution: OwnList,
    },
    "no timeline": {**OURS, JobExecution: NoTimeline},
    "proxies": {
        same(Job): JobAdmin,
        same(JobRunner): JobRunnerAdmin,
        same(JobExecution): JobExecutionAdmin,
    },
    "ours": OURS,
}


def serve(settings, admins, name="backoffice"):
    """Have a site's own ``AdminSite`` with these admins at ``/admin/``, and return it."""
    own = admin.AdminSite(name=name)
    for model, model_admin in admins.items():
        own.register(model, model_admin)

    class Urls:
        urlpatterns = [path("admin/", own.urls)]

    settings.ROOT_URLCONF = Urls
    return own


def pages(admins, rows):
    """Return the addresses of all pages there should be."""
    for model in admins:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        yield reverse(f"{name}_changelist") + "?q=web"
        yield reverse(f"{name}_change", args=[rows[model._meta.concrete_model].pk])
        yield reverse(f"{name}_delete", args=[rows[model._meta.concrete_model].pk])
    with contextlib.suppress(NoReverseMatch):
        yield reverse("admin:quick_jobs_timeline")


@pytest.fixture
def rows(db):
    job = make_job()
    runner = make_runner(job)
    execution, *_ = make_executions(job, runner, 3, outcome="failed", error="x", traceback="y")
    return {Job: job, JobRunner: runner, JobExecution: execution}


def shape(url):
    """Return what links have in common that differ by the row, or by what is asked for."""
    return re.sub(r"\d+", "#", re.sub(r"=[^&]*", "", url))


@pytest.mark.sweeps
@pytest.mark.parametrize("admins", SITES.values(), ids=SITES)
def test_every_page_is_there_and_so_is_what_it_links_to(settings, admin_client, rows, admins):
    check_links(settings, admin_client, rows, admins, "backoffice")


@pytest.mark.sweeps
@pytest.mark.parametrize("admins", [OURS, SITES["plain admins"]], ids=["ours", "plain admins"])
def test_so_they_are_in_a_site_with_the_usual_name(settings, admin_client, rows, admins):
    check_links(settings, admin_client, rows, admins, "admin")


def check_links(settings, admin_client, rows, admins, name):
    """Get all pages of the admins in a site of that name, and one link of each shape on them."""
    serve(settings, admins, name)
    linked_from = {}
    for url in pages(admins, rows):
        response = admin_client.get(url)
        assert response.status_code == 200, url
        html = response.content.decode()
        # The page that is shown is a link to itself in Django's own paginator, from 6.1 on.
        assert 'href=""' not in html.replace('href="" aria-current="page"', ""), url
        inside = html.partition('id="content"')[2]
        for link in set(re.findall(r'<a [^>]*?href="([^"#]+)"', inside)):
            target = urljoin(url, link.replace("&amp;", "&"))
            linked_from.setdefault(shape(target), (target, url))
    for target, url in linked_from.values():
        followed = admin_client.get(target)
        assert followed.status_code == 200, f"{url} links to {target}: {followed}"


def test_without_our_admin_of_executions_no_timeline_is_offered(settings, admin_client, rows):
    serve(settings, {**OURS, JobExecution: Plain})
    for model in (Job, JobRunner):
        url = reverse(f"admin:quick_jobs_{model._meta.model_name}_changelist")
        assert "imeline" not in admin_client.get(url).content.decode().partition('id="content"')[2]


def test_an_admin_derived_from_ours_keeps_the_timeline(settings, admin_client, rows):
    class Own(JobExecutionAdmin):
        list_per_page = 7

    serve(settings, {**OURS, JobExecution: Own})
    url = reverse("admin:quick_jobs_timeline")
    for model in OURS:
        page = reverse(f"admin:quick_jobs_{model._meta.model_name}_changelist")
        assert f'href="{url}"' in admin_client.get(page).content.decode()


def test_lines_of_fields_may_be_lists(settings, admin_client, client, rows):
    class OwnJobs(JobAdmin):
        fields = None
        fieldsets = [(None, {"fields": ["name", ["schedule", "liveness"], ("last_execution",)]})]

    class OwnRunners(JobRunnerAdmin):
        fields = (["hostname", "pid"], "state")

    class OwnExecutions(JobExecutionAdmin):
        fieldsets = [(None, {"fields": [["of_job", "in_runner"], "state"]})]

    admins = {Job: OwnJobs, JobRunner: OwnRunners, JobExecution: OwnExecutions}
    serve(settings, admins)
    for url in pages(admins, rows):
        assert admin_client.get(url).status_code == 200, url
    log_in(client, "view_job")
    url = reverse("admin:quick_jobs_job_change", args=[rows[Job].pk])
    html = client.get(url).content.decode()
    assert "field-schedule" in html
    assert "field-liveness" not in html
    assert "field-last_execution" not in html


def test_the_lists_and_pages_of_a_sites_own_admin_look_as_django_has_them(
    settings, admin_client, rows
):
    serve(settings, dict.fromkeys(OURS, Elaborate))
    html = admin_client.get(reverse("admin:quick_jobs_job_changelist")).content.decode()
    assert "qj-" not in html
    assert 'id="changelist-filter"' in html
    assert 'class="paginator"' in html
    url = reverse("admin:quick_jobs_job_change", args=[rows[Job].pk])
    assert 'class="historylink"' in admin_client.get(url).content.decode()
