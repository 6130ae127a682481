"""How executions end that take too long, are killed, or are told to stop."""

import os
import signal

import pytest

from quick_jobs.models import JobExecution, JobRunner
from tests.celery.sites import executions, outcomes, runners
from tests.conftest import wait_until

pytestmark = [pytest.mark.celery, pytest.mark.timeout(300)]

JOB_THAT_DOES_NOTHING = """
    @register_job(interval=3600)
    def healthy(env):
        pass
"""


def test_a_timeout_ends_the_execution_with_its_stack_and_the_worker_lives(site):
    site.jobs("""
        @register_job(interval=3600, timeout=1)
        def slow(env):
            time.sleep(60)

        @register_job(interval=3600, timeout=1)
        def deaf(env):
            while True:
                try:
                    time.sleep(60)
                except Exception:
                    pass

        @register_job(interval=3600, timeout=1)
        def stuck(env):
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
            time.sleep(60)

        @register_job(interval=3600, timeout=60)
        def healthy(env):
            pass
    """)
    worker = site.worker(concurrency=3)
    for name in ("slow", "deaf", "stuck"):
        site.send(name)
    wait_until(lambda: len(executions(outcome="timed_out", finished_at__isnull=False)) == 3, 60)
    for name in ("slow", "deaf", "stuck"):
        (execution,) = executions(name)
        assert execution.error == "ran over its timeout of 1 s"
        assert "time.sleep(60)" in execution.traceback
    worker.wait_for_output("Hard time limit", 30)
    for _ in range(3):
        site.send("healthy")
        wait_until(lambda: "succeeded" in outcomes("healthy"), 30)
    assert {each.outcome for each in executions("stuck")} == {"timed_out"}
    worker.send(signal.SIGTERM)
    assert worker.wait(60) == 0


def test_a_job_that_kills_its_process_leaves_its_last_words_and_has_an_end(site):
    site.jobs("""
        @register_job(interval=3600)
        def kills(env):
            tell("began")
            print("said before")
            env.note("half way")
            env.progress(1, 2)
            time.sleep(2)
            os.kill(os.getpid(), signal.SIGKILL)

        @register_job(interval=3600)
        def healthy(env):
            pass
    """)
    site.worker()
    site.send("kills")
    wait_until(lambda: outcomes("kills") == ["failed"], 60)
    (execution,) = executions("kills")
    assert execution.error.startswith("WorkerLostError: ")
    assert execution.due_at is not None
    assert (execution.note, execution.progress_done, execution.progress_total) == ("half way", 1, 2)
    assert "said before" in execution.log
    assert "time.sleep(2)" in execution.traceback
    site.send("healthy")
    wait_until(lambda: outcomes("healthy") == ["succeeded"], 60)
    assert len(site.told()) == len(outcomes("kills")) == 1


def test_a_timeout_is_noticed_afterwards_in_the_threads_pool(site):
    site.jobs("""
        @register_job(interval=3600, timeout=0.5)
        def slow(env):
            time.sleep(1)
    """)
    worker = site.worker(pool="threads")
    assert "the timeouts of shop.jobs.slow are only noticed afterwards" in worker.output
    site.send("slow")
    wait_until(lambda: outcomes("slow") == ["timed_out"], 30)
    assert executions("slow")[0].duration.total_seconds() >= 1


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_jobs_hear_that_the_worker_stops(site, pool):
    site.jobs("""
        @register_job(interval=3600)
        def sleeps(env):
            tell("began")
            env.sleep(600)
    """)
    worker = site.worker(pool=pool)
    site.send("sleeps")
    wait_until(site.told)
    worker.send(signal.SIGTERM)
    assert worker.wait(60) == 0
    assert outcomes("sleeps") == ["interrupted"]


@pytest.mark.parametrize(
    ("pool", "request_"), [("prefork", "request_stop"), ("solo", "request_fatal_errors")]
)
def test_a_job_stops_the_worker_that_runs_it(site, pool, request_):
    site.jobs(f"""
        @register_job(interval=3600)
        def stops(env):
            env.{request_}()
            {"pass" if request_ == "request_stop" else "1 / 0"}
    """)
    worker = site.worker(pool=pool)
    other = site.worker(pool=pool)
    site.send("stops")
    wait_until(lambda: not (worker.is_running and other.is_running), 60)
    (stopped,) = (each for each in (worker, other) if not each.is_running)
    (row,) = (each for each in runners() if each.pid == stopped.pid)
    if request_ == "request_stop":
        assert (stopped.wait(), row.stop_reason) == (0, JobRunner.REQUESTED)
        assert row.stop_detail == "shop.jobs.stops"
    else:
        assert (stopped.wait(), row.stop_reason) == (1, JobRunner.FATAL_ERROR)
        assert row.stop_detail.startswith("shop.jobs.stops: ZeroDivisionError")


def test_a_hung_main_process_is_lost_until_it_goes_on(site):
    site.jobs(JOB_THAT_DOES_NOTHING)
    worker = site.worker()
    os.kill(worker.pid, signal.SIGSTOP)
    wait_until(lambda: len(JobRunner.objects.lost()) == 1, 30)
    os.kill(worker.pid, signal.SIGCONT)
    wait_until(lambda: len(JobRunner.objects.alive()) == 1, 30)


def test_a_rerun_is_sent_again_at_once(site):
    site.jobs("""
        @register_job(interval=3600)
        def reruns(env):
            tell("began")
            if times_told() < 3:
                env.request_rerun()
    """)
    site.worker()
    site.send("reruns")
    wait_until(lambda: outcomes("reruns") == ["succeeded"] * 3, 30)


def test_a_killed_worker_and_its_executions_are_lost_and_delivered_again(new_site, rabbitmq):
    site = new_site(rabbitmq)
    site.settings("CELERY_TASK_ACKS_LATE = True")
    site.jobs("""
        @register_job(interval=3600)
        def long(env):
            tell("began")
            time.sleep(600 if times_told() == 1 else 1)
    """)
    killed = site.worker()
    site.send("long")
    wait_until(site.told)
    wait_until(lambda: outcomes("long") == ["running"])
    site.worker()
    os.killpg(killed.pid, signal.SIGKILL)
    wait_until(lambda: len(JobExecution.objects.lost()) == 1, 30)
    wait_until(lambda: outcomes("long") == ["running", "succeeded"], 60)
    first, second = executions("long")
    assert first.runner.pid == killed.pid
    assert second.runner.pid != killed.pid
    assert len(site.told()) == 2
