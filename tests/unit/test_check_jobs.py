"""What ``check_jobs`` prints, and its exit status, by what the history has."""

from __future__ import annotations

import datetime as dt
import io
import json

import django
import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from quick_jobs.discovery import JobsError
from quick_jobs.models import Job, JobRunner
from tests.admin_pages import ago, make_executions, make_job, make_runner

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def code(monkeypatch):
    """The jobs in the code of this process."""
    jobs = [Job(name="shop.jobs.send_emails")]
    for place in ("quick_jobs.health.reading", "quick_jobs.management.commands.check_jobs"):
        monkeypatch.setattr(f"{place}.all_jobs", lambda: jobs)
    return jobs


@pytest.fixture
def job():
    return make_job()


@pytest.fixture
def runner(job):
    return make_runner(job)


def check(*args):
    """Return the exit status of the command, and what it prints on both of its outputs."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("check_jobs", *args, stdout=out, stderr=err)
    except SystemExit as end:
        return end.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def findings():
    status, out, _err = check()
    assert status == (1 if out and not out.startswith("ok") else 0)
    return [line.split(": ")[0] for line in out.splitlines()]


def test_where_all_is_well_one_line_says_so(job, runner):
    make_executions(job, runner, 3, every=20)
    assert check() == (0, "ok: 1 job, 1 runner\n", "")
    make_runner(make_job("shop.jobs.other"), started_at=ago(seconds=5))
    assert check() == (0, "ok: 2 jobs, 2 runners; 1 never run\n", "")


def test_each_finding_is_a_line_and_the_exit_status_is_1(job, runner):
    make_executions(job, runner, 3, every=20, outcome="failed", error="ValueError: secret")
    other = make_job("shop.jobs.other", timeout=dt.timedelta(seconds=5))
    runner.jobs.add(other)
    make_executions(other, runner, every=50, outcome="running")
    status, out, err = check()
    assert (status, err) == (1, "")
    first, second = out.splitlines()
    assert first.startswith(
        "stuck: shop.jobs.other: It has been running for 50 s; its timeout is 5 s."
    )
    assert second == (
        "failing: shop.jobs.send_emails: It failed 3 times in a row, first 1 min ago. "
        "Look at its last executions in the admin."
    )


def test_runs_of_the_last_kind_say_more_than_older_ones(job, runner):
    make_executions(job, runner, 2, every=30, outcome="failed")
    make_executions(job, runner, 1, every=10, outcome="interrupted")
    assert findings() == ["failing"]
    make_executions(job, runner, 1, every=1)
    assert findings() == ["ok"]


def test_what_runs_in_a_lost_runner_has_failed_and_is_not_running(job, runner):
    lost = make_runner(job, beat_at=ago(hours=1), started_at=ago(hours=2))
    make_executions(job, lost, every=3600, outcome="running")
    assert findings() == ["late", "failing"]


def test_a_job_that_only_the_code_has_is_late_and_one_that_nobody_has_is_gone(runner):
    make_executions(make_job("shop.jobs.gone"), make_runner(stopped_at=ago(days=2)), every=90000)
    runner.jobs.clear()
    status, out, _err = check()
    assert status == 1
    assert out.startswith("late: shop.jobs.send_emails: No live runner has it.")
    assert "gone" not in out


def test_a_site_that_is_down_is_one_line(job, runner):
    JobRunner.objects.update(stopped_at=ago(hours=2), stop_reason="signal", stop_detail="SIGTERM")
    status, out, _err = check()
    assert status == 1
    (line,) = out.splitlines()
    assert line.startswith("down: No runner is alive, so no jobs are run. The last one, web-1 (47")
    assert "2 h ago (stopped by SIGTERM)" in line


def test_runs_by_hand_do_not_keep_a_site_from_being_down(job):
    make_runner(job, kind=JobRunner.COMMAND)
    assert findings() == ["down"]


def test_runs_on_a_timer_that_come_in_time_keep_a_site_well(job):
    for minutes in (15, 10, 5):
        run = make_runner(
            job,
            kind=JobRunner.ONCE,
            started_at=ago(minutes=minutes),
            beat_at=ago(minutes=minutes),
            stopped_at=ago(minutes=minutes),
        )
    make_executions(job, run, every=300)
    assert check()[:2] == (0, "ok: 1 job, run on a timer\n")
    # While one goes on, too.
    make_runner(job, kind=JobRunner.ONCE, started_at=ago(seconds=3))
    assert check()[0] == 0
    JobRunner.objects.update(last_heartbeat_at=ago(hours=9), stopped_at=ago(hours=9))
    JobRunner.objects.update(started_at=ago(hours=9))
    assert findings() == ["down"]


def test_only_runners_of_kind_runner_count_for_a_crash_loop(job, runner):
    make_executions(job, runner)
    ends = [make_runner(stopped_at=ago(minutes=3), stop_reason="crashed") for _ in range(3)]
    assert findings() == ["restarting"]
    JobRunner.objects.filter(pk=ends[0].pk).update(kind=JobRunner.CELERY)
    assert findings() == ["ok"]
    JobRunner.objects.filter(pk=ends[0].pk).update(kind=JobRunner.RUNNER, stop_reason="signal")
    assert findings() == ["ok"]


def test_duplicate_runners_are_a_warning_and_no_reason_for_an_exit_status(job, runner):
    make_executions(job, runner)
    make_runner(job, kind=JobRunner.CELERY)
    assert check()[1] == "ok: 1 job, 2 runners\n"
    make_runner(job, pid=5)
    status, out, _err = check()
    assert status == 0
    assert out.startswith("warning: duplicates: 2 runners run the same job: it runs twice.")


def test_it_can_be_asked_for_single_jobs(job, runner):
    other = make_job("shop.jobs.other")
    runner.jobs.add(other)
    make_executions(job, runner, outcome="failed")
    make_executions(other, runner, 2)
    assert check("--job", "shop.jobs.other")[:2] == (0, "ok: 1 job, 1 runner\n")
    assert check("--job", other.name, "--job", job.name)[0] == 1
    assert check("--job", "shop.jobs.nothing") == (
        2,
        "",
        "--job: there is no job 'shop.jobs.nothing', neither in the history nor in the code.\n",
    )


def test_json_has_all_that_is_known(job, runner):
    make_executions(job, runner, 2, every=300)
    make_executions(job, runner, 60, every=1, outcome="failed", error="ValueError: secret")
    status, out, _err = check("--json")
    assert status == 1
    report = json.loads(out)
    assert report["healthy"] is False
    assert report["runners_alive"] == 1
    assert report["heartbeat_age"] < 60
    (finding,) = report["findings"]
    assert finding["kind"] == "failing"
    assert finding["job"] == job.name
    assert dt.datetime.fromisoformat(finding["since"]).tzinfo
    (shown,) = report["jobs"]
    assert {key: shown[key] for key in ("name", "state", "stuck", "late", "failing")} == {
        "name": job.name,
        "state": "failing",
        "stuck": False,
        "late": False,
        "failing": True,
    }
    assert shown["failures_in_a_row"] == 50
    assert shown["last_duration"] == 1.0
    assert shown["last_success"] < shown["last_start"]
    assert "secret" not in out


def test_a_database_that_is_away_is_one_line_and_exit_status_2(monkeypatch):
    def fail(using):
        raise OperationalError("connection\nrefused")

    monkeypatch.setattr("quick_jobs.health.reading.database_now", fail)
    monkeypatch.setattr("quick_jobs.management.commands.check_jobs.what_is_missing", fail)
    status, out, err = check()
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "'default' cannot be asked: django.db.utils.OperationalError" in err


def test_a_wrong_setting_is_one_line_and_exit_status_2(settings):
    settings.QUICK_JOBS_LOST_AFTER = "soon"
    status, out, err = check()
    assert (status, out) == (2, "")
    assert "QUICK_JOBS_LOST_AFTER" in err


def test_code_that_cannot_be_imported_is_a_line_and_the_rest_is_checked(job, runner, monkeypatch):
    def fail():
        raise JobsError(["The module shop.jobs cannot be imported:\nValueError: boom"])

    for place in ("quick_jobs.health.reading", "quick_jobs.management.commands.check_jobs"):
        monkeypatch.setattr(f"{place}.all_jobs", fail)
    make_executions(job, runner)
    status, out, err = check()
    assert (status, out) == (0, "ok: 1 job, 1 runner\n")
    assert err.startswith("Only jobs on record are checked: The module shop.jobs")
    assert err.count("\n") == 1


def test_the_number_of_queries_depends_on_nothing():
    def fill(number):
        jobs = [make_job(f"shop.jobs.job_{number}_{one}") for one in range(number)]
        runners = [make_runner(*jobs, pid=one) for one in range(number)]
        for job in jobs:
            make_executions(job, runners[0], 3 * number, outcome="failed")
            make_executions(job, runners[0], every=4000, outcome="running")

    def count():
        with CaptureQueriesContext(connection) as captured:
            assert check()[0] == 1
        return len(captured)

    fill(2)
    few = count()
    fill(5)
    assert count() == few
    assert few < 14


# A test alert.


def tell_nobody(alert):
    raise ConnectionRefusedError("nobody answers")


def test_a_test_alert_is_sent_at_once_and_says_that_it_is_a_test(settings, mailoutbox):
    settings.QUICK_JOBS_ALERTS = "quick_jobs.alerts.mail_admins"
    settings.ADMINS = ["a@example.com"] if django.VERSION >= (6, 0) else [("A", "a@example.com")]
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    subject = "Test: quick_jobs.test fails: TestAlert: no job has failed"
    assert check("--test-alert") == (0, f"sent by quick_jobs.alerts.mail_admins: {subject}\n", "")
    [mail] = mailoutbox
    assert mail.subject == f"[Django] {subject}"
    assert "Nothing is wrong." in mail.body


@pytest.mark.parametrize(
    ("path", "status", "err"),
    [
        (f"{__name__}.tell_nobody", 1, "ConnectionRefusedError: nobody answers"),
        ("quick_jobs.alerts.mail_admins", 1, "ADMINS is empty"),
        (None, 2, "QUICK_JOBS_ALERTS is not set"),
        ("shop.missing", 2, "QUICK_JOBS_ALERTS"),
    ],
)
def test_a_test_alert_that_cannot_be_sent_says_why_in_one_line(settings, path, status, err):
    settings.QUICK_JOBS_ALERTS, settings.ADMINS = path, []
    found = check("--test-alert")
    assert found[:2] == (status, "")
    assert err in found[2]
    assert len(found[2].splitlines()) == 1


def test_with_traceback_the_error_of_a_test_alert_is_shown_in_full(settings):
    settings.QUICK_JOBS_ALERTS = f"{__name__}.tell_nobody"
    with pytest.raises(ConnectionRefusedError):
        check("--test-alert", "--traceback")
