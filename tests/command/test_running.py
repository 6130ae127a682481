"""What ``manage.py run_jobs`` does while it runs: its starts and its threads."""

import signal
import time
from collections import defaultdict

import pytest

from quick_jobs.models import JobExecution
from tests.site import wait_until

#: What the jobs leave word with: a line is one write.
PREAMBLE = """
import contextlib
import os
import threading
import time

from quick_jobs import register_job

file = os.open("told.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def tell(*words):
    os.write(file, (" ".join(map(str, words)) + "\\n").encode())

"""


def jobs(site, text):
    site.write("shop/jobs.py", PREAMBLE + text)


def told(site):
    """Return the words of every whole line that the jobs wrote."""
    path = site.path / "told.txt"
    text = path.read_text() if path.exists() else ""
    return [line.split() for line in text.split("\n")[:-1]]


def stop(runner):
    runner.send(signal.SIGTERM)
    assert runner.wait(60) == 0, runner.output


# Starts. How late one comes on a busy machine is no matter here, but none may come too early.

STARTS = """
def visit(name, seconds=0):
    began = time.monotonic()
    time.sleep(seconds)
    tell(name, began, time.monotonic())

@register_job(0.2)
def often(env):
    visit("often")

@register_job(0.1)
def too_long(env):
    visit("too_long", 0.2)

@register_job(0)
def always(env):
    visit("always", 0.01)

@register_job(3600)
def again(env):
    visit("again")
    again.times += 1
    if again.times < 100:
        env.request_rerun()

again.times = 0

@register_job(1000000, variance=1000000)
def some_day(env):
    visit("some_day")
"""

STALL = 3.0


@pytest.mark.alone
def test_jobs_start_when_they_are_due_and_once_after_a_stall(site):
    jobs(site, STARTS)
    runner = site.start("run_jobs", "--no-history")
    wait_until(lambda: count(site, "often") > 5)
    runner.send(signal.SIGSTOP)
    time.sleep(STALL)  # so long it stands still
    runner.send(signal.SIGCONT)
    before = count(site, "often")
    wait_until(lambda: count(site, "often") > before + 5)
    wait_until(lambda: count(site, "again") == 100)
    stop(runner)

    visits = defaultdict(list)
    for name, began, ended in told(site):
        visits[name].append((float(began), float(ended)))
    for each in visits.values():
        for (_, ended), (began, _) in zip(each, each[1:]):
            assert ended <= began  # none overlaps itself
    began = {name: [start for start, _ in each] for name, each in visits.items()}
    seconds = began["often"][-1] - began["often"][0] - STALL
    assert len(began["often"]) < seconds / 0.2 + 5  # it missed 15
    assert len(began["too_long"]) > 5
    assert len(began["always"]) > len(began["often"])
    assert len(began["again"]) == 100
    assert "some_day" not in began  # unless chance is below one in 100,000


def count(site, name):
    return len([words for words in told(site) if words[0] == name])


# Threads.


@pytest.mark.alone
def test_thousands_of_jobs_due_at_once_need_a_handful_of_threads(site):
    jobs(
        site,
        """
for number in range(3000):
    def job(env):
        tell(threading.active_count())
    job.__name__ = "job_%d" % number
    globals()[job.__name__] = register_job(3600)(job)
""",
    )
    runner = site.start("run_jobs", "-v0", "--stop-timeout", 60)
    wait_until(lambda: len(told(site)) == 3000, 90)
    stop(runner)
    # Where it has the machine to itself, there are three or four.
    assert max(int(threads) for (threads,) in told(site)) < 100
    assert JobExecution.objects.filter(outcome="succeeded").count() == 3000


@pytest.mark.alone
def test_two_hundred_jobs_that_wait_all_run_at_the_same_time(site):
    jobs(
        site,
        """
barrier = threading.Barrier(200)

for number in range(200):
    def job(env):
        barrier.wait(60)
        tell("met")
    job.__name__ = "job_%d" % number
    globals()[job.__name__] = register_job(3600)(job)
""",
    )
    runner = site.start("run_jobs")
    wait_until(lambda: len(told(site)) == 200, 60)
    stop(runner)
    assert JobExecution.objects.filter(outcome="succeeded").count() == 200


def test_nothing_that_a_job_leaves_behind_reaches_the_next(site):
    jobs(
        site,
        """
import contextvars
import random
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone, translation

shared = contextvars.ContextVar("shared", default="nothing")

def an_open_transaction():
    transaction.atomic().__enter__()
    User.objects.create(username=str(random.random()))

def no_autocommit():
    transaction.set_autocommit(False)
    User.objects.create(username=str(random.random()))

def a_failed_transaction():
    transaction.atomic().__enter__()
    with contextlib.suppress(Exception):
        connection.cursor().execute("SELECT nonsense FROM nowhere")

def a_closed_connection():
    User.objects.exists()
    connection.close()

def a_broken_connection():
    User.objects.exists()
    connection.connection.close()

def a_language_and_a_time_zone():
    translation.activate("de")
    timezone.activate("Pacific/Auckland")

def a_context_variable():
    shared.set("something")

LEFT_BEHIND = [
    an_open_transaction, no_autocommit, a_failed_transaction, a_closed_connection,
    a_broken_connection, a_language_and_a_time_zone, a_context_variable,
]

def check():
    assert not User.objects.exists()
    assert transaction.get_autocommit()
    assert not connection.in_atomic_block
    assert translation.get_language() == "en-us"
    assert timezone.get_current_timezone_name() == "UTC"
    assert shared.get() == "nothing"

@register_job(0)
def leaves(env):
    check()
    leave = LEFT_BEHIND[leaves.times % len(LEFT_BEHIND)]
    leaves.times += 1
    leave()
    tell(leave.__name__, threading.get_ident())

leaves.times = 0
""",
    )
    runner = site.start("run_jobs")
    wait_until(lambda: len(told(site)) > 30)
    stop(runner)
    assert set(JobExecution.objects.values_list("outcome", "error").order_by()) <= {
        ("succeeded", ""),
        ("interrupted", "the runner stopped before the job began"),
    }
    assert len({thread for _, thread in told(site)}) == 1
