"""How ``manage.py run_jobs`` comes to its end, and its exit status."""

import os
import signal
import subprocess
from datetime import timedelta

import pytest
from django.core.management import call_command

from quick_jobs.models import JobExecution, JobRunner
from tests.site import wait_until

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP]

PREAMBLE = """
import os
import threading
import time

from quick_jobs import register_job

"""

#: Ten jobs that run all the time and write down that they did, and one that waits for the end.
BUSY = """
from functools import partial

file = os.open("ran.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def run(name, env):
    os.write(file, (name + "\\n").encode())

for number in range(10):
    job = partial(run, "shop.jobs.busy_%d" % number)
    job.__module__, job.__name__ = __name__, "busy_%d" % number
    globals()[job.__name__] = register_job(0.02)(job)

@register_job(3600)
def sleeps(env):
    run("shop.jobs.sleeps", env)
    env.sleep(3600)
"""

HANGS = """
@register_job(3600)
def hangs(env):
    wait_for_ever()

def wait_for_ever():
    print("it hangs", flush=True)
    threading.Event().wait()
"""


def jobs(site, *texts):
    site.write("shop/jobs.py", "".join([PREAMBLE, *texts]))


def ran(site):
    """Return the names of the jobs that wrote that they ran, in order."""
    path = site.path / "ran.txt"
    return path.read_text().splitlines() if path.exists() else []


def executions():
    """Return those that ran: some may have been about to begin when the runner was stopped."""
    return JobExecution.objects.exclude(outcome="interrupted", lateness=None)


def assert_all_is_on_record(site):
    assert sorted(
        executions().exclude(job__name__contains="prints").values_list("job__name", flat=True)
    ) == sorted(ran(site))
    assert not JobExecution.objects.filter(finished_at=None)
    busy = executions().filter(job__name__contains="busy")
    assert set(busy.values_list("outcome", flat=True)) == {"succeeded"}
    sleeps = executions().get(job__name="shop.jobs.sleeps")
    assert sleeps.outcome == "interrupted"


def assert_stopped(reason, detail):
    runner = JobRunner.objects.get()
    assert runner.stopped_at is not None
    assert (runner.stop_reason, runner.stop_detail) == (reason, detail)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_it_cleanly(site, number):
    jobs(site, BUSY)
    runner = site.start("run_jobs")
    wait_until(lambda: len(ran(site)) > 50)
    runner.send(number)
    assert runner.wait() == 0, runner.output
    assert f"INFO stopping: {number.name}\n" in runner.output
    assert "Traceback" not in runner.output
    assert_all_is_on_record(site)
    assert_stopped("signal", number.name)


def test_a_signal_is_heard_whichever_thread_gets_it(site):
    """The main thread has nothing to do for an hour, and is to wake all the same."""
    site.settings("QUICK_JOBS_HEARTBEAT_INTERVAL = 3600")
    jobs(
        site,
        """
import signal

@register_job(3600)
def gets_a_signal(env):
    time.sleep(0.5)  # until the main thread waits
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    env.sleep(3600)
""",
    )
    runner = site.start("run_jobs")
    assert runner.wait(60) == 0
    assert executions().get().outcome == "interrupted"
    assert_stopped("signal", "SIGTERM")


def test_a_second_signal_ends_it_at_once(site):
    jobs(site, HANGS)
    runner = site.start("run_jobs", "--stop-timeout", 3600)
    runner.wait_for_output("it hangs")
    runner.send(signal.SIGTERM)
    runner.wait_for_output("stopping: SIGTERM")
    assert runner.is_running
    runner.send(signal.SIGINT)
    assert runner.wait() == 1
    assert "WARNING SIGINT again: stopping at once\n" in runner.output
    assert "ERROR shop.jobs.hangs was still running " in runner.output
    execution = executions().get()
    assert execution.outcome == "abandoned"
    assert "    wait_for_ever()\n" in execution.traceback
    assert_stopped("signal", "SIGTERM")


def test_jobs_that_do_not_end_in_time_are_named_with_where_they_are(site):
    jobs(site, BUSY, HANGS)
    runner = site.start("run_jobs", "--stop-timeout", 0.5)
    wait_until(lambda: len(ran(site)) > 50)
    runner.wait_for_output("it hangs")
    runner.send(signal.SIGTERM)
    assert runner.wait() == 1
    told = runner.output.partition("stopping: SIGTERM")[2]
    assert told.count("after the runner was told to stop") == 1
    assert "ERROR shop.jobs.hangs was still running " in told
    assert "after the runner was told to stop\n    Stack (most recent call last):\n" in told
    assert '/shop/jobs.py", line ' in told
    assert "    wait_for_ever()\n" in told
    assert executions().get(job__name="shop.jobs.hangs").outcome == "abandoned"
    assert_stopped("signal", "SIGTERM")


def test_jobs_may_take_the_stop_timeout_to_end(site):
    jobs(
        site,
        """
@register_job(3600)
def takes_its_time(env):
    print("takes its time", flush=True)
    while not env.is_stopping:
        time.sleep(0.01)
    time.sleep(0.5)
""",
    )
    runner = site.start("run_jobs", "--stop-timeout", 60)
    runner.wait_for_output("takes its time")
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0
    execution = executions().get()
    assert execution.outcome == "succeeded"
    assert execution.duration > timedelta(seconds=0.5)
    assert_stopped("signal", "SIGTERM")


def test_it_stops_after_the_time_that_it_is_given(site):
    jobs(site, BUSY)
    stopped = site.run("run_jobs", "--stop-after", 1)
    assert stopped.returncode == 0, stopped.stderr
    assert_all_is_on_record(site)
    assert_stopped("stop_after", "after 1 s")
    runner = JobRunner.objects.get()
    assert timedelta(seconds=0.9) < runner.stopped_at - runner.started_at < timedelta(seconds=30)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, "0.1 s"), (0.5, "0.3 s"), (1.0, "0.5 s")])
def test_a_random_part_of_the_variance_is_added(
    transactional_db, monkeypatch, sample_jobs, chance, seconds
):
    monkeypatch.setattr("random.random", lambda: chance)
    call_command(
        "run_jobs",
        f"--include-job={sample_jobs}.sample_job_1",
        "--stop-after=0.1",
        "--stop-variance=0.4",
    )
    assert_stopped("stop_after", f"after {seconds}")


def test_a_job_can_stop_it(site):
    jobs(
        site,
        BUSY,
        """
@register_job(3600)
def has_enough(env):
    env.request_stop()
    run("shop.jobs.has_enough", env)
    env.sleep(0.3)  # until the end of the execution all goes on
""",
    )
    stopped = site.run("run_jobs")
    assert stopped.returncode == 0, stopped.stderr
    assert_all_is_on_record(site)
    assert executions().get(job__name="shop.jobs.has_enough").outcome == "succeeded"
    assert_stopped("requested", "shop.jobs.has_enough")


@pytest.mark.parametrize(
    ("status", "last_line", "reason", "detail"),
    [
        (0, "env.request_stop()", "requested", "shop.jobs.asks_for_it"),
        (1, 'raise ValueError("ten")', "fatal_error", "shop.jobs.asks_for_it: ValueError: ten"),
    ],
)
def test_only_errors_of_an_execution_that_asks_for_it_stop_it(
    site, status, last_line, reason, detail
):
    jobs(
        site,
        BUSY,
        f"""
@register_job(0.05)
def fails_often(env):
    run("shop.jobs.fails_often", env)
    fails_often.times += 1
    raise ValueError("nine")

fails_often.times = 0

@register_job(3600)
def asks_for_it(env):
    env.request_fatal_errors()
    run("shop.jobs.asks_for_it", env)
    while fails_often.times < 3:
        env.sleep(0.01)
    {last_line}
""",
    )
    stopped = site.run("run_jobs")
    assert stopped.returncode == status, stopped.stderr
    assert_all_is_on_record(site)
    assert executions().filter(job__name="shop.jobs.fails_often").count() >= 3
    assert_stopped(reason, detail)


def test_a_job_over_its_timeout_stops_it(site):
    jobs(
        site,
        BUSY,
        """
@register_job(3600, timeout=0.5)
def is_slow(env):
    run("shop.jobs.is_slow", env)
    while not env.is_stopping:
        time.sleep(0.01)
""",
    )
    stopped = site.run("run_jobs")
    assert stopped.returncode == 1
    assert "ERROR shop.jobs.is_slow ran over its timeout of 0.5 s\n    Stack " in stopped.stderr
    assert_all_is_on_record(site)
    assert executions().get(job__name="shop.jobs.is_slow").outcome == "timed_out"
    assert_stopped("timed_out", "shop.jobs.is_slow ran over its timeout of 0.5 s")


# Where its output goes.

PRINTS = """
@register_job(0.1)
def prints(env):
    print("printed", flush=True)
"""

STOPS = """
@register_job(3600)
def stops(env):
    env.request_stop()
"""


def test_it_needs_no_open_streams(site):
    jobs(site, PRINTS, STOPS)
    command = site.command("run_jobs")
    completed = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command],
        cwd=str(site.path),
        env=site.environment(),
        timeout=60,
    )
    assert completed.returncode == 0
    assert set(executions().values_list("outcome", flat=True)) == {"succeeded"}
    assert_stopped("requested", "shop.jobs.stops")


def test_it_goes_on_when_nobody_reads_its_output_any_more(site):
    """As in `manage.py run_jobs | head`: it is the jobs that fail when they print."""
    jobs(site, BUSY, PRINTS)
    inward, outward = os.pipe()
    process = subprocess.Popen(
        site.command("run_jobs"),
        cwd=str(site.path),
        env=site.environment(),
        stdin=subprocess.DEVNULL,
        stdout=outward,
        stderr=outward,
    )
    try:
        os.close(outward)
        output = b""
        while b"printed" not in output:
            output += os.read(inward, 100000)
        os.close(inward)
        broken = executions().filter(error__startswith="BrokenPipeError")
        wait_until(broken.exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait(20)
    assert_all_is_on_record(site)
    assert_stopped("signal", "SIGTERM")
