"""What automatic pruning keeps at any age."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from quick_jobs.history import newest as newest_module
from quick_jobs.history import prunable
from quick_jobs.history.prunable import Rules
from quick_jobs.history.pruning import Pruning
from quick_jobs.models import Job, JobExecution, JobRunner
from quick_jobs.registration import register_job
from tests.old_history import (
    DAY,
    a_job,
    a_live_runner,
    a_lost_runner,
    a_stopped_runner,
    ago,
    an_execution,
    executions_at,
)

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def prune(*in_code, **options):
    """Delete what is older than 30 days as a runner does, with these jobs in the code."""
    pruning = Pruning(
        "default",
        Rules(30 * DAY, keep_newest=True),
        is_in_code=set(in_code).__contains__,
        in_runner=True,
        **options,
    )
    while not pruning.step():
        pass
    return pruning


def remaining(model=JobExecution):
    return set(model.objects.all())


def failures(number, before, job):
    """Make failures a second apart, the last one so many days ago."""
    runner = a_stopped_runner(before)
    moments = [ago(before) - place * SECOND for place in range(number)]
    executions_at(moments, job=job, runner=runner, outcome="failed")


def test_of_each_job_in_the_code_the_newest_execution_and_the_newest_success_stay():
    kept = set()
    for name in "ab":
        job = a_job(name)
        an_execution(started=70, job=job)
        kept.add(an_execution(started=60, job=job))
        an_execution(started=50, outcome="failed", job=job)
        kept.add(an_execution(started=40, outcome="timed_out", job=job))
    prune("a", "b")
    assert remaining() == kept


def test_of_a_job_gone_from_the_code_the_newest_stays_only_if_a_live_runner_lists_it():
    names = ("gone", "in_code", "listed", "of_lost", "of_stopped")
    jobs = [a_job(name) for name in names]
    a_live_runner().jobs.add(jobs[2])
    a_lost_runner().jobs.add(jobs[3])
    a_stopped_runner().jobs.add(jobs[4])
    runner = a_stopped_runner(stopped=1)
    for job in jobs:
        an_execution(started=70, job=job, runner=runner)
        an_execution(started=60, job=job, runner=runner)
        an_execution(started=40, outcome="failed", job=job, runner=runner)
    prune("in_code")
    left = JobExecution.objects.values_list("job__name", "outcome")
    assert sorted(left) == [
        (name, outcome) for name in ("in_code", "listed") for outcome in ("failed", "succeeded")
    ]


def test_by_the_retention_setting_jobs_in_the_code_keep_theirs(settings):
    settings.QUICK_JOBS_HISTORY_RETENTION = 30 * DAY

    @register_job(60)
    def work(env):
        pass

    kept = an_execution(started=40, job=a_job(f"{__name__}.work"))
    an_execution(started=40, job=a_job("gone"))
    pruning = Pruning.by_retention("default")
    while not pruning.step():
        pass
    assert remaining() == {kept}


@pytest.mark.sweeps
def test_a_success_older_than_thousands_of_failures_stays():
    job = a_job()
    failures(3000, before=40, job=job)
    last = JobExecution.objects.latest("started_at")
    an_execution(started=61, job=job)
    success = an_execution(started=60, job=job)
    prune(job.name)
    assert remaining() == {last, success}


def test_a_job_that_never_succeeded_keeps_its_newest_execution():
    job = a_job()
    failures(700, before=40, job=job)
    last = JobExecution.objects.latest("started_at")
    prune(job.name)
    assert remaining() == {last}


@pytest.mark.parametrize("newer", [0, 1, 9, 10, 11, 100])
def test_an_old_success_goes_where_a_newer_one_is_younger_than_the_retention(newer):
    job = a_job()
    old = an_execution(started=60, job=job)
    an_execution(started=20, job=job)
    failures(newer, before=10, job=job)
    prune(job.name)
    assert old not in remaining()
    assert len(remaining()) == 1 + newer


@pytest.mark.parametrize(
    "newer", [1, 10, 11, 110, 111, pytest.param(1000, marks=pytest.mark.sweeps)]
)
def test_an_old_success_stays_where_all_that_is_younger_than_the_retention_failed(newer):
    job = a_job()
    success = an_execution(started=60, job=job)
    failures(5, before=50, job=job)
    failures(newer, before=10, job=job)
    prune(job.name)
    assert success in remaining()
    assert len(remaining()) == 1 + newer


@pytest.mark.sweeps
def test_of_a_job_that_has_failed_for_long_not_all_is_read():
    job = a_job()
    an_execution(started=60, job=job)
    failures(1500, before=10, job=job)
    with CaptureQueriesContext(
        connection,
    ) as few:
        prune(job.name)
    failures(1500, before=5, job=job)
    with CaptureQueriesContext(connection) as many:
        prune(job.name)
    assert len(many) == len(few)


def test_in_one_step_a_bounded_number_of_executions_is_read(monkeypatch):
    monkeypatch.setattr(newest_module, "_READS_AT_ONCE", 1)
    monkeypatch.setattr(newest_module, "_READS", (10, 10, 10))
    job = a_job()
    failures(205, before=40, job=job)
    success = an_execution(started=60, job=job)
    search = newest_module.NewestOfKnownJobs("default", ago(30), is_in_code=bool)
    steps = 0
    while not search.is_finished:
        assert search.find(100) == []
        search.advance()
        steps += 1
    assert steps == 1 + 21
    assert success.pk in search.among(JobExecution.objects.all(), ago(100), ago(0))


def test_what_runs_or_was_interrupted_is_the_newest_but_no_success():
    job = a_job()
    kept = {
        an_execution(started=60, job=job),
        an_execution(started=31, job=job, outcome="running", runner=a_stopped_runner(1)),
    }
    an_execution(started=50, job=job, outcome="interrupted")
    an_execution(started=45, job=job, outcome="abandoned")
    prune(job.name)
    assert remaining() == kept


def test_a_success_among_many_that_started_in_one_moment_stays():
    job, moment = a_job(), ago(40)
    executions_at([moment] * 700, job=job, outcome="failed")
    success = an_execution(started=moment, job=job)
    executions_at([moment] * 700, job=job, outcome="failed")
    prune(job.name)
    assert success in remaining()
    assert len(remaining()) <= 2


@pytest.mark.parametrize("apart", [timedelta(0), SECOND])
def test_they_may_be_more_than_a_statement_takes(monkeypatch, apart):
    monkeypatch.setattr(prunable, "most_values", lambda using: 10)
    monkeypatch.setattr(newest_module, "_JOBS", 30)
    jobs, runner, start = (
        [a_job(f"job_{number:02}") for number in range(70)],
        a_live_runner(),
        ago(40),
    )
    for place, job in enumerate(jobs):
        moment = start + place * apart
        executions_at([moment - DAY, moment], job=job, runner=runner)
    prune(*[job.name for job in jobs], batch_size=100)
    left = JobExecution.objects.values_list("job_id", "started_at")
    assert sorted(left) == [(job.pk, start + place * apart) for place, job in enumerate(jobs)]


def test_what_stayed_goes_when_there_is_a_newer_one():
    job = a_job()
    an_execution(started=40, job=job)
    prune(job.name)
    newer = an_execution(started=35, job=job)
    prune(job.name)
    assert remaining() == {newer}
    prune()
    assert not remaining()


def test_the_runner_of_what_stays_stays_too_and_others_go():
    job = a_job()
    runners = [a_stopped_runner(stopped) for stopped in (60, 50, 40)]
    an_execution(started=61, job=job, runner=runners[0])
    an_execution(started=51, job=job, runner=runners[1])
    an_execution(started=41, outcome="failed", job=job, runner=runners[2])
    for runner in runners:
        runner.jobs.add(job)
    pruning = prune(job.name)
    assert remaining(JobRunner) == set(runners[1:])
    assert pruning.deleted[JobRunner] == 1
    prune(job.name)
    assert remaining(JobRunner) == set(runners[1:])
    prune()
    prune()
    assert not remaining(JobRunner)
    assert not remaining(Job)


def test_pruning_by_hand_keeps_none_of_them(settings):
    settings.QUICK_JOBS_HISTORY_RETENTION = 30 * DAY
    job = a_job()
    a_live_runner().jobs.add(job)
    an_execution(started=40, job=job)
    pruning = Pruning("default", Rules(30 * DAY), is_in_code=bool)
    while not pruning.step():
        pass
    assert not remaining()


@pytest.mark.sweeps
def test_what_stays_is_what_the_rule_says_when_put_plainly():
    """Compare with a rule that reads everything, on histories with many starts in one moment."""
    chance = random.Random(7)
    outcomes = [outcome for outcome, _ in JobExecution.OUTCOMES]
    for _ in range(5):
        JobExecution.objects.all().delete()
        names, runner = ["a", "b", "c", "gone"], a_stopped_runner(1)
        weights = [chance.random() ** 4 for _ in outcomes]
        rows = [
            JobExecution(
                job=a_job(chance.choice(names)),
                runner=runner,
                # Each at a moment of its own: which one of several is the newest is left open.
                started_at=ago(chance.uniform(20, 40)) + number * timedelta(microseconds=1),
                outcome=chance.choices(outcomes, weights)[0],
            )
            for number in range(150)
        ]
        JobExecution.objects.bulk_create(rows)
        cutoff, expected = ago(30), set()
        for name in names:
            newest = list(JobExecution.objects.filter(job__name=name).order_by("-started_at"))
            expected |= {row for row in newest if row.started_at >= cutoff}
            if name != "gone":
                expected |= set(newest[:1])
                expected |= set([row for row in newest if row.outcome == "succeeded"][:1])
        prune("a", "b", "c", batch_size=chance.choice([1, 20, 1000]))
        assert remaining() == expected
