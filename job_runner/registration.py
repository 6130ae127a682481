"""Former place of ``register_job`` and of the search for jobs."""

from __future__ import annotations

from quick_jobs.discovery import all_jobs as import_default_jobs
from quick_jobs.discovery import import_jobs_from_module
from quick_jobs.registration import RegisteredJob, register_job

__all__ = ["RegisteredJob", "import_default_jobs", "import_jobs_from_module", "register_job"]
