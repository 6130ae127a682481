from __future__ import annotations

import builtins
import sys
import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest

from quick_jobs import RunEnv, RunInterrupted
from quick_jobs.environment import is_interruption
from quick_jobs.models import Job
from quick_jobs.stop_flag import StopFlag
from tests.site import wait_until


@pytest.fixture
def stopping():
    return StopFlag()


@pytest.fixture
def env(stopping):
    return RunEnv(stopping, due_at=0.0)


def test_it_is_stopping_when_the_runner_is(env, stopping):
    assert env.is_stopping is False
    stopping.set()
    assert env.is_stopping is True


def test_it_raises_if_the_runner_is_stopping_and_only_then(env, stopping):
    env.raise_if_stopping()
    stopping.set()
    with pytest.raises(RunInterrupted, match="^the runner is stopping$"):
        env.raise_if_stopping()


def test_an_interruption_is_caught_as_an_exception():
    assert issubclass(RunInterrupted, Exception)


@pytest.mark.parametrize("duration", [0.05, timedelta(milliseconds=50)], ids=repr)
def test_it_sleeps_for_as_long_as_it_is_told(env, duration):
    before = time.monotonic()
    env.sleep(duration)
    assert time.monotonic() - before >= 0.049  # the clock's grain


def test_it_need_not_sleep_at_all(env):
    env.sleep(0)


@pytest.mark.parametrize("duration", [0, 3600], ids=repr)
def test_it_does_not_sleep_while_the_runner_is_stopping(env, stopping, duration):
    stopping.set()
    with pytest.raises(RunInterrupted, match="^the runner is stopping$"):
        env.sleep(duration)


@pytest.mark.parametrize("duration", [3600, timedelta(days=365_000)], ids=repr)
def test_the_runner_wakes_it_from_its_sleep(env, stopping, duration):
    """Also from one that is longer than what a thread can wait for at once."""
    raised = []

    def job():
        try:
            env.sleep(duration)
        except RunInterrupted as exc:
            raised.append(exc)

    thread = threading.Thread(target=job, daemon=True)
    thread.start()
    wait_until(lambda: stopping._cond._waiters)
    assert thread.is_alive()
    stopping.set()
    thread.join(20)
    assert len(raised) == 1


@pytest.mark.parametrize(
    ("value", "error"), [(-1, ValueError), (float("nan"), ValueError), ("60", TypeError)], ids=repr
)
def test_a_wrong_time_to_sleep_is_an_error_that_says_so(env, value, error):
    with pytest.raises(error, match="^time must be "):
        env.sleep(value)


@pytest.mark.parametrize("request_name", ["rerun", "stop", "fatal_errors"])
def test_a_request_is_kept_until_the_execution_has_ended(env, request_name):
    requests = ["rerun_requested", "stop_requested", "fatal_errors_requested"]
    assert [getattr(env, each) for each in requests] == [False, False, False]
    getattr(env, f"request_{request_name}")()
    assert [each for each in requests if getattr(env, each)] == [f"{request_name}_requested"]


# What a job says.


def test_the_last_note_stays_on_one_line(env):
    assert env.noted == ""
    env.note("half")
    env.note(" 14 sent,\n\t2 refused ")
    assert env.noted == "14 sent, 2 refused"
    env.note(7)
    assert env.noted == "7"


def test_a_note_takes_little_memory_however_long_it_is(env):
    env.note("x" * 1_000_000)
    assert len(env.noted) < 5000


def test_what_the_str_of_a_note_raises_is_raised(env):
    class Hostile:
        def __str__(self):
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        env.note(Hostile())
    assert env.noted == ""


@pytest.mark.parametrize(
    ("arguments", "reached"),
    [
        ((3,), (3, None)),
        ((3, 4), (3, 4)),
        ((0, 0), (0, 0)),
        ((0.5, Decimal("1.5")), (0.5, 1.5)),
        ((10**30, 10**400), (10**30, 10**400)),
    ],
    ids=repr,
)
def test_progress_is_how_much_is_done_and_of_how_much(env, arguments, reached):
    env.progress(*arguments)
    assert env.reached == reached


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (-1, ValueError),
        (-0.5, ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        (-(10**5000), ValueError),
        (True, TypeError),
        ("1", TypeError),
        (b"1", TypeError),
        (timedelta(1), TypeError),
    ],
    ids=lambda value: type(value).__name__,  # a number may be too long to be shown
)
def test_what_is_no_progress_is_an_error_that_names_the_argument(env, value, error):
    with pytest.raises(error, match="^done must be a number, 0 or more, not "):
        env.progress(value)
    with pytest.raises(error, match="^total must be a number, 0 or more, not "):
        env.progress(1, value)
    assert env.reached is None


def test_track_reports_progress_after_each_item(env):
    reached = []
    for _ in env.track("abc"):
        reached.append(env.reached)
    assert [*reached, env.reached] == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_track_takes_a_total_for_what_has_no_length(env):
    assert list(env.track(iter("ab"))) == ["a", "b"]
    assert env.reached == (2, None)
    assert list(env.track(iter("ab"), total=2)) == ["a", "b"]
    assert env.reached == (2, 2)


def test_track_refuses_at_once_what_is_no_iterable_or_no_total(env):
    with pytest.raises(TypeError, match="not iterable"):
        env.track(7)
    with pytest.raises(ValueError, match="^total must be "):
        env.track([], total=-1)


def test_track_is_interrupted_between_items_and_before_the_next_one_is_taken(env, stopping):
    waiting = iter("abc")
    tracked = env.track(waiting)
    assert next(tracked) == "a"
    stopping.set()
    with pytest.raises(RunInterrupted):
        next(tracked)
    assert (env.reached, next(waiting)) == ((1, None), "b")


def test_track_is_not_interrupted_after_the_last_item(env, stopping):
    for item in env.track("ab"):
        if item == "b":
            stopping.set()
    assert env.reached == (2, 2)


@pytest.mark.django_db
def test_track_takes_the_rows_of_a_queryset_with_one_query(env, django_assert_num_queries):
    Job.objects.bulk_create([Job(name="shop.jobs.a"), Job(name="shop.jobs.b")])
    with django_assert_num_queries(1):
        assert len(list(env.track(Job.objects.all()))) == 2
    assert env.reached == (2, 2)


def test_requests_of_one_execution_are_not_those_of_another(env, stopping):
    env.request_stop()
    assert RunEnv(stopping, due_at=0.0).stop_requested is False


class BaseExceptionGroup(Exception):  # as Python has it from 3.11 on
    def __init__(self, message, exceptions):
        super().__init__(message)
        self.exceptions = tuple(exceptions)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RunInterrupted(), True),
        (ValueError(), False),
        (BaseExceptionGroup("", [RunInterrupted(), RunInterrupted()]), True),
        (BaseExceptionGroup("", [BaseExceptionGroup("", [RunInterrupted()])]), True),
        (BaseExceptionGroup("", [RunInterrupted(), ValueError()]), False),
        (BaseExceptionGroup("", [BaseExceptionGroup("", [ValueError()]), RunInterrupted()]), False),
    ],
)
def test_a_group_of_nothing_but_interruptions_is_an_interruption(error, expected):
    assert is_interruption(error) is expected


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has groups from 3.11 on")
def test_pythons_own_groups_are_known():
    group = builtins.ExceptionGroup("of a task group", [RunInterrupted()])
    assert is_interruption(group)
    assert not is_interruption(builtins.ExceptionGroup("", [RunInterrupted(), LookupError()]))


def test_an_attribute_of_that_name_makes_no_group():
    error = ValueError()
    error.exceptions = (RunInterrupted(),)
    assert not is_interruption(error)
