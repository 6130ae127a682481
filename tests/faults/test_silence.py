"""A connection goes silent, as in a failover: the recorder leaves it, and nothing is lost."""

import signal

import pytest

from tests.faults.proxy import Proxy
from tests.faults.shops import STEADY, stop
from tests.site import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

# Waiting for half a minute is what is promised; here it is less. The runner reads this with its
# jobs, which is before it begins.
IMPATIENT = """
from quick_jobs.runner import maintenance, silence

silence._WARN_AFTER = 1.0
silence._BREAK_OFF_AFTER = 3.0
maintenance._FIRST_PRUNE = 2.0
"""


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def shop(server, new_shop, proxy):
    shop = new_shop(server.settings(port=proxy.port))
    shop.settings("QUICK_JOBS_HEARTBEAT_INTERVAL = 1")
    return shop


def test_the_recorder_leaves_a_silent_connection_and_all_is_on_record(shop, proxy):
    shop.jobs(IMPATIENT, STEADY)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 20)
    for _ in range(3):
        proxy.silence()
        before = shop.count()
        wait_until(lambda: shop.count() > before + 20, 60)  # noqa: B023
    stop(runner)
    assert "WARNING the history's database has not answered for 1 s\n" in runner.output
    assert "its connection is broken off" in runner.output
    assert "not saved" not in runner.output
    shop.assert_history_is_true()
    assert shop.runner().stopped_at


def test_a_runner_that_stops_in_the_silence_saves_what_there_is(shop, proxy):
    shop.jobs(IMPATIENT, STEADY)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 20)
    proxy.silence()
    wait_until(lambda: proxy.swallowed)
    runner.send(signal.SIGTERM)
    assert runner.wait(30) == 0
    assert "not saved" not in runner.output
    shop.assert_history_is_true()
    assert shop.runner().stopped_at


def test_silence_while_the_runner_registers_ends_too(shop, proxy):
    proxy.silence_at(rb"INSERT INTO .quick_jobs_jobrunner")
    shop.jobs(IMPATIENT, STEADY)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 20, 60)
    assert proxy.swallowed
    stop(runner)
    shop.assert_history_is_true()


def test_silence_amid_pruning_ends_too(shop, proxy):
    shop.settings("QUICK_JOBS_HISTORY_RETENTION = 1")
    proxy.silence_at(rb"DELETE FROM")
    shop.jobs(IMPATIENT, STEADY)
    runner = shop.start("run_jobs")
    wait_until(lambda: proxy.swallowed, 60)
    before = shop.count()
    wait_until(lambda: shop.count() > before + 20, 60)
    stop(runner)
    assert "its connection is broken off" in runner.output
    assert "not saved" not in runner.output
    assert shop.runner().stopped_at
