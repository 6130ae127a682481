"""When beat sends a task. Pure: the tests give the time and the chance."""

import datetime as dt
import pickle

import pytest

from quick_jobs import at, register_job

pytestmark = pytest.mark.celery

BEGAN = dt.datetime(2026, 3, 2, 12, tzinfo=dt.timezone.utc).timestamp()
DAY = 86400.0


@pytest.fixture
def timetable():
    from quick_jobs.contrib.celery import timetable  # not everybody has Celery

    return timetable


def job(schedule, **options):
    def work(env):
        pass

    return register_job(schedule, **options)(work)


def test_an_interval_starts_after_a_part_of_its_variance_and_does_not_drift(timetable):
    minutely = job(60, variance=10)
    table = timetable.Timetable(BEGAN, lambda: 0.5)
    assert table.planned(minutely, BEGAN - 30, BEGAN) == (BEGAN + 5, BEGAN)
    assert table.planned(minutely, BEGAN - 30, BEGAN + 4) == (BEGAN + 5, BEGAN)
    late = BEGAN + 8  # beat was busy
    assert table.planned(minutely, late, late) == (BEGAN + 70, BEGAN + 65)


def test_a_stall_is_followed_by_one_start(timetable):
    sent = timetable.Planned(BEGAN, BEGAN)
    assert timetable.following(job(60), sent, BEGAN + 1000, 0.0).due == BEGAN + 1060


def test_a_clock_that_is_set_back_does_not_stop_an_interval(timetable):
    table = timetable.Timetable(BEGAN, lambda: 0.0)
    minutely = job(60)
    table.planned(minutely, BEGAN, BEGAN)
    assert table.planned(minutely, BEGAN + 1, BEGAN + 1).due == BEGAN + 60
    assert table.planned(minutely, BEGAN + 1, BEGAN - 3600).due == BEGAN - 3600


def test_without_resume_what_was_missed_while_beat_was_away_is_not_made_up_for(timetable):
    assert timetable.first(job(60), BEGAN - 1000, BEGAN, 0.0).due == BEGAN
    daily = timetable.first(job(at("11:00")), BEGAN - DAY, BEGAN, 0.0)
    assert daily.due == BEGAN + 23 * 3600


def test_with_resume_the_schedule_goes_on_from_what_beats_file_knows(timetable):
    assert timetable.first(job(3600, resume=True), BEGAN - 600, BEGAN, 0.0).due == BEGAN + 3000
    missed = timetable.first(job(at("11:00"), resume=True), BEGAN - 3 * DAY, BEGAN, 0.0)
    assert missed.due < BEGAN
    caught_up = timetable.caught_up(job(at("11:00"), resume=True), missed, BEGAN)
    assert caught_up.due_at == BEGAN - 3600


def test_a_time_of_day_comes_once_when_the_clock_is_set_back(timetable):
    daily = job(at("11:00"))
    sent = timetable.Planned(BEGAN - 3600, BEGAN - 3600)
    assert timetable.following(daily, sent, BEGAN - 7200, 0.0).due == BEGAN + 23 * 3600


def test_a_task_expires_when_the_next_one_is_due_at_the_earliest(timetable):
    sent = timetable.Planned(BEGAN + 3, BEGAN)
    assert timetable.expires_at(job(60, variance=5), sent, BEGAN + 3) == BEGAN + 63
    assert timetable.expires_at(job(60, variance=5), sent, BEGAN + 59) == BEGAN + 119
    assert timetable.expires_at(job(at("11:00"), variance=5), sent, BEGAN) == BEGAN + 23 * 3600


def test_beats_file_keeps_a_jobs_name_and_nothing_else():
    from quick_jobs.contrib.celery.beat_schedule import JobSchedule

    schedule = pickle.loads(pickle.dumps(JobSchedule("shop.jobs.gone")))
    assert schedule == JobSchedule("shop.jobs.gone")
    assert not schedule.is_due(dt.datetime.now(dt.timezone.utc)).is_due


def test_the_start_after_the_one_that_is_due_is_known_before_it_is_sent(timetable):
    chances = iter([0.0, 0.3, 0.9])
    table = timetable.Timetable(BEGAN, lambda: next(chances))
    minutely = job(60, variance=10)
    table.planned(minutely, BEGAN, BEGAN)
    expected = table.following(minutely, BEGAN)
    assert expected.due == BEGAN + 63
    assert table.planned(minutely, BEGAN + 0.01, BEGAN + 1) == expected
