"""quick_jobs.testing, which tests of jobs are made with."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.test import TestCase, TransactionTestCase
from django.urls import reverse
from django.utils import timezone

from quick_jobs import RunInterrupted, register_job
from quick_jobs.discovery import JobsError
from quick_jobs.models import Job, JobExecution, JobRunner
from quick_jobs.signals import execution_finished
from quick_jobs.testing import FakeEnv, run_job


def a_job(func, **schedule):
    return register_job(**{"interval": 60, **schedule})(func)


@a_job
def succeeds(env): ...


def raises(exc):
    @a_job
    def job(env):
        raise exc

    return job


# FakeEnv.


def test_a_job_can_be_called_by_hand_with_it():
    @a_job
    def job(env):
        env.sleep(60)
        env.request_rerun()

    env = FakeEnv()
    job(env)
    assert env.sleeps == [60]
    assert (env.rerun_requested, env.stop_requested) == (True, False)


def test_it_does_not_sleep_and_keeps_for_how_long_it_should_have():
    env = FakeEnv()
    before = time.monotonic()
    for duration in (3600, timedelta(minutes=1), 0.5):
        env.sleep(duration)
    assert env.sleeps == [3600, 60, 0.5]
    assert time.monotonic() - before < 60


def test_it_is_as_strict_about_times_as_a_runner():
    env = FakeEnv()
    with pytest.raises(ValueError, match="^time must be "):
        env.sleep(-1)
    assert env.sleeps == []


def test_it_calls_back_when_the_job_sleeps():
    heard = []
    env = FakeEnv(on_sleep=heard.append)
    env.sleep(timedelta(minutes=1))
    assert heard == [60]


def test_it_stops_when_the_test_says_so():
    env = FakeEnv()
    assert env.is_stopping is False
    env.raise_if_stopping()
    env.stop()
    assert env.is_stopping is True
    with pytest.raises(RunInterrupted, match="^the runner is stopping$"):
        env.raise_if_stopping()
    with pytest.raises(RunInterrupted, match="^the runner is stopping$"):
        env.sleep(60)


def test_it_shows_what_the_job_noted_and_how_far_it_came():
    @a_job
    def job(env):
        for name in env.track(["anna", "bert"]):
            env.note(f"greeted {name}")

    env = FakeEnv()
    assert env.reached is None
    job(env)
    assert env.notes == ["greeted anna", "greeted bert"]
    assert env.reached == (2, 2)


def test_it_stops_a_job_between_two_items():
    env = FakeEnv(stop_at=2)
    tracked = env.track("abc")
    assert next(tracked) == "a"
    with pytest.raises(RunInterrupted):
        next(tracked)


@pytest.mark.django_db
def test_a_run_has_the_jobs_note():
    @a_job
    def job(env):
        return "2 sent"

    run = run_job(job, history=True)
    assert (run.note, run.execution.note, run.env.notes) == ("2 sent", "2 sent", ["2 sent"])
    assert run.execution.cpu_time is not None


def test_it_may_stop_while_the_job_sleeps():
    env = FakeEnv(on_sleep=lambda seconds: env.stop())
    with pytest.raises(RunInterrupted):
        env.sleep(60)
    assert env.sleeps == [60]


LOOKS = [
    lambda env: env.is_stopping,
    lambda env: env.raise_if_stopping(),
    lambda env: env.sleep(1),
]


@pytest.mark.parametrize("nth", [1, 2, 5])
@pytest.mark.parametrize("look", LOOKS, ids=["is_stopping", "raise_if_stopping", "sleep"])
def test_it_stops_when_the_job_looks_for_the_nth_time(nth, look):
    env = FakeEnv(stop_at=nth)
    looks = 0
    try:
        while looks < 10 and not look(env):
            looks += 1
    except RunInterrupted:
        pass
    assert looks == nth - 1


def test_looks_of_every_kind_are_counted_together_and_it_stays_stopping():
    env = FakeEnv(stop_at=4)
    for look in LOOKS:
        assert not look(env)
    assert [env.is_stopping, env.is_stopping] == [True, True]


# How a run ended.


def test_a_run_says_how_it_ended():
    env = FakeEnv()
    run = run_job(succeeds, env)
    assert (run.outcome, run.exception, run.error) == (JobExecution.SUCCEEDED, None, "")
    assert run.env is env
    assert run.execution is None
    assert timedelta(0) <= run.duration < timedelta(minutes=1)


def test_a_job_runs_in_the_thread_of_the_test_and_no_other():
    seen = []
    before = threading.active_count()
    run_job(a_job(lambda env: seen.append((threading.get_ident(), threading.active_count()))))
    assert seen == [(threading.get_ident(), before)]


def test_without_an_env_it_is_given_one_and_what_it_requested_can_be_seen():
    run = run_job(a_job(lambda env: env.request_rerun()))
    assert run.env.rerun_requested


def test_an_interruption_is_an_outcome_and_no_error():
    @a_job
    def goes_on(env):
        while True:
            env.sleep(10)

    run = run_job(goes_on, FakeEnv(stop_at=3))
    assert (run.outcome, run.exception) == (JobExecution.INTERRUPTED, None)
    assert run.env.sleeps == [10, 10, 10]


@pytest.mark.parametrize("exc", [ValueError("too large"), SystemExit(3)], ids=repr)
def test_what_a_job_fails_with_is_raised_as_it_is(exc):
    cause = exc.__cause__ = KeyError("the cause")
    with pytest.raises(type(exc)) as raised:
        run_job(raises(exc))
    assert raised.value is exc
    assert exc.__cause__ is cause
    assert raised.traceback[-1].name == "job"


@pytest.mark.parametrize("exc", [ValueError("too large"), SystemExit(3)], ids=repr)
def test_what_a_job_fails_with_is_in_the_result_if_the_test_likes(exc):
    run = run_job(raises(exc), catch_exceptions=True)
    assert (run.outcome, run.exception) == (JobExecution.FAILED, exc)
    assert run.error == f"{type(exc).__name__}: {exc}"


@pytest.mark.parametrize("exc", [KeyboardInterrupt(), pytest.fail.Exception("a wrong call")])
def test_what_ends_a_test_is_never_caught(exc):
    with pytest.raises(type(exc)) as raised:
        run_job(raises(exc), catch_exceptions=True)
    assert raised.value is exc


def test_a_job_that_took_longer_than_its_timeout_has_timed_out():
    job = a_job(lambda env: time.sleep(0.002), timeout=timedelta(milliseconds=1))
    assert run_job(job).outcome == JobExecution.TIMED_OUT


def test_receivers_of_signals_hear_of_it():
    heard = []

    def receive(job_name, outcome, **facts):
        heard.append((job_name, outcome))

    execution_finished.connect(receive)
    try:
        run_job(raises(ValueError()), catch_exceptions=True)
    finally:
        execution_finished.disconnect(receive)
    assert heard == [("tests.unit.test_testing.job", "failed")]


@pytest.mark.parametrize("func", [lambda env: None, register_job(60, enabled=False)(print), None])
def test_only_registered_jobs_are_run(func):
    with pytest.raises(TypeError, match="^run_job needs a function with @register_job"):
        run_job(func)


def test_a_job_below_a_decorator_is_refused_with_what_to_do():
    @functools.wraps(succeeds)
    def wrapper(env):
        succeeds(env)

    with pytest.raises(TypeError, match="put it above the other decorators of tests.*succeeds$"):
        run_job(wrapper)


def test_a_job_whose_code_has_not_run_has_failed():
    async def work(): ...

    with pytest.raises(TypeError, match="^the job returned a coroutine, whose code is not run"):
        run_job(a_job(lambda env: work()))
    run = run_job(a_job(lambda env: (each for each in "abc")), catch_exceptions=True)
    assert run.outcome == JobExecution.FAILED
    assert run.error.startswith("TypeError: the job returned a generator, whose code is not run")


def test_a_job_that_a_runner_would_refuse_is_refused():
    @a_job
    def job(env):
        yield

    with pytest.raises(JobsError, match="is a generator function"):
        run_job(job)


def test_the_database_is_not_touched_without_need():
    """pytest-django would not let it."""
    assert run_job(succeeds).outcome == JobExecution.SUCCEEDED


# The history.


@pytest.fixture(params=["db", "transactional_db"])
def any_db(request):
    """A test in a transaction, and one without."""
    request.getfixturevalue(request.param)


def test_the_history_has_a_row_if_the_test_likes(any_db):
    before = timezone.now()
    run = run_job(a_job(lambda env: None, interval=90, timeout=30), history=True)
    execution = JobExecution.objects.get()
    assert run.execution == execution
    assert execution.outcome == JobExecution.SUCCEEDED
    assert before <= execution.started_at <= execution.finished_at
    assert execution.duration == run.duration
    assert execution.lateness >= timedelta(0)
    job = Job.objects.get()
    assert execution.job == job
    assert (job.name, job.interval) == ("tests.unit.test_testing.<lambda>", timedelta(seconds=90))
    assert job.timeout == timedelta(seconds=30)


def test_the_runner_of_the_row_has_stopped(any_db):
    execution = run_job(succeeds, history=True).execution
    assert list(JobRunner.objects.stopped()) == [execution.runner]
    assert execution.runner.stopped_at >= execution.finished_at


def test_the_start_is_on_record_while_the_job_runs(any_db):
    seen = []
    run_job(a_job(lambda env: seen.extend(JobExecution.objects.running())), history=True)
    (execution,) = seen
    assert execution.outcome == JobExecution.RUNNING
    assert JobExecution.objects.get(pk=execution.pk).outcome == JobExecution.SUCCEEDED


def test_a_failure_is_on_record_whether_or_not_it_is_caught(any_db):
    with pytest.raises(ValueError, match="too large"):
        run_job(raises(ValueError("too large")), history=True)
    run = run_job(raises(ValueError("too large")), history=True, catch_exceptions=True)
    assert run.execution.error == run.error == "ValueError: too large"
    assert "in job\n" in run.execution.traceback
    assert [each.outcome for each in JobExecution.objects.all()] == [JobExecution.FAILED] * 2


def test_a_job_that_has_run_before_has_a_row_for_each_run(any_db):
    runs = [run_job(succeeds, history=True) for _ in range(3)]
    assert JobExecution.objects.filter(job=Job.objects.get()).count() == len(runs)


def test_the_queries_of_the_history_are_not_counted(any_db, django_assert_num_queries):
    Job.objects.count()
    with django_assert_num_queries(2) as context:
        run_job(a_job(lambda env: [Job.objects.count(), JobRunner.objects.count()]), history=True)
    assert len(context.captured_queries) == 2


def insert_twice(env):
    for _ in range(2):
        Job.objects.create(name="of the job")


def test_an_error_of_the_database_is_on_record_when_the_test_is_no_transaction(transactional_db):
    run = run_job(a_job(insert_twice), history=True, catch_exceptions=True)
    assert run.execution.error.startswith("django.db.utils.IntegrityError: ")


@pytest.mark.parametrize("catches", [False, True])
def test_a_job_that_breaks_the_transaction_of_the_test_has_its_error_raised(db, catches):
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            run_job(a_job(insert_twice), history=True, catch_exceptions=catches)
        transaction.set_rollback(True)
    assert not Job.objects.exists()


def test_a_broken_transaction_shows_although_the_job_hides_the_error_that_broke_it(db):
    @a_job
    def hides(env):
        with contextlib.suppress(IntegrityError):
            insert_twice(env)

    with transaction.atomic():
        with pytest.raises(DatabaseError):
            run_job(hides, history=True)
        transaction.set_rollback(True)


class InATransaction(TestCase):
    """The cases of unittest, one after the other, do not see each other's rows."""

    def test_a_run(self):
        assert not JobExecution.objects.exists()
        assert run_job(succeeds, history=True).execution.outcome == JobExecution.SUCCEEDED
        assert connection.in_atomic_block

    test_another_run = test_a_run


class WithoutTransaction(TransactionTestCase):
    def test_a_run_is_seen_by_others(self):
        run_job(succeeds, history=True)
        seen = []

        def look():
            seen.extend(JobExecution.objects.all())
            connections.close_all()

        thread = threading.Thread(target=look)
        thread.start()
        thread.join(60)
        assert len(seen) == 1


@pytest.mark.processes
def test_the_package_and_its_signals_are_imported_before_there_are_models():
    code = (
        "import sys, quick_jobs, quick_jobs.signals; sys.exit('quick_jobs.models' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", code]).returncode == 0


def test_its_urls_have_the_prefix_of_the_site_and_those_of_the_test_stay(settings):
    settings.FORCE_SCRIPT_NAME = "/shop"
    seen = []

    @a_job
    def job(env):
        seen.append(reverse("admin:index"))

    before = reverse("admin:index")
    run_job(job)
    assert seen == ["/shop/admin/"]
    assert reverse("admin:index") == before


@pytest.mark.django_db
@pytest.mark.parametrize("history", [False, True])
def test_what_a_job_says_is_in_the_result_and_on_the_terminal(capsys, history):
    @register_job(60)
    def speaks(env):
        print("to the terminal")

    assert run_job(speaks, history=history).log[13:] == "stdout   to the terminal"
    assert capsys.readouterr().out == "to the terminal\n"
