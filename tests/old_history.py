"""Rows of an old history, for the tests of what deletes them."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from quick_jobs.models import Job, JobExecution, JobRunner

DAY = timedelta(days=1)


def ago(days):
    """Return the moment so many days ago."""
    return timezone.now() - days * DAY


def a_job(name="shop.jobs.work", using="default"):
    """Return a job that is in the history only."""
    return Job.objects.using(using).get_or_create(name=name)[0]


def a_live_runner(started=50, using="default", **changes):
    """Return a runner that started so many days ago, and that lives."""
    fields = {
        "hostname": "worker",
        "pid": 1,
        "started_at": ago(started),
        "last_heartbeat_at": timezone.now(),
        **changes,
    }
    return JobRunner.objects.using(using).create(**fields)


def a_stopped_runner(stopped=40, using="default"):
    """Return a runner that stopped so many days ago."""
    return a_live_runner(using=using, last_heartbeat_at=ago(stopped), stopped_at=ago(stopped))


def a_lost_runner(heard_of=40, using="default"):
    """Return a runner that was last heard of so many days ago."""
    return a_live_runner(using=using, last_heartbeat_at=ago(heard_of))


def an_execution(started, outcome=JobExecution.SUCCEEDED, job=None, runner=None, using="default"):
    """Return an execution that started so many days ago, or at a moment."""
    return JobExecution.objects.using(using).create(
        job_id=(job or a_job(using=using)).pk,
        runner_id=(runner or a_live_runner(using=using)).pk,
        started_at=ago(started) if isinstance(started, (int, float)) else started,
        outcome=outcome,
    )


def executions_at(moments, job=None, runner=None, outcome=JobExecution.SUCCEEDED):
    """Make an execution for each of ``moments``, quickly."""
    job, runner = job or a_job(), runner or a_live_runner()
    rows = [
        JobExecution(job=job, runner=runner, started_at=moment, outcome=outcome)
        for moment in moments
    ]
    JobExecution.objects.bulk_create(rows, batch_size=90)
