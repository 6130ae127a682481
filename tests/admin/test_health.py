"""What the admin says of how the site and its jobs are doing."""

import datetime as dt

import pytest
from django.template import engines
from django.urls import reverse
from django.utils import timezone

from quick_jobs.models import JobExecution, JobRunner
from tests.admin_pages import (
    address,
    ago,
    listed,
    log_in,
    make_executions,
    make_job,
    make_runner,
    page,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def job():
    return make_job()


@pytest.fixture
def runner(job):
    return make_runner(job)


def notices(client):
    context = client.get(address("job_changelist")).context
    return [(notice.level, notice.text) for notice in context["quick_jobs_notices"]]


def test_jobs_that_need_attention_come_first_and_a_click_sorts_by_name_or_state(
    admin_client, runner, job
):
    failing, late = make_job("shop.jobs.y"), make_job("shop.jobs.z")
    runner.jobs.add(failing, late)
    make_executions(job, runner)
    make_executions(failing, runner, outcome="failed")
    make_executions(late, runner, every=3600)
    assert listed(admin_client, "job") == [late, failing, job]
    assert listed(admin_client, "job", o="1") == [job, failing, late]
    assert listed(admin_client, "job", o="2") == [late, failing, job]
    assert listed(admin_client, "job", o="-2") == [job, failing, late]
    assert listed(admin_client, "job", state="late") == [late]


def test_who_may_not_see_executions_sees_jobs_in_the_order_of_their_names(client, runner, job):
    failing = make_job("shop.jobs.z")
    runner.jobs.add(failing)
    make_executions(failing, runner, outcome="failed")
    log_in(client, "view_job")
    assert listed(client, "job") == [job, failing]
    assert listed(client, "job", o="2") == [job, failing]
    assert listed(client, "job", state="failing") == [job, failing]
    assert "qj-failing" not in page(client, "job_changelist")


def test_a_job_that_is_listed_can_be_deleted(admin_client, job, runner):
    make_executions(job, runner, outcome="failed")
    data = {"action": "delete_selected", "_selected_action": [job.pk], "post": "yes"}
    response = admin_client.post(address("job_changelist"), data)
    assert response.status_code == 302
    assert not JobExecution.objects.exists()


def test_what_went_wrong_in_a_day_leads_to_exactly_those_executions(admin_client, job, runner):
    lost = make_runner(job, beat_at=ago(hours=2), started_at=ago(days=3))
    wrong = [
        *make_executions(job, lost, every=7200, outcome="running"),
        *make_executions(job, runner, every=3600, outcome="timed_out"),
        *make_executions(job, runner, every=60, outcome="failed"),
    ]
    make_executions(job, runner, every=25 * 3600, outcome="failed")
    make_executions(job, runner, every=30)
    figures = admin_client.get(address("job_changelist")).context["quick_jobs_figures"]
    figure = figures[-1]
    assert figure.number == "3"
    later = make_executions(job, runner, outcome="failed", every=0)
    JobExecution.objects.filter(pk=later[0].pk).update(
        started_at=timezone.now() + dt.timedelta(seconds=5)
    )
    rows = admin_client.get(figure.url).context["cl"].result_list
    assert sorted(row.pk for row in rows) == sorted(row.pk for row in wrong)


def test_one_event_has_one_notice(admin_client, job):
    make_runner(job, beat_at=ago(hours=2), started_at=ago(hours=3))
    ((level, text),) = notices(admin_client)
    assert level == "error"
    assert "was last heard of 2 h ago. It was killed" in text


def test_a_crash_loop_has_one_notice_with_the_cause(admin_client, job):
    for minutes in range(5):
        make_runner(
            job,
            stopped_at=ago(minutes=minutes),
            stop_reason=JobRunner.TIMED_OUT,
            stop_detail="shop.jobs.loops ran over its timeout of 5 s",
        )
    ((level, text),) = notices(admin_client)
    assert level == "error"
    assert text.startswith(
        "5 runners ended with an error in the last 10 minutes: "
        "shop.jobs.loops ran over its timeout of 5 s. No runner is alive"
    )


def test_duplicate_runners_are_a_warning(admin_client, job, runner):
    other = make_job("shop.jobs.other")
    runner.jobs.add(other)
    make_runner(job, other, pid=5)
    ((level, text),) = notices(admin_client)
    assert level == "warning"
    assert text.startswith("2 runners run the same 2 jobs: each of them runs twice.")


def test_who_may_not_see_runners_is_told_that_nothing_runs_without_their_names(client, job, runner):
    log_in(client, "view_job")
    make_runner(job, pid=5)
    assert notices(client) == []
    JobRunner.objects.update(stopped_at=ago(hours=2), stop_reason="crashed", stop_detail="secret")
    ((level, text),) = notices(client)
    assert level == "error"
    assert text.startswith("No runner is alive, so no jobs are run.")
    assert "web-1" not in text
    assert "secret" not in text


def test_a_stop_by_a_signal_and_one_by_an_error_have_different_badges(admin_client):
    make_runner(stopped_at=ago(hours=2), stop_reason=JobRunner.SIGNAL)
    assert "qj-broken" not in page(admin_client, "jobrunner_changelist")
    JobRunner.objects.update(stop_reason=JobRunner.CRASHED)
    html = page(admin_client, "jobrunner_changelist")
    assert "qj-broken" in html
    assert "qj-stopped" not in html


def front(client):
    return client.get(reverse("admin:app_list", args=["quick_jobs"])).content.decode()


def test_the_apps_index_shows_the_figures_in_one_line(admin_client, client, job, runner):
    make_executions(job, runner, outcome="failed")
    html = front(admin_client)
    assert "<strong>1</strong> live runner" in html
    assert "<strong>1</strong> needs attention" in html
    assert "Executions" in html
    JobRunner.objects.update(stopped_at=ago(hours=2))
    assert "No runner is alive" in front(admin_client)
    log_in(client, "view_job")
    assert "qj-line" not in front(client)


def test_a_site_can_include_the_figures_in_its_own_pages(rf, admin_user, job, runner):
    request = rf.get("/admin/")
    request.user = admin_user
    template = engines["django"].from_string('{% include "admin/quick_jobs/figures.html" %}')
    assert "<strong>1</strong> live runner" in template.render({}, request)
    assert template.render({}).strip() == ""
