"""``install`` makes every registered job a task and an entry of beat's schedule.

It runs while a site's settings are being read, so modules that need Django's apps are imported
later.
"""

from __future__ import annotations

from typing import Any

from celery import signals

from quick_jobs.contrib.celery import checks


def install(app: Any) -> None:
    """Make every registered job a task of ``app``, and an entry of its beat's schedule.

    Call it in the module of the Celery app, after ``config_from_object``. It
    takes effect in workers and in beat, and ends them with a message if jobs
    or settings are wrong.
    """

    def on_import_modules(sender: Any = None, **_: Any) -> None:
        if sender is app:
            _install_jobs(app)

    signals.import_modules.connect(on_import_modules, weak=False)
    checks.register(app)


def _install_jobs(app: Any) -> None:
    import django
    from django.apps import apps
    from django.core.exceptions import ImproperlyConfigured

    if not apps.ready:
        django.setup()
    from quick_jobs.contrib.celery import worker_step
    from quick_jobs.contrib.celery.beat_schedule import JobSchedule
    from quick_jobs.contrib.celery.task import BY_SCHEDULE, JobTask
    from quick_jobs.discovery import JobsError
    from quick_jobs.management.job_choice import find_jobs
    from quick_jobs.management.runner_settings import runner_options

    try:
        jobs = find_jobs([], [])
        runner_options({"stop_timeout": 0.0})
    except (JobsError, ImproperlyConfigured) as error:
        raise SystemExit(str(error)) from None
    entries = dict(app.conf.beat_schedule or {})
    for job in jobs:
        app.register_task(JobTask(job))
        entries[job.name] = {
            "task": job.name,
            "schedule": JobSchedule(job.name),
            "options": {BY_SCHEDULE: True},
        }
    app.conf.beat_schedule = entries
    worker_step.jobs[:] = jobs
    worker_step.connect()
    app.steps["worker"].add(worker_step.RunnerStep)
