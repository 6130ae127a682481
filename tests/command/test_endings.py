"""Every way that an execution can end, by ``manage.py run_jobs`` and the rows that it leaves."""

import re
import signal
from collections import defaultdict
from datetime import timedelta

import pytest
from django.db import connection

from quick_jobs.models import Job, JobExecution, JobRunner
from tests.site import Site, wait_until

# They run again and again, which shows that whatever happens, the job goes on being run.
JOBS = """
import functools
import sys
import time

from quick_jobs import register_job


def wrapped(func):
    @functools.wraps(func)
    def wrapper(*args):
        return func(*args)

    return wrapper


@register_job(0.1)
def succeeds(env):
    return "what nobody asks for"


@register_job(0.1)
def raises(env):
    {}["nine"]


@register_job(0.1)
def raises_from(env):
    try:
        raises(env)
    except KeyError as error:
        raise ValueError("no such number") from error


@register_job(0.1)
def raises_while_handling(env):
    try:
        raises(env)
    except KeyError:
        raise ValueError("handled badly")


class Unprintable(Exception):
    def __str__(self):
        raise LookupError("not even this")


@register_job(0.1)
def raises_unprintable(env):
    raise Unprintable


@register_job(0.1)
def exits(env):
    sys.exit(3)


@register_job(0.1)
def exits_silently(env):
    sys.exit()


@register_job(0.1)
def raises_keyboard_interrupt(env):
    raise KeyboardInterrupt


@register_job(0.1)
def raises_generator_exit(env):
    raise GeneratorExit


class Odd(BaseException):
    pass


@register_job(0.1)
def raises_base_exception(env):
    raise Odd("of its own kind")


@register_job(0.1)
def recurses(env):
    recurses(env)


async def waits():
    raise AssertionError("not run")


async def waits_and_yields():
    yield


@register_job(0.1)
def returns_a_coroutine(env):
    return waits()


@register_job(0.1)
def returns_an_async_generator(env):
    return waits_and_yields()


@register_job(0.1)
@wrapped
def returns_a_generator(env):
    yield


@register_job(0.3)
def raises_5_megabytes(env):
    raise ValueError("begin" + 5 * 1024 * 1024 * "x" + "end")


@register_job(0.1)
def raises_what_no_database_stores(env):
    raise ValueError("nul \\0, lone \\ud800, snowman \\u2603, smile \\U0001f600")


@register_job(3600)
def sleeps(env):
    env.sleep(3600)


@register_job(3600)
def looks_now_and_then(env):
    while True:
        time.sleep(0.01)
        env.raise_if_stopping()


@register_job(3600)
def ends_when_told(env):
    while not env.is_stopping:
        time.sleep(0.01)
"""

ENDLESS = ("sleeps", "looks_now_and_then", "ends_when_told")
OFTEN = 3


@pytest.fixture(scope="module")
def endings(django_db_setup, django_db_blocker, tmp_path_factory):
    """The executions by the names of their functions, after a runner that was stopped cleanly."""
    with django_db_blocker.unblock():
        site = Site(tmp_path_factory.mktemp("endings"), connection.settings_dict["NAME"])
        site.write("shop/jobs.py", JOBS)
        number = JOBS.count("@register_job") - len(ENDLESS)
        try:
            runner = site.start("run_jobs")
            wait_until(lambda: often_ended() == number, 60)
            runner.send(signal.SIGTERM)
            assert runner.wait() == 0, runner.output[-5000:]
            assert "never awaited" not in runner.output
            found = JobExecution.objects.select_related("job", "runner").order_by("number")
            executions = defaultdict(list)
            # Those that the runner was about to begin when it was stopped have not run.
            for execution in found.exclude(outcome="interrupted", lateness=None):
                executions[execution.job.name.rpartition(".")[2]].append(execution)
            yield dict(executions)
        finally:
            site.end()
            JobRunner.objects.all().delete()
            Job.objects.all().delete()
            connection.close()


def often_ended():
    """Return how many jobs have ended often enough."""
    ends = JobExecution.objects.exclude(finished_at=None).values_list("job__name", flat=True)
    names = list(ends.order_by())
    return len([name for name in set(names) if names.count(name) >= OFTEN])


def test_a_job_that_returns_has_succeeded(endings):
    assert len(endings["succeeds"]) >= OFTEN
    for execution in endings["succeeds"]:
        assert execution.outcome == "succeeded"
        assert (execution.error, execution.traceback) == ("", "")


@pytest.mark.parametrize(
    ("job", "error", "told"),
    [
        ("raises", "KeyError: 'nine'", ["in raises", '{}["nine"]', "KeyError: 'nine'"]),
        (
            "raises_from",
            "ValueError: no such number",
            ["KeyError: 'nine'", "the direct cause of", "in raises_from", "ValueError: no such"],
        ),
        (
            "raises_while_handling",
            "ValueError: handled badly",
            ["KeyError: 'nine'", "During handling of", "ValueError: handled badly"],
        ),
        (
            "raises_unprintable",
            "shop.jobs.Unprintable: <its str() raises LookupError>",
            ["in raises_unprintable", "raise Unprintable", "shop.jobs.Unprintable"],
        ),
        ("exits", "SystemExit: 3", ["sys.exit(3)", "SystemExit: 3"]),
        ("exits_silently", "SystemExit", ["sys.exit()", "SystemExit"]),
        ("raises_keyboard_interrupt", "KeyboardInterrupt", ["raise KeyboardInterrupt"]),
        ("raises_generator_exit", "GeneratorExit", ["raise GeneratorExit"]),
        (
            "raises_base_exception",
            "shop.jobs.Odd: of its own kind",
            ['raise Odd("of its own kind")', "shop.jobs.Odd: of its own kind"],
        ),
        (
            "recurses",
            "RecursionError: maximum recursion depth exceeded",
            ["in recurses", "RecursionError: maximum recursion depth exceeded"],
        ),
        (
            "returns_a_coroutine",
            "TypeError: the job returned a coroutine, whose code is not run: ",
            ["TypeError: the job returned a coroutine"],
        ),
        (
            "returns_an_async_generator",
            "TypeError: the job returned an async generator, whose code is not run: ",
            ["TypeError: the job returned an async generator"],
        ),
        (
            "returns_a_generator",
            "TypeError: the job returned a generator, whose code is not run: ",
            ["TypeError: the job returned a generator"],
        ),
        (
            "raises_5_megabytes",
            "ValueError: beginxxx",
            ["in raises_5_megabytes", "beginxxx", "left out", "xxxend"],
        ),
        (
            "raises_what_no_database_stores",
            "ValueError: nul \\x00, lone \\ud800, snowman \u2603, smile \U0001f600",
            ["ValueError: nul \\x00, lone \\ud800, snowman \u2603, smile \U0001f600"],
        ),
    ],
)
def test_whatever_a_job_raises_it_has_failed_and_is_run_again(endings, job, error, told):
    assert len(endings[job]) >= OFTEN
    for execution in endings[job]:
        assert execution.outcome == "failed"
        assert execution.error.startswith(error)
        rest = execution.traceback
        for part in told:  # in this order
            assert part in rest
            rest = rest.partition(part)[2]


def test_of_a_long_message_both_ends_are_kept(endings):
    for execution in endings["raises_5_megabytes"]:
        assert len(execution.error) == 255
        assert 60 * 1024 < len(execution.traceback.encode()) <= 64 * 1024


def test_the_traceback_begins_with_the_function(endings):
    for execution in endings["raises"]:
        assert execution.traceback.splitlines()[0] == "Traceback (most recent call last):"
        assert execution.traceback.splitlines()[1].endswith("in raises")


@pytest.mark.parametrize("job", ["sleeps", "looks_now_and_then"])
def test_a_job_that_lets_run_interrupted_pass_was_interrupted(endings, job):
    (execution,) = endings[job]
    assert (execution.outcome, execution.error, execution.traceback) == ("interrupted", "", "")


def test_a_job_that_returns_when_the_runner_stops_has_succeeded(endings):
    (execution,) = endings["ends_when_told"]
    assert execution.outcome == "succeeded"


def test_every_end_has_its_times(endings):
    for execution in [each for executions in endings.values() for each in executions]:
        took = execution.finished_at - execution.started_at
        assert abs(took - execution.duration) <= timedelta(microseconds=1)  # each is rounded
        assert execution.started_at >= execution.runner.started_at
        assert execution.finished_at <= execution.runner.stopped_at
        assert execution.lateness is not None


def test_no_execution_begins_before_the_one_before_it_has_ended(endings):
    for executions in endings.values():
        for earlier, later in zip(executions, executions[1:]):
            assert earlier.finished_at <= later.started_at


# Endings that end the runner, too.

BESIDES = """
import os
import signal
import threading
import time

from quick_jobs import register_job


@register_job(3600)
def sleeps(env):
    env.sleep(3600)


def wait_for_ever():
    threading.Event().wait()
"""


def executions():
    """Return the executions by the names of their functions, each of which ran once."""
    found = JobExecution.objects.select_related("job", "runner")
    by_name = {execution.job.name.rpartition(".")[2]: execution for execution in found}
    assert len(by_name) == len(found)
    return by_name


def test_a_job_over_its_timeout_is_on_record_with_where_it_hung(site):
    site.write(
        "shop/jobs.py",
        BESIDES
        + """
@register_job(3600, timeout=0.5)
def hangs(env):
    wait_for_ever()


@register_job(3600, timeout=0.5)
def ends_late(env):
    while not env.is_stopping:
        time.sleep(0.01)


@register_job(3600, timeout=3600)
def has_time(env):
    while not env.is_stopping:
        time.sleep(0.01)
""",
    )
    ended = site.run("run_jobs", "--stop-timeout", 1)
    assert ended.returncode == 1
    rows = executions()
    for name in ("hangs", "ends_late"):
        assert rows[name].outcome == "timed_out"
        assert rows[name].error == "ran over its timeout of 0.5 s"
        assert rows[name].duration.total_seconds() >= 0.5
    assert "in hangs\n    wait_for_ever()\n" in rows["hangs"].traceback
    assert "in wait_for_ever\n" in rows["hangs"].traceback
    assert (rows["sleeps"].outcome, rows["has_time"].outcome) == ("interrupted", "succeeded")
    runner = JobRunner.objects.get()
    assert runner.stopped_at is not None
    assert runner.stop_reason == "timed_out"
    assert runner.stop_detail.endswith(" ran over its timeout of 0.5 s")


def test_a_job_that_does_not_end_is_abandoned_with_where_it_was(site):
    site.write(
        "shop/jobs.py",
        BESIDES
        + """
hanging = threading.Event()

@register_job(3600)
def hangs(env):
    hanging.set()
    wait_for_ever()

@register_job(3600)
def stops(env):
    hanging.wait()
    env.request_stop()
""",
    )
    ended = site.run("run_jobs", "--stop-timeout", 0.5)
    assert ended.returncode == 1
    rows = executions()
    assert rows["hangs"].outcome == "abandoned"
    error = rows["hangs"].error
    assert re.fullmatch(r"was still running [\d.]+ s after the runner was told to stop", error)
    assert "in hangs\n    wait_for_ever()\n" in rows["hangs"].traceback
    assert rows["sleeps"].outcome == "interrupted"
    assert f"shop.jobs.hangs {error}\n    Stack (most recent call last):\n" in ended.stderr
    assert "    wait_for_ever()\n" in ended.stderr
    runner = JobRunner.objects.get()
    assert runner.stopped_at is not None
    assert (runner.stop_reason, runner.stop_detail) == ("requested", "shop.jobs.stops")


def test_an_error_that_was_to_be_fatal_is_on_record_and_stops_the_runner(site):
    site.write(
        "shop/jobs.py",
        BESIDES
        + """
@register_job(3600)
def is_fatal(env):
    env.request_fatal_errors()
    raise ValueError("nine")
""",
    )
    ended = site.run("run_jobs")
    assert ended.returncode == 1
    rows = executions()
    assert rows["is_fatal"].outcome == "failed"
    assert rows["is_fatal"].error == "ValueError: nine"
    assert 'raise ValueError("nine")' in rows["is_fatal"].traceback
    assert rows["sleeps"].outcome == "interrupted"
    runner = JobRunner.objects.get()
    assert runner.stopped_at is not None
    assert runner.stop_reason == "fatal_error"
    assert runner.stop_detail == "shop.jobs.is_fatal: ValueError: nine"


@pytest.mark.parametrize(
    ("first_line", "status"),
    [
        ("os._exit(7)", 7),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.abort()", -signal.SIGABRT),
    ],
)
def test_a_job_that_ends_the_process_on_its_first_line_is_on_record(
    site, settings, first_line, status
):
    """As running; as lost when the runner's last heartbeat has become too old."""
    # So that no start goes without its record, however busy the machine is.
    site.settings("QUICK_JOBS_START_RECORD_TIMEOUT = 60")
    site.write(
        "shop/jobs.py",
        BESIDES
        + f"""
@register_job(3600)
def ends_all(env):
    {first_line}
""",
    )
    ended = site.run("run_jobs", "--include-job", "shop.jobs.ends_all")
    assert ended.returncode == status
    execution = executions()["ends_all"]
    assert execution.outcome == "running"
    assert (execution.finished_at, execution.duration) == (None, None)
    assert execution.runner.stopped_at is None

    settings.QUICK_JOBS_LOST_AFTER = 3600
    assert list(JobExecution.objects.running()) == [execution]
    assert not JobExecution.objects.lost()
    assert not JobRunner.objects.lost()
    settings.QUICK_JOBS_LOST_AFTER = 0.1
    wait_until(JobExecution.objects.lost)
    assert list(JobExecution.objects.lost()) == [execution]
    assert list(JobRunner.objects.lost()) == [execution.runner]
    assert not JobExecution.objects.running()


def test_what_ran_in_a_process_that_was_killed_is_lost(site, settings):
    """As it seems to be of a runner whose heartbeat is late, until that comes."""
    site.settings("QUICK_JOBS_HEARTBEAT_INTERVAL = 1")
    site.write("shop/jobs.py", BESIDES)
    settings.QUICK_JOBS_LOST_AFTER = 0.4
    runner = site.start("run_jobs")
    for _ in range(2):
        wait_until(JobExecution.objects.running)
        wait_until(JobExecution.objects.lost)
    runner.send(signal.SIGKILL)
    assert runner.wait() == -signal.SIGKILL
    wait_until(JobExecution.objects.lost)
    execution = executions()["sleeps"]
    assert execution.outcome == "running"
    assert execution.runner.stopped_at is None


def test_a_runner_outlives_exceptions_that_raise_when_they_are_looked_at(site):
    site.write(
        "shop/jobs.py",
        """
        from quick_jobs import register_job

        class Text(str):
            def splitlines(self, keepends=False):
                raise SystemExit(3)

            strip = encode = __getitem__ = __len__ = __format__ = splitlines

        class Meta(type):
            __module__ = property(lambda self: 1 / 0)

            def __instancecheck__(self, other):
                raise KeyboardInterrupt

            __eq__ = __instancecheck__

            def __hash__(self):
                raise GeneratorExit

        class Odd(Exception, metaclass=Meta):
            def with_traceback(self, tb):
                raise SystemExit(3)

            def __str__(self):
                return Text("too large")

            __cause__ = __class__ = property(with_traceback)

        class Endless(Exception):
            __cause__ = property(lambda self: Endless())

        runs = []

        @register_job(3600)
        def odd(env):
            raise Odd()

        @register_job(3600)
        def endless(env):
            raise Endless("too large")

        @register_job(0.2)
        def works(env):
            runs.append(1)
            if len(runs) == 3:
                env.request_stop()
        """,
    )
    ended = site.run("run_jobs")
    assert ended.returncode == 0, ended.stderr
    failed = JobExecution.objects.filter(outcome=JobExecution.FAILED).order_by("job__name")
    assert [execution.error for execution in failed] == [
        "shop.jobs.Endless: too large",
        "shop.jobs.Odd: too large",
    ]
    for execution in failed:
        assert ", in " in execution.traceback
        assert "shown by a copy" in execution.traceback
    assert ended.stderr.count(" failed after ") == 2
    assert "Logging error" not in ended.stderr
