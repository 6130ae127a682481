"""Sessions are ended by the administrator, or by a restart of the server."""

import random
import time

import pytest

from tests.faults.shops import BUSY, STEADY, stop
from tests.site import wait_until

pytestmark = pytest.mark.faults

QUERIES = """
    @register_job(interval=0.5)
    def query(env):
        with seen("query"), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
"""

# Every second time the server ends the session that the job is using.
DIES = """
    import itertools

    numbers = itertools.count()
    END_OF_OWN_SESSION = {
        "postgresql": "SELECT pg_terminate_backend(pg_backend_pid())",
        "mysql": "KILL CONNECTION_ID()",
    }

    @register_job(interval=0.1)
    def dies(env):
        is_to_die = next(numbers) % 2
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            if is_to_die:
                cursor.execute(END_OF_OWN_SESSION[connection.vendor])
"""


def test_ended_sessions_delay_no_job_and_cost_no_record(server, server_shop):
    shop = server_shop
    shop.jobs(STEADY, BUSY)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 30)
    for _ in range(30):
        server.end_sessions()
        time.sleep(random.random() / 10)  # at any moment, between writes and in their midst
    shop.wait_for_heartbeat()
    stop(runner)
    shop.assert_no_start_was_late()
    shop.assert_history_is_true()


def test_restarts_delay_no_job_and_cost_no_record(server, server_shop):
    shop = server_shop
    shop.jobs(STEADY, BUSY)
    runner = shop.start("run_jobs")
    for _ in range(3):
        shop.wait_for_more(30)
        server.stop()
        server.start()
    shop.wait_for_heartbeat()
    stop(runner)
    shop.assert_no_start_was_late()
    shop.assert_history_is_true()


def test_a_session_that_ends_while_its_job_waits_does_not_hurt_it(server, new_shop):
    shop = new_shop(server.settings(CONN_MAX_AGE=None))
    shop.jobs(QUERIES)
    runner = shop.start("run_jobs")
    for _ in range(4):
        ended = shop.count(outcome="succeeded")
        wait_until(lambda: shop.count(outcome="succeeded") > ended)  # noqa: B023
        server.end_sessions()
    shop.wait_for_more(2)
    stop(runner)
    shop.assert_history_is_true()


def test_a_session_that_ends_in_a_job_does_not_hurt_its_next_execution(server, new_shop):
    shop = new_shop(server.settings(CONN_MAX_AGE=None))
    shop.jobs(DIES)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count(outcome="failed") >= 5)
    stop(runner)
    # The runner may have stopped before the last of them began.
    outcomes = [each.outcome for each in shop.executions() if each.outcome != "interrupted"]
    assert outcomes[::2] == ["succeeded"] * len(outcomes[::2])
    assert outcomes[1::2] == ["failed"] * len(outcomes[1::2])
