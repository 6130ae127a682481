"""The history: jobs, the runners that ran them, and every execution.

Rows are written and removed by :mod:`quick_jobs.history`; everything else only reads.
"""

from quick_jobs.heartbeats import is_lost, lost_before
from quick_jobs.models.execution import JobExecution, JobExecutionQuerySet
from quick_jobs.models.job import Job
from quick_jobs.models.runner import JobRunner, JobRunnerQuerySet

__all__ = [
    "Job",
    "JobExecution",
    "JobExecutionQuerySet",
    "JobRunner",
    "JobRunnerQuerySet",
    "is_lost",
    "lost_before",
]
