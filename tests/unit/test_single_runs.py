"""Plans of runners that come to an end by themselves."""

from __future__ import annotations

import datetime as dt
import logging

import pytest

from quick_jobs.history.messages import LastStart
from quick_jobs.models import JobExecution, JobRunner
from quick_jobs.runner.schedule import Schedule
from quick_jobs.runner.single_runs import RunDue, RunNow
from quick_jobs.schedules import ScheduleError
from tests.records import a_job

NOW = 43_200.0
WALL = 1767323045.0
HOUR = 3600.0


def a_plan(new_plan, *jobs):
    schedule = Schedule([], NOW, lambda: 0.5, offset=WALL - NOW)
    return schedule, new_plan(schedule, jobs, True, 15.0, NOW)


def run_one(schedule, plan, outcome=JobExecution.SUCCEEDED, rerun=False, now=NOW):
    (scheduled,) = schedule.start_due(now)
    plan.ended(outcome, rerun)
    schedule.ended(scheduled, now + 1, rerun)
    return scheduled


def test_a_job_that_is_run_by_hand_starts_at_once_and_is_due_then():
    schedule, _ = a_plan(RunNow, a_job(interval=HOUR, variance=HOUR))
    (scheduled,) = schedule.start_due(NOW)
    assert scheduled.due_at == WALL


def test_a_clock_job_is_run_by_hand_at_any_time():
    class Never:
        def following(self, after):
            raise ScheduleError("never")

    schedule, plan = a_plan(RunNow, a_job(interval=0, schedule=Never()))
    plan.check(NOW, WALL)
    assert [scheduled.name for scheduled in schedule.start_due(NOW)] == ["shop.jobs.work"]


def test_it_is_over_when_the_job_has_ended():
    schedule, plan = a_plan(RunNow, a_job())
    assert (plan.end, plan.exit_status) == (None, 3)
    run_one(schedule, plan)
    assert plan.end.reason == JobRunner.DONE
    assert plan.exit_status == plan.end.exit_status == 0
    assert schedule.start_due(NOW + 1_000_000) == []


def test_it_starts_again_for_as_long_as_it_asks_to():
    schedule, plan = a_plan(RunNow, a_job())
    run_one(schedule, plan, rerun=True)
    assert (plan.end, plan.exit_status) == (None, 3)
    assert run_one(schedule, plan, now=NOW + 1).due_at == WALL + 1
    assert plan.end
    assert plan.exit_status == 0


@pytest.mark.parametrize(
    ("outcome", "by_hand", "on_timer"),
    [
        (JobExecution.SUCCEEDED, 0, 0),
        (JobExecution.FAILED, 1, 1),
        (JobExecution.TIMED_OUT, 1, 1),
        (JobExecution.INTERRUPTED, 3, 0),
    ],
)
def test_the_exit_status_says_how_it_ended(outcome, by_hand, on_timer):
    schedule, plan = a_plan(RunNow, a_job())
    run_one(schedule, plan, outcome)
    assert plan.end
    assert plan.exit_status == by_hand
    schedule, plan = a_plan(RunDue, a_job())
    plan.resume({}, NOW)
    plan.check(NOW, WALL)
    run_one(schedule, plan, outcome)
    assert plan.end
    assert plan.exit_status == on_timer


def test_a_failure_counts_though_the_job_succeeds_when_it_starts_again():
    schedule, plan = a_plan(RunNow, a_job())
    run_one(schedule, plan, JobExecution.FAILED, rerun=True)
    run_one(schedule, plan, now=NOW + 1)
    assert plan.exit_status == 1


def test_on_a_timer_what_is_due_starts_when_the_history_has_answered(caplog):
    caplog.set_level(logging.INFO, "quick_jobs.runner.single_runs")
    jobs = [a_job("a.due", interval=HOUR), a_job("a.new"), a_job("a.waits", interval=HOUR)]
    schedule, plan = a_plan(RunDue, *jobs)
    plan.check(NOW, WALL)
    assert schedule.start_due(NOW) == []
    last = {
        "a.due": LastStart(WALL - 2 * HOUR, None, False),
        "a.waits": LastStart(WALL - 60, None, False),
    }
    plan.resume(last, NOW + 1)
    plan.check(NOW + 1, WALL + 1)
    started = schedule.start_due(NOW + 1)
    assert [(each.name, each.due_at) for each in started] == [
        ("a.due", WALL - HOUR),
        ("a.new", WALL + 1),
    ]
    assert "due now: a.due, a.new" in caplog.text
    for each in started:
        assert plan.end is None
        plan.ended(JobExecution.SUCCEEDED, False)
        schedule.ended(each, NOW + 2, False)
    assert plan.end
    assert schedule.next_due() == float("inf")


def test_on_a_timer_it_is_over_at_once_when_nothing_is_due():
    _, plan = a_plan(RunDue, a_job(interval=HOUR))
    plan.resume({"shop.jobs.work": LastStart(WALL, None, False)}, NOW)
    plan.check(NOW, WALL)
    assert plan.end == (JobRunner.DONE, "nothing is due", 0)
    assert plan.exit_status == 0


def test_on_a_timer_a_history_that_does_not_answer_is_an_error():
    _, plan = a_plan(RunDue, a_job())
    plan.check(NOW + 59.9, WALL + 59.9)
    assert plan.end is None
    assert plan.next_check(NOW) == NOW + 60
    plan.check(NOW + 60, WALL + 60)
    assert plan.end.exit_status == 1
    assert "does not answer" in plan.end.detail


def test_on_a_timer_a_schedule_without_a_next_time_is_an_error(caplog):
    class Broken:
        def following(self, after):
            raise ScheduleError("no more")

    _, plan = a_plan(RunDue, a_job(interval=0, schedule=Broken()))
    plan.resume({"shop.jobs.work": LastStart(WALL - HOUR, None, False)}, NOW)
    plan.check(NOW, WALL)
    assert plan.end.exit_status == 0
    assert plan.exit_status == 1
    assert "shop.jobs.work will not start again" in caplog.text


def test_the_time_is_that_of_the_wall_clock_when_the_history_answers():
    """As the process may have been suspended meanwhile."""
    noon = dt.datetime.fromtimestamp(WALL, dt.timezone.utc)

    class Next:
        def following(self, after):
            time = noon + dt.timedelta(minutes=10)
            return time if after < time else time + dt.timedelta(days=1)

    schedule, plan = a_plan(RunDue, a_job(interval=0, schedule=Next()))
    plan.resume({"shop.jobs.work": LastStart(WALL - HOUR, None, False)}, NOW)
    plan.check(NOW + 1, WALL + 660)
    (scheduled,) = schedule.start_due(NOW + 1)
    assert scheduled.due_at == WALL + 600
