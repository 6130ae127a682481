"""The wall clock is set, or wrong: no job minds, and who lives is told from who does not."""

import datetime as dt
import signal
import sys
import time

import pytest

from tests.faults.shops import LOST_AFTER, STEADY, stop
from tests.site import wait_until

pytestmark = pytest.mark.faults

HOUR = 3600
MINUTES = 7 * 60

# Runs while the clock is set.
LONG = """
    @register_job(interval=0)
    def long(env):
        with seen("long"):
            time.sleep(1)
"""


def assert_judged_rightly_when_killed(shop, runner):
    assert shop.states() == (1, 0, 0)
    runner.send(signal.SIGKILL)
    wait_until(lambda: shop.states() == (0, 1, 0), LOST_AFTER + 10)


@pytest.mark.skipif(
    sys.version_info < (3, 9), reason="waits follow the wall clock, say the documents"
)
def test_a_clock_that_jumps_by_an_hour_changes_no_rhythm_and_no_duration(any_shop):
    shop = any_shop
    clock = shop.own_clock()
    shop.jobs(STEADY, LONG)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 30)
    for ahead in (HOUR, 0, -HOUR):
        clock.set_ahead(ahead)
        shop.wait_for_heartbeat()
        shop.wait_for_more(30)
        assert shop.states() == (1, 0, 0)
    stop(runner)
    shop.assert_no_start_was_late()
    shop.assert_history_is_true(jumps=(HOUR, -HOUR))


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
def test_after_a_jump_of_the_databases_clock_the_next_heartbeat_counts(server, server_shop, ahead):
    shop = server_shop
    shop.jobs(STEADY)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 30)
    server.clock.set_ahead(ahead)
    shop.wait_for_heartbeat()
    wait_until(lambda: shop.runners("alive"))
    assert_judged_rightly_when_killed(shop, runner)
    shop.assert_no_start_was_late()


@pytest.mark.parametrize("ahead", [MINUTES, -MINUTES])
def test_a_runner_whose_clock_is_not_the_databases_is_judged_by_the_databases(server_shop, ahead):
    shop = server_shop
    shop.own_clock().set_ahead(ahead)
    shop.jobs(STEADY)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count(outcome="succeeded") >= 30)
    assert shop.runners("alive")
    own_time = time.time() + ahead
    assert abs(shop.executions()[-1].started_at.timestamp() - own_time) < MINUTES / 2
    assert abs(shop.runner().last_heartbeat_at.timestamp() - time.time()) < MINUTES / 2
    assert_judged_rightly_when_killed(shop, runner)
    for execution in shop.executions():
        assert execution.duration is None or execution.duration < dt.timedelta(seconds=60)
