"""Executions without the names of their jobs, for people who may not list jobs."""

from __future__ import annotations

from typing import Any, Iterator

from django.db.models import QuerySet
from django.db.models.query import ModelIterable

from quick_jobs.admin.links import nameless_job


def with_nameless_jobs(executions: QuerySet[Any]) -> QuerySet[Any]:
    """Return a query for the same ``executions``, each with a stand-in for its job.

    So nothing that shows them has the name: Django's titles, messages and log of changes.
    """

    found: Any = executions.all()
    found._iterable_class = _NamelessIterable
    return found  # type: ignore[no-any-return]


class _NamelessIterable(ModelIterable):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[Any]:
        for execution in super().__iter__():
            execution.job = nameless_job(execution.job_id)
            yield execution
