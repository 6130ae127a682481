"""Every way of keeping connections works, and takes no more of them than the documents say."""

import time

import django
import pytest

from tests.faults.servers import PgBouncer
from tests.faults.shops import STEADY, stop
from tests.site import wait_until

pytestmark = pytest.mark.faults

QUERYING = 5

QUERIES = "".join(
    f"""
@register_job(interval=0.5)
def query_{number}(env):
    with seen("query_{number}"), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        time.sleep(0.2)
"""
    for number in range(QUERYING)
)

IDLE = """
    @register_job(interval=0.5)
    def idle(env):
        with seen("idle"):
            pass
"""


def connect(shop, **settings):
    """Have the shop's processes, and nobody else, come as the user ``shop`` with ``settings``."""
    shop.settings(f"DATABASES['default'].update(USER='shop', **{settings!r})")


def most_sessions(server, seconds=3):
    """Return how many sessions the shop has at most in the next ``seconds``."""
    most = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, len(server.sessions("shop")))
    return most


@pytest.mark.parametrize(
    ("max_age", "health_checks"), [(0, False), (1, True), (None, False), (None, True)]
)
def test_the_recorder_has_a_connection_and_each_job_that_runs_has_one(
    server, server_shop, max_age, health_checks
):
    shop = server_shop
    connect(shop, CONN_MAX_AGE=max_age, CONN_HEALTH_CHECKS=health_checks)
    shop.jobs(STEADY, QUERIES)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 30)
    # With an age, threads keep theirs while they run jobs that do not need it.
    assert 1 < most_sessions(server) <= 1 + QUERYING + (0 if max_age == 0 else 10)
    if max_age == 0:
        wait_until(lambda: len(server.sessions("shop")) == 1)
    stop(runner)
    shop.assert_no_start_was_late()
    shop.assert_history_is_true()
    wait_until(lambda: len(server.sessions("shop")) == 0)


def test_jobs_without_queries_take_no_connection(server, server_shop):
    shop = server_shop
    connect(shop, CONN_MAX_AGE=None)
    shop.jobs(IDLE)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 2)
    assert most_sessions(server) == 1
    stop(runner)
    shop.assert_history_is_true()


@pytest.mark.skipif(django.VERSION < (5, 1), reason="Django has no pools before 5.1")
def test_a_pool_of_psycopgs_is_enough(postgresql, new_shop):
    shop = new_shop(postgresql.settings())
    connect(shop, OPTIONS={"pool": {"min_size": 1, "max_size": 3}})
    shop.jobs(STEADY, QUERIES)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 30)
    assert 1 < most_sessions(postgresql) <= 3
    postgresql.stop()
    postgresql.start()
    shop.wait_for_heartbeat()
    shop.wait_for_more()
    stop(runner)
    records = {execution.number for execution in shop.executions()}
    assert records == set(range(1, max(records) + 1))


@pytest.fixture
def pgbouncer(postgresql):
    pgbouncer = PgBouncer(postgresql, pool_size=2)
    yield pgbouncer
    pgbouncer.remove()


def test_pgbouncer_in_transaction_mode_is_enough(postgresql, pgbouncer, new_shop):
    shop = new_shop(postgresql.settings())
    connect(shop, PORT=str(pgbouncer.port), CONN_MAX_AGE=None)
    shop.settings("QUICK_JOBS_HISTORY_RETENTION = 3")
    shop.jobs(STEADY, QUERIES)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 30)
    first = shop.executions()[0]
    assert 1 <= most_sessions(postgresql) <= 2
    wait_until(lambda: not shop.count(pk=first.pk))  # it is pruned
    postgresql.end_sessions()
    shop.wait_for_heartbeat()
    recovered_at = time.time()
    shop.wait_for_more()
    stop(runner)
    shop.assert_no_start_was_late()
    shop.assert_history_is_true(since=recovered_at)
