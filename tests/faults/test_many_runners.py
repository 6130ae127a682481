"""Many runners on one database, started at the same moment, with jobs that are new to it."""

import pytest

from tests.faults.shops import stop
from tests.site import wait_until

# Every runner gets to this line, and waits there until all of them go on together.
GATE = """
    tell("arrived", "gate")
    while not os.path.exists(os.path.join(os.path.dirname(__file__), "open")):
        time.sleep(0.001)
"""

JOBS = "".join(
    f"""
@register_job(interval=1)
def job_{number}(env):
    with seen("job_{number}"):
        pass
"""
    for number in range(5)
)


def assert_they_get_along(shop, number):
    shop.jobs(GATE, JOBS)
    runners = [shop.start("run_jobs") for _ in range(number)]
    wait_until(lambda: len(shop.told()) == number, 60)
    (shop.path / "shop" / "open").touch()
    wait_until(lambda: len(shop.runners()) == number, 60)
    wait_until(lambda: shop.count(outcome="succeeded") >= 10 * number, 60)
    wait_until(lambda: len(shop.runners("alive")) == number)
    stop(*runners)
    for runner in runners:
        for word in ("ERROR", "WARNING", "CRITICAL", "Traceback"):
            assert word not in runner.output, runner.output
    shop.assert_history_is_true()
    assert shop.job_names() == [f"shop.jobs.job_{each}" for each in range(5)]
    assert sorted(each.pid for each in shop.runners("stopped")) == sorted(
        runner.pid for runner in runners
    )


def test_two_runners_that_start_together_get_along(shop):
    assert_they_get_along(shop, 2)


@pytest.mark.faults
def test_twenty_runners_that_start_together_get_along(any_shop):
    assert_they_get_along(any_shop, 20)
