"""When the next run on a timer is late."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from quick_jobs.models import JobRunner
from quick_jobs.once_runs import OnceRuns, once_runs, patience_after

MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
NOON = dt.datetime(2026, 7, 1, 12, tzinfo=dt.timezone.utc)


def after(*gaps):
    """Return the patience after runs with these times between them, the last one first."""
    starts = [NOON]
    for gap in gaps:
        starts.append(starts[-1] - gap)
    return patience_after(starts, MINUTE)


def test_one_run_may_be_left_out():
    assert after(*[5 * MINUTE] * 10) == 11 * MINUTE
    assert after(HOUR) == 2 * HOUR + MINUTE


def test_on_working_days_the_weekend_is_no_reason_to_worry():
    week = [DAY, DAY, DAY, DAY, 3 * DAY]
    assert 3 * DAY + HOUR < after(*week, *week) < 4 * DAY


def test_a_run_by_somebody_between_two_others_changes_little():
    assert after(MINUTE, 59 * MINUTE, HOUR, HOUR, HOUR) == 2 * HOUR + MINUTE


def test_after_an_outage_runs_are_late_again_as_before_once_it_is_left_behind():
    assert after(*[5 * MINUTE] * 10) < HOUR < after(*[5 * MINUTE] * 9, 3 * DAY)


def test_after_the_first_run_there_are_two_days():
    assert after() == 2 * DAY


def a_run(kind=JobRunner.ONCE, started_at=None, **fields):
    started_at = started_at or timezone.now()
    stopped_at = fields.pop("stopped_at", started_at)
    return JobRunner(
        kind=kind,
        hostname="web-1",
        pid=1,
        started_at=started_at,
        last_heartbeat_at=started_at,
        stopped_at=stopped_at,
        **fields,
    )


def test_the_next_one_is_late_when_patience_has_run_out_since_the_last_one_ended():
    runs = OnceRuns(a_run(started_at=NOON, stopped_at=NOON + 3 * HOUR), HOUR)
    assert not runs.are_late(NOON + 4 * HOUR)
    assert runs.are_late(NOON + 4 * HOUR + MINUTE)


@pytest.mark.django_db
def test_when_they_come_is_known_from_runs_on_a_timer_alone():
    now = timezone.now()
    assert once_runs() is None
    for hours in (3, 2, 1):
        a_run(started_at=now - hours * HOUR).save()
        a_run(JobRunner.COMMAND, started_at=now - hours * HOUR + MINUTE).save()
    runs = once_runs()
    assert runs.last.kind == JobRunner.ONCE
    assert abs(runs.patience - (2 * HOUR + MINUTE)) < MINUTE / 60
    assert not runs.are_late(now)
    assert runs.are_late(now + 2 * HOUR)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [JobRunner.RUNNER, JobRunner.CELERY])
def test_a_worker_that_was_started_since_takes_their_place(kind):
    a_run().save()
    a_run(kind).save()
    assert once_runs() is None
    a_run().save()
    assert once_runs()
