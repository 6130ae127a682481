"""The signals that tell of executions; a job is run as a worker does it."""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from quick_jobs import RunInterrupted
from quick_jobs.environment import RunEnv
from quick_jobs.models import Job, JobExecution
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner import execution
from quick_jobs.runner.execution import Execution, execute
from quick_jobs.runner.scheduled_job import ScheduledJob
from quick_jobs.signals import execution_finished, execution_started

BOTH = (execution_started, execution_finished)


@pytest.fixture
def connect():
    """Connect receivers for the time of the test."""
    connected = []

    def connect(signal, receiver, sender=None):
        signal.connect(receiver, sender=sender)
        connected.append((signal, receiver, sender))

    yield connect
    for signal, receiver, sender in connected:
        assert signal.disconnect(receiver, sender=sender)


@pytest.fixture
def told(connect):
    """The signals that were sent, each with its sender and the rest."""
    told = []

    def receive(signal, sender, **facts):
        told.append((signal, sender, facts))

    for signal in BOTH:
        connect(signal, receive)
    return told


def a_job(func, **schedule):
    return RegisteredJob(func, **{"interval": timedelta(hours=1), **schedule})


def run(job, clock=time.monotonic):
    """Run a job in this thread, and return its execution."""
    execution = Execution(
        1, ScheduledJob(job, 0, 0.0), RunEnv(threading.Event(), due_at=0.0), started_at=0.0
    )
    execute(execution, contextvars.copy_context(), 64 * 1024, clock)
    return execution


def succeeds(env): ...


def raises(exc):
    def job(env):
        raise exc

    return job


# What is told.


def test_a_start_is_told_before_the_function_is_entered(told):
    told_before = []
    job = a_job(lambda env: told_before.extend(told))
    run(job)
    assert told_before == [(execution_started, job, {"job_name": job.name})]


def test_a_success_is_told_with_its_duration(told):
    job = a_job(succeeds)
    duration = timedelta(seconds=run(job).duration)
    facts = {
        "job_name": "tests.unit.test_signals.succeeds",
        "outcome": "succeeded",
        "duration": duration,
        "exception": None,
    }
    assert told[1:] == [(execution_finished, job, facts)]


@pytest.mark.parametrize("exc", [ValueError("too large"), SystemExit(3)], ids=repr)
def test_a_failure_is_told_with_its_exception_and_where_it_was_raised(told, exc):
    run(a_job(raises(exc)))
    facts = told[1][2]
    assert (facts["outcome"], facts["exception"]) == ("failed", exc)
    assert exc.__traceback__.tb_frame.f_code.co_name == "job"


def test_an_interruption_is_told_and_is_no_exception(told):
    run(a_job(raises(RunInterrupted())))
    facts = told[1][2]
    assert (facts["outcome"], facts["exception"]) == ("interrupted", None)


@pytest.mark.parametrize("exc", [None, ValueError("too large")], ids=repr)
def test_a_job_that_ended_after_its_timeout_is_told_as_timed_out(told, exc):
    now = [100.0]

    def job(env):
        now[0] += 2
        if exc:
            raise exc

    run(a_job(job, timeout=timedelta(seconds=1)), clock=lambda: now[0])
    facts = told[1][2]
    assert (facts["outcome"], facts["exception"]) == ("timed_out", exc)


def test_a_receiver_can_be_connected_for_one_job_alone(connect):
    mine, other = a_job(succeeds), a_job(succeeds)
    senders = []

    def receive(sender, **facts):
        senders.append(sender)

    connect(execution_finished, receive, sender=mine)
    run(other)
    run(mine)
    assert senders == [mine]


def test_receivers_are_called_in_the_thread_and_the_context_of_the_job(connect):
    variable = contextvars.ContextVar("variable", default="default")
    seen = []

    def see_and_set(value):
        def receive_or_run(*args, **facts):
            seen.append((threading.get_ident(), variable.get()))
            variable.set(value)

        return receive_or_run

    starts, ends = see_and_set("by the start"), see_and_set("by the end")
    connect(execution_started, starts)
    connect(execution_finished, ends)
    run(a_job(see_and_set("by the job")))
    run(a_job(see_and_set("by the job")))
    values = ["default", "by the start", "by the job"] * 2
    assert seen == [(threading.get_ident(), value) for value in values]


def test_the_time_of_receivers_is_not_the_jobs(connect):
    now = [100.0]

    def receive(**facts):
        now[0] += 10

    def job(env):
        now[0] += 2

    for signal in BOTH:
        connect(signal, receive)
    execution = run(a_job(job), clock=lambda: now[0])
    assert (execution.entered, execution.duration) == (110.0, 2.0)
    assert now == [122.0]


def test_a_signal_that_nobody_listens_to_is_not_sent(monkeypatch):
    monkeypatch.setattr(execution, "send", None)
    assert run(a_job(succeeds)).outcome == JobExecution.SUCCEEDED


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_child_of_a_job_that_forks_tells_nothing(connect, tmp_path):
    parent = os.getpid()

    def receive(**facts):
        (tmp_path / ("parent" if os.getpid() == parent else "child")).touch()

    def job(env):
        job.child = os.fork()

    connect(execution_finished, receive)
    try:
        run(a_job(job))
    finally:
        if os.getpid() != parent:
            os._exit(3)
    _, status = os.waitpid(job.child, 0)
    assert status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["parent"]


# What receivers do.


class OwnBaseException(BaseException): ...


@pytest.mark.parametrize("signal", BOTH, ids=["started", "finished"])
@pytest.mark.parametrize(
    "exc",
    [ValueError("a mistake"), SystemExit(3), KeyboardInterrupt(), OwnBaseException()],
    ids=repr,
)
def test_what_a_receiver_raises_is_logged_and_changes_nothing(connect, caplog, signal, exc):
    def receive(**facts):
        raise exc

    connect(signal, receive)
    assert run(a_job(succeeds)).outcome == JobExecution.SUCCEEDED
    (record,) = [each for each in caplog.records if each.name == "quick_jobs.signals"]
    assert record.levelno == logging.ERROR
    assert record.exc_info[1] is exc


def test_an_error_in_a_receiver_is_logged_with_its_name_and_the_others_are_called(connect, caplog):
    called = []

    def receive_first(**facts):
        raise ValueError("a mistake")

    def receive_second(**facts):
        called.append(True)

    connect(execution_finished, receive_first)
    connect(execution_finished, receive_second)
    run(a_job(succeeds))
    assert called == [True]
    (message,) = [each.getMessage() for each in caplog.records if each.name == "quick_jobs.signals"]
    assert "receive_first" in message


def leave_a_transaction_open(*args, **facts):
    transaction.atomic().__enter__()
    Job.objects.create(name="of a receiver")


@pytest.mark.parametrize("signal", BOTH, ids=["started", "finished"])
def test_a_transaction_that_a_receiver_left_open_is_rolled_back(
    transactional_db, connect, caplog, signal
):
    in_transaction = []

    def job(env):
        in_transaction.append(connection.in_atomic_block)
        Job.objects.create(name="of the job")

    connect(signal, leave_a_transaction_open)
    run_in_a_thread(a_job(job))
    assert in_transaction == [False]
    assert [job.name for job in Job.objects.all()] == ["of the job"]
    names = {execution_started: "execution_started", execution_finished: "execution_finished"}
    warning = f"a receiver of {names[signal]} for {__name__}.job left a transaction open"
    assert any(message.startswith(warning) for message in caplog.messages)


def test_a_transaction_that_the_job_left_open_does_not_reach_receivers(transactional_db, connect):
    def receive(**facts):
        Job.objects.create(name="of the receiver")

    connect(execution_finished, receive)
    run_in_a_thread(a_job(leave_a_transaction_open))
    assert [job.name for job in Job.objects.all()] == ["of the receiver"]


def run_in_a_thread(job):
    def work():
        try:
            run(job)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
