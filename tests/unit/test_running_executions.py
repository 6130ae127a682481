from __future__ import annotations

import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quick_jobs.environment import RunEnv
from quick_jobs.models import JobExecution
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.running import RunningExecutions
from quick_jobs.runner.scheduled_job import ScheduledJob
from tests.records import a_job

NOON = 43_200.0
numbers = itertools.count(1)


def an_execution(timeout):
    scheduled = ScheduledJob(a_job(timeout=timeout), 0, NOON)
    return Execution(
        next(numbers), scheduled, RunEnv(threading.Event(), due_at=0.0), started_at=0.0
    )


class Watched(RunningExecutions):
    """Running executions, which this hands out."""

    def hand_out(self, timeout, now, entered=None):
        execution = an_execution(timeout)
        execution.entered = entered
        self.add(execution, now)
        return execution


def test_with_nothing_to_watch_there_is_no_check():
    watched = Watched()
    assert watched.next_check() is None
    assert watched.give_up_on_overdue(NOON) == []


def test_a_job_without_timeout_is_never_overdue():
    watched = Watched()
    watched.hand_out(None, NOON, entered=NOON)
    assert watched.next_check() is None
    assert watched.give_up_on_overdue(NOON + 1_000_000) == []


def test_an_execution_that_has_ended_is_not_overdue_before_the_loop_hears_of_its_end():
    watched = Watched()
    execution = watched.hand_out(30, NOON, entered=NOON)
    execution.end(JobExecution.SUCCEEDED, 29.0)
    assert watched.give_up_on_overdue(NOON + 1000) == []


def test_an_execution_is_overdue_when_its_timeout_has_passed_and_not_before():
    watched = Watched()
    execution = watched.hand_out(30, NOON, entered=NOON)
    assert watched.next_check() == NOON + 30
    assert watched.give_up_on_overdue(NOON + 29.999) == []
    assert watched.give_up_on_overdue(NOON + 30) == [execution]


def test_it_is_told_once():
    watched = Watched()
    watched.hand_out(30, NOON, entered=NOON)
    watched.give_up_on_overdue(NOON + 30)
    assert watched.give_up_on_overdue(NOON + 1000) == []
    assert watched.next_check() is None


def test_the_timeout_counts_from_the_functions_first_line():
    watched = Watched()
    execution = watched.hand_out(30, NOON, entered=NOON + 7)
    assert watched.give_up_on_overdue(NOON + 30) == []
    assert watched.next_check() == NOON + 37
    assert watched.give_up_on_overdue(NOON + 37) == [execution]


def test_a_job_that_waits_for_a_thread_does_not_run_over_its_timeout():
    watched = Watched()
    execution = watched.hand_out(30, NOON)
    assert watched.give_up_on_overdue(NOON + 500) == []
    assert watched.next_check() == NOON + 530
    execution.entered = NOON + 510
    assert watched.give_up_on_overdue(NOON + 530) == []
    assert watched.give_up_on_overdue(NOON + 540) == [execution]


def test_one_that_has_ended_is_not_overdue():
    watched = Watched()
    ended = watched.hand_out(30, NOON, entered=NOON)
    late = watched.hand_out(30, NOON, entered=NOON)
    watched.end(ended)
    assert watched.give_up_on_overdue(NOON + 31) == [late]


def test_one_that_has_ended_asks_for_no_check():
    watched = Watched()
    ended = watched.hand_out(30, NOON, entered=NOON)
    watched.hand_out(40, NOON, entered=NOON)
    watched.end(ended)
    assert watched.next_check() == NOON + 40


def test_several_are_told_in_the_order_of_their_deadlines():
    watched = Watched()
    last, first, second = (watched.hand_out(each, NOON, entered=NOON) for each in (30, 10, 20))
    assert watched.give_up_on_overdue(NOON + 10) == [first]
    assert watched.give_up_on_overdue(NOON + 30) == [second, last]


@given(
    executions=st.lists(
        st.tuples(st.integers(1, 20), st.integers(0, 20), st.booleans()), max_size=20
    )
)
def test_exactly_those_which_run_past_their_timeout_are_told(executions):
    """Whichever order they come in, however late they begin, and whichever have ended."""
    watched = Watched()
    expected = set()
    for timeout, delay, has_ended in executions:
        execution = watched.hand_out(timeout, NOON, entered=NOON + delay)
        if has_ended:
            watched.end(execution)
        elif delay + timeout <= 20:
            expected.add(execution)
    told = []
    for now in (NOON + 5, NOON + 12, NOON + 20):
        told += watched.give_up_on_overdue(now)
    assert len(told) == len(expected)
    assert set(told) == expected


@pytest.mark.sweeps
def test_short_jobs_with_long_timeouts_do_not_fill_the_memory():
    watched = Watched()
    staying = watched.hand_out(3600, NOON, entered=NOON)
    for moment in range(20_000):
        watched.end(watched.hand_out(3600, NOON + moment, entered=NOON + moment))
    assert len(watched._deadlines) <= 2000
    assert watched.give_up_on_overdue(NOON + 3600) == [staying]


def test_one_that_has_ended_is_taken_out_once():
    watched = Watched()
    execution = watched.hand_out(None, NOON)
    assert len(watched) == 1
    assert watched.end(execution)
    assert not watched.end(execution)
    assert not watched


def test_an_execution_over_its_timeout_keeps_its_thread_but_is_not_waited_for():
    watched = Watched()
    execution = watched.hand_out(30, NOON, entered=NOON)
    watched.give_up_on_overdue(NOON + 30)
    assert len(watched) == 1
    assert not watched.end(execution)
    assert not watched


def test_all_can_be_given_up_on_those_over_their_timeout_apart():
    watched = Watched()
    late = watched.hand_out(30, NOON, entered=NOON)
    running = watched.hand_out(3600, NOON, entered=NOON)
    watched.give_up_on_overdue(NOON + 30)
    assert watched.give_up_on_all() == ([running], [late])
    assert not watched
    assert watched.next_check() is None
