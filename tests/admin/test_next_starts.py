"""The next starts of jobs, in the list, on a job's page and in the timeline."""

import datetime as dt

import pytest
from django.utils import timezone, translation

from quick_jobs.admin.following import Following, next_in_words, upcoming_in_words
from quick_jobs.models import Job, JobRunner
from quick_jobs.next_starts import WAITING, NextStart, plan_of_row
from tests.admin_pages import address, ago, log_in, make_executions, make_job, make_runner, page

MINUTES = dt.timedelta(minutes=1)
NO_TIME = dt.timedelta(0)


@pytest.fixture(autouse=True)
def all_jobs_in_the_code(monkeypatch):
    monkeypatch.setattr("quick_jobs.health.job_facts._gone", lambda *args: ())


def next_of(client, job):
    rows = client.get(address("job_changelist")).context["cl"].result_list
    return next_in_words(next(row for row in rows if row.pk == job.pk).facts.following)


def test_a_job_of_a_live_runner_shows_when_it_starts_next(admin_client):
    job = make_job(interval=10 * MINUTES)
    make_executions(job, make_runner(job), every=110)
    assert ">in 8 min<" in next_of(admin_client, job)
    assert "in 8 min" in page(admin_client, "job_changelist")


def test_a_job_that_no_live_runner_has_is_overdue(admin_client):
    job = make_job(interval=MINUTES)
    lost = make_runner(job, beat_at=ago(hours=2))
    make_executions(job, lost, every=3700)
    # One that was run by hand has no schedule.
    make_runner(job, kind=JobRunner.COMMAND)
    shown = next_of(admin_client, job)
    assert ">overdue<" in shown
    assert ">due 1 h ago<" in shown
    assert 'width="2" y="6"' not in page(admin_client, "timeline")


def test_a_job_that_is_gone_has_no_next_start(admin_client, monkeypatch):
    job = make_job()
    make_executions(job, make_runner(job))
    monkeypatch.setattr("quick_jobs.health.job_facts._gone", lambda *args: {job.pk})
    assert next_of(admin_client, job) == "-"


@pytest.mark.parametrize("stored", ["at('25:00')", "moon(1)", "__import__('os')", "<b>"])
def test_a_schedule_that_nobody_can_read_breaks_no_page(admin_client, stored):
    job = make_job(interval=NO_TIME, schedule=stored)
    make_executions(job, make_runner(job))
    assert next_of(admin_client, job) == "-"
    page(admin_client, "job_change", job.pk)
    page(admin_client, "timeline")


def test_a_running_job_whose_time_has_come_starts_when_it_has_ended(admin_client):
    job = make_job(interval=MINUTES)
    make_executions(job, make_runner(job), every=120, outcome="running")
    assert "when it has ended" in next_of(admin_client, job)


def test_each_runner_goes_by_its_own_executions(admin_client):
    job = make_job(interval=10 * MINUTES)
    by_hand = make_runner(job, kind=JobRunner.COMMAND)
    make_executions(job, make_runner(job), every=150)
    make_executions(job, by_hand, every=5)
    assert ">in 7 min<" in next_of(admin_client, job)


def test_who_may_not_see_executions_or_runners_sees_no_next_start(client, db):
    job = make_job(interval=10 * MINUTES)
    make_executions(job, make_runner(job))
    for permissions in (["view_job", "view_jobexecution"], ["view_job", "view_jobrunner"]):
        log_in(client, *permissions)
        assert "Next start" not in page(client, "job_changelist")
        assert "Next start" not in page(client, "job_change", job.pk)


def test_the_description_stands_below_the_name(admin_client):
    job = make_job(description="Sends what <waits>.")
    assert "Sends what &lt;waits&gt;." in page(admin_client, "job_changelist")
    assert "Sends what &lt;waits&gt;." in page(admin_client, "job_change", job.pk)
    Job.objects.update(description="")
    assert "Description" not in page(admin_client, "job_change", job.pk)


def test_the_timeline_marks_starts_after_now(admin_client, at_noon):
    job = make_job(interval=10 * MINUTES)
    make_executions(job, make_runner(job), every=60)
    html = page(admin_client, "timeline")
    lane = html.split('<svg class="qj-bars"')[1].split("</svg>")[0]
    assert lane.count('class="qj-next"') == 1  # of 18 minutes
    assert lane.count('class="qj-now"') == 1
    assert "next starts" in html
    assert "qj-next" not in page(admin_client, "timeline", until=ago(seconds=5).timestamp())
    today = timezone.localtime().date().isoformat()
    assert "qj-now" in page(admin_client, "timeline", day=today, span="24h")


def test_an_execution_shows_when_it_was_due(admin_client):
    job = make_job()
    due_at = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)
    (execution,) = make_executions(job, make_runner(job), due_at=due_at)
    assert "2026-01-02 03:04:05" in page(admin_client, "jobexecution_change", execution.pk)


def berlin(now):
    plan = plan_of_row("shop.jobs.away", "at('08:00', timezone='Europe/Berlin')", NO_TIME, NO_TIME)
    return Following(plan, NextStart(now + 4 * MINUTES, WAITING), now)


def test_another_zone_than_the_sites_is_named():
    now = dt.datetime(2026, 10, 24, 5, 56, tzinfo=dt.timezone.utc)
    with translation.override("en"):
        shown = next_in_words(berlin(now))
    assert 'title="2026-10-24 08:00:00 Europe/Berlin"' in shown
    assert ">in 4 min<" in shown


def test_a_change_of_the_clock_is_marked_where_it_comes():
    now = dt.datetime(2026, 10, 24, 5, 56, tzinfo=dt.timezone.utc)
    with translation.override("en"):
        lines = upcoming_in_words(berlin(now)).split("</div>")
    marked = [number for number, line in enumerate(lines) if "clock change" in line]
    assert marked == [1]
    assert "2026-10-25 08:00:00 Europe/Berlin" in lines[1]
    assert "UTC+02:00 → UTC+01:00" in lines[1]
    assert len(lines) == 6  # five, and what follows the last


def test_no_job_is_overdue_that_runs_on_a_timer_start(admin_client):
    job = make_job(interval=MINUTES)
    for started_at in (ago(hours=3), ago(hours=2), ago(hours=1)):
        ends = {"beat_at": started_at, "stopped_at": started_at + dt.timedelta(seconds=2)}
        runner = make_runner(job, kind=JobRunner.ONCE, started_at=started_at, **ends)
    make_executions(job, runner, every=3600)
    assert ">due 59 min ago<" in next_of(admin_client, job)
    assert "overdue" not in next_of(admin_client, job)
