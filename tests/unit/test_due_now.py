"""What a runner on a timer holds for due."""

from __future__ import annotations

import datetime as dt

import pytest

from quick_jobs.history.messages import LastStart
from quick_jobs.runner.clock_job import NoNextStart
from quick_jobs.runner.due_now import due_since
from quick_jobs.schedules import ScheduleError, at
from tests.records import a_job

HOUR = 3600.0
NOON = dt.datetime(2026, 7, 1, 12, tzinfo=dt.timezone.utc).timestamp()


def since(job, last=None, now=NOON):
    return due_since(job, last, now, pytest.fail)


def started(at, due_at=None, is_unfinished=False):
    return LastStart(at, due_at, is_unfinished)


def daily(time="10:00", **options):
    return a_job(interval=0, schedule=at(time, timezone="UTC"), **options)


def test_an_interval_job_without_a_start_on_record_is_due():
    assert since(a_job(interval=HOUR)) == NOON


def test_an_interval_job_is_due_since_its_interval_is_over():
    assert since(a_job(interval=HOUR), started(NOON - 2 * HOUR)) == NOON - HOUR
    assert since(a_job(interval=HOUR), started(NOON - 0.5 * HOUR)) is None


def test_the_variance_does_not_count():
    assert since(a_job(interval=HOUR, variance=9 * HOUR), started(NOON - HOUR)) == NOON


@pytest.mark.parametrize(
    ("interval", "early"), [(60.0, 6.0), (HOUR, 300.0), (24 * HOUR, 300.0), (10.0, 1.0)]
)
def test_a_timer_may_come_a_little_early(interval, early):
    """A tenth of the interval, and five minutes at most."""
    job = a_job(interval=interval)
    assert since(job, started(NOON - interval + early - 0.01)) == NOON
    assert since(job, started(NOON - interval + early + 0.01)) is None


def test_a_clock_job_is_due_when_one_of_its_times_has_passed_since():
    assert since(daily("10:00"), started(NOON - 24 * HOUR)) == NOON - 2 * HOUR
    assert since(daily("10:00"), started(NOON - HOUR)) is None
    assert since(daily("12:05"), started(NOON - HOUR)) is None


def test_of_several_times_that_have_passed_the_last_one_is_made_up_for():
    assert since(daily("10:00"), started(NOON - 240 * HOUR)) == NOON - 2 * HOUR


def test_a_time_that_is_done_is_not_due_again():
    """Though the clock says that it has just come, as after a start a little too early."""
    last = started(NOON - 0.5, due_at=NOON)
    assert since(daily("12:00"), last) is None


def test_what_was_interrupted_is_due_at_once():
    assert since(a_job(interval=HOUR), started(NOON - 60, is_unfinished=True)) == NOON
    last = started(NOON - 60, due_at=NOON - 2 * HOUR, is_unfinished=True)
    assert since(daily("10:00"), last) == NOON - 2 * HOUR


def test_a_last_start_in_the_future_counts_as_now():
    assert since(a_job(interval=HOUR), started(NOON + 100 * HOUR)) is None
    assert since(daily("10:00"), started(NOON + 100 * HOUR)) is None


def test_a_clock_job_without_anything_on_record_is_not_due():
    assert since(daily("10:00")) is None


def test_a_schedule_that_fails_is_told_and_not_due():
    class Broken:
        def following(self, after):
            raise ScheduleError("no more")

    told = []
    last = started(NOON - HOUR)
    assert due_since(a_job(interval=0, schedule=Broken()), last, NOON, told.append) is None
    assert [type(notice) for notice in told] == [NoNextStart]
