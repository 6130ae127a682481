from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import (
    DataError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from quick_jobs.databases.base import Database
from quick_jobs.history import batch_size as batch_size_module
from quick_jobs.history import prunable, unused
from quick_jobs.history import pruning as pruning_module
from quick_jobs.history.prunable import OldExecutions, Rules
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

both_databases = pytest.mark.django_db(transaction=True, databases=["default", "other"])
on_real_transactions = pytest.mark.django_db(transaction=True)
not_on_sqlite = pytest.mark.skipif("connection.vendor == 'sqlite'", reason="it has no row locks")


def prune(older_than=30, using="default", batch_size=pruning_module.BATCH_SIZE, **rules):
    """Delete what is older than so many days; return the pruning."""
    pruning = Pruning(using, Rules(older_than * DAY, **rules), batch_size=batch_size)
    run(pruning)
    return pruning


def run(pruning):
    while not pruning.step():
        pass


def remaining(model=JobExecution, using="default"):
    return set(model.objects.using(using).all())


# Executions.


def test_what_is_older_goes_and_the_rest_stays():
    an_execution(started=31)
    younger = an_execution(started=29)
    pruning = prune(older_than=30)
    assert remaining() == {younger}
    assert pruning.deleted == {JobExecution: 1}


def test_the_age_of_an_execution_is_that_of_its_start():
    execution = an_execution(started=31)
    JobExecution.objects.update(finished_at=ago(1))
    prune(older_than=30)
    assert execution not in remaining()


def test_what_starts_in_the_future_by_its_runners_clock_stays():
    execution = an_execution(started=-1)
    prune(older_than=0)
    assert remaining() == {execution}


def test_with_no_history_there_is_nothing_to_do():
    assert not prune().deleted


def test_a_running_execution_of_a_live_runner_stays():
    execution = an_execution(started=40, outcome="running", runner=a_live_runner())
    prune()
    assert remaining() == {execution}


def test_what_a_live_runner_has_finished_goes():
    an_execution(started=40, runner=a_live_runner())
    prune()
    assert not remaining()


@pytest.mark.parametrize("gone_runner", [a_stopped_runner, a_lost_runner])
def test_a_running_execution_of_a_runner_that_is_gone_follows_the_rule_of_age(gone_runner):
    runner = gone_runner(1)
    an_execution(started=31, outcome="running", runner=runner)
    younger = an_execution(started=29, outcome="running", runner=runner)
    prune(older_than=30)
    assert remaining() == {younger}


def test_whether_a_runner_lives_is_judged_anew_for_each_batch():
    runner = a_lost_runner()
    executions_at([ago(40)] * 300, runner=runner, outcome="running")
    pruning = Pruning("default", Rules(30 * DAY), batch_size=100)
    pruning.step()
    JobRunner.objects.update(last_heartbeat_at=timezone.now())
    run(pruning)
    assert JobExecution.objects.count() == 200


def test_only_the_outcomes_asked_for_go():
    for outcome, _ in JobExecution.OUTCOMES:
        an_execution(started=40, outcome=outcome, runner=a_lost_runner())
    prune(outcomes=["failed", "running"])
    left = set(JobExecution.objects.values_list("outcome", flat=True))
    assert left == {"succeeded", "interrupted", "timed_out", "abandoned"}


def test_only_executions_of_the_jobs_asked_for_go():
    jobs = [a_job(f"shop.jobs.{name}") for name in "abc"]
    kept, *_ = [an_execution(started=40, job=job) for job in jobs]
    prune(jobs=[jobs[1].pk, jobs[2].pk])
    assert remaining() == {kept}


def test_no_jobs_asked_for_is_not_all_jobs():
    execution = an_execution(started=40)
    prune(jobs=[])
    assert remaining() == {execution}


# The last executions of each job.


def test_the_last_of_each_job_stay_whatever_their_age():
    kept = set()
    for name in "ab":
        job = a_job(f"shop.jobs.{name}")
        made = [an_execution(started=100 - number, job=job) for number in range(5)]
        kept.update(made[3:])
    prune(keep_last=2)
    assert remaining() == kept


def test_of_a_job_with_no_more_than_the_last_all_stay():
    executions = {an_execution(started=40), an_execution(started=41)}
    prune(keep_last=2)
    prune(keep_last=3)
    assert remaining() == executions


def test_the_last_are_those_of_all_outcomes_and_ages():
    job = a_job()
    an_execution(started=50, outcome="failed", job=job)
    kept = {
        an_execution(started=40, outcome="failed", job=job),
        an_execution(started=1, job=job),
        an_execution(started=0.5, outcome="running", job=job),
    }
    prune(keep_last=3, outcomes=["failed"])
    assert remaining() == kept


def test_exactly_so_many_stay_when_all_started_in_one_moment():
    executions_at([ago(40)] * 250)
    prune(keep_last=7, batch_size=100)
    assert JobExecution.objects.count() == 7


def test_exactly_so_many_stay_when_they_are_more_than_a_statement_takes(monkeypatch):
    monkeypatch.setattr(prunable, "most_values", lambda using: 10)
    executions_at([ago(40) + number * timedelta(seconds=1) for number in range(250)])
    prune(keep_last=60, batch_size=100)
    left = JobExecution.objects.order_by("started_at").values_list("started_at", flat=True)
    assert len(left) == 60
    assert left[0] > ago(40) + timedelta(seconds=180)


def test_batches_are_not_small_only_because_the_last_of_each_job_stay(monkeypatch):
    monkeypatch.setattr(prunable, "most_values", lambda using: 10)
    executions_at([ago(40) + number * timedelta(seconds=1) for number in range(250)])
    pruning = Pruning("default", Rules(30 * DAY, keep_last=1))
    pruning.step()
    assert pruning.deleted[JobExecution] == 100


@pytest.mark.sweeps
def test_what_goes_is_what_the_rules_say_when_put_plainly():
    """Compare with :func:`goes`, on histories with many starts in one moment."""
    for seed in range(8):
        chance = random.Random(seed)
        JobExecution.objects.all().delete()
        jobs = [a_job(f"shop.jobs.{name}") for name in "abcd"]
        runners = [a_live_runner(), a_stopped_runner(), a_lost_runner()]
        moments = [ago(chance.uniform(20, 40)) for _ in range(chance.choice([1, 3, 40]))]
        outcomes = ["succeeded", "failed", "running"]
        JobExecution.objects.bulk_create(
            JobExecution(
                job=chance.choice(jobs),
                runner=chance.choice(runners),
                started_at=chance.choice(moments),
                outcome=chance.choice(outcomes),
            )
            for _ in range(90)
        )
        rules = Rules(
            30 * DAY,
            keep_last=chance.choice([0, 0, 3, 20]),
            outcomes=chance.choice([[], ["failed"], ["failed", "running"]]),
            jobs=chance.choice([None, [jobs[0].pk], [job.pk for job in jobs[1:]]]),
        )
        expected = set(JobExecution.objects.all())
        going = {row for row in expected if goes(row, rules, runners[0], expected)}
        batch_size = chance.choice([1, 2, 7, 30, 1000])
        counting = Pruning("default", rules, batch_size=batch_size, dry_run=True)
        run(counting)
        run(Pruning("default", rules, batch_size=batch_size))
        assert remaining() == expected - going, (seed, rules)
        assert counting.counted == Counter(row.job_id for row in going), (seed, rules)


def goes(execution, rules, live_runner, executions):
    newer = [
        other
        for other in executions
        if other.job_id == execution.job_id
        and (other.started_at, other.pk) > (execution.started_at, execution.pk)
    ]
    return (
        execution.started_at < timezone.now() - rules.older_than
        and len(newer) >= rules.keep_last
        and (not rules.outcomes or execution.outcome in rules.outcomes)
        and (rules.jobs is None or execution.job_id in rules.jobs)
        and not (execution.outcome == "running" and execution.runner == live_runner)
    )


# Batches.


@pytest.mark.parametrize("distance", [timedelta(0), timedelta(minutes=1)])
def test_no_step_deletes_more_than_a_batch(distance):
    executions_at([ago(40) + distance * number for number in range(450)])
    pruning = Pruning("default", Rules(30 * DAY), batch_size=40)
    steps, before = [], 0
    while JobExecution.objects.exists():
        pruning.step()
        steps.append(pruning.deleted[JobExecution] - before)
        before = pruning.deleted[JobExecution]
    assert max(steps) <= 40
    assert len(steps) < 30


def test_a_batch_of_one_row_makes_progress():
    executions_at([ago(40)] * 3 + [ago(39)] * 2 + [ago(38)])
    assert prune(batch_size=1).deleted[JobExecution] == 6


@on_real_transactions
def test_what_a_step_has_deleted_stays_deleted():
    executions_at([ago(40)] * 150)
    pruning = Pruning("default", Rules(30 * DAY))
    pruning.step()
    assert in_thread(JobExecution.objects.count) == 50


def test_nothing_is_looked_up_before_the_first_step(django_assert_num_queries):
    with django_assert_num_queries(0):
        Pruning("default", Rules(30 * DAY))


def test_what_becomes_old_meanwhile_is_left_for_another_time():
    executions_at([ago(40)] * 150)
    pruning = Pruning("default", Rules(30 * DAY))
    pruning.step()
    now_old = an_execution(started=ago(30))
    run(pruning)
    assert remaining() == {now_old}


def test_another_step_after_the_end_does_nothing():
    pruning = prune()
    assert pruning.step()


def test_it_tells_how_far_it_has_come():
    moments = [ago(40) + number * timedelta(minutes=1) for number in range(150)]
    executions_at(moments)
    pruning = Pruning("default", Rules(30 * DAY))
    assert pruning.reached is None
    pruning.step()
    assert pruning.reached == moments[100]
    run(pruning)
    assert pruning.reached is None


@pytest.mark.parametrize(
    ("only", "index"),
    [
        ({}, "quick_jobs_exec_started"),
        ({"outcome": "failed"}, "quick_jobs_exec_outcome"),
        ({"job_id": 1}, "quick_jobs_exec_job"),
    ],
)
def test_the_next_batch_is_found_with_an_index(only, index):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # it would not bother, for so few
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    executions_at([ago(40) + number * timedelta(seconds=1) for number in range(800)])
    search = OldExecutions("default", Rules(DAY), ago(1), only)
    by_start = search._by_start(search._old(since=ago(35)))
    assert index in by_start[100:101].explain()


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="it alone counts its steps")
@pytest.mark.sweeps
@pytest.mark.parametrize("rules", [{}, {"keep_last": 1}, {"outcomes": ["failed"]}, {"jobs": True}])
def test_a_batch_takes_no_more_work_the_more_there_is_after_it(rules):
    job, runner = a_job(), a_stopped_runner()
    if "jobs" in rules:
        rules = {"jobs": [job.pk]}
    moments = [ago(40) + number * timedelta(seconds=1) for number in range(1500)]
    executions_at(moments[:300], job, runner, outcome="failed")
    few = work_of_a_batch(rules)
    JobExecution.objects.all().delete()
    executions_at(moments, job, runner, outcome="failed")
    assert work_of_a_batch(rules) < 1.5 * few


def work_of_a_batch(rules):
    """Return how many hundreds of its virtual machine's steps SQLite takes for a first batch."""
    pruning = Pruning("default", Rules(30 * DAY, **rules))
    ticks = []
    connection.connection.set_progress_handler(lambda: ticks.append(None), 100)
    try:
        pruning.step()
    finally:
        connection.connection.set_progress_handler(None, 0)
    assert pruning.deleted[JobExecution] == 100
    return len(ticks)


def test_a_pruning_reads_no_row_twice(django_assert_max_num_queries):
    executions_at([ago(40)] * 300 + [ago(39) + number * DAY / 1000 for number in range(600)])
    with django_assert_max_num_queries(60):
        prune()


# Runners.


def test_a_runner_that_lives_stays():
    runner = a_live_runner(started=400)
    prune()
    assert remaining(JobRunner) == {runner}


@pytest.mark.parametrize("gone_runner", [a_stopped_runner, a_lost_runner])
def test_a_gone_runner_without_executions_goes_when_it_was_last_alive_long_ago(gone_runner):
    gone_runner(31)
    younger = gone_runner(29)
    pruning = prune(older_than=30)
    assert remaining(JobRunner) == {younger}
    assert pruning.deleted[JobRunner] == 1


@pytest.mark.parametrize("gone_runner", [a_stopped_runner, a_lost_runner])
def test_a_gone_runner_goes_with_the_last_of_its_executions(gone_runner):
    runner = gone_runner()
    last = an_execution(started=29, runner=runner)
    an_execution(started=31, runner=runner)
    prune(older_than=30)
    assert remaining(JobRunner) == {runner}
    last.delete()
    prune(older_than=30)
    assert not remaining(JobRunner)


def questions_for_executions_of_any_age(**rules):
    """Return how often a pruning asks whether the only runner, which is gone, has executions."""
    an_execution(started=41, runner=a_stopped_runner(40))
    with CaptureQueriesContext(connection) as sent:
        prune(older_than=30, **rules)
    questions = [each["sql"] for each in sent if each["sql"].startswith("SELECT")]
    about_executions = [sql for sql in questions if "quick_jobs_jobexecution" in sql]
    return sum("runner_id" in sql and "started_at" not in sql for sql in about_executions)


def test_runners_are_not_asked_for_old_executions_when_all_of_those_have_gone():
    """PostgreSQL would go through all that have just been deleted."""
    assert questions_for_executions_of_any_age() == 0


@pytest.mark.parametrize("rules", [{"keep_last": 1}, {"outcomes": ["failed"]}])
def test_runners_are_asked_for_old_executions_when_some_may_be_left(rules):
    assert questions_for_executions_of_any_age(**rules) == 1
    assert remaining(JobRunner)


def test_a_silence_too_short_to_be_lost_is_not_old(settings):
    settings.QUICK_JOBS_LOST_AFTER = 120
    runner = a_live_runner(last_heartbeat_at=timezone.now() - timedelta(seconds=90))
    prune(older_than=0)
    assert remaining(JobRunner) == {runner}


def test_links_to_jobs_go_with_the_runner_in_batches(monkeypatch):
    monkeypatch.setattr(batch_size_module, "_FEW", 10)
    jobs = [a_job(f"shop.jobs.job_{number}") for number in range(25)]
    for _ in range(3):
        a_stopped_runner().jobs.set(jobs)
    kept = a_live_runner()
    kept.jobs.set(jobs)
    prune(batch_size=10)
    assert remaining(JobRunner) == {kept}
    assert JobRunner.jobs.through.objects.count() == 25
    assert remaining(Job) == set(jobs)


def test_many_runners_go_in_batches():
    for _ in range(12):
        a_stopped_runner()
    assert prune(batch_size=5).deleted[JobRunner] == 12


# Jobs.


def test_a_job_goes_with_the_last_of_its_executions_and_runners():
    runner = a_stopped_runner()
    runner.jobs.add(a_job())
    an_execution(started=40, runner=runner)
    pruning = prune()
    assert not remaining(Job)
    assert pruning.deleted == {
        JobExecution: 1,
        JobRunner.jobs.through: 1,
        JobRunner: 1,
        Job: 1,
    }


def test_a_job_with_an_execution_stays():
    an_execution(started=1)
    prune()
    assert remaining(Job) == {a_job()}


def test_a_job_that_a_runner_has_stays():
    a_stopped_runner(stopped=1).jobs.add(a_job())
    prune()
    assert remaining(Job) == {a_job()}


def test_a_job_in_the_code_stays():
    @register_job(interval=60)
    def work(env):
        pass

    job = a_job(work.name)
    a_job("shop.jobs.was_renamed")
    prune()
    assert remaining(Job) == {job}


def test_when_it_is_about_some_jobs_the_others_stay():
    job, other = a_job("shop.jobs.a"), a_job("shop.jobs.b")
    prune(jobs=[job.pk])
    assert remaining(Job) == {other}


def test_many_jobs_go_in_batches():
    for number in range(12):
        a_job(f"shop.jobs.job_{number}")
    assert prune(batch_size=5).deleted[Job] == 12


# A dry run.


def test_a_dry_run_counts_by_job_and_deletes_nothing():
    busy, idle = a_job("shop.jobs.busy"), a_job("shop.jobs.idle")
    executions_at([ago(40)] * 250, job=busy, runner=a_stopped_runner())
    executions_at([ago(41)] * 3, job=idle, runner=a_stopped_runner())
    pruning = Pruning("default", Rules(30 * DAY), batch_size=100, dry_run=True)
    run(pruning)
    assert pruning.counted == {busy.pk: 250, idle.pk: 3}
    assert not pruning.deleted
    assert JobExecution.objects.count() == 253


# Others at the same time.


@contextlib.contextmanager
def locked(rows):
    """Have another session lock ``rows``, by changing them without saying whether for good."""
    has_locked, release = threading.Event(), threading.Event()

    def lock():
        with contextlib.suppress(Rollback), transaction.atomic():
            rows.update(hostname="x") if rows.model is JobRunner else rows.update(error="x")
            has_locked.set()
            release.wait(60)
            raise Rollback

    thread = threading.Thread(target=in_own_connection, args=(lock,))
    thread.start()
    try:
        assert has_locked.wait(20)
        yield
    finally:
        release.set()
        thread.join()


class Rollback(Exception):
    pass


def in_own_connection(function):
    """Call ``function`` and close the thread's connections."""
    try:
        return function()
    finally:
        connections.close_all()


def in_thread(function):
    """Return what ``function`` returns in a thread of its own, with a connection of its own."""
    results = []
    thread = threading.Thread(target=lambda: results.append(in_own_connection(function)))
    thread.start()
    thread.join()
    return results[0]


@pytest.fixture
def impatient():
    """Have SQLite wait for others no longer than the other databases."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 50")
    yield
    connection.close()


@on_real_transactions
def test_what_others_have_locked_is_tried_again(impatient):
    executions_at([ago(40)] * 10)
    pruning = Pruning("default", Rules(30 * DAY))
    with locked(JobExecution.objects.all()):
        assert not pruning.step()
        assert pruning.pause == pruning_module._PATIENCE
    run(pruning)
    assert not remaining()
    assert pruning.pause != pruning_module._PATIENCE
    assert not pruning.passed_over


@not_on_sqlite
@on_real_transactions
def test_what_others_have_locked_for_long_is_passed_over():
    executions_at([ago(40)] * 250)
    kept = JobExecution.objects.order_by("pk")[120]
    with locked(JobExecution.objects.filter(pk=kept.pk)):
        pruning = prune(batch_size=100)
    assert pruning.passed_over
    assert pruning.deleted[JobExecution] == 150
    assert kept in remaining()


@not_on_sqlite
@on_real_transactions
def test_nobody_waits_long_for_what_others_have_locked():
    executions_at([ago(40)] * 10)
    pruning = Pruning("default", Rules(30 * DAY))
    with locked(JobExecution.objects.all()):
        began = time.monotonic()
        pruning.step()
        assert time.monotonic() - began < 5  # the databases' own patience is without end, or 50 s


@on_real_transactions
def test_a_runner_that_gets_an_execution_in_the_last_moment_stays(monkeypatch):
    runner, job = a_lost_runner(), a_job()
    find = unused.GoneRunners.find

    def find_and_revive(search, size):
        rows = find(search, size)
        if not remaining():
            in_thread(lambda: an_execution(started=1, job=job, runner=runner))
        return rows

    monkeypatch.setattr(unused.GoneRunners, "find", find_and_revive)
    prune()
    assert remaining(JobRunner) == {runner}


@on_real_transactions
def test_several_prunings_and_writers_at_once_do_each_other_no_harm():
    runners = [a_live_runner(), a_stopped_runner()]
    jobs = [a_job(f"shop.jobs.job_{number}") for number in range(5)]
    for runner in runners:
        runner.jobs.set(jobs)
    for job in jobs:
        executions_at([ago(40 - number / 100) for number in range(300)], job, runners[1])
    begin, failures, written = threading.Barrier(5), [], []

    def prune_all():
        run(Pruning("default", Rules(30 * DAY), batch_size=70))

    def write():
        for number in range(60):
            written.append(an_execution(started=0, job=jobs[number % 5], runner=runners[0]).pk)
            JobRunner.objects.filter(pk=runners[0].pk).update(last_heartbeat_at=timezone.now())

    def at_once(work):
        try:
            begin.wait(20)
            in_own_connection(work)
        except Exception as failure:
            failures.append(failure)

    threads = [
        threading.Thread(target=at_once, args=(work,))
        for work in (prune_all, prune_all, prune_all, write, write)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    prune()  # what all of them have passed over
    assert set(JobExecution.objects.values_list("pk", flat=True)) == set(written)
    assert remaining(JobRunner) == {runners[0]}
    assert remaining(Job) == set(jobs)


def test_a_search_that_others_prevent_is_tried_again_and_then_left_for_another_time(monkeypatch):
    executions_at([ago(40)])
    monkeypatch.setattr(OldExecutions, "find", raising(OperationalError("locked")))
    monkeypatch.setattr(Database, "is_conflict", lambda database, error: True)
    pruning = Pruning("default", Rules(30 * DAY))
    assert [pruning.step() for _ in range(5)] == [False] * 4 + [True]
    assert pruning.passed_over


def test_after_another_error_it_goes_on_where_it_was(monkeypatch):
    executions_at([ago(40)] * 150)
    pruning = Pruning("default", Rules(30 * DAY))
    with monkeypatch.context() as patch:
        patch.setattr(pruning, "_delete", raising(DataError()))
        with pytest.raises(DataError):
            pruning.step()
    run(pruning)
    assert not remaining()


def raising(error):
    def function(*args):
        raise error

    return function


def test_on_sqlite_others_get_their_turn_after_each_batch():
    executions_at([ago(40)] * 250)
    a_live_runner().jobs.add(a_job())
    pruning, pauses = Pruning("default", Rules(30 * DAY), batch_size=100), []
    while not pruning.step():
        pauses.append(pruning.pause > 0)
    assert pauses.count(True) == (3 if connection.vendor == "sqlite" else 0)
    assert not pruning.pause  # after a step that has deleted nothing


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="there others need not wait")
@pytest.mark.parametrize(("look", "pause"), [(0.001, 0.024), (1.0, 0.1)])
def test_on_sqlite_others_get_as_long_a_turn_as_they_sleep_between_two_looks(look, pause):
    now = itertools.count(step=look)
    executions_at([ago(40)] * 10)
    pruning = Pruning("default", Rules(30 * DAY), clock=lambda: next(now))
    pruning.step()
    assert pruning.pause == pause


# Where, and by whom.


@both_databases
def test_only_the_database_asked_for_is_pruned():
    for using in ("default", "other"):
        an_execution(started=40, using=using, runner=a_stopped_runner(using=using))
        a_job("shop.jobs.other", using=using)
    prune(using="other", keep_last=0)
    for model in (JobExecution, JobRunner, Job):
        assert not remaining(model, using="other")
        assert remaining(model, using="default")


@both_databases
def test_live_runners_and_the_last_executions_are_those_of_the_database_asked_for():
    job = a_job(using="other")
    kept = {
        an_execution(started=31, job=job, using="other"),
        an_execution(started=50, outcome="running", job=job, using="other"),
    }
    an_execution(started=40, job=job, using="other")
    prune(using="other", keep_last=1)
    assert remaining(using="other") == kept


def test_ages_are_right_without_time_zone_support(settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/New_York"
    now = timezone.now()
    runner = a_live_runner(started=0)
    # The clocks may have changed meanwhile, by an hour.
    execution = an_execution(started=now - timedelta(days=29, hours=22), runner=runner)
    an_execution(started=now - timedelta(days=30, hours=2), runner=runner)
    prune(older_than=30)
    assert remaining() == {execution}


def test_without_a_retention_there_is_no_pruning(settings):
    settings.QUICK_JOBS_HISTORY_RETENTION = None
    assert Pruning.by_retention("default") is None


def test_with_a_retention_what_is_older_goes(settings):
    settings.QUICK_JOBS_HISTORY_RETENTION = 30 * DAY
    an_execution(started=31)
    younger = an_execution(started=29)
    run(Pruning.by_retention("default"))
    assert remaining() == {younger}


def test_a_runner_prunes_in_shorter_steps_than_the_command(settings):
    settings.QUICK_JOBS_HISTORY_RETENTION = 30 * DAY
    in_runner = Pruning.by_retention("default")
    assert in_runner._size._seconds < Pruning("default", Rules(DAY))._size._seconds


def test_a_runner_removes_what_little_it_has_emptied_at_once(settings):
    settings.QUICK_JOBS_HISTORY_RETENTION = 30 * DAY
    an_execution(started=40, runner=a_stopped_runner())
    run(Pruning.by_retention("default"))
    assert not remaining(JobRunner)
    assert not remaining(Job)


def test_a_runner_leaves_what_it_has_emptied_of_much_to_its_next_pruning(settings, monkeypatch):
    settings.QUICK_JOBS_HISTORY_RETENTION = 30 * DAY
    monkeypatch.setattr(pruning_module, "_NOT_MANY", 50)
    executions_at([ago(40)] * 51, runner=a_stopped_runner())
    run(Pruning.by_retention("default"))
    assert not remaining()
    assert remaining(JobRunner)
    assert remaining(Job)
    run(Pruning.by_retention("default"))
    assert not remaining(JobRunner)
    assert not remaining(Job)
