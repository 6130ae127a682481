"""Makes ``INSTALLED_APPS = ["job_runner"]`` install the app ``quick_jobs``."""

from __future__ import annotations

# Django takes the only configuration that it finds in this module, so the other stays in its own.
from quick_jobs import apps


class JobRunnerConfig(apps.QuickJobsConfig):
    """The app ``quick_jobs``, installed by its former name."""
