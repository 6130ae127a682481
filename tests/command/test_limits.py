"""A machine that gives a runner no more threads, or no memory for one."""

import signal

import pytest

from quick_jobs.models import JobExecution, JobRunner
from tests.site import wait_until

#: What a limit of the machine does, but for processes of root as well.
JOBS = """
import threading
import time
from functools import partial

from quick_jobs import register_job

start = threading.Thread.start

def start_or_refuse(thread):
    if threading.active_count() >= {threads}:
        raise {error}
    start(thread)

threading.Thread.start = start_or_refuse

def work(env):
    time.sleep(0.05)

for number in range(20):
    job = partial(work)
    job.__module__, job.__name__ = __name__, "job_%d" % number
    globals()[job.__name__] = register_job(3600)(job)
"""

NO_THREAD = 'RuntimeError("can\'t start new thread")'


@pytest.mark.parametrize(("threads", "error"), [(4, NO_THREAD), (9, "MemoryError()")])
def test_all_jobs_run_by_and_by_and_it_is_said_once(site, threads, error):
    site.write("shop/jobs.py", JOBS.format(threads=threads, error=error))
    runner = site.start("run_jobs")
    wait_until(lambda: JobExecution.objects.filter(outcome="succeeded").count() == 20)
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output
    assert runner.output.count("cannot be started") == 1
    assert "The jobs go on with the threads there are" in runner.output
    executions = JobExecution.objects.values_list("job__name", "outcome")
    assert set(executions) == {(f"shop.jobs.job_{number}", "succeeded") for number in range(20)}
    assert JobRunner.objects.get().stop_reason == "signal"


@pytest.mark.parametrize(
    ("threads", "name", "error"), [(1, "signals", NO_THREAD), (2, "recorder", "MemoryError()")]
)
def test_a_runner_without_the_threads_that_it_cannot_do_without_says_so(site, threads, name, error):
    site.write("shop/jobs.py", JOBS.format(threads=threads, error=error))
    ended = site.run("run_jobs")
    assert ended.returncode == 1
    assert f"The thread 'quick_jobs {name}' cannot be started" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_history_a_runner_waits_for_its_first_worker(site):
    site.write("shop/jobs.py", JOBS.format(threads=2, error=NO_THREAD))
    ended = site.run("run_jobs", "--no-history", "--stop-after=0.5", "--stop-timeout=0.5")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("'quick_jobs worker 1' cannot be started") == 1
