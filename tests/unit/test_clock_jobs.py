"""Clock jobs in the schedule. Midnight is 0 on both clocks, until a test sets the wall clock."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from quick_jobs.history.messages import LastStart
from quick_jobs.runner.clock_job import NoNextStart, StartSkipped
from quick_jobs.runner.schedule import Schedule
from tests.records import NAME, a_job

MINUTE, HOUR, DAY = 60, 3600, 86_400
NIGHT = dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc)
YEAR = 365 * DAY


class Every:
    """A schedule of all multiples of so many seconds since that night."""

    def __init__(self, seconds):
        self._step = dt.timedelta(seconds=seconds)

    def following(self, after):
        return NIGHT + ((after - NIGHT) // self._step + 1) * self._step


class Once:
    """A schedule of one time only."""

    def __init__(self, time):
        self._time = NIGHT + dt.timedelta(seconds=time)

    def following(self, after):
        if after >= self._time:
            raise ValueError("there is no other time")
        return self._time


class Site:
    """One clock job in a schedule. ``now`` is monotonic, ``ahead`` how far the wall clock is."""

    def __init__(self, every, now=0.0, variance=0, chances=(0.5,), last=None):
        self.now = now
        self.ahead = 0.0
        schedule = every if hasattr(every, "following") else Every(every)
        self.schedule = Schedule(
            [], now, itertools.cycle(chances).__next__, offset=NIGHT.timestamp()
        )
        job = a_job(interval=0, variance=variance, schedule=schedule)
        self.scheduled = self.schedule.add(job, now, last)

    @property
    def wall(self):
        return NIGHT.timestamp() + self.now + self.ahead

    def step(self):
        """Do what the loop does in a step; return the times for which the job has started."""
        self.schedule.set_clock(self.now, self.wall)
        return [self.since_night(job.due_at) for job in self.schedule.start_due(self.now)]

    def go_to(self, now):
        """Take steps until then, whenever something is due; return the times of starts."""
        started = []
        while self.schedule.next_due() <= now:
            self.now = max(self.now, self.schedule.next_due())
            started += self.step()
            if started:
                break
        else:
            self.now = now
            started += self.step()
        return started

    def end(self, rerun=False):
        self.schedule.ended(self.scheduled, self.now, rerun)

    def run_to(self, now):
        """Like :meth:`go_to` with executions that take a second; return all times of starts."""
        started = []
        while True:
            times = self.go_to(now)
            if not times:
                return started
            started += times
            self.now += 1
            self.end()

    def skipped(self):
        """Return the times that were skipped since the last call."""
        notices = self.schedule.take_notices()
        assert all(isinstance(notice, StartSkipped) for notice in notices)
        return [self.since_night(notice.time.timestamp()) for notice in notices]

    @staticmethod
    def since_night(timestamp):
        return timestamp - NIGHT.timestamp()


def a_last_start(started_at, due_at=None, is_unfinished=False):
    night = NIGHT.timestamp()
    return LastStart(night + started_at, None if due_at is None else night + due_at, is_unfinished)


def test_a_clock_job_starts_at_its_times():
    site = Site(HOUR, now=10 * MINUTE)
    assert site.run_to(4 * HOUR) == [HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR]


def test_a_clock_job_that_is_begun_at_its_very_time_waits_for_the_next():
    site = Site(HOUR, now=HOUR)
    assert site.go_to(HOUR) == []
    assert site.schedule.next_due() == 2 * HOUR


def test_each_start_comes_a_random_part_of_the_variance_later_and_is_due_without():
    site = Site(HOUR, variance=300, chances=(0.5, 0.25, 0.75))
    assert site.go_to(HOUR + 149) == []
    assert site.go_to(2 * HOUR) == [HOUR]
    assert site.now == site.scheduled.due == HOUR + 150
    site.end()
    assert site.go_to(3 * HOUR) == [2 * HOUR]
    assert site.now == 2 * HOUR + 75


def test_it_never_starts_early_by_a_wall_clock_that_goes_slower():
    site = Site(HOUR)
    site.ahead = -0.9  # too little to be taken for a clock that was set
    site.now = float(HOUR)
    assert site.step() == []
    assert site.schedule.next_due() == pytest.approx(HOUR + 0.9)
    assert site.go_to(HOUR + 1) == [HOUR]


def test_a_time_that_comes_while_the_job_runs_is_skipped_and_told_when_it_comes():
    site = Site(HOUR)
    assert site.go_to(HOUR) == [HOUR]
    assert site.go_to(2 * HOUR - 1) == []
    assert site.skipped() == []
    assert site.go_to(3 * HOUR) == []
    assert site.skipped() == [2 * HOUR, 3 * HOUR]
    site.now += 1
    site.end()
    assert site.schedule.next_due() == 4 * HOUR
    assert site.go_to(4 * HOUR) == [4 * HOUR]


def test_a_time_that_has_come_is_skipped_though_the_loop_hears_of_the_end_first():
    site = Site(HOUR)
    site.go_to(HOUR)
    site.now = 2 * HOUR + 0.001
    site.end()
    assert site.step() == []
    assert site.skipped() == [2 * HOUR]
    assert site.schedule.next_due() == 3 * HOUR


def test_a_time_is_skipped_without_the_variance():
    site = Site(HOUR, variance=1800)
    assert site.go_to(2 * HOUR) == [HOUR]
    site.now = 2 * HOUR + 1.0
    site.end()
    assert site.skipped() == [2 * HOUR]


def test_a_rerun_is_due_at_once_and_leaves_the_times_as_they_are():
    site = Site(HOUR)
    site.go_to(HOUR)
    site.now += 5
    site.end(rerun=True)
    assert site.step() == [HOUR + 5]
    site.now += 5
    site.end()
    assert site.skipped() == []
    assert site.run_to(2 * HOUR) == [2 * HOUR]


def test_reruns_leave_nothing_behind_in_the_schedule():
    site = Site(DAY)
    site.go_to(DAY)
    for _ in range(100):
        site.now += 1
        site.end(rerun=True)
        assert site.step()
    assert len(site.schedule._waiting) == 1


def test_a_time_that_comes_while_a_rerun_runs_is_skipped():
    site = Site(HOUR)
    site.go_to(HOUR)
    site.now += 5
    site.end(rerun=True)
    site.step()
    assert site.go_to(2 * HOUR + 1) == []
    assert site.skipped() == [2 * HOUR]
    site.end()
    assert site.run_to(3 * HOUR) == [3 * HOUR]


def test_times_that_passed_in_suspension_are_made_up_for_by_one_start():
    site = Site(HOUR, now=30 * MINUTE)
    site.ahead = 3 * HOUR  # the monotonic clock stands still meanwhile
    assert site.step() == [3 * HOUR]
    assert site.scheduled.due == site.now  # from when it could start, it was not late
    site.end()
    assert site.step() == []
    assert site.run_to(HOUR) == [4 * HOUR]


def test_a_suspension_in_which_no_time_passed_changes_no_start():
    site = Site(DAY, now=HOUR)
    site.ahead = 3 * HOUR
    assert site.step() == []
    assert site.schedule.next_due() == DAY - 3 * HOUR
    assert site.run_to(DAY) == [DAY]


def test_times_that_passed_in_a_stall_are_made_up_for_by_one_start():
    site = Site(MINUTE)
    site.now = 10 * MINUTE + 30.0
    assert site.step() == [10 * MINUTE]
    site.end()
    assert site.run_to(11 * MINUTE) == [11 * MINUTE]


def test_times_that_pass_in_suspension_while_the_job_runs_are_skipped_and_told_once():
    site = Site(HOUR)
    site.go_to(HOUR)
    site.ahead = 3 * HOUR
    assert site.step() == []
    assert site.skipped() == [2 * HOUR]
    site.end()
    assert site.step() == []
    assert site.run_to(2 * HOUR) == [5 * HOUR]


def test_a_clock_set_back_starts_no_time_twice():
    site = Site(HOUR)
    assert site.run_to(3 * HOUR + 10) == [HOUR, 2 * HOUR, 3 * HOUR]
    site.ahead = -2.5 * HOUR
    assert site.step() == []
    assert site.run_to(7 * HOUR) == [4 * HOUR]


def test_a_clock_set_back_does_not_start_again_what_was_skipped():
    site = Site(HOUR)
    site.go_to(HOUR)
    site.go_to(2 * HOUR + 1)
    site.end()
    site.ahead = -1800
    assert site.run_to(3 * HOUR + 10) == []
    assert site.run_to(3.6 * HOUR) == [3 * HOUR]


def test_a_clock_set_forward_by_mistake_and_back_misses_no_time():
    site = Site(DAY, now=HOUR)
    site.ahead = YEAR
    assert site.step() == [YEAR]
    site.now += 1
    site.end()
    site.ahead = 0
    assert site.step() == []
    assert site.schedule.next_due() == DAY
    assert site.run_to(2 * DAY) == [DAY, 2 * DAY]


def test_a_time_that_was_started_by_a_clock_ahead_is_skipped_when_it_comes():
    site = Site(MINUTE)
    assert site.run_to(2 * MINUTE) == [MINUTE, 2 * MINUTE]
    site.ahead = 3 * MINUTE
    assert site.step() == [5 * MINUTE]
    site.now += 1
    site.end()
    site.ahead = 0
    assert site.step() == []
    assert site.run_to(7 * MINUTE) == [minute * MINUTE for minute in (3, 4, 6, 7)]


def test_a_stall_makes_up_for_no_time_that_was_started_by_a_clock_that_was_ahead():
    site = Site(MINUTE)
    site.ahead = 3 * MINUTE
    assert site.step() == [3 * MINUTE]
    site.end()
    site.ahead = 0
    assert site.step() == []
    site.now = 3 * MINUTE + 10
    assert site.step() == [MINUTE]
    site.end()
    assert site.run_to(5 * MINUTE) == [4 * MINUTE, 5 * MINUTE]


def test_a_time_that_has_come_and_waits_for_its_variance_survives_a_clock_set_back():
    site = Site(DAY, variance=2 * HOUR)
    assert site.run_to(DAY + HOUR - 1) == []
    site.ahead = -2
    assert site.step() == []
    assert site.run_to(2 * DAY) == [DAY]


def test_what_is_made_up_for_survives_a_clock_set_back():
    site = Site(DAY, now=HOUR, variance=4 * HOUR, last=a_last_start(-HOUR))
    assert site.step() == []
    site.now += MINUTE
    site.ahead = -2
    assert site.step() == []
    assert site.run_to(DAY) == [0]


def test_a_clock_set_back_does_not_repeat_a_time_that_was_started_before_the_runner():
    site = Site(HOUR, now=HOUR + 10, last=a_last_start(HOUR + 1, due_at=HOUR))
    site.ahead = -MINUTE
    assert site.step() == []
    assert site.run_to(2 * HOUR + MINUTE) == [2 * HOUR]


def test_a_clock_that_is_set_again_and_again_is_forgiven_and_nothing_grows():
    site = Site(DAY, now=HOUR)
    for day in range(50):
        site.ahead = (200 - day) * DAY
        assert site.step() == [(200 - day) * DAY]
        site.end()
        site.ahead = 0
        site.step()
    assert len(site.scheduled._done._runs) <= 8
    assert site.run_to(DAY) == [DAY]


def test_a_clock_set_back_while_the_job_runs_moves_its_next_start():
    site = Site(HOUR)
    site.go_to(HOUR)
    site.ahead = -30 * MINUTE
    assert site.step() == []
    site.end()
    assert site.schedule.next_due() == 2.5 * HOUR


def test_interval_jobs_do_not_mind_the_wall_clock():
    schedule = Schedule([a_job(interval=60)], 0.0, lambda: 0.0)
    schedule.set_clock(0.0, YEAR)
    assert schedule.next_due() == 0.0
    (job,) = schedule.start_due(0.0)
    assert job.due_at == YEAR
    schedule.ended(job, 1.0, rerun=False)
    schedule.set_clock(30.0, 0.0)
    assert schedule.next_due() == 60.0


def test_a_schedule_without_further_times_is_told_once_and_waits_without_end():
    site = Site(Once(HOUR))
    assert site.run_to(3 * HOUR) == [HOUR]
    (notice,) = site.schedule.take_notices()
    assert isinstance(notice, NoNextStart)
    assert notice.name == NAME
    assert "there is no other time" in str(notice.error)
    assert site.schedule.next_due() == float("inf")
    assert site.schedule.due_after(0.0) == []


def test_all_kinds_of_jobs_start_in_the_order_in_which_they_are_due():
    jobs = [a_job(interval=0, schedule=Every(HOUR)), a_job(interval=90 * MINUTE)]
    schedule = Schedule(jobs, 1.0, lambda: 0.0, offset=NIGHT.timestamp())
    clock_job, interval_job = jobs
    schedule.set_clock(1.0, NIGHT.timestamp() + 1)
    assert [each.job for each in schedule.start_due(1.0)] == [interval_job]
    schedule.set_clock(2 * HOUR, NIGHT.timestamp() + 2 * HOUR)
    assert [each.job for each in schedule.start_due(2 * HOUR)] == [clock_job]


# After a restart.


def test_a_time_that_passed_since_the_last_start_is_made_up_for_once():
    site = Site(DAY, now=2.5 * DAY, last=a_last_start(0.1))
    assert site.go_to(site.now) == [2 * DAY]
    site.end()
    assert site.run_to(3 * DAY) == [3 * DAY]


def test_without_a_time_since_the_last_start_the_next_one_is_waited_for():
    site = Site(DAY, now=2.5 * DAY, last=a_last_start(2 * DAY + 1))
    assert site.go_to(2.6 * DAY) == []
    assert site.schedule.next_due() == 3 * DAY


def test_what_is_made_up_for_still_has_its_variance_if_that_is_not_over():
    last = a_last_start(1)
    site = Site(DAY, now=DAY + 100.0, variance=600, last=last)
    assert site.schedule.next_due() == DAY + 300
    assert site.go_to(DAY + 300) == [DAY]


def test_a_start_by_a_clock_that_is_slow_counts_by_the_time_that_it_was_due():
    site = Site(DAY, now=DAY + 60.0, last=a_last_start(DAY - 0.2, due_at=DAY))
    assert site.schedule.next_due() == 2 * DAY


def test_a_clock_job_that_was_interrupted_is_due_at_once_for_the_same_time():
    last = a_last_start(DAY + 1, due_at=DAY, is_unfinished=True)
    site = Site(DAY, now=DAY + 60.0, variance=600, last=last)
    assert site.go_to(site.now) == [DAY]
    site.end()
    assert site.schedule.next_due() == 2 * DAY + 300


def test_a_clock_job_that_was_interrupted_before_its_next_time_makes_up_for_that():
    last = a_last_start(DAY + 1, due_at=DAY, is_unfinished=True)
    site = Site(DAY, now=2 * DAY + 60.0, last=last)
    assert site.go_to(site.now) == [2 * DAY]


def test_a_last_start_in_the_future_counts_as_now():
    site = Site(DAY, now=HOUR, last=a_last_start(40 * DAY))
    assert site.run_to(DAY) == [DAY]


def test_a_time_of_years_ago_is_found_in_few_steps():
    asked = []

    class Counted(Every):
        def following(self, after):
            asked.append(after)
            return super().following(after)

    site = Site(Counted(MINUTE), now=10 * YEAR + 30.0, last=a_last_start(0))
    assert site.go_to(site.now) == [10 * YEAR]
    assert len(asked) < 100


def an_interval_job(now, interval, last, variance=0, chance=0.5):
    schedule = Schedule([], now, lambda: chance, offset=NIGHT.timestamp())
    return schedule, schedule.add(a_job(interval=interval, variance=variance), now, last)


@pytest.mark.parametrize(
    ("now", "last", "due"),
    [
        (5 * HOUR, a_last_start(4 * HOUR), 28 * HOUR + 300),  # in the middle of a period
        (28 * HOUR, a_last_start(4 * HOUR), 28 * HOUR + 300),  # its variance has begun
        (80 * HOUR, a_last_start(4 * HOUR), 80 * HOUR),  # after several
        (5 * HOUR, a_last_start(9 * DAY), 29 * HOUR + 300),  # in the future: as now
        (5 * HOUR, a_last_start(4 * HOUR, is_unfinished=True), 5 * HOUR),
    ],
)
def test_an_interval_counts_from_the_last_start_on_record(now, last, due):
    schedule, _ = an_interval_job(float(now), DAY, last, variance=600)
    assert schedule.next_due() == due


def test_an_interval_that_was_missed_is_due_when_it_would_have_been():
    schedule, job = an_interval_job(80.0 * HOUR, DAY, a_last_start(4 * HOUR))
    assert schedule.start_due(80.0 * HOUR) == [job]
    assert job.due_at == NIGHT.timestamp() + 28 * HOUR
    schedule.ended(job, 81.0 * HOUR, rerun=False)
    assert schedule.next_due() == 104 * HOUR


def test_an_interval_job_is_due_without_its_variance():
    schedule = Schedule([a_job(interval=60, variance=20)], 0.0, lambda: 0.5, offset=1000.0)
    (job,) = schedule.start_due(10.0)
    assert job.due_at == 1000
    schedule.ended(job, 11.0, rerun=False)
    schedule.start_due(80.0)
    assert job.due_at == 1070
    schedule.ended(job, 85.0, rerun=True)
    schedule.start_due(85.0)
    assert job.due_at == 1085
