"""Executions on record, in every pool and on every broker."""

import signal

import pytest

from quick_jobs.models import JobExecution, JobRunner
from tests.celery.sites import executions, outcomes, runners
from tests.conftest import wait_until

pytestmark = [pytest.mark.celery, pytest.mark.timeout(300)]

JOBS = """
    @register_job(interval=1)
    def succeeds(env):
        print("printed")
        logging.getLogger("shop").info("logged")
        env.note("noted")
        for _ in env.track("abc"):
            pass
        tell(f"{env.due_at.timestamp()} {env.previous_success is not None}")

    @register_job(interval=1)
    def fails(env):
        raise ValueError("no such thing")

    @register_job(interval=3600)
    async def waits(env):
        await env.asleep(0.1)
"""


@pytest.mark.parametrize(
    ("pool", "broker"), [("prefork", "rabbitmq"), ("threads", "redis"), ("solo", "redis")]
)
def test_all_executions_are_on_record_in_each_pool(new_site, request, pool, broker):
    site = new_site(request.getfixturevalue(broker))
    site.jobs(JOBS)
    worker = site.worker(pool=pool)
    beat = site.beat()
    wait_until(lambda: len(outcomes("succeeds")) > 3 and len(outcomes("fails")) > 3, 60)
    wait_until(lambda: outcomes("waits") == ["succeeded"])
    beat.send(signal.SIGTERM)
    beat.wait()
    worker.send(signal.SIGTERM)
    assert worker.wait(60) == 0
    assert set(outcomes("succeeds")) == {"succeeded"}
    assert set(outcomes("fails")) == {"failed"}
    failed = executions("fails")[0]
    assert failed.error == "ValueError: no such thing"
    assert "in fails" in failed.traceback
    numbers = [each.number for each in executions()]
    assert len(set(numbers)) == len(numbers)
    due = [each.due_at.timestamp() for each in executions("succeeds")]
    told = [line.split() for line in site.told()]
    assert [float(line[0]) for line in told] == pytest.approx(due)
    assert (told[0][1], told[-1][1]) == ("False", "True")
    last = executions("succeeds")[-1]
    assert (last.note, last.progress_done, last.progress_total) == ("noted", 3, 3)
    assert last.log.count("printed") == last.log.count("logged") == 1
    (runner,) = runners()
    assert (runner.pid, runner.stop_reason) == (worker.pid, JobRunner.SIGNAL)
    assert runner.last_heartbeat_at > runner.started_at
    assert not JobExecution.objects.filter(outcome="running").exists()
