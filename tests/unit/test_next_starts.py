"""When a job starts next."""

import datetime as dt
import itertools

import pytest

from quick_jobs import at
from quick_jobs.next_starts import (
    AFTER,
    DUE,
    OVERDUE,
    WAITING,
    LastExecution,
    NextStart,
    Plan,
    next_due,
    plan_of_row,
    upcoming,
)

SECOND = dt.timedelta(seconds=1)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
NONE = dt.timedelta(0)
NOON = dt.datetime(2026, 11, 26, 12, tzinfo=dt.timezone.utc)
NIGHT = NOON.replace(hour=3)

HOURLY = Plan(None, HOUR, NONE, resume=False)
NIGHTLY = Plan(at("03:00", timezone="UTC"), NONE, NONE, resume=False)


def a_last(started_at, took=SECOND, due_at=None, is_unfinished=False):
    ended_at = None if took is None else started_at + took
    return LastExecution(started_at, due_at, ended_at, is_unfinished)


def due(plan, last=None, runner=None, registered=None, now=NOON):
    return next_due(plan, last, runner, registered, now)


def resuming(plan):
    return plan._replace(resume=True)


def test_an_interval_counts_from_the_last_start():
    last = a_last(NOON - 20 * MINUTE)
    assert due(HOURLY, last, runner=NOON - DAY) == NextStart(NOON + 40 * MINUTE, WAITING)


def test_an_interval_job_is_due_when_its_runner_begins():
    assert due(HOURLY, None, runner=NOON - SECOND) == NextStart(NOON - SECOND, DUE)
    last = a_last(NOON - 20 * MINUTE)
    assert due(HOURLY, last, runner=NOON - SECOND) == NextStart(NOON - SECOND, DUE)


def test_an_interval_goes_on_over_a_restart_if_it_resumes():
    last = a_last(NOON - 20 * MINUTE)
    began = NOON - SECOND
    assert due(resuming(HOURLY), last, runner=began) == NextStart(NOON + 40 * MINUTE, WAITING)
    cut_off = last._replace(is_unfinished=True)
    assert due(resuming(HOURLY), cut_off, runner=began) == NextStart(began, DUE)
    old = a_last(NOON - 2 * DAY)
    assert due(resuming(HOURLY), old, runner=began) == NextStart(began, DUE)


def test_a_job_that_runs_longer_than_its_interval_starts_after_its_end():
    last = a_last(NOON - 2 * HOUR, took=None)
    found = due(HOURLY, last, runner=NOON - DAY)
    assert found.state == AFTER
    ended = a_last(NOON - 2 * HOUR, took=119 * MINUTE)
    assert due(HOURLY, ended, runner=NOON - DAY) == NextStart(NOON - MINUTE, DUE)


def test_a_clock_job_waits_for_its_next_time():
    tomorrow = NextStart(NIGHT + DAY, WAITING)
    assert due(NIGHTLY, a_last(NIGHT), runner=NOON - DAY) == tomorrow
    # Started a little before by a clock that was set since, or still running.
    early = a_last(NIGHT - SECOND, took=NONE, due_at=NIGHT)
    assert due(NIGHTLY, early, runner=NOON - DAY) == tomorrow
    assert due(NIGHTLY, a_last(NIGHT, took=None), runner=NOON - DAY) == tomorrow


def test_a_time_that_passed_while_the_job_ran_was_skipped():
    last = a_last(NIGHT - HOUR, took=2 * HOUR)
    assert due(NIGHTLY, last, runner=NOON - DAY) == NextStart(NIGHT + DAY, WAITING)


def test_a_clock_job_is_due_until_it_starts_in_its_variance():
    now = NIGHT + MINUTE
    found = due(NIGHTLY._replace(variance=HOUR), a_last(NIGHT - DAY), NOON - 3 * DAY, now=now)
    assert found == NextStart(NIGHT, DUE)


def test_a_time_that_passed_without_a_runner_is_made_up_for_if_the_job_resumes():
    last, began = a_last(NIGHT - DAY), NOON - SECOND
    assert due(NIGHTLY, last, runner=began) == NextStart(NIGHT + DAY, WAITING)
    assert due(resuming(NIGHTLY), last, runner=began) == NextStart(began, DUE)
    assert due(resuming(NIGHTLY), a_last(NIGHT), runner=began).due_at == NIGHT + DAY


def test_without_a_live_runner_a_job_is_overdue_from_the_first_start_it_missed():
    assert due(HOURLY, a_last(NOON - 20 * MINUTE)).state == WAITING
    assert due(HOURLY, a_last(NOON - 3 * HOUR)) == NextStart(NOON - 2 * HOUR, OVERDUE)
    assert due(NIGHTLY, a_last(NIGHT - 3 * DAY)) == NextStart(NIGHT - 2 * DAY, OVERDUE)


def test_a_job_that_never_ran_counts_from_when_it_was_registered():
    assert due(HOURLY) is None
    assert due(HOURLY, registered=NOON - HOUR) == NextStart(NOON - HOUR, OVERDUE)
    assert due(NIGHTLY) == NextStart(NIGHT + DAY, WAITING)
    assert due(NIGHTLY, registered=NOON - 2 * DAY) == NextStart(NIGHT - DAY, OVERDUE)


class Broken:
    def following(self, after):
        raise RuntimeError("no")


def test_there_is_no_next_start_where_nobody_can_say():
    assert due(Plan(Broken(), NONE, NONE, False), a_last(NIGHT), runner=NIGHT) is None
    endless = Plan(None, dt.timedelta.max, NONE, False)
    assert due(endless, a_last(NIGHT), runner=NIGHT) is None
    assert plan_of_row("shop.jobs.elsewhere", "moon_phases('full')", NONE, NONE) is None


def test_a_row_has_the_plan_that_it_holds_unless_the_job_is_registered():
    plan = plan_of_row("shop.jobs.elsewhere", "at('03:00', timezone='UTC')", NONE, MINUTE)
    assert plan == NIGHTLY._replace(variance=MINUTE)


@pytest.mark.parametrize(
    ("plan", "following", "expected"),
    [
        (NIGHTLY, NextStart(NIGHT + DAY, WAITING), [NIGHT + DAY, NIGHT + 2 * DAY]),
        (NIGHTLY, NextStart(NIGHT, OVERDUE), [NIGHT + DAY, NIGHT + 2 * DAY]),
        (HOURLY, NextStart(NOON + MINUTE, WAITING), [NOON + MINUTE, NOON + HOUR + MINUTE]),
        (HOURLY, NextStart(NOON, DUE), [NOON + HOUR, NOON + 2 * HOUR]),
        (HOURLY, NextStart(NOON, OVERDUE), []),
        (HOURLY._replace(interval=NONE), NextStart(NOON + MINUTE, WAITING), [NOON + MINUTE]),
        (HOURLY._replace(interval=NONE), NextStart(NOON, DUE), []),
        (NIGHTLY._replace(schedule=Broken()), NextStart(NOON + HOUR, WAITING), [NOON + HOUR]),
    ],
)
def test_what_comes_is_later_than_now(plan, following, expected):
    assert list(itertools.islice(upcoming(plan, following, NOON), 2)) == expected


def test_starts_that_are_too_close_to_each_other_are_left_out():
    following = NextStart(NOON + SECOND, WAITING)
    every_second = upcoming(HOURLY._replace(interval=SECOND), following, NOON, least=2.5 * SECOND)
    assert list(itertools.islice(every_second, 2)) == [NOON + SECOND, NOON + 4 * SECOND]
    often = Plan(at("13:00", "13:01", "13:05", timezone="UTC"), NONE, NONE, False)
    found = upcoming(often, NextStart(NOON + HOUR, WAITING), NOON, least=2 * MINUTE)
    assert list(itertools.islice(found, 2)) == [NOON + HOUR, NOON + HOUR + 5 * MINUTE]
