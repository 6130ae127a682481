"""Pruning passes by the rows to which rows of other apps refer."""

from __future__ import annotations

import io
import time

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from quick_jobs.history.prunable import Rules
from quick_jobs.history.pruning import Pruning
from quick_jobs.models import Job, JobExecution, JobRunner
from tests.in_use import shop, tags
from tests.old_history import DAY, a_job, a_stopped_runner, ago, an_execution, executions_at

__all__ = ["shop", "tags"]

pytestmark = pytest.mark.django_db(transaction=True)


def prune(**options):
    pruning = Pruning("default", Rules(30 * DAY), **options)
    while not pruning.step():
        pass
    return pruning


def prune_by_command(*args):
    out = io.StringIO()
    call_command("prune_job_history", "--older-than=30d", *args, stdout=out)
    return out.getvalue()


def remaining(model=JobExecution):
    return set(model.objects.values_list("pk", flat=True))


def old_executions(count):
    executions_at([ago(40)] * count, runner=a_stopped_runner())
    return sorted(remaining())


@pytest.mark.parametrize(
    "model", ["Invoice", "Receipt", "Audit", "Claim", "Remark", "Loose", "Report"]
)
def test_what_others_refer_to_stays_whatever_the_relation(shop, model):
    used = old_executions(30)[11]
    if model == "Report":
        shop.Report.objects.create().executions.add(used)
    else:
        getattr(shop, model).objects.create(execution_id=used)
    pruning = prune()
    assert remaining() == {used}
    assert pruning.deleted[JobExecution] == 29
    assert pruning.in_use.kept == {JobExecution: 1}
    assert pruning.in_use.reasons == {f"shop.{model}"}
    assert not pruning.passed_over
    assert getattr(shop, model).objects.count() == 1


def test_the_database_is_asked_for_what_django_leaves_to_it(shop):
    used = old_executions(30)[11]
    shop.Trace.objects.create(execution_id=used)
    pruning = prune()
    assert remaining() == {used}
    assert pruning.in_use.reasons == {"the table shop_trace"}


def test_a_reference_that_nobody_minds_keeps_nothing(shop):
    shop.Forgotten.objects.create(execution_id=old_executions(3)[0])
    pruning = prune()
    assert not remaining()
    assert not pruning.in_use.kept


@pytest.mark.parametrize("relation", ["tags", "marks"])
def test_what_a_generic_relation_refers_to_stays(tags, relation):
    used = old_executions(30)[11]
    getattr(JobExecution.objects.get(pk=used), relation).create()
    prune()
    assert remaining() == {used}


def test_runners_and_jobs_that_others_refer_to_stay_and_are_counted(shop):
    runner, job = a_stopped_runner(), a_job("shop.jobs.used")
    runner.jobs.add(a_job())
    other = a_stopped_runner()
    other.jobs.add(a_job("shop.jobs.unused"))
    shop.Shift.objects.create(runner=runner)
    shop.Duty.objects.create(job=job)
    pruning = prune(in_runner=True)
    assert remaining(JobRunner) == {runner.pk}
    assert runner.jobs.count() == 1
    assert remaining(Job) == {a_job().pk, job.pk}
    assert pruning.in_use.kept == {JobRunner: 1, Job: 1}


def test_the_runner_of_an_execution_in_use_stays(shop):
    used, *_ = old_executions(3)
    shop.Invoice.objects.create(execution_id=used)
    pruning = prune(in_runner=True)
    assert remaining(JobRunner) == {JobExecution.objects.get().runner_id}
    assert pruning.in_use.kept == {JobExecution: 1}


def test_the_summary_says_how_many_stay_and_why(shop):
    first, second, *_ = old_executions(1200)
    shop.Invoice.objects.create(execution_id=first)
    shop.Audit.objects.create(execution_id=first)
    assert prune_by_command("--dry-run").endswith(
        "1,199 executions would be deleted. "
        "1 execution stays, as others refer to it: shop.Audit, shop.Invoice.\n"
    )
    shop.Invoice.objects.create(execution_id=second)
    summary = prune_by_command()
    assert summary.startswith("Deleted 1,198 executions in ")
    assert summary.endswith(
        " s. 2 executions stay, as others refer to them: shop.Audit, shop.Invoice.\n"
    )
    again = prune_by_command()
    assert again.startswith("Nothing to delete. 2 executions stay")


def test_rows_that_stay_for_another_reason_are_not_counted(shop):
    used = old_executions(5)[4]
    shop.Invoice.objects.create(execution_id=used)
    shop.Invoice.objects.create(execution_id=an_execution(started=1).pk)
    assert "stay" not in prune_by_command("--keep-last=3")


def test_without_models_that_refer_nothing_more_is_asked():
    old_executions(3)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        prune()
    asked = " ".join(query["sql"] for query in queries)
    assert "quick_jobs_referred" not in asked
    assert "EXISTS (SELECT 1 FROM " not in asked


@pytest.fixture
def by_hand(transactional_db):
    """A table that Django does not know."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE by_hand (execution BIGINT NOT NULL,"
            " FOREIGN KEY (execution) REFERENCES quick_jobs_jobexecution (id))"
        )
        if connection.vendor != "mysql":
            cursor.execute("CREATE INDEX by_hand_execution ON by_hand (execution)")
    yield lambda key: connection.cursor().execute(f"INSERT INTO by_hand VALUES ({key})")
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE by_hand")


def test_what_a_table_made_by_hand_refers_to_stays(by_hand):
    keys = old_executions(400)
    for key in keys[::50]:
        by_hand(key)
    pruning = prune()
    assert remaining() == set(keys[::50])
    assert pruning.in_use.reasons == {"the table by_hand"}
    assert pruning.in_use.kept == {JobExecution: 8}


def refuse(keys, monkeypatch):
    """Have the database refuse to delete any of ``keys``, and nobody know why."""
    delete = Pruning._delete

    def refusing(pruning, rows):
        if any(queryset.filter(pk__in=keys).exists() for queryset in rows):
            raise IntegrityError("no")
        return delete(pruning, rows)

    monkeypatch.setattr(Pruning, "_delete", refusing)


@pytest.mark.parametrize(
    "step", [1, 7, *(pytest.param(step, marks=pytest.mark.sweeps) for step in (150, 1000))]
)
def test_what_the_database_refuses_is_found_and_passed_by(monkeypatch, step):
    keys = old_executions(min(1000, 20 * step))
    refuse(keys[::step], monkeypatch)
    pruning = prune()
    assert remaining() == set(keys[::step])
    assert pruning.in_use.kept == {JobExecution: len(keys[::step])}
    assert "something that only the database knows" in pruning.in_use.in_words()
    assert not pruning.passed_over


def test_after_what_was_refused_it_goes_on_in_large_batches(monkeypatch):
    keys = old_executions(2000)
    refuse(keys[:1], monkeypatch)
    pruning = Pruning("default", Rules(30 * DAY))
    steps = 0
    while not pruning.step():
        steps += 1
    assert remaining() == {keys[0]}
    assert steps < 60


@pytest.mark.sweeps
def test_rows_in_use_do_not_slow_it_down(shop):
    """As many executions with and without rows in use, one after the other in one test."""
    times = []
    for every in (None, 200):
        JobExecution.objects.all().delete()
        keys = old_executions(2000)
        if every:
            shop.Invoice.objects.bulk_create(
                [shop.Invoice(execution_id=key) for key in keys[::every]]
            )
        pruning = Pruning("default", Rules(30 * DAY))
        began = time.perf_counter()
        while not pruning.step():
            pass
        times.append(time.perf_counter() - began)
        assert pruning.in_use.kept[JobExecution] == (10 if every else 0)
    assert times[1] < 5 * times[0] + 0.5
