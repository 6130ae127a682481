"""What only reports ends no runner, and holds up none."""

import contextlib
import os
import signal
import subprocess
import time

import django
import pytest

from quick_jobs.models import JobExecution, JobRunner
from tests.site import wait_until

TICKS = """
import os
from quick_jobs import register_job

ticks = os.open("ticks.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@register_job(0.05)
def ticks_on(env):
    os.write(ticks, b"x")

@register_job(0.05)
def fails(env):
    raise LookupError("of the job")
"""

TICKS_ONCE = """
import os
from quick_jobs import register_job

ticks = os.open("ticks.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@register_job(3600)
def ticks_once(env):
    os.write(ticks, b"x")
    env.request_stop()
"""

HANGS = """
import os
import threading
from quick_jobs import register_job

@register_job(3600)
def hangs(env):
    os.close(os.open("ticks.txt", os.O_CREAT))
    threading.Event().wait()
"""

IDLES = """
import os
from quick_jobs import register_job

@register_job(3600)
def idles(env):
    os.close(os.open("ticks.txt", os.O_CREAT))
    env.sleep(3600)
"""

HANDLER = """
import logging

class Exits(logging.Handler):
    def emit(self, record):
        raise SystemExit(3)

class Backend:
    def __init__(self, **options):
        pass

    def send_messages(self, messages):
        raise LookupError("of the mail backend")
"""

MAIL = (
    'MAILERS = {"default": {"BACKEND": "shop.log.Backend"}}'
    if django.VERSION >= (6, 1)
    else 'EMAIL_BACKEND = "shop.log.Backend"'
)
ADMINS = ["admin@example.com"] if django.VERSION >= (6, 0) else [("Admin", "admin@example.com")]


def ticks(site):
    path = site.path / "ticks.txt"
    return path.stat().st_size if path.exists() else -1


@pytest.mark.parametrize(
    "broken",
    ["shop.log.Exits", "django.utils.log.AdminEmailHandler"],
    ids=["by an exit", "by its mail"],
)
def test_a_log_that_raises_changes_nothing(site, broken):
    site.write("shop/jobs.py", TICKS)
    site.write("shop/log.py", HANDLER)
    site.settings(f"""
        LOGGING = {{"version": 1, "handlers": {{"broken": {{"class": {broken!r}}}}}}}
        LOGGING["loggers"] = {{"quick_jobs": {{"handlers": ["broken"], "level": "DEBUG"}}}}
        ADMINS = {ADMINS!r}
        {MAIL}
    """)
    runner = site.start("run_jobs")
    wait_until(lambda: ticks(site) > 5)
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output
    assert runner.output.count("quick_jobs: a line of the log was lost") == 1
    assert JobRunner.objects.get().stop_reason == "signal"
    outcomes = set(JobExecution.objects.values_list("outcome", flat=True))
    assert {"succeeded", "failed"} <= outcomes <= {"succeeded", "failed", "interrupted"}


@pytest.fixture
def full_pipe():
    """The end of a pipe to which no byte can be written, as nobody reads."""
    outward, inward = os.pipe()
    os.set_blocking(inward, False)
    for size in (4096, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(inward, b"x" * size)
    os.set_blocking(inward, True)
    yield inward
    os.close(outward)
    os.close(inward)


#: At the end, what is written gets a moment instead of seconds.
IMPATIENT = """
from quick_jobs import logs, process_exit

logs._STUCK_AFTER = process_exit._AT_EXIT = 0.5
"""


@pytest.fixture
def start_unread(site, full_pipe):
    """Start ``run_jobs`` with all its output into a pipe that nobody reads."""
    started = []

    def start(*options):
        started.append(
            subprocess.Popen(
                site.command("run_jobs", *options),
                cwd=str(site.path),
                env=site.environment(),
                stdin=subprocess.DEVNULL,
                stdout=full_pipe,
                stderr=full_pipe,
            )
        )
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


@pytest.mark.parametrize("options", [[], ["--print-jobs"]])
def test_with_output_that_nobody_reads_a_signal_stops_it(site, start_unread, options):
    site.write("shop/jobs.py", IMPATIENT + IDLES)
    runner = start_unread("--stop-timeout=3600", "--verbosity=0", *options)
    wait_until(lambda: ticks(site) == 0)
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(30) == 0
    assert JobExecution.objects.get().outcome == "interrupted"
    assert JobRunner.objects.get().stop_reason == "signal"


def test_with_output_that_nobody_reads_the_stop_timeout_holds(site, start_unread):
    site.write("shop/jobs.py", IMPATIENT + HANGS)
    runner = start_unread("--stop-timeout=0.5")
    wait_until(lambda: ticks(site) == 0)
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(30) == 1
    assert JobExecution.objects.get().outcome == "abandoned"
    assert JobRunner.objects.get().stop_reason == "signal"


def test_with_output_that_nobody_reads_the_second_signal_holds(site, start_unread):
    site.write("shop/jobs.py", IMPATIENT + HANGS)
    runner = start_unread("--stop-timeout=3600")
    wait_until(lambda: ticks(site) == 0)
    runner.send_signal(signal.SIGTERM)
    time.sleep(0.1)  # two of the same kind at once are one
    runner.send_signal(signal.SIGINT)
    assert runner.wait(30) == 1
    assert JobExecution.objects.get().outcome == "abandoned"
    assert JobRunner.objects.get().stop_reason == "signal"


def test_with_output_that_nobody_reads_a_timeout_holds(site, start_unread):
    site.write("shop/jobs.py", IMPATIENT + HANGS.replace("3600", "3600, timeout=0.5"))
    runner = start_unread("--stop-timeout=0.5")
    assert runner.wait(30) == 1
    assert JobExecution.objects.get().outcome == "timed_out"
    assert JobRunner.objects.get().stop_reason == "timed_out"


def test_a_refusal_that_nobody_reads_ends_it(site, start_unread):
    """After the seconds that a process gets by default."""
    assert start_unread().wait(30) == 1  # there are no jobs


def run_with_output_to(site, stdout, *options, shell='exec "$@"'):
    return subprocess.run(
        ["sh", "-c", shell, "sh", *site.command("run_jobs", "--print-jobs", *options)],
        cwd=str(site.path),
        env=site.environment(),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
    )


@pytest.mark.parametrize("option", ["--trial-run", "--stop-after=0.2"])
def test_a_list_of_jobs_whose_reader_has_gone_is_no_error(site, option):
    site.write("shop/jobs.py", TICKS)
    outward, inward = os.pipe()
    os.close(outward)
    ended = run_with_output_to(site, inward, option)
    os.close(inward)
    assert ended.returncode == 0, ended.stderr
    assert "Exception ignored" not in ended.stderr


def test_a_list_of_jobs_that_cannot_be_printed_does_not_end_the_runner(site):
    site.write("shop/jobs.py", TICKS_ONCE)
    ended = run_with_output_to(site, None, shell='exec "$@" >&-')
    assert ended.returncode == 0, ended.stderr
    assert "a line of the log was lost ('the list of jobs')" in ended.stderr
    assert ticks(site) == 1
