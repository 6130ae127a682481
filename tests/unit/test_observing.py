"""Looks at running executions: what is new since the last one."""

from __future__ import annotations

import itertools
import threading

import pytest

from quick_jobs.environment import RunEnv
from quick_jobs.models import JobExecution
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.observing import Observing
from quick_jobs.runner.running import RunningExecutions
from quick_jobs.runner.scheduled_job import ScheduledJob
from quick_jobs.stop_flag import StopFlag
from tests.records import a_job
from tests.site import wait_until

numbers = itertools.count(1)


@pytest.fixture
def running():
    return RunningExecutions()


@pytest.fixture
def observing(running):
    return Observing(running)


def hand_out(running, entered=0.0):
    scheduled = ScheduledJob(a_job(timeout=60), 0, 0.0)
    env = RunEnv(StopFlag(), due_at=0.0)
    execution = Execution(next(numbers), scheduled, env, started_at=0.0)
    execution.entered = entered
    running.add(execution, 0.0)
    return execution


class FakeCapture:
    version = 0

    def text(self):
        return f"line {self.version}\n"


def test_when_nothing_runs_there_is_nothing_to_see(observing):
    assert observing.look() == []


def test_a_look_has_what_is_new_since_the_last_one(running, observing):
    execution = hand_out(running)
    execution.capture = FakeCapture()
    assert observing.look() == []
    assert not execution.was_observed
    execution.env.note("half")
    execution.env.progress(1, 2)
    (look,) = observing.look()
    assert look == (execution.number, "half", (1, 2), None, None)
    assert execution.was_observed
    assert observing.look() == []
    execution.capture.version = 7
    (look,) = observing.look()
    assert (look.note, look.reached, look.log()) == (None, None, "line 7\n")


def test_a_stack_is_seen_when_it_has_moved_and_not_while_it_stands(running, observing):
    execution = hand_out(running)
    here, there = threading.Lock(), threading.Lock()
    here.acquire()
    there.acquire()

    def stands_here():
        here.acquire()

    def stands_there():
        there.acquire()

    def work():
        execution.thread_id = threading.get_ident()
        stands_here()
        stands_there()

    def function_seen():
        for look in observing.look():
            seen.append(look.stack[-1][-1])
        return seen[-1:]

    seen = []
    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: function_seen() == ["stands_here"])
    assert observing.look() == []
    here.release()
    wait_until(lambda: function_seen() == ["stands_there"])
    there.release()
    thread.join()


def test_only_those_that_run_are_looked_at(running, observing):
    waiting, ended, overdue, working = (hand_out(running) for _ in range(4))
    for execution in (waiting, ended, overdue, working):
        execution.env.note("x")
    waiting.entered = None
    ended.end(JobExecution.SUCCEEDED, 1.0)
    overdue.entered, working.entered = 0.0, 30.0
    assert running.give_up_on_overdue(60.0) == [overdue]
    assert [look.number for look in observing.look()] == [working.number]


def test_the_longest_running_come_first_and_the_others_next_time(running, observing):
    executions = [hand_out(running) for _ in range(150)]
    for execution in executions:
        execution.env.note("x")
    seen = [[look.number for look in observing.look()] for _ in range(3)]
    expected = [execution.number for execution in executions]
    assert seen == [expected[:100], expected[100:], []]


def test_what_was_seen_of_those_that_ended_is_forgotten(running, observing):
    execution = hand_out(running)
    execution.env.note("x")
    observing.look()
    running.end(execution)
    observing.look()
    assert not observing._seen
