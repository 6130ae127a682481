"""job_runner, the alias for projects that come from django-quick-jobs 0.4."""

import threading
from datetime import timedelta

import pytest

import job_runner
import job_runner.environment
import job_runner.registration
import quick_jobs
from job_runner.time import auto_time
from job_runner.timeouts import TimeoutTracker


def test_the_former_names_are_those_of_quick_jobs():
    for module in (job_runner, job_runner.registration):
        assert module.register_job is quick_jobs.register_job
    for module in (job_runner, job_runner.environment):
        assert module.RunEnv is quick_jobs.RunEnv
        assert module.RunInterrupted is quick_jobs.RunInterrupted


def test_the_sample_jobs_are_one_that_is_registered_and_one_that_is_not(capsys, sample_jobs):
    from job_runner.sample_jobs import sample_job_1, sample_job_disabled

    jobs = job_runner.registration.import_jobs_from_module(sample_jobs)
    assert sample_job_1 in jobs
    assert sample_job_1.interval == timedelta(seconds=5)
    assert sample_job_disabled not in jobs
    sample_job_1(None)
    sample_job_disabled(None)
    assert "sample_job_1 runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "duration"),
    [
        (30, timedelta(seconds=30)),
        (0.25, timedelta(milliseconds=250)),
        (timedelta(minutes=1), timedelta(minutes=1)),
    ],
)
def test_auto_time_takes_seconds_and_timedelta(value, duration):
    assert auto_time(value) == duration


def test_a_timeout_tracker_calls_only_what_is_due_and_not_cancelled_before_its_stop():
    stop, called = threading.Event(), threading.Event()
    calls = []
    tracker = TimeoutTracker(stop)
    tracker.start()
    cancel = tracker.add_timeout(timedelta(seconds=0.2), lambda: calls.append("cancelled"))
    cancel()
    tracker.add_timeout(timedelta(hours=1), lambda: calls.append("late"))
    tracker.add_timeout(timedelta(seconds=0.3), called.set)
    assert called.wait(20)
    stop.set()
    tracker.join(20)
    assert not tracker.is_alive()
    assert not calls
