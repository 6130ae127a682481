"""Who may see and do what in the admin."""

import datetime as dt

import pytest
from django.contrib import admin
from django.utils import timezone

from quick_jobs.models import Job, JobExecution, JobRunner
from tests.admin_pages import (
    MODELS,
    address,
    listed,
    log_in,
    make_executions,
    make_job,
    make_runner,
    page,
)

MARKUP = "<script>alert('job')</script>"


@pytest.fixture
def viewer(client, db):
    log_in(client, *(f"view_{model}" for model in MODELS))
    return client


@pytest.fixture
def execution(db):
    job = make_job()
    (execution,) = make_executions(job, make_runner(job), outcome="running")
    return execution


@pytest.fixture
def rows(execution):
    return {"job": execution.job, "jobrunner": execution.runner, "jobexecution": execution}


def test_the_three_models_are_registered():
    assert all(admin.site.is_registered(model) for model in (Job, JobRunner, JobExecution))


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_listed_and_shown(viewer, rows, model):
    assert listed(viewer, model) == [rows[model]]
    page(viewer, f"{model}_change", rows[model].pk)


@pytest.mark.parametrize("model", MODELS)
def test_nobody_adds(admin_client, model):
    assert admin_client.get(address(f"{model}_add")).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_nobody_changes(admin_client, rows, model):
    url = address(f"{model}_change", rows[model].pk)
    assert admin_client.post(url, {"outcome": "succeeded", "name": "x"}).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_shown_without_login(client, rows, model):
    for url in (
        address(f"{model}_changelist"),
        address(f"{model}_change", rows[model].pk),
        address("timeline"),
    ):
        response = client.get(url)
        assert (response.status_code, response.content) == (302, b"")
        assert "/login/" in response["Location"]


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_shown_to_who_may_view_it_only(client, rows, model):
    log_in(client, f"view_{model}")
    for other, row in rows.items():
        expected = 200 if other == model else 403
        assert client.get(address(f"{other}_changelist")).status_code == expected
        assert client.get(address(f"{other}_change", row.pk)).status_code == expected


def test_the_timeline_is_shown_to_who_may_view_executions_only(client, execution):
    log_in(client, "view_job", "view_jobrunner")
    assert client.get(address("timeline")).status_code == 403


def test_the_timeline_shows_no_runners_to_who_may_not_view_them(client, execution):
    log_in(client, "view_jobexecution")
    html = page(client, "timeline")
    assert "qj-life" not in html
    assert "/jobrunner/" not in html
    assert f"/job/{execution.job_id}/" not in html


def test_a_job_shows_no_executions_and_runners_to_who_may_not_view_them(client, execution):
    log_in(client, "view_job")
    for html in (page(client, "job_changelist"), page(client, "job_change", execution.job_id)):
        assert "/jobexecution/" not in html
        assert "qj-picture" not in html
        assert "qj-running" not in html
        assert "/jobrunner/" not in html
        assert "live runner" not in html.lower()
        assert "web-1" not in html


def test_executions_are_not_filtered_by_what_may_not_be_viewed(client, execution):
    secret = make_job("shop.jobs.secret")
    make_runner(hostname="secret-host")
    log_in(client, "view_jobexecution")
    html = page(client, "jobexecution_changelist")
    assert html.count('<label class="qj-filter">') == 3
    assert "secret" not in html
    assert "secret" not in page(client, "jobexecution_changelist", job__id__exact=secret.pk)
    make_executions(make_job("shop.jobs.other"), execution.runner)
    assert listed(client, "jobexecution", job__id__exact=execution.job_id) == [execution]
    assert listed(client, "jobexecution", job__id__exact=12345) == []


def test_the_overview_counts_nothing_that_may_not_be_viewed(client, execution):
    log_in(client, "view_job")
    assert "qj-figures" not in page(client, "job_changelist")


def test_a_runner_shows_no_executions_and_jobs_to_who_may_not_view_them(client, execution):
    log_in(client, "view_jobrunner")
    for html in (
        page(client, "jobrunner_changelist"),
        page(client, "jobrunner_change", execution.runner_id),
    ):
        assert "/jobexecution/" not in html
        assert "send_emails" not in html


def test_an_execution_links_to_nothing_that_may_not_be_viewed(client, execution):
    log_in(client, "view_jobexecution")
    for html in (
        page(client, "jobexecution_changelist"),
        page(client, "jobexecution_change", execution.pk),
    ):
        assert f"/job/{execution.job_id}/" not in html
        assert f"/jobrunner/{execution.runner_id}/" not in html


@pytest.mark.parametrize("model", MODELS)
def test_who_may_only_view_cannot_delete(viewer, rows, model):
    row = rows[model]
    assert viewer.post(address(f"{model}_delete", row.pk), {"post": "yes"}).status_code == 403
    data = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    viewer.post(address(f"{model}_changelist"), data)
    assert type(row).objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", MODELS)
def test_who_may_delete_can(admin_client, rows, model):
    url = address(f"{model}_delete", rows[model].pk)
    assert "send_emails" in admin_client.get(url).content.decode() or model == "jobrunner"
    assert admin_client.post(url, {"post": "yes"}).status_code == 302
    assert not JobExecution.objects.exists()


@pytest.mark.parametrize("model", ["job", "jobrunner"])
def test_a_job_or_runner_goes_with_its_executions_so_that_takes_both_permissions(
    client, rows, model
):
    log_in(client, f"view_{model}", f"delete_{model}")
    url = address(f"{model}_delete", rows[model].pk)
    assert "permission to delete" in client.get(url).content.decode()
    assert client.post(url, {"post": "yes"}).status_code == 403
    assert JobExecution.objects.exists()


def test_before_a_deletion_executions_are_counted_and_not_listed(
    admin_client, execution, monkeypatch
):
    make_executions(execution.job, execution.runner, 20)
    html = page(admin_client, "job_delete", execution.job_id)
    assert "Executions: 21" in html
    monkeypatch.setattr("quick_jobs.admin.deletion._MOST_COUNTED", 10)
    assert "Executions: 10+" in page(admin_client, "job_delete", execution.job_id)


def test_what_is_selected_on_a_page_is_deleted(admin_client, execution):
    kept, *_others = make_executions(execution.job, execution.runner, 3)
    JobExecution.objects.filter(pk=kept.pk).update(outcome="failed")
    chosen = JobExecution.objects.exclude(pk=kept.pk).values_list("pk", flat=True)
    data = {"action": "delete_selected", "_selected_action": list(chosen)}
    confirmation = admin_client.post(address("jobexecution_changelist"), data)
    assert "Executions: 3" in confirmation.content.decode()
    admin_client.post(address("jobexecution_changelist"), {**data, "post": "yes"})
    assert list(JobExecution.objects.all()) == [kept]


def test_an_action_never_takes_all_that_a_list_would_have(admin_client, execution):
    make_executions(execution.job, execution.runner, 3)
    data = {
        "action": "delete_selected",
        "_selected_action": execution.pk,
        "select_across": "1",
        "post": "yes",
    }
    admin_client.post(address("jobexecution_changelist"), data)
    assert JobExecution.objects.count() == 3


def test_text_from_a_job_is_never_markup(admin_client):
    job = make_job(f"shop.jobs.{MARKUP}")
    runner = make_runner(job, hostname=MARKUP, stop_detail=MARKUP)
    old = make_runner(job, hostname=MARKUP, pid=1, beat_at=timezone.now() - dt.timedelta(hours=3))
    failed = make_executions(
        job, runner, 2, outcome="failed", error=MARKUP, traceback=f"</pre>{MARKUP}"
    )
    make_executions(job, runner, outcome="running")
    pages = [
        page(admin_client, "job_changelist"),
        page(admin_client, "job_changelist", q=MARKUP),
        page(admin_client, "job_change", job.pk),
        page(admin_client, "job_delete", job.pk),
        page(admin_client, "jobexecution_changelist"),
        page(admin_client, "jobexecution_changelist", q=MARKUP, since=MARKUP, took=MARKUP),
        page(admin_client, "jobexecution_change", failed[0].pk),
        page(admin_client, "jobexecution_delete", failed[0].pk),
        page(admin_client, "jobrunner_changelist"),
        page(admin_client, "jobrunner_change", runner.pk),
        page(admin_client, "jobrunner_change", old.pk),
        page(admin_client, "timeline"),
        page(admin_client, "timeline", q=MARKUP, span=MARKUP, until=MARKUP, p=MARKUP),
    ]
    for html in pages:
        assert "<script>alert" not in html
        assert "</pre>&lt;" not in html


def test_pages_have_nothing_inline(admin_client, execution):
    make_executions(execution.job, execution.runner, 3, outcome="failed", traceback="boom")
    for html in (
        page(admin_client, "job_changelist"),
        page(admin_client, "job_change", execution.job_id),
        page(admin_client, "jobexecution_changelist"),
        page(admin_client, "jobexecution_change", execution.pk),
        page(admin_client, "jobrunner_changelist"),
        page(admin_client, "timeline"),
    ):
        ours = html.lower()
        assert " style=" not in ours
        assert "<style" not in ours
        assert "javascript:" not in ours
        for event in ("onclick", "onchange", "onload", "onerror"):
            assert f" {event}=" not in ours


@pytest.mark.parametrize(
    "query", [{"traceback__contains": "x"}, {"job__name": "x"}, {"runner__hostname__regex": "x"}]
)
def test_a_list_takes_no_condition_that_it_does_not_offer(viewer, execution, query):
    assert viewer.get(address("jobexecution_changelist"), query).status_code == 400


def test_a_row_that_is_not_there_is_no_error(viewer):
    for model in MODELS:
        assert viewer.get(address(f"{model}_change", 12345)).status_code == 302
        assert viewer.get(address(f"{model}_change", "nonsense")).status_code == 302
