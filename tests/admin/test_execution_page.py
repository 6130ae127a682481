"""The page of an execution says what the job said, did and reached."""

import datetime as dt

import pytest
from django.utils import timezone
from django.utils.formats import number_format

from quick_jobs.admin.wording import clock_time
from quick_jobs.models import JobExecution, JobRunner
from tests.admin_pages import ago, make_executions, make_job, make_runner, page

SECONDS = dt.timedelta(seconds=1)


@pytest.fixture
def job(db):
    return make_job()


@pytest.fixture
def runner(job):
    return make_runner(job, release="3f2a91c0d4e5f60718293a4b5c6d7e8f90a1b2c3")


def grouped(number):
    """Return ``number`` as this Django groups its digits."""
    return number_format(number, force_grouping=True)


def shown(client, execution):
    return page(client, "jobexecution_change", execution.pk)


def test_a_running_one_shows_what_it_said_and_reached_and_where_it_is(admin_client, job, runner):
    (execution,) = make_executions(
        job,
        runner,
        every=100,
        outcome="running",
        note="at the letter M",
        log="03:12:05 INFO sent <1>",
        stack="File shop/jobs.py, line 41",
        progress_done=1203.0,
        progress_total=4000.0,
        observed_at=timezone.now(),
        cpu_time=1.2 * SECONDS,
    )
    html = shown(admin_client, execution)
    for text in (
        "at the letter M",
        "03:12:05 INFO sent &lt;1&gt;</pre>",
        "Where it is</h2>",
        "Log</h2>",
        "shop/jobs.py, line 41",
        f"{grouped(1203)} of {grouped(4000)} · 30 % · 12/s · 3 min left",
        '<progress class="qj-progress" max="1000" value="301">',
        " so far, of which 1.2 s of CPU",
        ">as of ",
        'data-qj-refresh="15"',
        "quick_jobs/refresh.js",
        '">3f2a91c</span>',
    ):
        assert text in html, text
    assert "has not moved" not in html
    assert "Where it was" not in html


def test_one_that_stands_still_says_since_when(admin_client, job, runner, at_noon):
    observed_at = ago(seconds=67)
    JobRunner.objects.filter(pk=runner.pk).update(last_heartbeat_at=ago(seconds=7))
    (execution,) = make_executions(
        job, runner, every=300, outcome="running", stack="x", observed_at=observed_at
    )
    html = shown(admin_client, execution)
    assert "as of 7 s ago" in html
    assert f"has not moved since {clock_time(observed_at)[11:]}" in html


def test_one_that_has_ended_shows_what_it_said_and_reads_itself_no_more(admin_client, job, runner):
    (execution,) = make_executions(
        job, runner, note="14 sent", log="done", progress_done=14.5, cpu_time=SECONDS
    )
    html = shown(admin_client, execution)
    for text in ("14 sent", "done</pre>", "14.5 done", "1 s, of which 1 s of CPU"):
        assert text in html, text
    for text in ("refresh", "Where it", "left", "/s<", "Traceback</h2>"):
        assert text not in html, text


def test_a_lost_one_shows_when_it_vanished_and_where_it_was(admin_client, job, settings):
    settings.QUICK_JOBS_HEARTBEAT_INTERVAL = 20
    died = make_runner(job, started_at=ago(hours=3), beat_at=ago(hours=2))
    (lost,) = make_executions(
        job, died, outcome="running", every=7300, log="last words", stack="in a loop"
    )
    html = shown(admin_client, lost)
    end = died.last_heartbeat_at
    first, last = (clock_time(end + seconds * SECONDS) for seconds in (0, 20))
    assert f"the process vanished between {first} and {last[11:]}" in html
    for text in ("Where it was</h2>", "in a loop</pre>", "last words</pre>"):
        assert text in html, text
    assert "refresh" not in html


def test_what_was_not_said_takes_no_place(admin_client, job, db):
    (execution,) = make_executions(job, make_runner(job), every=10, outcome="running")
    html = shown(admin_client, execution)
    for name in ("reached", "noted", "formatted_log", "formatted_stack", "of_release"):
        assert f"field-{name}" not in html


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (float("inf"), None, None),
        (3, float("inf"), "3 done"),
        (3, 0, "3 done"),
        (-3, 9, "0 of 9 · 0 %"),
        (50, 40, "50 of 40 · 100 %"),
    ],
)
def test_numbers_that_make_no_sense_are_no_error(admin_client, job, runner, done, total, text):
    (execution,) = make_executions(job, runner)
    try:
        JobExecution.objects.update(progress_done=done, progress_total=total)
    except Exception:
        pytest.skip("the database refuses it")
    html = shown(admin_client, execution)
    assert text in html if text else "field-reached" not in html


def test_the_list_shows_the_note_and_the_error(admin_client, job, runner):
    make_executions(job, runner, note="14 sent")
    make_executions(job, runner, outcome="failed", note="2 refused", error="OSError: away")
    html = page(admin_client, "jobexecution_changelist")
    for text in ("14 sent", "2 refused", "OSError: away"):
        assert text in html
