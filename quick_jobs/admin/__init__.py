"""The admin: jobs, their executions and the runners, for looking at.

Only ``django.contrib.admin`` imports this, when it looks for the apps' admin modules.
"""

from quick_jobs.admin.executions import JobExecutionAdmin
from quick_jobs.admin.jobs import JobAdmin
from quick_jobs.admin.runners import JobRunnerAdmin

__all__ = ["JobAdmin", "JobExecutionAdmin", "JobRunnerAdmin"]
