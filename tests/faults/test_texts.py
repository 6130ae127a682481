"""A server does not take what the history has to say: too long, or of characters it lacks."""

import contextlib

import pytest

from tests.faults.conftest import TABLES
from tests.faults.shops import stop
from tests.site import wait_until

pytestmark = pytest.mark.faults

#: One job fails with a long text that cannot be told in ASCII, the other has little to say.
WORDY = """
@register_job(interval=0.2)
def calm(env):
    with seen("calm"):
        pass

@register_job(interval=0.5)
def wordy(env):
    raise ValueError("\\U0001f40d" * 100 + "x" * {length})
"""


@contextlib.contextmanager
def largest_packet(server, size):
    server.execute(f"SET GLOBAL max_allowed_packet = {size}")
    try:
        yield
    finally:
        server.execute("SET GLOBAL max_allowed_packet = DEFAULT")


@pytest.mark.parametrize("size", [1024, 16 * 1024])
def test_an_error_that_is_longer_than_a_packet_is_cut_and_holds_up_nothing(mariadb, new_shop, size):
    with largest_packet(mariadb, size):
        shop = new_shop(mariadb.settings())
        shop.jobs(WORDY.format(length=30_000))
        runner = shop.start("run_jobs")
        wait_until(lambda: "saved in part" in runner.output)
        calm = shop.count(job__name="shop.jobs.calm")
        wait_until(lambda: shop.count(job__name="shop.jobs.calm", outcome="succeeded") > calm + 5)
        wait_until(lambda: shop.count(job__name="shop.jobs.wordy", outcome="failed") > 2)
        stop(runner)
    assert shop.runner().stopped_at
    assert "not saved" not in runner.output


@contextlib.contextmanager
def narrow(server):
    """Let the tables lack most characters."""
    tables = ("quick_jobs_job", "quick_jobs_jobrunner", "quick_jobs_jobexecution")

    def convert(charset):
        for table in tables:
            server.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET {charset}")

    convert("latin1")
    try:
        yield
    finally:
        for table in TABLES:
            server.execute(f"DELETE FROM {table}")
        convert("utf8mb4")


FATAL = """
@register_job(interval=0.3)
def 日本(env):
    env.request_fatal_errors()
    raise ValueError("\\U0001f40d")
"""


def test_a_table_that_lacks_characters_has_them_as_escapes(mariadb, new_shop):
    with narrow(mariadb):
        shop = new_shop(mariadb.settings())
        shop.jobs(FATAL)
        runner = shop.start("run_jobs")
        assert runner.wait() == 1
        assert "cannot be written" not in runner.output
        assert "not saved" not in runner.output
        assert shop.job_names() == [r"shop.jobs.\u65e5\u672c"]
        (execution,) = shop.executions()
        assert execution.error == r"ValueError: \U0001f40d"
        assert r"\U0001f40d" in shop.runner().stop_detail
        assert shop.runner().stopped_at
