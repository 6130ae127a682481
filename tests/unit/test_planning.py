from __future__ import annotations

import datetime as dt
import logging

import pytest

from quick_jobs.history.messages import LastStart
from quick_jobs.runner.clock_job import NoNextStart, StartSkipped
from quick_jobs.runner.planning import Planning, log_notices
from quick_jobs.runner.schedule import Schedule
from quick_jobs.schedules import ScheduleError
from tests.records import a_job

NOON = 43_200.0
WALL = 1767323045.0  # what the wall clock says then: 3:04:05 in UTC
HOUR = 3600.0

logger = logging.getLogger("quick_jobs.runner.planning")


class EveryHour:
    def following(self, after):
        return after.replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=1)


def a_plan(*jobs, is_history_kept=True):
    schedule = Schedule([], NOON, lambda: 0.0, offset=WALL - NOON)
    return schedule, Planning(schedule, jobs, is_history_kept, 15.0, NOON)


def names(schedule):
    return [scheduled.name for scheduled in schedule.due_after(0.0)]


def messages(caplog):
    return [f"{each.levelname}: {each.getMessage()}" for each in caplog.records]


def test_jobs_that_resume_wait_for_their_last_start_and_the_others_do_not():
    schedule, planning = a_plan(a_job("a.b"), a_job("a.resumes", interval=7200, resume=True))
    assert names(schedule) == ["a.b"]
    last = LastStart(WALL - HOUR, None, is_unfinished=False)
    planning.resume({"a.resumes": last}, NOON + 1)
    assert names(schedule) == ["a.b", "a.resumes"]
    assert schedule.due_after(NOON)[0].due == NOON + HOUR


def test_a_job_that_resumes_without_a_start_on_record_begins_as_others_do():
    schedule, planning = a_plan(a_job("a.resumes", resume=True))
    planning.resume({}, NOON + 1)
    assert schedule.next_due() == NOON + 1


def test_after_a_minute_without_an_answer_jobs_begin_as_without_resume(caplog):
    schedule, planning = a_plan(a_job("a.resumes", resume=True))
    planning.check(NOON + 59.9, WALL + 59.9)
    assert schedule.next_due() is None
    assert planning.next_check(NOON + 59.9) == NOON + 60
    planning.check(NOON + 60, WALL + 60)
    assert schedule.next_due() == NOON + 60
    assert messages(caplog) == [
        "WARNING: the history's database does not answer: "
        "starting as without resume=True: a.resumes"
    ]
    assert planning.next_check(NOON + 60) is None


def test_an_answer_that_comes_too_late_changes_nothing():
    schedule, planning = a_plan(a_job("a.resumes", resume=True))
    planning.check(NOON + 60, WALL + 60)
    planning.resume({"a.resumes": LastStart(WALL, None, is_unfinished=False)}, NOON + 61)
    assert names(schedule) == ["a.resumes"]


def test_without_a_history_jobs_begin_as_without_resume_and_that_is_told(caplog):
    schedule, planning = a_plan(a_job("a.resumes", resume=True), is_history_kept=False)
    assert schedule.next_due() == NOON
    planning.announce(NOON)
    assert messages(caplog) == [
        "WARNING: no history is kept: starting as without resume=True: a.resumes"
    ]


def test_the_clocks_are_compared_with_every_heartbeat_only_for_clock_jobs():
    _, planning = a_plan(a_job(interval=60))
    assert planning.next_check(NOON) is None
    _, planning = a_plan(a_job(interval=0, schedule=EveryHour()))
    assert planning.next_check(NOON) == NOON + 15


def test_a_clock_that_was_set_moves_clock_jobs():
    schedule, planning = a_plan(a_job(interval=0, schedule=EveryHour()))
    assert schedule.next_due() == NOON + 55 * 60 + 55
    planning.check(NOON + 1, WALL + 1 + 600)
    assert schedule.next_due() == NOON + 45 * 60 + 55


def test_a_job_that_resumes_later_than_in_a_minute_is_named(caplog):
    caplog.set_level(logging.INFO, logger.name)
    _, planning = a_plan(a_job("a.resumes", interval=7200, resume=True))
    planning.announce(NOON)
    assert messages(caplog) == []
    planning.resume({"a.resumes": LastStart(WALL - HOUR, None, is_unfinished=False)}, NOON)
    assert messages(caplog) == ["INFO: first starts: a.resumes in 1 h"]


@pytest.mark.parametrize("use_tz", [True, False])
def test_a_skipped_start_is_a_warning_with_its_time_in_the_sites_zone(caplog, settings, use_tz):
    settings.USE_TZ = use_tz
    settings.TIME_ZONE = "Europe/Berlin"
    time = dt.datetime(2026, 7, 1, 1, 30, tzinfo=dt.timezone.utc)
    log_notices([StartSkipped("a.b", time)])
    assert messages(caplog) == [
        "WARNING: a.b is still running: its start at 2026-07-01 03:30:00 CEST is skipped"
    ]


def test_a_schedule_that_gives_no_next_start_is_an_error(caplog):
    log_notices([NoNextStart("a.b", ScheduleError("Own() has failed"))])
    assert messages(caplog) == ["ERROR: a.b will not start again: Own() has failed"]
