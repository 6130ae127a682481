"""Two workers and beat: nothing twice, nothing lost, and never two executions of a job at once."""

import signal

import pytest

from tests.celery.sites import executions, outcomes, runners
from tests.conftest import wait_until
from tests.faults.servers import PostgreSQL

pytestmark = [pytest.mark.celery, pytest.mark.timeout(300)]

#: Jobs that leave word with the number of their execution's due time.
MANY = """
    def new(number):
        def job(env):
            tell("%d %r" % (number, env.due_at.timestamp()))
        job.__name__ = job.__qualname__ = "job_%d" % number
        return register_job(interval=1)(job)

    for _number in range({count}):
        globals()["job_%d" % _number] = new(_number)
"""


def stop(*processes):
    """Stop beat and workers, in this order."""
    for process in processes:
        process.send(signal.SIGTERM)
        assert process.wait(60) == 0


def check(site):
    """See that what is on record is what happened, each once."""
    told = sorted(site.told())
    kept = sorted(
        f"{each.job.name.rpartition('_')[2]} {each.due_at.timestamp()!r}"
        for each in executions()
        if each.job.name.startswith("shop.jobs.job_")
    )
    assert kept == told, (set(kept) ^ set(told), outcomes())
    assert len(set(told)) == len(told)
    assert set(outcomes()) <= {"succeeded"}


def test_two_workers_run_everything_once_though_the_broker_restarts(new_site, rabbitmq):
    site = new_site(rabbitmq)
    # Else the threads of a worker wait together for one answer of RabbitMQ, some for good.
    site.settings("CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False")
    site.jobs(MANY.format(count=30))
    workers = [site.worker("--max-tasks-per-child=40"), site.worker(pool="threads")]
    beat = site.beat()
    wait_until(lambda: len(site.told()) > 100, 60)
    rabbitmq.stop()
    rabbitmq.start()
    count = len(site.told())
    wait_until(lambda: len(site.told()) > count + 100, 90)
    stop(beat, *workers)
    check(site)
    assert len({each.runner_id for each in executions()}) == 2


def test_no_execution_of_a_job_begins_while_one_runs(site):
    site.jobs("""
        @register_job(interval=1)
        def long(env):
            env.sleep(3.5)
    """)
    # So that a worker that is busy leaves the next start to the other.
    site.settings("CELERY_WORKER_PREFETCH_MULTIPLIER = 1")
    workers = [site.worker(concurrency=1), site.worker(concurrency=1, pool="threads")]
    beat = site.beat()
    wait_until(lambda: outcomes("long").count("succeeded") >= 3, 60)
    running = "shop.jobs.long is still running"
    wait_until(lambda: any(running in worker.output for worker in workers), 60)
    stop(beat, *workers)
    found = executions("long")
    for earlier, later in zip(found, found[1:]):
        assert earlier.finished_at <= later.started_at


@pytest.fixture
def private_database(django_db_blocker):
    """A PostgreSQL to be stopped, with no tables."""
    server = PostgreSQL()
    yield server
    server.recover()
    server.remove()


def test_jobs_go_on_without_the_database_and_their_records_land_later(site, private_database):
    settings = private_database.settings()
    site.settings(f"DATABASES = {{'default': {settings!r}}}")
    site.run("migrate", "--verbosity=0")
    site.jobs(MANY.format(count=4))
    worker = site.worker()
    beat = site.beat()
    wait_until(lambda: len(site.told()) > 20, 60)
    private_database.stop()
    count = len(site.told())
    wait_until(lambda: len(site.told()) > count + 20, 60)
    private_database.start()
    worker.wait_for_output("the history is written again", 60)
    stop(beat, worker)
    count, distinct, ended = private_database.execute(
        "SELECT count(*), count(DISTINCT (job_id, due_at)), count(finished_at) "
        "FROM quick_jobs_jobexecution"
    )[0]
    assert len(site.told()) == count == distinct == ended
    assert not runners()  # they are in the other database
