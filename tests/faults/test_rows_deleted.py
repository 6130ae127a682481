"""Somebody deletes rows under a living runner: it writes them anew."""

import time

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from quick_jobs.models import Job, JobExecution, JobRunner
from tests.faults.shops import STEADY, stop
from tests.site import wait_until

SELDOM = """
    @register_job(interval=3600)
    def seldom(env):
        with seen("seldom"):
            pass
"""


def delete(*models):
    """Delete all rows, as often as it takes when the runner adds some meanwhile."""
    for model in models:
        while True:
            try:
                model.objects.all().delete()
                break
            except (IntegrityError, OperationalError):
                continue


def truncate():
    """Empty the tables, with those that refer to them, in the way that each database has."""
    tables = [
        JobExecution._meta.db_table,
        JobRunner.jobs.through._meta.db_table,
        JobRunner._meta.db_table,
        Job._meta.db_table,
    ]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(tables)}")
        elif connection.vendor == "mysql":
            cursor.execute("SET FOREIGN_KEY_CHECKS = 0")
            for table in tables:
                cursor.execute(f"TRUNCATE {table}")
            cursor.execute("SET FOREIGN_KEY_CHECKS = 1")
        else:
            with transaction.atomic():
                for table in tables:
                    cursor.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize(
    "remove",
    [
        lambda: delete(JobExecution),
        lambda: delete(JobRunner),
        lambda: delete(Job),
        truncate,
    ],
    ids=["executions", "runner", "jobs", "all"],
)
def test_what_is_deleted_is_written_anew(shop, remove):
    shop.settings("QUICK_JOBS_HEARTBEAT_INTERVAL = 0.3")
    shop.jobs(STEADY)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 20)
    remove()
    removed_at = time.time()
    shop.wait_for_more()
    shop.wait_for_heartbeat()
    stop(runner)
    shop.assert_history_is_true(since=removed_at)
    assert shop.job_names() == sorted({each.job.name for each in shop.executions()})
    assert shop.runner().jobs.count() == 10
    assert shop.runner().stopped_at
    assert "not saved" not in runner.output
    assert shop.runner().dropped_executions == 0


def test_a_deleted_runner_comes_back_without_any_execution(shop):
    shop.settings("QUICK_JOBS_HEARTBEAT_INTERVAL = 0.3")
    shop.jobs(SELDOM)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count(outcome="succeeded"))
    key = shop.runner().key
    delete(Job, JobRunner)
    wait_until(shop.runners)
    assert shop.runner().key == key
    assert shop.job_names() == ["shop.jobs.seldom"]
    JobRunner.objects.all().delete()
    stop(runner)
    assert shop.runner().stopped_at
