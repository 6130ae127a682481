"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class QuickJobsConfig(AppConfig):
    """The app ``quick_jobs``."""

    name = "quick_jobs"
    verbose_name = "Quick Jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from quick_jobs import checks  # noqa: F401
