"""quick_jobs.async_threads: what an execution's async code leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import sys
import threading

import django
import pytest
from django.db import DatabaseError, connection, connections, transaction

from quick_jobs import register_job
from quick_jobs.compat import set_thread_context
from quick_jobs.models import Job, JobExecution
from quick_jobs.testing import run_job
from tests.site import wait_until
from tests.unit.test_execution import Between, kill, run_in_a_worker, session

if django.VERSION < (3, 0):
    pytest.skip("this Django has nothing async", allow_module_level=True)

import asgiref.sync
from asgiref.sync import SyncToAsync, async_to_sync

sync_to_async = functools.partial(asgiref.sync.sync_to_async, thread_sensitive=True)

has_threads_of_their_own = pytest.mark.skipif(
    set_thread_context() is None, reason="this asgiref has one thread for all"
)


@pytest.fixture(autouse=True)
def nothing_of_asgiref_itself_is_left():
    """Close what asgiref keeps for the whole process if a test has used it."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result(10)
    if sys.version_info < (3, 10):  # asgiref then makes a loop in the main thread
        with contextlib.suppress(RuntimeError):
            asyncio.get_event_loop().close()
            asyncio.set_event_loop(None)


class Seen:
    """What an async job has seen in the thread in which its queries run."""

    def __init__(self):
        self.threads = []
        self.connections = []
        self.sessions = set()

    def count(self):
        """Make a query as async code does."""
        self.threads.append(threading.current_thread())
        self.connections.append(connections["default"])
        if connection.vendor != "sqlite":
            self.sessions.add(session())
        return Job.objects.count()

    async def work(self):
        await sync_to_async(self.count)()
        await asyncio.gather(sync_to_async(self.count)(), sync_to_async(self.count)())

    def are_closed(self):
        return all(each.connection is None for each in self.connections)


def by_run(seen):
    return lambda env: asyncio.run(seen.work())


def by_async_to_sync(seen):
    return lambda env: async_to_sync(seen.work)()


def kill_all(sessions):
    """Have the server end these sessions, some of which may be over."""

    def run():
        for each in sessions:
            with contextlib.suppress(DatabaseError):  # MariaDB does not know it any more
                kill(each)
        connection.close()

    killer = threading.Thread(target=run)
    killer.start()
    killer.join(30)
    assert not killer.is_alive()


ways = pytest.mark.parametrize("way", [by_run, by_async_to_sync])


@ways
@pytest.mark.parametrize("age", [0, None])
def test_a_session_that_async_code_has_used_and_the_server_ended_is_replaced(
    transactional_db, monkeypatch, way, age
):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server")
    monkeypatch.setitem(connections.databases["default"], "CONN_MAX_AGE", age)
    seen = Seen()
    end = Between(lambda: kill_all(seen.sessions))
    executions = run_in_a_worker(*[way(seen), way(seen), end, way(seen), end, way(seen)])
    assert [each.traceback for each in executions] == [""] * 4
    assert len(seen.sessions) > 1 or (way, age) == (by_async_to_sync, None)


@has_threads_of_their_own
@ways
def test_what_async_code_has_opened_is_closed_after_the_execution(transactional_db, way):
    seen = Seen()
    (execution,) = run_in_a_worker(way(seen))
    assert execution.traceback == ""
    wait_until(seen.are_closed)
    wait_until(lambda: not any(thread.is_alive() for thread in seen.threads))


@has_threads_of_their_own
def test_jobs_with_async_code_do_not_wait_for_each_other():
    """Each has a thread of its own for what is not async."""
    together = threading.Barrier(3)

    async def work():
        await sync_to_async(together.wait)(20)

    outcomes = []

    def run():
        outcomes.extend(each.outcome for each in run_in_a_worker(lambda env: asyncio.run(work())))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert outcomes == [JobExecution.SUCCEEDED] * 3


@has_threads_of_their_own
def test_a_transaction_that_async_code_left_open_is_rolled_back_and_told_of(
    transactional_db, caplog
):
    def begin():
        transaction.atomic().__enter__()
        Job.objects.create(name="of the transaction")

    caplog.set_level(logging.WARNING, "quick_jobs")
    thread = Seen()

    async def work():
        await sync_to_async(thread.count)()
        await sync_to_async(begin)()

    run_in_a_worker(lambda env: asyncio.run(work()))
    wait_until(lambda: not thread.threads[0].is_alive())
    assert not Job.objects.exists()
    (record,) = caplog.records
    assert record.getMessage().endswith(" left a transaction open; it is rolled back")


def test_an_execution_without_async_code_has_no_other_thread():
    before = set(threading.enumerate())
    seen = []

    def job(env):
        seen.extend(set(threading.enumerate()) - before - {threading.current_thread()})

    run_in_a_worker(job, job)
    seen.extend(set(threading.enumerate()) - before)
    assert seen == []


@has_threads_of_their_own
def test_a_job_run_by_a_test_leaves_no_session_behind(transactional_db):
    """It would keep the test database from being removed."""
    seen = Seen()
    run_job(register_job(60)(by_run(seen)))
    assert len(seen.connections) == 3
    assert seen.are_closed()


def test_by_async_to_sync_a_job_sees_what_its_test_has_written(db):
    Job.objects.create(name="of the test")
    counts = []

    async def work():
        counts.append(await sync_to_async(Job.objects.count)())

    run_job(register_job(60)(lambda env: async_to_sync(work)()))
    assert counts == [1]
