"""Times are true in every time zone, with and without ``USE_TZ``, and when summer time begins."""

import datetime as dt
import signal

import pytest

from tests.faults.shops import LOST_AFTER, STEADY, stop
from tests.site import wait_until

pytestmark = pytest.mark.faults

#: When clocks in Berlin were put forward from 2 to 3 o'clock.
SUMMER_TIME = dt.datetime(2026, 3, 29, 1, tzinfo=dt.timezone.utc)

#: When they were put back from 3 to 2 o'clock.
WINTER_TIME = dt.datetime(2026, 10, 25, 1, tzinfo=dt.timezone.utc)

SELDOM = """
    @register_job(interval=3600)
    def seldom(env):
        with seen("seldom"):
            pass
"""


@pytest.fixture
def in_zone(any_shop, settings):
    """Have a shop, and the test's process that reads its history, use a time zone."""

    def use(use_tz, time_zone):
        any_shop.settings(f"USE_TZ = {use_tz}\nTIME_ZONE = {time_zone!r}")
        settings.USE_TZ = use_tz
        settings.TIME_ZONE = time_zone
        return any_shop

    return use


@pytest.mark.parametrize(
    ("use_tz", "time_zone"),
    [(True, "Asia/Kathmandu"), (False, "America/St_Johns"), (False, "Pacific/Kiritimati")],
)
def test_times_are_true_in_every_time_zone(in_zone, use_tz, time_zone):
    shop = in_zone(use_tz, time_zone)
    shop.jobs(STEADY)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 30)
    assert shop.states() == (1, 0, 0)
    assert shop.runners("alive")
    stop(runner)
    shop.assert_history_is_true()
    row = shop.runner()
    first, *_, last = shop.executions()
    assert row.started_at <= first.started_at
    assert last.finished_at <= row.stopped_at


@pytest.mark.parametrize(
    ("use_tz", "change"),
    [(True, SUMMER_TIME), (False, SUMMER_TIME), (True, WINTER_TIME)],
    ids=["with USE_TZ", "without USE_TZ", "with USE_TZ, to winter time"],
)
def test_times_are_true_when_clocks_are_changed(in_zone, request, use_tz, change):
    shop = in_zone(use_tz, "Europe/Berlin")
    shop.jobs(STEADY, SELDOM)
    clocks = [shop.own_clock()]
    for name in {"postgresql", "mariadb"} & set(request.fixturenames):
        clocks.append(request.getfixturevalue(name).clock)
    set_all(clocks, change - dt.timedelta(minutes=1))
    runner = shop.start("run_jobs", "--exclude-job=shop.jobs.seldom")
    killed = shop.start("run_jobs", "--include-job=shop.jobs.seldom")
    wait_until(lambda: shop.count(outcome="succeeded", job__name="shop.jobs.seldom"))
    wait_until(lambda: shop.count() >= 30)
    killed.send(signal.SIGKILL)
    wait_until(lambda: shop.states() == (1, 1, 0))
    set_all(clocks, change - dt.timedelta(seconds=2))
    wait_until(lambda: shop.states() == (1, 1, 0))  # with the next heartbeat
    end = change.timestamp() + LOST_AFTER + 2
    while max(visit.began for visits in shop.visits().values() for visit in visits) < end:
        assert shop.states() == (1, 1, 0)
    assert shop.states() == (1, 1, 0)
    stop(runner)
    shop.assert_no_start_was_late()
    shop.assert_history_is_true()
    stopped = shop.runners("stopped")[0]
    for moment in (stopped.last_heartbeat_at, stopped.stopped_at):
        assert abs(moment.timestamp() - change.timestamp()) < 60


def set_all(clocks, moment):
    for clock in clocks:
        clock.set_to(moment)
