"""The page for monitoring, for a site to include: ``path("jobs/status/", include(…))``."""

from django.urls import path

from quick_jobs.views import status

app_name = "quick_jobs"

urlpatterns = [path("", status, name="status")]
