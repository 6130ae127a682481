"""The names that django-quick-jobs had up to 0.4; each is another name for one in quick_jobs."""

import django

from quick_jobs import RunEnv, RunInterrupted, register_job

__all__ = ["RunEnv", "RunInterrupted", "register_job"]

if django.VERSION < (3, 2):
    default_app_config = "job_runner.apps.JobRunnerConfig"
