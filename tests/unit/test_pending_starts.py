import math
import threading

from quick_jobs.environment import RunEnv
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.pending_starts import PendingStarts
from quick_jobs.runner.scheduled_job import ScheduledJob
from tests.records import a_job


def an_execution(number):
    scheduled = ScheduledJob(a_job(), order=0, due=100.0)
    return Execution(number, scheduled, RunEnv(threading.Event(), due_at=0.0), started_at=0.0)


def waiting(*moments):
    """Return starts that may wait for a second, and the executions added at these moments."""
    starts = PendingStarts(timeout=1.0)
    executions = [an_execution(number) for number, _ in enumerate(moments, start=1)]
    for execution, moment in zip(executions, moments):
        starts.add(execution, moment)
    return starts, executions


def test_what_is_on_record_waits_no_longer():
    starts, (first, second) = waiting(100.0, 100.0)
    assert starts.recorded([first.number]) == [first]
    assert starts.take_all() == [second]


def test_what_does_not_wait_is_nobodys_business():
    starts, (first,) = waiting(100.0)
    assert starts.recorded([7]) == []
    assert starts.take_all() == [first]


def test_the_one_that_has_waited_longest_is_looked_at_next():
    starts, (first, _) = waiting(100.0, 100.5)
    assert starts.next_check() == 101.0
    starts.recorded([first.number])
    assert starts.next_check() == 101.5
    starts.take_all()
    assert starts.next_check() is None


def test_nobody_is_overdue_before_the_timeout():
    starts, _ = waiting(100.0)
    assert starts.overdue(100.9) == []
    assert starts.are_awaited


def test_after_one_that_has_waited_for_too_long_nobody_waits():
    starts, executions = waiting(100.0, 100.5)
    assert starts.overdue(101.0) == executions
    assert not starts.are_awaited


def test_only_so_many_may_wait_at_once():
    starts, (first, _) = waiting(100.0, 100.0)
    room = starts.room
    starts.add(an_execution(3), 100.0)
    assert starts.room == room - 1
    starts.recorded([first.number])
    assert starts.room == room


def test_while_nobody_waits_there_is_room_for_all():
    starts, _ = waiting(100.0)
    starts.history_is_away()
    assert starts.room == math.inf


def test_while_the_history_is_away_nobody_waits():
    starts, executions = waiting(100.0)
    starts.history_is_away()
    assert not starts.are_awaited
    assert starts.overdue(100.1) == executions


def test_a_history_that_answers_again_is_waited_for_again():
    starts, _ = waiting()
    starts.history_is_away()
    starts.recorded([])
    assert starts.are_awaited


def test_with_a_timeout_of_zero_nobody_ever_waits():
    starts = PendingStarts(timeout=0.0)
    assert not starts.are_awaited
    starts.recorded([1])
    assert not starts.are_awaited
