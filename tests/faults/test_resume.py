"""A schedule that resumes goes on over restarts of the runner as if it had never stopped."""

import datetime as dt
import re
import signal
import sys

import pytest

from tests.faults.shops import stop
from tests.faults.test_several_databases import ROUTED, ROUTERS
from tests.site import wait_until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.version_info < (3, 9), reason="waits follow the wall clock"),
]

MINUTE = 60
HOUR = 3600
THREE = dt.datetime(2027, 6, 1, 3, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)
FIRST_START = re.compile(r"first starts: .* in (?:(\d+) h ?)?(?:(\d+) min ?)?(?:(\d+) s)?\n")

HOURLY = """
    @register_job(interval=3600, resume=True)
    def work(env):
        with seen("work"):
            {}
"""
NIGHTLY = """
    from quick_jobs import at

    @register_job(at("03:00"), resume=True)
    def nightly(env):
        with seen("nightly"):
            print(f"success {env.previous_success}")
"""


def assert_waits(shop, seconds):
    """Assert that a new runner starts nothing, but says that the job does so in ``seconds``.

    Since the test looked at the clock, up to half a minute may have passed.
    """
    before = shop.count()
    runner = shop.start("run_jobs")
    wait_until(lambda: FIRST_START.search(runner.output), timeout=60)
    hours, minutes, rest = (int(n or 0) for n in FIRST_START.search(runner.output).groups())
    stop(runner)
    assert shop.count() == before
    assert seconds - 30 < hours * HOUR + minutes * MINUTE + rest <= seconds


def assert_starts_at_once(shop):
    """Assert that a new runner starts one execution, which succeeds; return it and the output."""
    before = shop.count(outcome="succeeded")
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count(outcome="succeeded") > before)
    stop(runner)
    assert shop.count(outcome="succeeded") == before + 1
    return shop.executions()[-1], runner.output


def test_an_interval_goes_on_from_its_last_start(any_shop):
    shop = any_shop
    clock = shop.own_clock()
    shop.jobs(HOURLY.format("pass"))
    assert_starts_at_once(shop)
    assert_waits(shop, HOUR)
    clock.set_ahead(HOUR // 2)
    assert_waits(shop, HOUR // 2)
    clock.set_ahead(5 * HOUR)
    assert_starts_at_once(shop)
    first, last = shop.executions()
    pause = (last.due_at - first.started_at).total_seconds()
    assert pause == pytest.approx(HOUR, abs=1e-4)
    assert last.started_at - first.started_at > dt.timedelta(hours=4)
    clock.set_ahead(5 * HOUR + 15 * MINUTE)
    assert_waits(shop, 45 * MINUTE)
    shop.jobs(HOURLY.replace("3600", "600").format("pass"))  # the code is changed
    assert_starts_at_once(shop)
    clock.set_ahead(0)  # the last start is in the future
    assert_waits(shop, 10 * MINUTE)


def test_a_start_whose_process_was_killed_counts(any_shop):
    shop = any_shop
    shop.jobs(HOURLY.format("time.sleep(60)"))
    runner = shop.start("run_jobs")
    wait_until(shop.number_of_visits)
    runner.send(signal.SIGKILL)
    runner.wait()
    assert_waits(shop, HOUR)
    assert shop.number_of_visits() == 1


def test_what_was_interrupted_is_due_at_once(any_shop):
    shop = any_shop
    shop.jobs(HOURLY.format("env.sleep(60)"))
    runner = shop.start("run_jobs")
    wait_until(shop.number_of_visits)
    stop(runner)
    shop.jobs(HOURLY.format("pass"))
    assert_starts_at_once(shop)
    assert_waits(shop, HOUR)
    assert [each.outcome for each in shop.executions()] == ["interrupted", "succeeded"]


def test_a_time_that_passed_while_no_runner_ran_is_made_up_for_once(any_shop):
    shop = any_shop
    clock = shop.own_clock()
    shop.jobs(NIGHTLY)
    clock.set_to(THREE + dt.timedelta(hours=4))
    assert_waits(shop, 20 * HOUR)  # there is nothing on record
    clock.set_to(THREE + DAY - dt.timedelta(seconds=3))
    first, _ = assert_starts_at_once(shop)
    assert first.due_at == THREE + DAY
    clock.set_to(THREE + 4 * DAY + dt.timedelta(hours=2))
    second, output = assert_starts_at_once(shop)
    assert second.due_at == THREE + 4 * DAY
    assert f"success {first.started_at}" in output
    assert_waits(shop, 22 * HOUR)


def test_without_a_history_it_begins_anew_and_says_so(file_shop):
    shop = file_shop
    shop.jobs(HOURLY.format("pass"))
    assert_starts_at_once(shop)
    runner = shop.start("run_jobs", "--no-history")
    wait_until(lambda: shop.number_of_visits() == 2)
    stop(runner)
    warning = "no history is kept: starting as without resume=True: shop.jobs.work"
    assert warning in runner.output
    assert shop.count() == 1


def test_the_history_that_a_router_names_is_asked(file_shop):
    shop = file_shop
    migrated = shop.path / "database"
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(migrated)}
    empty = {**settings, "NAME": str(shop.path / "empty")}
    shop.settings(ROUTED.format(default=empty))
    shop.settings(f"DATABASES['history'] = {settings!r}")
    shop.write("routers.py", ROUTERS)
    shop.jobs(HOURLY.format("print(f'success {env.previous_success}')"))
    assert_starts_at_once(shop)
    assert_waits(shop, HOUR)
