from __future__ import annotations

import builtins
import sys
import threading
import time
from datetime import timedelta

import pytest

from quick_jobs import RunEnv, RunInterrupted
from quick_jobs.environment import is_interruption
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
