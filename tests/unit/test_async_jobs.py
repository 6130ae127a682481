"""Jobs that are ``async def``."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import os
import threading
import time

import django
import pytest
from django.db import connection, connections, transaction

from quick_jobs import RunInterrupted, register_job
from quick_jobs.models import Job, JobExecution
from quick_jobs.runner import job_call
from quick_jobs.runner.execution import execute
from quick_jobs.testing import FakeEnv, run_job
from tests.site import wait_until
from tests.unit.test_execution import LIMIT, Between, an_execution, run_in_a_worker, session

if django.VERSION < (3, 0):
    pytest.skip("this Django has nothing async", allow_module_level=True)

import asgiref.sync

from tests.unit.test_async_threads import (
    kill_all,
    nothing_of_asgiref_itself_is_left,  # noqa: F401
)

sync_to_async = functools.partial(asgiref.sync.sync_to_async, thread_sensitive=True)


def run(func):
    """Run one job in a worker's thread, and return its execution."""
    (execution,) = run_in_a_worker(func)
    return execution


def raises(exc):
    async def job(env):
        await asyncio.sleep(0)
        raise exc

    return job


# How executions end.


def test_an_async_job_runs_to_its_end():
    done = []

    async def job(env):
        await asyncio.sleep(0.001)
        done.append(env)

    execution = run(job)
    assert execution.traceback == ""
    assert execution.outcome == JobExecution.SUCCEEDED
    assert done == [execution.env]


@pytest.mark.parametrize(
    "exc",
    [ValueError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError()],
    ids=repr,
)
def test_whatever_it_raises_it_has_failed_with_its_own_frames_only(exc):
    execution = run(raises(exc))
    assert execution.outcome == JobExecution.FAILED
    assert execution.error.startswith(type(exc).__name__)
    first, *_ = execution.traceback.splitlines()[1:]
    assert first.startswith(f'  File "{__file__}", line ')
    assert first.endswith(", in job")
    assert execution.traceback.count("  File ") == 1


def test_a_task_that_is_cancelled_has_failed():
    async def job(env):
        for task in asyncio.all_tasks():
            task.cancel()
        await asyncio.sleep(60)

    execution = run(job)
    assert execution.outcome == JobExecution.FAILED
    assert "CancelledError" in execution.error


def test_the_interruption_is_one():
    assert run(raises(RunInterrupted())).outcome == JobExecution.INTERRUPTED


def test_a_coroutine_that_it_forgets_to_await_is_a_failure():
    async def job(env):
        return job(env)

    execution = run(job)
    assert execution.error.startswith("TypeError: the job returned a coroutine, whose code is not")


def test_tasks_that_it_leaves_are_cancelled():
    ends = []

    async def endless():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async def job(env):
        task = asyncio.ensure_future(endless())
        await asyncio.sleep(0)
        ends.append(task.done())

    assert run(job).outcome == JobExecution.SUCCEEDED
    assert ends == [False, "cancelled"]


def test_no_thread_and_no_event_loop_is_left():
    loops = []

    async def job(env):
        loops.append(asyncio.get_running_loop())

    def none_is_left():
        gc.collect()  # to which an older asgiref leaves the end of its threads
        return before.issuperset(threading.enumerate())

    before = set(threading.enumerate())  # some of which may be about to end
    run_in_a_worker(job, job)
    assert [loop.is_closed() for loop in loops] == [True, True]
    wait_until(none_is_left)


def test_without_a_thread_for_it_it_fails_and_no_coroutine_is_left(monkeypatch):
    def refuse(func):
        raise RuntimeError("can't start new thread")

    async def job(env): ...

    monkeypatch.setattr(job_call, "run_async", refuse)
    execution = run(job)
    assert execution.error == "RuntimeError: can't start new thread"
    gc.collect()  # what is not closed would warn that it was never awaited


# What is an async job.


def passes_on(func):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        return func(*args, **kwargs)

    return wrapper


def awaits(func):
    @functools.wraps(func)
    async def wrapper(env):
        return await func(env)

    return wrapper


def runs(func):
    @functools.wraps(func)
    def wrapper(env):
        return asgiref.sync.async_to_sync(func)(env)

    return wrapper


class Awaited:
    """Something to await that is no coroutine."""

    def __init__(self, awaited):
        self._awaited = awaited

    def __await__(self):
        return self._awaited.__await__()


def wraps_the_result(func):
    @functools.wraps(func)
    def wrapper(env):
        return Awaited(func(env))

    return wrapper


def as_partial(func):
    return functools.update_wrapper(functools.partial(func), func)


def as_object(func):
    class Callable:
        async def __call__(self, env):
            await func(env)

    return functools.update_wrapper(Callable(), func)


def as_method(func):
    class HasMethod:
        async def job(self, env):
            await func(env)

    return HasMethod().job


@pytest.mark.parametrize(
    "decorator",
    [passes_on, awaits, runs, wraps_the_result, as_partial, as_object, as_method],
    ids=lambda each: each.__name__,
)
def test_what_is_made_around_an_async_function_is_an_async_job(decorator):
    done = []

    async def job(env):
        await asyncio.sleep(0)
        done.append(env)

    registered = register_job(60)(decorator(job))
    assert registered.is_async
    assert registered.problem() is None
    run = run_job(registered)
    assert (run.outcome, done) == (JobExecution.SUCCEEDED, [run.env])


def test_a_plain_job_is_none():
    assert not register_job(60)(lambda env: None).is_async


def test_called_by_hand_it_is_the_coroutine_function_that_it_is():
    @register_job(60)
    async def job(env):
        await env.asleep(5)
        return "done"

    env = FakeEnv()
    assert asyncio.run(job(env)) == "done"
    assert env.sleeps == [5.0]


# The database.


def test_the_orm_runs_in_the_threads_of_the_job(transactional_db):
    threads = []

    def look():
        threads.append(threading.get_ident())
        return Job.objects.count()

    async def job(env):
        threads.append(threading.get_ident())
        await sync_to_async(look)()

    def remember(env):
        threads.append(threading.get_ident())

    run_in_a_worker(remember, job)
    worker, loop, orm = threads
    assert worker == orm != loop


class Sessions:
    """The sessions that an async job has used."""

    def __init__(self):
        self.used = []

    def ask(self):
        self.used.append(session())

    async def job(self, env):
        ask = sync_to_async(self.ask)
        await ask()
        await asyncio.gather(ask(), ask())
        await asyncio.ensure_future(ask())


@pytest.fixture
def server(transactional_db):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server")


def count_sessions(sessions):
    """Return how many of these sessions the server still has."""
    ids = ", ".join(str(each) for each in sessions)
    table, column = (
        ("pg_stat_activity", "pid")
        if connection.vendor == "postgresql"
        else ("information_schema.processlist", "id")
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {table} WHERE {column} IN ({ids})")
        return cursor.fetchone()[0]


def test_many_executions_leave_one_connection_for_each_worker(server, monkeypatch):
    """They are 1,000, of four workers, and each asks the database alone and several at once."""
    monkeypatch.setitem(connections.databases["default"], "CONN_MAX_AGE", None)
    sessions = [Sessions() for _ in range(4)]
    all_done = threading.Barrier(5)
    may_go = threading.Event()
    errors = []

    def work(own):
        executions = run_in_a_worker(
            *[own.job] * 250, Between(all_done.wait), Between(lambda: may_go.wait(60))
        )
        errors.extend(each.traceback for each in executions if each.traceback)

    threads = [threading.Thread(target=work, args=[each]) for each in sessions]
    for thread in threads:
        thread.start()
    try:
        all_done.wait(120)
        used = {each for own in sessions for each in own.used}
        wait_until(lambda: count_sessions(used) <= 4)
        left = count_sessions(used)
    finally:
        may_go.set()
        for thread in threads:
            thread.join(60)
    assert errors == []
    assert left == 4
    assert sum(len(own.used) for own in sessions) == 4000


@pytest.mark.parametrize("age", [0, None])
def test_a_session_that_the_server_ended_is_replaced(server, monkeypatch, age):
    monkeypatch.setitem(connections.databases["default"], "CONN_MAX_AGE", age)
    sessions = Sessions()
    end = Between(lambda: kill_all(set(sessions.used)))
    executions = run_in_a_worker(sessions.job, end, sessions.job, end, sessions.job)
    assert [each.traceback for each in executions] == ["", "", ""]


def test_a_transaction_that_it_left_open_is_rolled_back(transactional_db):
    def begin():
        transaction.atomic().__enter__()
        Job.objects.create(name="of the transaction")

    async def job(env):
        await sync_to_async(begin)()

    run(job)
    assert not Job.objects.exists()


# Where it is, and what it took.


class Waiting:
    """A job in a thread of its own, which waits in ``wait`` until the end of the block."""

    def __init__(self, wait):
        self._entered = threading.Event()
        self._wait = wait
        self.execution = an_execution(self.job)
        self._thread = threading.Thread(
            target=execute, args=[self.execution, contextvars.copy_context(), LIMIT]
        )

    async def job(self, env):
        await self.below()

    async def below(self):
        asyncio.get_running_loop().call_soon(self._entered.set)
        await self._wait(self)

    def __enter__(self):
        self._thread.start()
        assert self._entered.wait(20)
        return self.execution

    def __exit__(self, *exc_info):
        self.execution.env._stopping.set()
        self._thread.join(20)


def functions(stack):
    return [line.rpartition(" in ")[2] for line in stack.splitlines() if line.startswith("  File")]


async def sleep(waiting):
    await waiting.execution.env.asleep(3600)


async def block(waiting):
    waiting._entered.set()
    waiting.execution.env._stopping.wait(60)  # as it should not


def test_the_stack_of_one_that_awaits_is_that_of_its_coroutine():
    with Waiting(sleep) as execution:
        stack = execution.stack(LIMIT)
    assert functions(stack)[:3] == ["job", "below", "sleep"]
    assert stack.startswith("Stack (most recent call last):\n")
    assert "await waiting.execution.env.asleep(3600)" in stack
    assert "asgiref" not in stack


def test_the_stack_of_one_that_computes_is_that_of_its_code():
    with Waiting(block) as execution:
        stack = execution.stack(LIMIT)
    assert functions(stack)[:4] == ["job", "below", "block", "wait"]
    assert "asgiref" not in stack


def test_the_stack_has_the_bytes_it_may_have():
    with Waiting(sleep) as execution:
        assert len(execution.stack(200).encode()) <= 200


def test_before_and_after_there_is_no_stack():
    with Waiting(sleep) as execution:
        pass
    assert execution.stack(LIMIT) == an_execution(raises(ValueError())).stack(LIMIT) == ""


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_its_cpu_time_is_that_of_both_threads_and_not_of_waiting():
    async def job(env):
        burn(0.02)
        await asyncio.sleep(0.2)
        await sync_to_async(burn)(0.03)

    execution = run(job)
    assert 0.05 <= execution.call.cpu_time < 0.15


def test_the_cpu_time_of_a_plain_job_is_that_of_its_thread():
    def job(env):
        burn(0.02)
        time.sleep(0.1)

    assert an_execution(job).call.cpu_time is None
    assert 0.02 <= run(job).call.cpu_time < 0.1


# Sleeping.


def test_it_sleeps_while_others_go_on_and_the_runner_wakes_it():
    seen = []

    async def other(execution):
        seen.append("goes on")
        execution.env._stopping.set()

    async def job(env):
        task = asyncio.ensure_future(other(execution))
        await env.asleep(0)
        await env.asleep(3600)
        await task

    execution = an_execution(job)
    execute(execution, contextvars.copy_context(), LIMIT)
    assert execution.outcome == JobExecution.INTERRUPTED
    assert seen == ["goes on"]


def test_the_runner_wakes_all_that_sleep_in_all_event_loops():
    waiting = [Waiting(sleep) for _ in range(3)]
    with contextlib.ExitStack() as stack:
        executions = [stack.enter_context(each) for each in waiting]
    assert [each.outcome for each in executions] == [JobExecution.INTERRUPTED] * 3


# The child of a job that forks.


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_child_of_one_that_forks_ends_where_the_job_does(tmp_path):
    children = []

    async def job(env):
        child = os.fork()
        if not child:
            (tmp_path / "trace").write_text("the child was here")
        else:
            children.append(child)

    assert run(job).outcome == JobExecution.SUCCEEDED
    _, status = os.waitpid(children[0], 0)
    assert (tmp_path / "trace").read_text() == "the child was here"
    assert os.WIFEXITED(status)
    assert os.WEXITSTATUS(status) == 0


# For tests.


def test_a_test_sees_what_it_has_written_and_the_job_what_the_test_has(db):
    Job.objects.create(name="of the test")

    @register_job(60)
    async def job(env):
        await sync_to_async(Job.objects.create)(name="of the job")

    run_job(job, history=True)
    assert Job.objects.filter(name__startswith="of the").count() == 2


def test_in_a_running_event_loop_a_test_is_told_what_to_write():
    @register_job(60)
    async def job(env):
        await env.asleep(1)

    async def test():
        with pytest.raises(RuntimeError, match=r"write await sync_to_async\(run_job\)\(job\)"):
            run_job(job)
        return await sync_to_async(run_job)(job)

    run = asyncio.run(test())
    assert (run.outcome, run.env.sleeps) == (JobExecution.SUCCEEDED, [1.0])
    connections.close_all()


def test_it_stops_when_the_job_looks_for_the_nth_time():
    @register_job(60)
    async def job(env):
        while True:
            await env.asleep(10)

    run = run_job(job, FakeEnv(stop_at=3))
    assert (run.outcome, run.env.sleeps) == (JobExecution.INTERRUPTED, [10.0] * 3)
