"""Which ends of a job's executions make an alert, by what the history has of all runners."""

import datetime as dt
import math
import sys
import types
import uuid

import pytest

from quick_jobs.alerting import addresses
from quick_jobs.alerting.asking import NoAnswer
from quick_jobs.alerting.job_news import JobNews
from quick_jobs.alerting.missed import missed_starts
from quick_jobs.alerting.past import Past
from quick_jobs.alerting.told import Told
from quick_jobs.databases.timestamps import from_timestamp
from quick_jobs.models import Job, JobExecution, JobRunner
from quick_jobs.next_starts import LastExecution, Plan
from quick_jobs.schedules import at
from tests.records import MOMENT, NAME, a_job, an_end

DAY = 86400.0


class Asker:
    """Asks in the test's thread, as that is where the database of the test is."""

    def __init__(self, past):
        self.past = past
        self.questions = 0

    def ask(self, question):
        self.questions += 1
        if self.past is None:
            raise NoAnswer
        return question(self.past)

    def wait(self, seconds):
        return False


class OneRunner:
    """A runner that puts ends on record and asks whether they are news, as it does."""

    def __init__(self, is_answered=True, begins_at=MOMENT, shares=False, alert_after=1):
        key = uuid.uuid4()
        moment = from_timestamp(MOMENT)
        self.row = JobRunner.objects.create(
            key=key, hostname="a", pid=1, started_at=moment, last_heartbeat_at=moment
        )
        self.asker = Asker(Past(key) if is_answered else None)
        self.now = 0.0
        told = Told(self.asker, clock=lambda: self.now)
        self.news = JobNews(self.asker, alert_after, DAY, shares, told)
        self.news.remember([NAME], MOMENT + begins_at)
        self.asker.questions = 0
        self.number = 0

    def end(self, outcome, after, is_recorded=True, is_sent=True):
        """Return the alert that an end makes, so many seconds after the moment; it may be sent."""
        self.now = after
        self.number += 1
        record = an_end(
            self.number,
            outcome=outcome,
            started_at=MOMENT + after - 1,
            finished_at=MOMENT + after,
            error="" if outcome == "succeeded" else "ValueError: no stock",
        )
        if is_recorded:
            job, _ = Job.objects.get_or_create(name=NAME)
            JobExecution.objects.create(
                job=job,
                runner=self.row,
                number=self.number,
                started_at=from_timestamp(record.started_at),
                finished_at=from_timestamp(record.finished_at),
                outcome=outcome,
                note="14 sent",
            )
        alert = self.news.ended(record)
        if alert and is_sent:
            self.news.sent(alert)
        elif alert:
            self.news.not_sent()
        return alert

    def recovers(self, after):
        """Return whether a success, so many seconds after the moment, came after a failure."""
        success = an_end(self.number + 1, finished_at=MOMENT + after)
        return self.news.after_failures([success]) == [success]

    def kind(self, *args, **kwargs):
        alert = self.end(*args, **kwargs)
        return alert and alert.kind


def test_a_restart_and_another_runner_make_no_second_alert_of_one_event(db):
    first, second = OneRunner(begins_at=0), OneRunner(begins_at=0)
    assert first.kind("failed", 10) == "failing"
    assert second.kind("failed", 11) is None
    restarted = OneRunner(begins_at=12)
    assert restarted.kind("failed", 20) is None
    assert restarted.kind("failed", 10 + DAY) == "still_failing"
    assert first.kind("failed", 11 + DAY) is None
    assert first.kind("succeeded", 12 + DAY) == "recovered"
    assert second.kind("succeeded", 13 + DAY) is None
    assert restarted.kind("succeeded", 14 + DAY) is None


def test_a_recovery_is_told_by_a_runner_that_has_not_seen_the_failure(db):
    OneRunner(begins_at=0).end("failed", 10)
    OneRunner(begins_at=0).end("failed", 11)
    alert = OneRunner(begins_at=12).end("succeeded", 20)
    assert (alert.kind, alert.count, alert.job) == ("recovered", 2, NAME)
    assert alert.since == dt.datetime.fromtimestamp(MOMENT + 10, dt.timezone.utc)


def test_an_alert_that_could_not_be_sent_comes_with_a_later_failure_once(db):
    runner = OneRunner(begins_at=0)
    assert runner.kind("failed", 10, is_sent=False) == "failing"
    assert runner.kind("failed", 69) is None
    alert = runner.end("failed", 70, is_sent=False)
    assert (alert.kind, alert.count) == ("failing", 3)
    assert runner.kind("failed", 189) is None
    assert runner.kind("failed", 190) == "failing"
    assert runner.kind("failed", 1000) is None
    assert runner.kind("succeeded", 1010) == "recovered"
    assert runner.kind("failed", 1020) == "failing"


def test_a_restart_repeats_an_alert_that_could_not_be_sent_and_no_other(db):
    assert OneRunner(begins_at=0).kind("failed", 10, is_sent=False) == "failing"
    assert OneRunner(begins_at=11).kind("failed", 39) is None  # it may still be being sent
    restarted = OneRunner(begins_at=40)
    assert restarted.kind("failed", 50) == "failing"
    assert restarted.kind("failed", 200) is None
    assert OneRunner(begins_at=300).kind("failed", 310) is None
    assert OneRunner(begins_at=400).kind("succeeded", 410) == "recovered"
    assert OneRunner(begins_at=500).kind("failed", 510) == "failing"


def test_what_another_runner_could_not_send_is_sent_by_this_one(db):
    first, second = OneRunner(begins_at=0), OneRunner(begins_at=0)
    assert first.kind("failed", 10, is_sent=False) == "failing"
    assert second.kind("failed", 11) is None
    assert second.kind("failed", 50) == "failing"
    assert first.kind("failed", 100) is None


def test_failures_that_no_runner_with_alerts_has_seen_are_told_at_the_next_one(db):
    runner = OneRunner(begins_at=0)
    runner.end("succeeded", 10)
    for after in (20, 30):
        number = runner.number + after
        JobExecution.objects.create(
            job=Job.objects.get(name=NAME),
            runner=runner.row,
            number=number,
            started_at=from_timestamp(MOMENT + after),
            finished_at=from_timestamp(MOMENT + after),
            outcome="failed",
        )
    alert = OneRunner(begins_at=100).end("failed", 110)
    assert (alert.kind, alert.count) == ("failing", 3)


def test_an_alert_that_was_sent_while_the_history_was_away_is_not_repeated(db):
    runner = OneRunner(begins_at=0)
    past, runner.asker.past = runner.asker.past, None
    assert runner.kind("failed", 10) == "failing"
    runner.asker.past = past
    assert runner.kind("failed", 100) is None
    assert runner.kind("failed", 10 + DAY) == "still_failing"
    assert runner.kind("failed", 100 + DAY) is None
    assert OneRunner(begins_at=200 + DAY).kind("failed", 210 + DAY) is None


def test_executions_that_make_no_alert_ask_the_history_nothing(db):
    runner = OneRunner(begins_at=0)
    for after in range(10, 20):
        runner.end("succeeded", after)
    assert runner.asker.questions == 0
    runner.end("failed", 20)
    asked = runner.asker.questions
    for after in range(21, 30):
        assert runner.end("failed", after) is None
    assert runner.asker.questions == asked


def test_without_an_answer_the_memory_of_the_runner_decides(db):
    runner = OneRunner(is_answered=False)
    outcomes = ["failed", "failed", "succeeded", "succeeded"]
    kinds = [runner.kind(outcome, after) for after, outcome in enumerate(outcomes)]
    assert kinds == ["failing", None, "recovered", None]
    assert runner.kind("failed", 10, is_sent=False) == "failing"
    assert runner.kind("failed", 100) == "failing"
    assert runner.kind("failed", 200) is None


def test_runners_that_share_the_executions_of_a_job_go_by_the_history(db):
    first, second = (OneRunner(begins_at=0, shares=True, alert_after=3) for _ in range(2))
    assert first.kind("succeeded", 9) is None
    assert not second.recovers(10)
    kinds = [runner.kind("failed", 11 + n) for n, runner in enumerate([first, second, first])]
    assert kinds == [None, None, "failing"]
    assert second.recovers(20)
    assert second.kind("succeeded", 20) == "recovered"
    assert not first.recovers(21)
    kinds = [runner.kind("failed", 31 + n) for n, runner in enumerate([first, second, first])]
    assert kinds == [None, None, "failing"]


def test_many_successes_take_one_question(db):
    runner = OneRunner(begins_at=0, shares=True)
    runner.end("failed", 10)
    asked = runner.asker.questions
    successes = [an_end(100 + after, finished_at=MOMENT + after) for after in range(5, 15)]
    found = runner.news.after_failures(successes)
    assert [record.finished_at - MOMENT > 10 for record in successes] == [
        record in found for record in successes
    ]
    assert runner.asker.questions == asked + 1


def test_without_an_answer_a_runner_that_shares_goes_by_its_own_failures(db):
    runner = OneRunner(is_answered=False, shares=True)
    assert not runner.recovers(1)
    assert runner.kind("failed", 2) == "failing"
    assert runner.recovers(3)


def test_a_timeout_does_not_end_a_runner_that_shares(db):
    assert "exit status 1" in OneRunner(begins_at=0).end("timed_out", 10).text
    alert = OneRunner(begins_at=20, shares=True).end("timed_out", 5)
    assert alert.kind == "timed_out"
    assert "exit status" not in alert.text


def test_an_alert_has_the_execution_as_it_is_on_record_else_as_it_is_known(db, settings):
    settings.QUICK_JOBS_LOG_FILTER = "tests.unit.test_job_news.hide"
    runner = OneRunner(begins_at=0)
    alert = runner.end("failed", 10)
    assert alert.execution.pk
    assert "Note: 14 sent" in alert.text
    assert alert.subject == f"{NAME} fails: ValueError: no *****"
    assert alert.url is None
    away = OneRunner(is_answered=False).end("failed", 10, is_recorded=False)
    assert away.execution.pk is None
    assert (away.execution.job.name, away.execution.error) == (NAME, "ValueError: no *****")
    assert "stock" not in away.text


def hide(text):
    return text.replace("stock", "*****")


def test_a_running_execution_is_judged_by_what_is_typical(db):
    runner = OneRunner()
    record = an_end(7, started_at=MOMENT, finished_at=None, outcome="running")
    job = a_job(interval=60)
    assert runner.news.runs_long(job, record, 100.0) == (None, 660.0)  # it has never succeeded
    runner.end("succeeded", 10)
    JobExecution.objects.update(duration=dt.timedelta(seconds=20))
    assert runner.news.runs_long(job, record, 70.0) == (None, 80.0)
    alert, look_at = runner.news.runs_long(job, record, 81.0)
    assert (alert.kind, look_at) == ("stuck", math.inf)
    assert alert.subject == f"{NAME} has been running for 1 min 21 s"
    assert "It usually takes 20 s." in alert.text
    assert OneRunner(is_answered=False).news.runs_long(job, record, 70.0) == (None, 130.0)


@pytest.mark.parametrize(
    ("domain", "is_secure", "expected"),
    [
        ("shop.example", False, "http://shop.example/admin/quick_jobs/jobrunner/7/change/"),
        ("shop.example", True, "https://shop.example/admin/quick_jobs/jobrunner/7/change/"),
        ("example.com", True, None),  # as django.contrib.sites has it from the start
    ],
)
def test_the_address_is_that_of_djangos_sites(monkeypatch, settings, domain, is_secure, expected):
    site = types.SimpleNamespace(domain=domain)
    sites = types.SimpleNamespace(objects=types.SimpleNamespace(get_current=lambda: site))
    models = types.SimpleNamespace(Site=sites)
    monkeypatch.setitem(sys.modules, "django.contrib.sites.models", models)
    monkeypatch.setattr(addresses.apps, "is_installed", lambda name: True)
    settings.SESSION_COOKIE_SECURE = is_secure
    assert addresses.admin_url(JobRunner(pk=7)) == expected


# Starts that were missed.

ZERO = dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc)


def hours(number):
    return ZERO + dt.timedelta(hours=number)


@pytest.mark.parametrize(
    ("schedule", "last", "expected"),
    [
        (None, LastExecution(hours(9.5), None, hours(9.6), False), [10.5, 11.5]),
        (None, LastExecution(hours(4), None, hours(4.1), False), [10, 11]),
        (None, LastExecution(hours(9.5), None, None, False), [10.5, 11.5]),
        (at("10:30", timezone="UTC"), None, [10.5]),
        (at("09:00", "11:00", "13:00", timezone="UTC"), None, [9, 11]),
        (at("13:00", timezone="UTC"), None, []),
    ],
    ids=["interval", "overdue", "running", "clock", "clock overdue", "none"],
)
def test_starts_between_the_last_heartbeat_and_the_next_runner_were_missed(
    schedule, last, expected
):
    plan = Plan(schedule, dt.timedelta(hours=0 if schedule else 1), dt.timedelta(0), False)
    missed = missed_starts(plan, last, hours(0), None, hours(10), hours(12))
    assert missed == [hours(each) for each in expected]
