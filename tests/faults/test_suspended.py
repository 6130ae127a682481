"""The runner's process, or its machine, is suspended: it is lost meanwhile, and comes back."""

import signal
import time

import pytest

from quick_jobs.models import JobExecution
from tests.faults.shops import LOST_AFTER, STEADY, STEADY_INTERVAL, stop
from tests.site import wait_until

pytestmark = pytest.mark.faults

# Runs when the process is suspended.
LONG = """
    @register_job(interval=0)
    def long(env):
        with seen("long"):
            time.sleep(2)
"""


def steady_visits(shop):
    return [
        visit
        for visits in shop.visits().values()
        for visit in visits
        if visit.job.startswith("steady")
    ]


def test_each_job_starts_once_when_the_process_goes_on(any_shop):
    shop = any_shop
    shop.jobs(STEADY, LONG)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 30)
    wait_until(lambda: all(visit.ended for visit in steady_visits(shop)))
    wait_until(lambda: shop.count(outcome="running") == 1)  # nor does it write at the moment
    runner.send(signal.SIGSTOP)
    stopped_at = time.monotonic()
    wait_until(lambda: shop.runners("lost"))
    with shop.database() as using:
        lost = JobExecution.objects.using(using).lost()
        assert "shop.jobs.long" in {execution.job.name for execution in lost}
    wait_until(lambda: time.monotonic() - stopped_at > LOST_AFTER + 4)
    continued_at = time.monotonic()
    runner.send(signal.SIGCONT)
    wait_until(lambda: shop.runners("alive"))
    shop.wait_for_more(60)
    stop(runner)
    shop.assert_history_is_true()
    assert runner.output.count("WARNING") == 0
    window = 4 * STEADY_INTERVAL
    for visits in shop.visits().values():
        starts = [visit.began_monotonic - continued_at for visit in visits]
        if visits[0].job.startswith("steady"):
            # As many as if it had just begun, and not all that were missed.
            assert 1 <= len([start for start in starts if 0 <= start < window]) <= 4
            assert not [start for start in starts if stopped_at - continued_at + 1 < start < 0]
