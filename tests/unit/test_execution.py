from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
import os
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from datetime import timedelta
from typing import Callable, NamedTuple

import django
import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection, connections, transaction
from django.db.backends.signals import connection_created
from django.urls import get_urlconf, reverse, set_script_prefix, set_urlconf
from django.utils import timezone, translation

from quick_jobs.capture import installed
from quick_jobs.environment import RunEnv, RunInterrupted
from quick_jobs.history.record import Record, Words
from quick_jobs.models import Job, JobExecution
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.execution import Execution, execute
from quick_jobs.runner.execution_record import record_given_up
from quick_jobs.runner.scheduled_job import ScheduledJob
from quick_jobs.signals import execution_started
from quick_jobs.stop_flag import StopFlag
from tests.records import MOMENT

LIMIT = 64 * 1024
DUE = 43_200.0

numbers = itertools.count(1)


def an_execution(func, timeout=None):
    job = RegisteredJob(
        func, timedelta(seconds=60), timeout=None if timeout is None else timedelta(seconds=timeout)
    )
    env = RunEnv(StopFlag(), due_at=0.0)
    return Execution(next(numbers), ScheduledJob(job, 0, DUE), env, started_at=1000.0)


def run(func):
    """Run one job in this thread, and return its execution."""
    execution = an_execution(func)
    execute(execution, contextvars.copy_context(), LIMIT)
    return execution


class Between(NamedTuple):
    """What happens in a worker's thread between two jobs."""

    happens: Callable[[], object]


def run_in_a_worker(*funcs):
    """Run jobs one after the other in a thread of their own, as a worker does.

    Return their executions.
    """
    executions = []
    problems = []

    def work():
        try:
            for func in funcs:
                if isinstance(func, Between):
                    func.happens()
                    continue
                execution = an_execution(func)
                executions.append(execution)
                execute(execution, contextvars.copy_context(), LIMIT)
        except BaseException as exc:
            problems.append(exc)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    if problems:
        raise problems[0]
    return executions


def succeeds(env): ...


def raises(exc):
    def job(env):
        raise exc

    return job


# How executions end.


def test_a_job_that_returns_has_succeeded():
    execution = run(succeeds)
    assert execution.outcome == JobExecution.SUCCEEDED
    assert (execution.error, execution.traceback) == ("", "")
    assert execution.env.rerun_requested is False


def test_what_a_job_returns_does_not_matter():
    assert run(lambda env: False).outcome == JobExecution.SUCCEEDED


def test_a_job_is_given_its_environment():
    given = []
    execution = run(lambda env: given.append(env))
    assert given == [execution.env]


def test_a_job_that_raises_has_failed():
    execution = run(raises(ValueError("too large\nby far")))
    assert execution.outcome == JobExecution.FAILED
    assert execution.error == "ValueError: too large"
    assert execution.traceback.startswith("Traceback (most recent call last):\n")
    assert execution.traceback.endswith("ValueError: too large\nby far\n")


def test_the_traceback_of_a_job_begins_with_its_function():
    execution = run(raises(ValueError("too large")))
    assert execution.traceback.splitlines()[1].startswith(f'  File "{__file__}", line ')
    assert execution.traceback.splitlines()[1].endswith(", in job")


def test_the_traceback_has_the_bytes_it_may_have():
    execution = an_execution(raises(ValueError("x" * 5_000_000)))
    execute(execution, contextvars.copy_context(), 2000)
    assert 1990 <= len(execution.traceback.encode()) <= 2000


@dataclass(frozen=True)
class Frozen(Exception):
    number: int


class StrRaises(Exception):
    def __init__(self, failure):
        super().__init__()
        self.failure = failure

    def __str__(self):
        raise self.failure


class OwnBaseException(BaseException): ...


@pytest.mark.parametrize(
    "exc",
    [
        SystemExit(0),
        SystemExit("sys.exit() in a job"),
        KeyboardInterrupt(),
        GeneratorExit(),
        OwnBaseException(),
        Frozen(5),
        StrRaises(ValueError()),
        StrRaises(SystemExit()),
        MemoryError(),
        StopIteration(),
    ],
    ids=repr,
)
def test_whatever_a_job_raises_it_has_failed_and_the_worker_goes_on(exc):
    failed, succeeded = run_in_a_worker(raises(exc), succeeds)
    assert failed.outcome == JobExecution.FAILED
    assert type(exc).__name__ in failed.error
    assert ", in job\n" in failed.traceback
    assert succeeded.outcome == JobExecution.SUCCEEDED


def test_an_endless_recursion_has_failed_and_the_worker_goes_on():
    def endless(env):
        endless(env)

    failed, succeeded = run_in_a_worker(endless, succeeds)
    assert failed.outcome == JobExecution.FAILED
    assert failed.error.startswith("RecursionError: maximum recursion depth exceeded")
    assert succeeded.outcome == JobExecution.SUCCEEDED


def test_chained_exceptions_are_all_told():
    def job(env):
        try:
            raise KeyError("the cause")
        except KeyError as exc:
            raise ValueError("the effect") from exc

    execution = run(job)
    assert execution.error == "ValueError: the effect"
    assert "KeyError: 'the cause'\n\nThe above exception was the direct" in execution.traceback


def test_what_no_database_stores_is_written_as_escapes():
    execution = run(raises(ValueError("a\0b\udc80")))
    assert execution.error == "ValueError: a\\x00b\\udc80"
    assert "\0" not in execution.traceback
    execution.traceback.encode("utf-8")


class OwnInterruption(RunInterrupted): ...


@pytest.mark.parametrize("exc", [RunInterrupted(), OwnInterruption("enough")], ids=repr)
def test_a_job_that_lets_the_interruption_pass_was_interrupted(exc):
    execution = run(raises(exc))
    assert execution.outcome == JobExecution.INTERRUPTED
    assert (execution.error, execution.traceback) == ("", "")


def test_a_job_that_makes_an_error_of_the_interruption_has_failed():
    def job(env):
        try:
            env.raise_if_stopping()
        except RunInterrupted as exc:
            raise ValueError("stopped halfway") from exc

    execution = an_execution(job)
    execution.env._stopping.set()
    execute(execution, contextvars.copy_context(), LIMIT)
    assert execution.outcome == JobExecution.FAILED
    assert execution.error == "ValueError: stopped halfway"


def test_a_job_with_a_wrong_signature_has_failed():
    execution = run(lambda: None)
    assert execution.outcome == JobExecution.FAILED
    assert execution.error.startswith("TypeError: ")
    assert "takes 0 positional arguments but 1 was given" in execution.traceback


@pytest.mark.parametrize(
    ("func", "level", "message"),
    [
        (succeeds, logging.INFO, " succeeded in 0.0"),
        (raises(RunInterrupted()), logging.INFO, " was interrupted after 0.0"),
        (raises(ValueError("x")), logging.ERROR, " failed after 0.0"),
    ],
    ids=["succeeded", "interrupted", "failed"],
)
def test_starts_and_ends_are_logged(caplog, func, level, message):
    caplog.set_level(logging.DEBUG, "quick_jobs")
    execution = run(func)
    start, end = [each for each in caplog.records if each.name == "quick_jobs.execution"]
    assert (start.levelno, start.getMessage()) == (logging.DEBUG, f"{execution.name} starts")
    assert end.levelno == level
    assert end.getMessage().startswith(execution.name + message[:-3])
    assert bool(end.exc_info) == (execution.outcome == JobExecution.FAILED)


# What is measured.


def test_an_execution_that_waits_has_not_been_entered():
    execution = an_execution(succeeds)
    assert execution.record() == Record(
        execution.number,
        "tests.unit.test_execution.succeeds",
        started_at=1000.0,
        finished_at=None,
        duration=None,
        lateness=None,
        outcome=JobExecution.RUNNING,
        error="",
        traceback="",
        due_at=0.0,
    )
    assert execution.thread_id is None


class FakeClock:
    """A clock that goes on only when the test says so."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("exc", "outcome"),
    [(None, "succeeded"), (ValueError("late"), "failed"), (RunInterrupted(), "interrupted")],
    ids=repr,
)
def test_the_times_are_those_of_the_function(exc, outcome):
    clock, wall_clock = FakeClock(DUE + 10), FakeClock(MOMENT)
    inside = {}

    def job(env):
        inside["thread"] = execution.thread_id
        inside["record"] = execution.record()
        clock.now += 2.5
        wall_clock.now -= 3600  # somebody sets it back
        if exc:
            raise exc

    execution = an_execution(job)
    execute(execution, contextvars.copy_context(), LIMIT, clock, wall_clock)
    assert (execution.entered, execution.started_at) == (DUE + 10, MOMENT)
    assert (execution.outcome, execution.duration) == (outcome, 2.5)
    assert inside["record"].outcome == JobExecution.RUNNING
    assert inside["record"].lateness == 10
    assert inside["thread"] == threading.get_ident()
    assert execution.thread_id is None


def test_a_record_says_when_it_finished_how_late_it_was_and_how_it_ended():
    execution = an_execution(succeeds)
    execution.entered = DUE + 2.5
    execution.end(JobExecution.FAILED, 1.5, "KeyError: 'x'", "Traceback …")
    assert execution.record() == Record(
        execution.number,
        "tests.unit.test_execution.succeeds",
        started_at=1000.0,
        finished_at=1001.5,
        duration=1.5,
        lateness=2.5,
        outcome=JobExecution.FAILED,
        error="KeyError: 'x'",
        traceback="Traceback …",
        due_at=0.0,
    )


def test_no_execution_is_early():
    execution = an_execution(succeeds)
    execution.entered = DUE - 0.001
    assert execution.record().lateness == 0


def test_one_that_is_given_up_on_ends_now_with_its_stack():
    execution = an_execution(succeeds)
    execution.entered = DUE + 2.5
    record = record_given_up(execution, JobExecution.ABANDONED, DUE + 10.0, "left", "Stack …")
    assert record == execution.record()._replace(
        finished_at=1007.5,
        duration=7.5,
        outcome=JobExecution.ABANDONED,
        error="left",
        traceback="Stack …",
        words=Words(fingerprint=f"abandoned in {execution.name}"),
    )
    assert record.lateness == 2.5


class FakeCapture:
    def final_text(self, succeeded):
        return "" if succeeded else "a line\n"


def test_one_that_is_given_up_on_keeps_what_it_has_said():
    execution = an_execution(succeeds)
    execution.entered = DUE
    execution.env.note("half of it")
    execution.env.progress(1, 2)
    execution.capture = FakeCapture()
    record = record_given_up(execution, JobExecution.TIMED_OUT, DUE + 10.0, "late", "")
    assert record.words == Words(
        "half of it", 1.0, 2.0, "a line\n", f"timed_out in {execution.name}"
    )


# What it says.


def test_progress_of_hundreds_of_digits_is_the_largest_number_that_is_stored():
    execution = run(lambda env: env.progress(10, 10**400))
    assert execution.record().words[1:3] == (10.0, sys.float_info.max)


def test_an_execution_that_says_nothing_has_no_words():
    assert run(succeeds).record().words is None


def test_one_that_was_observed_has_words_so_that_what_is_on_record_goes():
    execution = an_execution(succeeds)
    execution.was_observed = True
    assert execution.record().words is None
    execution.end(JobExecution.SUCCEEDED, 1.0)
    assert execution.record().words == Words()


def test_its_note_and_progress_are_those_at_its_end():
    def job(env):
        env.note("14 sent,\n2 refused " + "x" * 300)
        env.progress(3, 4)

    words = run(job).record().words
    assert words.note.startswith("14 sent, 2 refused xxx")
    assert len(words.note) == 255
    assert words[1:] == (3.0, 4.0, "", "")


@pytest.mark.parametrize(
    ("noted", "returned", "note"),
    [("", "16 sent", "16 sent"), ("14 sent", "16 sent", "14 sent"), ("", b"16", ""), ("", 16, "")],
)
def test_a_text_that_a_job_returns_is_its_note_if_it_has_left_none(noted, returned, note):
    def job(env):
        env.note(noted)
        return returned

    execution = run(job)
    assert execution.outcome == JobExecution.SUCCEEDED
    assert (execution.record().words or Words()).note == note


def test_what_no_database_stores_is_an_escape_in_a_note(settings):
    settings.QUICK_JOBS_LOG_FILTER = "tests.unit.test_execution.without_secrets"
    execution = run(lambda env: env.note("a\0b \udc80 secret"))
    assert execution.note == "a\\x00b \\udc80 ***"


def without_secrets(text):
    return text.replace("secret", "***")


def test_the_time_of_the_processor_that_it_took_is_on_record():
    def job(env):
        while time.thread_time() < began + 0.02:
            pass

    began = time.thread_time()
    execution = an_execution(job)
    assert execution.record().cpu_time is None
    execute(execution, contextvars.copy_context(), LIMIT)
    assert 0.01 < execution.record().cpu_time < 10


def test_a_failure_has_a_kind_also_when_its_own_code_fails():
    class Hostile(Exception):
        def __str__(self):
            raise RuntimeError

        __repr__ = __str__

    execution = run(raises(Hostile()))
    assert execution.fingerprint == (
        "tests.unit.test_execution.test_a_failure_has_a_kind_also_when_its_own_code_fails"
        ".<locals>.Hostile in tests.unit.test_execution.job"
    )


def test_what_ran_over_its_timeout_is_of_another_kind_whatever_it_raised():
    execution = an_execution(succeeds, timeout=1)
    execution.fingerprint = "ValueError in shop.jobs.work"
    execution.end(JobExecution.FAILED, 2.0, "ValueError")
    assert execution.fingerprint == f"timed_out in {execution.name}"


def test_one_that_is_given_up_on_before_it_began_took_no_time():
    record = record_given_up(an_execution(succeeds), JobExecution.INTERRUPTED, DUE + 10.0, "", "")
    assert (record.finished_at, record.duration, record.lateness) == (1000.0, 0.0, None)


def test_one_that_has_ended_stays_what_it_is_when_it_is_given_up_on():
    execution = an_execution(succeeds)
    execution.entered = DUE
    execution.end(JobExecution.SUCCEEDED, 1.5)
    record = record_given_up(execution, JobExecution.ABANDONED, DUE + 10.0, "left", "Stack …")
    assert record == execution.record()


@pytest.mark.parametrize(
    ("timeout", "duration", "ran_over"),
    [(None, 1000.0, False), (30, None, False), (30, 30.0, False), (30, 30.001, True)],
)
def test_it_ran_over_when_it_took_longer_than_its_timeout(timeout, duration, ran_over):
    execution = an_execution(succeeds, timeout)
    if duration is not None:
        execution.end(JobExecution.SUCCEEDED, duration)
    assert execution.ran_over() is ran_over
    assert execution.error == ("ran over its timeout of 30 s" if ran_over else "")


# What a job leaves behind in its thread.

variable = contextvars.ContextVar("variable", default="default")


def test_context_variables_do_not_reach_the_next_job():
    seen = []

    def job(env):
        seen.append(variable.get())
        variable.set("left behind")

    run_in_a_worker(job, job)
    assert seen == ["default", "default"]
    assert variable.get() == "default"


def test_a_job_has_the_context_that_it_is_given():
    seen = []
    context = contextvars.copy_context()
    context.run(variable.set, "given")
    execute(an_execution(lambda env: seen.append(variable.get())), context, LIMIT)
    assert seen == ["given"]


def test_an_activated_language_does_not_reach_the_next_job():
    seen = []

    def job(env):
        seen.append(translation.get_language())
        translation.activate("de")

    run_in_a_worker(job, job)
    assert seen == ["en-us", "en-us"]


def test_an_activated_time_zone_does_not_reach_the_next_job():
    seen = []

    def job(env):
        seen.append(timezone.get_current_timezone_name())
        timezone.activate(timezone.get_fixed_timezone(90))

    run_in_a_worker(job, job)
    assert seen == ["UTC", "UTC"]


def test_an_activated_urlconf_does_not_reach_the_next_job():
    seen = []

    def job(env):
        seen.append(get_urlconf())
        set_urlconf("shop.urls")

    run_in_a_worker(job, job)
    assert seen == [None, None]


@pytest.mark.parametrize(
    ("name", "url"),
    [("/shop", "/shop/admin/"), ("/shop/", "/shop/admin/"), ("", "/admin/"), (None, "/admin/")],
)
def test_urls_have_the_prefix_of_the_site(settings, name, url):
    settings.FORCE_SCRIPT_NAME = name
    seen = []

    def job(env):
        seen.append(reverse("admin:index"))
        set_script_prefix("/another")

    def receiver(**kwargs):
        seen.append(reverse("admin:index"))

    execution_started.connect(receiver)
    try:
        run_in_a_worker(job, job)
    finally:
        execution_started.disconnect(receiver)
    assert seen == [url] * 4


class RecordingCache(LocMemCache):
    closed = 0

    def close(self, **kwargs):
        type(self).closed += 1
        if self.closed == 2:
            raise OSError("the cache is away")


def test_caches_are_closed_after_a_job_as_after_a_request(settings, caplog):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.RecordingCache"}}

    def job(env):
        cache.set("key", "value")
        seen.append(RecordingCache.closed)

    seen = []
    run_in_a_worker(job, job, job)
    assert seen == [0, 1, 2]
    (error,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert error.getMessage() == "closing the caches failed"


def create(env):
    Job.objects.create(name=f"job {Job.objects.count()}")


def begin(env):
    """Begin a transaction that nobody ends."""
    transaction.atomic().__enter__()
    create(env)


def begin_twice(env):
    begin(env)
    begin(env)


def begin_and_fail(env):
    begin(env)
    raise ValueError("in a transaction")


def begin_and_close(env):
    begin(env)
    connection.close()


def set_autocommit(env):
    transaction.set_autocommit(False)
    create(env)


def close(env):
    create(env)
    connection.close()


def close_the_drivers(env):
    create(env)
    connection.connection.close()


def close_the_drivers_and_go_on(env):
    close_the_drivers(env)
    create(env)


def close_the_drivers_in_a_transaction(env):
    begin(env)
    connection.connection.close()


def close_the_drivers_without_autocommit(env):
    set_autocommit(env)
    connection.connection.close()


class BrokenByBroken:
    """A driver's connection of which nothing works, not even its end."""

    def __getattr__(self, name):
        raise LookupError(name)


def break_all(env):
    close(env)
    connection.connection = BrokenByBroken()


LEFT_BEHIND = [
    begin,
    begin_twice,
    begin_and_fail,
    begin_and_close,
    set_autocommit,
    close,
    close_the_drivers,
    close_the_drivers_and_go_on,
    close_the_drivers_in_a_transaction,
    close_the_drivers_without_autocommit,
    break_all,
]


@pytest.fixture(params=[0, None], ids="CONN_MAX_AGE={}".format)
def max_age(request, transactional_db, monkeypatch):
    """How long a database connection is kept."""
    monkeypatch.setitem(connections.databases["default"], "CONN_MAX_AGE", request.param)
    return request.param


@pytest.fixture
def server(transactional_db):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server")


def check_all_is_well(env):
    """Find the connection as it was when it was new."""
    assert not connection.in_atomic_block
    assert connection.get_autocommit()
    assert not connection.needs_rollback
    create(env)
    with transaction.atomic():
        create(env)


@pytest.mark.parametrize("leave_behind", LEFT_BEHIND)
def test_nothing_of_a_connection_reaches_the_next_job(max_age, leave_behind):
    *_, last = run_in_a_worker(create, leave_behind, check_all_is_well)
    assert last.traceback == ""
    assert last.outcome == JobExecution.SUCCEEDED


@pytest.mark.parametrize(
    "leave_behind", [begin, begin_twice, begin_and_fail, begin_and_close, set_autocommit]
)
def test_a_transaction_that_was_left_open_is_rolled_back(max_age, leave_behind):
    run_in_a_worker(create, leave_behind, create)
    assert list(Job.objects.order_by("name").values_list("name", flat=True)) == ["job 0", "job 1"]


def test_a_transaction_that_was_begun_by_hand_is_rolled_back(max_age):
    """Of which Django knows nothing."""
    if "psycopg2" in sys.modules and connection.vendor == "postgresql" and max_age != 0:
        pytest.skip("psycopg2 does not know of it either")

    def begin_by_hand(env):
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
        create(env)

    run_in_a_worker(create, begin_by_hand, create)
    assert Job.objects.count() == 2


@pytest.mark.parametrize(("leave_behind", "warns"), [(begin, True), (create, False)])
def test_a_transaction_that_was_left_open_is_a_warning(
    transactional_db, caplog, leave_behind, warns
):
    (execution,) = run_in_a_worker(leave_behind)
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    warning = f"{execution.name} left a transaction open; it is rolled back"
    assert warnings == ([warning] if warns else [])


def test_what_was_to_follow_a_commit_that_never_came_is_not_done(transactional_db):
    done = []

    def job(env):
        begin(env)
        transaction.on_commit(lambda: done.append(True))

    run_in_a_worker(job, check_all_is_well)
    assert done == []


def test_a_connection_is_kept_for_as_long_as_the_site_says(max_age):
    used = []

    def job(env):
        create(env)
        used.append(connection.connection)

    run_in_a_worker(job, job)
    assert (used[0] is used[1]) == (max_age != 0)


def test_a_connection_that_has_become_too_old_is_closed(max_age):
    used = []

    def job(env):
        create(env)
        used.append(connection.connection)
        connection.close_at = time.monotonic()

    run_in_a_worker(job, job)
    assert used[0] is not used[1]


def test_a_job_without_database_opens_no_connection(transactional_db):
    seen = []
    run_in_a_worker(succeeds, lambda env: seen.append(connection.connection))
    assert seen == [None]


def session():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_backend_pid()"
            if connection.vendor == "postgresql"
            else "SELECT CONNECTION_ID()"
        )
        return cursor.fetchone()[0]


def kill(session):
    """Have the server end a session, and wait until it is gone."""
    if connection.vendor == "postgresql":
        end, look = "SELECT pg_terminate_backend(%s)", "SELECT 1 FROM pg_stat_activity WHERE pid=%s"
    else:
        end, look = "KILL %s", "SELECT 1 FROM information_schema.processlist WHERE id = %s"
    with connection.cursor() as cursor:
        cursor.execute(end, [session])
        deadline = time.monotonic() + 20
        while True:
            cursor.execute(look, [session])
            if not cursor.fetchall():
                return
            assert time.monotonic() < deadline


def killed_from_outside():
    """Have the server end this thread's session."""
    current = session()
    killer = threading.Thread(target=lambda: (kill(current), connection.close()))
    killer.start()
    killer.join(30)


@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("before", [create, begin, set_autocommit])
def test_a_session_that_the_server_ended_does_not_reach_the_next_job(
    server, max_age, before, goes_on
):
    def job(env):
        before(env)
        killed_from_outside()
        if goes_on:
            create(env)

    _, ended, last = run_in_a_worker(create, job, check_all_is_well)
    assert ended.outcome == (JobExecution.FAILED if goes_on else JobExecution.SUCCEEDED)
    assert last.traceback == ""
    assert last.outcome == JobExecution.SUCCEEDED


def test_a_session_that_the_server_ended_between_two_jobs_is_replaced(server, max_age):
    _, last = run_in_a_worker(create, Between(killed_from_outside), check_all_is_well)
    assert last.traceback == ""


def test_a_connection_that_broke_between_two_jobs_and_cannot_be_closed_is_replaced(max_age):
    def break_and_outdate():
        break_all(None)
        connection.close_at = time.monotonic()

    _, last = run_in_a_worker(create, Between(break_and_outdate), check_all_is_well)
    assert last.traceback == ""


@pytest.mark.skipif(django.VERSION < (4, 1), reason="it asks, as it does before every job")
def test_a_connection_that_a_job_does_not_use_is_not_asked_anything(max_age):
    """The database may be frozen, and those jobs that do without it go on."""
    asked = []
    used = []

    class Guard:
        def __getattr__(self, name):
            asked.append(name)
            raise AssertionError(name)

    def guard():
        used.append(connection.connection)
        connection.connection = used[0] and Guard()

    def check():
        assert isinstance(connection.connection, Guard) == (max_age != 0)
        connection.connection = used[0]

    run_in_a_worker(create, Between(guard), succeeds, Between(check))
    assert asked == []


def test_queries_that_were_logged_for_debugging_do_not_pile_up(transactional_db, settings):
    settings.DEBUG = True
    seen = []

    def job(env):
        seen.append(len(connection.queries_log))
        create(env)

    run_in_a_worker(job, job)
    assert seen == [0, 0]


# What is on a connection besides the session.


def refuses(execute, sql, params, many, context):
    raise AssertionError("a wrapper of another job")


def wrap_queries(env):
    connection.execute_wrappers.append(refuses)


def wrap_queries_anew(env):
    connection.execute_wrappers = [refuses]


def wrap_queries_and_connect_again(env):
    connection.close()
    connection.execute_wrappers.append(lambda execute, *args: execute(*args))
    create(env)


def force_debug_cursor(env):
    connection.force_debug_cursor = True


def set_tenant(env):
    connection.tenant = "a client"


def set_tenant_and_connect(env):
    connection.close()
    set_tenant(env)
    create(env)


def patch_it(env):
    connection.cursor = None


@pytest.mark.parametrize("uses_it", [False, True])
@pytest.mark.parametrize(
    "put",
    [
        wrap_queries,
        wrap_queries_anew,
        wrap_queries_and_connect_again,
        force_debug_cursor,
        set_tenant,
        set_tenant_and_connect,
        patch_it,
    ],
)
def test_what_a_job_puts_on_a_connection_does_not_reach_the_next(max_age, put, uses_it):
    seen = []

    def puts(env):
        if uses_it:
            create(env)
        put(env)

    def looks(env):
        seen.append(
            (
                list(connection.execute_wrappers),
                connection.force_debug_cursor,
                hasattr(connection, "tenant"),
                "cursor" in vars(connections["default"]),
            )
        )
        create(env)

    executions = run_in_a_worker(puts, looks, puts, looks)
    assert [each.traceback for each in executions] == [""] * 4
    assert seen == [([], False, False, False)] * 2


def test_what_connecting_puts_on_a_connection_stays_as_long_as_it_is_open(max_age):
    """A receiver is called when it is connected, and not again for each job."""
    seen = []

    def passes(execute, *args):
        return execute(*args)

    def put(connection, **kwargs):
        connection.execute_wrappers.append(passes)
        connection.made_by_a_receiver = True

    def job(env):
        wrap_queries_and_connect_again(env)
        create(env)
        seen.append((passes in connection.execute_wrappers, connection.made_by_a_receiver))
        set_tenant(env)

    def looks(env):
        create(env)
        seen.append((list(connection.execute_wrappers), connection.made_by_a_receiver))
        assert not hasattr(connection, "tenant")

    connection_created.connect(put)
    try:
        executions = run_in_a_worker(job, looks, looks)
    finally:
        connection_created.disconnect(put)
    assert [each.traceback for each in executions] == [""] * 3
    assert seen == [(True, True), ([passes], True), ([passes], True)]


def test_a_session_is_kept_as_the_settings_say(max_age):
    sessions = []

    def job(env):
        create(env)
        sessions.append(connection.connection)
        set_tenant(env)

    run_in_a_worker(job, job, job)
    assert len({id(each) for each in sessions}) == (3 if max_age == 0 else 1)


def test_receivers_and_their_job_have_the_same_connection(max_age):
    """What a receiver of the start puts on it is there for the job, and is gone afterwards."""
    seen = []

    def job(env):
        create(env)
        seen.append(hasattr(connection, "tenant"))

    def receiver(**kwargs):
        seen.append(hasattr(connection, "tenant"))
        set_tenant(None)

    execution_started.connect(receiver)
    try:
        run_in_a_worker(job, job)
    finally:
        execution_started.disconnect(receiver)
    assert seen == [False, True, False, True]


def test_what_django_knows_of_the_server_is_asked_once_for_a_thread(max_age):
    if connection.vendor != "mysql":
        pytest.skip("only for MySQL it takes a query")
    if django.VERSION < (3, 0):
        pytest.skip("Django 2.2 asks nothing of this when it connects")
    asked = []

    def job(env):
        connection.ensure_connection()
        asked.append(dict(vars(connections["default"])))

    run_in_a_worker(job, job, job)
    facts = [{k: v for k, v in each.items() if k.startswith("mysql_")} for each in asked]
    assert facts[2]
    assert all(facts[2][name] is facts[1][name] for name in facts[2])


# A job that forks.


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("fails", [False, True])
def test_the_child_of_a_job_that_forks_ends_where_the_job_does(tmp_path, fails):
    """It must not go on as a second runner."""
    trace = tmp_path / "trace"

    def job(env):
        job.child = os.fork()
        if job.child == 0:
            trace.write_text("the child was here")
            if fails:
                raise ValueError("in the child")

    parent = os.getpid()
    try:
        execution = run(job)
    finally:
        if os.getpid() != parent:
            trace.write_text(f"the child went on: {traceback.format_exc()}")
            os._exit(3)
    assert execution.outcome == JobExecution.SUCCEEDED
    _, status = os.waitpid(job.child, 0)
    assert trace.read_text() == "the child was here"
    assert os.WIFEXITED(status)
    assert os.WEXITSTATUS(status) == 0


# What it says.


def run_captured(func):
    """Run one job as :func:`run` does, with what it says captured."""
    with installed():
        return run(func)


def test_what_a_job_says_is_kept_at_its_end(capsys):
    def job(env):
        print("printed")
        logging.getLogger("shop").info("logged")
        assert (execution.capture.version > 0, execution.log) == (True, "")

    execution = an_execution(job)
    with installed():
        execute(execution, contextvars.copy_context(), LIMIT)
    assert execution.outcome == JobExecution.SUCCEEDED, execution.traceback
    assert [line[13:] for line in execution.log.split("\n")] == [
        "stdout   printed",
        "INFO     shop  logged",
    ]
    assert capsys.readouterr().out == "printed\n"


def test_of_async_code_it_is_kept_too(capsys):
    def job(env):
        async def work():
            print("from", threading.current_thread() is threading.main_thread())

        asyncio.run(work())

    assert run_captured(job).log.endswith("stdout   from True")


@pytest.mark.parametrize(("job", "kept"), [(succeeds, ""), (raises(ValueError), "x")])
def test_it_may_be_kept_of_failures_only(settings, capsys, job, kept):
    def speaks(env):
        print("x")
        job(env)

    settings.QUICK_JOBS_LOG = "failures"
    assert run_captured(speaks).log[22:] == kept


def test_receivers_and_the_runner_itself_are_not_kept(capsys, caplog):
    def tell(**kwargs):
        print("started")

    execution_started.connect(tell)
    try:
        assert run_captured(raises(ValueError("x"))).log == ""
    finally:
        execution_started.disconnect(tell)
    assert "failed after" in caplog.text


def test_where_nothing_is_installed_nothing_is_kept():
    execution = run(lambda env: print("x"))
    assert (execution.capture, execution.log) == (None, "")


def test_the_traceback_begins_with_the_job_also_where_it_is_captured():
    execution = run_captured(raises(ValueError("too large")))
    assert execution.traceback.splitlines()[1].startswith(f'  File "{__file__}", line ')


def mask(text):
    return text.replace("s3cr3t", "***\ud800")


def test_secrets_are_filtered_before_a_traceback_is_cut(settings):
    settings.QUICK_JOBS_LOG_FILTER = f"{__name__}.mask"
    execution = an_execution(raises(ValueError("s3cr3t" * 1000)))
    execute(execution, contextvars.copy_context(), 1024)
    assert execution.error.startswith(r"ValueError: ***\ud800***")
    assert len(execution.error) <= 255
    assert "r3t" not in execution.traceback.partition("ValueError")[2]
    assert len(execution.traceback.encode()) <= 1024
