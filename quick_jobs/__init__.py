"""Background jobs for Django, with their history in the database."""

import django

from quick_jobs.environment import RunEnv, RunInterrupted
from quick_jobs.registration import register_job
from quick_jobs.schedules import at, cron

__all__ = ["RunEnv", "RunInterrupted", "at", "cron", "register_job"]
__version__ = "1.0.0"

if django.VERSION < (3, 2):
    default_app_config = "quick_jobs.apps.QuickJobsConfig"
