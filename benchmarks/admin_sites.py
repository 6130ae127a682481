"""Our admin, and beside it one of the same tables as people write it at first."""

from django.contrib import admin
from django.urls import include, path

from quick_jobs.models import JobExecution

naive = admin.AdminSite("naive")


@admin.register(JobExecution, site=naive)
class NaiveJobExecutionAdmin(admin.ModelAdmin):
    list_display = ("id", "job", "runner", "started_at", "finished_at", "outcome")
    list_filter = ("outcome", "job", "runner")
    date_hierarchy = "started_at"
    ordering = ("-started_at",)
    search_fields = ("job__name", "error")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("naive/", naive.urls),
    path("status/", include("quick_jobs.urls")),
]
