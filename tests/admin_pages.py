"""What the tests of the admin share: rows of the history, and the pages that show them."""

import datetime as dt

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from quick_jobs.models import Job, JobExecution, JobRunner

MODELS = ("job", "jobrunner", "jobexecution")

LONG_AGO = dt.timedelta(days=2)


def ago(**duration):
    """Return the moment so long ago, also by a database whose clock has milliseconds only."""
    return timezone.now() - dt.timedelta(**duration) - dt.timedelta(milliseconds=1)


def make_job(name="shop.jobs.send_emails", **fields):
    return Job.objects.create(name=name, **{"interval": dt.timedelta(minutes=1), **fields})


def make_runner(*jobs, hostname="web-1", pid=4711, started_at=None, beat_at=None, **fields):
    runner = JobRunner.objects.create(
        hostname=hostname,
        pid=pid,
        started_at=started_at or ago(hours=1),
        last_heartbeat_at=beat_at or timezone.now(),
        **fields,
    )
    if jobs:
        runner.jobs.set(jobs)
    return runner


def make_executions(job, runner, count=1, every=60.0, outcome="succeeded", **fields):
    """Make ``count`` executions, the last of them just now, and return them, oldest first."""
    now = timezone.now()
    took = fields.pop("duration", dt.timedelta(seconds=1))
    before = JobExecution.objects.filter(runner=runner).count()
    rows = [
        JobExecution(
            job=job,
            runner=runner,
            number=before + number + 1,
            started_at=now - dt.timedelta(seconds=every * (count - number)),
            finished_at=None if outcome == "running" else now,
            duration=None if outcome == "running" else took,
            outcome=outcome,
            **fields,
        )
        for number in range(count)
    ]
    JobExecution.objects.bulk_create(rows, batch_size=90)
    return list(JobExecution.objects.filter(runner=runner).order_by("-pk")[:count])[::-1]


def log_in(client, *permissions):
    """Log in somebody of the staff with these permissions on the models of quick_jobs."""
    user, _is_new = get_user_model().objects.get_or_create(username="somebody", is_staff=True)
    names = Permission.objects.filter(content_type__app_label="quick_jobs")
    user.user_permissions.set(names.filter(codename__in=permissions))
    client.force_login(user)


def address(name, *args):
    return reverse(f"admin:quick_jobs_{name}", args=args)


def page(client, name, *args, **query):
    """Return the HTML of a page of the admin."""
    response = client.get(address(name, *args), query)
    assert response.status_code == 200, response
    return response.content.decode()


def listed(client, model, **query):
    """Return the rows that a list shows."""
    response = client.get(address(f"{model}_changelist"), query)
    assert response.status_code == 200, response
    return list(response.context["cl"].result_list)
