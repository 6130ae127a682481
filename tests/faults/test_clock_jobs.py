"""Jobs by the clock, in a real process: its clock is set, it is suspended, or it is busy."""

import datetime as dt
import signal
import sys
import time

import pytest

from tests.faults.shops import SLACK, stop
from tests.site import wait_until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.version_info < (3, 9), reason="waits follow the wall clock"),
]

UTC = dt.timezone.utc
THREE = dt.datetime(2027, 6, 1, 3, tzinfo=UTC)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)

NIGHTLY = """
    from quick_jobs import at

    @register_job(at("03:00"))
    def nightly(env):
        with seen("nightly"):
            pass
"""

# Starts at all multiples of so many seconds.
EVERY = """
    import datetime as dt

    class Every:
        def __init__(self, seconds):
            self.seconds = seconds

        def following(self, after):
            following = (after.timestamp() // self.seconds + 1) * self.seconds
            return dt.datetime.fromtimestamp(following, dt.timezone.utc)

        def describe(self):
            return "every %d s" % self.seconds
"""
EVERY_TWO_SECONDS = """
    @register_job(Every(2))
    def work(env):
        with seen("work"):
            pass
"""
TOO_LONG = """
    @register_job(Every(1))
    def work(env):
        with seen("work"):
            time.sleep(1.3)
"""
VARIED = """
    @register_job(Every(2), variance=1)
    def work(env):
        with seen("work"):
            pass
"""
RERUN_ONCE = """
    from itertools import cycle

    is_first = cycle([True, False])

    @register_job(Every(2))
    def work(env):
        with seen("work"):
            if next(is_first):
                env.request_rerun()
"""


def due_times(shop):
    return [execution.due_at for execution in shop.executions()]


def due_times_of_successes(shop):
    """Return when they were due that have ended: what passes while the job runs is skipped."""
    return [execution.due_at for execution in shop.executions(outcome="succeeded")]


def due_seconds(shop):
    return [due.timestamp() for due in due_times(shop)]


def wait_for_middle_of_two_seconds():
    wait_until(lambda: 0.8 < time.time() % 2 < 1.2)


def test_a_clock_that_is_set_starts_a_passed_time_once_and_none_twice(file_shop):
    shop = file_shop
    clock = shop.own_clock()
    clock.set_to(THREE - 2 * MINUTE)
    shop.jobs(NIGHTLY)
    runner = shop.start("run_jobs")
    runner.wait_for_output("first starts: shop.jobs.nightly in ")
    clock.set_to(THREE + 5 * MINUTE)
    wait_until(lambda: due_times_of_successes(shop) == [THREE])
    clock.set_to(THREE + 3 * DAY + MINUTE)
    wait_until(lambda: due_times_of_successes(shop) == [THREE, THREE + 3 * DAY])
    clock.set_to(THREE + 3 * DAY - dt.timedelta(seconds=1))
    for _ in range(4):  # a second each
        shop.wait_for_heartbeat()
    clock.set_to(THREE + 4 * DAY - dt.timedelta(seconds=2))
    wait_until(lambda: len(due_times(shop)) > 2)
    stop(runner)
    assert due_times(shop) == [THREE, THREE + 3 * DAY, THREE + 4 * DAY]
    assert "WARNING" not in runner.output


def test_times_that_pass_while_the_process_is_suspended_are_one_start(file_shop):
    shop = file_shop
    shop.jobs(EVERY, EVERY_TWO_SECONDS)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count(outcome="succeeded") >= 1)
    wait_for_middle_of_two_seconds()
    runner.send(signal.SIGSTOP)
    stopped_at = time.time()
    wait_until(lambda: time.time() > stopped_at + 5)
    wait_for_middle_of_two_seconds()
    continued_at = time.time()
    runner.send(signal.SIGCONT)
    shop.wait_for_more(3)
    stop(runner)
    due = due_seconds(shop)
    last_passed = continued_at // 2 * 2
    assert [moment for moment in due if stopped_at < moment < continued_at] == [last_passed]
    after = [moment for moment in due if moment > continued_at]
    assert after[:2] == [last_passed + 2, last_passed + 4]
    assert "WARNING" not in runner.output


def test_a_time_that_comes_while_the_job_runs_is_skipped_with_a_warning(file_shop):
    shop = file_shop
    shop.jobs(EVERY, TOO_LONG)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 3)
    stop(runner)
    due = due_seconds(shop)
    assert all(later - earlier >= 2 for earlier, later in zip(due, due[1:]))
    skipped = dt.datetime.fromtimestamp(due[0] + 1, UTC)
    warning = f"shop.jobs.work is still running: its start at {skipped:%Y-%m-%d %H:%M:%S} UTC"
    assert f"{warning} is skipped" in runner.output


def test_a_start_is_later_by_a_part_of_the_variance_and_due_without(file_shop):
    shop = file_shop
    shop.jobs(EVERY, VARIED)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 4)
    stop(runner)
    executions = shop.executions()
    late = [each.started_at.timestamp() - each.due_at.timestamp() for each in executions]
    assert all(-0.01 < seconds < 1 + SLACK for seconds in late), late
    assert max(late) - min(late) > 0.001
    due = due_seconds(shop)
    assert due == [due[0] + 2 * number for number in range(len(due))]


def test_a_rerun_starts_at_once_and_leaves_the_times_as_they_are(file_shop):
    shop = file_shop
    shop.jobs(EVERY, RERUN_ONCE)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count(outcome="succeeded") >= 4)
    stop(runner)
    first, rerun, second, _ = due_seconds(shop)[:4]
    assert first % 2 == 0
    assert first < rerun < first + SLACK
    assert second == first + 2
