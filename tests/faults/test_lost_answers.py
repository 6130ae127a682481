"""A write is done, and its answer is lost: the write is tried again, and done once."""

import pytest

from tests.faults.proxy import Proxy
from tests.faults.shops import STEADY, TALKATIVE, stop
from tests.site import wait_until

pytestmark = pytest.mark.faults

# Any two of their tracebacks are too long for one statement, so they are written in a transaction.
# They end together, at each fifth of a second, so that there is always more than one to write.
MAX_TRACEBACK = "QUICK_JOBS_MAX_TRACEBACK = 256 * 1024"
LONG_TRACEBACKS = "".join(
    f"""
@register_job(interval=0.1)
def long_{number}_fails(env):
    with seen("long_{number}_fails"):
        time.sleep(0.2 - time.time() % 0.2)
        raise ValueError("x" * 200_000)
"""
    for number in range(6)
)


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()


@pytest.mark.parametrize(
    ("statement", "jobs"),
    [(rb"(?s)INSERT INTO|UPDATE.*observed_at", STEADY), (rb"COMMIT\0?$", LONG_TRACEBACKS)],
    ids=["statement", "transaction"],
)
def test_a_lost_answer_costs_no_record_and_doubles_none(server, new_shop, proxy, statement, jobs):
    shop = new_shop(server.settings(port=proxy.port))
    shop.settings(MAX_TRACEBACK)
    shop.jobs(jobs, TALKATIVE)
    proxy.lose_answers(statement)
    runner = shop.start("run_jobs")
    wait_until(lambda: proxy.lost >= 20, 40)
    stop(runner)
    shop.assert_history_is_true()
    shop.assert_all_is_there_that_was_said()
    assert shop.runner().stopped_at
