"""Something in the runner itself dies or hangs: nothing goes on as if all were well."""

import signal

import pytest

from quick_jobs.models import JobExecution, JobRunner
from tests.faults.shops import STEADY
from tests.site import wait_until

pytestmark = pytest.mark.faults

# A job that replaces a part of the runner with one that does not work, when it is told to.
SABOTAGE = """
    from quick_jobs.history import recorder
    from quick_jobs.runner import loop

    def dies(*args):
        raise SystemError("sabotaged")

    def hangs(*args):
        while True:
            time.sleep(3600)

    @register_job(interval=0.1)
    def sabotage(env):
        if os.path.exists(os.path.join(os.path.dirname(__file__), "now")):
            {target} = {fault}
"""

THREADS = {
    "the recorder of the history": "recorder.Recorder.step",
    "a worker": "loop.execute",
    "the runner's loop": "loop.Runner.step",
}


def start_and_sabotage(shop, thread, fault):
    """Return a runner whose ``thread`` has a ``fault`` from now on."""
    shop.jobs(STEADY, SABOTAGE.format(target=THREADS[thread], fault=fault))
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 20)
    (shop.path / "shop" / "now").touch()
    return runner


@pytest.mark.parametrize("thread", THREADS)
def test_a_runner_whose_thread_dies_stops_with_exit_status_1_and_says_why(any_shop, thread):
    shop = any_shop
    runner = start_and_sabotage(shop, thread, "dies")
    assert runner.wait() == 1
    assert f"CRITICAL {thread} died of an error" in runner.output
    assert "SystemError: sabotaged" in runner.output
    assert f"stopping: {thread}: SystemError('sabotaged'" in runner.output
    row = shop.runner()
    if thread != "the recorder of the history":
        assert row.stopped_at
        assert row.stop_reason == JobRunner.CRASHED
        assert row.stop_detail.startswith(f"{thread}: SystemError")
        assert not shop.count(outcome=JobExecution.RUNNING)
    else:  # who could not write it
        assert not row.stopped_at
        wait_until(lambda: shop.runners("lost"))


@pytest.mark.parametrize("thread", ["the recorder of the history", "the runner's loop"])
def test_a_runner_whose_thread_hangs_has_no_heartbeat(any_shop, thread):
    shop = any_shop
    runner = start_and_sabotage(shop, thread, "hangs")
    wait_until(lambda: shop.runners("lost"))
    assert runner.is_running
    runner.send(signal.SIGKILL)
