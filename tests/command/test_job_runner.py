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
from quick_jobs.models import JobExecution


@pytest.mark.parametrize("entry", ["job_runner", "job_runner.apps.JobRunnerConfig"])
def test_the_former_name_installs_the_app_quick_jobs(site, entry):
    site.settings(
        f"INSTALLED_APPS = [{entry!r} if app == 'quick_jobs' else app for app in INSTALLED_APPS]"
    )
    shown = site.run(
        "shell",
        "-c",
        "from django.apps import apps; config = apps.get_app_config('quick_jobs');"
        "print(config.name, config.verbose_name, apps.get_model('quick_jobs.Job'))",
    )
    assert shown.returncode == 0, shown.stderr
    assert "quick_jobs Quick Jobs <class 'quick_jobs.models.Job'>" in shown.stdout
    assert site.run("makemigrations", "--check", "--dry-run").returncode == 0


def test_a_site_of_0_4_runs_as_it_is(site):
    """With no other app than its own, and with a row for what has run."""
    site.settings("INSTALLED_APPS = ['job_runner', 'shop']")
    site.settings("import random; random.random = lambda: 0")  # it could be 50 seconds
    site.write(
        "shop/jobs.py",
        """
        from job_runner.environment import RunEnv
        from job_runner.registration import register_job

        @register_job(10, 50)
        def greet(env: RunEnv):
            print("Good morning", flush=True)
            env.request_stop()
        """,
    )
    ended = site.run("run_jobs")
    assert (ended.returncode, ended.stdout) == (0, "Good morning\n")
    execution = JobExecution.objects.get()
    assert (execution.job.name, execution.outcome) == ("shop.jobs.greet", "succeeded")
    assert execution.job.variance == timedelta(seconds=50)


def test_the_former_names_are_those_of_quick_jobs():
    for module in (job_runner, job_runner.registration):
        assert module.register_job is quick_jobs.register_job
    for module in (job_runner, job_runner.environment):
        assert module.RunEnv is quick_jobs.RunEnv
        assert module.RunInterrupted is quick_jobs.RunInterrupted


def test_the_sample_jobs_are_one_that_is_registered_and_one_that_is_not(capsys):
    from job_runner.sample_jobs import sample_job_1, sample_job_disabled

    jobs = job_runner.registration.import_jobs_from_module("job_runner.sample_jobs")
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


def test_a_timeout_tracker_calls_what_is_due_and_not_what_was_cancelled_or_comes_after_the_stop():
    stop, called = threading.Event(), threading.Event()
    calls = []
    tracker = TimeoutTracker(stop)
    tracker.start()
    cancel = tracker.add_timeout(timedelta(seconds=0.8), lambda: calls.append("cancelled"))
    cancel()
    tracker.add_timeout(timedelta(hours=1), lambda: calls.append("late"))
    tracker.add_timeout(timedelta(seconds=0.9), called.set)
    assert called.wait(20)
    stop.set()
    tracker.join(20)
    assert not tracker.is_alive()
    assert not calls
