"""The executions of the same job before and after an execution."""

from __future__ import annotations

from typing import Optional, Tuple

from quick_jobs.models import JobExecution


def neighbours(
    execution: JobExecution,
) -> Tuple[Optional[JobExecution], Optional[JobExecution]]:
    """Return the executions of the same job that started just before and just after."""
    others = JobExecution.objects.filter(job=execution.job_id).select_related("job")
    others = others.defer(*JobExecution.LONG_TEXTS)
    started_at = execution.started_at
    before = others.filter(started_at__lte=started_at).exclude(
        started_at=started_at, pk__gte=execution.pk
    )
    after = others.filter(started_at__gte=started_at).exclude(
        started_at=started_at, pk__lte=execution.pk
    )
    return before.order_by("-started_at").first(), after.order_by("started_at").first()
