"""A server answers, and refuses what the history asks of it, or lets it wait."""

import contextlib

import pytest

from tests.faults.servers import new_connection
from tests.faults.shops import STEADY, stop
from tests.site import wait_until

pytestmark = pytest.mark.faults


@contextlib.contextmanager
def read_only(server):
    if server.login["ENGINE"].endswith("postgresql"):
        on = "ALTER SYSTEM SET default_transaction_read_only = on"
        off = "ALTER SYSTEM RESET default_transaction_read_only"
        take_effect = "SELECT pg_reload_conf()"
    else:
        on, off, take_effect = "SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0", "SELECT 1"
    server.execute(on)
    server.execute(take_effect)
    try:
        yield
    finally:
        server.execute(off)
        server.execute(take_effect)


@contextlib.contextmanager
def locked(server):
    """Hold a lock on the executions that nobody can write beside."""
    connection = new_connection(server.settings())
    connection.ensure_connection()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE quick_jobs_jobexecution IN ACCESS EXCLUSIVE MODE")
        else:
            cursor.execute("LOCK TABLES quick_jobs_jobexecution WRITE")
        yield
    connection.close()


@pytest.mark.parametrize("fault", [read_only, locked])
def test_writes_that_are_refused_or_wait_stop_no_job_and_cost_no_record(server, new_shop, fault):
    shop = new_shop(server.settings(USER="shop"))  # to whom ``read_only`` applies
    shop.jobs(STEADY)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 30)
    with fault(server):
        visits = shop.number_of_visits()
        wait_until(lambda: shop.number_of_visits() >= visits + 60)
    shop.wait_for_heartbeat()
    stop(runner)
    shop.assert_starts_were_late_once_at_most()
    shop.assert_history_is_true()
    assert ("cannot be written" in runner.output) == (fault is read_only)
