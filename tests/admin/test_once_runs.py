"""What the admin says of a site whose jobs are run on a timer, or by hand."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from quick_jobs.models import JobRunner
from tests.admin_pages import ago, log_in, make_job, make_runner, page

pytestmark = pytest.mark.django_db

NO_RUNNER = "No runner is alive"
LATE = "“run_jobs --once” is late"


@pytest.fixture
def jobs_page(client):
    log_in(client, "view_job", "view_jobrunner")
    return lambda: page(client, "job_changelist")


def make_runs(*starts, **fields):
    for started_at in starts:
        make_runner(
            make_job(f"shop.jobs.job_{JobRunner.objects.count()}"),
            kind=JobRunner.ONCE,
            started_at=started_at,
            beat_at=started_at,
            stopped_at=started_at + dt.timedelta(seconds=2),
        )


def test_runs_on_a_timer_that_come_as_usual_are_no_reason_to_worry(jobs_page):
    make_runs(ago(hours=3), ago(hours=2), ago(hours=1))
    html = jobs_page()
    assert NO_RUNNER not in html
    assert LATE not in html
    assert "last timed run 1 h ago" in html


def test_runs_on_a_timer_that_no_longer_come_are_an_error(jobs_page):
    make_runs(ago(hours=6), ago(hours=5), ago(hours=4))
    html = jobs_page()
    assert f"{LATE}, so no jobs are run. The last run was 4 h ago; the next one" in html
    assert "was expected within 2 h 1 min." in html
    assert "last timed run" not in html


def test_a_run_by_hand_does_not_hide_that_no_runner_is_alive(jobs_page):
    make_runner(stopped_at=ago(minutes=5))
    make_runner(kind=JobRunner.COMMAND, hostname="desk")
    html = jobs_page()
    assert f"{NO_RUNNER}, so no jobs are run. The last one, web-1" in html


def test_a_run_by_hand_does_not_hide_that_runs_on_a_timer_are_late(jobs_page):
    make_runs(ago(hours=6), ago(hours=5))
    make_runner(kind=JobRunner.COMMAND, started_at=timezone.now())
    assert LATE in jobs_page()


def test_a_live_worker_is_what_counts(jobs_page):
    make_runs(ago(hours=6), ago(hours=5))
    make_runner()
    html = jobs_page()
    assert LATE not in html
    assert NO_RUNNER not in html
