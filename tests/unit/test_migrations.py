"""The way of the tables from nothing to the newest migration, and back."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from quick_jobs.models import Job, JobExecution, JobRunner

APP = "quick_jobs"
SCHEDULES, WORDS = "0002_schedules", "0003_what_jobs_say"


@pytest.fixture
def migrate(transactional_db):
    """Migrate to the migration of that name, or to none, and return the models as it has them."""

    def migrate(name):
        executor = MigrationExecutor(connection)
        return executor.migrate([(APP, name)]).apps

    yield migrate
    call_command("migrate", verbosity=0)


def migrations():
    """Return the names of all migrations, from the first to the last."""
    graph = MigrationExecutor(connection).loader.graph
    (last,) = graph.leaf_nodes(APP)
    return [name for app, name in graph.forwards_plan(last) if app == APP]


def tables():
    return {name for name in connection.introspection.table_names() if name.startswith(APP)}


def add_rows(models):
    """Add a row of each kind, and give each value that has no default."""
    now = timezone.now()
    job = models.get_model(APP, "Job").objects.create(
        name="shop.jobs.work", interval=timedelta(minutes=1)
    )
    runner = models.get_model(APP, "JobRunner").objects.create(
        key=uuid4(), hostname="example.org", pid=4711, started_at=now, last_heartbeat_at=now
    )
    runner.jobs.add(job)
    models.get_model(APP, "JobExecution").objects.create(
        job=job, runner=runner, number=1, started_at=now, outcome="failed", error="ValueError: x"
    )


@pytest.mark.parametrize("auto_field", ["BigAutoField", "AutoField"])
def test_no_migration_is_missing(db, settings, auto_field):
    settings.DEFAULT_AUTO_FIELD = f"django.db.models.{auto_field}"
    call_command("makemigrations", APP, check_changes=True, dry_run=True, verbosity=0)


def test_rows_go_through_every_migration(migrate):
    first, *others = migrations()
    migrate(None)
    add_rows(migrate(first))
    for name in others:
        migrate(name)
    execution = JobExecution.objects.get()
    assert (execution.outcome, execution.error) == ("failed", "ValueError: x")
    assert execution.job == Job.objects.get(name="shop.jobs.work")
    assert execution.runner == JobRunner.objects.get(jobs=execution.job)


def test_what_jobs_say_goes_on_the_way_back_and_the_rows_stay(migrate):
    add_rows(migrate(WORDS))
    JobExecution.objects.update(log="a line", note="14 sent", progress_done=1.0, stack="in work")
    before = migrate(SCHEDULES).get_model(APP, "JobExecution").objects
    assert before.values_list("outcome", "error").get() == ("failed", "ValueError: x")
    migrate(WORDS)
    execution = JobExecution.objects.get()
    assert (execution.log, execution.note, execution.stack, execution.fingerprint) == ("",) * 4
    assert (execution.progress_done, execution.cpu_time, execution.observed_at) == (None,) * 3
    assert execution.error == "ValueError: x"


def test_on_the_way_back_all_tables_go_even_with_rows_in_them(migrate):
    *_, last = migrations()
    existing = tables()
    assert JobExecution._meta.db_table in existing
    add_rows(migrate(last))
    migrate(None)
    assert tables() == set()
    migrate(last)
    assert tables() == existing
    assert not JobExecution.objects.exists()
