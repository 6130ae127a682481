"""What a runner and its jobs learn from the history of all runners."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from quick_jobs.databases.timestamps import from_timestamp
from quick_jobs.history import job_rows, last_starts
from quick_jobs.history.messages import LastStart
from quick_jobs.history.previous_success import previous_success
from quick_jobs.history.storage import Storage
from quick_jobs.models import Job, JobExecution, JobRunner
from tests.records import MOMENT, NAME, a_job, an_end, an_identity

pytestmark = pytest.mark.django_db


def put_on_record(*records):
    """Write what another runner has to say of its executions."""
    storage = Storage(an_identity(), [a_job(record.job) for record in records])
    storage.register()
    storage.write([record._replace(number=n) for n, record in enumerate(records)])


def asked(*jobs):
    storage = Storage(an_identity(), jobs)
    storage.register()
    return storage.last_starts()


def test_the_last_start_of_any_runner_is_found_for_the_jobs_that_resume():
    put_on_record(an_end(started_at=MOMENT, due_at=MOMENT - 1), an_end(started_at=MOMENT - 100))
    put_on_record(an_end(started_at=MOMENT - 50), an_end(job="shop.jobs.other"))
    found = asked(a_job(resume=True), a_job("shop.jobs.other"))
    assert found == {
        NAME: LastStart(pytest.approx(MOMENT, abs=1e-5), pytest.approx(MOMENT - 1, abs=1e-5), False)
    }


@pytest.mark.parametrize(
    ("outcome", "is_unfinished"),
    [
        (JobExecution.RUNNING, False),
        (JobExecution.SUCCEEDED, False),
        (JobExecution.FAILED, False),
        (JobExecution.TIMED_OUT, False),
        (JobExecution.INTERRUPTED, True),
        (JobExecution.ABANDONED, True),
    ],
)
def test_only_what_was_interrupted_or_abandoned_is_unfinished(outcome, is_unfinished):
    put_on_record(an_end(outcome=outcome))
    assert asked(a_job(resume=True))[NAME].is_unfinished is is_unfinished


def test_a_job_without_executions_has_no_last_start():
    assert asked(a_job(resume=True)) == {}


def test_a_start_is_told_by_the_clock_whatever_the_site_stores(settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Tokyo"
    put_on_record(an_end(due_at=MOMENT))
    last = asked(a_job(resume=True))[NAME]
    assert last[:2] == pytest.approx((MOMENT, MOMENT), abs=1e-5)


@pytest.mark.parametrize("rows_per_query", [1, 400])
def test_one_query_asks_for_all(django_assert_num_queries, monkeypatch, rows_per_query):
    monkeypatch.setattr(last_starts, "ROWS_PER_QUERY", rows_per_query)
    names = ["shop.jobs.one", "shop.jobs.two", "shop.jobs.three"]
    put_on_record(*[an_end(job=name) for name in names])
    storage = Storage(an_identity(), [a_job(name, resume=True) for name in names])
    storage.register()
    with django_assert_num_queries(1):
        assert sorted(storage.last_starts()) == sorted(names)


def test_a_job_is_registered_once_and_for_all(monkeypatch):
    first = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    monkeypatch.setattr(job_rows, "database_now", lambda using: first)
    Storage(an_identity(), [a_job()]).register()
    monkeypatch.setattr(job_rows, "database_now", lambda using: first + dt.timedelta(days=1))
    Storage(an_identity(), [a_job()]).register()
    assert Job.objects.get().registered_at == first


def test_a_job_from_before_is_registered_when_it_is_seen_again():
    Job.objects.create(name=NAME)
    Storage(an_identity(), [a_job()]).register()
    assert abs(Job.objects.get().registered_at - timezone.now()) < dt.timedelta(minutes=1)


def test_the_previous_success_is_the_last_one_of_any_runner():
    put_on_record(
        an_end(started_at=MOMENT),
        an_end(started_at=MOMENT + 5, outcome=JobExecution.FAILED),
        an_end(started_at=MOMENT + 9, job="shop.jobs.other"),
    )
    put_on_record(an_end(started_at=MOMENT - 5))
    found = previous_success(NAME, None)
    assert found.utcoffset() == dt.timedelta(0)
    assert found == from_timestamp(MOMENT)


def test_without_a_success_there_is_no_previous_one():
    put_on_record(an_end(outcome=JobExecution.FAILED))
    assert previous_success(NAME, None) is None


def test_a_success_that_is_not_on_record_yet_counts():
    assert previous_success(NAME, MOMENT) == from_timestamp(MOMENT)
    put_on_record(an_end(started_at=MOMENT - 5))
    assert previous_success(NAME, MOMENT) == from_timestamp(MOMENT)
    put_on_record(an_end(started_at=MOMENT + 5))
    assert previous_success(NAME, MOMENT) == from_timestamp(MOMENT + 5)


@pytest.mark.django_db(transaction=True)
def test_the_previous_success_can_be_asked_for_in_an_event_loop():
    put_on_record(an_end(started_at=MOMENT))

    async def ask():
        return previous_success(NAME, None)

    assert asyncio.run(ask()) == from_timestamp(MOMENT)


def test_a_runner_is_of_the_kind_runner_by_default():
    Storage(an_identity(), []).register()
    assert JobRunner.objects.get().kind == JobRunner.RUNNER


def test_a_job_is_put_on_record_with_its_description():
    job = a_job()
    job._func.__doc__ = "Send the newsletter … to all.\n\nAt night."
    Storage(an_identity(), [job]).register()
    assert Job.objects.get().description == "Send the newsletter … to all."
    job._func.__doc__ = "Send it."
    Storage(an_identity(), [job]).register()
    assert Job.objects.get().description == "Send it."


def test_a_description_that_the_database_does_not_take_is_written_in_ascii(monkeypatch):
    class Refused(Exception):
        pass

    update = QuerySet.update

    def refuse(rows, **changes):
        if any(ord(character) > 127 for character in changes.get("description", "")):
            raise Refused
        return update(rows, **changes)

    job = a_job()
    job._func.__doc__ = "Straße"
    monkeypatch.setattr(QuerySet, "update", refuse)
    job_rows.register_jobs("default", [job], lambda error: isinstance(error, Refused))
    assert Job.objects.get().description == "Stra\\xdfe"
