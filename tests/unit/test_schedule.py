from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quick_jobs.runner.schedule import Schedule
from tests.records import a_job

NOON = 43_200.0  # a monotonic clock has no epoch; it is just not 0

# In whole milliseconds: a timedelta rounds to microseconds, and the rules are told to the letter.
seconds = st.integers(min_value=0, max_value=100_000_000).map(lambda number: number / 1000)
chances = st.floats(min_value=0, max_value=1, exclude_max=True)


def never():
    return 0.0


def repeating(*values):
    return itertools.cycle(values).__next__


def start_one(schedule, now):
    """Start the one job that is due."""
    (scheduled,) = schedule.start_due(now)
    return scheduled


def test_a_job_is_scheduled_in_seconds():
    job = a_job(interval=90, variance=0.5, timeout=120)
    scheduled = start_one(Schedule([job], NOON, never), NOON)
    assert scheduled.job is job
    assert scheduled.timeout == 120.0
    for chance, period in ((0.0, 90.0), (0.5, 90.25), (1.0, 90.5)):
        due = scheduled.due
        scheduled.start(due, 0.0, chance)
        scheduled.end(due, 0.0, rerun=False)
        assert scheduled.due == due + period


def test_a_job_without_timeout_has_none():
    assert start_one(Schedule([a_job(interval=90)], NOON, never), NOON).timeout is None


# The first start.


@given(interval=seconds, variance=seconds, chance=chances)
def test_the_first_start_comes_within_the_variance(interval, variance, chance):
    schedule = Schedule([a_job(interval=interval, variance=variance)], NOON, repeating(chance))
    assert NOON <= schedule.next_due() <= NOON + variance


def test_the_first_start_comes_after_a_random_part_of_the_variance():
    schedule = Schedule([a_job(interval=60, variance=20)], NOON, repeating(0.25))
    assert schedule.next_due() == NOON + 5
    assert schedule.start_due(NOON + 4.999) == []
    assert start_one(schedule, NOON + 5).due == NOON + 5


def test_without_variance_the_first_start_comes_at_once():
    assert Schedule([a_job(interval=60)], NOON, repeating(0.75)).next_due() == NOON


def test_each_job_takes_its_own_chance_of_the_variance():
    schedule = Schedule([a_job(interval=60, variance=20)] * 3, NOON, repeating(0.25, 0.75, 0.5))
    dues = [scheduled.due for scheduled in schedule.start_due(NOON + 20)]
    assert dues == [NOON + 5, NOON + 10, NOON + 15]


# The period.


@given(interval=seconds, variance=seconds, draws=st.lists(chances, min_size=1))
def test_the_period_is_between_the_interval_and_interval_plus_variance(interval, variance, draws):
    schedule = Schedule([a_job(interval=interval, variance=variance)], NOON, repeating(*draws))
    last = None
    for _ in range(len(draws) + 2):
        scheduled = start_one(schedule, schedule.next_due())
        schedule.ended(scheduled, scheduled.due, rerun=False)
        if last is not None:
            assert interval - 1e-6 <= scheduled.due - last <= interval + variance + 1e-6
        last = scheduled.due


def test_the_period_is_the_interval_plus_a_random_part_of_the_variance():
    schedule = Schedule([a_job(interval=60, variance=20)], NOON, repeating(0, 0.25, 0.75))
    for due in (NOON, NOON + 65, NOON + 65 + 75):
        assert schedule.next_due() == due
        schedule.ended(start_one(schedule, due), due, rerun=False)


def test_late_starts_do_not_add_up():
    """10,000 periods, each started late by up to nine tenths of it, end on the second."""
    chance = random.Random(1)
    schedule = Schedule([a_job(interval=60)], NOON, chance.random)
    for period in range(10_000):
        now = schedule.next_due() + chance.uniform(0, 54)
        scheduled = start_one(schedule, now)
        assert scheduled.due == NOON + 60 * period
        schedule.ended(scheduled, now + chance.uniform(0, 5), rerun=False)


def test_late_starts_do_not_add_up_with_a_variance():
    """After 10,000 periods it is exactly as late as the random parts have made it."""
    chance, expected = random.Random(2), random.Random(2)
    lateness = random.Random(3)
    schedule = Schedule([a_job(interval=60, variance=30)], NOON, chance.random)
    due = NOON + 30 * expected.random()
    for _ in range(10_000):
        assert schedule.next_due() == pytest.approx(due, abs=1e-6)
        now = due + lateness.uniform(0, 50)
        schedule.ended(start_one(schedule, now), now, rerun=False)
        due += 60 + 30 * expected.random()


def test_a_stall_is_followed_by_one_start():
    schedule = Schedule([a_job(interval=60, variance=20)], NOON, repeating(0, 0.5))
    schedule.ended(start_one(schedule, NOON), NOON + 1, rerun=False)
    awake = NOON + 100_000
    schedule.ended(start_one(schedule, awake), awake + 1, rerun=False)
    assert schedule.next_due() == awake + 60  # the chance is 0 again
    assert schedule.start_due(awake + 59.999) == []


@given(stall=st.floats(min_value=0, max_value=10_000))
def test_any_stall_is_followed_by_one_start_and_a_due_date_ahead(stall):
    schedule = Schedule([a_job(interval=60)], NOON, never)
    now = NOON + stall
    schedule.ended(start_one(schedule, now), now, rerun=False)
    assert schedule.start_due(now) == []
    assert now < schedule.next_due() <= now + 60


# While a job runs.


def test_a_job_that_runs_is_not_due():
    schedule = Schedule([a_job(interval=60)], NOON, never)
    scheduled = start_one(schedule, NOON)
    assert schedule.next_due() is None
    assert schedule.start_due(NOON + 1_000_000) == []
    schedule.ended(scheduled, NOON + 1_000_000, rerun=False)
    assert schedule.start_due(NOON + 1_000_000) == [scheduled]


def test_a_job_that_takes_longer_than_its_interval_starts_again_when_it_has_ended():
    schedule = Schedule([a_job(interval=60)], NOON, never)
    for start in (NOON, NOON + 90, NOON + 180, NOON + 270):
        scheduled = start_one(schedule, start)
        assert scheduled.due == start
        schedule.ended(scheduled, start + 90, rerun=False)


def test_after_an_execution_that_took_too_long_the_period_counts_from_the_late_start():
    schedule = Schedule([a_job(interval=60)], NOON, never)
    schedule.ended(start_one(schedule, NOON), NOON + 90, rerun=False)
    schedule.ended(start_one(schedule, NOON + 90), NOON + 91, rerun=False)
    assert schedule.next_due() == NOON + 150


def test_with_interval_0_a_job_starts_again_when_it_has_ended():
    schedule = Schedule([a_job(interval=0)], NOON, never)
    now = NOON
    for duration in (0, 0.001, 1, 0, 60):
        scheduled = start_one(schedule, now)
        assert schedule.start_due(now) == []
        now += duration
        schedule.ended(scheduled, now, rerun=False)
        assert schedule.next_due() == now


# Asked to run again.


@pytest.mark.parametrize("interval", [0, 60])
def test_a_rerun_is_due_at_once(interval):
    schedule = Schedule([a_job(interval=interval, variance=20)], NOON, repeating(0, 0.5))
    scheduled = start_one(schedule, NOON)
    schedule.ended(scheduled, NOON + 7, rerun=True)
    assert schedule.next_due() == NOON + 7
    assert schedule.start_due(NOON + 7) == [scheduled]


def test_after_a_rerun_the_period_counts_from_it():
    schedule = Schedule([a_job(interval=60)], NOON, never)
    schedule.ended(start_one(schedule, NOON), NOON + 7, rerun=True)
    schedule.ended(start_one(schedule, NOON + 7), NOON + 8, rerun=False)
    assert schedule.next_due() == NOON + 67


def test_a_rerun_that_was_due_long_ago_is_due_now():
    schedule = Schedule([a_job(interval=60)], NOON, never)
    schedule.ended(start_one(schedule, NOON), NOON + 1000, rerun=True)
    assert schedule.next_due() == NOON + 1000


# Many jobs.


def test_the_soonest_is_due_first_and_those_of_one_moment_in_the_order_given():
    jobs = [a_job(interval=60, variance=variance) for variance in (30, 10, 20, 10)]
    schedule = Schedule(jobs, NOON, repeating(0.5))
    assert schedule.next_due() == NOON + 5
    started = [scheduled.job for scheduled in schedule.start_due(NOON + 15)]
    assert started == [jobs[1], jobs[3], jobs[2], jobs[0]]


def test_of_more_than_may_be_started_the_soonest_are_and_the_others_stay_due():
    jobs = [a_job(interval=60, variance=variance) for variance in (30, 10, 20)]
    schedule = Schedule(jobs, NOON, repeating(0.5))
    now = NOON + 15
    assert [scheduled.job for scheduled in schedule.start_due(now, at_most=2)] == jobs[1:]
    assert schedule.next_due() == now
    assert schedule.start_due(now, at_most=0) == []
    assert start_one(schedule, now).job is jobs[0]


def test_without_jobs_nothing_is_due():
    schedule = Schedule([], NOON, never)
    assert schedule.next_due() is None
    assert schedule.start_due(NOON) == []


@given(data=st.data(), intervals=st.lists(st.integers(0, 50), min_size=1, max_size=8))
def test_no_job_ever_overlaps_itself_and_none_is_forgotten(data, intervals):
    """Whatever the clock does and however long they run."""
    jobs = [a_job(interval=interval, variance=interval / 2) for interval in intervals]
    schedule = Schedule(jobs, NOON, lambda: data.draw(chances))
    now = NOON
    running = []
    for _ in range(data.draw(st.integers(1, 12))):
        now += data.draw(st.floats(min_value=0, max_value=100))
        started = schedule.start_due(now)
        assert not set(started) & set(running)
        assert [each.due for each in started] == sorted(each.due for each in started)
        assert all(each.due <= now for each in started)
        assert schedule.next_due() is None or schedule.next_due() > now
        running += started
        for scheduled in list(running):
            if data.draw(st.booleans()):
                running.remove(scheduled)
                schedule.ended(scheduled, now, rerun=data.draw(st.booleans()))
    for scheduled in running:
        schedule.ended(scheduled, now, rerun=False)
    assert {each.job for each in schedule.start_due(now + 1000)} == set(jobs)


def test_jobs_do_not_change_each_others_times():
    """What each of them does is what it would do alone."""
    shapes = [
        {"interval": interval, "variance": variance}
        for interval, variance in [(7, 0), (11, 0), (60, 0), (13, 5), (600, 0)]
    ]

    def times(indexes):
        schedule = Schedule(
            [a_job(**shapes[index]) for index in indexes],
            NOON,
            repeating(0.5),
        )
        started = {}
        while schedule.next_due() < NOON + 3600:
            for scheduled in schedule.start_due(schedule.next_due()):
                started.setdefault(scheduled.job.interval, []).append(scheduled.due)
                schedule.ended(scheduled, scheduled.due, rerun=False)
        return started

    together = times(range(len(shapes)))
    for index in range(len(shapes)):
        assert times([index]).items() <= together.items()


@pytest.mark.sweeps
def test_ten_thousand_jobs_each_keep_their_period():
    chance = random.Random(4)
    schedule = Schedule(
        [a_job(interval=60, variance=60) for _ in range(10_000)], NOON, chance.random
    )
    starts = {}
    while schedule.next_due() < NOON + 600:
        now = schedule.next_due() + 0.1  # a loop that wakes up a little late
        for scheduled in schedule.start_due(now):
            starts.setdefault(scheduled, []).append(scheduled.due)
            schedule.ended(scheduled, now, rerun=False)
    assert len(starts) == 10_000
    for dues in starts.values():
        assert NOON <= dues[0] <= NOON + 60
        assert dues[-1] > NOON + 600 - 120
        periods = [later - sooner for sooner, later in zip(dues, dues[1:])]
        assert 60 - 1e-6 <= min(periods) <= max(periods) <= 120 + 1e-6


def test_the_jobs_that_start_later_than_a_moment_are_known_the_soonest_first():
    jobs = [a_job(interval=1, variance=each) for each in (100, 10, 200)]
    schedule = Schedule(jobs, NOON, repeating(0.5))
    assert [each.due - NOON for each in schedule.due_after(NOON + 40)] == [50, 100]
    assert schedule.due_after(NOON + 100) == []
