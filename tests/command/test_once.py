"""``manage.py run_jobs --once``: what is due by the history, as on a timer."""

import datetime as dt
import signal

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from quick_jobs.models import Job, JobExecution, JobRunner
from tests.old_history import an_execution

JOBS = """
from quick_jobs import at, register_job

@register_job(3600, variance=3600)
def hourly(env):
    print("hourly", flush=True)

@register_job(at("00:00"))
def by_the_clock(env):
    print("by the clock", env.due_at.minute % 15, flush=True)
"""

WRONG = """
import time
from quick_jobs import register_job

@register_job(3600)
def fails(env):
    1 / 0

@register_job(3600, timeout=0.2)
def takes_long(env):
    while not env.is_stopping:
        time.sleep(0.01)

@register_job(3600)
def waits(env):
    print("waiting", flush=True)
    env.sleep(3600)
"""


def let_pass(hours):
    """Make all that is on record older."""
    time = dt.timedelta(hours=hours)
    JobExecution.objects.update(started_at=F("started_at") - time, due_at=F("due_at") - time)
    Job.objects.update(registered_at=F("registered_at") - time)


def test_what_is_due_runs_then_it_ends(site):
    site.write("shop/jobs.py", JOBS)
    first = site.run("run_jobs", "--once")
    assert (first.returncode, first.stdout) == (0, "hourly\n"), first.stderr
    second = site.run("run_jobs", "--once")
    assert (second.returncode, second.stdout) == (0, ""), second.stderr
    assert "nothing is due" in second.stderr
    let_pass(hours=24)
    third = site.run("run_jobs", "--once")
    assert third.returncode == 0, third.stderr
    assert sorted(third.stdout.splitlines()) == ["by the clock 0", "hourly"]
    runners = JobRunner.objects.all()
    assert {(each.kind, each.stop_reason) for each in runners} == {("once", "done")}
    assert len(runners) == 3
    assert all(each.stopped_at and each.jobs.count() == 2 for each in runners)


def test_only_the_jobs_that_are_chosen_are_looked_at(site):
    site.write("shop/jobs.py", JOBS)
    ended = site.run("run_jobs", "--once", "--exclude-job=shop.jobs.by_the_clock")
    assert (ended.returncode, ended.stdout) == (0, "hourly\n")
    assert Job.objects.get().name == "shop.jobs.hourly"


@pytest.mark.parametrize(("name", "outcome"), [("fails", "failed"), ("takes_long", "timed_out")])
def test_a_job_that_goes_wrong_has_exit_status_1(site, name, outcome):
    site.write("shop/jobs.py", WRONG)
    ended = site.run("run_jobs", "--once", f"--include-job=shop.jobs.{name}")
    assert ended.returncode == 1
    assert JobExecution.objects.get().outcome == outcome


def test_what_a_signal_interrupts_is_due_the_next_time(site):
    site.write("shop/jobs.py", WRONG)
    for _ in range(2):
        process = site.start("run_jobs", "--once", "--include-job=shop.jobs.waits")
        process.wait_for_output("waiting")
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    assert set(JobExecution.objects.values_list("outcome", flat=True)) == {"interrupted"}


def test_it_is_refused_without_a_history(site):
    with pytest.raises(CommandError, match="not allowed with argument"):
        call_command("run_jobs", "--once", "--no-history")
    site.write("shop/jobs.py", JOBS)
    site.write("sqlite3_of_ones_own/__init__.py", "")
    site.write(
        "sqlite3_of_ones_own/base.py",
        "from django.db.backends.sqlite3 import base\n\n\n"
        "class DatabaseWrapper(base.DatabaseWrapper):\n    vendor = 'unknown'\n",
    )
    site.settings("DATABASES = {'default': {'ENGINE': 'sqlite3_of_ones_own', 'NAME': ':memory:'}}")
    refused = site.run("run_jobs", "--once")
    assert refused.returncode == 1
    assert refused.stderr.endswith(
        "--once needs the history: the last starts decide which jobs are due.\n"
    )
    assert not JobRunner.objects.exists()


def test_it_deletes_old_history_though_it_lives_for_a_moment(site):
    site.settings("QUICK_JOBS_HISTORY_RETENTION = 3600")
    site.write("shop/jobs.py", JOBS)
    old = an_execution(started=1)
    assert site.run("run_jobs", "--once").returncode == 0
    assert not JobExecution.objects.filter(pk=old.pk).exists()
    assert JobExecution.objects.exists()
