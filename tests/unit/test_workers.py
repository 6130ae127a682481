from __future__ import annotations

import contextlib
import threading
import time
from queue import Empty

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from quick_jobs.mailbox import Mailbox
from quick_jobs.models import Job
from quick_jobs.runner import workers
from quick_jobs.runner.workers import GROW_AFTER, Growth, WorkerPool
from tests.site import wait_until

IDLE, BUSY = 0.0, 1.0  # shares of a core

# When to add threads.


def test_work_that_waits_while_the_process_idles_gets_a_thread():
    assert Growth().threads_to_add(waiting=1, taken=0, cpu_share=IDLE) == 1


def test_no_work_gets_no_thread():
    assert Growth().threads_to_add(waiting=0, taken=0, cpu_share=IDLE) == 0


def test_there_are_never_more_new_threads_than_there_is_work():
    growth = Growth()
    for _ in range(10):
        assert growth.threads_to_add(waiting=2, taken=0, cpu_share=IDLE) <= 2


def test_as_long_as_it_does_not_help_twice_as_many_are_added():
    growth = Growth()
    added = [growth.threads_to_add(waiting=100, taken=0, cpu_share=IDLE) for _ in range(8)]
    assert added == [1, 2, 4, 8, 16, 32, 64, 100]


def test_work_that_will_soon_have_begun_gets_no_threads():
    """Each would open a database connection for it, and keep it."""
    assert Growth().threads_to_add(waiting=40, taken=10, cpu_share=IDLE) == 0
    assert Growth().threads_to_add(waiting=41, taken=10, cpu_share=IDLE) == 1


def test_what_new_threads_take_first_does_not_count_as_moving():
    growth = Growth()
    assert growth.threads_to_add(waiting=4, taken=0, cpu_share=IDLE) == 1
    assert growth.threads_to_add(waiting=3, taken=1, cpu_share=IDLE) == 2


def test_a_busy_process_gets_no_threads():
    growth = Growth()
    added = [growth.threads_to_add(waiting=100, taken=1, cpu_share=BUSY) for _ in range(1000)]
    assert set(added) == {0}


def test_a_busy_process_in_which_nothing_moves_gets_threads_after_a_while():
    """A job that computes for minutes does not hold up the others."""
    growth = Growth()
    added = [growth.threads_to_add(waiting=100, taken=0, cpu_share=BUSY) for _ in range(22)]
    assert added == [0] * 19 + [1, 2, 4]


def test_a_busy_process_in_which_something_moves_is_watched_anew():
    growth = Growth()
    for _ in range(19):
        growth.threads_to_add(waiting=100, taken=0, cpu_share=BUSY)
    assert growth.threads_to_add(waiting=100, taken=1, cpu_share=BUSY) == 0
    added = [growth.threads_to_add(waiting=100, taken=0, cpu_share=BUSY) for _ in range(20)]
    assert added == [0] * 19 + [1]


def test_after_a_busy_time_it_begins_with_one_thread_again():
    growth = Growth()
    for _ in range(5):
        growth.threads_to_add(waiting=100, taken=1, cpu_share=IDLE)
    assert growth.threads_to_add(waiting=100, taken=1, cpu_share=BUSY) == 0
    assert growth.threads_to_add(waiting=100, taken=1, cpu_share=IDLE) == 1


@given(waiting=st.integers(1, 2000), busy=st.lists(st.booleans(), max_size=100))
def test_tasks_that_wait_for_events_all_get_a_thread_in_time(waiting, busy):
    """Whatever else the process does at times."""
    growth = Growth()
    taken = added = 0
    for share in [BUSY if each else IDLE for each in busy] + [IDLE] * 12:
        added = growth.threads_to_add(waiting, taken, share)
        assert 0 <= added <= waiting
        waiting -= added
        taken = added
    assert waiting == 0


# The pool.


class Owner:
    """Does for a pool what the runner's loop does."""

    def __init__(self, work, **options):
        self.done = []
        self.deaths = []
        self.ended = Mailbox()
        self.workers = set()
        self._work = work
        self.pool = WorkerPool(self._do, self.deaths.append, **options)

    def _do(self, task):
        self.workers.add(threading.current_thread())
        self._work(task)
        self.ended.put(task)

    def submit(self, tasks):
        now = time.monotonic()
        for task in tasks:
            self.pool.submit(task, now)

    def drive_until(self, condition, timeout=60):
        deadline = time.monotonic() + timeout
        while not condition():
            now = time.monotonic()
            assert now < deadline, f"not within {timeout} s"
            self.pool.check(now)
            self.pool.next_check()
            self.receive()

    def receive(self):
        with contextlib.suppress(Empty):
            self.done.append(self.ended.get(timeout=0.001))
            while True:
                self.done.append(self.ended.get_nowait())

    def end(self):
        self.pool.stop()
        self.pool.join(20)
        assert self.pool.size == 0


@pytest.fixture
def owner():
    """Make an owner; its pool is stopped in the end."""
    owners = []

    def make(work, **options):
        owners.append(Owner(work, **options))
        return owners[-1]

    yield make
    for each in owners:
        each.end()


class Waiting:
    """Work that waits until it is released, and says which tasks have begun."""

    def __init__(self):
        self.begun = []
        self.released = threading.Event()

    def __call__(self, task):
        self.begun.append(task)
        assert self.released.wait(60)


@pytest.fixture
def waiting():
    work = Waiting()
    yield work
    work.released.set()


def test_tasks_are_done_in_order(owner):
    pool_owner = owner(lambda task: None)
    pool_owner.submit(range(100))
    while len(pool_owner.done) < 100:  # without a check there is no second thread to overtake
        pool_owner.receive()
    assert pool_owner.done == list(range(100))


def test_a_task_waits_until_a_thread_takes_it(owner, waiting):
    pool_owner = owner(waiting)
    assert pool_owner.pool.waiting == 0
    pool_owner.submit(range(3))
    wait_until(lambda: waiting.begun == [0])  # without a check there is no second thread
    assert pool_owner.pool.waiting == 2
    waiting.released.set()
    wait_until(lambda: pool_owner.pool.waiting == 0)


@pytest.mark.alone
def test_ten_thousand_tasks_of_no_length_need_a_handful_of_threads(owner):
    pool_owner = owner(lambda task: None)
    pool_owner.submit(range(10_000))
    pool_owner.drive_until(lambda: len(pool_owner.done) == 10_000)
    assert sorted(pool_owner.done) == list(range(10_000))
    assert 1 <= pool_owner.pool.size <= 10


@pytest.mark.alone
def test_two_hundred_tasks_that_wait_all_run_at_the_same_time(owner, waiting):
    pool_owner = owner(waiting)
    pool_owner.submit(range(200))
    pool_owner.drive_until(lambda: len(waiting.begun) == 200)
    assert sorted(waiting.begun) == list(range(200))
    assert len(pool_owner.workers) == 200
    assert pool_owner.pool.size >= 200


def test_a_task_that_computes_does_not_hold_up_the_others(owner):
    over = threading.Event()

    def compute(task):
        while task == 0 and not over.is_set():
            pass

    pool_owner = owner(compute)
    pool_owner.submit(range(20))
    try:
        pool_owner.drive_until(lambda: len(pool_owner.done) == 19)
    finally:
        over.set()
    assert 0 not in pool_owner.done


def test_a_thread_that_is_free_takes_the_next_task(owner):
    pool_owner = owner(lambda task: None)
    for task in range(50):
        pool_owner.submit([task])
        pool_owner.done.append(pool_owner.ended.get(20))
    assert pool_owner.done == list(range(50))
    assert pool_owner.pool.size == 1


def test_of_the_threads_that_rest_the_last_takes_the_next_task(owner, waiting):
    """So those that are no longer needed rest on, and go."""
    pool_owner = owner(waiting)
    pool_owner.submit(range(5))
    pool_owner.drive_until(lambda: len(waiting.begun) == 5)
    waiting.released.set()
    wait_until(lambda: len(pool_owner.pool._idle) == 5)
    last = pool_owner.pool._idle[-1]
    pool_owner.workers.clear()
    for task in range(20):
        pool_owner.submit([task])
        wait_until(lambda: len(pool_owner.pool._idle) == 5)
        assert pool_owner.pool._idle[-1] is last
    assert len(pool_owner.workers) == 1


@pytest.mark.alone
def test_a_burst_of_short_tasks_wakes_few_threads(owner, waiting):
    pool_owner = owner(waiting)
    pool_owner.submit(range(50))
    pool_owner.drive_until(lambda: len(waiting.begun) == 50)
    waiting.released.set()
    wait_until(lambda: len(pool_owner.pool._idle) == 50)
    pool_owner.workers.clear()
    pool_owner.submit(range(200))
    pool_owner.drive_until(lambda: len(waiting.begun) == 250)
    assert len(pool_owner.workers) < 25


def test_a_thread_that_rests_is_woken_though_another_is_at_work(owner, waiting):
    pool = owner(waiting).pool
    pool.submit("long", now=100.0)
    wait_until(lambda: waiting.begun == ["long"])
    assert pool.next_check() is None
    pool.submit("short", now=100.0)
    pool.check(200.0)
    wait_until(lambda: waiting.begun == ["long", "short"])
    waiting.released.set()
    wait_until(lambda: len(pool._idle) == 2)
    waiting.released.clear()
    for task in ("long again", "short again"):  # no check comes
        pool.submit(task, now=300.0)
        wait_until(lambda: task in waiting.begun)  # noqa: B023


def test_threads_are_daemons_with_names(owner, waiting):
    pool_owner = owner(waiting)
    pool_owner.submit([1])
    wait_until(lambda: waiting.begun)
    (thread,) = pool_owner.workers
    assert thread.daemon
    assert thread.name == "quick_jobs worker 1"


def test_a_check_is_due_while_a_task_waits_and_only_then(owner, waiting):
    pool = owner(waiting).pool
    assert pool.next_check() is None
    pool.submit("first", now=100.0)
    wait_until(lambda: waiting.begun)
    assert pool.next_check() is None
    pool.submit("second", now=200.0)
    pool.submit("third", now=200.001)
    assert pool.next_check() == 200.0 + GROW_AFTER
    pool.check(300.0)
    assert pool.next_check() == 300.0 + GROW_AFTER


def test_a_check_adds_a_thread_when_it_is_due_and_not_before(owner, waiting):
    pool = owner(waiting).pool
    pool.submit("first", now=100.0)
    wait_until(lambda: waiting.begun == ["first"])
    pool.next_check()
    pool.submit("second", now=200.0)
    pool.check(200.0 + GROW_AFTER / 2)
    assert pool.size == 1
    pool.check(300.0)
    assert pool.size == 2
    wait_until(lambda: waiting.begun == ["first", "second"])


def test_there_are_never_more_threads_than_tasks(owner, monkeypatch):
    """Also when new threads are slow to begin, as on a busy machine."""
    pool = owner(lambda task: None).pool
    begin = threading.Event()
    serve = pool._serve
    monkeypatch.setattr(pool, "_serve", lambda: begin.wait(60) and serve())
    now = 100.0
    for task in range(5):
        pool.submit(task, now)
    for _ in range(20):
        now += GROW_AFTER
        pool.check(now)
    assert pool.size == 5
    begin.set()


def test_a_check_with_nothing_to_watch_does_nothing(owner, waiting):
    pool = owner(waiting).pool
    pool.check(100.0)
    assert pool.size == 0
    pool.submit("first", now=100.0)
    wait_until(lambda: waiting.begun)
    pool.next_check()
    pool.check(200.0)
    assert pool.size == 1


def test_what_was_taken_since_the_last_check_counts(owner, waiting):
    """Tasks that move are no reason to believe that all threads are held."""
    seen = []

    class Remembering(Growth):
        def threads_to_add(self, waiting, taken, cpu_share):
            seen.append((waiting, taken, cpu_share < 0.1))
            return min(waiting, len(seen))

    pool = owner(waiting).pool
    for task in range(3):
        pool.submit(task, now=100.0)
    wait_until(lambda: waiting.begun == [0])
    pool._growth = Remembering()
    pool.check(200.0)
    wait_until(lambda: len(waiting.begun) == 2)
    pool.submit(3, now=200.0)
    pool.check(300.0)
    wait_until(lambda: len(waiting.begun) == 4)
    pool.check(400.0)
    assert seen == [(2, 1, True), (2, 1, True), (0, 2, True)]


def test_the_processors_time_counts():
    cpu = 7.0
    pool = WorkerPool(lambda task: None, on_death=print, cpu_clock=lambda: cpu)
    seen = []

    class Remembering(Growth):
        def threads_to_add(self, waiting, taken, cpu_share):
            seen.append(cpu_share)
            return 0

    pool.submit("task", now=100.0)
    pool._growth = Remembering()
    cpu = 7.5
    pool.check(101.0)
    pool.check(103.0)
    cpu = 9.5
    pool.check(104.0)
    pool.stop()
    pool.join(20)
    assert seen == [0.5, 0.0, 2.0]


# How threads end.


def test_idle_threads_go(owner, waiting):
    pool_owner = owner(waiting, idle_timeout=0.05)
    pool_owner.submit(range(5))
    pool_owner.drive_until(lambda: len(waiting.begun) == 5)
    waiting.released.set()
    wait_until(lambda: pool_owner.pool.size == 0)
    for thread in pool_owner.workers:
        thread.join(20)
    assert pool_owner.deaths == []


def test_after_idle_threads_have_gone_there_are_new_ones_for_new_tasks(owner):
    pool_owner = owner(lambda task: None, idle_timeout=0.05)
    for task in range(3):
        pool_owner.submit([task])
        pool_owner.drive_until(lambda: len(pool_owner.done) == task + 1)  # noqa: B023
        wait_until(lambda: pool_owner.pool.size == 0)
    assert pool_owner.done == [0, 1, 2]


def test_a_task_that_meets_a_thread_on_its_way_out_gets_another(owner, monkeypatch):
    leaving, may_leave = threading.Event(), threading.Event()

    class SlowToClose:
        @staticmethod
        def close_all():
            leaving.set()
            assert may_leave.wait(60)

    monkeypatch.setattr(workers, "connections", SlowToClose)
    pool_owner = owner(lambda task: None, idle_timeout=0.05)
    pool_owner.submit(["first"])
    assert leaving.wait(20)
    pool_owner.submit(["second"])
    pool_owner.drive_until(lambda: pool_owner.done == ["first", "second"])
    assert len(pool_owner.workers) == 2
    may_leave.set()


@pytest.fixture
def used(monkeypatch, transactional_db):
    """The connections that tasks have used, kept open."""
    monkeypatch.setitem(connections.databases["default"], "CONN_MAX_AGE", None)
    return []


def test_idle_threads_close_their_connections(owner, used):
    def work(task):
        Job.objects.count()
        used.append(connections["default"])
        assert used[0].connection is not None

    pool_owner = owner(work, idle_timeout=0.05)
    pool_owner.submit([1])
    pool_owner.drive_until(lambda: pool_owner.done)
    wait_until(lambda: pool_owner.pool.size == 0)
    assert used[0].connection is None


def test_a_stopped_pool_closes_its_connections(owner, used):
    def work(task):
        Job.objects.count()
        used.append(connections["default"])

    pool_owner = owner(work)
    pool_owner.submit([1])
    pool_owner.drive_until(lambda: pool_owner.done)
    assert used[0].connection is not None
    pool_owner.end()
    assert used[0].connection is None


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(), KeyboardInterrupt()], ids=repr)
def test_a_thread_that_dies_says_why_and_closes_its_connections(owner, used, error):
    def work(task):
        Job.objects.count()
        used.append(connections["default"])
        raise error

    pool_owner = owner(work)
    pool_owner.submit([1])
    wait_until(lambda: pool_owner.deaths)
    assert pool_owner.deaths == [error]
    wait_until(lambda: pool_owner.pool.size == 0)
    assert used[0].connection is None


def test_stopped_every_thread_leaves_after_its_task(owner, waiting):
    pool_owner = owner(waiting)
    pool_owner.submit(range(5))
    pool_owner.drive_until(lambda: len(waiting.begun) == 5)
    pool_owner.pool.stop()
    assert pool_owner.pool.size == 5
    waiting.released.set()
    pool_owner.pool.join(20)
    assert pool_owner.pool.size == 0
    assert pool_owner.deaths == []


def test_one_does_not_wait_longer_for_threads_than_one_has_said(owner, waiting):
    pool_owner = owner(waiting)
    pool_owner.submit(range(3))
    pool_owner.drive_until(lambda: len(waiting.begun) == 3)
    pool_owner.pool.stop()
    before = time.monotonic()
    pool_owner.pool.join(0.05)
    pool_owner.pool.join(0)
    assert 0.049 <= time.monotonic() - before < 20
    assert pool_owner.pool.size == 3


# A machine that has no more threads to give.


@pytest.fixture
def limit(monkeypatch):
    """Refuse threads while there are as many as ``limit.size``."""

    class Limit:
        size = 0
        error = RuntimeError("can't start new thread")
        asked = 0

    start = threading.Thread.start

    def start_or_refuse(thread):
        Limit.asked += 1
        workers_alive = [each for each in threading.enumerate() if "worker" in each.name]
        if len(workers_alive) >= Limit.size:
            raise Limit.error
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_refuse)
    return Limit


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()], ids=repr)
def test_with_few_threads_all_tasks_are_done_and_it_is_said_once(owner, limit, caplog, error):
    limit.size, limit.error = 3, error
    pool_owner = owner(lambda task: time.sleep(0.005))
    pool_owner.submit(range(60))
    pool_owner.drive_until(lambda: len(pool_owner.done) == 60)
    assert len(pool_owner.workers) <= 3
    assert pool_owner.deaths == []
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "'quick_jobs worker 4' cannot be started" in record.getMessage()
    assert record.getMessage().endswith("The jobs go on with the threads there are: 3.")


@pytest.mark.parametrize("cpu_clock", [lambda: 0.0, time.monotonic], ids=["idle", "busy"])
def test_without_any_thread_tasks_wait_for_one(owner, limit, cpu_clock, monkeypatch):
    monkeypatch.setattr(workers, "_TRY_AGAIN_AFTER", 0.1)
    pool_owner = owner(lambda task: None, cpu_clock=cpu_clock)
    pool_owner.submit(range(3))
    assert pool_owner.pool.size == 0
    limit.size = 2
    pool_owner.drive_until(lambda: len(pool_owner.done) == 3)


def test_threads_that_rest_are_woken_though_there_are_no_others(owner, limit, waiting):
    limit.size = 3
    pool_owner = owner(waiting)
    pool_owner.submit(range(3))
    pool_owner.drive_until(lambda: len(waiting.begun) == 3)
    pool_owner.submit([3])
    wait_until(lambda: pool_owner.pool.check(time.monotonic()) or limit.asked == 4)
    waiting.released.set()
    wait_until(lambda: len(pool_owner.pool._idle) == 3)
    waiting.released.clear()
    pool_owner.pool._try_again_at = float("inf")
    pool_owner.submit([4, 5, 6])
    pool_owner.drive_until(lambda: len(waiting.begun) == 7)
    assert limit.asked == 4


def test_the_machine_is_not_asked_for_threads_all_the_time(owner, limit):
    pool = owner(lambda task: None).pool
    for task in range(100):
        pool.submit(task, now=100.0)
    for tick in range(99):
        pool.check(100.0 + tick / 100)
    assert limit.asked == 1
    assert pool.next_check() == 101.0
    pool.check(101.0)
    assert limit.asked == 2
    limit.size = 1
    pool.check(102.0)
    wait_until(lambda: pool.waiting == 0)
